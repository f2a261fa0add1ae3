"""The exact Wasserstein distance of order two between draws and exact draws."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Array, Float, Int, Key
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from biglearn_plugins.metrics.exact_draws import exact_sets
from biglearn_plugins.metrics.representatives import Representatives, representatives
from biglearn_plugins.metrics.transport_floor import PAIRS, transport_floor
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.evaluation import AbstractMetric, Draws, Measured

FIGURES = ("w2", "w2_floor")
MOST_POINTS = 2000
"""The assignment takes seconds for as many points, and eight times as long for twice as many."""

# Of sums of costs in double precision, relative to the largest.
ROUNDING = 1e-9


@dataclass(frozen=True)
class W2(AbstractMetric):
    """Figures `w2` and `w2_floor`, in the target's own units.

        w2^2 = min over permutations s of (1/n) sum_i |x_i - y_s(i)|^2

    between `n` of the draws, taken evenly, and `n` exact draws, solved exactly. Standard error: each point adds its
    dual potential to `w2^2`, so that both sets bring the variance of theirs (del Barrio & Loubes 2019). Two exact sets
    are apart as well, by more the fewer the points and the more the dimensions: the floor is the average over eight
    pairs of exact sets, its error the spread between the pairs. A value within a few errors above the floor tells
    nothing. For chains and weighted draws see `transport_floor`.

    Arguments:
        points: the largest `n`, from 2 to 2,000; the time grows with the cube.
    """

    points: int = 500

    def compute(self, draws: Draws, target: AbstractTarget, key: Key[Array, ""]) -> dict[str, Measured]:
        chosen = representatives(draws, self.points)
        sets = exact_sets(target, key, 2 * PAIRS + 1, chosen.count)
        if isinstance(sets, str):
            return dict.fromkeys(FIGURES, Measured.missing(sets))
        return {
            "w2": _measured(chosen, sets[0]),
            "w2_floor": transport_floor(exact_w2, sets[1:], chosen),
        }


def exact_w2(points: Float[np.ndarray, "count dim"], others: Float[np.ndarray, "count dim"]) -> float:
    """The distance between two sets of the same size.

    Example:
        >>> import numpy as np
        >>> exact_w2(np.array([[0.0], [1.0]]), np.array([[4.0], [3.0]]))
        3.0
    """
    costs = cdist(points, others, "sqeuclidean")
    return math.sqrt(float(costs[linear_sum_assignment(costs)].mean()))


def _measured(chosen: Representatives, exact: Float[np.ndarray, "count dim"]) -> Measured:
    """The distance with its standard error."""
    costs = cdist(chosen.points, exact, "sqeuclidean")
    _, match = linear_sum_assignment(costs)
    own, other = dual_potentials(costs, match)
    square = float((own + other).mean())
    if square <= 0.0:
        return Measured(0.0)
    variance = float(own.var(ddof=1)) / chosen.worth + float(other.var(ddof=1)) / chosen.count
    return Measured(math.sqrt(square), math.sqrt(variance / square) / 2.0)


def dual_potentials(
    costs: Float[np.ndarray, "count count"], match: Int[np.ndarray, " count"]
) -> tuple[Float[np.ndarray, " count"], Float[np.ndarray, " count"]]:
    """`f_i` and `g_i`, of a row and of the column that it is matched with: `f_i + g_i` is the cost of the match, and
    for no other pair is the sum above the cost.

    The `f_i` are lengths of shortest paths (Bellman-Ford) with steps `c(i, match k) - c(k, match k)` from `k` to `i`.
    """
    matched = np.take_along_axis(costs, match[:, None], axis=1)[:, 0]
    steps = costs[:, match] - matched
    own = np.zeros(len(costs))
    for _ in range(len(costs)):
        shorter = (steps + own).min(axis=1)
        if np.allclose(shorter, own, rtol=0.0, atol=ROUNDING * float(matched.max(initial=0.0))):
            break
        own = shorter
    return own, matched - own


def w2(points: Annotated[int, "draws that are matched with as many exact ones, from 2 to 2,000"] = 500) -> W2:
    """The metric.

    Raises:
        ValueError: `points` is out of range.
    """
    if not 2 <= points <= MOST_POINTS:
        raise ValueError(f"points must be from 2 to {MOST_POINTS:,}, got {points}")
    return W2(points)


ENTRY = Entry(
    name="w2",
    build=w2,
    summary="exact Wasserstein distance of order two from exact draws, with its floor between two exact sets",
    reference="Peyré & Cuturi, Computational Optimal Transport (2019), section 2.2; del Barrio & Loubes, Annals of "
    "Probability 47 (2019), for the standard error",
)
