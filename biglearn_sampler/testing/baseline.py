"""Checks of a baseline, on a Gaussian in the plane whose coordinates are correlated."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from biglearn_sampler.catalogue.problems import told
from biglearn_sampler.energy import MixtureTarget, from_numpy
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

AT_THE_DOOR = 1000
"""Points that a method may look at before it begins: energies on the host are looked at beforehand."""


def check_result(baseline: AbstractBaseline) -> None:
    """Draws have the target's log density beside them, chains of equal length, and a cost that was counted."""
    result = result_of(baseline)
    draws, counts = result.draws, result.evaluations
    points = np.asarray(draws.points)
    if not np.allclose(draws.log_target, log_densities(_target(), points), atol=1e-3):
        raise Fault("draws.log_target must be the target's log density at every draw, and is not")
    if counts.energy + counts.gradient <= 0:
        raise Fault(f"evaluations must count what was asked of the energy, warm-up included; got {counts}")
    if any(part > whole for part, whole in zip(result.warmup, counts, strict=True)):
        raise Fault(f"warmup must be a part of evaluations, which are {counts}; got {result.warmup}")
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
    results = {least: _least_run(baseline).result, 3 * least: _run(baseline, 3 * least)}
    for budget, result in results.items():
        spent = result.evaluations.total
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


def check_counts(baseline: AbstractBaseline) -> None:
    """`evaluations` counts what was asked of the energy: on one outside JAX, which counts for itself.

    Up to twice as many are let pass, and a look at every draw beside: what is computed beside a method is not counted
    by all alike, what is left out of its cost is.

    Raises:
        NotChecked: the method cannot run on such an energy.
    """
    run = _least_run(baseline)
    if run.why_not is not None:
        raise NotChecked(f"it cannot run on an energy outside JAX: {run.why_not}")
    counted, known = run.result.evaluations.total, run.result.draws.count
    if run.asked > 2 * counted + known + AT_THE_DOOR:
        raise Fault(
            f"evaluations must count what was asked of the energy, warm-up included; it counts {counted:,}, and the "
            f"energy was asked {run.asked:,} times for {known:,} draws"
        )


class _LeastRun(NamedTuple):
    """A run with the least budget.

    Arguments:
        result: of it.
        asked: points that the energy was asked for, which it counted itself.
        why_not: why it could not be run on such an energy, and was run on one inside JAX; `None` if it could.
    """

    result: BaselineResult
    asked: int
    why_not: str | None


@shared
def _least_run(baseline: AbstractBaseline) -> _LeastRun:
    energy = _Counting()
    target = from_numpy(energy.log_density, value_and_gradient=energy.value_and_gradient, dim=2, scale=3.0)
    least = baseline.least_budget(target)
    try:
        result = baseline.run(target, _start(), jax.random.key(KEY), least)
    except Exception as error:
        return _LeastRun(_run(baseline, least), 0, told(error))
    return _LeastRun(result, energy.asked, None)


class _Counting:
    """The same Gaussian in NumPy, which counts the points that it is asked for."""

    def __init__(self) -> None:
        self.asked = 0

    def log_density(self, points: np.ndarray) -> np.ndarray:
        """Of many points."""
        return self.value_and_gradient(points)[0]

    def value_and_gradient(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of many points."""
        self.asked += len(points)
        slopes = -(points - MEAN) @ np.linalg.inv(COVARIANCE)
        return 0.5 * ((points - MEAN) * slopes).sum(axis=1), slopes


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
