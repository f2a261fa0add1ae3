"""The data: rows in memory or on disk, read block by block, in the coordinates of training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from biglearn_sampler.data.features import feature_count, features
from biglearn_sampler.data.options import Coordinates
from biglearn_sampler.data.patterns import Group, groups
from biglearn_sampler.data.sums import Block
from biglearn_sampler.errors import DataError

BLOCK = 8192
"""Rows that are worked on at a time, at most: features and responsibilities of that many stay near the processor."""

BLOCK_BYTES = 2**26
"""Their features take no more than this; from 44 columns on a block has fewer rows."""

KEPT_BYTES = 2**28
"""Features up to this size are kept between sweeps over the same points."""

CONSTANT = 1e-12
"""A standard deviation below this share of the largest value of its column is that of a constant."""

ROUNDING = 1e-9
"""Share of a sum of weights that its rounding may cost."""

ROOM = 1e6
"""Between the largest or smallest numbers of the device and what a mixture may be made of."""

SHOWN = 5
"""Columns that an error names."""


@dataclass(frozen=True)
class Points:
    """Rows with weights, read as `(x - centre) / scale`.

    Arguments:
        rows: shape `(count, dim)`; an array, or a `numpy.memmap`, which is read in blocks; see `fit_data`.
        weights: how many times each row counts; `None` if all count once.
        centre, scale: of the coordinates of training.
        missing: whether rows may have NaN.
    """

    rows: np.ndarray
    weights: Float[np.ndarray, " count"] | None
    centre: Float[np.ndarray, " dim"]
    scale: Float[np.ndarray, " dim"]
    missing: bool = False

    @property
    def count(self) -> int:
        """Number of rows."""
        return self.rows.shape[0]

    @property
    def dim(self) -> int:
        """Number of columns."""
        return self.rows.shape[1]

    @property
    def mass(self) -> float:
        """Sum of the weights."""
        return float(self.count) if self.weights is None else float(self.weights.sum())

    def blocks(self) -> Iterator[tuple[Float[np.ndarray, "rows dim"], Float[np.ndarray, " rows"] | None]]:
        """The rows in their order, some at a time, with their weights; those of weight 0 are at the origin."""
        size = block_rows(self.dim)
        for start in range(0, self.count, size):
            part = slice(start, start + size)
            rows = self.standardized(self.rows[part])
            if self.weights is None:
                yield rows, None
            else:
                # They may hold NaN, of which a weight of 0 does not make nothing.
                rows[self.weights[part] == 0.0] = 0.0
                yield rows, self.weights[part]

    @cached_property
    def observed(self) -> ObservedView:
        """What the rows have, block by block, where values are missing; kept for all sweeps over these points."""
        return ObservedView(self)

    def standardized(self, rows: np.ndarray) -> Float[np.ndarray, "rows dim"]:
        """Some rows in the coordinates of training."""
        return (np.asarray(rows, float) - self.centre) / self.scale

    def counted(self) -> Points:
        """The rows that count, in memory where some do not."""
        return self if self.weights is None else self.chosen(np.flatnonzero(self.weights))

    def some(self, generator: np.random.Generator, count: int) -> Points:
        """A random part of the rows, in memory: for steps on minibatches."""
        if count >= self.count:
            return self
        # In ascending order, because the rows may be on a disk.
        if self.weights is None:
            return self.chosen(np.unique(generator.integers(self.count, size=count)))
        places, times = np.unique(generator.choice(self.count, count, p=self.weights / self.mass), return_counts=True)
        return replace(self.chosen(places), weights=times.astype(float))

    def chosen(self, places: Int[np.ndarray, " count"]) -> Points:
        """The rows with these numbers, in memory."""
        weights = None if self.weights is None else self.weights[places]
        return replace(self, rows=np.asarray(self.rows[places], float), weights=weights)


def block_rows(dim: int) -> int:
    """How many rows of so many columns are worked on at a time, at least 1."""
    return max(1, min(BLOCK, BLOCK_BYTES // (8 * feature_count(dim))))


class View:
    """Features of the points as one task sees them, for several sweeps.

    Arguments:
        points: the data.
        matrix: `W` of the view `y = W x`; `None` for the points themselves.
    """

    def __init__(self, points: Points, matrix: Float[np.ndarray, "rows dim"] | None = None) -> None:
        self._points, self._matrix = points, matrix
        dim = points.dim if matrix is None else len(matrix)
        small = points.count * feature_count(dim) * 8 <= KEPT_BYTES
        self._kept = list(self._made()) if small else None

    def __iter__(self) -> Iterator[Block]:
        return self._made() if self._kept is None else iter(self._kept)

    def _made(self) -> Iterator[Block]:
        for points, weights in self._points.blocks():
            yield features(points if self._matrix is None else points @ self._matrix.T), weights


def points_of(
    rows: np.ndarray, weights: ArrayLike | None, *, standardized: bool, missing: bool, least: int = 1
) -> Points:
    """The data at the door: their shape, values and columns are checked in one pass.

    Arguments:
        rows: shape `(count, dim)`.
        weights: shape `(count,)`, how many times each row counts, not negative; or `None`.
        standardized: whether columns are centred and scaled by their standard deviations; otherwise they are centred
            only.
        missing: whether NaN stands for a missing value.
        least: so many rows are needed, or weights that sum to so much.

    Raises:
        DataError: with what is wrong.
    """
    if rows.ndim != 2 or rows.dtype.kind not in "fiub":
        raise DataError(f"the data must be a table of numbers of shape (count, dim), got {rows.dtype} {rows.shape}")
    if rows.shape[1] == 0:
        raise DataError("the data have no column; expected a table of numbers of shape (count, dim)")
    shares = None if weights is None else _checked_weights(weights, len(rows))
    raw = Points(rows, shares, np.zeros(rows.shape[1]), np.ones(rows.shape[1]), missing)
    _check_mass(raw, least)
    centre, deviation = _moments(raw)
    return replace(raw, centre=centre, scale=deviation if standardized else np.ones(raw.dim))


class ObservedPart(NamedTuple):
    """Rows of one block that have equally many coordinates.

    Arguments:
        group: which rows, and which coordinates.
        features: of the coordinates that they have.
        weights: of the rows; `None` if all count once.
    """

    group: Group
    features: Float[np.ndarray, "rows features"]
    weights: Float[np.ndarray, " rows"] | None


class ObservedView:
    """Features of what the rows have, for several sweeps.

    Arguments:
        points: the data, which may have NaN.
    """

    def __init__(self, points: Points) -> None:
        self._points = points
        small = points.count * feature_count(points.dim) * 8 <= KEPT_BYTES
        self._kept = list(self._made()) if small else None

    def __iter__(self) -> Iterator[list[ObservedPart]]:
        return self._made() if self._kept is None else iter(self._kept)

    def _made(self) -> Iterator[list[ObservedPart]]:
        for block, weights in self._points.blocks():
            yield [
                ObservedPart(group, features(group.values(block)), None if weights is None else weights[group.rows])
                for group in groups(block)
            ]


def variances(points: Points, coordinates: Coordinates) -> Float[np.ndarray, " dim"]:
    """The variances of the columns in the coordinates of training: what lengths there are told by."""
    if coordinates == "standardized":
        return np.ones(points.dim)
    total, count = np.zeros(points.dim), np.zeros(points.dim)
    for rows, weights in points.blocks():
        shares = ~np.isnan(rows) * (1.0 if weights is None else weights[:, None])
        total += (shares * np.nan_to_num(rows) ** 2).sum(0)
        count += shares.sum(0)
    return total / count


def check_table(table: np.ndarray, *, missing: bool) -> None:
    """See that a fit would take all rows of a table, those that are to be held out from it among them.

    Arguments:
        table: shape `(count, dim)`.
        missing: whether NaN stands for a missing value.

    Raises:
        DataError: as of `points_of`, with the numbers of rows and columns in the table.
    """
    points_of(table, None, standardized=True, missing=missing)


def _checked_weights(weights: ArrayLike, count: int) -> np.ndarray:
    if np.ma.is_masked(weights):
        raise DataError("sample weights must not be masked; give those points a weight of 0, or leave them out")
    shares = np.asarray(weights, float)
    if shares.shape != (count,):
        raise DataError(f"sample weights must be one number for each of {count} points, got shape {shares.shape}")
    with np.errstate(over="ignore"):  # told below
        total = shares.sum()
    if not (np.isfinite(total) and (shares >= 0).all() and total > 0):
        raise DataError("sample weights must be finite, not negative and not all zero")
    return shares


def _check_mass(points: Points, least: int) -> None:
    if points.mass >= least * (1.0 - ROUNDING):
        return
    needed = f"{least} components need as many points at least, got"
    if points.weights is None:
        raise DataError(f"{needed} {points.count} (n_samples = {points.count})")
    raise DataError(
        f"{needed} sample weights that sum to {points.mass:g}; a weight says how many times a point counts: give "
        "weights with a mean of 1 if all points together count as often as there are points"
    )


def _moments(points: Points) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of every column, over what is observed.

    Raises:
        DataError: infinite values, NaN that was not asked for, a row without any value, a constant column, or values
            whose squares are no numbers any more.
    """
    count, centre, spread, largest = (np.zeros(points.dim) for _ in range(4))
    start = 0
    for block, weights in points.blocks():
        _check_values(block, points.missing, start)
        start += len(block)
        seen = ~np.isnan(block) * (1.0 if weights is None else weights[:, None])
        values = np.nan_to_num(block)
        # Chan's update: means and squares of two parts, without subtracting large squares.
        mass = seen.sum(0)
        total = np.maximum(count + mass, np.finfo(float).tiny)
        with np.errstate(over="ignore", invalid="ignore"):  # told below
            mean = (seen * values).sum(0) / np.maximum(mass, np.finfo(float).tiny)
            spread += (seen * (values - mean) ** 2).sum(0) + (mean - centre) ** 2 * count * mass / total
        centre += (mean - centre) * mass / total
        count += mass
        largest = np.maximum(largest, (np.abs(values) * (seen > 0)).max(0, initial=0.0))
    if not np.isfinite(spread).all():
        places = ", ".join(map(str, np.flatnonzero(~np.isfinite(spread))[:SHOWN]))
        raise DataError(f"values are too large to be squared in columns {places}; divide them by a constant")
    deviation = np.sqrt(spread / np.maximum(count, np.finfo(float).tiny))
    _check_range(largest, deviation)
    _check_ratio(deviation)
    _check_columns(deviation <= CONSTANT * largest)
    return centre, deviation


def _check_range(largest: np.ndarray, deviation: np.ndarray) -> None:
    """See that a mixture of such columns has numbers on the device, with room for what is computed of them."""
    device = np.finfo(jnp.result_type(float))
    beyond = (largest > device.max / ROOM) | ((deviation > 0.0) & (deviation < device.tiny * ROOM))
    if beyond.any():
        places = ", ".join(map(str, np.flatnonzero(beyond)[:SHOWN]))
        raise DataError(
            f"values in columns {places} are beyond what {device.dtype} holds ({device.tiny:.0e} to {device.max:.0e}); "
            "multiply them by a constant, or let JAX compute with 64 bits (JAX_ENABLE_X64=1)"
        )


def _check_ratio(deviation: np.ndarray) -> None:
    """See that the device holds covariances of all columns together."""
    device, spread = np.finfo(jnp.result_type(float)), deviation[deviation > 0.0]
    if len(spread) and spread.max() / spread.min() > device.max / ROOM:
        widest, narrowest = deviation.argmax(), np.where(deviation > 0.0, deviation, np.inf).argmin()
        raise DataError(
            f"columns {widest} and {narrowest} differ in scale by more than {device.dtype} holds; multiply one by a "
            "constant"
        )


def _check_values(block: np.ndarray, missing: bool, start: int) -> None:
    if np.isinf(block).any():
        row, column = np.argwhere(np.isinf(block))[0]
        raise DataError(f"row {start + row}, column {column} is infinity; every value must be a finite number")
    absent = np.isnan(block)
    if not missing and absent.any():
        row, column = np.argwhere(absent)[0]
        raise DataError(
            f"row {start + row}, column {column} is NaN; if NaN stands for a missing value, say missing=True "
            "(--missing)"
        )
    if absent.all(1).any():
        raise DataError(f"row {start + int(absent.all(1).argmax())} has no value at all; leave such rows out")


def _check_columns(constant: np.ndarray) -> None:
    if constant.any():
        places = np.flatnonzero(constant)
        named = ", ".join(map(str, places[:SHOWN])) + (", ..." if len(places) > SHOWN else "")
        raise DataError(f"constant columns say nothing about clusters and make covariances singular; drop: {named}")
