"""Whether Markov chains agree with each other, and how many independent draws they are worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Array, Float, Key
from numpyro.diagnostics import gelman_rubin

from biglearn_plugins.metrics.mode_masses import mode_masses
from biglearn_plugins.metrics.representatives import normal_scores
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.evaluation import AbstractMetric, Draws, Measured
from biglearn_sampler.evaluation.importance import effective_count, split_chains

FIGURES = ("rhat_max", "ess_bulk_min")
# Half a chain needs two draws for a variance.
FEWEST_DRAWS = 4


@dataclass(frozen=True)
class ChainDiagnostics(AbstractMetric):
    """Figures `rhat_max` and `ess_bulk_min`, the worst over the coordinates.

    R-hat compares the variance between chains with that within them, over split chains, for the normal scores
    of the ranks and of the ranks of the distance from the median; 1 is ideal, above 1.01 the chains disagree.
    The bulk effective sample size is that of the normal scores, in draws. Both are blind to modes that no
    chain has visited; where the modes of the target are known, a sentence beside R-hat says how many the chains
    visited, as in "R-hat 1.00, 2 of 25 modes". Neither has a standard error; `ess_bulk_min` is that of the draws.
    """

    def compute(self, draws: Draws, target: AbstractTarget, key: Key[Array, ""]) -> dict[str, Measured]:
        if draws.chains is None:
            return _missing("independent draws have no chains")
        length = draws.count // draws.chains
        if length < FEWEST_DRAWS:
            return _missing(f"chains need at least {FEWEST_DRAWS} draws, got {length}")
        coordinates = np.moveaxis(draws.points.reshape(draws.chains, length, -1), 2, 0)
        stuck = [i for i, values in enumerate(coordinates) if not np.ptp(split_chains(values), axis=1).any()]
        if stuck:
            return _missing(f"no chain moves in coordinate {stuck[0]}")
        scores = [normal_scores(values) for values in coordinates]
        rhat = max(map(rank_rhat, coordinates))
        return {
            "rhat_max": Measured(rhat, reason=_visited(rhat, draws, target)),
            "ess_bulk_min": Measured(min(map(effective_count, scores))),
        }


def rank_rhat(values: Float[np.ndarray, "chains draws"]) -> float:
    """The rank-normalised R-hat of one coordinate: the larger of that of location and that of scale."""
    folded = np.abs(values - np.median(values))
    both = (float(gelman_rubin(split_chains(normal_scores(each)))) for each in (values, folded))
    # The folded values of a coordinate with two values may all be the same; they then have no R-hat.
    return max(rhat for rhat in both if np.isfinite(rhat))


def _visited(rhat: float, draws: Draws, target: AbstractTarget) -> str | None:
    """R-hat beside the number of modes in which at least one draw is, where some have none."""
    masses = mode_masses(draws, target)
    if isinstance(masses, str):
        return None
    visited = int(np.count_nonzero(masses.belongs.max(axis=0) > 0.5))
    total = len(masses.true)
    return None if visited == total else f"R-hat {rhat:.2f}, {visited} of {total} modes: R-hat cannot see the others"


def _missing(reason: str) -> dict[str, Measured]:
    return dict.fromkeys(FIGURES, Measured.missing(reason))


def chain_diagnostics() -> ChainDiagnostics:
    """The metric; it has no parameters."""
    return ChainDiagnostics()


ENTRY = Entry(
    name="chain_diagnostics",
    build=chain_diagnostics,
    summary="rank-normalised R-hat and bulk effective sample size of chains, the worst over coordinates",
    reference="Vehtari, Gelman, Simpson, Carpenter & Buerkner, Bayesian Analysis 16 (2021)",
)
