"""A density along one coordinate or two, with all others held at a point of high density."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.optimize import minimize

from biglearn_plugins.reports.pair_grid import with_margin
from biglearn_sampler.energy import AbstractTarget

SEED = 0
STARTS = 64
CLIMBS = 4
REACH = 4.0
"""Slices are looked for so many declared scales around their point."""

LOOKED_AT, POINTS = 2001, 96
FINENESS = 6.0
"""The first look is 200 times finer at the point than far from it."""

WIDENING, MOST_WIDENINGS = 1.5, 6
DEEPEST = 8.0
"""What is lower than the highest point of a slice by so much in the log density is not shown."""

BATCH = 4096


@dataclass(frozen=True, eq=False)
class Slices:
    """Slices through a point.

    Arguments:
        target: the density.
        point: which all slices go through.
        limits: of the first coordinates, around what is high of the density on their slices.
    """

    target: AbstractTarget
    point: Float[np.ndarray, " dim"]
    limits: list[tuple[float, float]]

    @classmethod
    def of(cls, target: AbstractTarget, numbers: int) -> Slices:
        """Slices through the highest point that a few climbs from the declared region find."""
        point = _highest(target)
        slices = cls(target, point, [_first_look(target, point, number) for number in range(min(numbers, target.dim))])
        for pair in combinations(range(len(slices.limits)), 2):
            slices = slices._around_ridge(pair)
        return slices

    def axis(self, number: int) -> Float[np.ndarray, " points"]:
        """Where the density is looked at along one coordinate."""
        return np.linspace(*self.limits[number], POINTS)

    def log_density(self, *numbers: int) -> Float[np.ndarray, "*grid"]:
        """The log density on the grid of one coordinate or two."""
        axes = [self.axis(number) for number in numbers]
        return _values(self.target, _moved(self.point, numbers, axes)).reshape((POINTS,) * len(numbers))

    def _around_ridge(self, pair: tuple[int, int]) -> Slices:
        """With wider limits, if the density of a pair is high at the border: both may move together."""
        limits = list(self.limits)
        for _ in range(MOST_WIDENINGS):
            values = Slices(self.target, self.point, limits).log_density(*pair)
            ends = [values[[0, -1]].max(), values[:, [0, -1]].max()]
            high = [number for number, end in zip(pair, ends, strict=True) if end >= values.max() - DEEPEST]
            if not high:
                break
            for number in high:
                lower, upper = limits[number]
                half = 0.5 * WIDENING * (upper - lower)
                limits[number] = (0.5 * (lower + upper) - half, 0.5 * (lower + upper) + half)
        return Slices(self.target, self.point, limits)


def _first_look(target: AbstractTarget, point: Float[np.ndarray, " dim"], number: int) -> tuple[float, float]:
    """The interval around the point where the density is high along one coordinate, whatever lies farther off."""
    steps = np.sinh(np.linspace(-FINENESS, FINENESS, LOOKED_AT)) / np.sinh(FINENESS)
    line = point[number] + REACH * float(target.scale[number]) * steps
    values = _values(target, _moved(point, (number,), [line]))
    low = np.flatnonzero(values < values[LOOKED_AT // 2] - DEEPEST)
    first = max(low[low < LOOKED_AT // 2], default=0)
    last = min(low[low > LOOKED_AT // 2], default=LOOKED_AT - 1)
    return with_margin([(float(line[first]), float(line[last]))])


def _moved(point: np.ndarray, numbers: tuple[int, ...], axes: list[np.ndarray]) -> Float[np.ndarray, "grid dim"]:
    """The point, with some coordinates moved over a grid."""
    mesh = np.meshgrid(*axes, indexing="ij")
    points = np.tile(point, (mesh[0].size, 1))
    points[:, list(numbers)] = np.stack([each.ravel() for each in mesh], axis=1)
    return points


def _values(target: AbstractTarget, points: Float[np.ndarray, "grid dim"]) -> Float[np.ndarray, " grid"]:
    values = jax.jit(lambda batch: jax.lax.map(target.log_density, batch, batch_size=BATCH))(jnp.asarray(points, float))
    return np.where(np.isfinite(values), np.asarray(values, float), -np.inf)


def _highest(target: AbstractTarget) -> Float[np.ndarray, " dim"]:
    """The best end of climbs from the best of some points of the declared region."""
    centre, scale = np.asarray(target.centre, float), np.asarray(target.scale, float)
    starts = np.random.default_rng(SEED).normal(size=(STARTS, target.dim))
    order = np.argsort(_values(target, centre + scale * starts))[::-1]

    @jax.jit
    def energy(u: Float[Array, " dim"]) -> tuple[Float[Array, ""], Float[Array, " dim"]]:
        return jax.value_and_grad(lambda u: -target.log_density(target.centre + target.scale * u))(u)

    def finite_energy(u: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = energy(jnp.asarray(u, float))
        # A wall where the density is zero, so that the line search turns back.
        return float(np.nan_to_num(value, nan=1e30, posinf=1e30)), np.nan_to_num(np.asarray(gradient, float))

    ends = [minimize(finite_energy, starts[start], jac=True, method="L-BFGS-B").x for start in order[:CLIMBS]]
    candidates = np.stack([starts[order[0]], *ends])
    return centre + scale * candidates[np.argmax(_values(target, centre + scale * candidates))]
