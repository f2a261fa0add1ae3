"""Tables of numbers in CSV files, and what their first line is."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

MISSING = ("", "NA", "?")
"""What stands in a cell without a value, beside NaN."""

UNNAMED = "Unnamed: 0"
"""What pandas calls a column of row numbers that it has read."""

SEPARATORS = {";": "semicolons", "\t": "tabs"}
"""What separates columns elsewhere, and what these marks are called."""

NO_INDEX = "leave row numbers out, as pandas does with to_csv(index=False) and R with row.names = FALSE"


def csv_table(path: Path, classes: str | None = None) -> Float[np.ndarray, "count columns"]:
    """The numbers of a CSV file; cells without a value are NaN.

    Arguments:
        path: the file.
        classes: the column in which words are classes, `first` or `last`; they are numbered in their alphabetic order.

    The first line is one of names if it has names and no number. One that has both is refused. So is `0,1,2,...` in
    all of several columns, or `1,2,3,...`, above other than whole numbers: it may be the names that pandas and others
    give to columns without any, or a point. And so are different whole numbers, as years or wavelengths, above several
    columns of which each is mostly written with points.

    Raises:
        OSError: the file cannot be read.
        ValueError, csv.Error: it is no table of numbers, with what is wrong.
    """
    rows = [row for row in csv_rows(path) if row]
    if not rows:
        raise ValueError("it is empty")
    _check_separator(rows)
    if classes is not None:
        rows = _numbered_classes(rows, 0 if classes == "first" else -1)
    named = _is_heading(rows[0], rows[1:])
    lines = [[_cell(cell, number, place) for place, cell in enumerate(row)] for number, row in enumerate(rows[named:])]
    if not lines:
        raise ValueError("it has a line of names, and no rows")
    other = next((number for number, line in enumerate(lines) if len(line) != len(lines[0])), None)
    if other is not None:
        raise ValueError(
            f"its rows have different lengths: row 0 has {len(lines[0])} cells, and row {other} has "
            f"{len(lines[other])} (counted from 0)"
        )
    if named and len(rows[0]) != len(lines[0]):
        told = f"its first line has {len(rows[0])} names, and its rows have {len(lines[0])} cells"
        raise ValueError(f"{told}; give every column a name, and {NO_INDEX}")
    return np.array(lines, float)


def csv_rows(path: Path) -> list[list[str]]:
    """The cells of every line; none where a line is empty."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.reader(file))


def number_in(text: str) -> float | None:
    """The number that a cell says; NaN if it says that there is none, `None` if it says something else."""
    stripped = text.strip()
    if stripped.upper() in MISSING:
        return math.nan
    try:
        return None if "_" in stripped else float(stripped)
    except ValueError:
        return None


def _check_separator(rows: Sequence[Sequence[str]]) -> None:
    """See that the first lines, of names and of numbers, are not separated by something else.

    Raises:
        ValueError: they are, with what by.
    """
    for cell in (cell for row in rows[:2] for cell in row):
        found = next((name for mark, name in SEPARATORS.items() if mark in cell), None)
        if found is None and len(cell.split()) > 1 and None not in map(number_in, cell.split()):
            found = "spaces"
        if found is not None:
            raise ValueError(f"its columns are separated by {found}; expected commas, and points in the numbers")


def _numbered_classes(rows: list[list[str]], column: int) -> list[list[str]]:
    """The same rows, with numbers for the classes in one column where some are words.

    Raises:
        ValueError: the first line may have names of columns that are numbers.
    """
    columns = len(rows[0])
    named = any(number_in(cell) is None for place, cell in enumerate(rows[0]) if place != column % columns)
    classes = [row[column].strip() for row in rows[named:]]
    if None not in map(number_in, classes):
        return rows
    if not named and number_in(classes[0]) is None and classes[0] not in classes[1:]:
        raise ValueError(
            f"its first line, '{','.join(rows[0])}', has a class that no other line has, '{classes[0]}', and may be a "
            "heading or a point; write a line of names that are no numbers in its place, or above it if it is a point"
        )
    absent = {cell for cell in classes if math.isnan(number_in(cell) or 0.0)}
    numbers = {name: str(number) for number, name in enumerate(sorted(set(classes) - absent))}
    numbered = [list(row) for row in rows]
    for row, name in zip(numbered[named:], classes, strict=True):
        row[column] = numbers.get(name, name)
    return numbered


def _is_heading(row: Sequence[str], others: Sequence[Sequence[str]]) -> bool:
    """Whether the first line has the names of the columns; the others may tell.

    Raises:
        ValueError: nobody can tell, or the first column has no name, as row numbers have none.
    """
    cells = [cell.strip() for cell in row]
    said = {cell: number_in(cell) for cell in cells}
    names = [cell for cell in cells if said[cell] is None]
    numbers = [cell for cell in cells if cell not in names and not math.isnan(said[cell] or 0.0)]
    if cells[0] == UNNAMED or (names and not numbers and not cells[0]):
        raise ValueError(f"its first column has no name, as row numbers have none; {NO_INDEX}")
    if names and numbers:
        raise ValueError(
            f"its first line has the number '{numbers[0]}' beside '{names[0]}'; give every column a name that is no "
            "number, or correct the cell, which is left empty where a value is missing"
        )
    numbered = len(cells) > 1 and _are_column_numbers(cells) and not all(map(_is_whole, others))
    if numbered or _are_numbers_above_decimals(cells, others) or (_are_column_numbers(cells[1:]) and not cells[0]):
        raise ValueError(
            f"its first line, '{','.join(cells)}', may be the numbers of the columns or a point; write a line of names "
            f"in its place, or above it if it is a point, and {NO_INDEX}"
        )
    return bool(names)


def _is_whole(row: Sequence[str]) -> bool:
    """Whether a line has whole numbers only, where it has any."""
    values = [number_in(cell) or 0.0 for cell in row]
    return all(value.is_integer() or math.isnan(value) for value in values)


def _are_column_numbers(cells: Sequence[str]) -> bool:
    return len(cells) > 0 and list(cells) in ([str(first + place) for place in range(len(cells))] for first in (0, 1))


def _are_numbers_above_decimals(cells: Sequence[str], others: Sequence[Sequence[str]]) -> bool:
    """Whether several different whole numbers stand above columns in which most numbers are written with points."""
    if len(cells) < 2 or len(set(cells)) < len(cells) or not all(cell.lstrip("+-").isdecimal() for cell in cells):
        return False
    columns = [[row[place].strip() for row in others if len(row) > place] for place in range(len(cells))]
    return all(map(_is_mostly_decimal, columns))


def _is_mostly_decimal(column: Sequence[str]) -> bool:
    """Whether more than half of the numbers in a column are written with a point, as programs write all or none."""
    numbers = [cell for cell in column if not math.isnan(number_in(cell) or 0.0)]
    return 2 * sum("." in cell for cell in numbers) > len(numbers)


def _cell(text: str, row: int, column: int) -> float:
    value = number_in(text)
    if value is None:
        raise ValueError(f"row {row}, column {column} (counted from 0): expected a number, got '{text}'")
    return value
