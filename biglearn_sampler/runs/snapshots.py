"""Which times of a training are kept, so that figures can show how it went."""

from __future__ import annotations

import numpy as np

from biglearn_sampler.mixture import GaussianMixture
from biglearn_sampler.runs.run import Snapshot

MOST_SNAPSHOTS = 40
MOST_NUMBERS = 4_000_000
"""Numbers in all snapshots together; large mixtures are kept less often, at least at the beginning and the end."""


class SnapshotTaker:
    """Keeps the mixture at geometrically spaced chunks, since much happens early; where the number of chunks is not
    known, at evenly spaced ones.

    Arguments:
        chunks: number of chunks of the training, if it is known.
        first: the mixture before the training, in the target's own units.
    """

    def __init__(self, chunks: int | None, first: GaussianMixture) -> None:
        self._wanted = None if chunks is None else _geometric(chunks, _most(first))
        self._chunks_seen = 0
        self._every = 1
        self._kept = [Snapshot(0, first)]

    def see(self, step: int, mixture: GaussianMixture) -> None:
        """Look at the mixture after a chunk."""
        self._chunks_seen += 1
        if self._wanted is not None:
            if self._chunks_seen in self._wanted:
                self._kept.append(Snapshot(step, mixture))
        elif self._chunks_seen % self._every == 0:
            self._kept.append(Snapshot(step, mixture))
            if len(self._kept) > _most(mixture):
                self._kept = [self._kept[0], *self._kept[2::2]]
                self._every *= 2

    def snapshots(self, last: Snapshot | None) -> list[Snapshot]:
        """What was kept, with the end of the training, also of one that was interrupted."""
        if last is None:
            return self._kept
        return [*[kept for kept in self._kept if kept.step < last.step], last]


def _most(mixture: GaussianMixture) -> int:
    return int(np.clip(MOST_NUMBERS // (mixture.factors.size + mixture.means.size), 2, MOST_SNAPSHOTS))


def _geometric(chunks: int, most: int) -> set[int]:
    return set(np.unique(np.geomspace(1, chunks, most).round().astype(int)).tolist()) | {chunks}
