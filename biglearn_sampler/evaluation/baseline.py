"""The interface of a baseline: another way to draw from the same energy, with honest costs."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Array, Key

from biglearn_sampler.catalogue.values import shown
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


def result_problem(result: Any, dim: int) -> str | None:
    """What is wrong with what a baseline gave for a target of so many coordinates; `None` if it can be measured."""
    if not isinstance(result, BaselineResult):
        return f"`run` must give a BaselineResult, got {shown(result)}"
    draws = result.draws
    if not isinstance(draws, Draws):
        return f"draws must be Draws, got {shown(draws)}"
    shape = np.shape(draws.points)
    if len(shape) != 2 or shape[1] != dim or shape[0] < 2:
        return f"draws.points must be at least 2 finite points of {dim} coordinates, got shape {shape}"
    if np.shape(draws.log_target) != shape[:1]:
        return (
            f"draws.log_target must be the target's log density at every draw, {shape[0]} numbers, got shape "
            f"{np.shape(draws.log_target)}"
        )
    lost = int((~np.isfinite(np.asarray(draws.points, float)).all(axis=1)).sum())
    if lost:
        return f"draws.points must be finite, and {lost:,} of {shape[0]:,} are not"
    problem = _weights_problem(draws.weights, shape[0])
    if problem is not None:
        return problem
    if draws.chains is not None and (draws.chains < 1 or shape[0] % draws.chains):
        return f"{shape[0]} draws cannot be {draws.chains} chains of equal length"
    if not isinstance(result.evaluations, Evaluations):
        return f"evaluations must be Evaluations, got {shown(result.evaluations)}"
    for counts in (result.evaluations, result.warmup):
        if not all(isinstance(count, Integral) and count >= 0 for count in counts):
            return f"evaluations must be whole numbers that are not negative, got {shown(counts)}"
    for name in ("seconds_compile", "seconds_run"):
        seconds = getattr(result, name)
        if not isinstance(seconds, Real) or not math.isfinite(seconds) or seconds < 0:
            return f"{name} must be a finite number that is not negative, got {shown(seconds)}"
    if result.log_z is not None and not isinstance(result.log_z, Measured):
        return f"log_z must be a Measured with its standard error, or None; got {shown(result.log_z)}"
    return None


def _weights_problem(weights: Any, count: int) -> str | None:
    """What is wrong with the weights of so many draws."""
    if weights is None:
        return None
    if np.shape(weights) != (count,):
        return f"draws.weights must be {count} numbers, one for every draw, got shape {np.shape(weights)}"
    values = np.asarray(weights, float)
    if not np.isfinite(values).all() or values.min() < 0 or not np.isclose(values.sum(), 1.0, atol=1e-3):
        return (
            f"draws.weights must be finite, not negative, and sum to 1; they lie from {values.min():.4g} to "
            f"{values.max():.4g} and sum to {values.sum():.4g}"
        )
    return None
