"""The folder of a comparison: every trial is on disk as soon as it is over.

comparison.json   budget, seeds, methods with their entries and versions, settings, platform, status
trials/           figures, curve and draws of each trial, METHOD-SEED.json and METHOD-SEED.npz
results.json      all figures of all trials, and their means over the seeds
results.csv       the figures, one row for each trial
report.html       the page, and whatever other reports write
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from biglearn_sampler.comparison import Comparison, Trial
from biglearn_sampler.comparison.results import as_csv, results_of, rows_of
from biglearn_sampler.errors import RunFolderError
from biglearn_sampler.runs.trial_files import TrialFiles
from biglearn_sampler.runs.whole_files import WholeFiles, check_holds, new_or_numbered

logger = logging.getLogger(__name__)

RECORD = "comparison.json"


@dataclass(frozen=True)
class ComparisonFolder:
    """One comparison on disk.

    Arguments:
        path: the folder.
    """

    path: Path

    @classmethod
    def create(cls, path: Path, *, numbered: bool) -> ComparisonFolder:
        """A new folder; with a number behind its name if that is asked for.

        Raises:
            RunFolderError: it exists already and is not empty, or it cannot be made.
        """
        return cls(new_or_numbered(path, "trials", numbered=numbered))

    @classmethod
    def existing(cls, path: Path) -> ComparisonFolder:
        """A folder that holds a comparison.

        Raises:
            RunFolderError: there is none.
        """
        check_holds(path, RECORD, "comparison", "compare")
        return cls(path)

    @property
    def files(self) -> WholeFiles:
        """What lies in it."""
        return WholeFiles(self.path)

    @property
    def _trials(self) -> TrialFiles:
        return TrialFiles(WholeFiles(self.path / "trials"))

    def write_record(self, record: Mapping[str, Any]) -> None:
        """Write `comparison.json`."""
        self.files.write_json(RECORD, record)

    def read_record(self) -> dict[str, Any]:
        """The content of `comparison.json`, once it is the record of a comparison in this format."""
        record = self.files.read_json(RECORD)
        parts = {"target": dict, "settings": dict, "methods": dict, "seeds": list, "budget": int}
        if not all(isinstance(record.get(part), kind) for part, kind in parts.items()):
            raise self.files.damaged(RECORD, f"expected the record of a comparison, with {', '.join(parts)}")
        self.files.check_format(RECORD, record.get("format"))
        # They name files: nothing outside the folder may be meant.
        if any(set(name) & {"/", "\\", "\0"} for name in record["methods"]) or not all(
            type(seed) is int for seed in record["seeds"]
        ):
            raise self.files.damaged(RECORD, "expected plain names of methods, and whole numbers as seeds")
        return record

    def write_trial(self, trial: Trial) -> None:
        """Write a trial."""
        self._trials.write(_name(trial.method, trial.seed), trial)

    def read_trial(self, method: str, seed: int) -> Trial | None:
        """A trial, or `None` if it is not there.

        Raises:
            RunFolderError: its files are damaged.
        """
        name = _name(method, seed)
        try:
            return self._trials.read(name, method, seed)
        except RunFolderError as error:
            raise RunFolderError(
                f"{error}; `compare` with --resume runs this trial again, and without {name}.json the others are read"
            ) from error

    def finished_trials(self, methods: Sequence[str], seeds: Sequence[int]) -> list[Trial]:
        """The trials that need not be run again; one that is damaged is left out with a warning."""
        trials = (self._undamaged(method, seed) for seed in seeds for method in methods)
        return [trial for trial in trials if trial is not None and trial.failed is None]

    def _undamaged(self, method: str, seed: int) -> Trial | None:
        try:
            return self._trials.read(_name(method, seed), method, seed)
        except RunFolderError as error:
            logger.warning("%s; the trial is run again", error)
            return None

    def write_results(self, comparison: Comparison) -> None:
        """Write `results.json` and `results.csv`."""
        self.files.write_json("results.json", results_of(comparison))
        self.files.write_text("results.csv", as_csv(rows_of(comparison)))


def is_comparison(path: Path) -> bool:
    """Whether a folder is one of a comparison."""
    return (path / RECORD).is_file()


def _name(method: str, seed: int) -> str:
    return f"{method}-{seed}"
