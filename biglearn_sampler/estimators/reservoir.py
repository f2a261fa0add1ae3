"""Marginal and noised views of any energy in any dimension, from importance-weighted points of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from biglearn_sampler.energy import AbstractTarget, Evaluations
from biglearn_sampler.estimators.estimator import AbstractEstimator
from biglearn_sampler.estimators.guard import ZERO_DENSITY
from biglearn_sampler.estimators.kernel_sum import kernel_log_density
from biglearn_sampler.importance import Reservoir
from biglearn_sampler.mixture import Channel

FEWEST_POINTS = 10.0
"""Effective points below which a reservoir supports no task: their laws would be a handful of kernels."""

LARGEST_KHAT = 1.0
"""From here on not even the mean of the weights exists (Vehtari et al. 2024)."""


@dataclass(frozen=True)
class ReservoirSizes:
    """How many points a reservoir has.

    Arguments:
        capacity: points that are kept, with which it begins; at least 1.
        refill: new points before every chunk but the first, at least 1.
        resampled: points of equal mass that a step looks at, at least 1.
    """

    capacity: int = 4096
    refill: int = 512
    resampled: int = 512


DEFAULT_SIZES = ReservoirSizes()


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class ReservoirEstimator(AbstractEstimator):
    """`q(y) ~ sum_j m_j N(y; W x_j + b, sigma^2 I)` with points `x_j` of a reservoir, resampled by their weights.

    Unbiased, up to the one constant `Z`, at every `y`, `W` and `sigma > 0`. The noise is no bandwidth: the sampler is
    seen through the same noise, so that more of it changes the task and not its optimum.

    Made by `empty`, and filled again and again by `filled_from`, always with arrays of the same shapes, so that
    compiled code takes them.

    Arguments:
        target: whose energy fills the reservoir.
        sizes: of the reservoir.
        points, log_masses: `x_j` and `log m_j`.
        spread: standard deviation of every coordinate under the points.
        size: effective number of points.
        supported: whether they can be trusted at all; if not, steps on this estimator are skipped.
    """

    source = "reservoir"

    target: AbstractTarget
    sizes: ReservoirSizes = field(metadata={"static": True})
    points: Float[Array, "points dim"]
    log_masses: Float[Array, " points"]
    spread: Float[Array, " dim"]
    size: Float[Array, ""]
    supported: Bool[Array, ""]

    @classmethod
    def empty(cls, target: AbstractTarget, sizes: ReservoirSizes) -> ReservoirEstimator:
        """An estimator that supports nothing yet."""
        return cls(
            target,
            sizes,
            points=jnp.zeros((sizes.resampled, target.dim)),
            log_masses=jnp.full(sizes.resampled, ZERO_DENSITY),
            spread=jnp.zeros(target.dim),
            size=jnp.zeros(()),
            supported=jnp.array(False),
        )

    def filled_from(self, reservoir: Reservoir, generator: np.random.Generator) -> ReservoirEstimator:
        """The same estimator with the points that a reservoir has now.

        The effective size counts both the weights and the resampling: `1 / (1 / n_eff + 1 / resampled)`.
        """
        quality = reservoir.quality()
        points, log_masses = reservoir.resampled(generator, self.sizes.resampled)
        enough = quality.effective_size >= FEWEST_POINTS
        tame = quality.khat is None or quality.khat <= LARGEST_KHAT
        size = quality.effective_size
        return replace(
            self,
            points=jnp.asarray(points, float),
            log_masses=jnp.asarray(np.maximum(log_masses, ZERO_DENSITY), float),
            spread=jnp.asarray(quality.spread, float),
            size=jnp.asarray(size * self.sizes.resampled / (size + self.sizes.resampled), float),
            supported=jnp.asarray(enough and tame),
        )

    def log_density(self, channel: Channel, views: Float[Array, "count rows"]) -> Float[Array, " count"]:
        return kernel_log_density(channel, views, self.points, self.log_masses)

    def price(self, count: int) -> Evaluations:
        return Evaluations()

    def is_supported(self) -> Bool[Array, ""]:
        return self.supported

    def admit(self, channel: Channel) -> Channel:
        """Noise below the floor of so many points is widened to it, above all the zero noise of marginal tasks.

        The spread is that of the rows of the channel, their root mean square, without correlations.
        """
        variance = (channel.matrix**2 @ self.spread**2).mean()
        floor = noise_floor(jnp.sqrt(variance), self.size, channel.rows)
        return Channel(channel.matrix, channel.offset, jnp.maximum(channel.noise, floor))


def noise_floor(spread: Float[Array, ""], size: Float[Array, ""], rows: int) -> Float[Array, ""]:
    """The noise above which `size` points tell the score of a law of the given spread.

    Let `h = spread sqrt(t)`. At the centre of `N(0, spread^2 I)` the score of the sum of `n` kernels, in units of
    `1 / spread`, has the variance

        u (1 + u)^(rows / 2) / n,   u = 1 / (t (2 + t)).

    The floor solves `(1 + u)^(1 + rows / 2) = 1 + n`, which holds that variance below 1, the size of the score itself.
    With many points it falls as `n^(-1 / (rows + 2))`. Silverman's rule, `n^(-1 / (rows + 4))`, is wider in few
    dimensions: it balances the variance with a bias, of which there is none here.

    Arguments:
        spread: standard deviation of what is looked at, at least 0.
        size: `n`, effective number of points, above 0.
        rows: dimension of the views.
    """
    excess = jnp.maximum((1.0 + size) ** (2.0 / (rows + 2)) - 1.0, jnp.finfo(spread.dtype).eps)
    share = jnp.sqrt(1.0 + 1.0 / excess) - 1.0
    return jnp.maximum(spread * jnp.sqrt(share), jnp.finfo(spread.dtype).tiny ** 0.25)
