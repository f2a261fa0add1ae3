"""The constant of a density from its own draws, in any dimension: a bridge to a Gaussian, of which all is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq
from scipy.special import expit

SEED = 26

NEAREST = (1.0, 1 / 4, 1 / 16, 1 / 64)
"""Gaussians are fitted to the draws nearest to one of high density: to all, to one mode, or to a part of it."""

DRAWS_PER_NUMBER = 4
"""A covariance in d dimensions is fitted to at least so many times d draws."""

CHOSEN_BY = 4096
"""Draws of each side by which the best Gaussian is chosen."""


@dataclass(frozen=True)
class Bridge:
    """Ratios `log q(x) - log g(x)` of an unnormalised density and a normalised one, at draws of both.

    The logarithm `c` of the constant of `q` solves `E_q[s(c - l)] = E_g[s(l - c)]` for the ratio `l` and the logistic
    function `s` (Bennett 1976). Every term is bounded, so the error is that of a mean.

    Arguments:
        of_density: ratios at draws of `q`.
        of_gaussian: ratios at draws of `g`.
    """

    of_density: Float[np.ndarray, " count"]
    of_gaussian: Float[np.ndarray, " other"]

    def difference(self, log_z: float) -> tuple[float, float]:
        """The difference of both sides, which is zero on average for the right constant; and its standard error."""
        sides = expit(log_z - self.of_density), expit(self.of_gaussian - log_z)
        error = sum(side.var() / len(side) for side in sides) ** 0.5
        return float(sides[0].mean() - sides[1].mean()), float(error)

    def contributing(self, log_z: float) -> float:
        """How many draws the smaller of both means rests on, `(sum s)^2 / sum s^2`."""
        sides = expit(log_z - self.of_density), expit(self.of_gaussian - log_z)
        return min(float(side.sum() ** 2 / max((side**2).sum(), np.finfo(float).tiny)) for side in sides)

    def slope(self, log_z: float) -> float:
        """How fast the difference grows with the constant; zero where the two densities do not overlap."""
        sides = expit(log_z - self.of_density), expit(self.of_gaussian - log_z)
        return float(sum((side * (1.0 - side)).mean() for side in sides))

    def log_z(self) -> tuple[float, float]:
        """The constant that fits, and its standard error; infinite if the densities do not overlap."""
        both = np.concatenate([self.of_density, self.of_gaussian])
        both = both[np.isfinite(both)]
        if not len(both):
            return 0.0, np.inf
        ends = float(both.min()) - 50.0, float(both.max()) + 50.0
        if not self.difference(ends[0])[0] < 0 < self.difference(ends[1])[0]:
            return 0.0, np.inf
        found = float(brentq(lambda log_z: self.difference(log_z)[0], *ends))  # pyright: ignore[reportArgumentType]
        return found, self.difference(found)[1] / max(self.slope(found), np.finfo(float).tiny)


def bridge_of(
    log_density: Callable[[Any], np.ndarray],
    fitted: Float[np.ndarray, "many dim"],
    draws: Float[np.ndarray, "count dim"],
) -> Bridge:
    """The bridge to the Gaussian that overlaps best.

    Arguments:
        log_density: of many points, unnormalised.
        fitted: draws that Gaussians are fitted to.
        draws: other draws, independent of those.
    """
    random = np.random.default_rng(SEED)
    values = log_density(draws)
    best, smallest = Bridge(np.zeros(0), np.zeros(0)), np.inf
    for mean, factor in _gaussians(log_density, fitted):
        ratios = values - _log_gaussian(draws, mean, factor)
        mine = _of_gaussian(log_density, mean, factor, random, CHOSEN_BY)
        error = Bridge(ratios[:CHOSEN_BY], mine).log_z()[1]
        if error < smallest:
            # Fresh draws on both sides: those that chose the Gaussian would flatter it.
            more = _of_gaussian(log_density, mean, factor, random, len(draws) - CHOSEN_BY)
            best, smallest = Bridge(ratios[CHOSEN_BY:], more), error
    return best


def _gaussians(
    log_density: Callable[[Any], np.ndarray], fitted: Float[np.ndarray, "many dim"]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Means and Cholesky factors of Gaussians around the best of some draws."""
    count, dim = fitted.shape
    few = fitted[:CHOSEN_BY]
    best = few[np.argmax(np.nan_to_num(log_density(few), nan=-np.inf))]
    low, high = np.quantile(fitted, [0.16, 0.84], axis=0)
    widths = np.maximum(0.5 * (high - low), np.finfo(np.float32).tiny)
    order = np.argsort((((fitted - best) / widths) ** 2).sum(axis=1))
    for share in NEAREST:
        near = fitted[order[: int(share * count)]]
        if len(near) >= DRAWS_PER_NUMBER * dim:
            covariance = np.atleast_2d(np.cov(near.T)) + 1e-10 * np.diag(widths**2)
            yield near.mean(axis=0), np.linalg.cholesky(covariance)


def _of_gaussian(
    log_density: Callable[[Any], np.ndarray],
    mean: np.ndarray,
    factor: np.ndarray,
    random: np.random.Generator,
    count: int,
) -> Float[np.ndarray, " count"]:
    points = mean + random.normal(size=(count, len(mean))) @ factor.T
    values = np.nan_to_num(log_density(points), nan=-np.inf, neginf=-np.inf)
    return values - _log_gaussian(points, mean, factor)


def _log_gaussian(points: np.ndarray, mean: np.ndarray, factor: np.ndarray) -> np.ndarray:
    standard = np.linalg.solve(factor, (points - mean).T)
    constant = np.log(np.diagonal(factor)).sum() + 0.5 * len(mean) * np.log(2.0 * np.pi)
    return -0.5 * (standard**2).sum(axis=0) - constant
