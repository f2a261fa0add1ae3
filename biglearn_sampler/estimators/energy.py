"""Joint and conditional tasks need nothing but the energy."""

from __future__ import annotations

from dataclasses import dataclass

import jax
from jaxtyping import Array, Float

from biglearn_sampler.energy import AbstractTarget, Evaluations
from biglearn_sampler.estimators.estimator import AbstractEstimator
from biglearn_sampler.estimators.guard import guarded
from biglearn_sampler.mixture import Channel


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class EnergyEstimator(AbstractEstimator):
    """`log q(y) = -E(W^T (y - b))` for an orthogonal `W` without noise: exact for any energy.

    With `y = (y_S, y_T)` this is `log q(y_T | y_S)` plus a constant of `y_S`, which has no gradient.
    """

    source = "energy"

    target: AbstractTarget

    def log_density(self, channel: Channel, views: Float[Array, "count rows"]) -> Float[Array, " count"]:
        points = (views - channel.offset) @ channel.matrix
        return jax.vmap(guarded(self.target.log_density))(points)

    def price(self, count: int) -> Evaluations:
        return self.target.price_of_gradient.times(count)
