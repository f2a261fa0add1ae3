"""Fitting a product of mixtures, one group of coordinates at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import numpy as np
from jaxtyping import Array, Key

from biglearn_sampler.devices import Devices
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.engine.account import Account
from biglearn_sampler.engine.archive import Archive
from biglearn_sampler.engine.moves import Move, in_short
from biglearn_sampler.engine.population import Population
from biglearn_sampler.engine.proposals import Proposer
from biglearn_sampler.engine.refine import Refiner
from biglearn_sampler.engine.region import Region, refining_region
from biglearn_sampler.engine.rules import Rules
from biglearn_sampler.engine.search import Search
from biglearn_sampler.engine.settle import Settler, merged_twins
from biglearn_sampler.engine.stepper import Stepper, log_density_of
from biglearn_sampler.engine.structure import Blocks, block_target
from biglearn_sampler.engine.zero_density import bounded
from biglearn_sampler.mixture import GaussianMixture
from biglearn_sampler.tasks import Task

COMPARED = 256
"""Draws of each of two samplers of a block, to tell which one is better."""


def block_steppers(target: AbstractTarget, rules: Rules, devices: Devices) -> Callable[[int], Stepper]:
    """Makes the stepper of a block by its size; in all processes alike."""

    def make(size: int) -> Stepper:
        first = block_target(target, tuple(range(size)), np.zeros(target.dim))
        return Stepper(first, rules, Account(), devices, f"block of {size}")

    shared = devices.team.shared("block", make)
    return lambda size: shared(size=size)


class FactorFitter:
    """Fits a sampler for every block, with the other coordinates held at the best mode.

    A block for which the budget is too small gets the marginal of what was found of the whole, where that fits better.

    Arguments:
        target: whole, in the coordinates of training.
        tasks, rules, account: as in the engine.
        stepper_of: see `block_steppers`.
        moves: where it writes down, in short, what happens to the components of every block.
    """

    def __init__(
        self,
        target: AbstractTarget,
        tasks: Sequence[Task],
        rules: Rules,
        account: Account,
        stepper_of: Callable[[int], Stepper],
        moves: list[Move],
    ) -> None:
        self._target, self._tasks, self._rules, self._account = target, tasks, rules, account
        self._stepper_of, self._moves = stepper_of, moves
        self._steppers: dict[int, Stepper] = {}

    def fit(self, blocks: Blocks, number: int, population: Population, key: Key[Array, ""]) -> GaussianMixture:
        """The sampler of one block.

        Arguments:
            blocks: groups of coordinates over which the energy is a sum.
            number: of the block.
            population: what was found; its spread says where each block begins to look.
            key: of all blocks.
        """
        block = blocks[number]
        alone = block_target(self._target, block, population.means[population.log_weights.argmax()])
        region = Region.found(population)
        part = Region(region.centre[list(block)], region.width[list(block)])
        stepper = self._stepper(alone)
        moves: list[Move] = []
        rules = self._rules.shared_among(len(blocks))
        fitted, generator = _fit(stepper, part, self._tasks, rules, jax.random.fold_in(key, number), moves)
        chosen = fitted
        if self._account.limited:
            chosen = _better(fitted, merged_twins(population.marginal(block)), stepper, generator)
        if chosen is not fitted:
            moves.append({"move": "replaced", "by": "marginal", "count": fitted.count})
        self._moves.extend(in_short(moves, block=number))
        return chosen.mixture()

    def _stepper(self, alone: AbstractTarget) -> Stepper:
        """Blocks of one size share compiled code."""
        if alone.dim not in self._steppers:
            self._steppers[alone.dim] = self._stepper_of(alone.dim).booking(self._account)
        return self._steppers[alone.dim].on(alone)


def _fit(
    stepper: Stepper, region: Region, tasks: Sequence[Task], rules: Rules, key: Key[Array, ""], moves: list[Move]
) -> tuple[Population, np.random.Generator]:
    key_host, key_search, key_settle, key_refine = jax.random.split(key, 4)
    generator = np.random.default_rng(np.asarray(jax.random.key_data(key_host), np.uint32))
    start = region.draws(generator, np.full(rules.searchers, 0.5))
    search = Search(
        stepper,
        rules,
        Population.at(start, rules.width),
        Archive(stepper.dim),
        Proposer(stepper.dim, tasks, rules.width, rules.proposals),
        generator,
        purpose="factors",
        moves=moves,
    )
    while search.goes_on:
        search.round(jax.random.fold_in(key_search, search.rounds))
    settler = Settler(stepper, rules, generator, _nobody, moves)
    fit = settler.settle(search.found(), key_settle)
    fit = settler.judged(fit, jax.random.fold_in(key_settle, 1))
    population = fit.population
    if not fit.good:
        moves.extend(fit.merges)
        region = refining_region(fit.merged, generator)
        refiner = Refiner(stepper, rules, search.proposer, region, generator, _nobody, moves)
        population = refiner.refine(fit.merged, key_refine).population
    return population, generator


def _better(fitted: Population, marginal: Population, stepper: Stepper, generator: np.random.Generator) -> Population:
    """The one with the higher ELBO; the marginal, where not even that can be asked."""
    if not stepper.account.allows(2 * COMPARED):
        return marginal
    elbos = []
    for population in (fitted.normalised(), marginal.normalised()):
        points = population.sample(generator, COMPARED)
        log_ratio = stepper.log_density(points, "factors") - log_density_of(population, points)
        elbos.append(bounded(log_ratio).mean())
    return fitted if elbos[0] > elbos[1] else marginal


def _nobody(*_: object) -> None:
    """Factors are told of when all are done."""
