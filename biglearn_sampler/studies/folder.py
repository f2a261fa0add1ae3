"""The folder of a study: every job is on disk as soon as it is over.

study.json       what is put together, versions, platform, status
jobs/            figures, curve and draws of each job, NAME.json and NAME.npz
results.csv      one row for each combination
results.parquet  the same, where pyarrow is installed
"""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from biglearn_sampler.comparison.results import as_csv
from biglearn_sampler.errors import RunFolderError
from biglearn_sampler.runs.record import finite
from biglearn_sampler.runs.trial_files import TrialFiles
from biglearn_sampler.runs.whole_files import FORMAT, WholeFiles, check_holds, new_or_numbered
from biglearn_sampler.studies.job import Job
from biglearn_sampler.studies.processes import Outcome
from biglearn_sampler.studies.surroundings import difference, versions

logger = logging.getLogger(__name__)

RECORD = "study.json"

TEXTS = ("failed", "verdict", "training_ended", "stopped_by")
"""Columns of a table that are texts, also where no row has one."""


@dataclass(frozen=True)
class StudyFolder:
    """One study on disk.

    Arguments:
        path: the folder.
    """

    path: Path

    @classmethod
    def create(cls, path: Path, *, numbered: bool) -> StudyFolder:
        """A new folder; with a number behind its name if that is asked for.

        Raises:
            RunFolderError: it exists already and is not empty, or it cannot be made.
        """
        return cls(new_or_numbered(path, "jobs", numbered=numbered))

    @classmethod
    def resumed(cls, path: Path) -> StudyFolder:
        """A folder that holds a study that this installation can go on with.

        Raises:
            RunFolderError: it holds none, or one that was made with other versions of what figures depend on.
        """
        check_holds(path, RECORD, "study", "sweep")
        files = WholeFiles(path)
        record = files.read_json(RECORD)
        files.check_format(RECORD, record.get("format"))
        before = record.get("versions")
        differing = difference(before, dict(versions())) if isinstance(before, dict) else "no versions"
        if differing is not None:
            raise RunFolderError(
                f"the study in {path} goes on with the versions that it began with, and here is {differing}; install "
                "those again, or give another --out"
            )
        return cls(path)

    @property
    def files(self) -> WholeFiles:
        """What lies in it."""
        return WholeFiles(self.path)

    @property
    def _jobs(self) -> TrialFiles:
        return TrialFiles(WholeFiles(self.path / "jobs"))

    def write_record(self, record: Mapping[str, Any]) -> None:
        """Write `study.json`."""
        self.files.write_json(RECORD, {"format": FORMAT, **finite(record)})

    def write_outcome(self, job: Job, outcome: Outcome) -> None:
        """Write what came of a job."""
        about = {"host": outcome.host, "seconds": outcome.seconds, "attempts": outcome.attempts}
        self._jobs.write(job.name, outcome.trial, {**about, "job": finite(job.to_json())})

    def read_outcome(self, job: Job) -> Outcome | None:
        """What came of a job, or `None` if it is not over.

        Raises:
            RunFolderError: its files are damaged.
        """
        trial = self._jobs.read(job.name, job.method, job.seed)
        if trial is None:
            return None
        about = self._jobs.files.read_json(f"{job.name}.json")
        try:
            return Outcome(trial, str(about["host"]), float(about["seconds"]), int(about["attempts"]))
        except (KeyError, TypeError, ValueError) as error:
            raise self._jobs.files.damaged(f"{job.name}.json", "expected host, seconds and attempts") from error

    def finished_outcomes(self, jobs: Sequence[Job]) -> dict[str, Outcome]:
        """What came of the jobs that need not be run again, by name; one that is damaged is left out with a warning."""
        outcomes = {job.name: self._undamaged(job) for job in jobs}
        return {
            name: outcome for name, outcome in outcomes.items() if outcome is not None and outcome.trial.failed is None
        }

    def others(self, jobs: Sequence[Job]) -> list[str]:
        """Names of jobs that lie here, and are none of these."""
        return sorted({path.stem for path in self._jobs.files.path.glob("*.json")} - {job.name for job in jobs})

    def _undamaged(self, job: Job) -> Outcome | None:
        try:
            return self.read_outcome(job)
        except RunFolderError as error:
            logger.warning("%s; the job is run again", error)
            return None

    def write_table(self, rows: Sequence[Mapping[str, Any]]) -> bool:
        """Write `results.csv`, and `results.parquet` if pyarrow is installed; gives whether it is."""
        self.files.write_text("results.csv", as_csv(rows))
        if find_spec("pyarrow") is None:
            return False
        self.files.write_bytes("results.parquet", _as_parquet(rows))
        return True


def _as_parquet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    import pyarrow  # pyright: ignore[reportMissingImports]
    import pyarrow.parquet  # pyright: ignore[reportMissingImports]

    columns = dict.fromkeys(name for row in rows for name in row)
    table = {name: _column(name, [row.get(name) for row in rows]) for name in columns}
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(table), file)
    return file.getvalue()


def _column(name: str, values: Sequence[Any]) -> Any:
    """Values of one type: a figure that is whole in one row only is a float in all, what differs more is a text.

    Of a column without any value the name tells the type.
    """
    import pyarrow  # pyright: ignore[reportMissingImports]

    kinds = {type(value) for value in values if value is not None}
    if not kinds:
        return pyarrow.array(values, pyarrow.string() if name in TEXTS else pyarrow.float64())
    if len(kinds) == 1:
        return pyarrow.array(values)
    common = float if kinds == {int, float} else str
    return pyarrow.array([None if value is None else common(value) for value in values])
