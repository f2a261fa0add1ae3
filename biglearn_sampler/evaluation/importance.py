"""Moments of named quantities, with Monte Carlo errors: from weighted independent draws, or from chains."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
from jaxtyping import Float
from numpyro.diagnostics import effective_sample_size

from biglearn_sampler.evaluation.draws import Draws
from biglearn_sampler.importance import pareto_smooth, resolution_of

LEAST_WORTH = 1.0 + 1e-6
"""Independent draws from which an error can be told."""


def moments(quantities: Mapping[str, np.ndarray], draws: Draws) -> dict[str, dict[str, float | None]]:
    """Mean and standard deviation of every number in `quantities`, with the Monte Carlo standard errors of both.

    Independent draws with a density are weighted by `w_i ~ q(x_i) / p(x_i)`, Pareto-smoothed, `sum_i w_i =
    1`:

        mean = sum_i w_i h_i,   sd^2 = sum_i w_i (h_i - mean)^2 / (1 - sum_i w_i^2),
        mcse^2 = sum_i w_i^2 (h_i - mean)^2 / (1 - sum_i w_i^2)       (delta method),
        sd_mcse^2 = sum_i w_i^2 ((h_i - mean)^2 - sd^2)^2 / (1 - sum_i w_i^2) / (2 sd)^2.

    Draws of a method that weighs them itself keep its weights. Of draws in families the squares are those of the sums
    over each family (Lee & Whiteley 2018). Chains weigh equally, and `mcse^2 = sd^2 /
    effective_count`; likewise `sd_mcse` with the squares. Draws with weight zero are left out, whatever the quantities
    are there.

    Arguments:
        quantities: name to values at the draws, shape `(count, ...)`; an array gives `theta[3]`,
            `theta[1,2]`.
        draws: the draws themselves.

    Returns:
        name to `{"mean": ..., "sd": ..., "mcse": ..., "sd_mcse": ...}`. A figure that is not finite is `None`:
        all draws have density zero, the quantity overflows, or a single draw has all the weight.

    Reference: Vehtari et al., JMLR 25 (2024); for chains Vehtari et al., Bayesian Analysis 16
    (2021); Lee & Whiteley, "Variance estimation in the particle filter", Biometrika 105 (2018).

    Example:
        >>> import numpy as np
        >>> two = Draws(np.array([[0.0], [1.0]]), log_target=np.log([1.0, 3.0]), log_sampler=np.zeros(2))
        >>> moments({"x": np.array([0.0, 1.0])}, two)["x"]["mean"]
        0.75
    """
    weights = draw_weights(draws)
    kept = weights > 0
    of_kept = Draws(
        draws.points[kept],
        draws.log_target[kept],
        chains=draws.chains,
        weights=weights[kept],
        families=None if draws.families is None else draws.families[kept],
    )
    found: dict[str, dict[str, float | None]] = {}
    for name, values in numbers_of(quantities):
        with np.errstate(all="ignore"):
            figures = _moments(np.asarray(values, float)[kept], of_kept)
        found[name] = {label: value if np.isfinite(value) else None for label, value in figures.items()}
    return found


def draw_weights(draws: Draws) -> Float[np.ndarray, " count"]:
    """Weights of the draws that sum to one: the method's own, or smoothed importance weights if it has a density.

    All are zero if the target has density zero at all draws.
    """
    ratios = draws.log_ratios
    if draws.weights is not None or draws.chains is not None or ratios is None:
        return draws.shares
    if not np.isfinite(ratios).any():
        return np.zeros(draws.count)
    smoothed, _ = pareto_smooth(ratios, resolution_of(draws.log_target))
    return np.exp(smoothed)


def effective_count(values: Float[np.ndarray, "chains draws"]) -> float:
    """How many independent draws the chains are worth for the mean of `values`, by split chains.

    Chains are cut in halves, so that a drift counts as disagreement. Antithetic chains may be worth more than
    their number of draws `n`, at most `n log10 n`. Values that never change, and chains of fewer than 4
    draws, tell nothing and give `n`.

    Reference: Geyer, Statistical Science 7 (1992), section 3.3; Vehtari et al. (2021), section 3.2.
    """
    count = values.size
    if np.ptp(values) == 0.0 or values.shape[1] < 4:
        return float(count)
    with np.errstate(divide="ignore"):
        autocorrelation_time = count / effective_sample_size(split_chains(values))
    return float(count / max(autocorrelation_time, 1.0 / math.log10(count)))


def split_chains(values: Float[np.ndarray, "chains draws"]) -> Float[np.ndarray, "halves half"]:
    """Every chain as two of half the length; the middle draw of an odd number is left out."""
    half = values.shape[1] // 2
    return np.concatenate([values[:, :half], values[:, -half:]])


def numbers_of(quantities: Mapping[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """Every number of every quantity with its values at the draws, named as `theta[3]`, `theta[1,2]`."""
    for name, values in quantities.items():
        for index in np.ndindex(values.shape[1:]):
            label = f"{name}[{','.join(map(str, index))}]" if index else name
            yield label, values[(slice(None), *index)]


def _moments(values: Float[np.ndarray, " count"], draws: Draws) -> dict[str, float]:
    if len(values) == 0:
        return dict.fromkeys(("mean", "sd", "mcse", "sd_mcse"), math.nan)
    weights = draws.shares
    mean = np.sum(weights * values)
    squares = (values - mean) ** 2
    left = 1.0 - np.sum(weights**2)
    variance = np.sum(weights * squares) / left
    sd = np.sqrt(variance)
    error, error_of_variance = (
        np.sqrt(_error_squared(each, centre, draws)) for each, centre in ((values, mean), (squares, variance))
    )
    # A number that never varies has no error either.
    sd_error = error_of_variance / (2.0 * sd) if sd > 0 else sd
    return {"mean": float(mean), "sd": float(sd), "mcse": float(error), "sd_mcse": float(sd_error)}


def _error_squared(values: Float[np.ndarray, " count"], centre: float, draws: Draws) -> float:
    """The squared error of a weighted mean of `values`, which lie around `centre`."""
    weights = draws.shares
    if draws.chains is None:
        if draws.worth < LEAST_WORTH:
            return math.nan
        left = 1.0 - 1.0 / draws.worth
        return float(np.sum(draws.by_family(weights * (values - centre)) ** 2) / left)
    left = 1.0 - np.sum(weights**2)
    count = effective_count(values.reshape(draws.chains, -1))
    return float(np.sum(weights * (values - centre) ** 2) / left / count)
