"""One method on one seed: what it found, what it cost, or why it failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from biglearn_sampler.comparison.coverage_curve import CoveragePoint, evaluations_of
from biglearn_sampler.evaluation import Draws

KEPT = 4096
"""Draws of a trial that are kept for pictures and for ArviZ; its figures are of all draws."""


@dataclass(frozen=True, eq=False)
class Trial:
    """The outcome of one method on one seed.

    Arguments:
        method: name of the method.
        seed: of the trial.
        figures: flat figures, `standard_errors`, `reasons`, `moments` and costs, as a run's `metrics.json` has them;
            empty for a trial that failed.
        curve: coverage of known modes as evaluations go by; empty where modes are not known.
        draws: at most 4,096 of them, spread evenly over what the method drew; `None` for a trial that failed.
        failed: the reason, or `None`.
    """

    method: str
    seed: int
    figures: Mapping[str, Any] = field(repr=False)
    curve: Sequence[CoveragePoint] = field(default=(), repr=False)
    draws: Draws | None = field(default=None, repr=False)
    failed: str | None = None

    @property
    def evaluations(self) -> int | None:
        """All that the method asked of the energy, of its gradient, and of a target's closed-form channels."""
        return None if self.failed is not None else evaluations_of(self.figures)

    @property
    def verdict(self) -> str | None:
        """What is said of the whole of it, in a word; `None` for a method on which no verdict is given."""
        given = self.figures.get("verdict")
        return given.get("verdict") if isinstance(given, Mapping) else None

    def figure(self, name: str) -> float | None:
        """A figure, or `None` where it is missing."""
        if name == "evaluations":
            return self.evaluations
        value = self.figures.get(name)
        return value if isinstance(value, int | float) else None

    def standard_error(self, name: str) -> float | None:
        """The Monte Carlo standard error of a figure, where it has one."""
        return self.figures.get("standard_errors", {}).get(name)


def thinned(draws: Draws, most: int = KEPT) -> Draws:
    """At most so many draws, spread evenly over the whole, of chains over every chain."""
    chains = draws.chains or 1
    length = draws.count // chains
    kept = np.unique(np.linspace(0, length - 1, min(length, max(most // chains, 1))).astype(int))
    places = (np.arange(chains)[:, None] * length + kept).ravel()
    weights = None if draws.weights is None else draws.weights[places]
    return Draws(
        points=draws.points[places],
        log_target=draws.log_target[places],
        log_sampler=None if draws.log_sampler is None else draws.log_sampler[places],
        chains=draws.chains,
        weights=None if weights is None else weights / weights.sum(),
        families=None if draws.families is None else draws.families[places],
    )
