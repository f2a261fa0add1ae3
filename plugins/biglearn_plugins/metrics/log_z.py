"""The normalising constant of the target, estimated by importance sampling from the sampler."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Array, Key

from biglearn_plugins.metrics.khat import tail_warning
from biglearn_plugins.metrics.log_weights import log_weights
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.evaluation import AbstractMetric, Draws, Measured


@dataclass(frozen=True)
class LogZ(AbstractMetric):
    """Figures `log_z` and, where the truth is known, `log_z_error`: the estimate minus the truth.

    `log_z = log (1/n) sum_i w_i` with `w_i = q(x_i) / p(x_i)`. Its standard error, by the delta method, is
    `sd(w) / (mean(w) sqrt(n))`, and the rounding of log densities comes to it. Where draws with heavier tails defend
    those of the sampler, `w_i = q(x_i) / m(x_i) - b (c_i - 1)`: weights beside the density `m` of all draws, less the
    slope `b` of these on a control `c_i = p(x_i) / m(x_i)`, whose mean is known to be one. The error is still zero
    where `q = Z p`. A mode in which there is no draw is missing from the estimate and from the error. A warning stands
    beside the value where the tail of the weights is too heavy.
    """

    def compute(self, draws: Draws, target: AbstractTarget, key: Key[Array, ""]) -> dict[str, Measured]:
        estimated = log_z_of(draws)
        if isinstance(estimated, str):
            return {"log_z": Measured.missing(estimated), "log_z_error": Measured.missing(estimated)}
        (estimate, error), warning = estimated, tail_warning(draws)
        truth = target.facts.log_z
        return {
            "log_z": Measured(estimate, error, warning),
            "log_z_error": Measured.missing("log Z of the target is not known")
            if truth is None
            else Measured(estimate - truth, error, warning),
        }


def log_z_of(draws: Draws) -> tuple[float, float] | str:
    """The estimate with its standard error, rounding included; or the reason why there is none."""
    weighted, defended = draws.weighted, draws.defended
    control = None if defended is None else np.exp(defended.log_own - np.asarray(weighted.log_sampler))
    weights = log_weights(weighted)
    if isinstance(weights, str):
        return weights
    estimate, error = log_mean(weights, control)
    return estimate, math.hypot(error, draws.rounding)


def log_mean(log_weights: np.ndarray, control: np.ndarray | None = None) -> tuple[float, float]:
    """`log mean exp` with its standard error; a control of mean one takes away what follows it."""
    largest = float(log_weights.max())
    relative = np.exp(log_weights - largest)
    if control is not None:
        slope = np.cov(relative, control)[0, 1] / max(control.var(ddof=1), np.finfo(float).tiny)
        controlled = relative - slope * (control - 1.0)
        # Few weights that stand far above all others leave no more than the plain mean.
        relative = controlled if controlled.mean() > 0 else relative
    mean, error = float(relative.mean()), float(relative.std(ddof=1)) / math.sqrt(len(relative))
    return largest + math.log(mean), error / mean


def log_z() -> LogZ:
    """The metric; it has no parameters."""
    return LogZ()


ENTRY = Entry(
    name="log_z",
    build=log_z,
    summary="importance estimate of log Z, and its error where log Z is known",
    reference="Owen & Zhou, Safe and effective importance sampling, JASA 95 (2000)",
)
