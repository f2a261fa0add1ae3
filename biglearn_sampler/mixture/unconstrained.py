"""A mixture in coordinates without constraints, where any optimiser may step freely."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from biglearn_sampler.mixture.gaussian_mixture import GaussianMixture


class UnconstrainedMixture(NamedTuple):
    """What the optimiser moves.

    Arguments:
        logits: the weights are `softmax(logits)`.
        means: `mu_k`.
        log_diagonals: logarithms of the diagonals of the factors `L_k`.
        off_diagonals: the strictly lower triangles of the factors; the rest is zero and stays zero.
    """

    logits: Float[Array, " components"]
    means: Float[Array, "components dim"]
    log_diagonals: Float[Array, "components dim"]
    off_diagonals: Float[Array, "components dim dim"]


def constrain(parameters: UnconstrainedMixture) -> GaussianMixture:
    """The mixture that these parameters describe."""
    dim = parameters.means.shape[-1]
    diagonal = jnp.exp(parameters.log_diagonals)[..., None] * jnp.eye(dim, dtype=parameters.means.dtype)
    factors = jnp.tril(parameters.off_diagonals, -1) + diagonal
    return GaussianMixture(jax.nn.log_softmax(parameters.logits), parameters.means, factors)


def unconstrain(mixture: GaussianMixture) -> UnconstrainedMixture:
    """The parameters of a mixture; `constrain(unconstrain(mixture))` gives it back."""
    diagonals = jnp.diagonal(mixture.factors, axis1=-2, axis2=-1)
    return UnconstrainedMixture(mixture.log_weights, mixture.means, jnp.log(diagonals), jnp.tril(mixture.factors, -1))
