"""The target's side of every task against closed forms of a mixture, and what guards and prices promise."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from biglearn_plugins.transformations.noise import FixedNoise
from biglearn_plugins.transformations.orthogonal import Identity, Orthogonal
from biglearn_sampler.energy import AbstractTarget, Evaluations, MixtureTarget, Whitened, function_target
from biglearn_sampler.errors import TaskError
from biglearn_sampler.estimators import (
    AbstractEstimator,
    Channels,
    EnergyEstimator,
    ExactChannelEstimator,
    MarginalQuadrature,
    NoisedQuadrature,
    choose_estimators,
)
from biglearn_sampler.estimators.guard import ZERO_DENSITY, guarded
from biglearn_sampler.mixture import Channel, GaussianMixture
from biglearn_sampler.tasks import Task

NODES, EXTENT = 128, 4.0
MEANS = {1: [[1.5], [3.0]], 2: [[1.0, -1.0], [3.0, 1.0]], 3: [[1.0, -1.0, 0.0], [3.0, 1.0, 1.0]]}


@lru_cache
def mixture_target(dim: int) -> MixtureTarget:
    """Two unequal components, off the origin, in a region with a centre and unequal scales."""
    covariance = 0.25 * np.eye(dim) + 0.1
    mixture = GaussianMixture.of(MEANS[dim], covariance, [0.3, 0.7])
    return MixtureTarget(mixture, jnp.linspace(2.0, 0.0, dim), jnp.linspace(1.5, 2.0, dim))


def as_energy(target: MixtureTarget, constant: float = 7.0) -> AbstractTarget:
    """The same density known only through its energy, with an unknown normaliser."""
    return function_target(
        lambda point: target.log_density(point) + constant,
        dim=target.dim,
        centre=target.centre,
        scale=target.scale,
    )


def turned(dim: int, rows: int, noise: float = 0.0) -> Channel:
    matrix = np.linalg.qr(np.random.default_rng(1).normal(size=(dim, dim)))[0]
    return Channel.of(jnp.asarray(matrix[:rows], float), noise)


def views_of(target: AbstractTarget, truth: GaussianMixture, channel: Channel, count: int = 20) -> Float[Array, "n r"]:
    """Noise-free views of points near the target's components, in the coordinates of training."""
    random = np.random.default_rng(2)
    means = np.asarray(truth.means)[np.arange(count) % truth.components]
    points = means + 0.6 * random.normal(size=means.shape)
    if isinstance(target, Whitened):
        points = (points - np.asarray(target.original.centre)) / np.asarray(target.original.scale)
    return jnp.asarray(points @ np.asarray(channel.matrix).T + np.asarray(channel.offset), float)


def value_and_gradient(function: Callable[[Any], Any], views: Float[Array, "n r"]) -> tuple[np.ndarray, np.ndarray]:
    """Values of a function (or of several, in rows) of many views, and the gradient of each in its own view."""

    @jax.jit
    def both(views: Float[Array, "n r"]) -> Any:
        values, pull_back = jax.vjp(function, views)
        if values.ndim == 1:
            return values, pull_back(jnp.ones_like(values))[0]
        pick = jnp.broadcast_to(jnp.eye(len(values))[:, :, None], (len(values), *values.shape))
        return values, jax.vmap(pull_back)(pick)[0]

    values, gradients = both(views)
    return np.asarray(values), np.asarray(gradients)


def assert_same_up_to_a_constant(
    estimator: AbstractEstimator, exact: AbstractTarget, channel: Channel, views: Float[Array, "n r"], rtol: float
) -> None:
    def both_sides(views: Float[Array, "n r"]) -> Float[Array, "2 n"]:
        closed_form = jax.vmap(lambda view: exact.channel_log_density(channel, view))
        return jnp.stack([estimator.log_density(channel, views), closed_form(views)])

    (values, expected), (gradients, expected_gradients) = value_and_gradient(both_sides, views)
    np.testing.assert_allclose(values - values.mean(), expected - expected.mean(), atol=rtol * 10)
    np.testing.assert_allclose(gradients, expected_gradients, atol=rtol * np.abs(expected_gradients).max())


def coordinates_of_training(target: AbstractTarget, whitened: bool) -> AbstractTarget:
    return Whitened(target) if whitened else target


@pytest.mark.parametrize("whitened", [False, True])
def test_the_energy_is_exact_for_a_map_of_all_coordinates(whitened: bool) -> None:
    target = mixture_target(3)
    exact = coordinates_of_training(target, whitened)
    channel = turned(3, rows=3)
    views = views_of(exact, target.mixture, channel)
    estimator = EnergyEstimator(coordinates_of_training(as_energy(target), whitened))
    assert_same_up_to_a_constant(estimator, exact, channel, views, 1e-4)


def test_an_offset_of_the_channel_is_taken_out() -> None:
    target = mixture_target(2)
    channel = Channel(turned(2, rows=2).matrix, jnp.array([5.0, -3.0]), jnp.zeros(()))
    views = views_of(target, target.mixture, channel)
    assert_same_up_to_a_constant(EnergyEstimator(target), target, channel, views, 1e-4)
    narrow = Channel(channel.matrix[:1], channel.offset[:1], channel.noise)
    quadrature = MarginalQuadrature(target, 1, NODES, EXTENT)
    assert_same_up_to_a_constant(quadrature, target, narrow, views[:, :1], 1e-4)


def test_conditional_densities_come_from_the_energy_up_to_a_constant_of_the_condition() -> None:
    target, channel = mixture_target(3), turned(3, rows=3)
    known = views_of(target, target.mixture, channel)[0, :2]
    unknown = jnp.linspace(-2.0, 3.0, 20)[:, None]
    views = jnp.concatenate([jnp.tile(known, (20, 1)), unknown], -1)
    estimator = EnergyEstimator(as_energy(target))
    values, _ = value_and_gradient(lambda views: estimator.log_density(channel, views), views)
    expected = np.asarray(target.mixture.through(channel).given_leading(known).log_density(unknown))
    np.testing.assert_allclose(values - values[0], expected - expected[0], atol=1e-3)


@pytest.mark.parametrize("whitened", [False, True])
@pytest.mark.parametrize(("dim", "rows"), [(2, 1), (3, 2), (3, 1)])
def test_marginals_by_quadrature_agree_with_the_closed_form(dim: int, rows: int, whitened: bool) -> None:
    target = mixture_target(dim)
    exact = coordinates_of_training(target, whitened)
    channel = turned(dim, rows)
    estimator = MarginalQuadrature(coordinates_of_training(as_energy(target), whitened), dim - rows, NODES, EXTENT)
    assert_same_up_to_a_constant(estimator, exact, channel, views_of(exact, target.mixture, channel), 1e-4)


@pytest.mark.parametrize("whitened", [False, True])
@pytest.mark.parametrize(("dim", "rows"), [(1, 1), (2, 2), (2, 1)])
def test_noised_views_by_quadrature_agree_with_the_closed_form(dim: int, rows: int, whitened: bool) -> None:
    target = mixture_target(dim)
    exact = coordinates_of_training(target, whitened)
    channel = turned(dim, rows, noise=0.4)
    estimator = NoisedQuadrature.of(coordinates_of_training(as_energy(target), whitened), NODES, EXTENT)
    assert_same_up_to_a_constant(estimator, exact, channel, views_of(exact, target.mixture, channel), 1e-4)


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_quadrature_of_a_normalised_density_needs_no_constant(noise: float) -> None:
    target, channel = mixture_target(2), turned(2, rows=1, noise=noise)
    estimator = NoisedQuadrature.of(target, NODES, EXTENT) if noise else MarginalQuadrature(target, 1, NODES, EXTENT)
    views = views_of(target, target.mixture, channel)
    values, _ = value_and_gradient(lambda views: estimator.log_density(channel, views), views)
    expected, _ = value_and_gradient(lambda views: target.mixture.through(channel).log_density(views), views)
    np.testing.assert_allclose(values, expected, atol=2e-4)


def test_noise_narrower_than_the_grid_is_widened_to_its_step() -> None:
    target = mixture_target(2)
    estimator = NoisedQuadrature.of(target, nodes=65, extent=4.0)
    step = 8.0 * 2.0 / 64
    narrow, wide = turned(2, rows=2, noise=0.01), turned(2, rows=2, noise=0.7)
    np.testing.assert_allclose(estimator.step, step, rtol=1e-6)
    np.testing.assert_allclose(estimator.admit(narrow).noise, step, rtol=1e-6)
    np.testing.assert_allclose(estimator.admit(wide).noise, 0.7, rtol=1e-6)
    np.testing.assert_array_equal(estimator.admit(narrow).matrix, narrow.matrix)
    admitted = estimator.admit(narrow)
    assert_same_up_to_a_constant(estimator, target, admitted, views_of(target, target.mixture, admitted), 1e-4)


def test_estimators_that_see_every_noise_admit_the_channel_as_it_is() -> None:
    target, channel = mixture_target(2), turned(2, rows=1, noise=0.01)
    for estimator in (EnergyEstimator(target), ExactChannelEstimator(target), MarginalQuadrature(target, 1, 8, 4.0)):
        assert estimator.admit(channel) is channel


@pytest.mark.parametrize("whitened", [False, True])
def test_the_closed_form_of_a_target_is_passed_on(whitened: bool) -> None:
    """Whitened, `u` has the law of `(x - centre) / scale`."""
    target = mixture_target(3)
    channel = turned(3, rows=2, noise=0.3)
    exact = coordinates_of_training(target, whitened)
    law = target.mixture.affine(-target.centre / target.scale, 1.0 / target.scale) if whitened else target.mixture
    views = views_of(exact, target.mixture, channel)
    expected = value_and_gradient(lambda views: law.through(channel).log_density(views), views)
    told = value_and_gradient(lambda views: ExactChannelEstimator(exact).log_density(channel, views), views)
    np.testing.assert_allclose(told[0], expected[0], atol=1e-4)
    np.testing.assert_allclose(told[1], expected[1], atol=1e-3)


BAD = {
    "nan": lambda point: jnp.where(point[0] > 0, jnp.nan, -(point**2).sum()),
    "plus infinity": lambda point: jnp.where(point[0] > 0, jnp.inf, -(point**2).sum()),
    "minus infinity": lambda point: jnp.where(point[0] > 0, -jnp.inf, -(point**2).sum()),
    "logarithm": lambda point: jnp.log(-point[0]) - (point**2).sum(),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_finite_is_read_as_zero_density_without_gradient(name: str) -> None:
    both = jax.jit(jax.vmap(jax.value_and_grad(guarded(BAD[name]))))
    points = jnp.array([[1.0, 0.5], [-1.0, 0.5]])
    values, gradients = both(points)
    assert values[0] == np.float32(ZERO_DENSITY) and jax.vmap(guarded(BAD[name]))(points)[0] == values[0]
    np.testing.assert_array_equal(gradients[0], 0.0)
    expected = jax.grad(BAD[name])(points[1])
    np.testing.assert_allclose(values[1], BAD[name](points[1]), rtol=1e-6)
    np.testing.assert_allclose(gradients[1], expected, rtol=1e-6)


def test_a_finite_value_with_a_gradient_that_is_not_keeps_its_value() -> None:
    value, gradient = jax.value_and_grad(guarded(lambda point: -jnp.sqrt((point**2).sum())))(jnp.zeros(2))
    assert value == 0.0
    np.testing.assert_array_equal(gradient, 0.0)


def test_a_value_below_the_smallest_is_raised_to_it() -> None:
    assert guarded(lambda point: -1e36 * point[0])(jnp.ones(1)) == np.float32(ZERO_DENSITY)


def test_zero_density_on_a_part_of_the_grid_leaves_quadratures_exact() -> None:
    """A normal law cut to the half plane `x_0 < 0`: its marginal in `x_1` is normal still."""
    half = function_target(lambda point: jnp.where(point[0] < 0, -0.5 * (point**2).sum(), -jnp.inf), dim=2, scale=2.0)
    channel = Channel.of(jnp.array([[0.0, 1.0]]))
    views = jnp.linspace(-2.0, 2.0, 9)[:, None]
    estimator = MarginalQuadrature(half, 1, NODES, EXTENT)
    values, gradients = value_and_gradient(lambda views: estimator.log_density(channel, views), views)
    np.testing.assert_allclose(values - values[4], -0.5 * views[:, 0] ** 2, atol=1e-4)
    np.testing.assert_allclose(gradients, -views, atol=1e-4)


def test_a_marginal_of_nothing_but_zero_density_stays_finite() -> None:
    nowhere = function_target(lambda point: jnp.where(point[0] < 9.0, -jnp.inf, -(point**2).sum()), dim=2, scale=1.0)
    estimator = MarginalQuadrature(nowhere, 1, NODES, EXTENT)
    channel = Channel.of(jnp.array([[1.0, 0.0]]))
    values, gradients = value_and_gradient(lambda views: estimator.log_density(channel, views), jnp.zeros((1, 1)))
    assert values[0] <= 0.5 * ZERO_DENSITY and np.isfinite(values).all()
    np.testing.assert_array_equal(gradients, 0.0)


def test_prices() -> None:
    target = mixture_target(2)
    assert EnergyEstimator(target).price(10) == Evaluations(gradient=10)
    assert ExactChannelEstimator(target).price(10) == Evaluations(exact_channel=10)
    assert MarginalQuadrature(target, 2, 16, 4.0).price(10) == Evaluations(gradient=10 * 16 * 16)
    noised = NoisedQuadrature.of(target, 16, 4.0)
    assert noised.price(10) == Evaluations() and noised.setup_price() == Evaluations(energy=16 * 16)
    assert EnergyEstimator(target).setup_price() == Evaluations()


JOINT = Task("joint", "joint", Identity())
CONDITIONAL = Task("conditional", "conditional", Orthogonal(), size=2)
MARGINAL = Task("marginal", "marginal", Orthogonal())
NOISED = Task("noised", "joint", FixedNoise(0.3))
WHOLE = Task("whole", "marginal", Orthogonal(), size=9)


def chosen(tasks: tuple[Task, ...], target: AbstractTarget, channels: Channels = "energy") -> list[str]:
    return [estimator.source for estimator in choose_estimators(tasks, target, channels, 8, EXTENT)]


def test_the_energy_serves_what_needs_no_integral_and_quadrature_the_rest() -> None:
    target = as_energy(mixture_target(2))
    assert chosen((JOINT, CONDITIONAL, WHOLE), target) == ["energy"] * 3
    assert chosen((MARGINAL, NOISED), target) == ["quadrature"] * 2
    pair = Task("pair", "marginal", Orthogonal(), size=2)
    (marginal,) = choose_estimators((pair,), as_energy(mixture_target(3)), "energy", 8, EXTENT)
    assert isinstance(marginal, MarginalQuadrature) and marginal.integrated == 1


def test_the_reservoir_serves_what_would_need_a_large_grid() -> None:
    assert chosen((MARGINAL, NOISED, CONDITIONAL), mixture_target(3)) == ["reservoir", "reservoir", "energy"]


def test_closed_forms_are_used_only_where_an_integral_is_needed_and_allowed() -> None:
    target = mixture_target(3)
    assert chosen((JOINT, CONDITIONAL, MARGINAL, NOISED), target, "exact") == ["energy"] * 2 + ["exact channel"] * 2
    assert chosen((MARGINAL,), target) == ["reservoir"]


def test_closed_forms_that_do_not_exist_are_refused_with_the_tasks_that_need_none() -> None:
    target = as_energy(mixture_target(3))
    with pytest.raises(TaskError) as told:
        choose_estimators((JOINT, NOISED, CONDITIONAL), target, "exact", 8, EXTENT)
    assert str(told.value) == (
        "channels=exact was asked for, and the target offers no closed form of its channels, which 1 of the "
        "scheduler's tasks need: 'noised'. Of these tasks it can do: joint, conditional; with channels=energy it can "
        "do all of them"
    )
    with pytest.raises(TaskError, match="tasks need: 'marginal', 'noised'. Of these tasks it can do: none; with"):
        choose_estimators((MARGINAL, NOISED), target, "exact", 8, EXTENT)
    assert chosen((JOINT, CONDITIONAL), target, "exact") == ["energy"] * 2
