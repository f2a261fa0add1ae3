"""Rings with a Gaussian profile: the second family of that name, whose integral has a closed form."""

from __future__ import annotations

import math
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float, Key

from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import Facts, FunctionTarget, function_target
from biglearn_targets.grid import Grid, draws_on_line

PROFILE_GRID = Grid(-9.0, 9.0, 4096)
"""Across a ring, in deviations; beyond it lies a mass of 1e-18."""

NEAR_ZERO = 1e-12
"""The gradient of a square root is infinite at zero; below this square the radius counts as constant."""


def gaussian_rings(
    radii: Annotated[tuple[float, ...], "radius of each ring, at least 0"] = (1.0, 3.0, 5.0),
    deviation: Annotated[float, "standard deviation across every ring, above 0"] = 0.1,
) -> FunctionTarget:
    """`log_density(x) = log sum_k exp(-(|x| - R_k)^2 / (2 s^2))` in the plane.

    All rings are equally high, so their masses grow with their radii: ring `k` has

    `Z_k = 2 pi (s^2 exp(-R_k^2 / (2 s^2)) + R_k s sqrt(pi / 2) (1 + erf(R_k / (s sqrt 2))))`,

    and `log Z` is the logarithm of their sum, 2.65146 by default. The published form has radii 1 and 2 and deviation
    1/8. The modes are the rings; the points given for them lie on the first axis. Exact draws choose a ring by its
    mass, then a radius from `r exp(-(r - R)^2 / (2 s^2))` by a table: the factor `r` is the Jacobian.

    Declared: centre 0, scale the largest radius, or the deviation if that is larger.

    Raises:
        ValueError: there is no ring, a radius is negative, or the deviation is not positive.
    """
    if not radii or not all(0 <= radius < math.inf for radius in radii):
        raise ValueError(f"`radii` must be at least one number, none below 0, got {radii}")
    if not deviation > 0:
        raise ValueError(f"`deviation` must be above 0, got {deviation}")
    data = (jnp.asarray(radii, float), jnp.asarray(deviation, float))
    scale = max(*radii, deviation)
    return function_target(log_density, dim=2, scale=scale, data=data, facts=_facts(np.array(radii), deviation))


def log_density(
    point: Float[Array, " 2"], radii: Float[Array, " rings"], deviation: Float[Array, ""]
) -> Float[Array, ""]:
    """The logarithm of the sum of all rings, unnormalised."""
    return logsumexp(_logarithms(point, radii, deviation))


def ring_integrals(radii: Float[np.ndarray, " rings"], deviation: float) -> Float[np.ndarray, " rings"]:
    """`Z_k` of every ring."""
    inside = [math.erf(radius / (deviation * math.sqrt(2.0))) for radius in radii]
    line = radii * deviation * math.sqrt(0.5 * math.pi) * (1.0 + np.array(inside))
    return 2.0 * math.pi * (deviation**2 * np.exp(-0.5 * (radii / deviation) ** 2) + line)


def _logarithms(
    point: Float[Array, " 2"], radii: Float[Array, " rings"], deviation: Float[Array, ""] | float
) -> Float[Array, " rings"]:
    radius = jnp.sqrt(jnp.maximum((point**2).sum(), NEAR_ZERO))
    return -0.5 * ((radius - radii) / deviation) ** 2


def _facts(radii: Float[np.ndarray, " rings"], deviation: float) -> Facts:
    integrals = ring_integrals(radii, deviation)
    masses = integrals / integrals.sum()

    def responsibilities(point: Float[Array, " 2"]) -> Float[Array, " rings"]:
        return jax.nn.softmax(_logarithms(point, jnp.asarray(radii, float), deviation))

    def sample(key: Key[Array, ""], count: int) -> Float[Array, "count 2"]:
        key_ring, key_radius, key_angle = jax.random.split(key, 3)
        keys = jax.random.split(key_radius, len(radii))
        each = [_radii_of_ring(*ring, count, deviation) for ring in zip(keys, radii, strict=True)]
        chosen = jax.random.choice(key_ring, len(radii), (count,), p=jnp.asarray(masses, float))
        radius = jnp.take_along_axis(jnp.stack(each, axis=-1), chosen[:, None], axis=-1)
        angle = jax.random.uniform(key_angle, (count,), maxval=2.0 * math.pi)
        return radius * jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=-1)

    return Facts(
        log_z=float(np.log(integrals.sum())),
        modes=jnp.asarray(np.stack([radii, np.zeros_like(radii)], axis=-1), float),
        mode_weights=jnp.asarray(masses, float),
        responsibilities=responsibilities,
        sample=sample,
    )


def _radii_of_ring(key: Key[Array, ""], radius: float, count: int, deviation: float) -> Float[Array, " count"]:
    across = PROFILE_GRID.midpoints
    masses = np.maximum(radius + deviation * across, 0.0) * np.exp(-0.5 * across**2)
    # A cell that the centre of the plane cuts would give negative radii.
    return jnp.abs(radius + deviation * draws_on_line(key, count, PROFILE_GRID, masses))


ENTRIES = (
    Entry(
        name="gaussian_rings",
        build=gaussian_rings,
        summary="concentric rings with a Gaussian profile, in any number",
        reference="Stimper, Schölkopf, Hernández-Lobato (2022): Resampling base distributions of normalizing flows, "
        "AISTATS",
    ),
)
