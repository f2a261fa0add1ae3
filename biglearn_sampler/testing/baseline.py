"""Checks of a baseline, on a Gaussian in the plane whose coordinates are correlated."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from biglearn_sampler.energy import MixtureTarget
from biglearn_sampler.evaluation import AbstractBaseline, BaselineResult
from biglearn_sampler.evaluation.importance import moments
from biglearn_sampler.learning.start import StartRegion
from biglearn_sampler.mixture import GaussianMixture
from biglearn_sampler.testing.fault import Fault, called
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
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2 or not np.isfinite(points).all():
        raise Fault(f"draws.points must be at least 2 finite points of 2 coordinates, got shape {points.shape}")
    if draws.chains is not None and (draws.chains < 1 or len(points) % draws.chains):
        raise Fault(f"{len(points)} draws cannot be {draws.chains} chains of equal length")
    target = _target()
    if not np.allclose(draws.log_target, log_densities(target, points), atol=1e-3):
        raise Fault("draws.log_target must be the target's log density at every draw, and is not")
    counts = result.evaluations
    if min(counts) < 0 or counts.energy + counts.gradient <= 0:
        raise Fault(f"evaluations must count what was asked of the energy, warm-up included; got {counts}")
    if not (result.seconds_compile >= 0 and result.seconds_run >= 0):
        raise Fault(f"seconds must not be negative, got {result.seconds_compile} and {result.seconds_run}")
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


@shared
def result_of(baseline: AbstractBaseline) -> BaselineResult:
    """One run on the Gaussian."""
    return _run(baseline)


def _run(baseline: AbstractBaseline) -> BaselineResult:
    start = StartRegion(jnp.zeros(2), 3.0 * jnp.eye(2), jnp.ones(2))
    run: Any = partial(baseline.run, _target(), start, jax.random.key(KEY))
    return called("a run on a Gaussian in 2 dimensions", run)


def _target() -> MixtureTarget:
    return MixtureTarget.of(GaussianMixture.of(MEAN[None], COVARIANCE), scale=3.0)
