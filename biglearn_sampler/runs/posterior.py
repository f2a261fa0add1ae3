"""Draws of the target in the user's own names and units."""

from __future__ import annotations

import logging
from numbers import Integral

import jax
import numpy as np
from jaxtyping import Array, Float, Key

from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.errors import UserError
from biglearn_sampler.evaluation.drawing import defended_draws_of, quantities_of
from biglearn_sampler.evaluation.resampling import systematic
from biglearn_sampler.importance import pareto_smooth, resolution_of
from biglearn_sampler.mixture import Mixture
from biglearn_sampler.seeds import checked_seed

logger = logging.getLogger(__name__)

FEWEST_CANDIDATES = 1000
"""Draws behind a resampling: with fewer, their own chance would show more than the weights."""

RELIABLE = 0.7
"""k-hat above which weights rest on a few draws (Vehtari et al. 2024)."""


def posterior_of(
    sampler: Mixture, target: AbstractTarget, count: int, seed: int, *, resample: bool
) -> dict[str, np.ndarray]:
    """Draws by name; see `Run.posterior`."""
    if isinstance(count, bool) or not isinstance(count, Integral) or count < 1:
        raise UserError(f"the number of draws must be a whole number of at least 1, got {count!r}")
    key_draws, key_resampling = jax.random.split(jax.random.key(checked_seed(seed)))
    if resample:
        points = _resampled(sampler, target, int(count), key_draws, key_resampling)
    else:
        points = np.asarray(sampler.sample(key_draws, int(count)), float)
    return quantities_of(target, points)


def _resampled(
    sampler: Mixture, target: AbstractTarget, count: int, key_draws: Key[Array, ""], key_resampling: Key[Array, ""]
) -> Float[np.ndarray, "count dim"]:
    """Candidates taken in proportion to their smoothed weights, by systematic resampling, in random order.

    There are a quarter more of them than draws: those with heavy tails, without which no draw would lie where the
    sampler has none.
    """
    draws = defended_draws_of(sampler, target, max(count, FEWEST_CANDIDATES), key_draws).weighted
    ratios = draws.log_target - np.asarray(draws.log_sampler)
    if not np.isfinite(ratios).any():
        raise UserError(
            f"the target has density zero at all {draws.count} candidates, so they have no weights; train "
            "longer, or ask for the sampler's own draws with resample=False"
        )
    log_weights, khat = pareto_smooth(ratios, resolution_of(draws.log_target))
    if khat is not None and khat > RELIABLE:
        logger.warning(
            "k-hat is %.2f, above %s: the resampled draws rest on a few candidates and repeat them",
            khat,
            RELIABLE,
        )
    key_level, key_order = jax.random.split(key_resampling)
    chosen = systematic(np.exp(log_weights), count, float(jax.random.uniform(key_level)))
    return draws.points[np.asarray(jax.random.permutation(key_order, chosen))]
