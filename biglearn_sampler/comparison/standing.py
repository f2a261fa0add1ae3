"""How our sampler stands beside the others: against the truth where it is known, else whether they agree with it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri, stdtrit

from biglearn_sampler.comparison.comparison import OURS, Comparison

SAME = 0.05
"""Chance below which the difference of two means over seeds is none of chance."""

FAR = 1.0 / 16_000
"""Chance below which means are far apart: 4 Monte Carlo errors for one quantity, more for the furthest of many."""


def standing_of(comparison: Comparison) -> list[str]:
    """The errors of our sampler and of the best of the others, and who disagrees with it.

    Empty where nothing of it can be told, as of a single method.
    """
    if _modes_are_known(comparison):
        return _against(comparison, "mode_mass_tv", "Masses of the modes")
    return [*_against(comparison, "log_z_error", "log Z"), *_disagreement(comparison)]


def agreement_with_ours(comparison: Comparison, method: str) -> list[str]:
    """How far the means of another method lie from those of our sampler; nothing where modes are known."""
    furthest = None if _modes_are_known(comparison) else _furthest(comparison, method)
    if furthest is None:
        return []
    if furthest.errors > furthest.far:
        told = f"its mean of {furthest.name} {furthest.errors:,.0f} Monte Carlo errors from {OURS}'s{furthest.where}"
        return [told]
    return [f"all means within {furthest.errors:.1f} Monte Carlo errors of {OURS}'s"]


def _modes_are_known(comparison: Comparison) -> bool:
    return comparison.figure(OURS, "mode_mass_tv") is not None


def _others(comparison: Comparison) -> list[str]:
    return [method for method in comparison.methods if method != OURS and comparison.finished(method)]


def _against(comparison: Comparison, figure: str, title: str) -> list[str]:
    """Our error without its sign, on average over the seeds, and the smallest of the others."""
    ours = _sizes(comparison, OURS, figure)
    theirs = {method: found for method in _others(comparison) if len(found := _sizes(comparison, method, figure))}
    if not len(ours) or not theirs:
        return []
    best = min(theirs, key=lambda method: float(theirs[method].mean()))
    told = (
        f"{title}: {OURS} is off by {ours.mean():.3f} on average after {_spent(comparison, OURS)} evaluations, the "
        f"best of the others, {best}, by {theirs[best].mean():.3f} after {_spent(comparison, best)}"
    )
    errors = [_error(comparison, method, figure, of) for method, of in ((OURS, ours), (best, theirs[best]))]
    alike = _alike(ours, theirs[best], *errors)
    return [f"{told}{'; no difference that these seeds could show' if alike else ''}."]


def _sizes(comparison: Comparison, method: str, figure: str) -> Float[np.ndarray, " seeds"]:
    """A figure without its sign, on every seed that has it."""
    found = [trial.figure(figure) for trial in comparison.finished(method)]
    return np.abs(np.array([value for value in found if value is not None], float))


def _error(comparison: Comparison, method: str, figure: str, sizes: Float[np.ndarray, " seeds"]) -> float:
    """The standard error of the mean over seeds; of a single one its own Monte Carlo error."""
    if len(sizes) > 1:
        return float(sizes.std(ddof=1)) / math.sqrt(len(sizes))
    alone = comparison.figure(method, figure)
    return 0.0 if alone is None or alone.standard_error is None else alone.standard_error


def _alike(
    one: Float[np.ndarray, " seeds"], other: Float[np.ndarray, " more"], one_error: float, other_error: float
) -> bool:
    """Whether two means over seeds are not told apart, by the test of Welch; errors of single seeds count as known."""
    error = math.hypot(one_error, other_error)
    freedom = [each**4 / (len(of) - 1) for each, of in ((one_error, one), (other_error, other)) if len(of) > 1]
    quantile = stdtrit(error**4 / sum(freedom), 1.0 - SAME / 2) if sum(freedom) else ndtri(1.0 - SAME / 2)
    return abs(float(one.mean()) - float(other.mean())) <= float(quantile) * error


def _spent(comparison: Comparison, method: str) -> str:
    spent = comparison.figure(method, "evaluations")
    return "unknown" if spent is None else f"{spent.mean:,.0f}"


def _disagreement(comparison: Comparison) -> list[str]:
    furthest = {method: _furthest(comparison, method) for method in _others(comparison)}
    far = [f"{method}{found.where}" for method, found in furthest.items() if found and found.errors > found.far]
    if not far:
        return []
    return [
        f"Means of {', '.join(far)} lie further from those of {OURS} than their Monte Carlo errors: one side misses "
        "mass, or its errors are larger than it knows."
    ]


class _Furthest(NamedTuple):
    """The quantity whose means are furthest apart, in errors of their difference, and where far begins.

    `seed` is where they are, if it is one seed that says so rather than all together.
    """

    name: str
    errors: float
    far: float
    seed: int | None

    @property
    def where(self) -> str:
        return "" if self.seed is None else f" on seed {self.seed}"


Means = Mapping[str, tuple[float, float]]
"""The mean of every quantity with its Monte Carlo error."""


def _furthest(comparison: Comparison, method: str) -> _Furthest | None:
    """The quantity whose means are furthest from ours, over the seeds together and on each of them.

    A seed with large errors, or one of many that misses a mode, would hide in what is said of all together.
    """
    if method == OURS:
        return None
    ours, theirs = _by_seed(comparison, OURS), _by_seed(comparison, method)
    looked_at = {None: (_pooled(ours), _pooled(theirs))}
    if len(theirs) > 1:
        looked_at |= {seed: (ours[seed], found) for seed, found in theirs.items() if seed in ours}
    apart = {
        (name, seed): abs(one[name][0] - mean) / math.hypot(one[name][1], error)
        for seed, (one, other) in looked_at.items()
        for name, (mean, error) in other.items()
        if name in one and (one[name][1] or error)
    }
    if not apart:
        return None
    name, seed = max(apart, key=lambda each: apart[each])
    return _Furthest(name, apart[name, seed], float(-ndtri(0.5 * FAR / len(apart))), seed)


def _by_seed(comparison: Comparison, method: str) -> dict[int | None, Means]:
    """The means on every seed, of the quantities that have an error there."""
    found: dict[int | None, Means] = {}
    for trial in comparison.finished(method):
        moments: Mapping[str, Mapping[str, Any]] = trial.figures.get("moments", {})
        known = {
            name: (float(each["mean"]), float(each["mcse"]))
            for name, each in moments.items()
            if each["mean"] is not None and each["mcse"] is not None
        }
        found[trial.seed] = known
    return found


def _pooled(by_seed: Mapping[int | None, Means]) -> Means:
    """The same over all seeds that have a quantity."""
    found: dict[str, list[tuple[float, float]]] = {}
    for means in by_seed.values():
        for name, pair in means.items():
            found.setdefault(name, []).append(pair)
    return {
        name: (
            math.fsum(mean for mean, _ in pairs) / len(pairs),
            math.hypot(*(error for _, error in pairs)) / len(pairs),
        )
        for name, pairs in found.items()
    }
