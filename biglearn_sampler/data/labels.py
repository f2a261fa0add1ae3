"""True labels to compare with: a column of the table, or a file."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from biglearn_sampler.data.csv_files import SEPARATORS, csv_rows, number_in
from biglearn_sampler.data.files import ENDINGS, UNREADABLE, read_table, unreadable
from biglearn_sampler.errors import DataError

COLUMNS = ("first", "last")
"""Of a table, that can hold its labels."""


def read_labels(spec: str, table: np.ndarray) -> tuple[np.ndarray, Shaped[np.ndarray, " count"]]:
    """The table without its labels, and the labels.

    Arguments:
        spec: `first` or `last`, a column of the table; or a file that holds one label for each row: `.csv` or `.txt`
            with a label in each line, below a heading if there is one line more than rows that no label repeats; or a
            table of one column.
        table: with as many rows as labels.

    Raises:
        DataError: the file cannot be read, has several columns, or has another number of labels; a label is missing,
            or they are no classes.
    """
    if spec in COLUMNS:
        place = 0 if spec == "first" else table.shape[1] - 1
        return np.delete(table, place, 1), _checked(table[:, place], f"the {spec} column", "is it the other one?")
    path = Path(spec)
    if not path.exists():
        raise DataError(
            f"labels: there is no file '{spec}'; expected first or last, for that column of the table, or a file: .csv "
            f"or .txt with a label in each line, or {', '.join(ENDINGS[1:])} with one column"
        )
    labels = _lines(path, len(table)) if path.suffix.lower() in (".csv", ".txt") else _column(path)
    if len(labels) != len(table):
        raise DataError(f"{path}: expected one label for each of {len(table)} points, got {len(labels)}")
    return table, _checked(labels, str(path), "expected the class of each point")


def _checked(labels: np.ndarray, where: str, hint: str) -> np.ndarray:
    absent = np.isnan(labels) if labels.dtype.kind == "f" else np.zeros(len(labels), bool)
    if absent.any():
        raise DataError(f"{where} was to be labels, and row {int(absent.argmax())} has none")
    different = len(np.unique(labels))
    if len(labels) > 1 and different == len(labels):
        raise DataError(f"{where} was to be labels, and all {len(labels)} are different; {hint}")
    if labels.dtype.kind == "f" and (labels % 1.0).any() and 2 * different > len(labels):
        raise DataError(
            f"{where} was to be labels, and has {different} different ones for {len(labels)} points; {hint}"
        )
    return labels


def _column(path: Path) -> np.ndarray:
    try:
        table = read_table(path)
    except DataError as error:
        raise DataError(
            f"labels, which need one array of numbers, or a line for each in a .txt file: {error}"
        ) from error
    if min(table.shape) > 1:
        raise DataError(f"{path}: expected one column of labels, got a table of shape {table.shape}")
    return table.reshape(-1)


def _lines(path: Path, count: int) -> np.ndarray:
    """Labels of any sort, one in a line."""
    try:
        rows = csv_rows(path)
    except UNREADABLE as error:
        raise unreadable(path, error) from error
    cells = [_only_cell(path, number, row) for number, row in enumerate(rows, 1)]
    labels = list(cells)
    while labels and not labels[-1]:
        labels.pop()
    start = 1 if len(labels) == count + 1 and labels[0] not in labels[1:] else 0
    for number, label in enumerate(labels[start:], start + 1):
        if math.isnan(number_in(label) or 0.0):
            raise DataError(f"{path}: line {number}, '{label}', is no label; every point needs one")
    # Of a heading and a last label that is missing there are as many lines as points.
    if len(cells) > len(labels) == count and labels[0] not in labels[1:]:
        raise DataError(f"{path}: line {count + 1} is empty; every point needs a label, and no line follows the last")
    return np.array(labels[start:])


def _only_cell(path: Path, number: int, row: list[str]) -> str:
    if len(row) > 1 or any(separator in cell for cell in row for separator in SEPARATORS):
        raise DataError(f"{path}: line {number} has several columns; expected one label in each line")
    return row[0].strip() if row else ""
