"""How narrow a mode the points of a verdict would have shown: modes are planted, and counted when they are met."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import softmax

from biglearn_sampler.engine.archive import NEWS, Archive
from biglearn_sampler.engine.groups import mode_groups
from biglearn_sampler.engine.population import Population
from biglearn_sampler.engine.stepper import component_log_densities
from biglearn_sampler.engine.unexplained import Unexplained
from biglearn_sampler.estimators.guard import ZERO_DENSITY
from biglearn_sampler.mixture import LOG_TWO_PI

PLANTED, PLANTED_SHARE = 64, 0.1
"""How many modes are planted, one at a time, and the share of the mass that each has."""

WIDTHS = 0.5 ** (0.5 * np.arange(13))
"""Of planted modes, as shares of those of a known one: from as wide to a sixty-fourth."""

MOSTLY_MET = 0.9
"""Share of planted modes that must be met."""

BULK = 2.0
"""Deviations above its mean of the squared distance up to which a point lies in the bulk of a Gaussian."""

SAME_PLACE = 1e-12
"""Squared distance, in deviations, of a point that is the place itself up to rounding."""

DRAWS = 4000
"""Draws of the sampler that tell which components are one mode."""


class Shapes(NamedTuple):
    """The modes of a sampler, as it has them itself.

    Arguments:
        shares: of the mass.
        factors: of the covariances, `L L^T`.
    """

    shares: Float[np.ndarray, " modes"]
    factors: Float[np.ndarray, "modes dim dim"]

    @classmethod
    def of(cls, known: Archive, draws: Float[np.ndarray, "draws dim"]) -> Shapes:
        """Components that overlap on draws of the sampler are one mode (`mode_groups`)."""
        population = known.population()
        log_parts = component_log_densities(draws[:DRAWS], population) + population.log_weights
        group = mode_groups(softmax(log_parts[np.isfinite(log_parts).any(axis=1)], axis=1))
        shares = np.bincount(group, np.exp(population.log_weights))
        modes = [population.take(np.flatnonzero(group == number)) for number in range(len(shares))]
        return cls(shares / shares.sum(), np.stack([_factor(mode) for mode in modes]))


def _factor(mode: Population) -> Float[np.ndarray, "dim dim"]:
    """Of the covariance of several components, by a QR decomposition: the condition of what is thin is not squared."""
    weights = np.exp(mode.log_weights)
    within = np.sqrt(weights)[:, None, None] * mode.factors.swapaxes(1, 2)
    between = np.sqrt(weights)[:, None] * (mode.means - weights @ mode.means)
    upper = np.linalg.qr(np.concatenate([within.reshape(-1, mode.dim), between]), mode="r")
    return (np.where(np.diagonal(upper) < 0.0, -1.0, 1.0)[:, None] * upper).T


def resolved_width(
    known: Archive,
    draws: Float[np.ndarray, "draws dim"],
    places: Float[np.ndarray, "broad dim"],
    looked_at: Unexplained,
    generator: np.random.Generator,
) -> float | None:
    """The width from which on nine of ten modes of a tenth of the mass would have been met, as a share of that of the
    sampler's modes; `None` if those as wide would not.

    A planted mode is a Gaussian with the covariance of a mode of the sampler, chosen by mass, in another place and
    narrower: `m Z N(c, w^2 C)`. It is met if it would surprise at one of the points (`Archive.surprise`), that is, if
    it stands out there from both the target and the known modes. Points count at which these explain the target, and
    in the bulk of the planted mode those at which they are above it, as of a target whose tails are lighter.
    Where the target is above them, these Gaussians fail, and a planted one says nothing either.
    Nor does one that would be no mode of its own, inside a known one that is higher there. The energy is not asked
    again.

    Arguments:
        known: what the sampler knows.
        draws: of the sampler.
        places: where modes may be planted: broad draws at which there is a density.
        looked_at: all points that were looked at; a mode is not met at the very place where it was planted.
        generator: of the planted modes.
    """
    explained = looked_at.take((looked_at.surprise <= 1.0) & (looked_at.log_target > ZERO_DENSITY))
    if not len(places) or not len(explained.points):
        return None
    shapes = Shapes.of(known, draws)
    modes = generator.choice(len(shapes.shares), PLANTED, p=shapes.shares)
    chosen = generator.integers(len(places), size=PLANTED)
    met, apart = np.zeros((PLANTED, len(WIDTHS)), bool), np.zeros((PLANTED, len(WIDTHS)), bool)
    log_known = known.log_density(places[chosen])
    levels = np.maximum(explained.log_target, known.explained(explained.log_target, explained.surprise))
    above = explained.surprise < -1.0
    for mode in np.unique(modes):
        inverse = np.linalg.inv(shapes.factors[mode])
        standard = explained.points @ inverse.T
        for number in np.flatnonzero(modes == mode):
            squares = ((standard - inverse @ places[chosen[number]]) ** 2).sum(1)
            met[number] = is_met(known, inverse, squares, levels, above)
            apart[number] = log_peaks(known, inverse) > log_known[number] + NEWS
    counted = apart.sum(axis=0)
    coarse = np.flatnonzero((counted > 0) & ((met & apart).sum(axis=0) < MOSTLY_MET * counted))
    first = coarse[0] if len(coarse) else len(WIDTHS)
    return float(WIDTHS[first - 1]) if first else None


def is_met(
    known: Archive,
    inverse: Float[np.ndarray, "dim dim"],
    squares: Float[np.ndarray, " count"],
    levels: Float[np.ndarray, " count"],
    above: Bool[np.ndarray, " count"],
) -> Bool[np.ndarray, " widths"]:
    """Whether a planted mode would be met, for every width of it.

    Arguments:
        known: what the sampler knows.
        inverse: of the factor of the mode at its full width.
        squares: of the distances of the points from it, in its deviations.
        levels: log density at the points from which it must stand out.
        above: points that count in the bulk only.
    """
    elsewhere, met = squares > SAME_PLACE, []
    bulk = known.dim + BULK * np.sqrt(2.0 * known.dim)
    for width, peak in zip(WIDTHS, log_peaks(known, inverse), strict=True):
        planted = peak - 0.5 * squares / width**2
        needed = NEWS + known.slack * np.maximum(known.peak - planted, 0.0)
        counted = elsewhere & (~above | (squares <= bulk * width**2))
        met.append(bool((counted & (planted > levels + needed)).any()))
    return np.array(met)


def log_peaks(known: Archive, inverse: Float[np.ndarray, "dim dim"]) -> Float[np.ndarray, " widths"]:
    """The log density in the middle of a planted mode, for every width of it."""
    peak = known.total + np.log(PLANTED_SHARE) + np.log(np.diagonal(inverse)).sum() - 0.5 * known.dim * LOG_TWO_PI
    return peak - known.dim * np.log(WIDTHS)
