"""The effective sample size of importance weights, measured over exact draws of the target."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from jaxtyping import Array, Key

from biglearn_plugins.metrics.forward_weights import check_exact, forward_weights
from biglearn_plugins.metrics.log_z import log_mean
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.evaluation import AbstractMetric, Draws, Measured


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
        log_z = -log_mean(-weights.log_weights)[0] if known is None else known
        mean, error = log_mean(weights.log_weights)
        value = math.exp(log_z - mean)
        return {"ess_forward": Measured(value, value * error, weights.tail_warning)}


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
