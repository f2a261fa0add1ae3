"""Laws that look farther than the sampler itself: noised, broad, and the mixture of all."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from biglearn_sampler.mixture import Channel, GaussianMixture

BROAD = 2.0
"""Standard deviation of the broad law, in declared scales: wider than the region, in case that was drawn too small."""

SMALLEST_LEVEL, LARGEST_LEVEL = 0.05, 1.0
"""Of the noise on a noised sampler, in declared scales."""

OWN_SHARE, NOISED_SHARE, BROAD_SHARE = 0.5, 0.25, 0.25
"""Of the sampler, of all that is noised, and of the broad law in the mixture of proposals."""

MOST_FOUND = 64
"""Points of the reservoir that take part in the proposals: every one is a component of the mixture."""


def noise_levels(key: Key[Array, ""], shape: tuple[int, ...]) -> Float[Array, "*shape"]:
    """Levels of noise in declared scales, uniform in their logarithm."""
    low, high = jnp.log(SMALLEST_LEVEL), jnp.log(LARGEST_LEVEL)
    return jnp.exp(jax.random.uniform(key, shape, minval=low, maxval=high))


def noised(sampler: GaussianMixture, noise: Float[Array, " dim"]) -> GaussianMixture:
    """The law of `x + noise * n`, `x ~ sampler`, with another noise in every coordinate, above zero."""
    identity = Channel.of(jnp.eye(sampler.dim, dtype=sampler.means.dtype), 1.0)
    origin = jnp.zeros_like(noise)
    return sampler.affine(origin, 1.0 / noise).through(identity).affine(origin, noise)


def proposal(
    sampler: GaussianMixture,
    found: GaussianMixture,
    found_share: Float[Array, ""],
    level: Float[Array, ""],
    centre: Float[Array, " dim"],
    scale: Float[Array, " dim"],
) -> GaussianMixture:
    """Half the sampler, a quarter noised, a quarter broad: one mixture with an exact density.

    Noised are the sampler and the points that were found to have mass: without these, a sampler that is not there yet
    would never be told of it in more than a few dimensions (population Monte Carlo, Cappe et al. 2004). The density is
    at least a quarter of that of the broad law, so that no point weighs more than four times what it would among broad
    ones.

    Arguments:
        sampler: as it is now.
        found: the noised law of points that were found.
        found_share: of `found` in the noised quarter, 0 to 1; 0 if nothing was found yet.
        level: of the noise, in declared scales.
        centre, scale: the declared region, in the coordinates of the sampler.
    """
    broad = GaussianMixture(jnp.zeros(1), centre[None], BROAD * jnp.diag(scale)[None])
    parts = (
        (OWN_SHARE, sampler),
        (NOISED_SHARE * (1.0 - found_share), noised(sampler, level * scale)),
        (NOISED_SHARE * found_share, found),
        (BROAD_SHARE, broad),
    )
    return GaussianMixture(
        jnp.concatenate([jnp.log(share) + part.log_weights for share, part in parts]),
        jnp.concatenate([part.means for _, part in parts]),
        jnp.concatenate([part.factors for _, part in parts]),
    )


def around(points: Float[Array, "points dim"], noise: Float[Array, " dim"]) -> GaussianMixture:
    """The law of `x + noise * n` for some of the points, at equal distances in their order, `MOST_FOUND` at most."""
    kept = points[:: -(-len(points) // MOST_FOUND)]
    factors = jnp.broadcast_to(jnp.diag(noise), (len(kept), *jnp.diag(noise).shape))
    return GaussianMixture(jnp.full(len(kept), -jnp.log(len(kept))), kept, factors)
