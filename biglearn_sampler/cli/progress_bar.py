"""A progress bar for terminals; lines for pipes and files."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import Any

import typer

from biglearn_sampler.comparison import Trial
from biglearn_sampler.runs.compare import ComparisonWatcher
from biglearn_sampler.runs.watcher import Nobody, Watcher
from biglearn_sampler.studies.job import Job
from biglearn_sampler.studies.processes import Outcome
from biglearn_sampler.studies.sweep import StudyWatcher

TRAINING = "training"
"""The phase of a training that tells none."""

PAUSE = 10.0
"""Seconds between two lines of one phase."""


@contextmanager
def progress(quiet: bool) -> Iterator[Watcher]:
    """A watcher for the duration of a run; without a terminal, as in a log, a line for each phase."""
    if quiet:
        yield Nobody()
    elif not sys.stderr.isatty():
        yield _RunLines()
    else:
        with _drawn() as bar:
            yield _Bar(bar)


@contextmanager
def comparison_progress(quiet: bool) -> Iterator[ComparisonWatcher | None]:
    """A watcher for the duration of a comparison."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    with _drawn() as bar:
        yield _TrialBar(bar)


@contextmanager
def study_progress(quiet: bool) -> Iterator[StudyWatcher | None]:
    """A watcher for the duration of a study; without a terminal, as in a log of a batch system, a line for each job."""
    if quiet:
        yield None
    elif not sys.stderr.isatty():
        yield _JobLines()
    else:
        with _drawn() as bar:
            yield _JobBar(bar)


@contextmanager
def _drawn() -> Iterator[Any]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[told]}"), console=Console(stderr=True)) as bar:
        yield bar


class _Bar:
    """Shows loss, evaluations, and modes where they are known."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._task = bar.add_task("starting", total=None, told="")

    def training_began(self, steps: int | None) -> None:
        """Show the length of the training; compilation comes first."""
        self._bar.update(self._task, description="compiling", total=steps)

    def chunk_finished(self, row: Mapping[str, Any]) -> None:
        """Move the bar."""
        description = row.get("phase", TRAINING)
        self._bar.update(self._task, description=description, completed=row["step"], told=_chunk_told(row))

    def phase_began(self, text: str) -> None:
        """Say what comes after the training."""
        self._bar.update(self._task, description=text)


class _RunLines:
    """Writes a line for each phase with the seconds since the beginning, and one now and then while a phase lasts."""

    def __init__(self) -> None:
        self._began = self._told = monotonic()
        self._phase = ""

    def training_began(self, steps: int | None) -> None:
        """Say that compilation comes first."""
        self._tell("compiling")

    def chunk_finished(self, row: Mapping[str, Any]) -> None:
        """Say where the training is, if it is in another phase or nothing was said for a while."""
        phase = row.get("phase", TRAINING)
        if phase != self._phase or monotonic() - self._told >= PAUSE:
            self._tell(phase, f" | step {row['step']:,} | {_chunk_told(row)}")

    def phase_began(self, text: str) -> None:
        """Say what comes after the training."""
        self._tell(text)

    def _tell(self, phase: str, rest: str = "") -> None:
        self._phase, self._told = phase, monotonic()
        typer.echo(f"{self._told - self._began:.0f} s: {phase}{rest}", err=True)


class _TrialBar:
    """Shows which trial runs, and what the last one found."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._task = bar.add_task("starting", total=None, told="")

    def trial_began(self, method: str, seed: int, number: int, total: int) -> None:
        """Say which."""
        self._bar.update(self._task, description=f"{method}, seed {seed}", completed=number - 1, total=total)

    def trial_finished(self, trial: Trial) -> None:
        """Move the bar."""
        self._bar.update(self._task, advance=1, told=_told(trial))


class _JobBar:
    """Shows how many jobs are over, and what the last one found."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._task = bar.add_task("starting", total=None, told="")

    def jobs_known(self, total: int, finished: int) -> None:
        """Show how many there are."""
        self._bar.update(self._task, description="jobs", completed=finished, total=total)

    def job_finished(self, job: Job, outcome: Outcome) -> None:
        """Move the bar."""
        self._bar.update(self._task, advance=1, told=f"{job.title}, seed {job.seed}, {_told(outcome.trial)}")


class _JobLines:
    """Writes a line for each job."""

    def __init__(self) -> None:
        self._total = self._finished = 0

    def jobs_known(self, total: int, finished: int) -> None:
        """Say how many there are."""
        self._total, self._finished = total, finished
        typer.echo(f"{total} jobs, {finished} of them finished before", err=True)

    def job_finished(self, job: Job, outcome: Outcome) -> None:
        """Say which, and what it found."""
        self._finished += 1
        told = f"{job.title}, seed {job.seed}, {_told(outcome.trial)} ({outcome.seconds:.0f} s on {outcome.host})"
        typer.echo(f"{self._finished} of {self._total}: {told}", err=True)


def _chunk_told(row: Mapping[str, Any]) -> str:
    """Losses and modes where they are known, and evaluations."""
    losses = " ".join(f"{name} {loss:.3f}" for name, loss in row["loss"].items() if loss is not None)
    spent = sum(value for name, value in row.items() if name.endswith("_evaluations"))
    modes = "" if row["modes_covered"] is None else f" | {row['modes_covered']} modes"
    return f"{losses and f'loss {losses} | '}{spent:,} evaluations{modes}"


def _told(trial: Trial) -> str:
    """What a trial found, in few words."""
    if trial.failed:
        return f"{trial.method}: failed"
    covered, total = trial.figure("modes_covered"), trial.figure("modes_total")
    modes = "" if covered is None or total is None else f", {covered:.0f} of {total:.0f} modes"
    return f"{trial.method}: {trial.evaluations:,} evaluations{modes}"
