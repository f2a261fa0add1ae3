"""NumPyro twins of Stan programs of posteriordb: the same parameters, priors and likelihood, by the same names.

A parameter without a prior in Stan has a flat one on its support. A regression with flat priors declares a region from
the columns of its data, as somebody would who has looked at them: intercepts as large as the outcome, slopes as steep
as the outcome against the feature, a noise as wide as the outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float
from numpyro.distributions import constraints

from biglearn_sampler.mixture.triangular import cholesky_factors, inverse_factors
from biglearn_targets import eight_schools


@dataclass(frozen=True, kw_only=True)
class Twin:
    """A model with its data.

    Arguments:
        model: the function with NumPyro statements.
        arguments: what it is called with, by name.
        centre, scale: the declared region; that of the prior when left out.
    """

    model: Callable[..., Any]
    arguments: Mapping[str, Any]
    centre: Any = None
    scale: Any = None


def _flat(name: str, support: constraints.Constraint, shape: tuple[int, ...] = ()) -> Any:
    """A parameter without a prior."""
    return numpyro.sample(name, dist.ImproperUniform(support, (), shape))


def _eight_schools(data: Mapping[str, Any]) -> Twin:
    return Twin(model=eight_schools.model, arguments={"effects": data["y"], "errors": data["sigma"]})


def _regression(
    outcome: Float[Array, " rows"], feature: Float[Array, " rows"], noise: dist.Distribution | None
) -> None:
    beta = _flat("beta", constraints.real_vector, (2,))
    sigma = _flat("sigma", constraints.positive) if noise is None else numpyro.sample("sigma", noise)
    numpyro.sample("y", dist.Normal(beta[0] + beta[1] * feature, sigma), obs=outcome)


def _regression_twin(outcome: np.ndarray, feature: np.ndarray, noise: dist.Distribution | None) -> Twin:
    spread = outcome.std()
    return Twin(
        model=_regression,
        arguments={"outcome": outcome, "feature": feature, "noise": noise},
        centre=np.array([0.0, 0.0, np.log(spread)]),
        scale=np.array([abs(outcome.mean()) + spread, spread / feature.std(), 1.0]),
    )


def _kidscore_momiq(data: Mapping[str, Any]) -> Twin:
    return _regression_twin(data["kid_score"], data["mom_iq"], dist.HalfCauchy(2.5))


def _logearn_height(data: Mapping[str, Any]) -> Twin:
    return _regression_twin(np.log(data["earn"]), data["height"], None)


def _mixture(values: Float[Array, " rows"]) -> None:
    """Means in order, so that the components have names. NumPyro's law of ordered values has no density of its own."""
    mu = _flat("mu", constraints.ordered_vector, (2,))
    numpyro.factor("mu_prior", dist.Normal(0.0, 2.0).log_prob(mu).sum())
    sigma: Any = numpyro.sample("sigma", dist.HalfNormal(2.0).expand([2]).to_event(1))
    theta: Any = numpyro.sample("theta", dist.Beta(5.0, 5.0))
    shares = jnp.stack([jnp.log(theta), jnp.log1p(-theta)])
    of_components = shares + dist.Normal(mu, sigma).log_prob(values[:, None])
    numpyro.factor("y", logsumexp(of_components, axis=-1).sum())


def _low_dim_gauss_mix(data: Mapping[str, Any]) -> Twin:
    return Twin(model=_mixture, arguments={"values": data["y"]})


def _gaussian_process(places: Float[Array, " rows"], values: Float[Array, " rows"]) -> None:
    """Squared-exponential kernel; `sigma` stands on its diagonal as it is, not squared, as in the Stan program."""
    rho: Any = numpyro.sample("rho", dist.Gamma(25.0, 4.0))
    alpha: Any = numpyro.sample("alpha", dist.HalfNormal(2.0))
    sigma: Any = numpyro.sample("sigma", dist.HalfNormal(1.0))
    distances = (places[:, None] - places) / rho
    factor = cholesky_factors(alpha**2 * jnp.exp(-0.5 * distances**2) + sigma * jnp.eye(len(places)))
    standard = inverse_factors(factor) @ values
    log_volume = jnp.log(jnp.diagonal(factor)).sum() + 0.5 * len(places) * jnp.log(2.0 * jnp.pi)
    numpyro.factor("y", -0.5 * (standard**2).sum() - log_volume)


def _gp_regr(data: Mapping[str, Any]) -> Twin:
    return Twin(model=_gaussian_process, arguments={"places": data["x"], "values": data["y"]})


TWINS: Mapping[str, Callable[[Mapping[str, Any]], Twin]] = MappingProxyType(
    {
        "eight_schools_noncentered": _eight_schools,
        "gp_regr": _gp_regr,
        "kidscore_momiq": _kidscore_momiq,
        "logearn_height": _logearn_height,
        "low_dim_gauss_mix": _low_dim_gauss_mix,
    }
)
"""By the name of the Stan model."""
