"""Where a searcher may go next: every cooperative task is also a way to propose a point.

A task matches some view of the target given another one. Turned into a proposal, the part that it conditions on is
taken from a mode that is known, and the part that it matches is drawn anew over the region: so conditional tasks look
along lines through known modes, marginal tasks across them, transformed tasks along random directions, noised tasks
around them at all scales. The joint task draws everything anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from biglearn_sampler.engine.archive import Archive
from biglearn_sampler.engine.region import Region
from biglearn_sampler.tasks import Task

DECLARED, FOUND, NEAR = "declared", "found", "near"
"""The joint task over the declared region, over the one that was found, and over widened known modes."""

SPREAD = 1.5
"""Standard deviation of what is drawn anew, in widths of the region."""

MAPS = 8
"""Random maps of a task in a round; each serves several proposals."""

DECLARED_SCALES = (1.0, 2.0)
FOUND_SCALES, NEAR_SCALES = (0.5, 4.0), (1.5, 8.0)
"""Joint draws over the declared region take one of two scales, the others a log-uniform scale between two."""


class Proposals(NamedTuple):
    """Points where a searcher may begin.

    Arguments:
        points: in whitened coordinates.
        factors: of a searcher that begins there.
        kind: number of the kind of each point.
    """

    points: Float[np.ndarray, "count dim"]
    factors: Float[np.ndarray, "count dim dim"]
    kind: Int[np.ndarray, " count"]


class Proposer:
    """Draws proposals of every kind.

    Arguments:
        dim: number of coordinates.
        tasks: beside the joint one; their transformations are used as they are.
        width: of a fresh searcher, in widths of the region.
        each: proposals of every kind in a round.
    """

    def __init__(self, dim: int, tasks: Sequence[Task], width: float, each: int) -> None:
        self.tasks = [task for task in tasks if dim > 1 or task.transformation.noisy]
        self.kinds = (DECLARED, FOUND, NEAR, *(task.name for task in self.tasks))
        self._dim, self._width, self._each = dim, width, each

    def draw(self, archive: Archive, region: Region, generator: np.random.Generator, progress: float) -> Proposals:
        """Proposals of all kinds, `each` of every kind; only joint ones as declared while nothing is known.

        Arguments:
            archive: what was found.
            region: around it.
            generator: of everything.
            progress: of the exploration, from 0 to 1, for noise ladders.
        """
        declared = Region.declared(self._dim)
        parts = [self._joint(declared, np.resize(DECLARED_SCALES, self._each), generator)]
        if archive.count:
            parts.append(self._joint(region, _scales(FOUND_SCALES, self._each, generator), generator))
            parts.append(self._near(archive, _scales(NEAR_SCALES, self._each, generator), generator))
            parts += [self._of_task(task, archive, region, generator, progress) for task in self.tasks]
        points, factors = (np.concatenate([part[i] for part in parts]) for i in range(2))
        return Proposals(points, factors, np.repeat(np.arange(len(parts)), self._each))

    def of_tasks(self, archive: Archive, region: Region, generator: np.random.Generator, progress: float) -> Proposals:
        """Proposals of the tasks alone."""
        parts = [self._of_task(task, archive, region, generator, progress) for task in self.tasks]
        if not parts:
            return Proposals(archive.means[:0], archive.factors[:0], np.zeros(0, int))
        points, factors = (np.concatenate([part[i] for part in parts]) for i in range(2))
        return Proposals(points, factors, np.repeat(np.arange(len(parts)), self._each))

    def _joint(
        self, region: Region, scales: Float[np.ndarray, " each"], generator: np.random.Generator
    ) -> tuple[Float[np.ndarray, "each dim"], Float[np.ndarray, "each dim dim"]]:
        factor = self._width * np.diag(region.width)
        return region.draws(generator, scales), np.broadcast_to(factor, (self._each, self._dim, self._dim))

    def _near(
        self, archive: Archive, scales: Float[np.ndarray, " each"], generator: np.random.Generator
    ) -> tuple[Float[np.ndarray, "each dim"], Float[np.ndarray, "each dim dim"]]:
        parents = generator.integers(archive.count, size=self._each)
        noise = scales[:, None] * generator.standard_normal((self._each, self._dim))
        factors = archive.factors[parents]
        return archive.means[parents] + np.einsum("nij,nj->ni", factors, noise), factors

    def _of_task(
        self, task: Task, archive: Archive, region: Region, generator: np.random.Generator, progress: float
    ) -> tuple[Float[np.ndarray, "each dim"], Float[np.ndarray, "each dim dim"]]:
        """Points of known modes, with what the task matches drawn anew; maps and noise act in units of the region."""
        matrices, noises = self._maps(task, generator, progress)
        parents = generator.integers(archive.count, size=self._each)
        noise = generator.standard_normal((3, self._each, self._dim))
        points = archive.means[parents] + np.einsum("nij,nj->ni", archive.factors[parents], noise[0])
        views = np.einsum("nij,nj->ni", matrices, (points - region.centre) / region.width)
        if task.shape == "conditional":
            views[:, task.given_rows(self._dim) :] = SPREAD * noise[1, :, task.given_rows(self._dim) :]
        elif task.shape == "marginal":
            views[:, task.rows(self._dim) :] = SPREAD * noise[1, :, task.rows(self._dim) :]
        views = views + noises[:, None] * noise[2]
        points = region.centre + region.width * np.einsum("nji,nj->ni", matrices, views)
        return points, archive.factors[parents]

    def _maps(
        self, task: Task, generator: np.random.Generator, progress: float
    ) -> tuple[Float[np.ndarray, "each dim dim"], Float[np.ndarray, " each"]]:
        """A few maps of the task, each for a share of the proposals."""
        keys = jax.random.split(jax.random.key(generator.integers(2**32)), MAPS)
        drawn = [task.transformation.draw(key, jnp.asarray(progress, float), self._dim) for key in keys]
        matrices = np.stack([np.asarray(one.matrix, float) for one in drawn])
        noises = np.array([float(one.noise) for one in drawn])
        which = np.arange(self._each) % MAPS
        return matrices[which], noises[which]


def _scales(bounds: tuple[float, float], count: int, generator: np.random.Generator) -> Float[np.ndarray, " count"]:
    low, high = np.log(bounds)
    return np.exp(generator.uniform(low, high, count))
