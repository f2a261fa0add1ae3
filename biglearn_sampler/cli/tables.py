"""Tables on standard output: drawn by rich on a terminal, plain aligned text for pipes and files."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import typer

BETWEEN = 3
"""Width of what rich draws between two columns."""

EDGES = 2
"""Width of what it draws at both ends of a row."""

SHORTEST_LABELS = 16
"""Letters that the shortened labels of a row keep at least."""


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, labels: int | None = None, together: int = 1
) -> None:
    """Print rows under headings.

    On a terminal long cells are folded; those of figures are not, and what finds no room comes in a table below.
    Otherwise every row is one line of any width, so that no name is cut.

    Arguments:
        columns: the headings.
        rows: cells as texts.
        labels: how many columns are labels, which may be shortened, before those of figures; `None` for texts only.
        together: how many columns of figures belong together.
    """
    lines = [[cell.replace("\n", " ") for cell in row] for row in rows]
    if not sys.stdout.isatty():
        typer.echo(plain_table(columns, lines))
    elif labels is None:
        _print_drawn(columns, lines)
    else:
        _print_in_parts(columns, lines, labels, together)


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


def _print_in_parts(columns: Sequence[str], rows: Sequence[Sequence[str]], labels: int, together: int) -> None:
    """Print tables, one below the other, in which no figure is broken."""
    from rich.console import Console

    cells = [max((len(row[index]) for row in rows), default=0) for index in range(len(columns))]
    whole = [max(cell, len(heading)) for cell, heading in zip(cells, columns, strict=True)]
    room = Console().width
    if _width_of(whole) <= room:
        _print_fixed(columns, rows, whole)
        return
    # Headings are folded between words.
    words = [max(map(len, heading.split()), default=0) for heading in columns]
    narrow = [max(cell, word) for cell, word in zip(cells, words, strict=True)]
    longest = max(SHORTEST_LABELS, room // 2) // labels
    narrow[:labels] = [min(width, longest) for width in narrow[:labels]]
    for part in _parts(narrow, labels, together, room):
        shown = [*range(labels), *part]
        _print_fixed(
            [columns[index] for index in shown],
            [[row[index] for index in shown] for row in rows],
            [narrow[index] for index in shown],
        )


def _parts(widths: Sequence[int], labels: int, together: int, room: int) -> list[list[int]]:
    """Columns of figures for each table: what belongs together is parted only where it finds no room by itself."""

    def fits(part: Sequence[int]) -> bool:
        return _width_of([*widths[:labels], *(widths[index] for index in part)]) <= room

    parts: list[list[int]] = [[]]
    for first in range(labels, len(widths), together):
        block = list(range(first, min(first + together, len(widths))))
        for piece in [block] if fits(block) else [[index] for index in block]:
            if parts[-1] and not fits([*parts[-1], *piece]):
                parts.append([])
            parts[-1].extend(piece)
    return parts


def _width_of(widths: Sequence[int]) -> int:
    return sum(widths) + BETWEEN * (len(widths) - 1) + EDGES


def _print_fixed(columns: Sequence[str], rows: Iterable[Sequence[str]], widths: Sequence[int]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column, width in zip(columns, widths, strict=True):
        table.add_column(column, width=width)
    for row in rows:
        cut = [Text(cell, no_wrap=True, overflow="ellipsis") for cell in row]
        table.add_row(*cut)
    # Wider than the terminal only where a label and one figure find no room.
    Console(width=max(Console().width, _width_of(widths))).print(table)
