"""The interface of a metric: draws and a target in, named figures with their errors out."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from jaxtyping import Array, Key

from biglearn_sampler.catalogue.values import shown
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.evaluation.draws import Draws


@dataclass(frozen=True)
class Measured:
    """One figure: its value with its Monte Carlo standard error, or the reason why it cannot be had.

    Arguments:
        value: the figure, or `None`; never invented.
        standard_error: of the value over repeated draws, where it can be estimated.
        reason: why the value is `None`, or a warning to read beside it.
    """

    value: float | None
    standard_error: float | None = None
    reason: str | None = None

    @classmethod
    def missing(cls, reason: str) -> Measured:
        """A figure that cannot be had, with the reason."""
        return cls(None, None, reason)


class AbstractMetric(ABC):
    """Something that can be said of draws from a sampler or from chains."""

    kind: ClassVar[str] = "metric"

    @abstractmethod
    def compute(self, draws: Draws, target: AbstractTarget, key: Key[Array, ""]) -> dict[str, Measured]:
        """The figures by name, none of which is `RESERVED` or ends with `_se`.

        Facts that the target does not know give `Measured.missing(...)`.

        Arguments:
            draws: at least two points; the arrays are those of all metrics, and cannot be written to.
            target: its `facts` may be used.
            key: for metrics that draw; the same key gives the same figures.
        """


RESERVED = frozenset(
    {
        *("target", "method", "seed", "failed", "evaluations", "curve", "status", "attempts"),
        *("settings", "job", "host", "seconds"),
        *("standard_errors", "reasons", "moments", "baselines", "verdict", "earlier_verdicts", "notes"),
        *("energy_evaluations", "gradient_evaluations", "exact_channel_evaluations", "warmup_evaluations"),
        *("probe_evaluations", "evaluations_by_purpose", "evaluation_draws", "zero_density_points"),
        *("seconds_compile", "seconds_run", "seconds_verdict", "task_steps", "skipped_steps", "rejected_updates"),
        *("training_ended", "convergence", "components", "components_found"),
    }
)
"""Names that figures of metrics cannot have."""


def figures_problem(found: Any) -> str | None:
    """What is wrong with what a metric gave; `None` if these are figures by name."""
    if not isinstance(found, Mapping) or not found:
        return f"`compute` must give at least one figure by name, got {shown(found)}"
    for name, figure in found.items():
        if not isinstance(name, str) or not isinstance(figure, Measured):
            return f"expected Measured figures by name, got {name!r}: {shown(figure)}"
        if name in RESERVED or name.endswith("_se"):
            return f"the name of figure '{name}' is taken: records and tables have something else under it"
        if figure.value is not None and not _is_number(figure.value):
            return f"figure '{name}' is {shown(figure.value)}; expected a finite value, or Measured.missing(reason)"
        if figure.standard_error is not None and not _is_number(figure.standard_error):
            return f"figure '{name}' has the standard error {shown(figure.standard_error)}; expected None or a number"
    return None


def _is_number(value: Any) -> bool:
    """Whether it is one number; arrays of one are."""
    try:
        math.isfinite(value)
    except (TypeError, ValueError):
        return False
    return True
