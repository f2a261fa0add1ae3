"""Modes that a training is about to lose: components without weight, and components that went elsewhere."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from biglearn_sampler.engine.archive import LARGEST_SPREAD
from biglearn_sampler.engine.population import Population, equal_log_weights
from biglearn_sampler.engine.stepper import Stepper, component_log_densities, log_density_of
from biglearn_sampler.engine.zero_density import bounded

SURPRISING = 1.0
"""Nats by which the target must exceed the other components at the mean of one that may be needed."""

NEGLIGIBLE = 1e-3
"""Share of all mass below which what a component alone holds is not worth keeping."""

LARGEST = 50.0
"""Bounds the exponent of a ratio of densities."""

POINTS = 8
"""Draws of such a component that tell what mass it alone holds."""


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
    kept = dead[_needed(population.take(dead), living, log_mass, stepper, generator)]
    log_weights = population.log_weights.copy()
    log_weights[kept] = equal_log_weights(population.count)[0]
    return population.weighted(log_weights), np.setdiff1d(dead, kept)


def restored(
    population: Population, earlier: Population, log_mass: float, stepper: Stepper, generator: np.random.Generator
) -> tuple[Population, int]:
    """Components of an earlier time come back where they alone held mass of the target, in the place of the lightest.

    The noise of the steps can drive the only component of a small mode away.

    Arguments:
        population: as it is now.
        earlier: as it was.
        log_mass, stepper, generator: as of `spared`.

    Returns:
        the components, those that came back behind the others, and their number.
    """
    lost = np.flatnonzero(_needed(earlier, population, log_mass, stepper, generator))[: population.count // 2]
    if not len(lost):
        return population, 0
    back = earlier.take(lost).equal()
    staying = population.take(np.argsort(-population.log_weights, kind="stable")[: population.count - len(lost)])
    share = len(lost) / population.count
    together = Population(
        np.concatenate([staying.means, back.means]),
        np.concatenate([staying.factors, back.factors]),
        np.concatenate([staying.log_weights + np.log1p(-share), back.log_weights + np.log(share)]),
    )
    return together, len(lost)


def _needed(
    components: Population, others: Population, log_mass: float, stepper: Stepper, generator: np.random.Generator
) -> Bool[np.ndarray, " components"]:
    """Whether components hold mass of the target that the others do not explain."""
    needed = np.zeros(components.count, bool)
    if not stepper.account.allows((1 + POINTS) * components.count):
        return needed
    log_target = stepper.log_density(components.means, "proposals") - log_mass
    alone = np.flatnonzero(log_target - log_density_of(others, components.means) > SURPRISING)
    if len(alone):
        masses = _unexplained_masses(components.take(alone), others, log_mass, stepper, generator)
        needed[alone] = masses > NEGLIGIBLE
    return needed


def _unexplained_masses(
    components: Population, others: Population, log_mass: float, stepper: Stepper, generator: np.random.Generator
) -> Float[np.ndarray, " components"]:
    """The share of the target around components that the others do not explain, `E_k[(q / Z - p)^+ / N_k]`.

    Of few draws, where no single Gaussian fits, that mean is far too low. So it may also be what the second cumulant of
    `r = log q - log Z - log N_k` makes of it, `exp(E_k[r] + Var_k[r] / 2)` times the share that is not explained.
    """
    points = components.draws(generator, POINTS)
    log_target = stepper.log_density(points, "proposals") - log_mass
    own = np.repeat(np.arange(components.count), POINTS)
    log_own = component_log_densities(points, components)[np.arange(len(points)), own]
    unexplained = -np.expm1(np.minimum(log_density_of(others, points) - log_target, 0.0))
    unexplained = unexplained.reshape(components.count, -1)
    log_ratio = bounded(np.minimum(log_target - log_own, LARGEST)).reshape(components.count, -1)
    few = (unexplained * np.exp(log_ratio)).mean(1)
    log_share = log_ratio.mean(1) + np.minimum(0.5 * log_ratio.var(1), LARGEST_SPREAD)
    return np.maximum(few, unexplained.mean(1) * np.exp(np.minimum(log_share, 0.0)))
