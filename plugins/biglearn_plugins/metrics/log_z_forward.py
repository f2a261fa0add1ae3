"""The normalising constant of the target, estimated from exact draws with the sampler's density."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Array, Key

from biglearn_plugins.metrics.forward_weights import check_exact, forward_weights
from biglearn_plugins.metrics.khat import heavy_tail, tail_warning
from biglearn_plugins.metrics.log_z import log_mean, log_z_of
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.evaluation import AbstractMetric, Draws, Measured
from biglearn_sampler.importance import resolution_of

FIGURES = ("log_z_forward", "log_z_forward_error", "log_z_gap")


@dataclass(frozen=True)
class LogZForward(AbstractMetric):
    """Figures `log_z_forward`, `log_z_forward_error` (the estimate minus the truth, where it is known), `log_z_gap`.

    `log_z_forward = -log E_q[p(x) / q(x)]` over exact draws `x ~ q / Z`: reciprocal importance sampling. It is right
    for a sampler that misses modes, and too high by `-log(1 - e)` for one with the share `e` of its mass where the
    target has none. The estimate `log_z` from the sampler's own draws is too low by the mass of missed modes; so
    `log_z_gap = log_z_forward - log_z` is above zero in both cases, with both standard errors (delta method, and
    the rounding of log densities) together.

    Arguments:
        exact: number of exact draws, at least 25.
    """

    exact: int = 4000

    def compute(self, draws: Draws, target: AbstractTarget, key: Key[Array, ""]) -> dict[str, Measured]:
        weights = forward_weights(draws, target, key, self.exact)
        if isinstance(weights, str):
            return dict.fromkeys(FIGURES, Measured.missing(weights))
        inverse = -weights.log_weights
        if not np.isfinite(inverse).any():
            return dict.fromkeys(FIGURES, Measured.missing("the method's density is zero at all exact draws"))
        mean, error = log_mean(inverse)
        error = math.hypot(error, weights.rounding)
        forward = Measured(-mean, error, heavy_tail(inverse, resolution_of(weights.log_target)))
        truth = target.facts.log_z
        return {
            "log_z_forward": forward,
            "log_z_forward_error": Measured.missing("log Z of the target is not known")
            if truth is None
            else Measured(-mean - truth, error, forward.reason),
            "log_z_gap": _gap(-mean, error, forward.reason, draws),
        }


def _gap(forward: float, forward_error: float, warning: str | None, draws: Draws) -> Measured:
    own = log_z_of(draws)
    if isinstance(own, str):
        return Measured.missing(own)
    reverse, error = own
    return Measured(forward - reverse, math.hypot(forward_error, error), warning or tail_warning(draws))


def log_z_forward(exact: Annotated[int, "number of exact draws, at least 25"] = 4000) -> LogZForward:
    """The metric.

    Raises:
        ValueError: too few exact draws.
    """
    check_exact(exact)
    return LogZForward(exact)


ENTRY = Entry(
    name="log_z_forward",
    build=log_z_forward,
    summary="log Z from exact draws, and its gap to the estimate from the sampler's own draws; sees missed modes",
    reference="Gelfand & Dey, Journal of the Royal Statistical Society B 56 (1994)",
)
