"""What a transport distance comes to between exact draws: its noise floor."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from biglearn_plugins.metrics.representatives import Representatives
from biglearn_sampler.evaluation import Measured

PAIRS = 8
"""Pairs of exact sets that a floor is measured between."""


def transport_floor(
    distance: Callable[[np.ndarray, np.ndarray], float],
    sets: Float[np.ndarray, "sets count dim"],
    draws: Representatives,
) -> Measured:
    """The average distance between two exact sets, with the error of one such distance: the spread between pairs.

    One set of each pair is as large as the draws are worth, with its points repeated, so that chains and weighted draws
    are held to what so many independent draws can reach.

    Arguments:
        distance: of two sets of the same size.
        sets: exact, independent, an even number of them.
        draws: those that the floor is for.
    """
    found = [distance(draws.like(one), other) for one, other in zip(sets[::2], sets[1::2], strict=True)]
    return Measured(float(np.mean(found)), float(np.std(found, ddof=1)), draws.warning)
