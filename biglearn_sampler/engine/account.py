"""What the energy was asked for, and how much may still be asked."""

from __future__ import annotations

import time
from collections.abc import Mapping
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


@dataclass(frozen=True)
class Books:
    """What an account holds at one time.

    Arguments:
        spent: evaluations of each purpose.
        zero_density: points where the density was zero or not finite.
        rejected: components whose steps were taken back, since they did not end with finite numbers.
        seconds: of work so far.
    """

    spent: Mapping[str, Evaluations] = field(default_factory=dict)
    zero_density: int = 0
    rejected: int = 0
    seconds: float = 0.0


@dataclass
class Account:
    """Evaluations by purpose, and the budget they are held against.

    Arguments:
        budget: the limits.
        spent, zero_density, rejected: as in `Books`.
        began: time of the beginning; of work that goes on, so long ago as it has lasted.
        limited_by: the limits, `evaluations` or `minutes`, that have ever refused anything.
    """

    budget: Budget = Budget()
    spent: dict[str, Evaluations] = field(default_factory=dict)
    zero_density: int = 0
    rejected: int = 0
    began: float = field(default_factory=time.monotonic)
    limited_by: set[str] = field(default_factory=set)

    @classmethod
    def continued(cls, budget: Budget, books: Books) -> Account:
        """The account of work that goes on after an interruption, of which the time does not count."""
        account = cls(budget, began=time.monotonic() - books.seconds)
        account.set_back(books)
        return account

    @property
    def books(self) -> Books:
        """What it holds now."""
        return Books(dict(self.spent), self.zero_density, self.rejected, self.seconds)

    @property
    def limited(self) -> bool:
        """Whether the budget has ever refused anything. Until then all is as it would be without one."""
        return bool(self.limited_by)

    @property
    def seconds(self) -> float:
        """Of work so far."""
        return time.monotonic() - self.began

    def set_back(self, books: Books) -> None:
        """To what it held before; the clock goes on."""
        self.spent, self.zero_density, self.rejected = dict(books.spent), books.zero_density, books.rejected

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
        return self.budget.evaluations - self.total.total

    def allows(self, evaluations: int) -> bool:
        """Whether so many more evaluations fit into the budget, and time is left."""
        in_time = self.budget.minutes is None or self.seconds < 60.0 * self.budget.minutes
        if not in_time:
            self.limited_by.add("minutes")
        return self.affordable(evaluations) == evaluations and in_time

    def affordable(self, evaluations: int) -> int:
        """So many evaluations, or as many as are left."""
        if evaluations > self.left:
            self.limited_by.add("evaluations")
        return int(min(evaluations, self.left))
