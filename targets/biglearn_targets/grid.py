"""Draws from densities that have no sampler of their own: the inverse distribution function on a grid.

The density counts as constant inside a cell, so the draws differ from the law only below the width of a cell.
With `h` the width, every variance grows by `h^2 / 12`.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from scipy.special import ndtr

DRAWS_AT_ONCE = 4096
"""So many rows of a table are in memory together."""


NORMAL_REACH, NORMAL_STEPS = 6.0, 65_536
"""Of tables of quantiles; beyond lies a mass of 2e-9."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Equal cells over an interval.

    Arguments:
        lower, upper: the ends of the interval.
        cells: number of cells.
    """

    lower: float
    upper: float
    cells: int

    @property
    def width(self) -> float:
        """Width of a cell."""
        return (self.upper - self.lower) / self.cells

    @property
    def edges(self) -> Float[np.ndarray, " edges"]:
        """The ends of all cells."""
        return np.linspace(self.lower, self.upper, self.cells + 1)

    @property
    def midpoints(self) -> Float[np.ndarray, " cells"]:
        """The middle of every cell."""
        return self.edges[:-1] + 0.5 * self.width


def draws_on_line(
    key: Key[Array, ""], count: int, grid: Grid, masses: Float[np.ndarray, " cells"]
) -> Float[Array, " count"]:
    """`count` independent draws of one coordinate, from the masses of its cells up to a common factor."""
    uniform = jax.random.uniform(key, (count,))
    return jnp.interp(uniform, _cumulative(masses), jnp.asarray(grid.edges, float))


def draws_on_plane(
    key: Key[Array, ""], count: int, grids: tuple[Grid, Grid], masses: Float[np.ndarray, "rows columns"]
) -> Float[Array, "count 2"]:
    """`count` independent draws of two coordinates: the first from its marginal, the second given the first.

    Arguments:
        key: of the draws.
        count: how many.
        grids: one for each coordinate.
        masses: of all cells, up to a common factor; the first axis belongs to the first coordinate.
    """
    first_grid, second_grid = grids
    key_first, key_second = jax.random.split(key)
    first = draws_on_line(key_first, count, first_grid, masses.sum(1))
    column = jnp.floor((first - first_grid.lower) / first_grid.width).astype(int)
    rows = _cumulative(masses)
    second_edges = jnp.asarray(second_grid.edges, float)

    def second_of(given: tuple[Array, Array]) -> Float[Array, ""]:
        row, uniform = given
        return jnp.interp(uniform, rows[row], second_edges)

    uniform = jax.random.uniform(key_second, (count,))
    second = jax.lax.map(second_of, (column, uniform), batch_size=DRAWS_AT_ONCE)
    return jnp.stack([first, second], axis=-1)


def quantiles(grid: Grid, masses: Float[np.ndarray, " cells"]) -> Float[np.ndarray, " quantiles"]:
    """The map from a standard normal variable to one of this density, at equal steps from -6 to 6."""
    total = np.concatenate([[0.0], np.cumsum(masses, dtype=np.float64)])
    return np.interp(ndtr(np.linspace(-NORMAL_REACH, NORMAL_REACH, NORMAL_STEPS + 1)), total / total[-1], grid.edges)


def draws_by_quantiles(
    key: Key[Array, ""], shape: tuple[int, ...], table: Float[np.ndarray, " quantiles"]
) -> Float[Array, "*shape"]:
    """Independent draws of one coordinate by its `quantiles`: for millions of draws, since nothing is searched.

    The table is linear between its steps, which are finer than what a single draw can resolve.
    """
    place = (jax.random.normal(key, shape) + NORMAL_REACH) * (NORMAL_STEPS / (2.0 * NORMAL_REACH))
    before = jnp.clip(jnp.floor(place).astype(int), 0, NORMAL_STEPS - 1)
    values = jnp.asarray(table, float)
    return values[before] + jnp.clip(place - before, 0.0, 1.0) * (values[before + 1] - values[before])


def _cumulative(masses: Float[np.ndarray, "*rows cells"]) -> Float[Array, "*rows edges"]:
    """The distribution function at all edges, one for each row; added up in double precision."""
    total = np.cumsum(masses, axis=-1, dtype=np.float64)
    from_zero = np.concatenate([np.zeros_like(total[..., :1]), total], axis=-1)
    # An empty row is never drawn from; dividing by a tiny number keeps it free of NaN.
    return jnp.asarray(from_zero / np.maximum(total[..., -1:], np.finfo(np.float64).tiny), float)
