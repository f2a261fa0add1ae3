"""Tables on standard output: drawn by rich on a terminal, plain aligned text for pipes and files."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import typer


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under headings.

    On a terminal long cells are folded. Otherwise every row is one line of any width, so that no name is cut.
    """
    lines = [[cell.replace("\n", " ") for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_drawn(columns, lines)
    else:
        typer.echo(plain_table(columns, lines))


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def plain_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows under headings as aligned text, without spaces at the ends of lines."""
    table = [columns, *rows]
    widths = [max(len(row[index]) for row in table) for index in range(len(columns))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table
    )


def _print_drawn(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        # As `Text`, because types such as `tuple[int, ...]` would be read as markup.
        table.add_row(*map(Text, row))
    Console().print(table)
