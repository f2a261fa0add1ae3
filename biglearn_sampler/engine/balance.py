"""The masses of whole modes, set right by importance weights."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from biglearn_sampler.engine.groups import mode_groups
from biglearn_sampler.engine.population import Population
from biglearn_sampler.engine.stepper import Stepper, component_log_densities, log_density_of
from biglearn_sampler.importance import truncated_log_mean

BATCHES, BATCH = 32, 4096
"""Draws on which the masses of modes are weighed, at most, beside those that tell how wide these should be."""

MASS_ERROR = 0.005
"""Standard error of the masses at which they are known well enough."""

WIDER = (1.25, 1.5)
"""Widths of the draws, as multiples of those of the components, that are tried where these alone do not tell enough.
Reverse KL errs towards narrow components: then most of the target lies where they hardly draw."""

TINY = 1e-37
"""A mode with less mass stays as it is."""


class Weighing(NamedTuple):
    """Draws of a law `b` around the sampler `p`.

    Arguments:
        owned: probability that a draw of `p` at this point came from each component.
        log_presence: `log p - log b`.
        log_weights: `log q - log b`.
    """

    owned: Float[np.ndarray, "points components"]
    log_presence: Float[np.ndarray, " points"]
    log_weights: Float[np.ndarray, " points"]

    @property
    def effective(self) -> float:
        """Effective number of the draws."""
        return float(1.0 / (truncated(self.log_weights) ** 2).sum()) if np.isfinite(self.log_weights).any() else 0.0

    @classmethod
    def drawn(cls, population: Population, width: float, stepper: Stepper, generator: np.random.Generator) -> Weighing:
        """`BATCH` draws of components so many times as wide."""
        wide = Population(population.means, width * population.factors, population.log_weights)
        points = wide.sample(generator, BATCH)
        joint = component_log_densities(points, population) + population.log_weights
        log_sampler = np.logaddexp.reduce(joint, axis=1)
        log_law = log_sampler if width == 1.0 else log_density_of(wide, points)
        owned = np.exp(joint - log_sampler[:, None])
        return cls(owned, log_sampler - log_law, stepper.log_density(points, "polish") - log_law)


def balanced(population: Population, stepper: Stepper, generator: np.random.Generator) -> Population:
    """The same components with the masses of modes weighed on fresh draws.

    These are drawn until all masses are known to `MASS_ERROR`, as long as the budget allows; where one batch is not
    enough, from that one of a few laws around the sampler, as wide as it and wider, of which most draws count.

    Where weights are uneven, the points that found the best weights are too few to say what each mode holds. Of
    what a draw is remembered only to which mode it belongs, so that there can be many.

    Arguments:
        population: with weights.
        stepper: asks the energy.
        generator: of the draws.
    """
    account = stepper.account
    if not account.allows(BATCH):
        return population
    width, told = 1.0, Weighing.drawn(population, 1.0, stepper, generator)
    group: Int[np.ndarray, " components"] = mode_groups(told.owned)
    if not group.any():
        return population
    if largest_error(claimed(told.owned, group), told.log_weights) > MASS_ERROR:
        for wider in WIDER:
            if account.allows(BATCH):
                other = Weighing.drawn(population, wider, stepper, generator)
                width, told = (wider, other) if other.effective > told.effective else (width, told)
    claims, log_presence, log_weights = [claimed(told.owned, group)], [told.log_presence], [told.log_weights]
    for _ in range(BATCHES - 1):
        error = largest_error(np.concatenate(claims), np.concatenate(log_weights))
        if error <= MASS_ERROR or not account.allows(BATCH):
            break
        told = Weighing.drawn(population, width, stepper, generator)
        claims.append(claimed(told.owned, group))
        log_presence.append(told.log_presence)
        log_weights.append(told.log_weights)
    weights = np.concatenate(log_weights)
    if not np.isfinite(weights).any():
        return population
    # The noise of the sampler's own masses goes with that of the weighed ones where these are of its own draws only.
    mass = None if width == 1.0 else claimed(np.exp(population.log_weights)[None], group)[0]
    shifts = mass_shifts(np.concatenate(claims), np.concatenate(log_presence), weights, mass)
    return population.weighted(population.log_weights + shifts[group])


def claimed(
    owned: Float[np.ndarray, "points components"], group: Int[np.ndarray, " components"]
) -> Float[np.ndarray, "points groups"]:
    """The probability that a point came from a group of components."""
    member = np.zeros((owned.shape[1], group.max() + 1))
    member[np.arange(len(group)), group] = 1.0
    return owned @ member


def mass_shifts(
    claims: Float[np.ndarray, "points groups"],
    log_presence: Float[np.ndarray, " points"],
    log_weights: Float[np.ndarray, " points"],
    mass: Float[np.ndarray, " groups"] | None = None,
) -> Float[np.ndarray, " groups"]:
    """What to add to the log weights of every group, so that it has its importance-weighted mass.

    `s_g log(m_g / p_g)` with the mass `p_g` of the group in the sampler, its weighted mass `m_g`, and the share
    `s_g = (1 - v_g / log(m_g / p_g)^2)^+` that noise of variance `v_g` leaves (James & Stein 1961). Weights are
    `truncated`.

    Arguments:
        claims: probability that a point came from a group.
        log_presence: `log p - log b` at points of any law `b`.
        log_weights: `log q - log b`.
        mass: of every group in the sampler; estimated at the points if not given.
    """
    presence = np.exp(log_presence - log_presence.max())
    weights = truncated(log_weights)
    held = np.asarray(presence / presence.sum() @ claims if mass is None else mass)
    weighed = weights @ claims
    known = (held > TINY) & (weighed > TINY)
    weighed = np.where(known, weighed, 1.0)
    shift = np.where(known, np.log(weighed / np.where(known, held, 1.0)), 0.0)
    variance = ((weights[:, None] * (claims / weighed - 1.0)) ** 2).sum(0)
    return np.maximum(1.0 - variance / np.maximum(shift**2, TINY), 0.0) * shift


def largest_error(claims: Float[np.ndarray, "points groups"], log_weights: Float[np.ndarray, " points"]) -> float:
    """Standard error of that importance-weighted mass of a group that is known worst; infinite without any weight."""
    if not np.isfinite(log_weights).any():
        return np.inf
    weights = truncated(log_weights)
    return float(np.sqrt(((weights[:, None] * (claims - weights @ claims)) ** 2).sum(0).max()))


def truncated(
    log_weights: Float[np.ndarray, " points"], shares: Float[np.ndarray, " points"] | None = None
) -> Float[np.ndarray, " points"]:
    """Weights that sum to one, before that none above `sqrt(n)` times their `truncated_log_mean`.

    A poor sampler has heavy tails, and a draw in what it does not know outweighs all others together.

    Arguments:
        log_weights: up to a constant; one is finite.
        shares: what every point counts for in the mean, with sum one, where they do not count alike.

    Reference: Ionides, "Truncated importance sampling", Journal of Computational and Graphical Statistics 17 (2008).
    """
    most = truncated_log_mean(log_weights, shares) + 0.5 * np.log(len(log_weights))
    weights = np.exp(np.minimum(log_weights, most) - min(most, log_weights.max()))
    return weights / weights.sum()
