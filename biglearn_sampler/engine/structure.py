"""Whether an energy is a sum over groups of coordinates, asked of the energy itself.

Where it is, the target is a product of independent laws, and a product of small mixtures covers exponentially many
modes. Two tests on points that the exploration found: which partial derivatives change when one coordinate is
exchanged, and whether log densities add up when points exchange whole groups of coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from biglearn_sampler.energy import AbstractTarget, Evaluations
from biglearn_sampler.engine.population import Population
from biglearn_sampler.engine.stepper import Stepper

PAIRS = 6
"""Pairs of points between which single coordinates are exchanged."""

EXCHANGES = 24
"""Pairs of points that exchange whole groups."""

RESOLUTION = 1e-3
"""A derivative that changes by less than this share of its size does not change, in 32 bits."""

TOLERANCE = 0.05
"""Log densities that add up to within this, and rounding, are sums."""

ROUNDING = 1e-6
"""Of a log density in 32 bits, relative to its size."""

MOST_ROUNDING = 0.5
"""Of four log densities together, above which it cannot be told whether they add up."""

Blocks = tuple[tuple[int, ...], ...]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class BlockTarget(AbstractTarget):
    """A target along some of its coordinates, the others held: `f_b(y) = log q(x with x_b = y)`.

    Blocks of one size share compiled code, since coordinates and point are arrays.

    Arguments:
        original: the whole target, in whitened coordinates.
        coordinates: which ones vary.
        held: the point that gives the others.
        size: number of coordinates that vary.
    """

    original: AbstractTarget
    coordinates: Array
    held: Float[Array, " dim"]
    size: int = field(metadata={"static": True})

    @property
    def dim(self) -> int:
        return self.size

    @property
    def price_of_gradient(self) -> Evaluations:
        return self.original.price_of_gradient

    def log_density(self, point: Float[Array, " size"]) -> Float[Array, ""]:
        return self.original.log_density(self.held.at[self.coordinates].set(point))


def price_of_blocks(dim: int, gradient: int = 1) -> int:
    """What `find_blocks` asks at most, where a gradient costs so many evaluations."""
    return PAIRS * (dim + 1) * gradient + 4 * EXCHANGES


def find_blocks(population: Population, stepper: Stepper, generator: np.random.Generator) -> Blocks | None:
    """The groups of coordinates over which the energy is a sum, or `None` if it is not.

    Arguments:
        population: components that were found; their points are exchanged.
        stepper: asks the energy.
        generator: of the points.
    """
    dim = population.dim
    if dim < 2:
        return None
    first, second = (_draws(population, generator, PAIRS) for _ in range(2))
    blocks = _groups(_interactions(first, second, stepper))
    if len(blocks) < 2:
        return None
    return blocks if _adds_up(blocks, population, stepper, generator) else None


def _interactions(
    first: Float[np.ndarray, "pairs dim"], second: Float[np.ndarray, "pairs dim"], stepper: Stepper
) -> Bool[np.ndarray, "dim dim"]:
    """Entry (i, j): whether the derivative along i changes when coordinate j is exchanged."""
    pairs, dim = first.shape
    exchanged = np.broadcast_to(first[:, None], (pairs, dim, dim)).copy()
    exchanged[:, np.arange(dim), np.arange(dim)] = second
    scores = stepper.scores(np.concatenate([first[:, None], exchanged], 1).reshape(-1, dim), "structure")
    scores = scores.reshape(pairs, dim + 1, dim)
    change = np.abs(scores[:, 1:] - scores[:, :1]).swapaxes(1, 2)
    size = np.abs(scores).max(1)[:, :, None] + np.abs(scores).mean()
    found = (change > RESOLUTION * size).any(0)
    return found | found.T


def _groups(linked: Bool[np.ndarray, "dim dim"]) -> Blocks:
    """Connected coordinates."""
    left, blocks = set(range(len(linked))), []
    while left:
        block, border = set(), {min(left)}
        while border:
            block |= border
            border = {int(j) for i in border for j in np.flatnonzero(linked[i])} - block
        blocks.append(tuple(sorted(block)))
        left -= block
    return tuple(blocks)


def _adds_up(blocks: Blocks, population: Population, stepper: Stepper, generator: np.random.Generator) -> bool:
    """Whether `log q(x) + log q(y)` stays the same when x and y exchange a random half of the blocks.

    A mixture with far modes passes the test of single coordinates, since one coordinate does not bring a point to
    another mode; here it fails.
    """
    first, second = (_draws(population, generator, EXCHANGES) for _ in range(2))
    takes = np.zeros((EXCHANGES, population.dim), bool)
    for block in blocks:
        takes[:, block] = generator.random((EXCHANGES, 1)) < 0.5
    points = [first, second, np.where(takes, second, first), np.where(takes, first, second)]
    values = stepper.log_density(np.concatenate(points), "structure").reshape(4, EXCHANGES)
    if not np.isfinite(values).all():
        return False
    excess = np.abs(values[0] + values[1] - values[2] - values[3])
    rounding = ROUNDING * np.abs(values).sum(0)
    return bool((rounding < MOST_ROUNDING).all() and (excess < TOLERANCE + rounding).all())


def _draws(population: Population, generator: np.random.Generator, count: int) -> Float[np.ndarray, "count dim"]:
    """Points of components drawn without regard to weight: rare modes interact too."""
    chosen = generator.integers(population.count, size=count)
    return population.around(chosen, generator.standard_normal((count, population.dim)))


def block_target(target: AbstractTarget, block: tuple[int, ...], held: Float[np.ndarray, " dim"]) -> BlockTarget:
    """The target along one block, the other coordinates held at a point."""
    return BlockTarget(target, jnp.asarray(block, jnp.int32), jnp.asarray(held, float), len(block))
