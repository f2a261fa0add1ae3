"""Noised views of any energy in one or two dimensions by quadrature over a grid that is evaluated once."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from biglearn_sampler.energy import AbstractTarget, Evaluations
from biglearn_sampler.estimators.estimator import AbstractEstimator
from biglearn_sampler.estimators.grid import regular_grid
from biglearn_sampler.estimators.guard import guarded
from biglearn_sampler.estimators.kernel_sum import kernel_log_density
from biglearn_sampler.mixture import Channel


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class NoisedQuadrature(AbstractEstimator):
    """`q(y) = integral q(x) N(y; W x + b, sigma^2 I) dx`, with the energies of a grid that never changes.

    Arguments:
        points: the grid in the coordinates of training.
        log_masses: `log q` at the grid points plus the logarithm of the cell volume.
        step: distance of neighbours.
    """

    source = "quadrature"

    points: Float[Array, "points dim"]
    log_masses: Float[Array, " points"]
    step: Float[Array, ""]

    @classmethod
    def of(cls, target: AbstractTarget, nodes: int, extent: float) -> NoisedQuadrature:
        """Evaluate a target on `nodes` points a side, `extent` declared scales to each side of its centre."""
        grid, step = regular_grid(target.dim, nodes, extent * target.scale.max())
        points = target.centre + grid
        values = jax.jit(jax.vmap(guarded(target.log_density)))(points)
        return cls(points, values + target.dim * jnp.log(step), step)

    def log_density(self, channel: Channel, views: Float[Array, "count rows"]) -> Float[Array, " count"]:
        return kernel_log_density(channel, views, self.points, self.log_masses)

    def price(self, count: int) -> Evaluations:
        return Evaluations()

    def setup_price(self) -> Evaluations:
        return Evaluations(energy=len(self.points))

    def admit(self, channel: Channel) -> Channel:
        """Noise narrower than the grid is widened to its step: a kernel between two nodes would not be seen."""
        return Channel(channel.matrix, channel.offset, jnp.maximum(channel.noise, self.step))
