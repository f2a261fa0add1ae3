"""Components that lost their weight before they had a chance."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
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
    alone = _alone(population, dead)
    if not len(alone) or not stepper.account.allows(POINTS * len(alone)):
        return population, dead
    kept = alone[_log_masses(population.take(alone), stepper, generator) > log_mass + np.log(NEGLIGIBLE)]
    log_weights = population.log_weights.copy()
    log_weights[kept] = equal_log_weights(population.count)[0]
    return population.weighted(log_weights), np.setdiff1d(dead, kept)


def _alone(population: Population, dead: Int[np.ndarray, " dead"]) -> Int[np.ndarray, " alone"]:
    """Those of the dead at whose means the living have next to no density."""
    living = population.take(np.setdiff1d(np.arange(population.count), dead))
    log_diagonals = np.log(np.diagonal(population.factors[dead], axis1=1, axis2=2))
    peaks = -log_diagonals.sum(1) - 0.5 * population.dim * LOG_TWO_PI
    explained = logsumexp(component_log_densities(population.means[dead], living) + living.log_weights, axis=1)
    return dead[explained < peaks + np.log(LONELY / population.count)]


def _log_masses(
    lonely: Population, stepper: Stepper, generator: np.random.Generator
) -> Float[np.ndarray, " components"]:
    """The log mass of the target around components, `log mean(q / N_k)` over draws of each."""
    points = lonely.draws(generator, POINTS)
    own = np.repeat(np.arange(lonely.count), POINTS)
    log_own = component_log_densities(points, lonely)[np.arange(len(points)), own]
    ratios = stepper.log_density(points, "proposals") - log_own
    return np.asarray(logsumexp(ratios.reshape(lonely.count, -1), axis=1)) - np.log(POINTS)
