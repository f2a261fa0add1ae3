"""What the engine does where a budget or a number of components sets a limit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import biglearn_sampler as bl
from biglearn_sampler.energy import Evaluations, MixtureTarget, function_target
from biglearn_sampler.engine.account import Account, Budget
from biglearn_sampler.engine.archive import Archive, Mode
from biglearn_sampler.engine.engine import Engine
from biglearn_sampler.engine.population import Population
from biglearn_sampler.engine.proposals import Proposer
from biglearn_sampler.engine.refine import Refinement, Refiner
from biglearn_sampler.engine.region import Region
from biglearn_sampler.engine.rules import Rules
from biglearn_sampler.engine.settle import Fit
from biglearn_sampler.engine.state import Dividing, Outcome
from biglearn_sampler.engine.stepper import Stepper, component_log_densities
from biglearn_sampler.mixture import LOG_TWO_PI, GaussianMixture

LAW = GaussianMixture.of([[-3.0, 0.0], [2.0, 1.0], [0.0, -4.0]], 0.25, [0.5, 0.3, 0.2])
TARGET = MixtureTarget.of(LAW, scale=1.0)


def engine_of(budget: int | None, **rules: Any) -> Engine:
    start = np.random.default_rng(0).normal(size=(Rules().searchers, 2))
    return Engine(TARGET, start, np.full(2, 0.3), (), Rules(**rules), Account(Budget(budget)), lambda _: None)


@pytest.mark.parametrize("budget", [3_000, None])
def test_what_was_lost_comes_back_only_where_a_stretch_can_be_paid(budget: int | None) -> None:
    """It begins with equal weights, and only the steps would tell what each is worth."""
    known = Population.of(LAW)
    modes = []
    for mean, factor, log_weight in zip(known.means, known.factors, known.log_weights, strict=True):
        points = mean + np.random.default_rng(0).normal(size=(16, 2)) @ factor.T
        log_target = np.asarray(LAW.log_density(jnp.asarray(points, float)), float)
        modes.append(Mode(mean, factor, float(log_weight), points, log_target))
    fitted = known.take(np.arange(2)).normalised()
    engine = engine_of(budget, most_components=64)
    begun = Dividing(Archive(2, tuple(modes)), Fit(fitted, fitted, variance=1.0, elbo=-0.3))
    state = engine.advance(replace(engine.begin(jax.random.key(0)), stage=begun))
    refinement = state.stage.refinement  # pyright: ignore[reportAttributeAccessIssue]
    assert refinement.ended == (budget is not None)
    if budget is None:
        near = np.linalg.norm(refinement.population.means - known.means[2], axis=1) < 2.0
        assert near.any()
        return
    outcome = engine.advance(state).stage
    assert isinstance(outcome, Outcome) and outcome.how == "stopped"
    assert isinstance(outcome.mixture, GaussianMixture) and outcome.mixture.components == 2
    np.testing.assert_allclose(np.asarray(outcome.mixture.weights), [0.625, 0.375], rtol=1e-5)
    assert engine.account.total.total <= budget


def test_a_cycle_is_begun_only_where_it_can_be_paid() -> None:
    """The polish of the cycle before may have taken all that was left."""
    rules = Rules(most_components=64)
    account = Account(Budget(rules.polish_points + 100))
    stepper = Stepper(TARGET, rules, account)
    proposer = Proposer(2, [], rules.width, rules.proposals)
    region = Region(np.zeros(2), np.ones(2))
    refiner = Refiner(stepper, rules, proposer, region, np.random.default_rng(0), lambda *_: None)
    poor = Population.at(np.random.default_rng(1).uniform(-8.0, 8.0, (64, 2)), 0.05)
    ended = refiner._cycle_ended(Refinement(poor, poor, first=10**6))
    assert ended.ended and not ended.complete and ended.cycle == 0 and ended.effective_share < 0.1
    assert account.total.total <= account.budget.evaluations  # pyright: ignore[reportOperatorIssue]


def test_factors_share_the_components_that_are_allowed() -> None:
    assert Rules().shared_among(4) == Rules()
    assert [Rules(most_components=most).shared_among(4).most_components for most in (4, 8, 11, 3)] == [1, 2, 2, 1]
    assert [engine_of(None, most_components=most)._has_room_for(4) for most in (3, 4)] == [False, True]


@pytest.mark.slow
@pytest.mark.parametrize("components", [3, 8, 11])
def test_a_product_has_no_more_components_than_are_allowed(components: int) -> None:
    """Of four double wells in eight coordinates; with three there is none for each."""

    def wells(x: jax.Array) -> jax.Array:
        return -4.0 * jnp.sum((x**2 - 1.0) ** 2) + 0.3 * jnp.sum(x)

    run = bl.train(function_target(wells, dim=4, scale=2.0), components=components, settings={"verdict.evaluations": 0})
    assert run.metrics["components"] <= components
    assert run.metrics["training_ended"] == ("factored" if components >= 4 else "refined")


def test_what_a_verdict_asked_is_no_exploration() -> None:
    engine = engine_of(None)
    engine.account.add("missed", Evaluations(energy=10**6))
    assert not engine._explored_for_long()
    engine.account.add("search", Evaluations(gradient=engine.rules.long_exploration + 1))
    assert engine._explored_for_long()


@pytest.mark.parametrize(("width", "resolved"), [(1e-3, True), (1e-6, False)])
def test_a_narrow_component_near_zero_beside_a_far_one_is_resolved_as_its_density_is(
    width: float, resolved: bool
) -> None:
    """Densities are computed relative to the middle of all components."""
    means, factors = np.array([[0.0, 0.0], [5.0, 5.0]]), np.stack([width * np.eye(2), 0.3 * np.eye(2)])
    population = Population(means, factors, np.log([0.5, 0.5]))
    assert population.resolved().tolist() == [resolved, True]
    noise = np.random.default_rng(0).normal(size=(2000, 2))
    points = np.asarray(width * noise, np.float32)
    told = component_log_densities(points, population)[:, 0]
    exact = -0.5 * ((points / width) ** 2).sum(1) - 2.0 * np.log(width) - LOG_TWO_PI
    assert (np.abs(told - exact).max() < 0.1) == resolved
