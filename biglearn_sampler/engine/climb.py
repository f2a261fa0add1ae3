"""From the far end of a heavy flank to the mode: a Gaussian would take many rounds where the density falls slowly."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

STEPS = 64
"""Of a climb, each of which asks for a gradient at every point."""

LONGER, SHORTER = 1.5, 0.5
"""By so much a step is longer after one in about the same direction, and shorter after one that turned back."""

SMALLEST = 1e-30

LEAST_RISE = 0.01
"""Nats that a step has to promise: where steps are refused until they promise less, a climb stands at an edge."""


class Climbed(NamedTuple):
    """Where climbs ended.

    Arguments:
        points: the ends.
        narrowest: least length over which the density changed by a factor of e, `1 / |grad log q|`, after the first
            quarter of each climb.
        arrived: whether it came past a highest place, or to the edge of one that is flat or ends at a wall, and is not
            still on its way up.
    """

    points: Float[np.ndarray, "count dim"]
    narrowest: Float[np.ndarray, " count"]
    arrived: Bool[np.ndarray, " count"]


def climbed(
    points: Float[np.ndarray, "count dim"],
    scores_at: Callable[[Float[np.ndarray, "count dim"]], Float[np.ndarray, "count dim"]],
    width: Float[np.ndarray, " dim"],
) -> Climbed:
    """Climb from every point along the gradient of the log density, in steps whose length learns from their turns.

    A step goes along the gradient and not by its size, which says nothing of how far a mode is: it is small at the far
    end of a flank. A step to where the density is zero, or flat, is not made.

    Arguments:
        points: where to begin.
        scores_at: `grad log q`; zero or not finite where the density is zero.
        width: of the coordinates, their unit; no step is longer than it.
    """
    here, (score, steep) = points, _seen(scores_at(points) * width)
    length = np.minimum(1.0 / np.maximum(steep, SMALLEST), 1.0)
    narrowest, arrived = np.full(len(points), np.inf), np.zeros(len(points), bool)
    for number in range(STEPS - 1):
        there = here + width * length[:, None] * score / np.maximum(steep, SMALLEST)[:, None]
        next_score, next_steep = _seen(scores_at(there) * width)
        dense = next_steep > 0.0
        onward = dense & ((next_score * score).sum(1) > 0.0)
        arrived |= np.where(dense, ~onward, (steep > 0.0) & (length * steep < LEAST_RISE))
        length = np.minimum(np.where(onward, LONGER, SHORTER) * length, 1.0)
        here, score = np.where(dense[:, None], there, here), np.where(dense[:, None], next_score, score)
        steep = np.where(dense, next_steep, steep)
        if number >= STEPS // 4:
            narrowest = np.minimum(narrowest, 1.0 / np.maximum(steep, SMALLEST))
    return Climbed(here, narrowest, arrived)


def _seen(
    scores: Float[np.ndarray, "count dim"],
) -> tuple[Float[np.ndarray, "count dim"], Float[np.ndarray, " count"]]:
    """Scores and their lengths; zero where one is not finite."""
    scores = np.where(np.isfinite(scores).all(1, keepdims=True), scores, 0.0)
    return scores, np.linalg.norm(scores, axis=1)
