"""How reproductions tell what they are doing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Tell = Callable[[str], None]
"""Is told what is done now, in a few words."""


def silence(_: str) -> None:
    """Tells nobody."""


@contextmanager
def progress() -> Iterator[Tell]:
    """One line on a terminal that says what is done now; silence for pipes and files."""
    if not sys.stderr.isatty():
        yield silence
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=None)
        yield lambda text: bar.update(task, description=text)
