"""How far means and standard deviations lie from those of reference draws, in Monte Carlo errors of both."""

from __future__ import annotations

import math
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


@dataclass(frozen=True)
class ReferenceMomentsMetric(AbstractMetric):
    """Figures `reference_mean_error` and `reference_sd_error`.

    The largest `|m - m_ref| / sqrt(e^2 + e_ref^2)` over the numbers of `facts.reference`, where `m` is the
    importance-weighted mean, or standard deviation, and `e` its Monte Carlo error. Of independent numbers without any
    error but chance, the largest of 3 is 1.5 on average, of 10 it is 2.0, and above 4 in one case of 1,600.
    """

    def compute(self, draws: Draws, target: AbstractTarget, key: Key[Array, ""]) -> dict[str, Measured]:
        reference = target.facts.reference
        if not reference:
            return dict.fromkeys(FIGURES, Measured.missing("the target has no reference draws"))
        found = moments(quantities_of(target, draws.points), draws)
        measured = {}
        for figure, (what, own, theirs) in FIGURES.items():
            distances = [
                _distance(
                    found.get(name, {}).get(what),
                    found.get(name, {}).get(own),
                    getattr(row, what),
                    getattr(row, theirs),
                )
                for name, row in reference.items()
            ]
            if any(distance is None for distance in distances):
                measured[figure] = Measured.missing("a moment of the draws is not finite")
            else:
                measured[figure] = Measured(
                    max(each for each in distances if each is not None), reason=tail_warning(draws)
                )
        return measured


def _distance(value: float | None, error: float | None, expected: float, expected_error: float) -> float | None:
    if value is None or error is None:
        return None
    return abs(value - expected) / math.hypot(error, expected_error)


def reference_moments() -> ReferenceMomentsMetric:
    """The metric; it has no parameters."""
    return ReferenceMomentsMetric()


ENTRY = Entry(
    name="reference_moments",
    build=reference_moments,
    summary="means and deviations beside published reference draws, in Monte Carlo errors",
)
