"""Methods side by side on one target: trials, and what they say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from biglearn_sampler.catalogue.notebook import html_of
from biglearn_sampler.comparison.aggregate import Aggregate, aggregate
from biglearn_sampler.comparison.trial import Trial
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.errors import UserError
from biglearn_sampler.evaluation.arviz import arviz_of_draws

OURS = "biglearn"
"""The name of our sampler among the methods."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """The result of `compare`, also when loaded from its folder.

    Arguments:
        target: what all methods drew from.
        name: of the target.
        trials: one for each method and seed, also those that failed.
        record: as in `comparison.json`: budget, seeds, methods with their entries, settings, versions, platform.
        folder: where it was written, if anywhere.
    """

    target: AbstractTarget = field(repr=False)
    name: str
    trials: Sequence[Trial] = field(repr=False)
    record: Mapping[str, Any] = field(repr=False)
    folder: Path | None = None

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return html_of(self)

    @property
    def methods(self) -> list[str]:
        """Names of the methods, in the order of their first trials."""
        return list(dict.fromkeys(trial.method for trial in self.trials))

    @property
    def budget(self) -> int | None:
        """Evaluations that each method was given in each trial; `None` where none was set."""
        return self.record.get("budget")

    def finished(self, method: str) -> list[Trial]:
        """The trials of a method that did not fail."""
        return [trial for trial in self.trials if trial.method == method and trial.failed is None]

    def failures(self, method: str) -> list[Trial]:
        """The trials of a method that failed."""
        return [trial for trial in self.trials if trial.method == method and trial.failed is not None]

    def figure(self, method: str, name: str) -> Aggregate | None:
        """A figure of a method over its seeds; `None` where no trial has it."""
        return aggregate(name, self.finished(method))

    def trial(self, method: str, seed: int | None = None) -> Trial:
        """The trial of a method on a seed, by default on the first one that finished.

        Raises:
            UserError: there is none.
        """
        for trial in self.finished(method):
            if seed is None or trial.seed == seed:
                return trial
        raise UserError(
            f"there is no finished trial of '{method}'{'' if seed is None else f' on seed {seed}'}; the methods are: "
            f"{', '.join(self.methods)}"
        )

    def to_arviz(self, method: str, seed: int | None = None) -> Any:
        """The draws of one trial for ArviZ, chains as chains, in the names and units of the target.

        Weighted draws are resampled; `Run.to_arviz` says how.

        Raises:
            UserError: ArviZ is not installed (the extra `arviz`), or there is no such trial.
        """
        trial = self.trial(method, seed)
        assert trial.draws is not None  # it did not fail
        return arviz_of_draws(trial.draws, self.target, trial.seed, {"method": trial.method, "seed": trial.seed})
