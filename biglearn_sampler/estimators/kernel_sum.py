"""Points with masses, seen through a channel with noise."""

from __future__ import annotations

import jax.numpy as jnp
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float

from biglearn_sampler.mixture import Channel


def kernel_log_density(
    channel: Channel,
    views: Float[Array, "count rows"],
    points: Float[Array, "points dim"],
    log_masses: Float[Array, " points"],
) -> Float[Array, " count"]:
    """`log sum_i m_i N(y; W x_i + b, sigma^2 I)` of many views: the exact law of the views of weighted points.

    Arguments:
        channel: with noise above zero.
        views: `y`.
        points, log_masses: `x_i` and `log m_i`.
    """
    squares = ((views[:, None] - channel.mean(points)) ** 2).sum(-1)
    normaliser = channel.rows * jnp.log(channel.noise * jnp.sqrt(2.0 * jnp.pi))
    return logsumexp(log_masses - 0.5 * squares / channel.noise**2, axis=-1) - normaliser
