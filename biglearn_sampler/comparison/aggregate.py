"""A figure over several seeds: its mean, its standard error, its range."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from biglearn_sampler.comparison.trial import Trial


@dataclass(frozen=True)
class Aggregate:
    """One figure of one method over its trials.

    Arguments:
        mean: over the trials that have the figure.
        standard_error: of the mean: `sd / sqrt(count)` over two or more trials, the trial's own for a single one;
            `None` where there is none.
        least, most: over the trials.
        count: how many trials have the figure.
    """

    mean: float
    standard_error: float | None
    least: float
    most: float
    count: int


def aggregate(name: str, trials: Sequence[Trial]) -> Aggregate | None:
    """A figure over trials; `None` where none of them has it."""
    found = [(trial, trial.figure(name)) for trial in trials]
    values = np.array([value for _, value in found if value is not None], float)
    if not len(values):
        return None
    if len(values) > 1:
        error = float(values.std(ddof=1)) / math.sqrt(len(values))
    else:
        error = next(trial.standard_error(name) for trial, value in found if value is not None)
    return Aggregate(float(values.mean()), error, float(values.min()), float(values.max()), len(values))
