"""The effective sample size of importance weights, measured over exact draws of the target."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Array, Key

from biglearn_plugins.metrics.forward_weights import check_exact, forward_weights
from biglearn_plugins.metrics.khat import heavy_tail
from biglearn_plugins.metrics.log_z import log_mean
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.evaluation import AbstractMetric, Draws, Measured
from biglearn_sampler.importance import resolution_of


@dataclass(frozen=True)
class EssForward(AbstractMetric):
    """Figure `ess_forward = Z / E_q[w]` with `w = q(x) / p(x)` over exact draws `x ~ q / Z`: a fraction of 1.

    It is the fraction `E_p[w]^2 / E_p[w^2]` that `ess` estimates from the sampler's own draws; at exact draws it sees
    the modes that the sampler misses. Where `Z` is not known, `1 / E_q[1 / w]` stands for it (`log_z_forward`).
    Standard error by the delta method. The mean of `w` may have an infinite variance; a warning stands beside the value
    where the tail of the weights is too heavy.

    Arguments:
        exact: number of exact draws, at least 25.
    """

    exact: int = 4000

    def compute(self, draws: Draws, target: AbstractTarget, key: Key[Array, ""]) -> dict[str, Measured]:
        weights = forward_weights(draws, target, key, self.exact)
        if isinstance(weights, str):
            return {"ess_forward": Measured.missing(weights)}
        if weights.beyond:
            return {"ess_forward": Measured(0.0, reason=weights.beyond)}
        known = target.facts.log_z
        mean, error = log_mean(weights.log_weights)
        if known is not None:
            value = math.exp(known - mean)
            return {"ess_forward": Measured(value, value * error, weights.tail_warning)}
        inverse = log_mean(-weights.log_weights)[0]
        value = math.exp(-inverse - mean)
        # Both means are of the same draws, and their errors nearly cancel for a sampler that is nearly right.
        terms = np.exp(weights.log_weights - mean) + np.exp(-weights.log_weights - inverse)
        error = float(terms.std(ddof=1)) / math.sqrt(len(terms))
        tail = heavy_tail(-weights.log_weights, resolution_of(weights.log_target))
        return {"ess_forward": Measured(value, value * error, weights.tail_warning or tail)}


def ess_forward(exact: Annotated[int, "number of exact draws, at least 25"] = 4000) -> EssForward:
    """The metric.

    Raises:
        ValueError: too few exact draws.
    """
    check_exact(exact)
    return EssForward(exact)


ENTRY = Entry(
    name="ess_forward",
    build=ess_forward,
    summary="effective sample size of importance weights over exact draws, as a fraction; sees missed modes",
    reference="Midgley, Stimper, Simm, Schölkopf & Hernández-Lobato, ICLR (2023)",
)
