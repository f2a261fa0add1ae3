"""Whether draws come from a density, in any dimension and without its constant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

SEED = 22
WAVES = 32

PROPOSALS = 2
"""Small steps from each draw."""

ERRORS = 5.0
"""Standard errors: a check with a hundred figures raises a false alarm once in seventeen thousand times."""


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


def metropolis_deviation(
    log_density: Callable[..., Any],
    draws: Float[np.ndarray, "count dim"],
    peaks: Float[np.ndarray, "peaks dim"] | None = None,
) -> float:
    """How many standard errors a Metropolis step moves the means of bounded functions; exact draws stay in place.

    For `x ~ q` and a symmetric proposal `x'`, `E[min(1, q(x') / q(x)) (h(x') - h(x))] = 0` for every bounded `h`: for
    waves, and for the log density itself, squashed, which moves if the draws are too narrow or too wide. No gradient
    and no constant is needed, the density may jump, and every term is bounded.

    Small steps see the shape of every mode; steps by the difference of two other draws, which lead from mode to mode,
    their masses; and steps by the difference of two peaks of the density a mode that no draw has found.

    Arguments:
        log_density: of many points, unnormalised.
        draws: that claim to come from it, independent.
        peaks: points of high density, perhaps of modes that are missing among the draws.
    """
    random = np.random.default_rng(SEED + 1)
    moves = _Moves.of(log_density, draws)
    deviations = [moves.deviation(draws, moves.waves.width * _steps(random, draws.shape)) for _ in range(PROPOSALS)]
    # Each draw is used once, so that the terms are independent.
    first, second, third = draws[: len(draws) // 3 * 3].reshape(3, -1, draws.shape[1])
    deviations.append(moves.deviation(first, second - third))
    if peaks is not None:
        start, end = random.integers(len(peaks), size=(2, len(draws)))
        deviations.append(moves.deviation(draws, peaks[end] - peaks[start]))
    return float(np.max(deviations))


class _Moves(NamedTuple):
    """Metropolis moves of points, and what they change.

    Arguments:
        log_density: of many points.
        waves: the bounded functions.
        middle, unit: of the log density at exact draws, which squash it.
    """

    log_density: Callable[..., Any]
    waves: Waves
    middle: float
    unit: float

    @classmethod
    def of(cls, log_density: Callable[..., Any], draws: Float[np.ndarray, "count dim"]) -> _Moves:
        low, middle, high = np.quantile(log_density(draws), [0.16, 0.5, 0.84])
        return cls(log_density, Waves.around(draws), float(middle), float(max(high - low, np.finfo(float).tiny)))

    def deviation(self, draws: Float[np.ndarray, "count dim"], steps: Float[np.ndarray, "count dim"]) -> float:
        """How many standard errors one move of every draw changes the worst function.

        The error is the larger of two. One is that of the terms seen. The other is told by the moves that lead down:
        one that is accepted with probability `a` has its like on the way back, where it is accepted always and met `a`
        times as often, so that both together have the second moment `a (1 + a) (h(x') - h(x))^2`. So a rare way back
        counts though no draw was on it.

        Arguments:
            draws: where the moves begin.
            steps: of which the opposite is as likely.
        """
        # Draws of density zero make the result NaN.
        with np.errstate(invalid="ignore"):
            before = self.log_density(draws)
            after = np.nan_to_num(self.log_density(draws + steps), nan=-np.inf, neginf=-np.inf)
            rise = np.tanh((after - self.middle) / self.unit) - np.tanh((before - self.middle) / self.unit)
            changes = np.column_stack([self.waves.at(draws + steps) - self.waves.at(draws), rise])
            accepted = np.exp(np.minimum(after - before, 0.0))[:, None]
            terms = accepted * changes
            both_ways = np.where(accepted < 1.0, accepted * (1.0 + accepted) * changes**2, 0.0).mean(axis=0)
            error = np.sqrt(np.maximum(both_ways, terms.var(axis=0)) / len(draws))
            return float(np.max(np.abs(terms.mean(axis=0)) / np.maximum(error, np.finfo(float).tiny)))


def _steps(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Symmetric steps of all sizes; half of them move one coordinate only, which narrow densities accept."""
    count, dim = shape
    alone = np.eye(dim)[random.integers(dim, size=count)]
    together = np.full(shape, 1.0 / np.sqrt(dim))
    directions = np.where(random.random((count, 1)) < 0.5, alone, together) * random.normal(size=shape)
    return np.exp(random.uniform(np.log(0.1), np.log(3.0), size=(count, 1))) * directions
