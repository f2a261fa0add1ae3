"""The mass that a method gives every mode, beside the true one; shared by several metrics."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.evaluation import Draws
from biglearn_sampler.evaluation.importance import effective_count
from biglearn_sampler.evaluation.mode_shares import belongs_to_modes

ROUNDING = 1e-9
"""Below it terms of a mean are the same number."""

NO_MODES = "the modes of the target are not known"


@dataclass(frozen=True, eq=False)
class ModeMasses:
    """Masses of modes.

    Arguments:
        found: `f_k`, the mean over the draws, by the method's own weights if it has any and never by importance
            weights, of the probability that a draw belongs to mode `k` (`facts.responsibilities`).
        true: `pi_k`, all above zero.
        belongs: that probability for every draw.
        draws: the draws themselves.
    """

    found: Float[np.ndarray, " modes"]
    true: Float[np.ndarray, " modes"]
    belongs: Float[np.ndarray, "count modes"]
    draws: Draws

    @property
    def independent_count(self) -> float:
        """How many independent draws the masses come from; for chains the least of all modes that they visited."""
        if self.draws.chains is None:
            return self.draws.worth
        visited = [terms for terms in self.belongs.T if (terms != terms[0]).any()]
        counts = [effective_count(terms.reshape(self.draws.chains, -1)) for terms in visited]
        return max(1.0, min((count for count in counts if math.isfinite(count)), default=float(self.draws.chains)))


def mode_masses(draws: Draws, target: AbstractTarget) -> ModeMasses | str:
    """The masses, or the reason why they are not known."""
    belongs = belongs_to_modes(target.facts, draws.points)
    if belongs is None:
        return NO_MODES
    return ModeMasses(draws.shares @ belongs, np.asarray(target.facts.mode_weights, float), belongs, draws)


def error_of_mean(terms: Float[np.ndarray, " count"], draws: Draws) -> tuple[float, float | None]:
    """How many independent draws the terms of a mean are worth, and the standard error of the mean.

    Chains on which the terms never change, as those that are stuck, tell no error.
    """
    shares = draws.shares
    if draws.chains is not None:
        if np.ptp(terms) <= ROUNDING:
            return float(draws.chains), None
        count = effective_count(terms.reshape(draws.chains, -1))
        return count, float(terms.std(ddof=1)) / math.sqrt(count)
    squares = draws.by_family(shares * (terms - shares @ terms)) ** 2
    return draws.worth, math.sqrt(float(squares.sum()) * draws.worth / max(draws.worth - 1.0, 1.0))
