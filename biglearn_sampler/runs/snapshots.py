"""Which times of a training are kept, so that figures can show how it went."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from biglearn_sampler.mixture import GaussianMixture
from biglearn_sampler.runs.run import Snapshot

MOST_SNAPSHOTS = 40
MOST_NUMBERS = 4_000_000
"""Numbers in all snapshots together; large mixtures are kept less often, at least at the beginning and the end."""


@dataclass(frozen=True, eq=False)
class Taken:
    """What was kept so far.

    Arguments:
        kept: in the order of time.
        chunks_seen: number of chunks that were looked at.
        every: one of so many chunks is kept, where their number is not known before.
    """

    kept: tuple[Snapshot, ...]
    chunks_seen: int = 0
    every: int = 1


class SnapshotTaker:
    """Keeps the mixture at geometrically spaced chunks, since much happens early; where the number of chunks is not
    known, at evenly spaced ones.

    Arguments:
        chunks: number of chunks of the training, if it is known.
        first: the mixture before the training, in the target's own units.
    """

    def __init__(self, chunks: int | None, first: GaussianMixture) -> None:
        self._wanted = None if chunks is None else _geometric(chunks, _most(first))
        self.taken = Taken((Snapshot(0, first),))

    def see(self, step: int, mixture: GaussianMixture) -> None:
        """Look at the mixture after a chunk."""
        taken = self.taken
        kept, seen, every = taken.kept, taken.chunks_seen + 1, taken.every
        wanted = seen % every == 0 if self._wanted is None else seen in self._wanted
        if wanted:
            kept = (*kept, Snapshot(step, mixture))
            if self._wanted is None and len(kept) > _most(mixture):
                kept, every = (kept[0], *kept[2::2]), 2 * every
        self.taken = Taken(kept, seen, every)

    def snapshots(self, last: Snapshot | None) -> list[Snapshot]:
        """What was kept, with the end of the training, also of one that was interrupted."""
        if last is None:
            return list(self.taken.kept)
        return [*[kept for kept in self.taken.kept if kept.step < last.step], last]


def _most(mixture: GaussianMixture) -> int:
    return int(np.clip(MOST_NUMBERS // (mixture.factors.size + mixture.means.size), 2, MOST_SNAPSHOTS))


def _geometric(chunks: int, most: int) -> set[int]:
    return set(np.unique(np.geomspace(1, chunks, most).round().astype(int)).tolist()) | {chunks}
