"""Errors of means and variances, in units of their Monte Carlo error."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from jaxtyping import Array, Float, Key
from scipy.special import ndtri

from biglearn_plugins.metrics.exact_draws import exact_draws
from biglearn_plugins.metrics.forward_weights import check_exact
from biglearn_plugins.metrics.null_quantile import LEVEL
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.evaluation import AbstractMetric, Draws, Measured
from biglearn_sampler.evaluation.importance import moments

FIGURES = ("mean_error_max", "variance_error_max", "moment_error_quantile", "mean_bias_max")


@dataclass(frozen=True)
class MomentErrors(AbstractMetric):
    """Figures `mean_error_max`, `variance_error_max`, `moment_error_quantile` and `mean_bias_max`.

    Over the coordinates `j`, with `h = x_j` for the mean and `h = (x_j - E_q[x_j])^2` for the variance:

        error_j = |mean of h over the draws - mean of h over exact draws| / sqrt(mcse^2 + mcse_exact^2)

    - `mean_error_max` and `variance_error_max`: the largest `error_j`. Its standard error is 1, as it is in units of
      it. The draws count by the method's own weights if it has any and never by importance weights; `mcse` of chains
      comes from their effective sample size.
    - `moment_error_quantile`: what exact draws exceed, in each of the two, with a probability of at most 5 % (Sidak
      1967): the floor.
    - `mean_bias_max`: the largest error of a mean in units of the target's standard deviation, which does not grow with
      the number of draws, with its Monte Carlo error.

    Where the target has no variance, as with heavy tails, the errors say little.

    Arguments:
        exact: number of exact draws, at least 25.
    """

    exact: int = 20_000

    def compute(self, draws: Draws, target: AbstractTarget, key: Key[Array, ""]) -> dict[str, Measured]:
        points = exact_draws(target, key, self.exact)
        if isinstance(points, str):
            return dict.fromkeys(FIGURES, Measured.missing(points))
        exact, centre = Draws(points, np.zeros(len(points))), points.mean(axis=0)
        means = _differences(draws.points, draws, points, exact)
        variances = _differences((draws.points - centre) ** 2, draws, (points - centre) ** 2, exact)
        if isinstance(means, str) or isinstance(variances, str):
            return dict.fromkeys(FIGURES, Measured.missing(means if isinstance(means, str) else str(variances)))
        biases = means / points.std(axis=0, ddof=1)[:, None]
        largest = np.abs(biases[:, 0]).argmax()
        return {
            "mean_error_max": Measured(float(np.abs(means[:, 0] / means[:, 1]).max()), 1.0),
            "variance_error_max": Measured(float(np.abs(variances[:, 0] / variances[:, 1]).max()), 1.0),
            "moment_error_quantile": Measured(float(ndtri(0.5 + 0.5 * LEVEL ** (1.0 / target.dim)))),
            "mean_bias_max": Measured(float(abs(biases[largest, 0])), float(biases[largest, 1])),
        }


def _differences(
    values: Float[np.ndarray, "count dim"],
    draws: Draws,
    exact_values: Float[np.ndarray, "many dim"],
    exact: Draws,
) -> Float[np.ndarray, "dim 2"] | str:
    """For every coordinate the difference of the means and its Monte Carlo error; or why there is none."""
    # Without a density of its own a method's draws keep their own weights.
    found = moments({"h": values}, replace(draws, log_sampler=None)).values()
    truth = moments({"h": exact_values}, exact).values()
    pairs = [(each["mean"], each["mcse"], true["mean"], true["mcse"]) for each, true in zip(found, truth, strict=True)]
    if any(figure is None for pair in pairs for figure in pair):
        return "the Monte Carlo error of a moment of the draws is not known"
    mean, error, true_mean, true_error = np.array(pairs, float).T
    if draws.chains is not None and not error.all():
        return f"no chain moves in coordinate {int(np.argmin(error))}"
    return np.stack([mean - true_mean, np.hypot(error, true_error)], axis=1)


def moment_errors(exact: Annotated[int, "number of exact draws, at least 25"] = 20_000) -> MomentErrors:
    """The metric.

    Raises:
        ValueError: too few exact draws.
    """
    check_exact(exact)
    return MomentErrors(exact)


ENTRY = Entry(
    name="moment_errors",
    build=moment_errors,
    summary="largest errors of means and variances in units of their Monte Carlo error; needs exact draws",
    reference="Sidak, Journal of the American Statistical Association 62 (1967), for the quantile",
)
