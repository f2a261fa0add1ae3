"""Tables of numbers from CSV, NPY, NPZ and MAT files."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from biglearn_sampler.catalogue.problems import told
from biglearn_sampler.data.csv_files import csv_table
from biglearn_sampler.errors import DataError

ENDINGS = (".csv", ".npy", ".npz", ".mat")

NOT_NUMPY = "it is no whole file of numpy's format that holds numbers only"

NOT_MATLAB = "it is no whole file of MATLAB's format before version 7.3"

UNREADABLE = (OSError, ValueError, csv.Error)
"""What the readers below raise on files that are not what their names say."""


def read_table(path: Path, name: str | None = None, classes: str | None = None) -> np.ndarray:
    """The table of a file, of shape `(count, columns)`.

    Arguments:
        path: `.csv`, with or without a line of names, as `csv_table` reads it; `.npy`, which is mapped; `.npz`; or
            `.mat` of MATLAB before version 7.3.
        name: which array of an `.npz` or `.mat` file; needed only where there are several tables.
        classes: the column of a `.csv` file in which words are classes, as of `csv_table`.

    Raises:
        DataError: the file cannot be read, or has no such table.
    """
    if path.suffix.lower() not in ENDINGS:
        raise DataError(f"{path}: expected a file that ends in {', '.join(ENDINGS)}")
    if name is not None and path.suffix.lower() in (".csv", ".npy"):
        raise DataError(f"{path} has one table, without a name; leave '{name}' out")
    return _chosen(path, _tables(path, classes), name)


def _tables(path: Path, classes: str | None) -> Mapping[str, np.ndarray]:
    readers: dict[str, Callable[[Path], Mapping[str, np.ndarray]]] = {
        ".csv": lambda file: {"": csv_table(file, classes)},
        ".npy": lambda file: {"": mapped(file)},
        ".npz": _npz,
        ".mat": _mat,
    }
    try:
        return readers[path.suffix.lower()](path)
    except UNREADABLE as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> DataError:
    """The error for a file, with what its reader says and without the path again."""
    return DataError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}")


def _chosen(path: Path, tables: Mapping[str, np.ndarray], name: str | None) -> np.ndarray:
    numbers = {key: table for key, table in tables.items() if table.ndim in (1, 2) and table.dtype.kind in "fiub"}
    if name is None and len(numbers) == 1:
        return _table(next(iter(numbers.values())))
    if name in numbers:
        return _table(numbers[name])
    if not numbers:
        held = "; ".join(f"{key} {_described(table)}".strip() for key, table in sorted(tables.items())) or "nothing"
        raise DataError(f"{path} has no table of real numbers with one point in each row; it holds {held}")
    what = f"no table '{name}'" if name else "several tables"
    raise DataError(
        f"{path} has {what}; say which one with --array. Tables of numbers in it: {', '.join(sorted(numbers))}"
    )


def _described(array: np.ndarray) -> str:
    return f"an array of shape {array.shape} and type {array.dtype}"


def _table(array: np.ndarray) -> np.ndarray:
    return array[:, None] if array.ndim == 1 else array


def mapped(path: Path) -> np.ndarray:
    """The array of a file `.npy`, mapped and not read.

    Raises:
        OSError: there is no such file.
        ValueError: it is something else; what numpy says of it would advise to load it unsafely.
    """
    with _damage_as(NOT_NUMPY):
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    if isinstance(array, np.ndarray):
        return array
    array.close()
    raise ValueError("it is an archive of arrays, to be read as .npz; load it by numpy.load, and give one array of it")


def _npz(path: Path) -> Mapping[str, np.ndarray]:
    with _damage_as(NOT_NUMPY), np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _mat(path: Path) -> Mapping[str, np.ndarray]:
    from scipy.io import loadmat

    with _damage_as(NOT_MATLAB, said=True), path.open("rb") as file:
        content = loadmat(file)
    return {name: value for name, value in content.items() if isinstance(value, np.ndarray)}


@contextmanager
def _damage_as(sentence: str, *, said: bool = False) -> Iterator[None]:
    """Whatever goes wrong inside, other than that the system cannot open the file, as one `ValueError`.

    Arguments:
        sentence: what is told.
        said: whether what the reader says is told behind it.
    """
    try:
        yield
    except OSError:
        raise
    # NumPy, SciPy, zipfile and zlib raise many kinds of errors on damaged files; each means the same to the user.
    except Exception as error:
        raise ValueError(f"{sentence} ({told(error)})" if said else sentence) from error
