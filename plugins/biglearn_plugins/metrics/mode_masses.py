"""The mass that a method gives every mode, beside the true one; shared by several metrics."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import gammaln, xlog1py, xlogy

from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.evaluation import Draws
from biglearn_sampler.evaluation.importance import LEAST_WORTH, effective_count
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
    def counts(self) -> Float[np.ndarray, " modes"]:
        """How many independent draws each mass comes from."""
        return independent_counts(self.belongs, self.draws)

    @property
    def independent_count(self) -> float:
        """How many independent draws that mass comes from which is known worst."""
        return float(self.counts.min())


def mode_masses(draws: Draws, target: AbstractTarget) -> ModeMasses | str:
    """The masses, or the reason why they are not known."""
    belongs = belongs_to_modes(target.facts, draws.points)
    if belongs is None:
        return NO_MODES
    return ModeMasses(draws.shares @ belongs, np.asarray(target.facts.mode_weights, float), belongs, draws)


def independent_counts(terms: Float[np.ndarray, "count means"], draws: Draws) -> Float[np.ndarray, " means"]:
    """How many independent draws each of several means comes from, at least 1.

    On chains a term that never changes, as the share of a mode that none of them visits, tells no count; it gets the
    least one of the others, or the number of chains if there are none.
    """
    if draws.chains is None:
        return np.full(terms.shape[1], draws.worth)
    counts = np.array(
        [
            effective_count(each.reshape(draws.chains, -1)) if np.ptp(each) > ROUNDING else math.nan
            for each in np.ascontiguousarray(terms.T)
        ]
    )
    known = counts[np.isfinite(counts)]
    return np.maximum(np.where(np.isfinite(counts), counts, known.min() if len(known) else float(draws.chains)), 1.0)


def expected_distance(true: Float[np.ndarray, " parts"], counts: Float[np.ndarray, " parts"]) -> float:
    """`1/2 sum_k E|f_k - pi_k|` of exact draws: the mean absolute deviation of binomial laws.

        E|X - n p| = 2 (m + 1) C(n, m + 1) p^(m + 1) (1 - p)^(n - m),   m = floor(n p)

    Arguments:
        true: the masses `pi_k`.
        counts: number of draws for each, rounded.

    Reference: De Moivre (1730); Diaconis & Zabell, Statistical Science 6 (1991).
    """
    count = np.maximum(np.round(counts), 1.0)
    below = np.minimum(np.floor(count * true), count - 1.0)
    log_ways = gammaln(count + 1.0) - gammaln(below + 2.0) - gammaln(count - below)
    log_chance = xlogy(below + 1.0, true) + xlog1py(count - below, -true)
    deviation = 2.0 * np.exp(np.log(below + 1.0) + log_ways + log_chance) / count
    return float(min(0.5 * deviation.sum(), 1.0))


def error_of_mean(terms: Float[np.ndarray, " count"], draws: Draws) -> float | None:
    """The standard error of the mean of the terms.

    Chains on which the terms never change, as those that are stuck, tell no error, nor does a single family.
    """
    shares = draws.shares
    if draws.chains is not None:
        if np.ptp(terms) <= ROUNDING:
            return None
        return float(terms.std(ddof=1)) / math.sqrt(effective_count(terms.reshape(draws.chains, -1)))
    if draws.worth < LEAST_WORTH:
        return None
    squares = draws.by_family(shares * (terms - shares @ terms)) ** 2
    return math.sqrt(float(squares.sum()) * draws.worth / (draws.worth - 1.0))
