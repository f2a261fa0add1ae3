"""The modes of the target as the sampler's draws fall into them: where a climb on the energy ends."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from biglearn_sampler.engine.stepper import Stepper

CLIMBERS = 128
"""Draws that climb; the others belong where the nearest of these does."""

CLIMBS, LAST_CLIMBS, STILL_RISING = 40, 10, 0.1
"""Steps of a climb; who gained more nats in the last of them is not at an end, and joins nothing."""

LEAST_ARRIVED = 32
"""Climbs that must arrive to say how many modes none of them found."""

NEIGHBOURS = 8
BETWEEN = np.linspace(0.0, 1.0, 7)[1:-1]
"""Places between two neighbouring ends where the density is asked for."""

LEAST_DIP = 1.0
"""Nats by which the density must fall between two ends, below the lower one, for them to be two modes."""


def price(gradient: int) -> int:
    """Evaluations at most, where a gradient costs so many."""
    return CLIMBERS * (1 + CLIMBS * (gradient + 1) + (NEIGHBOURS + 1) * len(BETWEEN))


def basins_of(
    points: Float[np.ndarray, "draws dim"],
    component: Int[np.ndarray, " draws"],
    factors: Float[np.ndarray, "components dim dim"],
    width: Float[np.ndarray, " dim"],
    stepper: Stepper,
    generator: np.random.Generator,
) -> tuple[Int[np.ndarray, " draws"], float]:
    """The number of the mode of every draw, and the share of climbs that found a mode which no other climb found.

    That share is about the mass of the modes that no climb found (Good 1953), whose draws are given to others.

    Some draws climb by steps `L L^T grad log q`, at most one standard deviation of their component long, halved where
    they lead down. Ends are of one mode when the density does not dip on the straight line between neighbours.

    Arguments:
        points: draws of the sampler where the target has density.
        component: of every draw.
        factors: `L` of every component.
        width: of the region, the unit of distances.
        stepper: asks the energy.
        generator: chooses the climbers.
    """
    chosen = generator.permutation(len(points))[:CLIMBERS]
    ends, heights, arrived = _climbed(points[chosen], factors[component[chosen]], stepper)
    if not arrived.any():
        return np.zeros(len(points), int), 0.0
    number = _connected(ends[arrived], heights[arrived], width, stepper)
    _, nearest = KDTree(points[chosen][arrived] / width).query(points / width)
    alone = float((np.bincount(number) == 1).sum() / len(number)) if len(number) >= LEAST_ARRIVED else 0.0
    return number[nearest], alone


def _climbed(
    points: Float[np.ndarray, "climbers dim"], factors: Float[np.ndarray, "climbers dim dim"], stepper: Stepper
) -> tuple[Float[np.ndarray, "climbers dim"], Float[np.ndarray, " climbers"], Bool[np.ndarray, " climbers"]]:
    """Where the climbs end, the log density there, and whether it was an end."""
    heights = stepper.log_density(points, "verdict")
    length = np.ones(len(points))
    before = heights
    for climb in range(CLIMBS):
        before = heights if climb == CLIMBS - LAST_CLIMBS else before
        pull = np.einsum("nji,nj->ni", factors, stepper.scores(points, "verdict"))
        size = length / np.maximum(1.0, np.linalg.norm(pull, axis=1))
        proposed = points + np.einsum("nij,nj->ni", factors, pull * size[:, None])
        proposed_heights = stepper.log_density(proposed, "verdict")
        better = proposed_heights > heights
        points = np.where(better[:, None], proposed, points)
        heights = np.where(better, proposed_heights, heights)
        length = np.where(better, np.minimum(1.0, 1.5 * length), 0.5 * length)
    return points, heights, heights - before < STILL_RISING


def _connected(
    ends: Float[np.ndarray, "climbers dim"],
    heights: Float[np.ndarray, " climbers"],
    width: Float[np.ndarray, " dim"],
    stepper: Stepper,
) -> Int[np.ndarray, " climbers"]:
    """The number of the mode of every end."""
    count = len(ends)
    _, neighbours = KDTree(ends / width).query(ends / width, k=min(NEIGHBOURS + 1, count))
    neighbours = np.asarray(neighbours).reshape(count, -1)
    first, second = np.repeat(np.arange(count), neighbours.shape[1]), neighbours.reshape(-1)
    line = ends[first, None] + BETWEEN[:, None] * (ends[second] - ends[first])[:, None]
    along = stepper.log_density(line.reshape(-1, ends.shape[1]), "verdict").reshape(len(first), -1)
    joined = along.min(1) >= np.minimum(heights[first], heights[second]) - LEAST_DIP
    # A zero that is stored would join too.
    graph = coo_array((np.ones(joined.sum()), (first[joined], second[joined])), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1])
