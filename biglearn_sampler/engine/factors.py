"""Fitting a product of mixtures, one group of coordinates at a time."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.engine.account import Account
from biglearn_sampler.engine.archive import Archive
from biglearn_sampler.engine.population import Population
from biglearn_sampler.engine.proposals import Proposer
from biglearn_sampler.engine.refine import Refiner
from biglearn_sampler.engine.region import Region, refining_region
from biglearn_sampler.engine.rules import Rules
from biglearn_sampler.engine.search import Search
from biglearn_sampler.engine.settle import Settler
from biglearn_sampler.engine.stepper import Stepper
from biglearn_sampler.engine.structure import Blocks, block_target
from biglearn_sampler.mixture import FactoredMixture, GaussianMixture
from biglearn_sampler.tasks import Task


def fit_factors(
    target: AbstractTarget,
    blocks: Blocks,
    population: Population,
    tasks: Sequence[Task],
    rules: Rules,
    account: Account,
    key: Key[Array, ""],
) -> FactoredMixture:
    """A sampler for every block, with the other coordinates held at the best mode; together the whole sampler.

    Arguments:
        target: whole, in the coordinates of training.
        blocks: groups of coordinates over which the energy is a sum.
        population: what was found; its spread says where each block begins to look.
        tasks, rules, account: as in the engine.
        key: of everything.
    """
    held = population.means[population.log_weights.argmax()]
    steppers: dict[int, Stepper] = {}
    factors = []
    for number, block in enumerate(blocks):
        alone = block_target(target, block, held)
        stepper = steppers.get(len(block))
        stepper = steppers[len(block)] = stepper.on(alone) if stepper else Stepper(alone, rules, account)
        region = Region.found(population)
        part = Region(region.centre[list(block)], region.width[list(block)])
        factors.append(_fit(stepper, part, tasks, rules, jax.random.fold_in(key, number)))
    return FactoredMixture(blocks, tuple(factors))


def _fit(stepper: Stepper, region: Region, tasks: Sequence[Task], rules: Rules, key: Key[Array, ""]) -> GaussianMixture:
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
    )
    while search.goes_on:
        search.round(jax.random.fold_in(key_search, search.rounds))
    settler = Settler(stepper, rules, generator, _nobody)
    fit = settler.settle(search.found(), key_settle)
    fit = settler.judged(fit, jax.random.fold_in(key_settle, 1))
    population = fit.population
    if not fit.good:
        refiner = Refiner(stepper, rules, search.proposer, refining_region(fit.merged, generator), generator, _nobody)
        population, _ = refiner.refine(fit.merged, key_refine)
    return jax.tree.map(jnp.asarray, population.mixture())


def _nobody(*_: object) -> None:
    """Factors are told of when all are done."""
