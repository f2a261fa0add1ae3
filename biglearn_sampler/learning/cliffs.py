"""What points of density zero do to components: their cost is bounded, and score functions see it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from biglearn_sampler.learning.component_sums import TINY, sums

ZERO_DENSITY_NATS = 10.0
"""What a point of density zero costs, beyond the mean of `log p - log q` where there is density.

The divergence of a Gaussian from a law that is zero somewhere is infinite. With a bounded cost an isolated hole does no
harm, and the mass that a component loses over a cliff is weighed against what it covers on this side.
"""


def with_cliffs(
    by_mean: Float[Array, "components dim"],
    curvature: Float[Array, "components dim dim"],
    share: Float[Array, "count components"],
    points: Float[Array, "count dim"],
    dense: Bool[Array, " count"],
    means: Float[Array, "components dim"],
    inverse: Float[Array, "components dim dim"],
) -> tuple[Float[Array, "components dim"], Float[Array, "components dim dim"]]:
    """Both gradients with what points of density zero add; of those there are mostly none, and then nothing is done."""

    def pushed_back() -> tuple[Float[Array, "components dim"], Float[Array, "components dim dim"]]:
        zero = ~dense[:, None]
        # Less its mean: the same on average, and nothing at all for a component that has no density anywhere.
        lost = share * (zero - (share * zero).sum(0) / (share.sum(0) + TINY))
        middle = means.mean(0)
        first, second, _ = sums(lost, points, points - middle, means)
        second = second - first[:, :, None] * (means - middle)[:, None]
        standard = jnp.einsum("kij,kj->ki", inverse, first)
        spread = inverse @ second @ inverse.mT
        pushed = by_mean + ZERO_DENSITY_NATS * jnp.einsum("kji,kj->ki", inverse, standard)
        return pushed, curvature + ZERO_DENSITY_NATS * spread

    return jax.lax.cond(dense.all(), lambda: (by_mean, curvature), pushed_back)
