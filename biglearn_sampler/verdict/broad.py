"""Broad draws: an estimate of all the mass, and of what the sampler lacks of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from biglearn_sampler.engine.region import Region
from biglearn_sampler.engine.stepper import Stepper
from biglearn_sampler.importance import Reservoir
from biglearn_sampler.mixture import Mixture
from biglearn_sampler.verdict.own_draws import OwnDraws, log_density

OWN = 2000
"""Draws of the sampler among the broad ones, so that no weight of what it knows is large."""

MOST, LEAST, NUMBERS = 32_768, 2000, 1 << 17
"""Broad draws: in many dimensions, where hardly any meets anything, no more than so many numbers, but not below the
least."""

SCALES = (1.0, 2.0)
"""Of broad draws, in widths of the region."""

LEAST_EFFECTIVE = 50.0
"""Effective draws below which weights say nothing."""

NOWHERE = 3.0
"""Nats below the target at which the sampler knows nothing of a place: one that is a little off lacks nothing."""

SIGNIFICANT = 3.0
"""Standard errors."""


@dataclass(frozen=True, eq=False)
class BroadDraws:
    """Points of one law, broad draws and draws of the sampler, with its exact density.

    Arguments:
        reservoir: the points.
        log_sampler: `log p(x)` at each.
    """

    reservoir: Reservoir
    log_sampler: Float[np.ndarray, " count"]


def broad_count(dim: int) -> int:
    """How many broad draws there are, without a limit of evaluations."""
    return min(MOST, max(LEAST, NUMBERS // dim))


def broad_draws(
    sampler: Mixture, own: OwnDraws, region: Region, count: int, stepper: Stepper, generator: np.random.Generator
) -> BroadDraws:
    """So many draws over a region, and draws of the sampler."""
    broad = region.draws(generator, generator.choice(SCALES, count))
    points = np.concatenate([broad, own.points[generator.permutation(len(own.points))[:OWN]]])
    log_target, log_sampler = stepper.log_density(points, "verdict"), log_density(sampler, points)
    standard = ((points - region.centre) / region.width) ** 2
    dim = points.shape[1]
    volume = np.log(region.width).sum() + 0.5 * dim * np.log(2.0 * np.pi)
    parts = [-0.5 * standard.sum(1) / s**2 - dim * np.log(s) - volume - np.log(len(SCALES)) for s in SCALES]
    share = count / len(points)
    log_proposal = np.logaddexp(np.logaddexp(*parts) + np.log(share), log_sampler + np.log1p(-share))
    return BroadDraws(Reservoir.empty(len(points), dim).add(points, log_target, log_proposal), log_sampler)


def lacking_of(own: OwnDraws, broad: BroadDraws) -> float | None:
    """Share of the mass that lies where the sampler knows nothing, where that is beyond doubt; `None` if it is not.

    `E_r[max(q - Z p, 0) / r]` over the places where `Z p` is less than `q` by `NOWHERE`, under the law `r` of the
    draws: what the sampler explains adds no noise.
    """
    reservoir = broad.reservoir
    if not np.isfinite(reservoir.log_mass):
        return None
    if not np.isfinite(own.log_z):
        return 1.0 if reservoir.quality().effective_size >= LEAST_EFFECTIVE else None
    known = own.log_z + broad.log_sampler
    nowhere = np.isfinite(reservoir.log_weights) & (reservoir.log_target > known + NOWHERE)
    if not nowhere.any():
        return None
    left = np.log1p(-np.exp(known[nowhere] - reservoir.log_target[nowhere]))
    log_lacking = reservoir.log_weights[nowhere] + left
    lacking = np.zeros(reservoir.count)
    lacking[nowhere] = np.exp(log_lacking - log_lacking.max())
    mean, error = lacking.mean(), lacking.std() / np.sqrt(reservoir.count)
    return float(expit(np.log(mean) + log_lacking.max() - own.log_z)) if mean > SIGNIFICANT * error else None
