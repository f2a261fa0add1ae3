"""Tempered sequential Monte Carlo: masses and log Z of a mixture, exact counts, budgets, the missing package."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biglearn_plugins.baselines import extra, tempered_smc
from biglearn_sampler.energy import MixtureTarget, function_target
from biglearn_sampler.errors import MissingPackage, RunFailed, UserError
from biglearn_sampler.evaluation import BaselineResult
from biglearn_sampler.evaluation.importance import moments
from biglearn_sampler.learning.start import StartRegion
from biglearn_sampler.mixture import GaussianMixture

installed = pytest.mark.skipif(importlib.util.find_spec("blackjax") is None, reason="the extra `baselines`")
TWO = MixtureTarget.of(GaussianMixture.of([[-5.0, 0.0], [5.0, 2.0]], 0.25, [0.3, 0.7]), scale=4.0)


def run(target, seed: int = 0, budget: int | None = None, **parameters) -> BaselineResult:
    start = StartRegion(jnp.zeros(target.dim), 5.0 * jnp.eye(target.dim), jnp.ones(target.dim))
    baseline = tempered_smc.ENTRY.build(**{"particles": 1000, "length": 3, "leapfrogs": 3, **parameters})
    return baseline.run(target, start, jax.random.key(seed), budget)


@installed
@pytest.mark.parametrize("moves", ["hmc", pytest.param("random_walk", marks=pytest.mark.slow)])
def test_masses_and_log_z_of_two_modes(moves):
    masses, log_z = [], []
    for seed in range(3):
        result = run(TWO, seed, moves=moves)
        masses.append(result.draws.shares @ (result.draws.points[:, 0] > 0))
        assert result.log_z is not None
        log_z.append(result.log_z.value)
    # Of 1,000 particles that lose half their worth at each of some six temperatures.
    np.testing.assert_allclose(masses, 0.7, atol=4.0 * 0.46 * np.sqrt(7 / 1000))
    np.testing.assert_allclose(log_z, 0.0, atol=4.0 * np.sqrt(7 / 1000))
    assert np.std(masses) > 0.0


@pytest.mark.slow
@installed
def test_a_budget_that_ends_before_the_path_does_is_told():
    narrow = MixtureTarget.of(GaussianMixture.of(np.zeros((1, 10)), 1e-4), scale=1.0)
    least = tempered_smc.TemperedSmc(length=3, leapfrogs=3).least_budget(narrow)
    cut_short, whole = run(narrow, budget=least), run(narrow)
    assert cut_short.log_z is not None and cut_short.log_z.value is None
    assert "more temperatures than there was budget for" in str(cut_short.log_z.reason)
    assert (cut_short.notes["forced"], whole.notes["forced"]) == (1.0, 0.0)
    assert cut_short.notes["particles"] == tempered_smc.LEAST_PARTICLES
    assert whole.log_z is not None and whole.log_z.value == pytest.approx(0.0, abs=2.0)


@installed
@pytest.mark.slow
def test_the_pilot_only_finds_out_how_many_temperatures_there_are():
    budget = 60_000
    result = run(TWO, budget=budget, moves="random_walk")
    each = tempered_smc.TemperedSmc("random_walk", length=3).price(TWO, 1).total
    # All that is paid for: the temperatures of the pilot and of the cloud, and spare ones.
    steps = result.notes["temperatures"] + 1 + tempered_smc.SPARE_TEMPERATURES
    most = (budget - each * tempered_smc.PILOT * steps) / (each * (steps + 1) + 1)
    assert result.notes["particles"] > 0.8 * most
    assert 0.8 * budget < result.evaluations.total <= budget


@pytest.mark.slow
@installed
def test_errors_are_those_between_families():
    """Over many clouds the mass of a mode varies as its error says, and far more than of independent draws."""
    masses, errors, naive = [], [], []
    for seed in range(24):
        draws = run(TWO, seed, particles=256, moves="random_walk").draws
        assert draws.families is not None and draws.worth < 0.6 * draws.count
        right = {"right": (draws.points[:, 0] > 0).astype(float)}
        found = moments(right, draws)["right"]
        masses.append(found["mean"])
        errors.append(found["mcse"])
        naive.append(moments(right, replace(draws, families=None))["right"]["mcse"])
    # The spread of 24 numbers is known to 15 %.
    spread = np.std(masses, ddof=1)
    assert 0.55 < np.sqrt(np.mean(np.square(errors))) / spread < 1.8
    assert np.mean(naive) < 0.6 * spread


@pytest.mark.slow
@installed
@pytest.mark.parametrize(
    ("moves", "budget"), [("hmc", None), pytest.param("random_walk", 2_600, marks=pytest.mark.slow)]
)
def test_counts_are_what_the_computer_did(moves, budget):
    calls = []

    def log_density(point):
        jax.debug.callback(lambda _: calls.append(None), point)
        return -0.5 * jnp.sum(point**2)

    target = function_target(log_density, dim=2, scale=5.0)
    result = run(target, budget=budget, moves=moves, particles=20, length=1)
    jax.effects_barrier()
    assert len(calls) == result.evaluations.total
    assert (result.evaluations.gradient > 0) == (moves == "hmc")
    assert result.evaluations.total - result.warmup.total == result.draws.count
    if budget is not None:
        assert 0.5 * budget < result.evaluations.total <= budget


@pytest.mark.slow
@installed
def test_what_cannot_be_had_is_told():
    with pytest.raises(UserError, match="a budget of 2,303 evaluations is too small; expected at least 2,304"):
        run(TWO, budget=2_303, moves="random_walk", length=1)
    with pytest.raises(RunFailed, match="none of 20 particles has positive density; declare a centre and a scale"):
        run(function_target(lambda x: jnp.log(x[0] - 1e6) + x.sum(), dim=2, scale=2.0), particles=20)


def test_a_missing_package_is_told(monkeypatch):
    monkeypatch.setattr(extra, "find_spec", lambda name: None)
    with pytest.raises(MissingPackage, match=r"needs BlackJAX, .* run `pip install 'biglearn-sampler\[baselines\]'`"):
        run(TWO)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"particles": 1}, "particles must be at least 2, and length and leapfrogs at least 1, got particles=1"),
        ({"target_ess": 1.0}, "target_ess must be between 0 and 1, got 1.0"),
    ],
)
def test_wrong_parameters_are_told(wrong, text):
    with pytest.raises(ValueError, match=text):
        tempered_smc.ENTRY.build(**wrong)
