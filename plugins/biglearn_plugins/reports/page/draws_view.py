"""Which part of space shows the draws of several methods beside the mass of the target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from biglearn_plugins.reports.cloud import Cloud
from biglearn_plugins.reports.target_view import target_view
from biglearn_plugins.reports.view import View, box_around
from biglearn_sampler.comparison import OURS, Trial
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.evaluation import Draws

AROUND = 0.05
"""Of the width of what was found, on either side of it."""


def draws_view(target: AbstractTarget, trials: list[tuple[Trial, Draws]]) -> View:
    """The box around the target's mass; where exact draws do not tell it, around what our sampler found as well.

    Other methods may be anywhere: they widen it by its own width at most.
    """
    view = target_view(target)
    if target.facts.sample is None:
        found = {trial.method: _interval(draws) for trial, draws in trials}
        lower, upper = _joined([(view.lower, view.upper), *([found.pop(OURS)] if OURS in found else [])])
        width = upper - lower
        reached = _joined([(lower, upper), *found.values()])
        lower, upper = np.maximum(reached[0], lower - width), np.minimum(reached[1], upper + width)
        if (lower < view.lower).any() or (upper > view.upper).any():
            around = AROUND * (upper - lower)
            view = box_around(np.stack([lower - around, upper + around]), view.points_per_side)
    return view


def _interval(draws: Draws) -> tuple[Float[np.ndarray, " dim"], Float[np.ndarray, " dim"]]:
    """Where nearly all draws of a method are, as it weighs them."""
    finite = np.isfinite(draws.points).all(axis=1)
    weights = draws.shares[finite]
    cloud = Cloud("", (), np.asarray(draws.points[finite], float), weights / weights.sum())
    ends = np.array([cloud.interval(number) for number in range(draws.points.shape[1])])
    return ends[:, 0], ends[:, 1]


def _joined(
    boxes: Sequence[tuple[Float[np.ndarray, " dim"], Float[np.ndarray, " dim"]]],
) -> tuple[Float[np.ndarray, " dim"], Float[np.ndarray, " dim"]]:
    lower, upper = zip(*boxes, strict=True)
    return np.min(lower, axis=0), np.max(upper, axis=0)
