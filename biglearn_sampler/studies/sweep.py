"""The jobs of a study, run and kept: isolated from one another, tried again, and never run twice."""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from biglearn_sampler.catalogue import Catalogue
from biglearn_sampler.catalogue.problems import told
from biglearn_sampler.comparison import Trial
from biglearn_sampler.errors import RunFailed, UserError
from biglearn_sampler.runs.folder_lock import only_here
from biglearn_sampler.runs.record import surroundings_record
from biglearn_sampler.studies.folder import StudyFolder
from biglearn_sampler.studies.job import Cell, Job
from biglearn_sampler.studies.plan import plan_study
from biglearn_sampler.studies.pools import Pool, dask_pool, local_pool
from biglearn_sampler.studies.processes import Outcome
from biglearn_sampler.studies.results import StudyResults
from biglearn_sampler.studies.study import Study, load_study, parse_study
from biglearn_sampler.studies.surroundings import Surroundings, versions

logger = logging.getLogger(__name__)

MOST_ATTEMPTS = 1000
"""Of a job: a number of retries beyond it is a slip of the hand."""


@runtime_checkable
class StudyWatcher(Protocol):
    """Is told how a study goes; whatever it does, the study stays the same."""

    def jobs_known(self, total: int, finished: int) -> None:
        """There are so many jobs, and so many of them were finished before."""

    def job_finished(self, job: Job, outcome: Outcome) -> None:
        """A job is over, and on disk if there is a folder."""


def sweep(
    study: str | Path | Mapping[str, Any],
    *,
    out: str | Path | None = None,
    numbered: bool = False,
    resume: bool = False,
    processes: int | None = None,
    scheduler: str | None = None,
    retries: int = 0,
    catalogue: Catalogue | None = None,
    watcher: StudyWatcher | None = None,
) -> StudyResults:
    """Run a study: every target with every method, all settings and all seeds, each job apart from the others.

    A job gives the same figures as `train`, or as `compare` at the same budget, with the same seed. One that raises,
    crashes or is killed is a row with its reason, and costs nothing but itself.

    Arguments:
        study: a TOML file, or a mapping with the same keys: `targets`, `methods`, `settings`, `seeds`, `budget`.
        out: a folder to write into, job by job; nothing is written without one.
        numbered: whether `out` is only the beginning of a name, as in `out-001`, the next one that is free.
        resume: whether `out` holds an interrupted study to go on with, or one of which the study file has grown.
            Finished jobs are not run again; those that failed, or of which the files are damaged, are.
        processes: at the same time, on this machine; by default one for every two cores.
        scheduler: the address of a Dask scheduler, whose workers run the jobs instead, and say how many at a time.
        retries: how many times a job that failed is tried again.
        catalogue: of plugins; a fresh one by default. The processes load the same plugins.
        watcher: is told how it goes.

    Raises:
        UserError: something that was asked for cannot be had; told before anything is run.
        RunFailed: the results cannot be written, or the scheduler has gone.

    Example:
        >>> import biglearn_sampler as bl
        >>> results = bl.sweep({"targets": ["two_modes"], "methods": ["nuts"], "budget": 20_000})
        >>> [row["method"] for row in results.rows]
        ['nuts']
    """
    if processes is not None and scheduler is not None:
        raise UserError(
            "processes and scheduler exclude each other: of a Dask cluster its workers say how many jobs run at once "
            "(dask worker --nthreads)"
        )
    catalogue = catalogue or Catalogue()
    cells = planned(study, catalogue)
    count = _checked("processes", processes, 1) if processes is not None else max((os.cpu_count() or 2) // 2, 1)
    attempts = _checked("retries", retries, 0) + 1
    surroundings = _surroundings(catalogue)
    jobs = list({cell.job.name: cell.job for cell in cells}.values())
    # Before the folder is made: a study that nobody can run leaves none behind.
    with _pool(surroundings, count, scheduler) as pool:
        folder, known = _opened(out, numbered, resume, jobs)
        record = {"study": _as_written(study), "jobs": len(jobs), **surroundings_record(), "versions": dict(versions())}
        todo = [job for job in jobs if job.name not in known]
        if watcher is not None:
            watcher.jobs_known(len(jobs), len(known))
        # Two processes would run every job twice, and write the same files.
        with nullcontext() if folder is None else only_here(folder.path):
            status = "interrupted"
            try:
                if folder is not None:
                    folder.write_record({**record, "status": "running"})
                for job, outcome in _outcomes(pool, todo, attempts):
                    known[job.name] = outcome
                    if folder is not None:
                        folder.write_outcome(job, outcome)
                    if watcher is not None:
                        watcher.job_finished(job, outcome)
                status = "finished"
            finally:
                results = StudyResults(cells, known, None if folder is None else folder.path)
                if folder is not None:
                    _close(folder, results, {**record, "status": status}, status)
    return results


def planned(study: str | Path | Mapping[str, Any], catalogue: Catalogue) -> list[Cell]:
    """Every combination of a study, each with its job; nothing is run.

    Raises:
        SettingsError: everything that is wrong with the study.
    """
    parsed, problems = parse_study(load_study(study))
    return plan_study(parsed, catalogue, problems)


def _outcomes(pool: Pool, jobs: Sequence[Job], attempts: int) -> Iterator[tuple[Job, Outcome]]:
    """Jobs with their outcomes, as they come; one that failed is submitted again while it has attempts left."""
    pending: dict[Future[Outcome], tuple[Job, int]] = {pool.submit(job): (job, 1) for job in jobs}
    while pending:
        wait(pending, return_when=FIRST_COMPLETED)
        job, attempt, outcome = _next_done(pending)
        if outcome.trial.failed is not None and attempt < attempts:
            logger.warning("%s failed, and is tried again: %s", job.name, outcome.trial.failed)
            pending[pool.submit(job)] = (job, attempt + 1)
        else:
            yield job, outcome


def _next_done(pending: dict[Future[Outcome], tuple[Job, int]]) -> tuple[Job, int, Outcome]:
    """A job that is over, its attempt and its outcome; nothing holds its future any longer.

    Dask runs a job once more whose future is still held when the worker that has its outcome dies.

    Raises:
        CancelledError: the pool is lost; every other job that is over was given before.
    """
    # In the order in which they were submitted.
    future = min((each for each in pending if each.done()), key=lambda each: each.cancelled())
    job, attempt = pending.pop(future)
    return job, attempt, replace(_outcome(job, future), attempts=attempt)


def _outcome(job: Job, future: Future[Outcome]) -> Outcome:
    """What came of a job. An exception is one of the pool: a job that raises has an outcome."""
    try:
        return future.result()
    except CancelledError:
        raise  # nobody is left to try it again
    except Exception as error:
        return Outcome(Trial(job.method, job.seed, {}, failed=f"nobody could run it: {told(error)}"), "", 0.0)


def _pool(surroundings: Surroundings, count: int, scheduler: str | None) -> AbstractContextManager[Pool]:
    return local_pool(surroundings, count) if scheduler is None else dask_pool(surroundings, scheduler)


def _surroundings(catalogue: Catalogue) -> Surroundings:
    if catalogue.recipe.in_memory:
        raise UserError(
            f"a study runs in processes of its own, which cannot see the plugin '{catalogue.recipe.in_memory[0]}' in "
            "the memory of this one; put it into a file, Catalogue(files=[...])"
        )
    return Surroundings.here(catalogue.recipe)


def _opened(
    out: str | Path | None, numbered: bool, resume: bool, jobs: Sequence[Job]
) -> tuple[StudyFolder | None, dict[str, Outcome]]:
    """The folder, and what is finished already."""
    if not resume:
        return (None if out is None else StudyFolder.create(Path(out), numbered=numbered)), {}
    if out is None:
        raise UserError("to resume a study, say which: give its folder as --out")
    folder = StudyFolder.resumed(Path(out))
    others = folder.others(jobs)
    if others:
        logger.warning(
            "%d jobs that lie in %s are not of this study as it is now, nor rows of its table: it has become smaller "
            "or another one, or a plugin that they were built by has changed. Their files stay in jobs/",
            len(others),
            folder.path,
        )
    return folder, folder.finished_outcomes(jobs)


def _close(folder: StudyFolder, results: StudyResults, record: Mapping[str, Any], status: str) -> None:
    """Write the table, also of a study that was cut short unless it has no row yet, and how it ended."""
    # What cut it short is worth more than what could not be written after it.
    with suppress(RunFailed) if status == "interrupted" else nullcontext():
        if results.rows and not folder.write_table(results.rows):
            logger.warning("the table is a CSV file only; `pip install pyarrow` brings results.parquet too")
        folder.write_record({**record, "finished": datetime.now(UTC).isoformat(timespec="seconds")})
    if status == "interrupted":
        logger.warning(
            "Jobs that are in %s: %d; the same command with --out %s --resume goes on",
            folder.path,
            len(results.outcomes),
            shlex.quote(str(folder.path)),
        )


def _as_written(study: str | Path | Mapping[str, Any]) -> dict[str, Any]:
    parsed: Study = parse_study(load_study(study))[0]
    return {"source": None if isinstance(study, Mapping) else str(study), **vars(parsed)}


def _checked(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= MOST_ATTEMPTS:
        raise UserError(f"{name} must be a whole number from {least} to {MOST_ATTEMPTS}, got {value!r}")
    return value
