"""What a point without density counts for where `log q - log p` is averaged on the host."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from biglearn_sampler.learning.cliffs import ZERO_DENSITY_NATS


def bounded(
    log_ratio: Float[np.ndarray, "*groups points"], share: Float[np.ndarray, " points"] | None = None
) -> Float[np.ndarray, "*groups points"]:
    """`log q - log p` with a bounded value where `q` is zero: `ZERO_DENSITY_NATS` below the mean of its group.

    A group without any density stays at `-inf`.

    Arguments:
        log_ratio: `-inf` where the density is zero.
        share: weights of the points of a group in its mean; equal if not given.
    """
    dense = ~np.isneginf(log_ratio)
    weights = dense * (1.0 if share is None else share)
    total = weights.sum(-1, keepdims=True)
    mean = (weights * np.where(dense, log_ratio, 0.0)).sum(-1, keepdims=True) / np.where(total > 0, total, 1.0)
    lowest = np.where(total > 0, mean - ZERO_DENSITY_NATS, -np.inf)
    return np.where(dense, log_ratio, lowest)
