"""Marginals of any energy by quadrature over the coordinates that are integrated out."""

from __future__ import annotations

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float

from biglearn_sampler.energy import AbstractTarget, Evaluations
from biglearn_sampler.estimators.estimator import AbstractEstimator
from biglearn_sampler.estimators.grid import regular_grid
from biglearn_sampler.estimators.guard import guarded
from biglearn_sampler.mixture import Channel


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class MarginalQuadrature(AbstractEstimator):
    """`q(y) = integral q(W^T (y - b) + V^T u) du` over the orthogonal complement `V` of `W`, for a noise-free channel.

    Trapezoidal rule over the declared region: exact to rounding once the step is below the standard deviation of
    what is integrated.

    Arguments:
        target: whose energy is integrated.
        integrated: number of coordinates that are integrated out.
        nodes: grid points for each integrated coordinate, at least 2.
        extent: half-width of the grid, in declared scales.
    """

    source = "quadrature"

    target: AbstractTarget
    integrated: int = field(metadata={"static": True})
    nodes: int = field(metadata={"static": True})
    extent: float = field(metadata={"static": True})

    def log_density(self, channel: Channel, views: Float[Array, "count rows"]) -> Float[Array, " count"]:
        complement = _complement_rows(channel.matrix)
        grid, step = regular_grid(self.integrated, self.nodes, self.extent * self.target.scale.max())
        across = (grid + complement @ self.target.centre) @ complement
        log_density = jax.vmap(guarded(self.target.log_density))

        def of_one_view(view: Float[Array, " rows"]) -> Float[Array, ""]:
            foot = (view - channel.offset) @ channel.matrix
            return logsumexp(log_density(foot + across)) + self.integrated * jnp.log(step)

        return jax.vmap(of_one_view)(views)

    def price(self, count: int) -> Evaluations:
        return self.target.price_of_gradient.times(count * self.nodes**self.integrated)


def _complement_rows(matrix: Float[Array, "rows dim"]) -> Float[Array, "rest dim"]:
    """Orthonormal rows that complete the orthonormal rows of `matrix`."""
    complete, _ = jnp.linalg.qr(matrix.T, mode="complete")
    return complete.T[matrix.shape[0] :]
