"""A path of Brownian motion seen through noise, its middle unseen, both scales unknown.

Given the two scales everything is normal. So the posterior of the scales needs an integral over a plane, and draws of
the whole path are exact: a posterior in 32 dimensions with known answers.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jaxtyping import Array, Float, Int, Key

from biglearn_sampler.bridges import NumpyroTarget, from_numpyro
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import Facts
from biglearn_targets.grid import Grid, draws_on_plane

STEPS = 30
SEEN = (*range(10), *range(20, 30))
OBSERVED = (
    *(0.21592641, 0.118771404, -0.07945447, 0.037677474, -0.27885845),
    *(-0.1484156, -0.3250906, -0.22957903, -0.44110894, -0.09830782),
    *(-0.8786016, -0.83736074, -0.7384849, -0.8939254, -0.7774566),
    *(-0.70238715, -0.87771565, -0.51853573, -0.6948214, -0.6202789),
)
"""Of the seen steps. Drawn once by the authors of the Inference Gym, with scales 0.1 and 0.15; numbers of its data set
`brownian_motion_missing_middle_observations` (Apache-2.0)."""

PRIOR_DEVIATION = 2.0
"""Of the logarithms of both scales."""

INNOVATION_GRID = Grid(-9.0, 4.0, 520)
OBSERVATION_GRID = Grid(-12.0, 4.0, 640)
"""Of the logarithms of the scales; 1e-6 lies beyond. Cells are a tenth of the narrowest spread."""


def brownian_motion() -> NumpyroTarget:
    """The posterior of both scales and 30 places, of which the middle ten are unseen.

    `innovation_noise_scale, observation_noise_scale ~ LogNormal(0, 2)`, `locs[0] ~ N(0, innovation^2)`,
    `locs[t] ~ N(locs[t-1], innovation^2)`, `y[t] ~ N(locs[t], observation^2)` of the seen steps. Coordinates: the
    logarithm of the innovation scale, the 30 places, the logarithm of the observation scale (the Inference Gym has the
    inverse of softplus instead: another density of the same posterior). `Z` is the evidence.

    Declared: of the scales their prior; of the places centre 0 and scale 1, about as far as the values go.
    """
    spread = np.array([PRIOR_DEVIATION, *[1.0] * STEPS, PRIOR_DEVIATION])
    arguments = {"observed": np.array(OBSERVED), "places": np.array(SEEN)}
    target = from_numpyro(_model, centre=0.0, scale=spread, **arguments)
    return replace(target, known=_facts())


def _model(observed: Float[Array, " seen"], places: Int[Array, " seen"]) -> None:
    innovation = numpyro.sample("innovation_noise_scale", dist.LogNormal(0.0, PRIOR_DEVIATION))
    observation = numpyro.sample("observation_noise_scale", dist.LogNormal(0.0, PRIOR_DEVIATION))
    locs = numpyro.sample("locs", dist.GaussianRandomWalk(innovation, num_steps=STEPS))
    numpyro.sample("observed_locs", dist.Normal(jnp.asarray(locs)[places], observation), obs=observed)


@lru_cache(maxsize=1)
def _facts() -> Facts:
    """One object for all, since compiled code is kept for equal facts only."""
    return Facts(log_z=float(np.log(_scale_masses().sum())), sample=_sample)


def _values() -> tuple[Float[np.ndarray, " steps"], np.ndarray]:
    """The observation of every step, zero where there is none, and whether there is one."""
    values, seen = np.zeros(STEPS), np.zeros(STEPS, bool)
    values[list(SEEN)], seen[list(SEEN)] = OBSERVED, True
    return values, seen


@lru_cache(maxsize=1)
def _scale_masses() -> Float[np.ndarray, "rows columns"]:
    """`p(y, log scales)` times the area of a cell, in every cell, by the Kalman filter."""
    first, second = INNOVATION_GRID.midpoints[:, None], OBSERVATION_GRID.midpoints[None, :]
    step, noise = np.exp(2.0 * first), np.exp(2.0 * second)
    mean, variance = np.zeros((1, 1)), np.zeros((1, 1))
    log_density = -0.5 * (first**2 + second**2) / PRIOR_DEVIATION**2 - np.log(2.0 * np.pi * PRIOR_DEVIATION**2)
    for value, seen in zip(*_values(), strict=True):
        variance = variance + step
        if seen:
            total = variance + noise
            log_density = log_density - 0.5 * ((value - mean) ** 2 / total + np.log(2.0 * np.pi * total))
            mean = mean + variance / total * (value - mean)
            variance = variance * noise / total
    return np.exp(log_density) * INNOVATION_GRID.width * OBSERVATION_GRID.width


def _sample(key: Key[Array, ""], count: int) -> Float[Array, "count 32"]:
    """First both scales, then the path given them, from its end to its beginning."""
    key_scales, key_path = jax.random.split(key)
    scales = draws_on_plane(key_scales, count, (INNOVATION_GRID, OBSERVATION_GRID), _scale_masses())
    step, noise = jnp.exp(2.0 * scales[:, 0]), jnp.exp(2.0 * scales[:, 1])

    def forward(
        law: tuple[Array, Array], step_of: tuple[Array, Array]
    ) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        (mean, variance), (value, seen) = law, step_of
        variance = variance + step
        gain = jnp.where(seen, variance / (variance + noise), 0.0)
        law = (mean + gain * (value - mean), variance * (1.0 - gain))
        return law, law

    def backward(after: Array, law: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        mean, variance, normal = law
        gain = variance / (variance + step)
        place = mean + gain * (after - mean) + jnp.sqrt(gain * step) * normal
        return place, place

    nothing = jnp.zeros(count)
    values, seen = _values()
    _, (means, variances) = jax.lax.scan(forward, (nothing, nothing), (jnp.asarray(values, float), jnp.asarray(seen)))
    noises = jax.random.normal(key_path, (STEPS, count))
    end = means[-1] + jnp.sqrt(variances[-1]) * noises[-1]
    _, path = jax.lax.scan(backward, end, (means[:-1], variances[:-1], noises[:-1]), reverse=True)
    return jnp.concatenate([scales[:, :1], path.T, end[:, None], scales[:, 1:]], axis=1)


ENTRIES = (
    Entry(
        name="brownian_motion",
        build=brownian_motion,
        summary="a noisy path of Brownian motion with an unseen middle and unknown scales",
        reference="Sountsov, Radul and contributors (2020): Inference Gym, "
        "BrownianMotionUnknownScalesMissingMiddleObservations",
    ),
)
