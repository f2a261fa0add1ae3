"""The tailored simulation of the paper: two modes, and a mixture with two parameters that all losses are drawn over."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from biglearn_sampler.energy import MixtureTarget
from biglearn_sampler.mixture import GaussianMixture

VARIANCE = 0.1
"""`sigma^2` of every component, of the target and of the model."""

SCALE = 2.0
"""The declared scale: the half-width of the square that the surfaces are drawn over."""

GLOBAL_OPTIMA = ((-1.0, 1.0), (1.0, -1.0))
"""`(mu1, mu2)` where model and target are one: the components may change their places."""


def model(parameters: Float[Array, " pair"]) -> GaussianMixture:
    """`p(x) = 1/2 N(x; (mu1, 0), sigma^2 I) + 1/2 N(x; (mu2, 0), sigma^2 I)` (section 3.3 of the paper).

    Arguments:
        parameters: `(mu1, mu2)`, to which it is differentiable.
    """
    means = jnp.stack([parameters, jnp.zeros_like(parameters)], -1)
    factors = jnp.sqrt(VARIANCE) * jnp.broadcast_to(jnp.eye(2, dtype=means.dtype), (2, 2, 2))
    return GaussianMixture(jnp.log(jnp.full(2, 0.5, means.dtype)), means, factors)


def target() -> MixtureTarget:
    """`q(x)`: the model at a global optimum."""
    return MixtureTarget.of(model(jnp.asarray(GLOBAL_OPTIMA[0])), scale=SCALE)
