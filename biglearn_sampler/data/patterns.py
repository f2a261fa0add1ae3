"""Which coordinates rows have: rows that have the same ones are looked at together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int


@dataclass(frozen=True)
class Group:
    """Rows that have equally many coordinates, sorted by their patterns: which ones they have.

    Arguments:
        rows: their numbers in the block.
        places: the coordinates that each pattern has.
        starts: where the rows of each pattern begin in `rows`, and where those of the last one end.
        kinds: the number of each pattern among all of the block.
    """

    rows: Int[np.ndarray, " rows"]
    places: Int[np.ndarray, "patterns observed"]
    starts: Int[np.ndarray, " patterns_and_one"]
    kinds: Int[np.ndarray, " patterns"]

    def spans(self) -> list[slice]:
        """The part of `rows` that belongs to each pattern."""
        ends = self.starts.tolist()
        return [slice(first, last) for first, last in zip(ends[:-1], ends[1:], strict=True)]

    def pattern_of_row(self) -> Int[np.ndarray, " rows"]:
        """The pattern of each row, counted in this group."""
        return np.repeat(np.arange(len(self.places)), np.diff(self.starts))

    def values(self, block: Float[np.ndarray, "count dim"]) -> Float[np.ndarray, "rows observed"]:
        """What the rows have."""
        return block[self.rows[:, None], self.places[self.pattern_of_row()]]

    def pieces(self, most: int) -> Iterator[tuple[Group, slice]]:
        """The same in parts of so many patterns at most, each with its part of `rows`."""
        for first in range(0, len(self.places), most):
            starts = self.starts[first : first + most + 1]
            span, few = slice(int(starts[0]), int(starts[-1])), slice(first, first + most)
            yield Group(self.rows[span], self.places[few], starts - starts[0], self.kinds[few]), span


def groups(block: Float[np.ndarray, "count dim"]) -> list[Group]:
    """The rows of a block by how many coordinates they have, which are those without NaN."""
    if not len(block):
        return []
    absent, kind_of, counts = np.unique(np.isnan(block), axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(kind_of.reshape(-1), kind="stable")
    ends, observed = np.cumsum(counts), (~absent).sum(1)
    made = []
    for many in np.unique(observed):
        kinds = np.flatnonzero(observed == many)
        rows = np.concatenate([order[ends[kind] - counts[kind] : ends[kind]] for kind in kinds])
        places = np.nonzero(~absent[kinds])[1].reshape(len(kinds), many)
        made.append(Group(rows, places, np.concatenate([[0], np.cumsum(counts[kinds])]), kinds))
    return made
