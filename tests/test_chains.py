"""Chains of NumPyro's kernels: exact counts, budgets that are kept, one compilation, the right law."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biglearn_plugins.baselines import biglearn_baselines, markov_chains
from biglearn_sampler.catalogue import Catalogue
from biglearn_sampler.energy import AbstractTarget, Evaluations, Facts, MixtureTarget, from_numpy, function_target
from biglearn_sampler.errors import RunFailed, UserError
from biglearn_sampler.evaluation import BaselineResult, Draws, Measured
from biglearn_sampler.evaluation.importance import moments
from biglearn_sampler.learning.start import StartRegion
from biglearn_sampler.mixture import GaussianMixture
from biglearn_sampler.runs.evaluate import baseline_figures

ENTRIES = {entry.name: entry for entry in biglearn_baselines()}
SMALL = {
    "nuts": {"chains": 2, "max_tree_depth": 4},
    "hmc": {"chains": 4, "steps": 3},
    "barker": {"chains": 4},
    "sa": {"chains": 4, "points": 6},
    "aies": {"walkers": 6},
    "ensemble_slice": {"walkers": 6},
}
GAUSSIAN = MixtureTarget.of(GaussianMixture.of([[1.0, -2.0]], [[1.0, 0.6], [0.6, 4.0]]), scale=5.0)
NOTHING_KNOWN = Facts()


def region(dim: int, scale: float = 3.0) -> StartRegion:
    return StartRegion(jnp.zeros(dim), scale * jnp.eye(dim), jnp.full(dim, 0.3 * scale))


def test_the_first_points_are_the_same_inside_a_program_that_is_compiled() -> None:
    key = jax.random.key(3)
    inside = jax.jit(lambda key: region(2).points(key, 70))(key)
    np.testing.assert_allclose(inside, region(2).points(key, 70), rtol=1e-6)


def run(name: str, target: AbstractTarget, budget: int | None = None, seed: int = 0, **parameters) -> BaselineResult:
    baseline = ENTRIES[name].build(**{"warmup": 30, "draws": 20, **SMALL[name], **parameters})
    return baseline.run(target, region(target.dim), jax.random.key(seed), budget)


LONG = ("aies", "ensemble_slice", "sa")
"""Of these the conformance suite looks at the law as well, and at whether they count at all."""


def gamma(points: np.ndarray) -> np.ndarray:
    """A gamma law with mean 2 that begins at 0.5; NaN below."""
    beyond = np.where(points[:, 0] > 0.5, points[:, 0] - 0.5, np.nan)
    return np.log(beyond) - beyond


@pytest.mark.parametrize(
    "name",  # NUTS has a file of its own
    [pytest.param(n, marks=pytest.mark.slow) if n in LONG else n for n in SMALL if n != "nuts"],
)
def test_counts_are_what_the_computer_did_and_the_law_is_right(name):
    asked = {"energy": 0, "gradient": 0}

    def log_density(points):
        asked["energy"] += len(points)
        return gamma(points)

    def value_and_gradient(points):
        asked["gradient"] += len(points)
        return gamma(points), 1.0 / np.where(points > 0.5, points - 0.5, np.nan) - 1.0

    budget = 20_000
    target = from_numpy(log_density, value_and_gradient=value_and_gradient, dim=1, scale=3.0)
    result = run(name, target, budget, warmup=300)
    draws = result.draws
    # Ensembles do not keep their energies: those of the draws are asked for afterwards and are no part of the cost.
    afterwards = draws.count if name in ("aies", "ensemble_slice") else 0
    assert asked["energy"] == result.evaluations.energy + afterwards
    assert asked["gradient"] == result.evaluations.gradient
    assert 0 < result.warmup.total < result.evaluations.total
    assert budget <= result.evaluations.total <= 1.1 * budget
    assert (draws.points > 0.5).all() and np.isfinite(draws.log_target).all()
    found = moments({"x": draws.points[:, 0] - 0.5, "x^2": (draws.points[:, 0] - 0.5) ** 2}, draws)
    for quantity, truth in (("x", 2.0), ("x^2", 6.0)):
        mean, error = found[quantity]["mean"], found[quantity]["mcse"]
        assert mean is not None and error is not None
        assert abs(mean - truth) < 4.5 * error
        assert error < 0.2 * truth


def test_a_gradient_that_is_no_number_is_no_wall():
    """As of `where(x > 0, sqrt(x), 0)`, whose gradient is NaN below zero, where 0.2925 of the mass lies."""
    target = function_target(lambda x: (jnp.where(x > 0.0, jnp.sqrt(x), 0.0) - 0.5 * x**2).sum(), dim=1, scale=3.0)
    draws = run("hmc", target, 60_000).draws
    found = moments({"below": (draws.points[:, 0] < 0.0).astype(float)}, draws)["below"]
    assert found["mean"] is not None and found["mcse"] is not None and found["mcse"] < 0.05
    assert abs(found["mean"] - 0.2925) < 4.5 * found["mcse"]


def test_a_force_beyond_all_measure_is_left_out():
    """With a full mass matrix, what it makes of a momentum has a kinetic energy of minus infinity, and is accepted."""
    steep = markov_chains.guarded(lambda point: 1e12 * (point**2).sum())
    value, force = jax.value_and_grad(steep)(jnp.ones(2))
    assert float(value) == pytest.approx(2e12) and not force.any()
    assert jax.grad(steep)(jnp.full(2, 1e-3)).tolist() == pytest.approx([2e9, 2e9])


@pytest.mark.slow
def test_no_chain_with_a_full_mass_matrix_is_lost():
    """A slope and an intercept that hardly tell each other apart: of so many chains some were at 1e20."""
    heights, weights = jnp.array([1.62, 1.75, 1.80, 1.58, 1.91]), jnp.array([58.0, 72.0, 79.0, 55.0, 88.0])

    def log_density(point):
        slope, intercept, log_sigma = 50.0 + 50.0 * point[0], 100.0 * point[1], point[2]
        residual = (weights - intercept - slope * heights) / jnp.exp(log_sigma)
        prior = -0.5 * (point[0] ** 2 + point[1] ** 2) - 0.5 * (jnp.exp(log_sigma) / 10.0) ** 2 + log_sigma
        return prior - 0.5 * (residual**2).sum() - 5.0 * log_sigma

    target = function_target(log_density, dim=3, scale=1.0)
    result = run("nuts", target, chains=16, warmup=700, draws=20, dense_mass=True, max_tree_depth=10)
    assert np.abs(result.draws.points).max() < 100.0


def test_budgets_compile_nothing_and_cut_the_warm_up_off_at_half():
    short, long = (run("hmc", GAUSSIAN, budget, warmup=400) for budget in (4_000, 16_000))
    assert long.seconds_compile < 0.5
    assert 4_000 <= short.evaluations.total <= 4_400 and 16_000 <= long.evaluations.total <= 17_600
    assert 2_000 <= short.warmup.total <= 2_400
    # All 400 iterations of 4 chains and 3 steps, and their first states.
    assert long.warmup.gradient == 400 * 12 + 4
    assert 0.3 < short.notes["acceptance"] < 1.0 and 0.5 < long.notes["acceptance"] < 1.0
    assert long.draws.count > 2 * short.draws.count


def test_small_budgets_shorten_trajectories():
    steep = function_target(lambda x: -0.5 * jnp.sum((x / jnp.array([1e-3, 1.0])) ** 2), dim=2, scale=1.0)
    budget = 5_000
    assert run("nuts", steep, budget, max_tree_depth=10).evaluations.total <= 1.1 * budget
    with pytest.raises(UserError, match="a budget of 367 evaluations is too small; expected at least 368"):
        run("nuts", steep, 367, max_tree_depth=10)


def test_long_chains_are_thinned_evenly(monkeypatch):
    whole = run("hmc", GAUSSIAN, 16_000, warmup=400)
    monkeypatch.setattr(markov_chains, "MOST_KEPT", 400)
    thinned = run("hmc", GAUSSIAN, 16_000, warmup=400)
    assert thinned.evaluations == whole.evaluations and 200 <= thinned.draws.count <= 400
    all_of_them, kept = (result.draws.points.reshape(4, -1, 2) for result in (whole, thinned))
    stride = -(-all_of_them.shape[1] // 100)
    stride = 2 ** int(np.ceil(np.log2(stride)))
    np.testing.assert_array_equal(kept, all_of_them[:, ::stride])


def test_a_target_without_gradient_pays_for_it():
    target = from_numpy(lambda x: -0.5 * (x**2).sum(-1), dim=2, scale=2.0)
    budget = 5_000
    result = run("hmc", target, budget, steps=2)
    assert result.evaluations.gradient == 0 and budget <= result.evaluations.total <= 1.1 * budget


def test_chains_do_not_care_for_units():
    def scaled(unit: float) -> np.ndarray:
        target = function_target(in_units, dim=2, scale=1.0, data=(jnp.asarray(unit),), facts=NOTHING_KNOWN)
        baseline = ENTRIES["sa"].build(chains=4, warmup=200, draws=500, points=20)
        start = StartRegion(jnp.zeros(2), unit * jnp.eye(2), jnp.full(2, 0.25 * unit))
        return baseline.run(target, start, jax.random.key(0)).draws.points

    np.testing.assert_allclose(scaled(1024.0), 1024.0 * scaled(1.0), rtol=1e-4)


def in_units(point, unit):
    return -0.5 * jnp.sum((point / unit) ** 2)


def test_ensembles_have_walkers_enough_for_the_dimension():
    assert ENTRIES["aies"].build(walkers=6).kernel.chain_count(5) == 10
    assert ENTRIES["ensemble_slice"].build(walkers=7).kernel.chain_count(2) == 8


def test_a_region_of_density_zero_is_told():
    target = function_target(lambda x: jnp.log(-1.0 - x[0] ** 2), dim=1, scale=3.0)
    with pytest.raises(RunFailed, match="hmc: a chain found no first point of positive density among 16"):
        run("hmc", target)


@pytest.mark.parametrize(
    ("name", "wrong", "text"),
    [
        ("hmc", {"steps": 0}, "steps must be at least 1, got 0"),
        ("hmc", {"target_accept": 0.0}, "target_accept must be between 0 and 1, got 0.0"),
        ("barker", {"chains": 0}, "got chains=0"),
        ("sa", {"points": 1}, "points must be at least 2, got 1"),
        ("aies", {"walkers": 3}, "walkers must be at least 4, .* got walkers=3"),
        ("aies", {"jumps": 1.5}, "jumps must be from 0 to 1, got 1.5"),
        ("ensemble_slice", {"draws": 0}, "draws=0"),
    ],
)
def test_wrong_parameters_are_told(name, wrong, text):
    with pytest.raises(ValueError, match=text):
        ENTRIES[name].build(**wrong)


def test_a_budget_that_cannot_be_counted_is_told():
    with pytest.raises(UserError, match="too large; expected at most 1,073,741,824"):
        run("hmc", GAUSSIAN, 2**31)


def test_a_log_z_of_its_own_stands_in_place_of_the_importance_estimate():
    points = np.random.default_rng(0).normal(size=(100, 2))
    draws = Draws(points, log_target=np.zeros(100), chains=2)
    result = BaselineResult(draws, Evaluations(gradient=200), 0.0, 0.0, warmup=Evaluations(gradient=100))
    metrics = [Catalogue().build("metric", "log_z")]
    key = jax.random.key(0)
    without = baseline_figures(result, GAUSSIAN, metrics, key)
    assert without["log_z"] is None and "log_z" in without["reasons"]
    own = baseline_figures(replace(result, log_z=Measured(0.25, 0.125)), GAUSSIAN, metrics, key)
    assert own["log_z"] == own["log_z_error"] == 0.25  # the truth is 0
    assert own["standard_errors"]["log_z"] == own["standard_errors"]["log_z_error"] == 0.125
    assert "log_z" not in own["reasons"] and own["warmup_evaluations"] == 100
    nobody = function_target(lambda x: -0.5 * jnp.sum(x**2), dim=2, scale=1.0)
    unknown = baseline_figures(replace(result, log_z=Measured(0.25, 0.125)), nobody, metrics, key)
    assert unknown["log_z"] == 0.25 and unknown["log_z_error"] is None
    assert "log_z_error" in unknown["reasons"]


def test_draws_are_kept_in_bounded_memory_whatever_is_asked_for():
    """In many dimensions ensembles have as many walkers as twice the dimension."""
    for chains, draws, dim in ((2048, 2000, 1024), (8, 10**9, 2), (4, 100, 100_000)):
        slots = markov_chains._slots(chains, draws, dim)
        assert slots == 16 or slots * chains * dim <= 1.01 * markov_chains.MOST_NUMBERS
    assert markov_chains._slots(4, 50_000, 2) == 50_000
