"""GMMVI: steps against closed forms, components that come and go, exact counts, all modes of a mixture."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biglearn_plugins.baselines.gmmvi import ENTRY
from biglearn_plugins.baselines.gmmvi.adaptation import idle, with_new_component
from biglearn_plugins.baselines.gmmvi.components import Components
from biglearn_plugins.baselines.gmmvi.samples import Database, Samples
from biglearn_plugins.baselines.gmmvi.state import State
from biglearn_plugins.baselines.gmmvi.trust_region import importance_shares, largest, moved, weighed
from biglearn_sampler.energy import MixtureTarget, function_target
from biglearn_sampler.errors import RunFailed, UserError
from biglearn_sampler.evaluation import BaselineResult
from biglearn_sampler.learning.start import StartRegion
from biglearn_sampler.mixture import GaussianMixture

COVARIANCES = np.array([[[1.0, 0.5], [0.5, 0.5]], [[0.2, 0.0], [0.0, 2.0]], [[3.0, -1.0], [-1.0, 2.0]]])
THREE = MixtureTarget.of(GaussianMixture.of([[-6.0, 0.0], [5.0, 5.0], [4.0, -6.0]], COVARIANCES, [0.2, 0.3, 0.5]), 6.0)
QUICK = {"samples": 100, "draws": 500, "add_every": 15}


def run(target, seed: int = 0, budget: int | None = None, scale: float = 6.0, **parameters) -> BaselineResult:
    start = StartRegion(jnp.zeros(target.dim), scale * jnp.eye(target.dim), jnp.ones(target.dim))
    return ENTRY.build(**{**QUICK, **parameters}).run(target, start, jax.random.key(seed), budget)


def one(mean, covariance) -> Components:
    return Components(np.zeros(1), np.array([mean], float), np.linalg.cholesky(np.array([covariance], float)))


def quadratic(before: Components, mean, precision, count: int) -> Samples:
    """Points of a component with what a Gaussian target says there."""
    points = before.sample(np.random.default_rng(0), count)
    away = points - mean
    log_target = -0.5 * np.einsum("ni,ij,nj->n", away, precision, away)
    return Samples(points, log_target, -away @ precision, before.log_densities(points)[0])


def after_step(bound: float, count: int = 40_000) -> tuple[Components, Components, Components]:
    """A component before and after its step, and its target."""
    before, goal = one([0.0, 0.0], [[2.0, 0.3], [0.3, 1.0]]), one([0.5, -0.4], [[1.0, 0.2], [0.2, 0.7]])
    precision = np.linalg.inv(goal.factors[0] @ goal.factors[0].T)
    samples = quadratic(before, goal.means[0], precision, count)
    densities = before.log_densities(samples.points)
    pulls = samples.gradients - before.score(samples.points, densities)
    shares = importance_shares(densities, samples)
    return before, moved(before, samples, pulls, shares, np.array([bound])), goal


def divergence(first: Components, second: Components) -> float:
    """`KL(first || second)` of single Gaussians, by its textbook form."""
    spread, other = (each.factors[0] @ each.factors[0].T for each in (first, second))
    precision, away = np.linalg.inv(other), first.means[0] - second.means[0]
    log_ratio = np.linalg.slogdet(other)[1] - np.linalg.slogdet(spread)[1]
    return 0.5 * (np.trace(precision @ spread) - len(away) + away @ precision @ away + log_ratio)


def test_a_full_step_reaches_a_gaussian_target():
    _, after, goal = after_step(bound=1e3)
    # The sums over 40,000 points have relative errors of 0.5 %.
    np.testing.assert_allclose(after.means, goal.means, atol=0.03)
    np.testing.assert_allclose(after.factors, goal.factors, atol=0.03)


@pytest.mark.parametrize("bound", [1e-3, 0.05])
def test_a_step_is_as_long_as_its_bound(bound):
    before, after, _ = after_step(bound)
    assert divergence(after, before) == pytest.approx(bound, rel=1e-6)


def test_a_step_along_nothing_finite_leaves_a_component_as_it_is():
    before = one([0.0, 1.0], np.eye(2))
    samples = quadratic(before, np.zeros(2), np.eye(2), 50)
    shares = importance_shares(before.log_densities(samples.points), samples)
    after = moved(before, samples, np.full((50, 2), np.nan), shares, np.ones(1))
    np.testing.assert_allclose(after.means, before.means)
    np.testing.assert_allclose(after.factors, before.factors)


def test_largest_step():
    np.testing.assert_allclose(largest(lambda step: 4.0 * step, np.array([1.0, 2.0, 5.0])), [0.25, 0.5, 1.0])


def test_weights_stay_within_their_bound_and_end_where_rewards_are_equal():
    log_weights, wanted = np.log([0.5, 0.5]), np.log([0.9, 0.1])
    after = weighed(log_weights, wanted - log_weights, 0.01)
    assert np.sum(np.exp(after) * (after - log_weights)) == pytest.approx(0.01)
    np.testing.assert_allclose(weighed(log_weights, wanted - log_weights, 10.0), wanted)


def test_scores_are_derivatives():
    components = Components(
        np.log([0.3, 0.7]), np.array([[0.0, 1.0], [1.0, -1.0]]), np.linalg.cholesky(COVARIANCES[:2])
    )
    points = np.random.default_rng(0).normal(size=(5, 2))
    found = components.score(points, components.log_densities(points))
    for axis in range(2):
        nearby = [components.log_density(components.log_densities(points + s * np.eye(2)[axis])) for s in (1e-5, -1e-5)]
        np.testing.assert_allclose(found[:, axis], (nearby[0] - nearby[1]) / 2e-5, atol=1e-8)


def test_a_new_component_stands_where_the_mixture_explains_least():
    state = State.of(one([0.0, 0.0], np.eye(2)), 0.1, 10)
    points = np.array([[0.0, 0.0], [9.0, 9.0], [3.0, 0.0]])
    log_target = np.array([-2.0, -500.0, -3.0])
    database = Database().joined_by(Samples(points, log_target, points, log_target), 0)
    grown = with_new_component(state, database, 5.0 * np.eye(2), 50.0, 0.2, np.random.default_rng(0))
    np.testing.assert_allclose(grown.components.means[1], [3.0, 0.0])
    assert grown.bounds.tolist() == [0.1, 0.2] and grown.ages.tolist() == [0, 0]
    assert state.components.entropies[0] < grown.components.entropies[1] < state.components.entropies[0] + 2 * np.log(5)


def test_only_old_components_without_weight_and_improvement_are_idle():
    state = State.of(Components(np.zeros(5), np.zeros((5, 2)), np.tile(np.eye(2), (5, 1, 1))), 0.1, 12)
    rewards = np.full((5, 12), -50.0)
    rewards[0] = 0.0
    rewards[3] = -200.0 * 0.7 ** np.arange(12)
    state = State(
        components=state.components,
        bounds=state.bounds,
        weight_bound=0.1,
        elbo=0.0,
        rewards=rewards,
        prominences=np.array([1.0, 1e-9, 1e-3, 1e-9, 1e-9])[:, None] * np.ones(12),
        ages=np.array([99, 99, 99, 99, 11]),
    )
    assert idle(state).tolist() == [False, True, False, False, False]


@pytest.mark.parametrize("reuse", [pytest.param(0.0, marks=pytest.mark.slow), 1.5])
def test_all_modes_of_a_mixture(reuse):
    result = run(THREE, iterations=90, reuse=reuse)
    ratios = result.draws.log_ratios
    assert ratios is not None and ratios.mean() > -0.01
    # Earlier points spare fresh ones.
    assert (result.evaluations.gradient < 20_000) == (reuse > 0)


def test_the_density_is_known_everywhere():
    draws = run(THREE, iterations=5).draws
    assert draws.log_sampler_at is not None and draws.log_sampler is not None
    many = np.concatenate([draws.points] * 6)
    np.testing.assert_allclose(draws.log_sampler_at(many), np.tile(draws.log_sampler, 6), rtol=1e-6)


@pytest.mark.parametrize("reuse", [0.0, 2.0])
def test_counts_are_what_the_computer_did(reuse):
    calls = []

    def log_density(point):
        jax.debug.callback(lambda _: calls.append(None), point)
        return -0.5 * jnp.sum(point**2)

    result = run(function_target(log_density, dim=2, scale=2.0), iterations=8, samples=20, draws=30, reuse=reuse)
    jax.effects_barrier()
    assert len(calls) == result.evaluations.total
    assert result.evaluations.energy == 40 and result.warmup.energy == 0
    assert result.warmup.gradient == result.evaluations.gradient


@pytest.mark.parametrize("budget", [600, 5_000])
def test_a_budget_is_kept(budget):
    result = run(THREE, budget=budget)
    assert budget - 4 * 100 < result.evaluations.total <= budget


def test_a_budget_that_is_too_small_is_told():
    with pytest.raises(UserError, match="a budget of 599 evaluations is too small; expected at least 600"):
        run(THREE, budget=599)


def test_points_of_density_zero_are_answered():
    # Stein's lemma sees no wall, so that many draws may lie behind it; none of them breaks the arithmetic.
    half = function_target(lambda x: jnp.where(x[0] > 0, -jnp.abs(x).sum(), -jnp.inf), dim=2, scale=2.0)
    draws = run(half, iterations=20, scale=2.0).draws
    assert np.isfinite(draws.points).all() and draws.log_sampler is not None and np.isfinite(draws.log_sampler).all()
    assert (np.isfinite(draws.log_target) == (draws.points[:, 0] > 0)).all()


def test_a_region_of_density_zero_is_told():
    nowhere = function_target(lambda x: jnp.log(x[0] - 1e6) + x.sum(), dim=2, scale=2.0)
    with pytest.raises(RunFailed, match="none of 100 points has positive density; declare a centre and a scale"):
        run(nowhere)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"samples": 1}, "samples must be at least 2, got 1"),
        ({"first": 9, "most": 8}, "most must be at least first = 9, got 8"),
        ({"bound": 0.0}, "bound must be above 0, got 0.0"),
        ({"reuse": -1.0}, "reuse must be at least 0, got -1.0"),
    ],
)
def test_wrong_parameters_are_told(wrong, text):
    with pytest.raises(ValueError, match=text):
        ENTRY.build(**wrong)


@pytest.mark.slow
def test_all_modes_of_gmm20():
    from biglearn_sampler import target

    gmm20 = target("gmm20")
    ratios = run(gmm20, scale=31.6, samples=300, add_every=30, iterations=600).draws.log_ratios
    assert ratios is not None and ratios.mean() > -0.01
