"""Multi-path Pathfinder: laws on paths, exact counts, budgets, masses and log Z of a mixture, the missing package."""

from __future__ import annotations

import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biglearn_plugins.baselines import extra
from biglearn_plugins.baselines.pathfinder import ENTRY
from biglearn_sampler.energy import AbstractTarget, MixtureTarget, from_numpy, function_target
from biglearn_sampler.errors import MissingPackage, RunFailed, UserError
from biglearn_sampler.evaluation import BaselineResult
from biglearn_sampler.evaluation.importance import moments
from biglearn_sampler.learning.start import StartRegion
from biglearn_sampler.mixture import GaussianMixture

installed = pytest.mark.skipif(importlib.util.find_spec("blackjax") is None, reason="the extra `baselines`")
MEAN, COVARIANCE = np.array([1.0, -2.0]), np.array([[1.0, 1.2], [1.2, 2.25]])
GAUSSIAN = MixtureTarget.of(GaussianMixture.of(MEAN[None], COVARIANCE), scale=3.0)
TWO = MixtureTarget.of(GaussianMixture.of([[-5.0, 0.0], [5.0, 2.0]], 0.25, [0.3, 0.7]), scale=4.0)


def run(target: AbstractTarget, budget: int | None = None, seed: int = 0, **parameters) -> BaselineResult:
    start = StartRegion(jnp.zeros(target.dim), 4.0 * jnp.eye(target.dim), jnp.ones(target.dim))
    return ENTRY.build(**parameters).run(target, start, jax.random.key(seed), budget)


@installed
@pytest.mark.parametrize("budget", [None, 20_000])
def test_the_law_of_a_gaussian_and_its_log_z(budget):
    result = run(GAUSSIAN, budget)
    first, second = (result.draws.points - MEAN).T
    quantities = {"x": first, "y": second, "xx": first**2, "yy": second**2, "xy": first * second}
    found = moments(quantities, result.draws)
    for quantity, truth in (("x", 0.0), ("y", 0.0), ("xx", 1.0), ("yy", 2.25), ("xy", 1.2)):
        mean, error = found[quantity]["mean"], found[quantity]["mcse"]
        assert mean is not None and error is not None and abs(mean - truth) < 4.5 * error
    assert result.log_z is not None and result.log_z.value is not None and result.log_z.standard_error is not None
    assert abs(result.log_z.value) < 4.5 * result.log_z.standard_error + 1e-5
    assert result.notes["elbo"] > -0.01 and result.notes["ess"] > 0.98
    np.testing.assert_allclose(
        result.draws.log_target, jax.vmap(GAUSSIAN.log_density)(jnp.asarray(result.draws.points)), atol=1e-4
    )


@pytest.mark.slow
@installed
def test_a_mode_counts_by_its_mass_and_not_by_the_paths_that_end_there():
    result = run(TWO, paths=30)
    assert result.log_z is not None and abs(result.log_z.value or 0.0) < 5.0 * (result.log_z.standard_error or 0.0)
    share = (result.draws.points[:, 0] > 0).mean()
    assert abs(share - 0.7) < 4.5 * np.sqrt(0.21 * (1 / 2000 + 2 / 20_000))
    # Draws stand in no order.
    assert abs(np.mean(result.draws.points[:1000, 0] > 0) - 0.7) < 0.07


@installed
@pytest.mark.parametrize("with_gradient", [True, False])
def test_counts_are_what_the_host_saw(with_gradient):
    asked = {"energy": 0, "gradient": 0}

    def log_density(points):
        asked["energy"] += len(points)
        return -0.25 * (points**4).sum(1) - (points[:, 0] - points[:, 1]) ** 2

    def value_and_gradient(points):
        asked["gradient"] += len(points)
        away = 2.0 * (points[:, :1] - points[:, 1:])
        values = -0.25 * (points**4).sum(1) - (points[:, 0] - points[:, 1]) ** 2
        return values, -(points**3) - np.concatenate([away, -away], axis=1)

    target = from_numpy(log_density, value_and_gradient=value_and_gradient if with_gradient else None, dim=2, scale=3.0)
    for budget in (None, 1_500, 5_000):
        asked.update(energy=0, gradient=0)
        result = run(target, budget, paths=3, draws=100)
        assert asked["energy"] == result.evaluations.energy and asked["gradient"] == result.evaluations.gradient
        candidates = result.evaluations.total - result.warmup.total
        assert candidates % 500 == 0 and candidates >= 500
        if budget is None:
            assert candidates == 1_000 and result.notes["paths"] == 3
        else:
            assert budget - 500 < result.evaluations.total <= budget


@installed
def test_keys_say_all_and_nothing_is_compiled_twice():
    first, again, other = run(TWO, 9_000), run(TWO, 9_000), run(TWO, 7_000, seed=1)
    assert np.array_equal(first.draws.points, again.draws.points) and first.evaluations == again.evaluations
    assert not np.array_equal(first.draws.points, other.draws.points)
    assert other.seconds_compile < 0.5


@pytest.mark.slow
@installed
def test_points_of_density_zero_are_answered():
    half = function_target(lambda x: jnp.where(x[0] > 0, -(jnp.abs(x).sum() ** 2), jnp.nan), dim=2, scale=2.0)
    result = run(half, paths=30)
    assert (result.draws.points[:, 0] > 0).all() and np.isfinite(result.draws.log_target).all()
    assert result.notes["paths"] < 30 and result.notes["ess"] < 0.9


@pytest.mark.slow
@installed
def test_a_log_z_that_rests_on_few_candidates_says_so():
    """A thin shell in 20 dimensions, whose `log Z` is 26, is no Gaussian."""
    shell = function_target(lambda x: -0.5 * ((jnp.sqrt(jnp.sum(x**2) + 1e-12) - 5.0) / 0.01) ** 2, dim=20, scale=3.0)
    log_z = run(shell, 20_000).log_z
    assert log_z is not None and log_z.reason is not None and "neither the value nor its error" in log_z.reason
    assert run(GAUSSIAN, 20_000).log_z.reason is None  # pyright: ignore[reportOptionalMemberAccess]


@pytest.mark.slow
@installed
def test_the_error_of_log_z_knows_of_rounding():
    """Single precision has steps of 0.06 at a million."""
    offset = function_target(lambda x: -0.5 * jnp.sum(x**2) + 1e6, dim=2, scale=2.0)
    log_z = run(offset, 20_000).log_z
    assert log_z is not None and log_z.value is not None and log_z.standard_error is not None
    assert abs(log_z.value - 1e6 - np.log(2.0 * np.pi)) < 4.5 * log_z.standard_error < 1.0


@installed
def test_what_cannot_be_had_is_told():
    with pytest.raises(UserError, match="a budget of 545 evaluations is too small; expected at least 546"):
        run(GAUSSIAN, 545)
    nowhere = function_target(lambda x: jnp.log(x[0] - 1e6) + x.sum(), dim=2, scale=2.0)
    with pytest.raises(RunFailed, match="pathfinder: none of 20 paths found positive density around it; declare"):
        run(nowhere)


def test_a_missing_package_is_told(monkeypatch):
    monkeypatch.setattr(extra, "find_spec", lambda name: None)
    with pytest.raises(MissingPackage, match=r"pathfinder needs BlackJAX, .* run `pip install"):
        run(TWO)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"paths": 0}, "paths must be at least 1, got 0"),
        ({"draws": 1}, "draws must be at least 2, got 1"),
    ],
)
def test_wrong_parameters_are_told(wrong, text):
    with pytest.raises(ValueError, match=text):
        ENTRY.build(**wrong)
