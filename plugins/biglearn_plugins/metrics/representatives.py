"""Some equally weighted points in the place of many draws, and how many independent ones these are worth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import ndtri

from biglearn_sampler.evaluation import Draws
from biglearn_sampler.evaluation.importance import effective_count

# Worth fewer independent draws than these, a method is told from few others.
FEW = 50
# Of sums of shares in double precision.
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Representatives:
    """Points that stand for the draws of a method, all counting the same.

    Arguments:
        points: at least two, taken evenly over the shares of the draws, in their order; chains are thinned by that.
        groups: number of the group of each point, from 0 on without a gap: points of one draw, or of one family, stand
            or fall together, and groups are independent; along chains every point is a group, though not independent.
        worth: the number of independent draws that would tell as much, at least 1, at most the number of points.
    """

    points: Float[np.ndarray, "count dim"]
    groups: Int[np.ndarray, " count"]
    worth: float

    @property
    def count(self) -> int:
        """Number of points."""
        return len(self.points)

    @property
    def together(self) -> Bool[np.ndarray, "count count"]:
        """Which pairs of points are of one group; every point is with itself."""
        return self.groups[:, None] == self.groups

    @property
    def warning(self) -> str | None:
        """A sentence if the draws can hardly tell anything."""
        if self.worth >= min(FEW, self.count):
            return None
        return f"the draws are worth about {self.worth:.0f} independent ones, and the floor is that of so few"

    def like(self, exact: Float[np.ndarray, "many dim"]) -> Float[np.ndarray, "count dim"]:
        """As many exact points as these, of which only as many differ as these are worth."""
        return np.resize(exact[: max(1, round(self.worth))], (self.count, exact.shape[1]))


def representatives(draws: Draws, most: int) -> Representatives:
    """Systematic choice: the draws at the shares `(j + 1/2) / n`, `n` at most `most`; all, if they count the same.

    They are worth `1 / sum_g W_g^2`, with `W_g` the share of the points that is of group `g`: less than the draws, as
    the choice rounds weights to whole points. Of chains they are worth what these are, `n` at most.

    Reference: Kitagawa, Journal of Computational and Graphical Statistics 5 (1996), appendix.
    """
    count = min(most, draws.count)
    # A level that is a boundary of two shares means the former, whatever the rounding.
    levels = (np.arange(count) + 0.5) / count - ROUNDING
    shares = np.cumsum(draws.shares)
    rows = np.searchsorted(shares / shares[-1], levels)
    origins = rows if draws.families is None else draws.families[rows]
    _, groups, sizes = np.unique(origins, return_inverse=True, return_counts=True)
    if draws.chains is None:
        worth = count**2 / float((sizes**2).sum())
    else:
        worth = min(float(count), independent_count(draws))
    return Representatives(draws.points[rows], groups, worth)


def independent_count(draws: Draws) -> float:
    """How many independent draws a method's draws are worth.

    For weights and families that is `1 / sum_g W_g^2` (`Draws.worth`), for chains the least bulk effective sample size
    of the coordinates and of the log density; a chain that never moves is worth one draw.
    """
    if draws.chains is None:
        return draws.worth
    looked_at = [*draws.points.T, draws.log_target]
    found = [
        effective_count(normal_scores(each.reshape(draws.chains, -1))) for each in looked_at if (each != each[0]).any()
    ]
    finite = [count for count in found if math.isfinite(count)]
    return max(1.0, min(finite, default=float(draws.chains)))


def normal_scores(values: Float[np.ndarray, "chains draws"]) -> Float[np.ndarray, "chains draws"]:
    """Normal scores `Phi^-1((rank - 3/8) / (n + 1/4))`, ties averaged (Vehtari et al. 2021, eq. 14)."""
    # A listing and the first step of a training need no scipy.stats, which takes a while to import.
    from scipy.stats import rankdata

    ranks = rankdata(values, method="average").reshape(values.shape)
    return ndtri((ranks - 0.375) / (values.size + 0.25))
