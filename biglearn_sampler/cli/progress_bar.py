"""A progress bar for terminals; silence for pipes and files."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from biglearn_sampler.comparison import Trial
from biglearn_sampler.runs.compare import ComparisonWatcher
from biglearn_sampler.runs.watcher import Nobody, Watcher


@contextmanager
def progress(quiet: bool) -> Iterator[Watcher]:
    """A watcher for the duration of a run."""
    if quiet or not sys.stderr.isatty():
        yield Nobody()
        return
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
        losses = " ".join(f"{name} {loss:.3f}" for name, loss in row["loss"].items() if loss is not None)
        spent = sum(value for name, value in row.items() if name.endswith("_evaluations"))
        modes = "" if row["modes_covered"] is None else f" | {row['modes_covered']} modes"
        self._bar.update(
            self._task,
            description=row.get("phase", "training"),
            completed=row["step"],
            told=f"loss {losses} | {spent:,} evaluations{modes}",
        )

    def phase_began(self, text: str) -> None:
        """Say what comes after the training."""
        self._bar.update(self._task, description=text)


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
        covered, total = trial.figure("modes_covered"), trial.figure("modes_total")
        modes = "" if covered is None or total is None else f", {covered:.0f} of {total:.0f} modes"
        told = (
            f"{trial.method}: failed" if trial.failed else f"{trial.method}: {trial.evaluations:,} evaluations{modes}"
        )
        self._bar.update(self._task, advance=1, told=told)
