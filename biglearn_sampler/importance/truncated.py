"""Truncated importance weights: a mean that no single draw can carry."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

ROUNDS, CLOSE = 1000, 1e-9
"""Fixed-point steps at most, and the change in nats from which on they have arrived."""

TINY = 1e-300
"""Stands for a share of zero."""


def truncated_log_mean(
    log_weights: Float[np.ndarray, " count"], shares: Float[np.ndarray, " count"] | None = None
) -> float:
    """`log Z` of the largest `Z = mean(min(w, sqrt(n) Z))`: as the mean of the weights, but none counts for much more.

    The bound grows with the number of draws, so the estimate is consistent wherever the mean exists. A draw in a mode
    that the sampler does not know has a weight that says nothing about its mass, and may exceed all others together by
    orders of magnitude; this mean is that of what the sampler knows.

    Arguments:
        log_weights: `log q(x) - log p(x)`; `-inf` is weight zero. At least one is finite, none is `+inf` or NaN.
        shares: what every draw counts for in the mean, with sum one; all alike if not given.

    Returns:
        the log of it; of the plain mean where hardly any weight is above zero, since truncation ends at zero there.

    Reference: Ionides, "Truncated importance sampling", JCGS 17 (2008), who takes the plain mean for `Z` in the bound.

    Example:
        >>> import numpy as np
        >>> truncated_log_mean(np.zeros(1000))
        0.0
        >>> log_weights = np.zeros(10_000)
        >>> log_weights[0] = 30.0
        >>> bool(truncated_log_mean(log_weights) < 0.02)
        True
    """
    count = len(log_weights)
    log_shares = -np.log(count) if shares is None else np.log(np.maximum(shares, TINY))
    plain = log_mean = float(np.asarray(logsumexp(log_weights + log_shares)))
    room = 0.5 * np.log(count)
    if np.isfinite(log_weights).sum() <= 2.0 * np.sqrt(count):
        return plain
    for _ in range(ROUNDS):
        before, bounded = log_mean, np.minimum(log_weights, log_mean + room)
        log_mean = float(np.asarray(logsumexp(bounded + log_shares)))
        if before - log_mean < CLOSE:
            break
    return log_mean
