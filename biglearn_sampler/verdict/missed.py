"""How much a sampler misses at modes that were found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

from biglearn_sampler.engine.archive import NEWS, Mode
from biglearn_sampler.engine.population import Population
from biglearn_sampler.engine.stepper import Stepper, component_log_densities
from biglearn_sampler.importance import truncated_log_mean
from biglearn_sampler.mixture import Mixture
from biglearn_sampler.verdict.own_draws import log_density

CONFIRMING = 256
"""Fresh draws of a mode that was found, to see what it holds."""

MOSTLY = 0.5
"""Share of the mass at a mode that a sampler must lack to miss it."""


class Missed(NamedTuple):
    """What fresh draws of a mode show that a sampler lacks there.

    Arguments:
        mode: a Gaussian `N`.
        points: draws of it, since the few on which a searcher was archived may have flattered it.
        log_lacking: `log (q - Z p)` where the sampler has less than a share `1 / e` of the density, minus infinity
            elsewhere: a sampler that is a little off everywhere misses no mode. Nor does one that knows most of what
            lies there, but not all of its tails: it lacks nothing anywhere. Here `q` is at most `sqrt(n)` times its
            truncated mean on `n` draws: a single one far out, where `N` ends before the density, tells of no mode.
    """

    mode: Mode
    points: Float[np.ndarray, "draws dim"]
    log_lacking: Float[np.ndarray, " draws"]

    @classmethod
    def at(cls, mode: Mode, sampler: Mixture, log_z: float, stepper: Stepper, generator: np.random.Generator) -> Missed:
        """Draw, and ask the energy."""
        points = Population(mode.mean[None], mode.factor[None], np.zeros(1)).draws(generator, CONFIRMING)
        log_target = stepper.log_density(points, "verdict")
        known = log_z + log_density(sampler, points) if np.isfinite(log_z) else np.full(len(points), -np.inf)
        unknown = log_target > known + NEWS
        # Elsewhere both may be minus infinity.
        left = np.log1p(-np.exp(np.subtract(known, log_target, out=np.full(len(points), -1.0), where=unknown)))
        log_proposal = _log_sum([mode], points)
        most = truncated_log_mean(log_target - log_proposal) + 0.5 * np.log(len(points))
        log_ratio = np.minimum(log_target - log_proposal, most)
        if logsumexp(np.where(unknown, log_ratio, -np.inf)) < logsumexp(log_ratio) + np.log(MOSTLY):
            unknown[:] = False
        return cls(mode, points, np.where(unknown, log_proposal + log_ratio + left, -np.inf))

    def log_mass(self, among: Sequence[Mode]) -> float:
        """`log E_N[(q - Z p) / sum_j N_j]` over modes that share what is lacking, this one among them.

        Such shares add up to the whole, where what is missed is no Gaussian and was found as several that overlap.
        """
        return float(logsumexp(self.log_lacking - _log_sum(among, self.points)) - np.log(len(self.points)))


def missed_modes(
    modes: Sequence[Mode],
    sampler: Mixture,
    log_z: float,
    least: float,
    stepper: Stepper,
    generator: np.random.Generator,
) -> list[Mode]:
    """The modes that the sampler misses, the evidence of each its share of what is missed.

    Arguments:
        modes: that a search found.
        sampler, log_z: `p` and the log of its mass.
        least: log of the mass that a mode alone must hold to count as missed.
        stepper: asks the energy, `CONFIRMING` times for each mode.
        generator: of the draws.
    """
    seen = [Missed.at(mode, sampler, log_z, stepper, generator) for mode in modes]
    missed = [one for one in seen if one.log_mass([one.mode]) > least]
    among = [one.mode for one in missed]
    return [one.mode._replace(evidence=one.log_mass(among)) for one in missed]


def _log_sum(modes: Sequence[Mode], points: Float[np.ndarray, "draws dim"]) -> Float[np.ndarray, " draws"]:
    means, factors = np.stack([mode.mean for mode in modes]), np.stack([mode.factor for mode in modes])
    return np.asarray(logsumexp(component_log_densities(points, Population(means, factors, np.zeros(len(modes)))), 1))
