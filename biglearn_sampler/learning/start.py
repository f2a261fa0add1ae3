"""Where the search begins: the law of the first component means and of the first states of chains."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Float, Key

from biglearn_sampler.compilation import jit_quickly
from biglearn_sampler.mixture import GaussianMixture

SHARED = 64
"""Points that are drawn at least: what looks at an energy and what begins to learn share one compiled program."""

_normal = jit_quickly(jax.random.normal, static_argnums=(1, 2))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class StartRegion:
    """Means are drawn from `N(mean, F F^T)`; every component starts with covariance `diag(width^2)`.

    Arguments:
        mean: centre of the region, in the target's own units.
        factor: `F`, a lower-triangular factor of the covariance of the region.
        width: standard deviations of a fresh component.
    """

    mean: Float[Array, " dim"]
    factor: Float[Array, "dim dim"]
    width: Float[Array, " dim"]

    def points(self, key: Key[Array, ""], count: int) -> Float[Array, "count dim"]:
        """`count` independent points of the region."""
        # The first rows are the same however many there are.
        # Inside a program that is being compiled there are no options to give.
        draw = jax.random.normal if isinstance(key, Tracer) else _normal
        noise = draw(key, (max(count, SHARED), self.mean.shape[0]), self.mean.dtype)[:count]
        return self.mean + noise @ self.factor.T

    def mixture(self, key: Key[Array, ""], components: int) -> GaussianMixture:
        """A first mixture with equal weights."""
        dim = self.mean.shape[0]
        return GaussianMixture(
            jnp.full(components, -jnp.log(components), self.mean.dtype),
            self.points(key, components),
            jnp.broadcast_to(jnp.diag(self.width), (components, dim, dim)),
        )
