"""The log importance weights of draws, or the reason why there are none; shared by several metrics."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from biglearn_sampler.evaluation import Draws

NO_DENSITY = "the method has no density of its own, so its draws have no importance weights"
OWN_WEIGHTS = "the draws have weights of their own, so they do not follow the method's density"


def zero_density_draws(draws: Draws) -> int:
    """Number of draws at which the target's density is zero or not a number."""
    return int(np.count_nonzero(~np.isfinite(draws.log_target)))


def log_weights(draws: Draws) -> Float[np.ndarray, " count"] | str:
    """`log q(x) - log p(x)`, `-inf` where the density is zero, not everywhere; or the reason for none."""
    ratios = draws.log_ratios
    if ratios is None:
        return NO_DENSITY
    if draws.weights is not None:
        return OWN_WEIGHTS
    if zero_density_draws(draws) == draws.count:
        return f"all {draws.count} draws have target density zero"
    return np.where(np.isfinite(draws.log_target), ratios, -np.inf)
