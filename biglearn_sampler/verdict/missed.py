"""How much a sampler misses at a mode that was found."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from biglearn_sampler.engine.archive import NEWS, Mode
from biglearn_sampler.engine.population import Population
from biglearn_sampler.engine.stepper import Stepper, component_log_densities
from biglearn_sampler.mixture import Mixture
from biglearn_sampler.verdict.own_draws import log_density

CONFIRMING = 256
"""Fresh draws of a mode that was found, to see what it holds."""

MOSTLY = 0.5
"""Share of the mass at a mode that a sampler must lack to miss it."""


def log_missed(mode: Mode, sampler: Mixture, log_z: float, stepper: Stepper, generator: np.random.Generator) -> float:
    """Log of the mass at a mode `N` that the sampler `p` does not know: `E_N[(q - Z p) 1(q > e Z p) / N]`.

    On fresh draws, since the few on which a searcher was archived may have flattered it; and only where the sampler
    has less than a share `1 / e` of the density: a sampler that is a little off everywhere misses no mode; nor does
    one that knows most of what lies there, but not all of its tails.
    """
    alone = Population(mode.mean[None], mode.factor[None], np.zeros(1))
    points = alone.draws(generator, CONFIRMING)
    log_target = stepper.log_density(points, "verdict")
    known = log_z + log_density(sampler, points) if np.isfinite(log_z) else np.full(len(points), -np.inf)
    unknown = log_target > known + NEWS
    # Elsewhere both may be minus infinity.
    left = np.log1p(-np.exp(np.subtract(known, log_target, out=np.full(len(points), -1.0), where=unknown)))
    log_ratio = log_target - component_log_densities(points, alone)[:, 0]
    log_unknown = np.where(unknown, log_ratio, -np.inf)
    if logsumexp(log_unknown) < logsumexp(log_ratio) + np.log(MOSTLY):
        return -np.inf
    return float(logsumexp(log_unknown + left) - np.log(len(points)))
