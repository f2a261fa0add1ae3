"""Checks of a baseline, on a Gaussian in the plane whose coordinates are correlated."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from biglearn_sampler.energy import MixtureTarget
from biglearn_sampler.errors import UserError
from biglearn_sampler.evaluation import AbstractBaseline, BaselineResult, result_problem
from biglearn_sampler.evaluation.importance import moments
from biglearn_sampler.learning.start import StartRegion
from biglearn_sampler.mixture import GaussianMixture
from biglearn_sampler.testing.fault import Fault, NotChecked, called
from biglearn_sampler.testing.points import log_densities
from biglearn_sampler.testing.repeat import expect_same
from biglearn_sampler.testing.reversible import ERRORS
from biglearn_sampler.testing.shared import shared

KEY = 33
MEAN = np.array([1.0, -2.0])
COVARIANCE = np.array([[1.0, 1.2], [1.2, 2.25]])


def check_result(baseline: AbstractBaseline) -> None:
    """Draws have the target's log density beside them, chains of equal length, and a cost that was counted."""
    result = result_of(baseline)
    draws = result.draws
    points = np.asarray(draws.points)
    if not np.isfinite(points).all():
        raise Fault(f"draws.points must be at least 2 finite points of 2 coordinates, got shape {points.shape}")
    target = _target()
    if not np.allclose(draws.log_target, log_densities(target, points), atol=1e-3):
        raise Fault("draws.log_target must be the target's log density at every draw, and is not")
    counts = result.evaluations
    if min(counts) < 0 or counts.energy + counts.gradient <= 0:
        raise Fault(f"evaluations must count what was asked of the energy, warm-up included; got {counts}")
    if not (result.seconds_compile >= 0 and result.seconds_run >= 0):
        raise Fault(f"seconds must not be negative, got {result.seconds_compile} and {result.seconds_run}")
    if any(part > whole for part, whole in zip(result.warmup, counts, strict=True)) or min(result.warmup) < 0:
        raise Fault(f"warmup must be a part of evaluations, which are {counts}; got {result.warmup}")
    if draws.weights is not None and not (
        np.shape(draws.weights) == (len(points),)
        and np.min(draws.weights) >= 0
        and np.isclose(np.sum(draws.weights), 1.0, atol=1e-6)
    ):
        raise Fault(
            f"draws.weights must be {len(points)} numbers that are not negative and sum to one, got shape "
            f"{np.shape(draws.weights)} with the sum {np.sum(draws.weights):.6g}"
        )
    if not all(isinstance(name, str) and np.isfinite(value) for name, value in result.notes.items()):
        raise Fault(f"notes must be finite numbers by name, got {dict(result.notes)}")


def check_moments(baseline: AbstractBaseline) -> None:
    """Means, variances and the covariance of a Gaussian within 5 Monte Carlo errors, by the draws' own worth."""
    draws = result_of(baseline).draws
    first, second = (draws.points - MEAN).T
    quantities = {"x_0": first, "x_1": second, "x_0^2": first**2, "x_1^2": second**2, "x_0 x_1": first * second}
    truths = (0.0, 0.0, COVARIANCE[0, 0], COVARIANCE[1, 1], COVARIANCE[0, 1])
    for (name, found), truth in zip(moments(quantities, draws).items(), truths, strict=True):
        mean, error = found["mean"], found["mcse"]
        if mean is None or error is None or not abs(mean - truth) <= ERRORS * error:
            raise Fault(
                f"on a Gaussian, the mean of {name} (x counted from its mean) must be {truth:.4g} within {ERRORS:.0f} "
                f"Monte Carlo errors, got {mean} with an error of {error} from {draws.count} draws"
            )


def check_repeatable(baseline: AbstractBaseline) -> None:
    """The same key gives the same draws and the same counts."""
    first, again = result_of(baseline), _run(baseline)
    expect_same("a run with the same key", first.draws.points, again.draws.points)
    expect_same("a run with the same key, counting evaluations,", first.evaluations, again.evaluations)


def check_log_z(baseline: AbstractBaseline) -> None:
    """Log Z of the Gaussian, which is 0, within 5 of the method's own standard errors.

    Raises:
        NotChecked: the method gives none.
    """
    log_z = result_of(baseline).log_z
    if log_z is None:
        raise NotChecked("this method gives no log Z")
    if log_z.value is None:
        if not log_z.reason:
            raise Fault("a log_z without a value must say the reason")
        raise NotChecked(f"this method gave no log Z: {log_z.reason}")
    if log_z.standard_error is None and log_z.reason:
        raise NotChecked(f"this method states no error of its log Z: {log_z.reason}")
    if log_z.standard_error is None or not abs(log_z.value) <= ERRORS * log_z.standard_error:
        raise Fault(
            f"on a Gaussian, log_z must be 0 within {ERRORS:.0f} of its standard errors, got {log_z.value} with an "
            f"error of {log_z.standard_error}"
        )


def check_budget(baseline: AbstractBaseline) -> None:
    """A budget is spent and kept within a tenth; one that is too small is refused with the least that suffices."""
    target = _target()
    least: Any = called("least_budget", partial(baseline.least_budget, target))
    if not isinstance(least, int) or least < 1:
        raise Fault(f"least_budget must be a whole number of evaluations, at least 1; got {least!r}")
    for budget in (least, 3 * least):
        spent = _run(baseline, budget).evaluations.total
        if not 0.5 * budget <= spent <= 1.1 * budget:
            raise Fault(
                f"with a budget of {budget:,} evaluations, about as many must be spent and at most a tenth more; "
                f"evaluations counts {spent:,}"
            )
    try:
        baseline.run(target, _start(), jax.random.key(KEY), least - 1)
    except UserError as error:
        if f"{least:,}" not in str(error):
            raise Fault(
                f"the refusal of a small budget must say the least that is needed, {least:,}: {error}"
            ) from None
    else:
        raise Fault(
            f"a budget of {least - 1:,} evaluations is below least_budget and was not refused; begin `run` with "
            "`self.check_budget(target, budget)`"
        )


@shared
def result_of(baseline: AbstractBaseline) -> BaselineResult:
    """One run on the Gaussian."""
    return _run(baseline)


def _run(baseline: AbstractBaseline, budget: int | None = None) -> BaselineResult:
    run: Any = partial(baseline.run, _target(), _start(), jax.random.key(KEY), budget)
    result = called("a run on a Gaussian in 2 dimensions", run)
    problem = result_problem(result, 2)
    if problem is not None:
        raise Fault(problem)
    return result


def _start() -> StartRegion:
    return StartRegion(jnp.zeros(2), 3.0 * jnp.eye(2), jnp.ones(2))


def _target() -> MixtureTarget:
    return MixtureTarget.of(GaussianMixture.of(MEAN[None], COVARIANCE), scale=3.0)
