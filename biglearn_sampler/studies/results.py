"""What a study found: a row for every combination."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from biglearn_sampler.comparison import Trial
from biglearn_sampler.comparison.results import row_of
from biglearn_sampler.comparison.table import table_of_groups
from biglearn_sampler.errors import UserError
from biglearn_sampler.studies.job import Cell
from biglearn_sampler.studies.processes import Outcome


@dataclass(frozen=True, eq=False)
class StudyResults:
    """The result of `sweep`.

    Arguments:
        cells: every combination of the study, with its job.
        outcomes: by name of the job; a study that was interrupted has fewer than jobs.
        folder: where it was written, if anywhere.
    """

    cells: Sequence[Cell]
    outcomes: Mapping[str, Outcome]
    folder: Path | None = None

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One row for each combination that is over: how it ended, flat figures and their errors as `NAME_se`."""
        return [
            {
                "target": cell.target,
                "settings": cell.settings,
                **row_of(outcome.trial),
                "job": cell.job.name,
                "host": outcome.host,
                "seconds": outcome.seconds,
                "attempts": outcome.attempts,
            }
            for cell in self.cells
            if (outcome := self.outcomes.get(cell.job.name)) is not None
        ]

    @property
    def failures(self) -> dict[str, str]:
        """The reason of each job that failed, by its name."""
        return {name: each.trial.failed for name, each in self.outcomes.items() if each.trial.failed is not None}

    def trial(self, target: str, method: str, seed: int, settings: str | None = None) -> Trial:
        """The trial of a combination, with its draws.

        Arguments:
            target, method, seed: as in the table.
            settings: may be left out where the study has only one.

        Raises:
            UserError: the study has no such combination, or has not come so far.
        """
        asked = {"target": target, "method": method, "seed": seed, **({"settings": settings} if settings else {})}
        found = [cell for cell in self.cells if all(getattr(cell, name) == value for name, value in asked.items())]
        if len({cell.job.name for cell in found}) != 1:
            raise UserError(f"expected one combination of the study, got {len(found)} for {asked}")
        if found[0].job.name not in self.outcomes:
            raise UserError(f"the study was interrupted before {found[0].job.name}")
        return self.outcomes[found[0].job.name].trial

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Headings and rows of the means over the seeds, and of the verdicts on them, for the screen."""
        groups: dict[tuple[str, ...], list[Trial]] = {}
        for cell in self.cells:
            if cell.job.name in self.outcomes:
                place = (cell.target, cell.settings, cell.method)
                groups.setdefault(place, []).append(self.outcomes[cell.job.name].trial)
        headings, rows = table_of_groups(("target", "settings", "method"), groups)
        verdicts = [_verdicts(trials) for trials in groups.values()]
        if not any(verdicts):
            return headings, rows
        return [*headings, "verdict"], [[*row, verdict or "-"] for row, verdict in zip(rows, verdicts, strict=True)]


def _verdicts(trials: Sequence[Trial]) -> str:
    """The one that all trials share, or how often each was given; empty where none was."""
    given = Counter(trial.verdict for trial in trials if trial.verdict is not None)
    return "".join(given) if len(given) < 2 else ", ".join(f"{count} {verdict}" for verdict, count in given.items())
