"""The NUTS baseline: right moments, exact counts, the same draws for the same key."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biglearn_plugins.baselines import nuts
from biglearn_sampler.energy import AbstractTarget, Facts, MixtureTarget, from_numpy, function_target
from biglearn_sampler.evaluation import BaselineResult
from biglearn_sampler.evaluation.importance import moments
from biglearn_sampler.learning.start import StartRegion
from biglearn_sampler.mixture import GaussianMixture

ENTRY = nuts.ENTRY
COVARIANCE = np.array([[1.0, 1.9], [1.9, 4.0]])
NOTHING_KNOWN = Facts()
GAUSSIAN = MixtureTarget.of(GaussianMixture.of([[1.0, -2.0]], COVARIANCE), scale=5.0)


def region(dim: int, scale: float = 3.0) -> StartRegion:
    return StartRegion(jnp.zeros(dim), scale * jnp.eye(dim), jnp.ones(dim))


def run(target: AbstractTarget, seed: int = 0, **parameters) -> BaselineResult:
    baseline = ENTRY.build(**{"chains": 2, "warmup": 200, "draws": 400, **parameters})
    return baseline.run(target, region(target.dim), jax.random.key(seed))


def beyond(border: float) -> AbstractTarget:
    """A gamma law that begins at the border, NaN below; all of them share one compiled loop."""
    return function_target(gamma, dim=1, scale=3.0, data=(jnp.asarray(border),), facts=NOTHING_KNOWN)


def gamma(point, border):
    return jnp.log(point[0] - border) - (point[0] - border)


@pytest.mark.parametrize("dense_mass", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_moments_of_a_gaussian(dense_mass):
    result = run(GAUSSIAN, dense_mass=dense_mass)
    points = result.draws.points
    squares = (points - np.array([1.0, -2.0])) ** 2
    found = moments({"mean": points, "square": squares}, result.draws)
    truth = {"mean[0]": 1.0, "mean[1]": -2.0, "square[0]": 1.0, "square[1]": 4.0}
    for name, value in truth.items():
        mean, error = found[name]["mean"], found[name]["mcse"]
        assert mean is not None and error is not None
        assert abs(mean - value) < 4.5 * error
        assert error < 0.15 * (
            found[name]["sd"] or 0.0
        )  # some 40 effective draws or more, so that the line above can fail
    assert result.notes == {"divergences": 0.0, "longest_trajectories": 0.0}


@pytest.mark.parametrize(
    "parameters", [{"chains": 3, "dense_mass": True}, pytest.param({"max_tree_depth": 1}, marks=pytest.mark.slow)]
)
def test_counts_are_what_the_computer_did(parameters):
    asked = {"energy": 0, "gradient": 0}
    precision = np.array([1.0, 1.0 / 400.0])

    def log_density(points):
        asked["energy"] += len(points)
        return -0.5 * (points**2 @ precision)

    def value_and_gradient(points):
        asked["gradient"] += len(points)
        return -0.5 * (points**2 @ precision), -precision * points

    target = from_numpy(log_density, value_and_gradient=value_and_gradient, dim=2, scale=20.0)
    result = run(target, warmup=20, draws=20, **parameters)
    assert asked == {"energy": result.evaluations.energy, "gradient": result.evaluations.gradient}
    # With a depth of one every trajectory is as long as it may be: 2 chains of 20 draws.
    assert result.notes["longest_trajectories"] == (40 if "max_tree_depth" in parameters else 0)


def test_same_key_same_draws():
    first, second, other = run(GAUSSIAN, 0), run(GAUSSIAN, 0), run(GAUSSIAN, 1)
    np.testing.assert_array_equal(first.draws.points, second.draws.points)
    assert first.evaluations == second.evaluations
    assert (first.draws.points != other.draws.points).any()


def test_a_dense_mass_matrix_saves_gradients_where_coordinates_depend_on_each_other():
    assert run(GAUSSIAN, dense_mass=True).evaluations.gradient < 0.7 * run(GAUSSIAN).evaluations.gradient


def test_shapes_densities_and_chains():
    result = run(GAUSSIAN)
    assert result.draws.points.shape == (800, 2)
    assert result.draws.chains == 2 and result.draws.log_sampler is None
    expected = GAUSSIAN.mixture.log_density(jnp.asarray(result.draws.points))
    np.testing.assert_allclose(result.draws.log_target, expected, atol=1e-4)
    # One chain after another: within a chain neighbours are near or the same, chains are apart.
    first, second = result.draws.points.reshape(2, 400, 2)
    assert (first != second).all()


def test_a_second_run_compiles_nothing():
    run(GAUSSIAN, 0)
    other = MixtureTarget.of(GaussianMixture.of([[0.0, 3.0]], 2.0), scale=2.0)
    again = run(other, 5)
    assert again.seconds_compile < 0.5
    assert again.draws.points[:, 1].mean() == pytest.approx(3.0, abs=2.0)


@pytest.mark.slow
def test_a_target_that_is_no_pytree():
    class Bare(AbstractTarget):
        @property
        def dim(self):
            return 1

        def log_density(self, point):
            return -0.5 * jnp.sum((point - 7.0) ** 2)

    assert run(Bare()).draws.points.mean() == pytest.approx(7.0, abs=1.0)


@pytest.mark.slow
def test_chains_begin_where_the_density_is_positive():
    result = run(beyond(2.0))
    assert np.isfinite(result.draws.log_target).all() and (result.draws.points > 2.0).all()


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"chains": 1, "draws": 1}, "one draw of one chain tells nothing; give draws=2 at least, or more chains"),
        ({"chains": 0}, "chains and draws must be at least 1 and warmup at least 0, got chains=0"),
        ({"draws": 0}, "draws=0"),
        ({"warmup": -1}, "warmup=-1"),
        ({"max_tree_depth": 0}, "max_tree_depth must be from 1 to 20, got 0"),
        ({"target_accept": 1.0}, "target_accept must be between 0 and 1, got 1.0"),
    ],
)
def test_wrong_parameters_are_told(wrong, text):
    with pytest.raises(ValueError, match=text):
        ENTRY.build(**wrong)
