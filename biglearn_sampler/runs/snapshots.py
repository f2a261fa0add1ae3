"""Which times of a training are kept, so that figures can show how it went."""

from __future__ import annotations

import numpy as np

from biglearn_sampler.mixture import GaussianMixture
from biglearn_sampler.runs.run import Snapshot

MOST_SNAPSHOTS = 40
MOST_NUMBERS = 4_000_000
"""Numbers in all snapshots together; large mixtures are kept less often, at least at the beginning and the end."""


class SnapshotTaker:
    """Keeps the mixture at geometrically spaced chunks: much happens early.

    Arguments:
        chunks: number of chunks of the training.
        first: the mixture before the training, in the target's own units.
    """

    def __init__(self, chunks: int, first: GaussianMixture) -> None:
        size = first.factors.size + first.means.size
        most = int(np.clip(MOST_NUMBERS // size, 2, MOST_SNAPSHOTS))
        self._wanted = set(np.unique(np.geomspace(1, chunks, most).round().astype(int)).tolist()) | {chunks}
        self._chunks_seen = 0
        self._kept = [Snapshot(0, first)]

    def see(self, step: int, mixture: GaussianMixture) -> None:
        """Look at the mixture after a chunk."""
        self._chunks_seen += 1
        if self._chunks_seen in self._wanted:
            self._kept.append(Snapshot(step, mixture))

    def snapshots(self, last: Snapshot) -> list[Snapshot]:
        """What was kept, with the end of the training, also of one that was interrupted."""
        return self._kept if self._kept[-1].step == last.step else [*self._kept, last]
