"""Modes that a training is about to lose: components without weight, and components that went elsewhere."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import logsumexp

from biglearn_sampler.engine.population import Population, equal_log_weights
from biglearn_sampler.engine.stepper import Stepper, component_log_densities
from biglearn_sampler.mixture import LOG_TWO_PI

LONELY = 1e-3
"""A component is alone where the others have less than so much of the density of an equally weighted component."""

NEGLIGIBLE = 1e-3
"""Share of all mass below which a lonely component is not worth keeping."""

POINTS = 16
"""Draws of a lonely component that tell its mass."""


def spared(
    population: Population,
    dead: Int[np.ndarray, " dead"],
    log_mass: float,
    stepper: Stepper,
    generator: np.random.Generator,
) -> tuple[Population, Int[np.ndarray, " moving"]]:
    """Components without weight that alone hold mass of the target get another chance where they are.

    A mode with few components is fitted worse than others, and loses its weight for that, `exp(-KL)`, before its
    components had time to learn. With an equal weight they draw others to them.

    Arguments:
        population: all components.
        dead: numbers of those without weight.
        log_mass: of the target, about.
        stepper: asks the energy.
        generator: of the points.

    Returns:
        the components, and those of the dead that are free to move.
    """
    living = population.take(np.setdiff1d(np.arange(population.count), dead))
    kept = dead[_needed(population.take(dead), living, population.count, log_mass, stepper, generator)]
    log_weights = population.log_weights.copy()
    log_weights[kept] = equal_log_weights(population.count)[0]
    return population.weighted(log_weights), np.setdiff1d(dead, kept)


def restored(
    population: Population, earlier: Population, log_mass: float, stepper: Stepper, generator: np.random.Generator
) -> Population:
    """Components of an earlier time come back where they alone held mass of the target, in the place of the lightest.

    The noise of the steps can drive the only component of a small mode away.

    Arguments:
        population: as it is now.
        earlier: as it was.
        log_mass, stepper, generator: as of `spared`.
    """
    lost = np.flatnonzero(_needed(earlier, population, population.count, log_mass, stepper, generator))
    if not len(lost):
        return population
    lost = lost[: population.count // 2]
    back = earlier.take(lost).equal()
    staying = population.take(np.argsort(-population.log_weights, kind="stable")[: population.count - len(lost)])
    share = len(lost) / population.count
    return Population(
        np.concatenate([staying.means, back.means]),
        np.concatenate([staying.factors, back.factors]),
        np.concatenate([staying.log_weights + np.log1p(-share), back.log_weights + np.log(share)]),
    )


def _needed(
    components: Population,
    others: Population,
    count: int,
    log_mass: float,
    stepper: Stepper,
    generator: np.random.Generator,
) -> Bool[np.ndarray, " components"]:
    """Whether components hold mass of the target where the others have next to no density."""
    needed = np.zeros(components.count, bool)
    alone = np.flatnonzero(_are_alone(components, others, count))
    if len(alone) and stepper.account.allows(POINTS * len(alone)):
        masses = _log_masses(components.take(alone), stepper, generator)
        needed[alone] = masses > log_mass + np.log(NEGLIGIBLE)
    return needed


def _are_alone(components: Population, others: Population, count: int) -> Bool[np.ndarray, " components"]:
    """Whether the others have next to no density at the means of components."""
    log_diagonals = np.log(np.diagonal(components.factors, axis1=1, axis2=2))
    peaks = -log_diagonals.sum(1) - 0.5 * components.dim * LOG_TWO_PI
    explained = logsumexp(component_log_densities(components.means, others) + others.log_weights, axis=1)
    return np.asarray(explained) < peaks + np.log(LONELY / count)


def _log_masses(
    lonely: Population, stepper: Stepper, generator: np.random.Generator
) -> Float[np.ndarray, " components"]:
    """The log mass of the target around components, `log mean(q / N_k)` over draws of each."""
    points = lonely.draws(generator, POINTS)
    own = np.repeat(np.arange(lonely.count), POINTS)
    log_own = component_log_densities(points, lonely)[np.arange(len(points)), own]
    ratios = stepper.log_density(points, "proposals") - log_own
    return np.asarray(logsumexp(ratios.reshape(lonely.count, -1), axis=1)) - np.log(POINTS)
