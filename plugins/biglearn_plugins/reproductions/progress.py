"""How reproductions tell what they are doing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

Tell = Callable[[str], None]
"""Is told what is done now, in a few words."""


def silence(_: str) -> None:
    """Tells nobody."""


class ProgressLines:
    """Announces what begins; on a terminal also says, in lines of their own, what is made of it, until that ends.

    Arguments:
        total: how many will begin.
    """

    def __init__(self, total: int) -> None:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self._bars = Progress(
            *columns, console=Console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._lines: dict[str, TaskID] = {}
        self._begun, self._total = 0, total
        self._on_terminal = sys.stderr.isatty()

    def announce(self, title: str) -> None:
        """Say that the next one begins."""
        self._begun += 1
        with self.hidden():
            typer.echo(f"[{self._begun}/{self._total}] {title}", err=True)

    def begin(self, name: str) -> None:
        """A line for what begins."""
        self._lines[name] = self._bars.add_task(f"{name}: starting", total=None)

    def tell(self, name: str, text: str) -> None:
        """Say what something is at."""
        self._bars.update(self._lines[name], description=f"{name}: {text}")

    def end(self, name: str) -> None:
        """Its line goes."""
        self._bars.remove_task(self._lines.pop(name))

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Without the lines, so that something can be printed."""
        self.close()
        yield
        if self._on_terminal:
            self._bars.start()

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._on_terminal:
            self._bars.stop()
