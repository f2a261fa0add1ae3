"""Whether draws come from a density, in any dimension and without its constant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

SEED = 22
WAVES = 32

PROPOSALS = 2
"""For each draw; more of them lower the noise of the steps, but not that of the draws."""

ERRORS = 5.0
"""Standard errors: a check with 32 figures raises a false alarm once in fifty thousand times."""


class Waves(NamedTuple):
    """Bounded functions `cos(w . (x - centre) / width + phase)`, half of them of one coordinate only.

    Arguments:
        centre, width: where the mass is.
        frequencies: `w`.
        phases: of the waves.
    """

    centre: Float[np.ndarray, " dim"]
    width: Float[np.ndarray, " dim"]
    frequencies: Float[np.ndarray, "waves dim"]
    phases: Float[np.ndarray, " waves"]

    @classmethod
    def around(cls, points: Float[np.ndarray, "count dim"]) -> Waves:
        """Waves from a third of the width of a cloud of points to thirty times its width."""
        random = np.random.default_rng(SEED)
        dim = points.shape[1]
        directions = random.normal(size=(WAVES, dim))
        directions[::2] = np.eye(dim)[np.arange(WAVES)[::2] // 2 % dim]
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        sizes = np.exp(random.uniform(np.log(0.2), np.log(20.0), size=(WAVES, 1)))
        low, middle, high = np.quantile(points, [0.16, 0.5, 0.84], axis=0)
        width = np.maximum(0.5 * (high - low), np.finfo(np.float32).tiny)
        return cls(middle, width, sizes * directions, random.uniform(0.0, 2.0 * np.pi, WAVES))

    def at(self, points: Float[np.ndarray, "count dim"]) -> Float[np.ndarray, "count waves"]:
        """All waves at all points."""
        return np.cos(((points - self.centre) / self.width) @ self.frequencies.T + self.phases)


def worst_deviation(values: Float[np.ndarray, "count figures"], expected: Any, allowance: float = 0.0) -> float:
    """The largest distance of means from what was expected, in standard errors.

    Arguments:
        values: independent draws of every figure.
        expected: their means.
        allowance: error of what was expected, added to the standard errors.
    """
    error = values.std(axis=0, ddof=1) / np.sqrt(len(values)) + allowance
    return float(np.max(np.abs(values.mean(axis=0) - expected) / np.maximum(error, np.finfo(float).tiny)))


def metropolis_deviation(log_density: Callable[..., Any], draws: Float[np.ndarray, "count dim"]) -> float:
    """How many standard errors a Metropolis step moves the means of bounded functions; exact draws stay in place.

    For `x ~ q` and a symmetric proposal `x'`, `E[min(1, q(x') / q(x)) (h(x') - h(x))] = 0` for every bounded `h`: for
    waves, and for the log density itself, squashed, which moves if the draws are too narrow or too wide. No gradient
    and no constant is needed, the density may jump, and every term is bounded.

    Arguments:
        log_density: of many points, unnormalised.
        draws: that claim to come from it, independent.
    """
    random = np.random.default_rng(SEED + 1)
    waves, before = Waves.around(draws), log_density(draws)
    low, middle, high = np.quantile(before, [0.16, 0.5, 0.84])
    unit = max(high - low, np.finfo(float).tiny)
    moved = np.zeros((len(draws), WAVES + 1))
    # Draws of density zero make the result NaN.
    with np.errstate(invalid="ignore"):
        for _ in range(PROPOSALS):
            proposed = draws + waves.width * _steps(random, draws.shape)
            after = np.nan_to_num(log_density(proposed), nan=-np.inf, neginf=-np.inf)
            rise = np.tanh((after - middle) / unit) - np.tanh((before - middle) / unit)
            changes = np.column_stack([waves.at(proposed) - waves.at(draws), rise])
            moved += np.exp(np.minimum(after - before, 0.0))[:, None] * changes
    return worst_deviation(moved, 0.0)


def _steps(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Symmetric steps of all sizes; half of them move one coordinate only, which narrow densities accept."""
    count, dim = shape
    alone = np.eye(dim)[random.integers(dim, size=count)]
    together = np.full(shape, 1.0 / np.sqrt(dim))
    directions = np.where(random.random((count, 1)) < 0.5, alone, together) * random.normal(size=shape)
    return np.exp(random.uniform(np.log(0.1), np.log(3.0), size=(count, 1))) * directions
