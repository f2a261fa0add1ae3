"""Importance resampling: draws of the target out of many candidates of a sampler."""

from __future__ import annotations

import math
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Array, Float, Key
from scipy.special import logsumexp

from biglearn_sampler.energy import AbstractTarget, Evaluations
from biglearn_sampler.errors import RunFailed, TargetError, UserError
from biglearn_sampler.evaluation.drawing import draws_of
from biglearn_sampler.evaluation.metric import Measured
from biglearn_sampler.importance import pareto_smooth, resolution_of
from biglearn_sampler.mixture import Mixture
from biglearn_sampler.mixture.arguments import checked_count, checked_key
from biglearn_sampler.precision import full_precision

CANDIDATES = 10
"""As many times as many candidates as draws, where the user says nothing."""


@dataclass(frozen=True, eq=False)
class Resampled:
    """Draws with equal weights, and how far they can be trusted.

    Arguments:
        points: the draws, in random order; where weights are uneven a candidate appears more than once.
        distinct: how many different ones there are.
        ess: effective sample size of the candidates, as a share of them.
        khat: of their weights; above 0.7 the draws are not to be trusted, `None` where all weights are alike.
        log_z: `log` of the mean weight, with its standard error.
        evaluations: one energy for every candidate.
    """

    points: Float[np.ndarray, "count dim"]
    distinct: int
    ess: float
    khat: float | None
    log_z: Measured
    evaluations: Evaluations


@full_precision()
def resample(
    sampler: Mixture, target: AbstractTarget, key: Key[Array, ""] | int, count: int, candidates: int | None = None
) -> Resampled:
    """Draws of the target from a trained mixture: many candidates `x_i ~ p`, chosen by their weights `q(x_i) / p(x_i)`.

    Exact as the number of candidates grows, wherever the mixture has mass at all; a mode that it misses stays missed.
    Weights are Pareto-smoothed. The choice is systematic: a candidate of normalised weight `w` appears `count w` times,
    rounded up or down.

    Arguments:
        sampler: a trained mixture, `run.sampler`.
        target: its energy only.
        key: the same key, or seed, gives the same draws.
        count: number of draws, at least 1.
        candidates: ten for each draw by default, at least 2.

    Raises:
        UserError: fewer draws or candidates than that, or a target of another dimension than the sampler.
        ValueError: what should be a key, or a number, is none.
        RunFailed: the target has density zero at all candidates.

    Reference: Rubin, Bayesian Statistics 3 (1988); Vehtari et al., JMLR 25 (2024).

    Example:
        >>> import jax, biglearn_sampler as bl
        >>> target = bl.MixtureTarget.of(bl.GaussianMixture.of([[0.0]], 1.0), scale=1.0)
        >>> drawn = bl.resample(bl.GaussianMixture.of([[0.5]], 2.0), target, jax.random.key(0), 4000)
        >>> bool(abs(drawn.points.mean()) < 0.1)
        True
    """
    if not isinstance(target, AbstractTarget):
        raise TargetError(f"resample takes a target, got {type(target).__name__}; make one with target(...)")
    if sampler.dim != target.dim:
        raise TargetError(f"the sampler has {sampler.dim} coordinates, and the target has {target.dim}")
    key, count = checked_key(key), checked_count(count)
    candidates = CANDIDATES * count if candidates is None else checked_count(candidates)
    if count < 1 or candidates < 2:
        raise UserError(f"expected at least 1 draw from at least 2 candidates, got {count} from {candidates}")
    key_points, key_choice, key_order = jax.random.split(key, 3)
    drawn = draws_of(sampler, target, candidates, key_points)
    log_weights = drawn.log_target - np.asarray(drawn.log_sampler)
    if not np.isfinite(log_weights).any():
        raise RunFailed(f"the target has density zero at all {candidates} candidates of the sampler")
    smoothed, khat = pareto_smooth(log_weights, resolution_of(drawn.log_target))
    offset = float(jax.random.uniform(key_choice))
    chosen = systematic(np.exp(smoothed), count, offset)
    log_total = float(np.asarray(logsumexp(log_weights)))
    left = float(np.sum(np.exp(log_weights - log_total) ** 2))
    spread = math.sqrt(max(left - 1.0 / candidates, 0.0))
    return Resampled(
        points=drawn.points[chosen][np.asarray(jax.random.permutation(key_order, count))],
        distinct=len(np.unique(chosen)),
        ess=1.0 / (left * candidates),
        khat=khat,
        log_z=Measured(log_total - math.log(candidates), math.hypot(spread, drawn.rounding)),
        evaluations=Evaluations(energy=candidates),
    )


def systematic(weights: Float[np.ndarray, " candidates"], count: int, offset: float) -> np.ndarray:
    """Which candidates are chosen: those under `count` equidistant marks on the cumulated weights.

    Arguments:
        weights: summing to one.
        count: number of choices.
        offset: place of the first mark, in `[0, 1)` of the distance between two.
    """
    marks = (np.arange(count) + offset) / count
    return np.minimum(np.searchsorted(np.cumsum(weights), marks, side="right"), len(weights) - 1)
