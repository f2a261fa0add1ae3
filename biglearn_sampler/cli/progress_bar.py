"""A progress bar for terminals; silence for pipes and files."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from biglearn_sampler.runs.watcher import Nobody, Watcher


@contextmanager
def progress(quiet: bool) -> Iterator[Watcher]:
    """A watcher for the duration of a run."""
    if quiet or not sys.stderr.isatty():
        yield Nobody()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[told]}"), console=Console(stderr=True)) as bar:
        yield _Bar(bar)


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
