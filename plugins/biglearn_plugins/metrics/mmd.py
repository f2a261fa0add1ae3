"""The maximum mean discrepancy between draws and exact draws, unbiased, with its null quantile."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import jax
import numpy as np
from jaxtyping import Array, Float, Key
from scipy.spatial.distance import cdist

from biglearn_plugins.metrics.exact_draws import exact_draws
from biglearn_plugins.metrics.null_quantile import REPEATS, generator, null_quantile
from biglearn_plugins.metrics.representatives import Representatives, representatives
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.evaluation import AbstractMetric, Draws, Measured

FIGURES = ("mmd2", "mmd2_null_quantile")
SQUARINGS = 4
"""From a kernel to the next, a quarter as wide: three widths see from the size of the target down to a sixteenth."""


@dataclass(frozen=True)
class Mmd(AbstractMetric):
    """Figures `mmd2` and `mmd2_null_quantile`, in coordinates scaled by the standard deviations of exact draws.

        mmd2 = E k(x, x') + E k(y, y') - 2 E k(x, y),
        k(x, y) = 1/3 sum over l = 0, 1, 2 of exp(-|x - y|^2 / (2 h_l^2)),   h_l = h / 4^l,

    between draws `x, x'` and exact draws `y, y'`, with `h` the median distance of exact draws, which does not depend on
    the method. Pairs of a point with itself do not count, nor do those within a family, so that the average over exact
    draws is zero and the figure may be below: with `V` the mean over all pairs and `n` independent draws,
    `E k(x, x') = (V - U) / (1 - 1/n)`, where pairs that do not count add `U` to `V`. For weighted draws and families,
    and for chains, `n` is the number of independent draws that they are worth; without families `U = 1/n`. Standard
    error: that of a mean of kernel sums (delta method), which vanishes for exact draws. There the null quantile rules:
    the figure of a random split of all points, 95 % of 200 such splits stay below it.

    Arguments:
        points: draws at most, and exact draws, at least 2; memory and time grow with the square.
    """

    points: int = 1000

    def compute(self, draws: Draws, target: AbstractTarget, key: Key[Array, ""]) -> dict[str, Measured]:
        key_exact, key_null = jax.random.split(key)
        exact = exact_draws(target, key_exact, self.points)
        if isinstance(exact, str):
            return dict.fromkeys(FIGURES, Measured.missing(exact))
        chosen = representatives(draws, self.points)
        if chosen.worth < 2.0:
            reason = f"the draws are worth about {chosen.worth:.1f} independent ones; expected at least 2"
            return dict.fromkeys(FIGURES, Measured.missing(reason))
        scale = exact.std(axis=0)
        kernel = _kernel(np.concatenate([chosen.points, exact]) / scale, exact / scale)
        split = np.repeat(np.eye(2), [chosen.count, self.points], axis=0) / [chosen.count, self.points]
        alone = 1.0 / chosen.worth if draws.families is None else _within(kernel, chosen)
        return {
            "mmd2": Measured(
                float(_squares(kernel, split[:, :1], split[:, 1:], chosen.worth, alone)[0]), _error(kernel, chosen)
            ),
            "mmd2_null_quantile": null_quantile(_by_chance(kernel, chosen, self.points, key_null), chosen.warning),
        }


def _kernel(
    points: Float[np.ndarray, "all dim"], exact: Float[np.ndarray, "points dim"]
) -> Float[np.ndarray, "all all"]:
    """The kernel of all pairs. An exponential of a width is a power of that of the next larger one."""
    squares = cdist(points, points, "sqeuclidean")
    own = squares[len(points) - len(exact) :, len(points) - len(exact) :]
    widest = np.exp(-0.5 * squares / np.median(own[np.triu_indices(len(exact), 1)]))
    middle = _narrower(widest)
    return (widest + middle + _narrower(middle)) / 3.0


def _narrower(kernel: Float[np.ndarray, "all all"]) -> Float[np.ndarray, "all all"]:
    for _ in range(SQUARINGS):
        kernel = np.square(kernel)
    return kernel


def _squares(
    kernel: Float[np.ndarray, "all all"],
    first: Float[np.ndarray, "all splits"],
    second: Float[np.ndarray, "all splits"],
    worth: float,
    alone: float,
) -> Float[np.ndarray, " splits"]:
    """The unbiased figure of every split.

    Arguments:
        kernel: of all pairs.
        first, second: columns hold the shares of the points in the two sets.
        worth: the number of independent draws that the first set is worth.
        alone: what pairs that do not count add to the mean over all pairs of the first set.
    """
    of_first, of_second = kernel @ first, kernel @ second
    count = 1.0 / (second**2).sum(axis=0)
    return (
        ((first * of_first).sum(axis=0) - alone) / (1.0 - 1.0 / worth)
        + ((second * of_second).sum(axis=0) - 1.0 / count) / (1.0 - 1.0 / count)
        - 2.0 * (first * of_second).sum(axis=0)
    )


def _within(kernel: Float[np.ndarray, "all all"], chosen: Representatives) -> float:
    """What the pairs within a group add to the mean over all pairs of the draws."""
    return float(kernel[: chosen.count, : chosen.count][chosen.together].sum()) / chosen.count**2


def _by_chance(
    kernel: Float[np.ndarray, "all all"], chosen: Representatives, points: int, key: Key[Array, ""]
) -> Float[np.ndarray, " splits"]:
    """The figure of random splits of all points into as many as the draws are worth and as many as the exact ones."""
    worth, every = round(chosen.worth), len(kernel)
    orders = generator(key).permuted(np.tile(np.arange(every)[:, None], REPEATS), axis=0)
    columns = np.arange(REPEATS)
    first, second = np.zeros((every, REPEATS)), np.zeros((every, REPEATS))
    first[orders[:worth], columns] = 1.0 / worth
    second[orders[worth : worth + points], columns] = 1.0 / points
    return _squares(kernel, first, second, worth, 1.0 / worth)


def _error(kernel: Float[np.ndarray, "all all"], chosen: Representatives) -> float:
    """`2 sd(h) / sqrt(n)` of both sets together, `h` the mean kernel with the own set minus that with the other."""
    witness = kernel[:, : chosen.count].mean(axis=1) - kernel[:, chosen.count :].mean(axis=1)
    own, other = witness[: chosen.count], witness[chosen.count :]
    return 2.0 * math.sqrt(float(own.var(ddof=1)) / chosen.worth + float(other.var(ddof=1)) / len(other))


def mmd(points: Annotated[int, "draws that are compared with as many exact ones, at least 2"] = 1000) -> Mmd:
    """The metric.

    Raises:
        ValueError: too few points.
    """
    if points < 2:
        raise ValueError(f"points must be at least 2, got {points}")
    return Mmd(points)


ENTRY = Entry(
    name="mmd",
    build=mmd,
    summary="unbiased maximum mean discrepancy from exact draws, with its null quantile by random splits",
    reference="Gretton, Borgwardt, Rasch, Schölkopf & Smola, JMLR 13 (2012)",
)
