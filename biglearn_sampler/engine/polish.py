"""The best weights for components that stay as they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

from biglearn_sampler.engine.balance import claimed, mass_shifts, truncated
from biglearn_sampler.engine.groups import mode_groups
from biglearn_sampler.engine.population import Population
from biglearn_sampler.engine.stepper import Stepper, component_log_densities
from biglearn_sampler.engine.zero_density import bounded

LEAST_LOG_RATIO = -1e6
"""Bounds `log q - log p` of the first weights, as it lies below the largest."""

ROUNDS = 200
"""Of the descent."""

RATE = 0.3
LARGEST_SIGNAL = 5.0
LEAST_LOG_WEIGHT = -25.0

LEAST_EACH = 16
"""Points of every component."""

TINY = 1e-37


@dataclass(frozen=True, eq=False)
class Polished:
    """Components with their best weights, judged on points that taught the components nothing.

    Arguments:
        population: the components.
        effective_share: effective draws among draws of the sampler, between 0 and 1; of `truncated` weights, so that no
            single draw decides.
        variance: of `log q - log p` under the sampler.
        elbo: its mean.
        log_mass: of the target, by importance weights.
        points: on which they are judged.
    """

    population: Population
    effective_share: float
    variance: float
    elbo: float
    log_mass: float
    points: int


def polished(population: Population, stepper: Stepper, generator: np.random.Generator, points: int = 0) -> Polished:
    """The same components with the weights that lower `KL[p || q]` most.

    Multiplicative descent `log w_k <- log w_k - a (r_k - sum_j w_j r_j)` with `r_k = E_k[log p - log q]`, estimated
    by importance weights on the same points throughout: a convex problem, which asks the energy once.

    A mode that is fitted worse than others gets too little mass that way, `exp(-KL)` of the right one. So the masses
    of modes as wholes, groups of components that overlap, are then moved to their importance-weighted masses, as far
    as the error of these allows.

    Arguments:
        population: with weights to start from.
        stepper: asks the energy.
        generator: of the points.
        points: about how many, the same number from every component and at least `LEAST_EACH`.
    """
    resolved = population.resolved()
    if resolved.any() and not resolved.all():
        population = population.take(np.flatnonzero(resolved))
    each = max(LEAST_EACH, 2 * (points // (2 * population.count)))
    drawn = population.draws(generator, each)
    log_target = stepper.log_density(drawn, "polish")
    log_component = component_log_densities(drawn, population)
    log_equal = np.asarray(logsumexp(log_component, axis=1))
    share = np.exp(log_component - log_equal[:, None])
    share = np.ascontiguousarray((share / (share.sum(0) + TINY)).T.astype(np.float32))
    highest = log_component.max(1)
    component = np.exp(log_component - highest[:, None]).astype(np.float32)

    def log_sampler(log_weights: Float[np.ndarray, " components"]) -> Float[np.ndarray, " points"]:
        return np.log(component @ np.exp(log_weights).astype(np.float32) + TINY) + highest

    if not np.isfinite(log_target).any():
        return Polished(population, 0.0, np.inf, -np.inf, -np.inf, len(drawn))
    log_weights = population.log_weights
    first = log_sampler(log_weights)
    log_ratio = bounded(log_target - first, np.exp(first - log_equal))
    log_ratio = np.maximum(log_ratio, log_ratio.max() + LEAST_LOG_RATIO)
    log_target = first + log_ratio
    # A constant changes nothing but the rounding: what `log q` lacks of being normalised may be large.
    level = np.median(log_ratio)
    for _ in range(ROUNDS):
        ratios = share @ (log_sampler(log_weights) - log_target + level).astype(np.float32)
        excess = ratios - np.exp(log_weights) @ ratios
        log_weights = log_weights - RATE * np.clip(excess, -LARGEST_SIGNAL, LARGEST_SIGNAL)
        log_weights = np.maximum(log_weights - logsumexp(log_weights), LEAST_LOG_WEIGHT)
    better = population.weighted(log_weights)
    log_density = log_sampler(better.log_weights)
    owned = component * np.exp(better.log_weights + highest[:, None] - log_density[:, None])
    presence = np.exp(log_density - log_equal - (log_density - log_equal).max())
    group = mode_groups(owned, presence / presence.sum())
    shifts = mass_shifts(claimed(owned, group), log_density - log_equal, log_target - log_equal)
    better = better.weighted(better.log_weights + shifts[group])
    log_density = log_sampler(better.log_weights)
    return _judged(better, log_target - log_density, log_density - log_equal)


def _judged(
    population: Population, log_ratio: Float[np.ndarray, " points"], log_presence: Float[np.ndarray, " points"]
) -> Polished:
    """Moments under the sampler `p` from points of the equal-weight mixture `b`; `log_presence` is `log p - log b`."""
    presence = np.exp(log_presence - log_presence.max())
    presence /= presence.sum()
    weights = truncated(log_ratio, presence)
    effective_share = float((presence @ weights) ** 2 / (presence @ weights**2))
    elbo = float(presence @ log_ratio)
    log_mass = float(np.asarray(logsumexp(log_ratio, b=presence)))
    variance = float(presence @ (log_ratio - elbo) ** 2)
    return Polished(population, effective_share, variance, elbo, log_mass, len(log_ratio))
