"""The kernelised Stein discrepancy: how far draws are from a target of which the gradient only is known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Array, Float, Key
from scipy.spatial.distance import cdist

from biglearn_plugins.metrics.null_quantile import REPEATS, generator, null_quantile
from biglearn_plugins.metrics.representatives import Representatives, representatives
from biglearn_plugins.metrics.target_energies import scores
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.evaluation import AbstractMetric, Draws, Measured

FIGURES = ("ksd", "ksd_null_quantile")


@dataclass(frozen=True)
class KernelSteinDiscrepancy(AbstractMetric):
    """Figures `ksd` and `ksd_null_quantile`. It needs the gradient of the log density, and no exact draws.

        ksd^2 = (1/n^2) sum_ij u(x_i, x_j),   k(x, y) = (1 + |x - y|^2)^(-1/2),
        u(x, y) = s(x).s(y) k + s(x).grad_y k + s(y).grad_x k + trace(grad_x grad_y k),   s = grad log q,

    in units of the declared scale times the median distance of the draws. It is zero for the target alone, yet nearly
    blind to missed modes and to the masses of modes that are far apart, where the gradient is that of one mode
    (Wenliang & Kanagawa 2020). Standard error by the delta method; it vanishes for exact draws. There the null quantile
    rules: 95 % of 200 sums `(1/n^2) sum_ij e_i e_j u(x_i, x_j)` with random signs `e` stay below it. Points of one
    weighted draw, or of one family, have one sign; along a chain a sign changes to the next with probability
    `m / (n + m)`, for chains worth `m` independent draws (Chwialkowski et al. 2016). Pairs of a point with itself
    count, so that `ksd` of few draws is large, and its quantile as well.

    Arguments:
        points: draws at most, at least 2; memory and time grow with the square.
    """

    points: int = 1000

    def compute(self, draws: Draws, target: AbstractTarget, key: Key[Array, ""]) -> dict[str, Measured]:
        chosen = representatives(draws, self.points)
        gradients = scores(target, chosen.points)
        lost = int(np.count_nonzero(~np.isfinite(gradients).all(axis=1)))
        if lost:
            reason = f"{lost} of {chosen.count} draws have no finite gradient of the log density"
            return dict.fromkeys(FIGURES, Measured.missing(reason))
        scale = np.asarray(target.scale, float)
        scaled = chosen.points / scale
        unit = float(np.median(cdist(scaled, scaled)[np.triu_indices(chosen.count, 1)]))
        if unit == 0.0:
            return dict.fromkeys(FIGURES, Measured.missing("most of the draws are one and the same point"))
        terms = stein_kernel(scaled / unit, gradients * scale * unit)
        square = max(float(terms.mean()), 0.0)
        return {
            "ksd": Measured(math.sqrt(square), _error(terms, square, chosen)),
            "ksd_null_quantile": null_quantile(_by_chance(terms, chosen, draws.chains, key), chosen.warning),
        }


def stein_kernel(
    points: Float[np.ndarray, "count dim"], gradients: Float[np.ndarray, "count dim"]
) -> Float[np.ndarray, "count count"]:
    """`u(x_i, x_j)` of all pairs, with `b = 1 + r^2`, `r = |x_i - x_j|`, and the gradients `s` at both:

    `u = s_i.s_j b^(-1/2) + ((s_i - s_j).(x_i - x_j) + dim) b^(-3/2) - 3 r^2 b^(-5/2)`.
    """
    squares = cdist(points, points, "sqeuclidean")
    base = 1.0 + squares
    mixed = gradients @ points.T
    own = np.diag(mixed)
    # (s_i - s_j).(x_i - x_j)
    along = own[:, None] + own[None, :] - mixed - mixed.T
    return (gradients @ gradients.T + (along + points.shape[1] - 3.0 * squares / base) / base) / np.sqrt(base)


def _error(terms: Float[np.ndarray, "count count"], square: float, chosen: Representatives) -> float | None:
    """The standard error of the discrepancy; `None` if it is zero."""
    if square == 0.0:
        return None
    return float(terms.mean(axis=1).std(ddof=1)) / math.sqrt(chosen.worth * square)


def _by_chance(
    terms: Float[np.ndarray, "count count"], chosen: Representatives, chains: int | None, key: Key[Array, ""]
) -> Float[np.ndarray, " repeats"]:
    """The discrepancy with a random sign for each group, independent or, for chains, of the length of their memory."""
    change = 0.5 if chains is None else chosen.worth / (chosen.count + chosen.worth)
    random = generator(key)
    changes = random.random((chosen.groups.max() + 1, REPEATS)) < change
    first = random.random((1, REPEATS)) < 0.5
    of_groups = np.where((np.cumsum(changes, axis=0) + first) % 2 == 0, 1.0, -1.0)
    signs = of_groups[chosen.groups] / chosen.count
    return np.sqrt(np.maximum((signs * (terms @ signs)).sum(axis=0), 0.0))


def ksd(points: Annotated[int, "draws that are looked at, at least 2"] = 1000) -> KernelSteinDiscrepancy:
    """The metric.

    Raises:
        ValueError: too few points.
    """
    if points < 2:
        raise ValueError(f"points must be at least 2, got {points}")
    return KernelSteinDiscrepancy(points)


ENTRY = Entry(
    name="ksd",
    build=ksd,
    summary="kernelised Stein discrepancy with its null quantile; needs no exact draws; nearly blind to missed modes",
    reference="Gorham & Mackey, ICML (2017); Chwialkowski, Strathmann & Gretton, ICML (2016), for the quantile",
)
