"""What the energy was asked for, and how much may still be asked."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from biglearn_sampler.energy import Evaluations


@dataclass(frozen=True)
class Budget:
    """What a training may spend; `None` sets no limit.

    Arguments:
        evaluations: of the energy and its gradient together.
        minutes: of wall time, compilation included.
    """

    evaluations: int | None = None
    minutes: float | None = None


@dataclass
class Account:
    """Evaluations by purpose, and the budget they are held against.

    Arguments:
        budget: the limits.
        spent: evaluations of each purpose so far.
        zero_density: points where the density was zero or not finite.
        began: time of the beginning.
    """

    budget: Budget = Budget()
    spent: dict[str, Evaluations] = field(default_factory=dict)
    zero_density: int = 0
    began: float = field(default_factory=time.monotonic)

    def add(self, purpose: str, evaluations: Evaluations, zero_density: int = 0) -> None:
        """Book what was spent."""
        self.spent[purpose] = self.spent.get(purpose, Evaluations()).plus(evaluations)
        self.zero_density += zero_density

    @property
    def total(self) -> Evaluations:
        """All purposes together."""
        total = Evaluations()
        for evaluations in self.spent.values():
            total = total.plus(evaluations)
        return total

    @property
    def left(self) -> float:
        """Evaluations that may still be spent."""
        if self.budget.evaluations is None:
            return float("inf")
        return self.budget.evaluations - (self.total.energy + self.total.gradient)

    def allows(self, evaluations: int) -> bool:
        """Whether so many more evaluations fit into the budget, and time is left."""
        in_time = self.budget.minutes is None or time.monotonic() - self.began < 60.0 * self.budget.minutes
        return in_time and evaluations <= self.left
