"""Broad draws: what they weigh where the sampler knows nothing, and an estimate of all the mass."""

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

OWN_DRAWS = 2000
"""Draws of the sampler beside the broad ones, so that no weight of what it knows is large."""

MOST_DRAWS, LEAST_DRAWS, MOST_NUMBERS = 32_768, 2000, 1 << 17
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
    """Points of one law, broad draws and then draws of the sampler, with its exact density.

    Arguments:
        reservoir: all points.
        log_sampler: `log p(x)` at each.
        count: of the broad ones.
    """

    reservoir: Reservoir
    log_sampler: Float[np.ndarray, " all"]
    count: int

    @property
    def points(self) -> Float[np.ndarray, "count dim"]:
        """The broad ones."""
        return self.reservoir.points[: self.count]

    @property
    def log_target(self) -> Float[np.ndarray, " count"]:
        """`log q(x)` at each of these."""
        return self.reservoir.log_target[: self.count]


def broad_count(dim: int) -> int:
    """How many broad draws there are, without a limit of evaluations."""
    return min(MOST_DRAWS, max(LEAST_DRAWS, MOST_NUMBERS // dim))


def broad_draws(
    sampler: Mixture, own: OwnDraws, region: Region, count: int, stepper: Stepper, generator: np.random.Generator
) -> BroadDraws:
    """So many draws over a region, and draws of the sampler."""
    broad = region.draws(generator, generator.choice(SCALES, count))
    chosen = generator.permutation(own.count)[:OWN_DRAWS]
    points = np.concatenate([broad, own.points[chosen]])
    log_target = np.concatenate([stepper.log_density(broad, "verdict"), own.log_target[chosen]])
    log_sampler, share = log_density(sampler, points), count / len(points)
    parts = region.log_density(points, SCALES) + np.log(share), log_sampler + np.log1p(-share)
    reservoir = Reservoir.empty(*points.shape).add(points, log_target, np.logaddexp(*parts))
    return BroadDraws(reservoir, log_sampler, count)


def lacking_of(own: OwnDraws, broad: BroadDraws) -> float | None:
    """Share of the mass that lies where the sampler knows nothing, where that is beyond doubt; `None` if it is not.

    `E_r[max(q - Z p, 0) / r]` over the places where `Z p` is less than `q` by `NOWHERE`, under the law `r` of all
    draws: what the sampler explains adds no noise. Only broad draws are counted, which leaves out next to nothing where
    the sampler never is: the few of its own with large weights are its tails, not what it does not know.
    """
    reservoir = broad.reservoir
    if not np.isfinite(reservoir.log_mass):
        return None
    if not np.isfinite(own.log_z):
        return 1.0 if reservoir.quality().effective_size >= LEAST_EFFECTIVE else None
    known = own.log_z + broad.log_sampler
    nowhere = np.isfinite(reservoir.log_weights) & (reservoir.log_target > known + NOWHERE)
    nowhere[broad.count :] = False
    if not nowhere.any():
        return None
    log_lacking = reservoir.log_weights[nowhere] + np.log1p(-np.exp(known[nowhere] - reservoir.log_target[nowhere]))
    lacking = np.zeros(reservoir.count)
    lacking[nowhere] = np.exp(log_lacking - log_lacking.max())
    mean, error = lacking.mean(), lacking.std() / np.sqrt(reservoir.count)
    return float(expit(np.log(mean) + log_lacking.max() - own.log_z)) if mean > SIGNIFICANT * error else None
