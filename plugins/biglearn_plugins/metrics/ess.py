"""The effective sample size of importance weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Array, Key

from biglearn_plugins.metrics.log_weights import log_weights
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.evaluation import AbstractMetric, Draws, Measured

BLIND = "blind to missed modes: only weights at the sampler's own draws count"


@dataclass(frozen=True)
class EffectiveSampleSize(AbstractMetric):
    """Figure `ess`: the reverse effective sample size `(sum_i w_i)^2 / (n sum_i w_i^2)`, a fraction of 1.

    One for constant weights, `1/n` if one draw has all the weight. Standard error by the delta method: `ess *
    sd(2 v - v^2 / mean(v^2)) / sqrt(n)` with `v = w / mean(w)`. It is blind to missed modes: a sampler that is exact
    on one of two modes has 1; read it beside `modes_covered`.
    """

    def compute(self, draws: Draws, target: AbstractTarget, key: Key[Array, ""]) -> dict[str, Measured]:
        weights = log_weights(draws)
        if isinstance(weights, str):
            return {"ess": Measured.missing(weights)}
        relative = np.exp(weights - weights.max())
        relative /= relative.mean()
        fraction = 1.0 / float((relative**2).mean())
        slopes = fraction * (2.0 * relative - fraction * relative**2)
        return {"ess": Measured(fraction, float(slopes.std(ddof=1)) / math.sqrt(draws.count), BLIND)}


def ess() -> EffectiveSampleSize:
    """The metric; it has no parameters."""
    return EffectiveSampleSize()


ENTRY = Entry(
    name="ess",
    build=ess,
    summary="effective sample size of the importance weights, as a fraction; blind to missed modes",
    reference="Kong, technical report 348, University of Chicago (1992)",
)
