"""Points that the target was asked at, each with the density of what drew it."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float

CAPACITY = 1_000_000
"""Points whose places are kept; beyond, every second one is dropped."""

CANDIDATES = 100_000
"""Points among which the place of a new component is chosen."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Points, and what is known of them.

    Arguments:
        points: where the target was asked.
        log_target: `log p~` there, finite.
        gradients: `grad log p~` there.
        log_proposal: log density of the mixture of Gaussians from which the points of one iteration were drawn.
    """

    points: Float[np.ndarray, "count dim"]
    log_target: Float[np.ndarray, " count"]
    gradients: Float[np.ndarray, "count dim"]
    log_proposal: Float[np.ndarray, " count"]

    @property
    def count(self) -> int:
        """Number of points."""
        return len(self.points)

    def at(self, chosen: slice | np.ndarray) -> Samples:
        """Some of them."""
        return Samples(*(getattr(self, field.name)[chosen] for field in fields(self)))


def joined(batches: list[Samples]) -> Samples:
    """All points of at least one batch."""
    parts = ([getattr(batch, field.name) for batch in batches] for field in fields(Samples))
    return Samples(*(np.concatenate(part) for part in parts))


@dataclass(frozen=True, eq=False)
class Database:
    """What is known of the target.

    Arguments:
        recent: batches of the last iterations, oldest first, that are enough for reuse.
        points: of all iterations, in single precision to save memory.
        log_target: `log p~` there.
    """

    recent: tuple[Samples, ...] = ()
    points: tuple[Float[np.ndarray, "_ dim"], ...] = ()
    log_target: tuple[Float[np.ndarray, " _"], ...] = ()

    def joined_by(self, samples: Samples, reusable: int) -> Database:
        """With the points of one more iteration.

        Arguments:
            samples: the points.
            reusable: how many of the last points are wanted again; others keep their places and log densities only.
        """
        points = (*self.points, samples.points.astype(np.float32))
        log_target = (*self.log_target, samples.log_target)
        if sum(map(len, log_target)) > CAPACITY:
            points, log_target = tuple(each[::2] for each in points), tuple(each[::2] for each in log_target)
        recent = (*self.recent, samples)
        while sum(batch.count for batch in recent[1:]) >= reusable and recent:
            recent = recent[1:]
        return Database(recent, points, log_target)

    def newest(self, count: int) -> list[Samples]:
        """As many of the last points as there are, `count` at most."""
        found: list[Samples] = []
        for batch in reversed(self.recent):
            if count <= 0:
                break
            found.append(batch.at(slice(max(batch.count - count, 0), None)))
            count -= batch.count
        return found[::-1]

    def candidates(
        self, random: np.random.Generator
    ) -> tuple[Float[np.ndarray, "count dim"], Float[np.ndarray, " count"]]:
        """Some points of all iterations with their `log p~`."""
        log_target = np.concatenate(self.log_target)
        chosen = random.permutation(len(log_target))[:CANDIDATES]
        return np.concatenate(self.points)[chosen].astype(float), log_target[chosen]
