"""How well two labellings of the same points agree."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int
from numpy.typing import ArrayLike

from biglearn_sampler.errors import DataError


def normalized_mutual_information(truth: ArrayLike, labels: ArrayLike) -> float:
    """`2 I(A; B) / (H(A) + H(B))`, from 0 for independent labellings to 1 for equal partitions.

    Raises:
        DataError: there are more labels of one kind than of the other.
    """
    table = _counts(truth, labels) / np.size(truth)
    rows, columns = table.sum(1), table.sum(0)
    seen = table > 0
    information = (table[seen] * np.log(table[seen] / np.outer(rows, columns)[seen])).sum()
    entropies = -(rows * np.log(rows)).sum() - (columns * np.log(columns)).sum()
    return float(2.0 * information / entropies) if entropies > 0 else 1.0


def adjusted_rand_index(truth: ArrayLike, labels: ArrayLike) -> float:
    """The share of pairs on which two labellings agree, so adjusted that chance gives 0 and equality 1.

    Raises:
        DataError: there are more labels of one kind than of the other.

    Reference: Hubert and Arabie (1985), *Comparing partitions*.
    """
    table = _counts(truth, labels)
    both, first, second, every = map(_pairs, (table, table.sum(1), table.sum(0), table.sum(keepdims=True)))
    by_chance = first * second / every if every > 0 else 0.0
    most = 0.5 * (first + second)
    return float((both - by_chance) / (most - by_chance)) if most != by_chance else 1.0


def _counts(truth: ArrayLike, labels: ArrayLike) -> Int[np.ndarray, "kinds clusters"]:
    """How many points have each pair of labels."""
    first, second = np.asarray(truth).reshape(-1), np.asarray(labels).reshape(-1)
    if len(first) != len(second) or not len(first):
        raise DataError(f"expected one label for each of {len(second)} points, got {len(first)} labels")
    kinds, row = np.unique(first, return_inverse=True)
    clusters, column = np.unique(second, return_inverse=True)
    table = np.zeros((len(kinds), len(clusters)), int)
    np.add.at(table, (row, column), 1)
    return table


def _pairs(counts: np.ndarray) -> float:
    """How many pairs can be formed within groups of these sizes."""
    return float((counts * (counts - 1) / 2.0).sum())
