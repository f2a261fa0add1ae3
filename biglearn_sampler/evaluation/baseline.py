"""The interface of a baseline: another way to draw from the same energy, with honest costs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from jaxtyping import Array, Key

from biglearn_sampler.energy import AbstractTarget, Evaluations
from biglearn_sampler.errors import UserError
from biglearn_sampler.evaluation.draws import Draws
from biglearn_sampler.evaluation.metric import Measured
from biglearn_sampler.learning.start import StartRegion


@dataclass(frozen=True, eq=False)
class BaselineResult:
    """What a baseline drew, and what it cost.

    Arguments:
        draws: after warm-up.
        evaluations: all that the method asked of the energy, warm-up and lock-step padding included.
        seconds_compile: time until compiled code was ready.
        seconds_run: time of the rest.
        notes: further figures of the method by name, such as the number of divergences.
        warmup: of the evaluations, those before the first of the draws.
        log_z: the method's own estimate of `log Z` with its standard error, if it has one.
    """

    draws: Draws
    evaluations: Evaluations
    seconds_compile: float
    seconds_run: float
    notes: Mapping[str, float] = field(default_factory=dict)
    warmup: Evaluations = Evaluations()
    log_z: Measured | None = None


class AbstractBaseline(ABC):
    """A sampler to compare with, run on the target's own energy."""

    kind: ClassVar[str] = "baseline"

    @abstractmethod
    def run(
        self, target: AbstractTarget, start: StartRegion, key: Key[Array, ""], budget: int | None = None
    ) -> BaselineResult:
        """Draw from the target.

        Arguments:
            target: its energy only; a baseline never looks at `facts`.
            start: the region where chains begin, the same as our sampler's.
            key: the same key gives the same draws.
            budget: evaluations of energy and gradient together, about as many as are to be spent and never more than
                a tenth above; `None` for the lengths that the baseline was built with.

        Raises:
            UserError: a budget below `least_budget`.
            RunFailed: the method could not draw.
        """

    @abstractmethod
    def least_budget(self, target: AbstractTarget) -> int:
        """The smallest budget with which the method gives draws at all."""

    def check_budget(self, target: AbstractTarget, budget: int | None) -> None:
        """See that a budget suffices.

        Raises:
            UserError: it does not, with the least that does.
        """
        least = self.least_budget(target)
        if budget is not None and budget < least:
            raise UserError(f"a budget of {budget:,} evaluations is too small; expected at least {least:,}")
