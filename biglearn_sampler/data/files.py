"""Tables of numbers from CSV, NPY, NPZ and MAT files."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from biglearn_sampler.errors import DataError

ENDINGS = (".csv", ".npy", ".npz", ".mat")

NOT_NUMPY = "it is no whole file of numpy's format that holds numbers only"

UNREADABLE = (OSError, ValueError, UnicodeError, zipfile.BadZipFile, NotImplementedError, EOFError)
"""What readers raise on files that are not what their names say."""


def read_table(path: Path, name: str | None = None) -> np.ndarray:
    """The table of a file, of shape `(count, columns)`.

    Arguments:
        path: `.csv`, with or without a line of names, empty cells being NaN; `.npy`, which is mapped; `.npz`; or `.mat`
            of MATLAB before version 7.3.
        name: which array of an `.npz` or `.mat` file; needed only where there are several tables.

    Raises:
        DataError: the file cannot be read, or has no such table.
    """
    if path.suffix.lower() not in ENDINGS:
        raise DataError(f"{path}: expected a file that ends in {', '.join(ENDINGS)}")
    if name is not None and path.suffix.lower() in (".csv", ".npy"):
        raise DataError(f"{path} has one table, without a name; leave '{name}' out")
    return _chosen(path, _tables(path), name)


def read_labels(spec: str, table: np.ndarray) -> tuple[np.ndarray, Shaped[np.ndarray, " count"]]:
    """The table without its labels, and the labels.

    Arguments:
        spec: `first` or `last`, a column of the table; or a file that holds one label for each row.
        table: with as many rows as labels.

    Raises:
        DataError: the file cannot be read, or has another number of labels; a label of the column is missing, or each
            is another one.
    """
    if spec in ("first", "last"):
        place = 0 if spec == "first" else table.shape[1] - 1
        return np.delete(table, place, 1), _checked_column(table[:, place], spec)
    path = Path(spec)
    labels = _lines(path) if path.suffix.lower() in (".csv", ".txt") else read_table(path).reshape(-1)
    if len(labels) != len(table):
        raise DataError(f"{path}: expected one label for each of {len(table)} points, got {len(labels)}")
    return table, labels


def _checked_column(labels: np.ndarray, spec: str) -> np.ndarray:
    if np.isnan(labels).any():
        raise DataError(f"the {spec} column was to be labels, and row {int(np.isnan(labels).argmax())} has none")
    if len(labels) > 1 and len(np.unique(labels)) == len(labels):
        raise DataError(
            f"the {spec} column was to be labels, and all {len(labels)} are different; is it the other one?"
        )
    return labels


def _tables(path: Path) -> Mapping[str, np.ndarray]:
    readers: dict[str, Callable[[Path], Mapping[str, np.ndarray]]] = {
        ".csv": _csv,
        ".npy": lambda file: {"": mapped(file)},
        ".npz": _npz,
        ".mat": _mat,
    }
    try:
        return readers[path.suffix.lower()](path)
    except UNREADABLE as error:
        raise DataError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _chosen(path: Path, tables: Mapping[str, np.ndarray], name: str | None) -> np.ndarray:
    numbers = {key: table for key, table in tables.items() if table.ndim in (1, 2) and table.dtype.kind in "fiub"}
    if name is None and len(numbers) == 1:
        return _table(next(iter(numbers.values())))
    if name in numbers:
        return _table(numbers[name])
    there_are = ", ".join(sorted(numbers)) or "none"
    what = "no table" if name is None and not numbers else f"no table '{name}'" if name else "several tables"
    raise DataError(f"{path} has {what}; say which one with --array. Tables of numbers in it: {there_are}")


def _table(array: np.ndarray) -> np.ndarray:
    return array[:, None] if array.ndim == 1 else array


def _csv(path: Path) -> Mapping[str, np.ndarray]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.reader(file) if row]
    if not rows:
        raise ValueError("it is empty")
    start = 1 if any(_number(cell) is None for cell in rows[0]) else 0
    lines = [[_cell(cell, number, place) for place, cell in enumerate(row)] for number, row in enumerate(rows[start:])]
    if len({len(line) for line in lines}) != 1:
        raise ValueError("its rows have different lengths, or there are none")
    return {"": np.array(lines, float)}


def _cell(text: str, row: int, column: int) -> float:
    value = _number(text)
    if value is None:
        raise ValueError(f"row {row}, column {column}: expected a number, got '{text}'")
    return value


def _number(text: str) -> float | None:
    """The number that a cell says; NaN if it is empty, `None` if it is something else."""
    stripped = text.strip()
    if not stripped or stripped.upper() in ("NA", "?"):
        return float("nan")
    try:
        return float(stripped)
    except ValueError:
        return None


def _lines(path: Path) -> np.ndarray:
    """Labels of any sort, one in a line."""
    try:
        return np.array([line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()])
    except UNREADABLE as error:
        raise DataError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def mapped(path: Path) -> np.ndarray:
    """The array of a file `.npy`, mapped and not read.

    Raises:
        OSError: there is no such file.
        ValueError: it is something else; what numpy says of it would advise to load it unsafely.
    """
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(NOT_NUMPY) from error


def _npz(path: Path) -> Mapping[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, EOFError) as error:
        raise ValueError(NOT_NUMPY) from error


def _mat(path: Path) -> Mapping[str, np.ndarray]:
    from scipy.io import loadmat

    content = loadmat(path)
    return {name: value for name, value in content.items() if isinstance(value, np.ndarray)}
