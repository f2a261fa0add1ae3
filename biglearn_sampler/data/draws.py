"""Draws from the points that hang on neither their order nor their copies: a weight is so many copies of a row."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from biglearn_sampler.data.points import Points


def spots(points: Points, generator: np.random.Generator, count: int) -> Float[np.ndarray, "spots dim"]:
    """Where rows lie that are drawn with probabilities as their weights, in the coordinates of training.

    They are drawn by how far they lie along a random line, which copies of a row share. Missing values are the mean.

    Arguments:
        points: the data, which are read block by block.
        generator: chooses the line, and places on it.
        count: how many rows are drawn; of those that coincide one is given.
    """
    line, absent = generator.standard_normal((2, points.dim))
    along = np.concatenate([np.where(np.isnan(rows), absent, rows) @ line for rows, _ in points.blocks()])
    order = np.argsort(along)
    up_to = np.cumsum(np.ones(points.count) if points.weights is None else points.weights[order])
    drawn = order[np.searchsorted(up_to, generator.random(count) * up_to[-1])]
    return np.unique(np.nan_to_num(points.standardized(points.rows[np.sort(drawn)])), axis=0)


def folds(points: Points, generator: np.random.Generator, count: int) -> Int[np.ndarray, " rows"]:
    """The part that each row belongs to: parts of about as many different rows, and all copies of a row in one part.

    A copy among the others would give away the one that is held out.

    Arguments:
        points: no more than fit into memory, all of which count.
        generator: decides row by row, in the order of their values.
        count: how many parts; there are fewer where there are fewer different rows.
    """
    rows = np.asarray(points.rows, float)
    absent = np.isnan(rows)
    # NaN is not like NaN: what is absent is told beside the rest.
    told = np.concatenate([np.where(absent, 0.0, rows), absent], 1) if points.missing else rows
    kinds, kind_of = np.unique(told, axis=0, return_inverse=True)
    return (generator.permutation(len(kinds)) % count)[kind_of.reshape(-1)]
