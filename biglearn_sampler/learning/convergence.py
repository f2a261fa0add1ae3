"""When a scheduled training has converged: the losses of its tasks have stopped falling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

WINDOW = 10
"""Chunks whose mean losses are compared with those of as many chunks before them."""

SIGNIFICANT = 2.0
"""Standard errors by which a loss must have fallen to count as falling."""


@dataclass(frozen=True)
class LossTrend:
    """The loss of a task in the last `WINDOW` chunks in which it was drawn, and in those before.

    Arguments:
        before, after: mean losses.
        error: standard error of their difference.
    """

    before: float
    after: float
    error: float

    @classmethod
    def of(cls, losses: Sequence[float]) -> LossTrend | None:
        """From the mean losses of chunks; `None` while there are too few of them."""
        if len(losses) < 2 * WINDOW:
            return None
        before, after = np.reshape(losses[-2 * WINDOW :], (2, WINDOW))
        error = np.sqrt((before.var(ddof=1) + after.var(ddof=1)) / WINDOW)
        return cls(float(before.mean()), float(after.mean()), float(error))

    @property
    def falls(self) -> bool:
        """Whether the loss is lower than before, beyond its error."""
        return self.before - self.after > SIGNIFICANT * self.error
