"""How our sampler stands beside the others: against the truth where it is known, else whether they agree with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from biglearn_sampler.comparison.aggregate import Aggregate
from biglearn_sampler.comparison.comparison import OURS, Comparison

SAME = 2.0
"""Standard errors within which two means over seeds are not told apart."""

FAR = 4.0
"""Monte Carlo errors; means of two exact samplers are further apart in one of 16,000 cases."""


def standing_of(comparison: Comparison) -> list[str]:
    """The errors of our sampler and of the best of the others, and who disagrees with it.

    Empty where nothing of it can be told, as of a single method.
    """
    if _modes_are_known(comparison):
        return _against(comparison, "mode_mass_tv", "Masses of the modes", lambda each: each.mean)
    log_z = _against(comparison, "log_z_error", "log Z", lambda each: max(abs(each.least), abs(each.most)))
    return [*log_z, *_disagreement(comparison)]


def agreement_with_ours(comparison: Comparison, method: str) -> list[str]:
    """How far the means of another method lie from those of our sampler; nothing where modes are known."""
    furthest = None if _modes_are_known(comparison) else _furthest(comparison, method)
    if furthest is None:
        return []
    name, errors = furthest
    if errors > FAR:
        return [f"its mean of {name} {errors:,.0f} Monte Carlo errors from {OURS}'s"]
    return [f"all means within {errors:.1f} Monte Carlo errors of {OURS}'s"]


def _modes_are_known(comparison: Comparison) -> bool:
    return comparison.figure(OURS, "mode_mass_tv") is not None


def _others(comparison: Comparison) -> list[str]:
    return [method for method in comparison.methods if method != OURS and comparison.finished(method)]


def _against(comparison: Comparison, figure: str, title: str, size: Callable[[Aggregate], float]) -> list[str]:
    """Our error, and the smallest of the others."""
    ours = comparison.figure(OURS, figure)
    theirs = {method: found for method in _others(comparison) if (found := comparison.figure(method, figure))}
    if ours is None or not theirs:
        return []
    best = min(theirs, key=lambda method: size(theirs[method]))
    told = (
        f"{title}: {OURS} is off by {size(ours):.3f} after {_spent(comparison, OURS)} evaluations, the best of the "
        f"others, {best}, by {size(theirs[best]):.3f} after {_spent(comparison, best)}"
    )
    return [f"{told}{'; no difference that these seeds could show' if _alike(ours, theirs[best]) else ''}."]


def _alike(one: Aggregate, other: Aggregate) -> bool:
    errors = math.hypot(one.standard_error or 0.0, other.standard_error or 0.0)
    return abs(one.mean - other.mean) <= SAME * errors


def _spent(comparison: Comparison, method: str) -> str:
    spent = comparison.figure(method, "evaluations")
    return "unknown" if spent is None else f"{spent.mean:,.0f}"


def _disagreement(comparison: Comparison) -> list[str]:
    furthest = {method: _furthest(comparison, method) for method in _others(comparison)}
    far = [method for method, found in furthest.items() if found is not None and found[1] > FAR]
    if not far:
        return []
    return [
        f"Means of {', '.join(far)} lie more than {FAR:.0f} Monte Carlo errors from those of {OURS}: one side misses "
        "mass, or its errors are larger than it knows."
    ]


def _furthest(comparison: Comparison, method: str) -> tuple[str, float] | None:
    """The quantity whose means over the seeds are furthest from ours, in errors of the difference."""
    if method == OURS:
        return None
    ours, theirs = _means(comparison, OURS), _means(comparison, method)
    apart = {
        name: abs(ours[name][0] - mean) / math.hypot(ours[name][1], error)
        for name, (mean, error) in theirs.items()
        if name in ours and (ours[name][1] or error)
    }
    return max(apart.items(), key=lambda each: each[1]) if apart else None


def _means(comparison: Comparison, method: str) -> dict[str, tuple[float, float]]:
    """The mean of every quantity with its Monte Carlo error, over the seeds that have both."""
    found: dict[str, list[tuple[float, float]]] = {}
    for trial in comparison.finished(method):
        moments: Mapping[str, Mapping[str, Any]] = trial.figures.get("moments", {})
        for name, each in moments.items():
            if each["mean"] is not None and each["mcse"] is not None:
                found.setdefault(name, []).append((each["mean"], each["mcse"]))
    return {
        name: (
            math.fsum(mean for mean, _ in pairs) / len(pairs),
            math.hypot(*(error for _, error in pairs)) / len(pairs),
        )
        for name, pairs in found.items()
    }
