"""The gradient of every kind of task against automatic differentiation of the divergence itself, by quadrature.

Sampler and target are small mixtures in the plane, so that every integral is a sum over a grid.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from biglearn_plugins.transformations.composition import Composition
from biglearn_plugins.transformations.noise import FixedNoise
from biglearn_plugins.transformations.orthogonal import Identity, Orthogonal
from biglearn_sampler.energy import MixtureTarget, function_target
from biglearn_sampler.estimators import AbstractEstimator, EnergyEstimator, MarginalQuadrature, NoisedQuadrature
from biglearn_sampler.learning.matching import Matching, TaskGradient
from biglearn_sampler.learning.proposals import BROAD, LARGEST_LEVEL, SMALLEST_LEVEL
from biglearn_sampler.mixture import Channel, GaussianMixture, UnconstrainedMixture, constrain, unconstrain
from biglearn_sampler.tasks import Task

SAMPLER = GaussianMixture.of(
    [[-0.5, 0.3], [1.0, -0.4], [0.2, 0.9]],
    [[[0.5, 0.2], [0.2, 0.4]], [[0.3, -0.1], [-0.1, 0.6]], [[0.4, 0.0], [0.0, 0.3]]],
    [0.5, 0.3, 0.2],
)
TARGET = MixtureTarget.of(
    GaussianMixture.of([[-1.0, 0.0], [0.8, 0.5]], [[[0.4, 0.1], [0.1, 0.5]], [[0.5, -0.2], [-0.2, 0.4]]], [0.4, 0.6]),
    scale=1.5,
)
PARAMETERS: UnconstrainedMixture = jax.tree.map(np.asarray, unconstrain(SAMPLER))
# The target with its second component in two equal halves: as many components as the sampler.
OPTIMUM: UnconstrainedMixture = jax.tree.map(
    lambda leaf: np.asarray(leaf)[np.array([0, 1, 1])], unconstrain(TARGET.mixture)
)._replace(logits=np.log(np.array([0.4, 0.3, 0.3], np.float32)))
ANGLE = 0.7
TURN = jnp.array([[np.cos(ANGLE), np.sin(ANGLE)], [-np.sin(ANGLE), np.cos(ANGLE)]])
WHOLE, LINE, NOISED = Channel.of(TURN), Channel.of(TURN[:1]), Channel.of(TURN, 0.5)
KEYS, POINTS = 1500, 3

NODES = jnp.linspace(-7.0, 7.0, 141)
STEP = 0.1
CONDITIONS = jnp.linspace(-15.0, 15.0, 301)[:, None]
PLANE = jnp.stack(jnp.meshgrid(NODES, NODES, indexing="ij"), -1).reshape(-1, 2)

Divergence = Callable[[UnconstrainedMixture], Float[Array, ""]]


def on_a_grid(channel: Channel) -> Divergence:
    """`KL[p || q]` of the views through a channel."""
    grid = PLANE if channel.rows == 2 else NODES[:, None]

    def divergence(parameters: UnconstrainedMixture) -> Float[Array, ""]:
        mine = constrain(parameters).through(channel).log_density(grid)
        return (jnp.exp(mine) * (mine - TARGET.mixture.through(channel).log_density(grid))).sum() * STEP**channel.rows

    return divergence


def given_a_law_of_conditions(channel: Channel, law: GaussianMixture) -> Divergence:
    """`E KL[p(y_2 | y_1) || q(y_2 | y_1)]` over a law of `y_1` that does not move."""

    def divergence(parameters: UnconstrainedMixture) -> Float[Array, ""]:
        def under(known: Float[Array, " 1"]) -> Float[Array, ""]:
            mine = constrain(parameters).through(channel).given_leading(known).log_density(NODES[:, None])
            truth = TARGET.mixture.through(channel).given_leading(known).log_density(NODES[:, None])
            return (jnp.exp(mine) * (mine - truth)).sum() * STEP

        return (jnp.exp(law.log_density(CONDITIONS)) * jax.vmap(under)(CONDITIONS)).sum() * STEP

    return divergence


class Problem(NamedTuple):
    """A task, where its target's side comes from, its map, and the divergence that it minimises."""

    task: Task
    estimator: AbstractEstimator
    channel: Channel
    divergence: Divergence

    @property
    def matching(self) -> Matching:
        return Matching(self.task, self.estimator, TARGET.centre, TARGET.scale, POINTS)


JOINT = Task("joint", "joint", Identity())
MARGINAL = Task("marginal", "marginal", Orthogonal())
CONDITIONAL = Task("conditional", "conditional", Orthogonal())
BROADLY = Task("broadly", "conditional", Orthogonal(), condition="broad")
HAZILY = Task("hazily", "conditional", Orthogonal(), condition="noised")
BLURRED = Task("blurred", "joint", Composition((Orthogonal(), FixedNoise(0.5))))
BLURRED_CONDITIONAL = Task("blurred_conditional", "conditional", Composition((Orthogonal(), FixedNoise(0.5))))


def hazy_law() -> GaussianMixture:
    """`y_1` of the sampler with noise of a log-uniform level, in 40 steps: finer than the error of an estimate."""
    levels = np.exp(np.linspace(np.log(SMALLEST_LEVEL), np.log(LARGEST_LEVEL), 81)[1::2])
    laws = [SAMPLER.through(Channel.of(TURN[:1], 1.5 * level)) for level in levels.tolist()]
    return GaussianMixture(
        jnp.concatenate([law.log_weights for law in laws]) - np.log(len(laws)),
        jnp.concatenate([law.means for law in laws]),
        jnp.concatenate([law.factors for law in laws]),
    )


@lru_cache
def problem(name: str) -> Problem:
    energy = EnergyEstimator(TARGET)
    grid = NoisedQuadrature.of(TARGET, 33, 4.0)
    broad_law = GaussianMixture.of([[0.0]], (BROAD * 1.5) ** 2)
    own_law, blurred_law = (SAMPLER.through(Channel.of(TURN[:1], noise)) for noise in (0.0, 0.5))
    return {
        "joint": Problem(JOINT, energy, WHOLE, on_a_grid(WHOLE)),
        "marginal": Problem(MARGINAL, MarginalQuadrature(TARGET, 1, 96, 4.0), LINE, on_a_grid(LINE)),
        "conditional": Problem(CONDITIONAL, energy, WHOLE, given_a_law_of_conditions(WHOLE, own_law)),
        "conditional, broad": Problem(BROADLY, energy, WHOLE, given_a_law_of_conditions(WHOLE, broad_law)),
        "conditional, noised": Problem(HAZILY, energy, WHOLE, given_a_law_of_conditions(WHOLE, hazy_law())),
        "noised": Problem(BLURRED, grid, NOISED, on_a_grid(NOISED)),
        "noised conditional": Problem(
            BLURRED_CONDITIONAL, grid, NOISED, given_a_law_of_conditions(NOISED, blurred_law)
        ),
    }[name]


NAMES = (
    "joint",
    "marginal",
    "conditional",
    "conditional, broad",
    "conditional, noised",
    "noised",
    "noised conditional",
)
UNCONDITIONAL = ("joint", "marginal", "noised")


Estimate = Callable[[UnconstrainedMixture, Float[Array, ""]], TaskGradient]


@lru_cache
def estimate_of(name: str) -> Estimate:
    """Estimates under many keys, compiled once for each task."""
    matching, channel = problem(name).matching, problem(name).channel

    def under_many_keys(parameters: UnconstrainedMixture, learn: Float[Array, ""]) -> TaskGradient:
        keys = jax.random.split(jax.random.key(0), KEYS)
        return jax.lax.map(lambda key: matching.gradient(parameters, channel, key, learn), keys, batch_size=500)

    return jax.jit(under_many_keys)


@lru_cache
def estimates(name: str, learn_weights: float = 1.0) -> TaskGradient:
    """The estimates away from the optimum."""
    return jax.tree.map(np.asarray, estimate_of(name)(PARAMETERS, jnp.full((), learn_weights)))


@lru_cache
def truth(name: str) -> tuple[np.ndarray, UnconstrainedMixture]:
    """The divergence and its gradient."""
    told = jax.jit(jax.value_and_grad(problem(name).divergence))(PARAMETERS)
    return jax.tree.map(np.asarray, told)


def assert_mean(values: Any, expected: Any) -> None:
    """The mean over the first axis is the expected one within five of its standard errors, in every component."""
    error = values.std(0) / np.sqrt(len(values))
    assert error.max() < 0.1  # tight enough to tell
    np.testing.assert_array_less(np.abs(values.mean(0) - expected), 5 * error + 1e-4)


TWICE = ("noised conditional", "conditional, noised", "conditional, broad")
"""Made of parts that others test as well."""


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in TWICE else n for n in NAMES])
def test_the_gradient_is_unbiased(name: str) -> None:
    gradient, (_, expected) = estimates(name).gradient, truth(name)
    assert np.abs(expected.means).max() > 0.05 and np.abs(expected.logits).max() > 0.02
    assert_mean(gradient.logits, expected.logits)
    assert_mean(gradient.means, expected.means)
    assert_mean(gradient.log_diagonals, expected.log_diagonals)
    assert_mean(np.tril(gradient.off_diagonals, -1), np.tril(expected.off_diagonals, -1))


@pytest.mark.parametrize("name", ["joint", "conditional"])
def test_held_weights_have_no_gradient_and_all_else_keeps_its_own(name: str) -> None:
    """Under a condition the weights depend on means and factors: that part of the gradient must stay."""
    held, (_, expected) = estimates(name, learn_weights=0.0).gradient, truth(name)
    np.testing.assert_array_equal(held.logits, 0.0)
    assert_mean(held.means, expected.means)
    assert_mean(held.log_diagonals, expected.log_diagonals)


@pytest.mark.parametrize("name", UNCONDITIONAL)
def test_the_loss_is_the_divergence(name: str) -> None:
    assert_mean(estimates(name).loss, truth(name)[0])


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in TWICE else n for n in NAMES])
def test_at_the_optimum_every_single_estimate_is_zero(name: str) -> None:
    for leaf in estimate_of(name)(OPTIMUM, jnp.ones(())).gradient:
        np.testing.assert_allclose(leaf, 0.0, atol=1e-3)


@pytest.mark.parametrize("name", ["joint", pytest.param("conditional", marks=pytest.mark.slow)])
def test_the_unknown_normaliser_does_not_matter_however_large(name: str) -> None:
    """The log density of a model with many data is easily minus thirty thousand at its best."""

    shifted = function_target(
        lambda point, constant: TARGET.log_density(point) + constant, dim=2, scale=1.5, data=(0.0,)
    )

    @jax.jit
    def gradient_of(constant: Float[Array, ""]) -> UnconstrainedMixture:
        estimator = EnergyEstimator(replace(shifted, data=(constant,)))
        matching = problem(name)._replace(estimator=estimator).matching
        return matching.gradient(PARAMETERS, WHOLE, jax.random.key(3), jnp.ones(())).gradient

    plain = gradient_of(jnp.zeros(()))
    for constant in (-(2.0**15), 2.0**15):
        for moved, expected in zip(gradient_of(jnp.asarray(constant)), plain, strict=True):
            np.testing.assert_allclose(moved, expected, atol=0.02)  # float32 keeps 0.004 of such a number


@lru_cache
def half_plane() -> TaskGradient:
    """A joint estimate on the target cut to `x_0 < 0`: NaN on the other side."""
    cut = function_target(
        lambda point: jnp.where(point[0] < 0, TARGET.log_density(point), jnp.log(-point[0])), dim=2, scale=1.5
    )
    matching = problem("joint")._replace(estimator=EnergyEstimator(cut)).matching
    return jax.jit(matching.gradient)(PARAMETERS, WHOLE, jax.random.key(3), jnp.ones(()))


def test_points_of_zero_density_are_counted_and_harmless() -> None:
    told = half_plane()
    points = SAMPLER.stratified(jax.random.key(3), POINTS)
    assert told.zero_density == (points[..., 0] >= 0).sum() > 0
    assert np.isfinite(told.loss) and all(np.isfinite(leaf).all() for leaf in told.gradient)
    assert np.abs(told.loss) < 100


def test_the_loss_is_the_mean_over_points_of_positive_density() -> None:
    """By the weights of the strata that have such points; the law of the points is that of the sampler."""
    points = SAMPLER.stratified(jax.random.key(3), POINTS)
    ratios = np.asarray(SAMPLER.log_density(points) - TARGET.mixture.log_density(points))
    dense = np.asarray(points[..., 0] < 0)
    weights = np.asarray(SAMPLER.weights) * dense.any(-1)
    means = [row[chosen].mean() if chosen.any() else 0.0 for row, chosen in zip(ratios, dense, strict=True)]
    assert set(dense.sum(-1)) >= {0, 1}
    assert half_plane().loss == pytest.approx(weights @ means / weights.sum(), abs=1e-4)


def test_a_large_normaliser_does_not_turn_the_order_of_losses_around() -> None:
    """Half a normal law times `exp(1e4)`: divided by all points, the loss was lowest where all of them had density."""
    half = function_target(lambda x: jnp.where(x[0] > 0, 1e4 - 0.5 * x[0] ** 2, -jnp.inf), dim=1, scale=1.0)
    matching = Matching(JOINT, EnergyEstimator(half), half.centre, half.scale, 2000)

    @jax.jit
    def loss_at(mean: Float[Array, ""]) -> Float[Array, ""]:
        parameters = unconstrain(GaussianMixture(jnp.zeros(1), mean[None, None], jnp.full((1, 1, 1), 0.6)))
        return matching.gradient(parameters, Channel.of(jnp.eye(1)), jax.random.key(0), jnp.ones(())).loss

    losses = [float(loss_at(jnp.asarray(mean))) for mean in (0.7, 2.0, 4.0)]
    assert losses[0] < losses[1] - 0.5 < losses[2] - 3.0


def test_where_no_point_has_any_density_the_loss_is_infinite() -> None:
    nowhere = function_target(lambda x: jnp.log(-1.0 - (x**2).sum()), dim=2, scale=1.5)
    for name in ("joint", "conditional"):
        matching = problem(name)._replace(estimator=EnergyEstimator(nowhere)).matching
        told = jax.jit(matching.gradient)(PARAMETERS, WHOLE, jax.random.key(3), jnp.ones(()))
        assert told.loss == np.inf and all(np.isfinite(leaf).all() for leaf in told.gradient)


def test_a_component_in_zero_density_loses_weight() -> None:
    logits = np.asarray(half_plane().gradient.logits)
    assert logits[1] > 0 > logits[0]  # the gradient is descended; component 1 lies on the wrong side


def test_a_price_is_that_of_all_points_of_a_step() -> None:
    assert problem("conditional").matching.price(components=3).gradient == 3 * POINTS
    assert problem("marginal").matching.price(components=3).gradient == 3 * POINTS * 96
    assert problem("noised").matching.price(components=3) == (0, 0, 0)


def test_both_sides_see_the_noise_that_was_admitted() -> None:
    """Noise far below the step of a coarse grid: the sampler's side must be as wide, or `p = q` is no optimum."""
    coarse = NoisedQuadrature.of(TARGET, 25, 4.0)
    matching = problem("noised")._replace(estimator=coarse).matching
    narrow = Channel.of(TURN, 0.01)
    estimate = jax.jit(matching.gradient)
    for leaf in estimate(OPTIMUM, narrow, jax.random.key(0), jnp.ones(())).gradient:
        np.testing.assert_allclose(leaf, 0.0, atol=5e-3)
    assert np.abs(estimate(PARAMETERS, narrow, jax.random.key(0), jnp.ones(())).gradient.means).max() > 0.05


def test_the_loss_of_a_conditional_task_tells_where_its_conditions_are_also_where_its_divergence_is_zero() -> None:
    """Of `N((0, m), I)` and `N(0, I)` it is `-E log q(y_S)` and a constant: `m^2 / 2` more."""
    target = MixtureTarget.of(GaussianMixture.of([[0.0, 0.0]], 1.0), scale=4.0)
    task = Task("conditional", "conditional", Identity())
    matching = Matching(task, EnergyEstimator(target), target.centre, target.scale, 4000)
    second_first = Channel.of(jnp.eye(2)[::-1])

    @jax.jit
    def told(shift: Float[Array, ""]) -> TaskGradient:
        sampler = GaussianMixture.of([[0.0, 0.0]], 1.0)
        moved = unconstrain(sampler)._replace(means=jnp.array([[0.0, 1.0]]) * shift)
        return matching.gradient(moved, second_first, jax.random.key(0), jnp.zeros(()))

    near, far = (told(jnp.array(shift)) for shift in (0.0, 6.0))
    assert max(float(abs(leaf).max()) for leaf in jax.tree.leaves(far.gradient)) < 1e-4
    assert abs(float(far.loss - near.loss) - 18.0) < 0.5
