"""Where broad proposals go: the declared region, and those that what was found suggests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from biglearn_sampler.engine.population import Population
from biglearn_sampler.mixture import LOG_TWO_PI

BETWEEN, WITHIN = 1.5, 3.0
"""Widths of a found region in standard deviations: of the modes' means, and inside a mode."""

STRETCHED_AXES, LONGEST = 2, 30.0
"""Axes along which stretched draws go farther than what was found, and up to how many times as far."""

DRAWS = 4096
NORMAL_QUARTILES = 1.349
"""Distance of the quartiles of a normal law, in standard deviations."""

MISSED, DWARFED = 4.0, 10.0
"""A declared region is wrong when what was found is so many times as far or as wide, or as small everywhere."""


@dataclass(frozen=True, eq=False)
class Region:
    """A box without walls: a centre, and a width for every coordinate, in whitened coordinates."""

    centre: Float[np.ndarray, " dim"]
    width: Float[np.ndarray, " dim"]

    @classmethod
    def declared(cls, dim: int) -> Region:
        """What the target declares is the unit box."""
        return cls(np.zeros(dim), np.ones(dim))

    @classmethod
    def found(cls, population: Population) -> Region:
        """Around all components, so that a declared scale that is far too small, or too large, is outgrown."""
        width = BETWEEN * population.means.std(0) + WITHIN * population.spread()
        return cls(population.means.mean(0), width)

    def draws(
        self, generator: np.random.Generator, scales: Float[np.ndarray, " count"]
    ) -> Float[np.ndarray, "count dim"]:
        """One normal draw for each scale, in units of the width."""
        noise = generator.standard_normal((len(scales), len(self.centre)))
        return self.centre + self.width * scales[:, None] * noise

    def log_density(
        self, points: Float[np.ndarray, "count dim"], scales: Sequence[float]
    ) -> Float[np.ndarray, " count"]:
        """That of `draws` whose scales are any of these, each as often as the others."""
        squares, dim = (((points - self.centre) / self.width) ** 2).sum(1), len(self.centre)
        parts = [-0.5 * squares / scale**2 - dim * np.log(scale) for scale in scales]
        constant = np.log(len(scales)) + np.log(self.width).sum() + 0.5 * dim * LOG_TWO_PI
        return np.logaddexp.reduce(parts) - constant

    def uniform_draws(
        self, generator: np.random.Generator, scales: Float[np.ndarray, " count"]
    ) -> Float[np.ndarray, "count dim"]:
        """One draw for each scale, uniform in the box of so many widths to either side.

        In several dimensions normal draws lie on a shell, hardly ever in a corner or in the middle.
        """
        place = generator.uniform(-1.0, 1.0, (len(scales), len(self.centre)))
        return self.centre + self.width * scales[:, None] * place


@dataclass(frozen=True, eq=False)
class Span:
    """What was found as an ellipsoid without a wall: a centre, and the principal axes of its covariance.

    Modes often lie in few directions, which need not be those of coordinates: a box around such modes is nearly empty,
    and what hides between them, or behind them, is hardly ever met there.

    Arguments:
        centre: mean of all components, each with the same weight.
        axes: principal axes, one a column.
        deviations: standard deviations along them, of `BETWEEN^2 Cov_k[mu_k] + E_k[L_k L_k^T]`.
    """

    centre: Float[np.ndarray, " dim"]
    axes: Float[np.ndarray, "dim dim"]
    deviations: Float[np.ndarray, " dim"]

    @classmethod
    def found(cls, population: Population) -> Span:
        """Of all components."""
        centre = population.means.mean(0)
        between = (population.means - centre).T @ (population.means - centre) / population.count
        within = np.einsum("kij,klj->il", population.factors, population.factors) / population.count
        size, axes = np.linalg.eigh(BETWEEN**2 * between + within)
        return cls(centre, axes, np.sqrt(np.maximum(size, 0.0)))

    def draws(
        self, generator: np.random.Generator, scales: Float[np.ndarray, " count"]
    ) -> Float[np.ndarray, "count dim"]:
        """One normal draw for each scale, in units of the deviations."""
        noise = generator.standard_normal((len(scales), len(self.centre)))
        return self._placed(scales[:, None] * noise)

    def stretched_draws(self, generator: np.random.Generator, count: int) -> Float[np.ndarray, "count dim"]:
        """Normal draws with the deviations of what was found along all axes but a few random ones, which are longer."""
        dim = len(self.centre)
        chosen = generator.random((count, dim)).argsort(1) < STRETCHED_AXES
        scales = np.exp(generator.uniform(0.0, np.log(LONGEST), (count, dim)))
        return self._placed(np.where(chosen, scales, 1.0) * generator.standard_normal((count, dim)))

    def _placed(self, standard: Float[np.ndarray, "count dim"]) -> Float[np.ndarray, "count dim"]:
        return self.centre + (standard * self.deviations) @ self.axes.T


def refining_region(population: Population, generator: np.random.Generator) -> Region:
    """Where fresh components of a refinement begin: the declared region, or what was found where that is elsewhere.

    The declared region serves as long as the bulk of the mass lies in it, by medians and quartiles, which heavy tails
    do not move; one that misses the mass, or dwarfs it, is replaced.
    """
    chosen = generator.choice(population.count, DRAWS, p=np.exp(population.log_weights))
    points = population.around(chosen, generator.standard_normal((DRAWS, population.dim)))
    low, middle, high = np.quantile(points, (0.25, 0.5, 0.75), axis=0)
    width = (high - low) / NORMAL_QUARTILES
    misses = (np.abs(middle) > MISSED).any() or (width > MISSED).any()
    dwarfs = (width < 1.0 / DWARFED).all()
    return Region(middle, BETWEEN * width) if misses or dwarfs else Region.declared(population.dim)
