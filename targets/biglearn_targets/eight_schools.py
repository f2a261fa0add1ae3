"""Eight schools: the effect of coaching, measured in eight schools and known to be hard for Markov chains.

Given `tau`, everything else is normal. So the posterior of `tau` needs one integral, and draws from the whole
posterior are exact: this model from practice can be judged as strictly as a mixture.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jaxtyping import Array, Float, Key

from biglearn_sampler.bridges import NumpyroTarget, from_numpyro
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import Facts
from biglearn_targets.grid import Grid, draws_on_line

EFFECTS = (28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0)
ERRORS = (15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0)
MEAN_SCALE = 5.0
SPREAD_SCALE = 5.0

LOG_SPREAD_GRID = Grid(-16.0, 8.0, 4096)
"""Of `log tau`. Left of it the density falls as `tau`, right of it as `tau^-9`; 2e-8 lie beyond."""


def eight_schools() -> NumpyroTarget:
    """The posterior of the non-centred model, in the coordinates `mu`, `log tau` and eight `theta_trans`.

    `mu ~ N(0, 5^2)`, `tau ~ HalfCauchy(5)`, `theta_trans_j ~ N(0, 1)`, `theta_j = mu + tau theta_trans_j` and
    `y_j ~ N(theta_j, sigma_j^2)`, as `eight_schools_noncentered` of posteriordb. `Z` is the evidence.

    Declared: centre and scale of the prior.
    """
    target = from_numpyro(model, effects=np.array(EFFECTS), errors=np.array(ERRORS))
    return replace(target, known=Facts(log_z=_log_z(), sample=_sample))


def model(effects: Float[Array, " schools"], errors: Float[Array, " schools"]) -> None:
    """The non-centred model; see `eight_schools`."""
    mu = numpyro.sample("mu", dist.Normal(0.0, MEAN_SCALE))
    tau = numpyro.sample("tau", dist.HalfCauchy(SPREAD_SCALE))
    with numpyro.plate("schools", len(effects)):
        theta_trans = numpyro.sample("theta_trans", dist.Normal(0.0, 1.0))
        theta = numpyro.deterministic("theta", mu + tau * theta_trans)
        numpyro.sample("y", dist.Normal(theta, errors), obs=effects)


@lru_cache(maxsize=1)
def _spread_masses() -> Float[np.ndarray, " cells"]:
    """`p(y, log tau) h` in every cell of width `h`, with `mu` and `theta` integrated out.

    `log p(y | tau) = sum_j log N(y_j; 0, sigma_j^2 + tau^2) + (c^2 P - log(5^2 P)) / 2`, where `c` and `P`
    are the centre and the precision of `mu` given `tau`.
    """
    tau = np.exp(LOG_SPREAD_GRID.midpoints)[:, None]
    centre, precision = _mean_given(tau)
    variances = np.square(ERRORS) + tau**2
    without_mean = -0.5 * (np.square(EFFECTS) / variances + np.log(2.0 * np.pi * variances)).sum(1, keepdims=True)
    log_likelihood = without_mean + 0.5 * (centre**2 * precision - np.log(MEAN_SCALE**2 * precision))
    prior = 2.0 / (np.pi * SPREAD_SCALE * (1.0 + (tau / SPREAD_SCALE) ** 2))
    return (np.exp(log_likelihood) * prior * tau * LOG_SPREAD_GRID.width)[:, 0]


def _mean_given(tau: Any) -> tuple[Any, Any]:
    """Centre and precision of `mu` given `tau` of shape `(count, 1)`, in NumPy or in JAX as it comes."""
    precisions = 1.0 / (np.square(ERRORS) + tau**2)
    precision = 1.0 / MEAN_SCALE**2 + precisions.sum(1, keepdims=True)
    return (precisions * np.array(EFFECTS)).sum(1, keepdims=True) / precision, precision


def _log_z() -> float:
    return float(np.log(_spread_masses().sum()))


def _sample(key: Key[Array, ""], count: int) -> Float[Array, "count 10"]:
    """First `log tau`, then `mu` given `tau`, then `theta_trans` given both; the last two are normal."""
    key_spread, key_mean, key_schools = jax.random.split(key, 3)
    log_tau = draws_on_line(key_spread, count, LOG_SPREAD_GRID, _spread_masses())[:, None]
    tau = jnp.exp(log_tau)

    centre, precision = _mean_given(tau)
    mu = centre + jax.random.normal(key_mean, (count, 1)) / jnp.sqrt(precision)

    effects, errors = jnp.array(EFFECTS), jnp.array(ERRORS)
    school_precisions = 1.0 + (tau / errors) ** 2
    school_centres = tau * (effects - mu) / errors**2 / school_precisions
    noise = jax.random.normal(key_schools, (count, len(EFFECTS)))
    return jnp.concatenate([mu, log_tau, school_centres + noise / jnp.sqrt(school_precisions)], axis=1)


ENTRIES = (
    Entry(
        name="eight_schools",
        build=eight_schools,
        summary="effects of coaching in eight schools, a hierarchical model from practice",
        reference="Rubin (1981): Estimation in parallel randomized experiments, Journal of Educational Statistics 6",
    ),
)
