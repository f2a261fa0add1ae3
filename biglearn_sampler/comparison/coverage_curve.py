"""How many modes a method has covered, and how wrong their masses are, as evaluations go by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from biglearn_sampler.energy import Facts
from biglearn_sampler.evaluation import BaselineResult
from biglearn_sampler.evaluation.mode_shares import belongs_to_modes, coverage

POINTS = 40
"""Places of a curve at most."""


class CoveragePoint(NamedTuple):
    """Coverage after so many evaluations.

    Arguments:
        evaluations: of all kinds together, warm-up included.
        modes_covered: modes that hold at least a tenth of their true mass.
        mode_mass_tv: total variation between the masses of the modes and the true ones, from 0 to 1.
    """

    evaluations: int
    modes_covered: int
    mode_mass_tv: float


def evaluations_of(figures: Mapping[str, Any]) -> int:
    """Evaluations of all kinds, of figures or of a row of a history; those of closed-form channels too."""
    kinds = ("energy_evaluations", "gradient_evaluations", "exact_channel_evaluations")
    return int(sum(figures.get(kind, 0) for kind in kinds))


def curve_of_training(history: Iterable[Mapping[str, Any]], figures: Mapping[str, Any]) -> list[CoveragePoint]:
    """The curve of a training; empty where modes are not known.

    Arguments:
        history: its rows tell of a few draws each.
        figures: of the run. They are of more draws, and the end of the curve, so that it is what a table says.
    """
    *before, end = [_told(row) for row in (*history, figures)]
    points = [point for point in before if point is not None]
    if end is not None:
        points = [*(point for point in points if point.evaluations < end.evaluations), end]
    return [points[place] for place in _spread(len(points))]


def curve_of_baseline(result: BaselineResult, facts: Facts) -> list[CoveragePoint]:
    """The curve of a baseline: of chains what their draws until then cover, of other methods the end alone.

    Chains are taken to cost the same at every draw after warm-up.
    """
    draws = result.draws
    belongs = belongs_to_modes(facts, draws.points)
    if belongs is None:
        return []
    true = np.asarray(facts.mode_weights, float)
    total = result.evaluations.total
    if draws.chains is None:
        return [_point(total, draws.shares @ belongs, true)]
    by_draw = belongs.reshape(draws.chains, -1, len(true)).mean(0)
    means = np.cumsum(by_draw, axis=0) / np.arange(1, len(by_draw) + 1)[:, None]
    warmup = result.warmup.total
    share = (np.arange(len(by_draw)) + 1) / len(by_draw)
    spent = warmup + share * (total - warmup)
    return [_point(int(spent[place]), means[place], true) for place in _spread(len(by_draw))]


def _point(evaluations: int, found: np.ndarray, true: np.ndarray) -> CoveragePoint:
    covered, variation = coverage(found, true)
    return CoveragePoint(evaluations, int(covered), float(variation))


def _spread(count: int) -> list[int]:
    """Places among so many, dense at the beginning, the last one included."""
    if count == 0:
        return []
    return np.unique(np.geomspace(1, count, POINTS).round().astype(int) - 1).tolist()


def _told(row: Mapping[str, Any]) -> CoveragePoint | None:
    modes, variation = row.get("modes_covered"), row.get("mode_mass_tv")
    if modes is None or variation is None:
        return None
    return CoveragePoint(evaluations_of(row), int(modes), float(variation))
