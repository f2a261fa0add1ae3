"""A target in coordinates where its declared region is the unit ball, so that nothing depends on units."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from biglearn_sampler.energy.evaluations import Evaluations
from biglearn_sampler.energy.target import AbstractTarget
from biglearn_sampler.mixture import Channel


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Whitened(AbstractTarget):
    """`u -> log q(centre + scale * u) + sum log scale`: the same density in whitened coordinates.

    `Z` is unchanged. Facts are not carried over: training sees only the energy.
    """

    original: AbstractTarget

    @property
    def dim(self) -> int:
        return self.original.dim

    @property
    def price_of_gradient(self) -> Evaluations:
        return self.original.price_of_gradient

    @property
    def has_exact_channels(self) -> bool:
        return self.original.has_exact_channels

    def log_density(self, point: Float[Array, " dim"]) -> Float[Array, ""]:
        scale = self.original.scale
        return self.original.log_density(self.original.centre + scale * point) + jnp.log(scale).sum()

    def channel_log_density(self, channel: Channel, view: Float[Array, " rows"]) -> Float[Array, ""]:
        centre, scale = self.original.centre, self.original.scale
        return self.original.channel_log_density(channel.after_affine(-centre / scale, 1.0 / scale), view)
