"""Points that are kept from a fit, to see what it is worth."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Shaped

from biglearn_sampler.errors import DataError


def held_out(
    count: int, share: float, seed: int, classes: Shaped[np.ndarray, " count"] | None = None
) -> Bool[np.ndarray, " count"]:
    """Which points are held out: a share of them at random, of every class the same up to one point.

    Points are sorted by class, in random order within one, and each whose place lets `floor(share * place + u)` rise is
    held out, with `u` uniform (systematic sampling).

    Arguments:
        count: number of points.
        share: of the points, above 0 and below 1.
        seed: the same seed holds out the same points.
        classes: of the points, where they are known.

    Raises:
        DataError: the share makes no sense, or leaves no point on one side.
    """
    if not 0.0 < share < 1.0:
        raise DataError(f"the share of points to hold out must be above 0 and below 1, got {share}")
    generator = np.random.default_rng([seed, count])
    kinds = np.zeros(count, int) if classes is None else np.unique(classes, return_inverse=True)[1]
    order = np.lexsort((generator.random(count), kinds))
    rises = np.diff(np.floor(share * np.arange(count + 1) + generator.random())) > 0
    if not rises.any() or rises.all():
        raise DataError(f"to hold out {share:.3g} of {count} points leaves none on one side")
    chosen = np.zeros(count, bool)
    chosen[order] = rises
    return chosen
