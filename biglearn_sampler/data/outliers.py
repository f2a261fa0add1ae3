"""Columns whose spread is made by a few values, beside which clusters of all the others are narrow."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from biglearn_sampler.data.points import SHOWN, Points

LOOKED_AT = 2**14
"""Points that say how the bulk of a column is spread, at most."""

NORMAL = 1.15
"""Upper quartile of the distances from the median, in standard deviations of a normal law."""

FAR = 15.0
"""Times the spread of its bulk from which on a column's standard deviation is told: the usual floor is then half as
wide as the bulk. Exponential and lognormal laws, Student's with three degrees of freedom, and counts stay below 6."""


def spread_by_few(points: Points, deviations: Float[np.ndarray, " dim"]) -> str | None:
    """A sentence on the columns whose standard deviation is far above what most of their values explain, if there are.

    Floors and priors are shares of it, and nothing that is narrower is found. Most of the values are told by the upper
    quartile of their distances from the median, without those that are the median itself: most counts may be zero.

    Arguments:
        points: the data.
        deviations: the standard deviation of every column, in the coordinates of training.
    """
    sample = points.some(np.random.default_rng(0), LOOKED_AT).counted()
    # In units of a huge value all the others would be the same number.
    rows = np.asarray(sample.rows, float)
    weights = np.ones(len(rows)) if sample.weights is None else sample.weights
    medians, bulks = np.array(
        [_bulk(column[seen], weights[seen]) for column, seen in zip(rows.T, ~np.isnan(rows.T), strict=True)]
    ).T
    ratios = np.divide(deviations * points.scale, bulks, out=np.zeros(points.dim), where=bulks > 0)
    told = np.flatnonzero(ratios > FAR)
    if not len(told):
        return None
    worst = int(ratios.argmax())
    others = [str(column) for column in told if column != worst]
    more = f", and likewise in {', '.join(others[:SHOWN])}{', ...' * (len(others) > SHOWN)}" if others else ""
    value = f"{_farthest(points, worst, medians[worst]):g}"
    return (
        f"column {worst} has values as far off as {value}, which make its standard deviation {ratios[worst]:,.0f} "
        f"times that of most of its values{more}: floor and prior are shares of it, and clusters that are narrower are "
        f"not found. If {value} stands for a missing value, leave its cell empty (NaN) and say missing=True "
        "(--missing); otherwise leave such points out, or give fit_data a lower floor and a prior of 0"
    )


def _bulk(values: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """The median, and the standard deviation of a normal law whose values are as far from it as most of these."""
    if not len(values):
        return 0.0, 0.0
    median = _quantile(values, weights, 0.5)
    distances = np.abs(values - median)
    apart = distances > 0.0
    return median, _quantile(distances[apart], weights[apart], 0.75) / NORMAL if apart.any() else 0.0


def _quantile(values: np.ndarray, weights: np.ndarray, level: float) -> float:
    order = np.argsort(values)
    up_to = np.cumsum(weights[order])
    return float(values[order[np.searchsorted(up_to, level * up_to[-1])]])


def _farthest(points: Points, column: int, median: float) -> float:
    """The value of a column that lies farthest from its median."""
    far, centre, scale = median, points.centre[column], points.scale[column]
    for rows, weights in points.blocks():
        values = centre + scale * rows[:, column]
        counted = ~np.isnan(values) if weights is None else ~np.isnan(values) & (weights > 0)
        values = np.where(counted, values, median)
        far = max(far, float(values[np.abs(values - median).argmax()]), key=lambda value: abs(value - median))
    return far
