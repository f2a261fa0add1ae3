"""The sampler on its own draws: their weights, and what these say about its masses."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Array, Float, Int, Key
from scipy.special import logsumexp

from biglearn_sampler.compilation import jit_quickly
from biglearn_sampler.engine.groups import mode_groups
from biglearn_sampler.engine.region import Region
from biglearn_sampler.engine.shapes import on_device
from biglearn_sampler.engine.stepper import Stepper
from biglearn_sampler.importance import pareto_smooth, truncated_log_mean
from biglearn_sampler.mixture import FactoredMixture, GaussianMixture, Mixture
from biglearn_sampler.verdict.basins import basins_of

DRAWS = 4000
"""Fresh draws of the sampler."""

THIN = 10.0
"""Times the middle weight: beyond, the sampler has little of the density."""

BATCH = 2000
"""Points at which densities are computed at once, which bounds the memory."""


@dataclass(frozen=True, eq=False)
class WeighedDraws:
    """Fresh draws of the sampler whose densities somebody has asked for already, for example to measure it.

    Arguments:
        points: in the coordinates of the training.
        log_target: `log q(x)` at each, in these coordinates; `-inf` where the target has no density.
        log_sampler: `log p(x)` at each, in these coordinates.
        log_ratio_defended: log weights of the same draws and of others with heavy tails beside the density of all;
            `None` if nobody has them.
    """

    points: Float[np.ndarray, "draws dim"]
    log_target: Float[np.ndarray, " draws"]
    log_sampler: Float[np.ndarray, " draws"]
    log_ratio_defended: Float[np.ndarray, " all"] | None = None


@dataclass(frozen=True, eq=False)
class OwnDraws:
    """The sampler on its own draws.

    Arguments:
        points: the draws.
        log_target: `log q(x)` at each.
        log_ratio: `log q(x) - log p(x)` at each.
        log_z: the importance estimate of `log Z`, by truncated weights.
        effective: effective number of draws, `(sum_i w_i)^2 / sum_i w_i^2`.
        khat: the shape of the weights' tail.
        wrong_mass: total variation between raw and weighted masses of the sampler's own modes, and of those of the
            target, without what noise of the weights alone would give.
        uneven: the same of its components.
        thin: share of the mass that lies where the sampler has less than a tenth of its usual share of the density.
        alone: share of climbs that found a mode which no other climb found, about the mass of those that none did.
        defended: of draws with heavy tails among its own, the effective share and the shape of the weights' tail.
    """

    points: Float[np.ndarray, "draws dim"]
    log_target: Float[np.ndarray, " draws"]
    log_ratio: Float[np.ndarray, " draws"]
    log_z: float
    effective: float
    khat: float | None
    wrong_mass: float | None
    uneven: float | None
    thin: float = 0.0
    alone: float = 0.0
    defended: tuple[float, float | None] | None = None

    @property
    def count(self) -> int:
        """Number of draws."""
        return len(self.points)

    @property
    def effective_share(self) -> float:
        """The effective number as a share of all draws."""
        return self.effective / self.count


def own_draws(
    sampler: Mixture, stepper: Stepper, key: Key[Array, ""], generator: np.random.Generator, more: WeighedDraws | None
) -> OwnDraws:
    """Draw from the sampler and weigh the draws, together with those that are weighed already."""
    points = np.asarray(sampler.sample(key, DRAWS), float)
    log_target, log_sampler = stepper.log_density(points, "verdict"), log_density(sampler, points)
    if more is not None:
        points = np.concatenate([points, more.points])
        log_target = np.concatenate([log_target, more.log_target])
        log_sampler = np.concatenate([log_sampler, more.log_sampler])
    log_ratio = log_target - log_sampler
    if not np.isfinite(log_ratio).any():
        return OwnDraws(points, log_target, log_ratio, -np.inf, 0.0, None, None, None)
    smoothed, khat = pareto_smooth(log_ratio)
    log_z = truncated_log_mean(log_ratio)
    weights = np.exp(smoothed)
    effective = _effective(log_ratio)
    khat = _finite(khat)
    defended = None
    if more is not None and more.log_ratio_defended is not None and np.isfinite(more.log_ratio_defended).any():
        share = _effective(more.log_ratio_defended) / len(more.log_ratio_defended)
        defended = share, _finite(pareto_smooth(more.log_ratio_defended)[1])
    wrong, uneven = _wrong_mass(sampler, points, weights)
    thin = thin_mass(log_ratio)
    if not isinstance(sampler, GaussianMixture):
        return OwnDraws(points, log_target, log_ratio, log_z, effective, khat, wrong, uneven, thin, defended=defended)
    of_basins, alone = _wrong_basins(sampler, points, weights, stepper, generator)
    wrong = max(wrong, of_basins)
    return OwnDraws(points, log_target, log_ratio, log_z, effective, khat, wrong, uneven, thin, alone, defended)


def _effective(log_ratio: Float[np.ndarray, " draws"]) -> float:
    """`(sum_i w_i)^2 / sum_i w_i^2`."""
    return float(np.exp(2.0 * np.asarray(logsumexp(log_ratio)) - np.asarray(logsumexp(2.0 * log_ratio))))


def _finite(khat: float | None) -> float | None:
    return None if khat is None or not np.isfinite(khat) else float(khat)


def thin_mass(log_ratio: Float[np.ndarray, " draws"]) -> float:
    """Of the mass, as the draws weigh it, the share at weights of more than ten times the middle one.

    The middle is that of the mass: half of it has larger weights. What few draws stand for, heavily weighed, may have
    neighbours for which none stands. Draws without density do not matter, as beyond hard walls.
    """
    order = np.argsort(log_ratio)
    mass = np.cumsum(np.exp(log_ratio[order] - log_ratio[order[-1]]))
    middle = log_ratio[order[np.searchsorted(mass, 0.5 * mass[-1])]]
    first = int(np.searchsorted(log_ratio[order], middle + np.log(THIN), side="right"))
    return float(1.0 - mass[first - 1] / mass[-1])


def _wrong_mass(
    sampler: Mixture, points: Float[np.ndarray, "draws dim"], weights: Float[np.ndarray, " draws"]
) -> tuple[float, float]:
    """How far the masses of the sampler's modes, and of its components, are from their weighted ones.

    Of a product, in the worst factor.
    """
    if isinstance(sampler, FactoredMixture):
        parts = [(f, points[:, list(block)]) for block, f in zip(sampler.blocks, sampler.factors_of, strict=True)]
    else:
        parts = [(sampler, points)]
    wrong, uneven = 0.0, 0.0
    excess = weights - 1.0 / len(weights)
    for mixture, view in parts:
        responsibilities = _responsibilities(mixture, view)
        group = mode_groups(responsibilities)
        claims = responsibilities @ _members(group)
        wrong, uneven = max(wrong, _distance(excess, claims)), max(uneven, _distance(excess, responsibilities))
    return wrong, uneven


def _wrong_basins(
    sampler: GaussianMixture,
    points: Float[np.ndarray, "draws dim"],
    weights: Float[np.ndarray, " draws"],
    stepper: Stepper,
    generator: np.random.Generator,
) -> tuple[float, float]:
    """The same for the modes of the target, which one component of the sampler may span, and `alone` of `OwnDraws`."""
    dense = weights > 0
    responsibilities = _responsibilities(sampler, points)
    component, factors = responsibilities.argmax(1)[dense], np.asarray(sampler.factors, float)
    number, alone = basins_of(points[dense], component, factors, region_of(points).width, stepper, generator)
    excess = weights[dense] / weights[dense].sum() - 1.0 / len(number)
    return _distance(excess, _members(number)), alone


def _members(number: Int[np.ndarray, " each"]) -> Float[np.ndarray, "each parts"]:
    """A one in the row of each for the part of that number, and zeros."""
    return (number[:, None] == np.arange(number.max() + 1)).astype(float)


def _distance(excess: Float[np.ndarray, " draws"], claims: Float[np.ndarray, "draws parts"]) -> float:
    """Total variation between raw and weighted masses, without what noise of the weights alone would give.

    Arguments:
        excess: of the weight of every draw over the mean one.
        claims: the share of every draw that belongs to a part.
    """
    difference = np.abs(excess @ claims)
    noise = np.sqrt(2.0 / np.pi) * np.sqrt((excess**2) @ np.square(claims))
    return max(0.5 * float(difference.sum() - noise.sum()), 0.0)


def region_of(points: Float[np.ndarray, "draws dim"]) -> Region:
    """Around the draws of the sampler, and never narrower than declared."""
    return Region(points.mean(0), np.maximum(1.0, 2.0 * points.std(0)))


def log_density(sampler: Mixture, points: Float[np.ndarray, "count dim"]) -> Float[np.ndarray, " count"]:
    """`log p(x)` of the sampler at points."""
    return np.asarray(_compiled_log_density(sampler, on_device(points)), float)


def _responsibilities(
    sampler: GaussianMixture, points: Float[np.ndarray, "count dim"]
) -> Float[np.ndarray, "count components"]:
    return np.asarray(_compiled_responsibilities(sampler, on_device(points)), float)


# The sampler is an argument of what is compiled, so that one program serves every call.


@jit_quickly
def _compiled_log_density(sampler: Mixture, points: Float[Array, "count dim"]) -> Float[Array, " count"]:
    return jax.lax.map(sampler.log_density, points, batch_size=BATCH)


@jit_quickly
def _compiled_responsibilities(
    sampler: GaussianMixture, points: Float[Array, "count dim"]
) -> Float[Array, "count components"]:
    return jax.lax.map(sampler.responsibilities, points, batch_size=BATCH)
