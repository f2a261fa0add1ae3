"""Pareto-smoothed importance sampling: weights with a tame tail, and k-hat, which says if they serve."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

# The weak prior on the shape: as if 10 more draws said k = 1/2, so that short tails do not shout.
PRIOR_DRAWS = 10
PRIOR_SHAPE = 0.5
# The grid of Zhang & Stephens (2009) is scaled by so many first quartiles.
PROFILE_SCALE = 3
# Fewer tail draws than this say nothing about a tail.
SMALLEST_TAIL = 5
# Log densities in float32 have rounding errors of 1e-7 of their size for each term of their sums.
FLOAT32_RESOLUTION = 1e-4
# Those of a few additions, relative to the size of a log density.
FLOAT32_ERRORS = 8 * float(np.finfo(np.float32).eps)


def resolution_of(log_densities: Float[np.ndarray, " count"]) -> float:
    """Size of the rounding errors in log weights: it grows with that of the log densities, of which one is finite."""
    size = float(np.median(np.abs(log_densities[np.isfinite(log_densities)])))
    return max(FLOAT32_RESOLUTION, FLOAT32_ERRORS * size)


def pareto_smooth(
    log_weights: Float[np.ndarray, " count"], resolution: float = FLOAT32_RESOLUTION
) -> tuple[Float[np.ndarray, " count"], float | None]:
    """Smoothed normalised log weights, and k-hat: the shape of the generalised Pareto law of their tail.

    The `M = min(0.2 n, 3 sqrt(n))` largest weights are replaced by quantiles of the fitted law, cut at the
    largest raw weight. `1 / k` is the number of finite moments of the weights: below 0.5 the variance is
    finite; up to 0.7 estimates are reliable at practical sizes; from 1 on not even the mean exists. k-hat
    cannot see a mode in which there is no draw.

    Arguments:
        log_weights: `log q(x) - log p(x)` up to a constant; `-inf` is weight zero. Not all may be.
        resolution: size of the rounding errors in `log_weights`. A tail that spreads over less is rounding
            only; its k-hat would be noise.

    Returns:
        log weights whose exponentials sum to one, and k-hat. k-hat is `None` where the tail is constant to
        `resolution`, and `inf` where fewer than 5 weights stand above the tail's cut; weights then stay raw.

    Raises:
        ValueError: no weight is above zero, or one is `+inf` or NaN.

    Reference: Vehtari, Simpson, Gelman, Yao & Gabry, "Pareto smoothed importance sampling", JMLR 25 (2024).
    Measured against ArviZ 0.23.4: k-hat and log weights agree within 1e-13 (`tests/test_pareto.py`).

    Example:
        >>> import numpy as np
        >>> uniform = (np.arange(1000) + 0.5) / 1000
        >>> smoothed, khat = pareto_smooth(-0.3 * np.log(uniform))  # weights with a Pareto tail of shape 0.3
        >>> print(f"{khat:.2f}, {np.exp(smoothed).sum():.6f}")
        0.32, 1.000000
    """
    largest = log_weights.max()
    if not np.isfinite(largest):
        raise ValueError(f"expected log weights with a finite largest value, got {largest}")
    shifted = np.asarray(log_weights, float) - largest
    cut = _cut(shifted)
    tail = np.flatnonzero(shifted > cut)
    if -cut < resolution:
        khat = None
    elif len(tail) < SMALLEST_TAIL:
        khat = math.inf
    else:
        tail = tail[np.argsort(shifted[tail], kind="stable")]
        khat, shifted[tail] = _smooth_tail(shifted[tail], cut)
    return shifted - logsumexp(shifted), khat


def _cut(shifted: Float[np.ndarray, " count"]) -> float:
    """The largest log weight below the tail."""
    count = len(shifted)
    length = min(math.ceil(min(0.2 * count, 3.0 * math.sqrt(count))), count - 1)
    smallest_positive = math.log(np.finfo(float).tiny)
    return max(float(np.sort(shifted)[count - 1 - length]), smallest_positive)


def _smooth_tail(ascending: Float[np.ndarray, " tail"], cut: float) -> tuple[float, Float[np.ndarray, " tail"]]:
    """k-hat of a sorted tail, and the logarithms of the fitted law's quantiles in its place."""
    excess = np.exp(ascending) - math.exp(cut)
    shape, scale = fit_generalised_pareto(excess)
    levels = (np.arange(len(excess)) + 0.5) / len(excess)
    quantiles = scale * _standard_quantiles(levels, shape)
    return shape, np.minimum(np.log(quantiles + math.exp(cut)), 0.0)


def fit_generalised_pareto(ascending: Float[np.ndarray, " count"]) -> tuple[float, float]:
    """Shape `k` and scale `sigma` of the law `1 - (1 + k x / sigma)^(-1/k)`, `x > 0`.

    The posterior mean of `theta = -k / sigma` over a grid of profile likelihoods, then `k` shrunk to 1/2 as
    by 10 more draws.

    Arguments:
        ascending: at least 5 positive values, sorted.

    Reference: Zhang & Stephens, "A new and efficient estimation method for the generalized Pareto
    distribution", Technometrics 51 (2009); the shrinkage of `k` is that of Vehtari et al. (2024).
    """
    count = len(ascending)
    grid_size = 30 + int(math.sqrt(count))
    first_quartile = ascending[int(count / 4 + 0.5) - 1]
    ranks = np.arange(1, grid_size + 1)
    grid = 1 / ascending[-1] + (1 - np.sqrt(grid_size / (ranks - 0.5))) / (PROFILE_SCALE * first_quartile)
    shapes = np.log1p(-grid[:, None] * ascending).mean(axis=1)
    profile = count * (np.log(-grid / shapes) - shapes - 1)
    posterior = np.exp(profile - logsumexp(profile))
    theta = float((grid * posterior).sum())
    shape = float(np.log1p(-theta * ascending).mean())
    shrunk = (count * shape + PRIOR_DRAWS * PRIOR_SHAPE) / (count + PRIOR_DRAWS)
    return shrunk, -shape / theta


def _standard_quantiles(levels: Float[np.ndarray, " count"], shape: float) -> Float[np.ndarray, " count"]:
    """Quantiles of the generalised Pareto law with scale one."""
    exponential = -np.log1p(-levels)
    return exponential if abs(shape) < np.finfo(float).eps else np.expm1(shape * exponential) / shape
