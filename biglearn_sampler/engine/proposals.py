"""Where a searcher may go next: every cooperative task is also a way to propose a point.

A task matches some view of the target, given another one or without regard to it. Turned into a proposal, what a
conditional task conditions on and what a marginal task matches are taken from a mode that is known, and the other
coordinates are drawn anew over the region: so conditional tasks look along lines through known modes, marginal tasks
across them, transformed tasks along random directions, noised tasks around them at all scales. The joint task draws
everything anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from biglearn_sampler.compilation import jit_quickly
from biglearn_sampler.engine.archive import Archive
from biglearn_sampler.engine.population import Population
from biglearn_sampler.engine.region import Region, Span
from biglearn_sampler.tasks import AbstractTransformation, OrthogonalMap, Task

DECLARED, FOUND, NEAR = "declared", "found", "near"
"""The joint task over the declared region, over the one that was found, and over widened known modes."""

SEEN = "seen"
"""Points that surprised a searcher on its way: a narrow mode is passed more often than it catches anybody."""

SPREAD, FARTHEST = 1.5, 30.0
"""Standard deviation of what is drawn anew, in widths of the region, and how many times as far half of a sweep goes.

A restart takes what surprises most, which is the farthest of all where the tails are heavy; a sweep tells flanks apart.
"""

MAPS = 8
"""Random maps of a task in a round; each serves several proposals."""

DECLARED_SCALES = (1.0, 2.0)
WIDTHS = (0.1, 1.0)
"""Of fresh searchers, as shares of their largest: a wide one sees modes that reach far, a narrow one the nearest."""

SEEN_WIDTHS = (0.01, 0.3)
"""Of searchers that begin at points that were seen, likewise: where others went by, a mode is narrow."""

BOX_SCALES = (0.7, 1.5)
"""Half the sides of boxes, in widths of the region."""

FOUND_SCALES, NEAR_SCALES = (0.5, 4.0), (1.5, 8.0)
"""Joint draws over the declared region take one of two scales, the others a log-uniform scale between two."""

SWEPT = 7
"""Laws of a sweep, each for an equal share of its points."""

FRESH = -1
"""Stands for no parent."""


class Proposals(NamedTuple):
    """Points where a searcher may begin.

    Arguments:
        points: in whitened coordinates.
        parents: number of the known mode whose shape a searcher that begins there inherits; `FRESH` for none.
        widths: standard deviations of a searcher without a parent.
        kind: number of the kind of each point.
    """

    points: Float[np.ndarray, "count dim"]
    parents: Int[np.ndarray, " count"]
    widths: Float[np.ndarray, "count dim"]
    kind: Int[np.ndarray, " count"]

    @classmethod
    def joined(cls, parts: Sequence[Proposals], dim: int) -> Proposals:
        """All of them, each part a kind of its own."""
        if not parts:
            nothing = np.zeros((0, dim))
            return cls(nothing, np.zeros(0, int), nothing, np.zeros(0, int))
        points, parents, widths = (np.concatenate([part[field] for part in parts]) for field in range(3))
        return cls(points, parents, widths, np.repeat(np.arange(len(parts)), [len(part.points) for part in parts]))

    def with_kind(
        self, points: Float[np.ndarray, "more dim"], widths: Float[np.ndarray, "more dim"], kind: int
    ) -> Proposals:
        """More proposals, of another kind and without parents."""
        parents, kinds = np.full(len(points), FRESH), np.full(len(points), kind)
        more = Proposals(points, parents, widths, kinds)
        return Proposals(*(np.concatenate(pair) for pair in zip(self, more, strict=True)))

    def factor(self, chosen: int, archive: Archive) -> Float[np.ndarray, "dim dim"]:
        """The factor of a searcher that begins at a point."""
        parent = self.parents[chosen]
        return np.diag(self.widths[chosen]) if parent == FRESH else archive.factors[parent]


def kinds_of_proposals(dim: int, tasks: Sequence[Task]) -> tuple[str, ...]:
    """Names of all kinds in so many dimensions: the joint ones, those of tasks that say anything there, and `SEEN`."""
    return (DECLARED, FOUND, NEAR, *(task.name for task in _serving(tasks, dim)), SEEN)


def _serving(tasks: Sequence[Task], dim: int) -> list[Task]:
    """In one dimension only noise makes another task of a view."""
    return [task for task in tasks if dim > 1 or task.transformation.noisy]


class Proposer:
    """Draws proposals of every kind.

    Arguments:
        dim: number of coordinates.
        tasks: beside the joint one; their transformations are used as they are.
        width: of a fresh searcher at most, in widths of the region.
        each: proposals of every kind in a round.
    """

    def __init__(self, dim: int, tasks: Sequence[Task], width: float, each: int) -> None:
        self.tasks = _serving(tasks, dim)
        self.kinds = kinds_of_proposals(dim, tasks)
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
            parts.append(self._found(archive, region, generator))
            parts.append(self._near(archive, _scales(NEAR_SCALES, self._each, generator), generator))
            parts += [self._of_task(task, archive, region, generator, progress) for task in self.tasks]
        return Proposals.joined(parts, self._dim)

    def of_tasks(self, archive: Archive, region: Region, generator: np.random.Generator, progress: float) -> Proposals:
        """Proposals of the tasks alone."""
        return Proposals.joined(
            [self._of_task(task, archive, region, generator, progress) for task in self.tasks], self._dim
        )

    def seen(
        self,
        proposals: Proposals,
        points: Float[np.ndarray, "seen dim"],
        widest: Float[np.ndarray, " seen"],
        region: Region,
        generator: np.random.Generator,
    ) -> Proposals:
        """The proposals, and points that surprised, where searchers are no wider than so many widths of the region."""
        widths = np.minimum(self._width * _scales(SEEN_WIDTHS, len(points), generator), widest)
        return proposals.with_kind(points, widths[:, None] * region.width, self.kinds.index(SEEN))

    def sweep(
        self, population: Population, count: int, generator: np.random.Generator
    ) -> Float[np.ndarray, "count dim"]:
        """Points all over the declared region and around what was found, normal and uniform, at several scales.

        A seventh are points of what was found with one coordinate drawn anew: in many dimensions hardly any other point
        comes near a mode that lies aside of a wider one.
        """
        declared, region, span = Region.declared(self._dim), Region.found(population), Span.found(population)
        each = count // SWEPT
        parts = [
            declared.draws(generator, np.resize(DECLARED_SCALES, each)),
            declared.uniform_draws(generator, _scales(BOX_SCALES, each, generator)),
            region.draws(generator, _scales(FOUND_SCALES, each, generator)),
            region.uniform_draws(generator, _scales(BOX_SCALES, each, generator)),
            span.draws(generator, _scales(FOUND_SCALES, each, generator)),
            span.stretched_draws(generator, each),
            _with_one_anew(population, (declared, region), each, generator),
        ]
        return np.concatenate(parts)

    def _joint(self, region: Region, scales: Float[np.ndarray, " each"], generator: np.random.Generator) -> Proposals:
        return self._fresh(region.draws(generator, scales), region, generator)

    def _found(self, archive: Archive, region: Region, generator: np.random.Generator) -> Proposals:
        """Joint draws around what was found: in its box, and along its principal axes."""
        span, third = Span.found(archive.population()), self._each // 3
        parts = [
            region.draws(generator, _scales(FOUND_SCALES, self._each - 2 * third, generator)),
            span.draws(generator, _scales(FOUND_SCALES, third, generator)),
            span.stretched_draws(generator, third),
        ]
        return self._fresh(np.concatenate(parts), region, generator)

    def _fresh(
        self, points: Float[np.ndarray, "each dim"], region: Region, generator: np.random.Generator
    ) -> Proposals:
        """Points for searchers without a parent."""
        widths = self._width * _scales(WIDTHS, self._each, generator)
        return self._part(points, widths=widths[:, None] * region.width)

    def _near(self, archive: Archive, scales: Float[np.ndarray, " each"], generator: np.random.Generator) -> Proposals:
        parents = generator.integers(archive.count, size=self._each)
        noise = scales[:, None] * generator.standard_normal((self._each, self._dim))
        return self._part(_around(archive, parents, noise), parents)

    def _of_task(
        self, task: Task, archive: Archive, region: Region, generator: np.random.Generator, progress: float
    ) -> Proposals:
        """Points of known modes, with what the task draws anew; maps and noise act in units of the region."""
        matrices, noises = self._maps(task, generator, progress)
        parents = generator.integers(archive.count, size=self._each)
        noise = generator.standard_normal((3, self._each, self._dim))
        views = np.einsum("nij,nj->ni", matrices, (_around(archive, parents, noise[0]) - region.centre) / region.width)
        if task.shape == "conditional":
            views[:, task.given_rows(self._dim) :] = SPREAD * noise[1, :, task.given_rows(self._dim) :]
        elif task.shape == "marginal":
            views[:, task.rows(self._dim) :] = SPREAD * noise[1, :, task.rows(self._dim) :]
        views = views + noises[:, None] * noise[2]
        return self._part(region.centre + region.width * np.einsum("nji,nj->ni", matrices, views), parents)

    def _part(
        self,
        points: Float[np.ndarray, "each dim"],
        parents: Int[np.ndarray, " each"] | None = None,
        widths: Float[np.ndarray, "each dim"] | None = None,
    ) -> Proposals:
        """Proposals of one kind, with parents or with widths."""
        parents = np.full(len(points), FRESH) if parents is None else parents
        return Proposals(points, parents, np.zeros_like(points) if widths is None else widths, np.zeros_like(parents))

    def _maps(
        self, task: Task, generator: np.random.Generator, progress: float
    ) -> tuple[Float[np.ndarray, "each dim dim"], Float[np.ndarray, " each"]]:
        """A few maps of the task, each for a share of the proposals."""
        key = jax.random.key(generator.integers(2**32))
        drawn = _draw_maps(key, jnp.asarray(progress, float), task.transformation, self._dim)
        which = np.arange(self._each) % MAPS
        return np.asarray(drawn.matrix, float)[which], np.asarray(drawn.noise, float)[which]


def _with_one_anew(
    population: Population, regions: Sequence[Region], count: int, generator: np.random.Generator
) -> Float[np.ndarray, "count dim"]:
    """Points at all distances from the middle of components, one coordinate of each drawn anew over a region, by turns.

    What is aside of a component and narrower than it lies beside its middle more often than beside its draws. Half of
    the components are drawn by their weights: a wide one may be alone among many that share a narrow mode.
    """
    dim, weights = population.dim, np.exp(population.log_weights)
    noise = generator.uniform(size=(count, 1)) * generator.standard_normal((count, dim))
    probabilities = 0.5 / population.count + 0.5 * weights / weights.sum()
    points = population.around(generator.choice(population.count, count, p=probabilities), noise)
    chosen = generator.integers(dim, size=count)
    for turn, region in enumerate(regions):
        mine = np.arange(turn, count, len(regions))
        noise = _spreads(len(mine), generator) * generator.standard_normal((len(mine), 1))
        anew = region.centre + region.width * noise
        points[mine, chosen[mine]] = anew[np.arange(len(mine)), chosen[mine]]
    return points


@partial(jit_quickly, static_argnums=(2, 3))
def _draw_maps(
    key: Key[Array, ""], progress: Float[Array, ""], transformation: AbstractTransformation, dim: int
) -> OrthogonalMap:
    # One after another: factorisations of many matrices at once can wait for each other, see `mixture.triangular`.
    return jax.lax.map(lambda one: transformation.draw(one, progress, dim), jax.random.split(key, MAPS))


def _around(
    archive: Archive, parents: Int[np.ndarray, " count"], noise: Float[np.ndarray, "count dim"]
) -> Float[np.ndarray, "count dim"]:
    """A point of the mode of every parent."""
    points = np.empty_like(noise)
    for parent in np.unique(parents):
        mine = parents == parent
        points[mine] = archive.means[parent] + noise[mine] @ archive.factors[parent].T
    return points


def _spreads(count: int, generator: np.random.Generator) -> Float[np.ndarray, "count 1"]:
    """Standard deviations of what is drawn anew: half go farther, log-uniformly, so that too small a region is left."""
    farther = np.where(generator.random(count) < 0.5, _scales((1.0, FARTHEST), count, generator), 1.0)
    return SPREAD * farther[:, None]


def _scales(bounds: tuple[float, float], count: int, generator: np.random.Generator) -> Float[np.ndarray, " count"]:
    low, high = np.log(bounds)
    return np.exp(generator.uniform(low, high, count))
