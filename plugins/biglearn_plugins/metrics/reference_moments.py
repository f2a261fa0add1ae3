"""How far means and standard deviations lie from those of reference draws, in Monte Carlo errors of both."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Array, Key

from biglearn_plugins.metrics.khat import tail_warning
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.evaluation import AbstractMetric, Draws, Measured
from biglearn_sampler.evaluation.drawing import quantities_of
from biglearn_sampler.evaluation.importance import moments

FIGURES = {"reference_mean_error": ("mean", "mcse", "mean_error"), "reference_sd_error": ("sd", "sd_mcse", "sd_error")}
"""For each figure: what is compared, its own error, and that of the reference."""

ROUNDING = 1e-12
"""Of an average in double precision, as a share of what is averaged: an error below it is none."""

SAME = 1e-6
"""Numbers that are that close, as a share of them, may come from the same one in single precision."""


@dataclass(frozen=True)
class ReferenceMomentsMetric(AbstractMetric):
    """Figures `reference_mean_error` and `reference_sd_error`.

    The largest `|m - m_ref| / sqrt(e^2 + e_ref^2)` over the numbers of `facts.reference`, where `m` is the
    importance-weighted mean, or standard deviation, and `e` its Monte Carlo error. Of independent numbers without any
    error but chance, the largest of 3 is 1.3 on average, of 10 it is 1.9, and above 4 in one case of 1,600. A number
    that never varies has no error: it is at no distance where it is that of the reference, and is left out with a
    reason where it is not.
    """

    def compute(self, draws: Draws, target: AbstractTarget, key: Key[Array, ""]) -> dict[str, Measured]:
        reference = target.facts.reference
        if not reference:
            return dict.fromkeys(FIGURES, Measured.missing("the target has no reference draws"))
        weighted = draws.weighted
        found = moments(quantities_of(target, weighted.points), weighted)
        measured = {}
        for figure, (what, own, theirs) in FIGURES.items():
            distances = {
                name: distance(
                    found.get(name, {}).get(what),
                    found.get(name, {}).get(own),
                    getattr(row, what),
                    getattr(row, theirs),
                    size=max(abs(found.get(name, {}).get("mean") or 0.0), abs(row.mean)),
                )
                for name, row in reference.items()
            }
            measured[figure] = _largest(distances, tail_warning(draws))
        return measured


def _largest(distances: Mapping[str, float | None], warning: str | None) -> Measured:
    """The largest distance that can be told in errors, with what is left out."""
    known = [each for each in distances.values() if each is not None]
    if len(known) < len(distances):
        return Measured.missing("a moment of the draws is not finite")
    apart = [name for name, each in distances.items() if each == math.inf]
    without = f"left out, without any error and not as in the reference: {', '.join(apart)}" if apart else None
    if without is not None and len(apart) == len(known):
        return Measured.missing(without)
    reasons = [each for each in (without, warning) if each is not None]
    return Measured(max(each for each in known if each < math.inf), reason="; ".join(reasons) or None)


def distance(
    value: float | None, error: float | None, expected: float, expected_error: float, *, size: float
) -> float | None:
    """`|value - expected| / sqrt(error^2 + expected_error^2)`; `None` where the value or its error is not known.

    Where both errors are 0 up to rounding, it is 0 for equal numbers, and infinite for others.

    Arguments:
        value, error: of the draws.
        expected, expected_error: of the reference.
        size: of the numbers behind a mean or a deviation, which their rounding goes by.
    """
    if value is None or error is None:
        return None
    apart, errors = abs(value - expected), math.hypot(error, expected_error)
    if errors > ROUNDING * size:
        return apart / errors
    return 0.0 if apart <= SAME * size else math.inf


def reference_moments() -> ReferenceMomentsMetric:
    """The metric; it has no parameters."""
    return ReferenceMomentsMetric()


ENTRY = Entry(
    name="reference_moments",
    build=reference_moments,
    summary="means and deviations beside published reference draws, in Monte Carlo errors",
)
