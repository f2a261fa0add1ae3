"""Any task on a target that knows its own channels in closed form."""

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
class ExactChannelEstimator(AbstractEstimator):
    """The target's closed form: what the paper's released code uses, and more than an energy alone gives."""

    source = "exact channel"

    target: AbstractTarget

    def log_density(self, channel: Channel, views: Float[Array, "count rows"]) -> Float[Array, " count"]:
        def of_one_view(view: Float[Array, " rows"]) -> Float[Array, ""]:
            return self.target.channel_log_density(channel, view)

        return jax.vmap(guarded(of_one_view))(views)

    def price(self, count: int) -> Evaluations:
        return Evaluations(exact_channel=count)
