"""The log-Gaussian Cox process: how dense a forest is, place by place, given where its trees stand."""

from __future__ import annotations

import math
from importlib import resources
from pathlib import Path
from typing import Annotated

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import FunctionTarget, function_target

VARIANCE = 1.91
RANGE = 1.0 / 33.0
"""Of the exponential kernel, in sides of the square."""

MEAN = math.log(126.0) - 0.5 * VARIANCE
"""Of the field; 126 points are expected then."""


def cox_process(
    side: Annotated[int, "cells along each axis, from 1 to 64; the dimension is its square"] = 16,
    path: Annotated[
        str | None, "file of points in the unit square, `x,y` in each line; points of our own by default"
    ] = None,
) -> FunctionTarget:
    """`log_density(f) = log N(f; m, K) + sum_i (n_i f_i - exp(f_i) / side^2)`: the field of log intensities on a grid.

    `m = log 126 - 1.91 / 2` and `K_ij = 1.91 exp(-33 |x_i - x_j|)` for the midpoints of cells in the unit square, and
    `n_i` counts the points in cell `i`, row by row. As in the published code, the field is not whitened, the prior is
    normalised, and the constants `log n_i!` and `n_i log side^2` of the Poisson law are left out. There is one mode,
    and `log Z` is unknown.

    The published points are 126 pine saplings, which come under another licence than ours; with a file of them as
    `path` the target is the published one, for which long runs found `log Z` of 501.806 with a side of 40 and 503.394
    with 32. The 128 points shipped are a draw from the model itself, the same ones for every grid.

    Declared: centre and scale of the prior, 3.88 and 1.38.

    Raises:
        ValueError: `side` is out of its range, or there is no readable file of points in the unit square at `path`.
    """
    if not 1 <= side <= 64:
        raise ValueError(f"`side` must be from 1 to 64, got {side}")
    factor = np.linalg.cholesky(covariances(side))
    log_constant = -np.log(np.diagonal(factor)).sum() - 0.5 * side**2 * math.log(2.0 * math.pi)
    arrays = (np.linalg.inv(factor), counts_in_cells(_points(path), side), log_constant)
    data = tuple(jnp.asarray(array, float) for array in arrays)
    return function_target(log_density, dim=side**2, centre=MEAN, scale=math.sqrt(VARIANCE), data=data)


def log_density(
    field: Float[Array, " cells"],
    whitening: Float[Array, "cells cells"],
    counts: Float[Array, " cells"],
    log_constant: Float[Array, ""],
) -> Float[Array, ""]:
    """Normalised prior times Poisson likelihood, in logarithms."""
    white = whitening @ (field - MEAN)
    log_likelihood = (counts * field - jnp.exp(field) / field.shape[0]).sum()
    return log_constant - 0.5 * (white**2).sum() + log_likelihood


def covariances(side: int) -> Float[np.ndarray, "cells cells"]:
    """`K` of the prior."""
    line = (np.arange(side) + 0.5) / side
    midpoints = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
    distances = np.linalg.norm(midpoints[:, None] - midpoints, axis=-1)
    return VARIANCE * np.exp(-distances / RANGE)


def counts_in_cells(points: Float[np.ndarray, "points 2"], side: int) -> Float[np.ndarray, " cells"]:
    """How many points each cell has; those on the far edges of the square belong to the last cells."""
    cells = np.minimum((points * side).astype(int), side - 1)
    return np.bincount(cells[:, 0] * side + cells[:, 1], minlength=side**2).astype(float)


def shipped_points() -> Float[np.ndarray, "points 2"]:
    """The points of `data/cox_points.csv`: one field on 40 x 40 cells and its points, by NumPy's seed 0."""
    with (resources.files("biglearn_targets") / "data" / "cox_points.csv").open(encoding="utf-8") as lines:
        return np.loadtxt(lines, delimiter=",", ndmin=2)


def _points(path: str | None) -> Float[np.ndarray, "points 2"]:
    if path is None:
        return shipped_points()
    wanted = "`path` must name a file of points in the unit square, `x,y` in each line"
    if not Path(path).is_file():
        raise ValueError(f"{wanted}; there is no file '{path}'")
    try:
        points = np.loadtxt(path, delimiter=",", ndmin=2)
    except (ValueError, OSError) as error:
        raise ValueError(f"{wanted}; '{path}' is no table of numbers: {error}") from error
    if points.shape[1] != 2 or not ((points >= 0.0) & (points <= 1.0)).all():
        raise ValueError(
            f"{wanted}; '{path}' has shape {points.shape}, and numbers from {points.min()} to {points.max()}"
        )
    return points


ENTRIES = (
    Entry(
        name="cox_process",
        build=cox_process,
        summary="posterior of a log-Gaussian Cox process on a grid of any side",
        reference="Møller, Syversveen, Waagepetersen (1998): Log Gaussian Cox processes, Scandinavian Journal of "
        "Statistics 25; Heng, Bishop, Deligiannidis, Doucet (2020): Controlled sequential Monte Carlo, Annals of "
        "Statistics 48",
    ),
)
