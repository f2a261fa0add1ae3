"""A product of mixtures over disjoint coordinates: exponentially many components from few."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from biglearn_sampler.catalogue.notebook import html_of
from biglearn_sampler.mixture.arguments import checked_count, checked_key, checked_point
from biglearn_sampler.mixture.gaussian_mixture import GaussianMixture
from biglearn_sampler.mixture.mixture_law import MixtureLaw
from biglearn_sampler.mixture.triangular import factors_of_roots
from biglearn_sampler.precision import full_precision


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class FactoredMixture:
    """The sampler `p(x) = prod_b p_b(x_b)`, each `p_b` a Gaussian mixture over its own coordinates.

    Sixteen factors with two components each cover 2^16 modes with 32 components.

    Arguments:
        blocks: the coordinates of each factor; together every coordinate once.
        factors_of: the factors, in the same order.
    """

    blocks: tuple[tuple[int, ...], ...] = field(metadata={"static": True})
    factors_of: tuple[GaussianMixture, ...]

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return sum(len(block) for block in self.blocks)

    @property
    def components(self) -> int:
        """Number of components of all factors together."""
        return sum(factor.components for factor in self.factors_of)

    @property
    def product_components(self) -> int:
        """Number of components that an equal plain mixture has."""
        return math.prod(factor.components for factor in self.factors_of)

    def log_density(self, point: Float[Array, "*batch dim"]) -> Float[Array, "*batch"]:
        """`log p(x)`, normalised, of one point or of a batch of points."""
        point = checked_point(point, self.dim)
        parts = [
            factor.log_density(point[..., np.array(block)])
            for block, factor in zip(self.blocks, self.factors_of, strict=True)
        ]
        return jnp.stack(parts).sum(0)

    def sample(self, key: Key[Array, ""] | int, count: int) -> Float[Array, "count dim"]:
        """`count` independent draws; arguments and errors as of `GaussianMixture.sample`."""
        count, keys = checked_count(count), jax.random.split(checked_key(key), len(self.blocks))
        parts = [factor.sample(key, count) for factor, key in zip(self.factors_of, keys, strict=True)]
        return jnp.concatenate(parts, -1)[:, self._places()]

    def affine(self, centre: Float[Array, " dim"], scale: Float[Array, " dim"]) -> FactoredMixture:
        """The law of `centre + scale * x`, coordinate by coordinate, `scale > 0`."""
        factors = [
            factor.affine(centre[np.array(block)], scale[np.array(block)])
            for block, factor in zip(self.blocks, self.factors_of, strict=True)
        ]
        return FactoredMixture(self.blocks, tuple(factors))

    def marginal(self, coordinates: Sequence[int]) -> FactoredMixture:
        """The law of the given coordinates, in the given order."""
        wanted = list(coordinates)
        if not wanted or len(set(wanted)) != len(wanted) or not all(0 <= i < self.dim for i in wanted):
            raise ValueError(f"coordinates must be distinct numbers from 0 to {self.dim - 1}, got {wanted}")
        blocks, factors = [], []
        for block, factor in zip(self.blocks, self.factors_of, strict=True):
            mine = [i for i in wanted if i in block]
            if mine:
                blocks.append(tuple(wanted.index(i) for i in mine))
                factors.append(factor.marginal([block.index(i) for i in mine]))
        return FactoredMixture(tuple(blocks), tuple(factors))

    def mean(self) -> Float[Array, " dim"]:
        """The mean of the whole product."""
        return jnp.concatenate([factor.mean() for factor in self.factors_of])[self._places()]

    def covariance(self) -> Float[Array, "dim dim"]:
        """The covariance of the whole product; zero between blocks."""
        joined = jax.scipy.linalg.block_diag(*[factor.covariance() for factor in self.factors_of])
        places = self._places()
        return joined[places][:, places]

    def to_numpyro(self) -> MixtureLaw:
        """The same law as a NumPyro distribution, to use in a model."""
        return MixtureLaw(self)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return html_of(self)

    @full_precision()
    def expanded(self) -> GaussianMixture:
        """The same law as a plain mixture, with `product_components` components."""
        places = self._places()
        log_weights, means, factors = jnp.zeros(1), jnp.zeros((1, 0)), jnp.zeros((1, 0, 0))
        for factor in self.factors_of:
            log_weights, means, factors = _product(log_weights, means, factors, factor)
        # A permuted factor is no longer triangular, but a root of the permuted covariance.
        return GaussianMixture(log_weights, means[:, places], factors_of_roots(factors[:, places]))

    def _places(self) -> np.ndarray:
        """Where every coordinate stands when the blocks are laid side by side."""
        return np.argsort(np.concatenate([np.array(block) for block in self.blocks]))


def _product(
    log_weights: Float[Array, " first"],
    means: Float[Array, "first dim"],
    factors: Float[Array, "first dim dim"],
    other: GaussianMixture,
) -> tuple[Array, Array, Array]:
    """All pairs of a component so far and a component of another factor."""
    first, second = len(log_weights), other.components
    mine, theirs = np.repeat(np.arange(first), second), np.tile(np.arange(second), first)
    dim, more = means.shape[1], other.dim
    joined = jnp.zeros((first * second, dim + more, dim + more))
    joined = joined.at[:, :dim, :dim].set(factors[mine]).at[:, dim:, dim:].set(other.factors[theirs])
    return (
        log_weights[mine] + other.log_weights[theirs],
        jnp.concatenate([means[mine], other.means[theirs]], -1),
        joined,
    )
