"""Where no component of a proper density lies or reaches."""

from __future__ import annotations

import numpy as np

from biglearn_sampler.engine.population import Population
from biglearn_sampler.errors import Diverged

UNBOUNDED = 1e5
"""Declared scales."""

FAR_SHARE = 0.01
"""Of the weight of fitted components: those of a heavy tail that reach as far have less."""


def check_bounded(population: Population, share: float = FAR_SHARE) -> None:
    """See that at most this share of the weight lies beyond all bounds, where it goes if no mass is finite.

    Raises:
        Diverged: it does.
    """
    spread = np.abs(population.factors).max((1, 2), initial=0.0)
    reach = np.maximum(spread, np.abs(population.means).max(1, initial=0.0))
    weights = np.exp(population.log_weights)
    if weights[~(reach < UNBOUNDED)].sum() <= share * weights.sum():
        return
    raise Diverged(
        f"the components grew or went to {reach.max():.0e} declared scales: the density seems to have no finite mass "
        "(is it flat somewhere, or does it grow?). If your function is an energy, return its negative: biglearn takes "
        "log densities; otherwise bound it, for example by a prior. Where values near a bound are clipped in single "
        "precision, as those of a sparse simplex, JAX_ENABLE_X64=1 helps"
    )
