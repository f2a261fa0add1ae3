"""The sliced Wasserstein distance of order two between draws and exact draws."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import jax
import numpy as np
from jaxtyping import Array, Float, Key

from biglearn_plugins.metrics.exact_draws import exact_sets
from biglearn_plugins.metrics.representatives import Representatives, representatives
from biglearn_plugins.metrics.transport_floor import PAIRS, transport_floor
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.evaluation import AbstractMetric, Draws, Measured

FIGURES = ("sliced_w2", "sliced_w2_floor")


@dataclass(frozen=True)
class SlicedW2(AbstractMetric):
    """Figures `sliced_w2` and `sliced_w2_floor`, in the target's own units.

        sliced_w2^2 = mean over directions t of W2^2(t . x, t . y),   |t| = 1,

    between `n` of the draws, taken evenly, and `n` exact draws; on a line the sorted points are matched. A shift by `d`
    in `dim` dimensions gives `|d| / sqrt(dim)`. Standard error by the delta method: the first variation of `W2^2` on a
    line is `f(t . x)` with `f'(u) = 2 (u - match of u)`; both sets bring the variance of the average of `f` over the
    directions, and the directions their own spread. The floor is the average over eight pairs of exact sets, its error
    the spread between the pairs. For chains and weighted draws see `transport_floor`.

    Arguments:
        directions: random ones, at least 2.
        points: the largest `n`, at least 2.
    """

    directions: int = 100
    points: int = 2000

    def compute(self, draws: Draws, target: AbstractTarget, key: Key[Array, ""]) -> dict[str, Measured]:
        key_exact, key_directions = jax.random.split(key)
        chosen = representatives(draws, self.points)
        sets = exact_sets(target, key_exact, 2 * PAIRS + 1, chosen.count)
        if isinstance(sets, str):
            return dict.fromkeys(FIGURES, Measured.missing(sets))
        normal = np.asarray(jax.random.normal(key_directions, (target.dim, self.directions)), float)
        directions = normal / np.linalg.norm(normal, axis=0)
        value = sliced(chosen.points @ directions, sets[0] @ directions)
        return {
            "sliced_w2": Measured(value, _error(chosen, sets[0], directions)),
            "sliced_w2_floor": transport_floor(
                lambda one, other: sliced(one @ directions, other @ directions), sets[1:], chosen
            ),
        }


def sliced(lines: Float[np.ndarray, "count directions"], others: Float[np.ndarray, "count directions"]) -> float:
    """The distance of two sets from their projections."""
    return math.sqrt(float(((np.sort(lines, axis=0) - np.sort(others, axis=0)) ** 2).mean()))


def _error(
    chosen: Representatives, exact: Float[np.ndarray, "count dim"], directions: Float[np.ndarray, "dim directions"]
) -> float | None:
    """The standard error of the distance; `None` if there is no distance."""
    lines, others = chosen.points @ directions, exact @ directions
    on_lines = ((np.sort(lines, axis=0) - np.sort(others, axis=0)) ** 2).mean(axis=0)
    square = float(on_lines.mean())
    if square == 0.0:
        return None
    variance = first_variation(lines, others).var(ddof=1) / chosen.worth
    variance += first_variation(others, lines).var(ddof=1) / chosen.count
    variance += on_lines.var(ddof=1) / directions.shape[1]
    return math.sqrt(float(variance)) / (2.0 * math.sqrt(square))


def first_variation(
    lines: Float[np.ndarray, "count directions"], others: Float[np.ndarray, "count directions"]
) -> Float[np.ndarray, " count"]:
    """What every point adds to the squared distance, up to a constant, by the trapezoidal rule along each line.

    Reference: del Barrio, Gordaliza & Loubes, Information and Inference 8 (2019), theorem 4.1.
    """
    order = np.argsort(lines, axis=0)
    ascending = np.take_along_axis(lines, order, axis=0)
    gaps = ascending - np.sort(others, axis=0)
    steps = (gaps[1:] + gaps[:-1]) * np.diff(ascending, axis=0)
    along = np.concatenate([np.zeros((1, lines.shape[1])), np.cumsum(steps, axis=0)])
    found = np.empty_like(along)
    np.put_along_axis(found, order, along - along.mean(axis=0), axis=0)
    return found.mean(axis=1)


def sliced_w2(
    directions: Annotated[int, "random directions, at least 2"] = 100,
    points: Annotated[int, "draws that are compared with as many exact ones, at least 2"] = 2000,
) -> SlicedW2:
    """The metric.

    Raises:
        ValueError: too few directions or points.
    """
    if directions < 2 or points < 2:
        raise ValueError(f"directions and points must be at least 2, got {directions} and {points}")
    return SlicedW2(directions, points)


ENTRY = Entry(
    name="sliced_w2",
    build=sliced_w2,
    summary="sliced Wasserstein distance of order two from exact draws, with its floor between two exact sets",
    reference="Bonneel, Rabin, Peyré & Pfister, Journal of Mathematical Imaging and Vision 51 (2015)",
)
