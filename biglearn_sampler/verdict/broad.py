"""Broad draws: an estimate of all the mass, apart from that of the sampler."""

from __future__ import annotations

import numpy as np

from biglearn_sampler.engine.region import Region
from biglearn_sampler.engine.stepper import Stepper
from biglearn_sampler.importance import Reservoir
from biglearn_sampler.mixture import Mixture
from biglearn_sampler.verdict.own_draws import OwnDraws, log_density

EACH = 2000
"""Fresh broad draws, and as many of the sampler."""

DRAWS = 2 * EACH

SCALES = (1.0, 2.0)
"""Of broad draws, in widths of the region."""

LEAST_EFFECTIVE = 50.0
"""Effective draws below which weights say nothing."""

SIGNIFICANT = 3.0
"""Standard errors."""


def broad_draws(
    sampler: Mixture, own: OwnDraws, region: Region, stepper: Stepper, generator: np.random.Generator
) -> Reservoir:
    """Points of one law, half broad and half the sampler itself, with its exact density."""
    scales = generator.choice(SCALES, EACH)
    broad = region.draws(generator, scales)
    mine = own.points[generator.permutation(len(own.points))[:EACH]]
    points = np.concatenate([broad, mine])
    log_target = stepper.log_density(points, "verdict")
    standard = ((points - region.centre) / region.width) ** 2
    dim = points.shape[1]
    volume = np.log(region.width).sum() + 0.5 * dim * np.log(2.0 * np.pi)
    parts = [-0.5 * standard.sum(1) / s**2 - dim * np.log(s) - volume - np.log(len(SCALES)) for s in SCALES]
    log_proposal = np.logaddexp(np.logaddexp(*parts), log_density(sampler, points)) - np.log(2.0)
    return Reservoir.empty(len(points), dim).add(points, log_target, log_proposal)


def disagreement_of(own: OwnDraws, broad: Reservoir) -> float | None:
    """Share of the mass by which broad draws exceed the sampler, where that is beyond doubt; `None` if it is not."""
    log_weights = broad.log_weights
    if not np.isfinite(broad.log_mass) or broad.quality().effective_size < LEAST_EFFECTIVE:
        return None
    if not np.isfinite(own.log_z):
        return 1.0
    weights = np.exp(log_weights - broad.log_mass)
    error = float(weights.std() / np.sqrt(broad.count))
    own_weights = np.exp(own.log_ratio - own.log_z)
    own_error = float(own_weights.std() / np.sqrt(len(own_weights)))
    ratio = float(np.exp(own.log_z - broad.log_mass))
    doubt = np.hypot(error, own_error) * max(ratio, 1.0)
    return 1.0 - ratio if 1.0 - ratio > SIGNIFICANT * doubt else None
