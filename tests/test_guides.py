"""Variational guides of NumPyro: exact counts, budgets, one compilation, the law of a Gaussian and its log Z."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest

from biglearn_plugins.baselines.guides import ENTRIES
from biglearn_sampler.bridges import from_numpyro as from_numpyro_model
from biglearn_sampler.energy import AbstractTarget, MixtureTarget, from_numpy, function_target
from biglearn_sampler.errors import RunFailed, UserError
from biglearn_sampler.evaluation import BaselineResult
from biglearn_sampler.evaluation.importance import moments
from biglearn_sampler.learning.start import StartRegion
from biglearn_sampler.mixture import GaussianMixture

GUIDES = {entry.name: entry for entry in ENTRIES}
SMALL = {
    "multivariate_normal_guide": {"samples": 8},
    "flow_guide": {"samples": 8, "layers": 2, "width": 8},
    "stein_vi": {"particles": 3},
}
PER_STEP = {"multivariate_normal_guide": 8, "flow_guide": 8, "stein_vi": 9}

MEAN, COVARIANCE = np.array([1.0, -2.0]), np.array([[1.0, 1.2], [1.2, 2.25]])
GAUSSIAN = MixtureTarget.of(GaussianMixture.of(MEAN[None], COVARIANCE), scale=3.0)


def quick_with(*names: str) -> list[Any]:
    """The guides, those that compile for long as slow tests unless they are named."""
    quick = ("multivariate_normal_guide", *names)
    return [name if name in quick else pytest.param(name, marks=pytest.mark.slow) for name in GUIDES]


def run(name: str, target: AbstractTarget, budget: int | None = None, seed: int = 0, **parameters) -> BaselineResult:
    start = StartRegion(jnp.zeros(target.dim), 3.0 * jnp.eye(target.dim), jnp.ones(target.dim))
    return GUIDES[name].build(**{**SMALL[name], **parameters}).run(target, start, jax.random.key(seed), budget)


@pytest.mark.parametrize("name", quick_with())
def test_the_law_of_a_gaussian_and_its_log_z(name):
    result = run(name, GAUSSIAN, 40_000)
    draws = result.draws
    assert draws.log_sampler is not None and draws.log_sampler_at is not None and draws.log_ratios is not None
    first, second = (draws.points - MEAN).T
    products = {"x": first, "y": second, "xx": first**2, "yy": second**2, "xy": first * second}
    for quantity, truth in (("x", 0.0), ("y", 0.0), ("xx", 1.0), ("yy", 2.25), ("xy", 1.2)):
        mean, error = moments(products, draws)[quantity]["mean"], moments(products, draws)[quantity]["mcse"]
        assert mean is not None and error is not None and abs(mean - truth) < 4.5 * error
    weights = np.exp(draws.log_ratios)
    assert abs(weights.mean() - 1.0) < 4.5 * weights.std() / np.sqrt(draws.count) + 1e-4
    assert -0.5 < draws.log_ratios.mean() < 0.05
    np.testing.assert_allclose(draws.log_sampler_at(draws.points), draws.log_sampler, atol=1e-3)
    # The density of the guide is normalised: its integral over the plane, by a grid.
    axes = np.meshgrid(np.linspace(-15, 15, 151), np.linspace(-15, 15, 151))
    grid = np.stack([axis.ravel() for axis in axes], axis=1)
    assert abs((np.exp(draws.log_sampler_at(grid)) * 0.04).sum() - 1.0) < 0.01


@pytest.mark.parametrize(
    ("name", "with_gradient"),
    [
        ("multivariate_normal_guide", True),
        pytest.param("flow_guide", True, marks=pytest.mark.slow),
        pytest.param("stein_vi", True, marks=pytest.mark.slow),
        ("multivariate_normal_guide", False),
    ],
)
def test_counts_are_what_the_host_saw(name, with_gradient):
    asked = {"energy": 0, "gradient": 0}
    precision = np.linalg.inv(COVARIANCE)

    def log_density(points):
        asked["energy"] += len(points)
        return -0.5 * np.einsum("ni,ij,nj->n", points - MEAN, precision, points - MEAN)

    def value_and_gradient(points):
        asked["gradient"] += len(points)
        away = points - MEAN
        return -0.5 * np.einsum("ni,ij,nj->n", away, precision, away), -away @ precision

    target = from_numpy(log_density, value_and_gradient=value_and_gradient if with_gradient else None, dim=2, scale=3.0)
    asked.update(energy=0)
    budget = 1_000
    result = run(name, target, budget, draws=50)
    assert asked["energy"] == result.evaluations.energy and asked["gradient"] == result.evaluations.gradient
    price = PER_STEP[name] * target.price_of_gradient.total
    assert budget - price < result.evaluations.total <= budget
    assert result.evaluations.total - result.warmup.total == 50 == result.draws.count
    assert result.notes == {"steps": (budget - 50) // price}


@pytest.mark.parametrize("name", quick_with())
def test_budgets_compile_nothing_and_keys_say_all(name):
    first = run(name, GAUSSIAN, 5_000)
    for budget in (5_000, 8_000):
        again = run(name, GAUSSIAN, budget)
        assert again.seconds_compile < 0.5
        assert np.array_equal(again.draws.points, first.draws.points) == (budget == 5_000)
    assert not np.array_equal(run(name, GAUSSIAN, 5_000, seed=1).draws.points, first.draws.points)


@pytest.mark.slow
def test_guides_do_not_care_for_units():
    def points(unit: float) -> np.ndarray:
        target = function_target(in_units, dim=2, scale=1.0, data=(jnp.asarray(unit),))
        start = StartRegion(jnp.zeros(2), unit * jnp.eye(2), jnp.full(2, 0.25 * unit))
        guide = GUIDES["multivariate_normal_guide"].build(samples=8, steps=200)
        return guide.run(target, start, jax.random.key(0)).draws.points

    np.testing.assert_allclose(points(1024.0), 1024.0 * points(1.0), rtol=1e-4)


def in_units(point, unit):
    return -0.5 * jnp.sum((point / unit - 1.0) ** 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["multivariate_normal_guide", pytest.param("stein_vi", marks=pytest.mark.slow)])
def test_a_target_may_be_a_model_with_sites_of_the_same_names(name):
    data = np.array([0.5, 1.5])

    def itself(observed):
        place = numpyro.sample("point", dist.Normal().expand([2]).to_event(1))
        numpyro.sample("log_density", dist.Normal(place, 1.0).to_event(1), obs=observed)

    log_ratios = run(name, from_numpyro_model(itself, data), 20_000).draws.log_ratios
    truth = -0.25 * (data**2).sum() - np.log(4.0 * np.pi)
    assert log_ratios is not None and -0.2 < log_ratios.mean() - truth < 0.02


@pytest.mark.slow
def test_points_of_density_zero_are_answered():
    half = function_target(lambda x: jnp.where(x[0] > -2, -(jnp.abs(x).sum() ** 2), jnp.nan), dim=2, scale=2.0)
    draws = run("multivariate_normal_guide", half, 10_000).draws
    assert np.isfinite(draws.points).all() and draws.log_sampler is not None and np.isfinite(draws.log_sampler).all()
    assert (np.isfinite(draws.log_target) == (draws.points[:, 0] > -2)).all()


@pytest.mark.slow
def test_what_cannot_be_had_is_told():
    with pytest.raises(UserError, match="a budget of 2,079 evaluations is too small; expected at least 2,080"):
        run("multivariate_normal_guide", GAUSSIAN, 2_079)
    nowhere = function_target(lambda x: jnp.log(x[0] - 1e6) + x.sum(), dim=2, scale=2.0)
    with pytest.raises(RunFailed, match="multivariate_normal_guide: none of 2000 draws has positive density"):
        run("multivariate_normal_guide", nowhere, 3_000)
    line = function_target(lambda x: -jnp.sum(x**2), dim=1, scale=1.0)
    with pytest.raises(UserError, match="flow_guide needs a target of at least 2 dimensions, got 1"):
        run("flow_guide", line)


@pytest.mark.parametrize(
    ("name", "wrong", "text"),
    [
        ("multivariate_normal_guide", {"samples": 0}, "samples and steps must be at least 1 .* got samples=0"),
        ("multivariate_normal_guide", {"learning_rate": 0.0}, "learning_rate must be above 0, got 0.0"),
        ("flow_guide", {"layers": 0}, "layers and width must be at least 1, got layers=0, width=8"),
        ("flow_guide", {"draws": 1}, "draws at least 2, .* draws=1"),
        ("stein_vi", {"particles": 1}, "particles must be at least 2, got 1"),
    ],
)
def test_wrong_parameters_are_told(name, wrong, text):
    with pytest.raises(ValueError, match=text):
        GUIDES[name].build(**{**SMALL[name], **wrong})
