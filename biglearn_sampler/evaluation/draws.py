"""Draws of a method, with the log densities that metrics need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from biglearn_sampler.importance import rounding_of


@dataclass(frozen=True, eq=False)
class Defended:
    """Draws of a sampler `p` and of a law `h` with heavier tails, all taken as draws of their mixture.

    Where the tails of a target are heavier than those of its sampler, the few draws that tell have weights beyond any
    bound, and most often there is none. Beside `m = (n p + n_h h) / (n + n_h)` no weight `q / m` exceeds
    `(1 + n_h / n) q / p`, nor `(1 + n / n_h) q / h`.

    Arguments:
        draws: the `n` of the sampler, then the `n_h` others; `log_sampler` is `log m`.
        log_own: `log p` at all of them.

    Reference: Hesterberg, Technometrics 37 (1995).
    """

    draws: Draws
    log_own: Float[np.ndarray, " count"]


@dataclass(frozen=True, eq=False)
class Draws:
    """Points that a method claims to come from the target.

    Arguments:
        points: the draws, in the target's own units; chains one after another.
        log_target: the target's unnormalised log density at each point, float64; `-inf` where it is zero.
        log_sampler: the method's own normalised log density at each point, or `None` if it has none (MCMC).
        chains: number of Markov chains of equal length, or `None` for independent draws.
        weights: of a method that weighs its draws itself, such as a particle method: not negative, summing to one;
            `None` where all draws count the same.
        log_sampler_at: the method's own normalised log density at any points, such as exact draws of the target; `None`
            if it has none or can give it at its own draws only.
        families: number of the family of each draw, such as the first ancestor of a particle: draws of one family are
            not independent; `None` where all are, and for chains.
        defended: the same draws and further ones with heavier tails; `None` where there are none.
    """

    points: Float[np.ndarray, "count dim"]
    log_target: Float[np.ndarray, " count"]
    log_sampler: Float[np.ndarray, " count"] | None = None
    chains: int | None = None
    weights: Float[np.ndarray, " count"] | None = None
    log_sampler_at: Callable[[Float[np.ndarray, "points dim"]], Float[np.ndarray, " points"]] | None = None
    families: Int[np.ndarray, " count"] | None = None
    defended: Defended | None = None

    def read_only(self) -> Draws:
        """The same draws, whose arrays raise where they are written to."""
        arrays = {name: array.view() for name, array in vars(self).items() if isinstance(array, np.ndarray)}
        for array in arrays.values():
            array.flags.writeable = False
        defended = self.defended and replace(self.defended, draws=self.defended.draws.read_only())
        return replace(self, **arrays, defended=defended)

    @property
    def shares(self) -> Float[np.ndarray, " count"]:
        """What every draw counts for in the method's own mean, summing to one."""
        if self.weights is None:
            return np.full(self.count, 1.0 / self.count)
        # Those of single precision sum to one only nearly, which large means would feel.
        weights = np.asarray(self.weights, float)
        return weights / weights.sum()

    @property
    def count(self) -> int:
        """Number of draws."""
        return len(self.points)

    @property
    def weighted(self) -> Draws:
        """Those that importance weights are best given to: all that defend these, or these themselves."""
        return self if self.defended is None else self.defended.draws

    @property
    def evaluated(self) -> int:
        """Number of points at which the target was asked: these, and the further ones that defend them."""
        return self.weighted.count

    @property
    def worth(self) -> float:
        """`1 / sum_g W_g^2`: how many independent draws these are worth, with `W_g` what a family counts for.

        Of chains it says nothing.
        """
        return float(1.0 / (self.by_family(self.shares) ** 2).sum())

    def by_family(self, terms: Float[np.ndarray, " count"]) -> Float[np.ndarray, " families"]:
        """The sum of terms over every family; the terms themselves where every draw is one of its own."""
        return terms if self.families is None else np.bincount(self.families, terms)

    @property
    def rounding(self) -> float:
        """By how much log weights may be off together, as `rounding_of` has it."""
        parts = [self.log_target] if self.log_sampler is None else [self.log_target, self.log_sampler]
        return max(map(rounding_of, parts))

    @property
    def log_ratios(self) -> Float[np.ndarray, " count"] | None:
        """`log q(x) - log p(x)`, the raw log importance weights; `None` for a method without a density."""
        return None if self.log_sampler is None else self.log_target - self.log_sampler
