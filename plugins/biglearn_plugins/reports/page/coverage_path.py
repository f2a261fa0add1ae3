"""The curves of several seeds as one path with a band."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from biglearn_sampler.comparison import CoveragePoint

PLACES = 200
"""At which the seeds of a method are put together."""


@dataclass(frozen=True, eq=False)
class CoveragePath:
    """One figure of one method against evaluations.

    Arguments:
        spent: evaluations, rising; a single place for methods that tell only their end.
        mean, least, most: over the seeds at these places.
    """

    spent: Float[np.ndarray, " places"]
    mean: Float[np.ndarray, " places"]
    least: Float[np.ndarray, " places"]
    most: Float[np.ndarray, " places"]


def path_of(curves: Sequence[Sequence[CoveragePoint]], figure: Callable[[CoveragePoint], float]) -> CoveragePath:
    """The curves of several seeds together: each keeps its last value until its next point, and after its end.

    Arguments:
        curves: of the seeds, none of them empty.
        figure: of a point.
    """
    first = max(curve[0].evaluations for curve in curves)
    last = max(curve[-1].evaluations for curve in curves)
    single = all(len(curve) == 1 for curve in curves)
    spent = np.array([float(last)]) if single else np.geomspace(max(first, 1), max(last, first, 1), PLACES)
    # A rounded end would miss the last point.
    spent[-1] = last
    values = np.stack([_held(curve, figure, spent) for curve in curves])
    return CoveragePath(spent, values.mean(0), values.min(0), values.max(0))


def _held(
    curve: Sequence[CoveragePoint], figure: Callable[[CoveragePoint], float], spent: np.ndarray
) -> Float[np.ndarray, " places"]:
    places = np.searchsorted([point.evaluations for point in curve], spent, side="right") - 1
    return np.array([float(figure(point)) for point in curve])[np.maximum(places, 0)]
