"""Grids, rings and circles: closed forms against quadrature, and the Jacobian that a published sampler forgot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.spatial.distance import pdist
from scipy.stats import multivariate_normal

from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.testing.target_facts import check_draws_follow_density, check_log_z, check_mode_masses
from biglearn_targets.gaussian_rings import gaussian_rings, ring_integrals
from biglearn_targets.grid_mixture import grid
from biglearn_targets.mixtures import grid25
from biglearn_targets.noisy_circles import noisy_circles

COUNT = 20_000
gaussian: Any = multivariate_normal  # SciPy's types know covariances of type int only


@pytest.fixture(autouse=True, scope="module")
def double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def value(target: AbstractTarget, point: Any) -> float:
    return float(target.log_density(jnp.asarray(point, float)))


def radii_of_draws(target: AbstractTarget) -> np.ndarray:
    assert target.facts.sample is not None
    return np.hypot(*np.asarray(target.facts.sample(jax.random.key(0), COUNT)).T)


def masses(target: AbstractTarget) -> np.ndarray:
    return np.asarray(target.facts.mode_weights)


def means(target: Any) -> np.ndarray:
    return np.asarray(target.mixture.means)


# ------------------------------------------------------------------------------------------------------------
# Grids
# ------------------------------------------------------------------------------------------------------------


def test_with_defaults_the_grid_is_that_of_the_paper() -> None:
    for mine, theirs in zip(jax.tree.leaves(grid()), jax.tree.leaves(grid25()), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_grid_in_three_dimensions_has_its_side_and_spacing() -> None:
    target = grid(side=4, dim=3, spacing=1.5, variance=0.01)
    line = {-2.25, -0.75, 0.75, 2.25}
    assert {tuple(mean) for mean in means(target)} == {(x, y, z) for x in line for y in line for z in line}
    np.testing.assert_allclose(target.scale, 2.25)
    expected = gaussian([0.75, -0.75, 2.25], 0.01 * np.eye(3)).logpdf([0.8, -0.75, 2.25]) - np.log(64)
    assert value(target, [0.8, -0.75, 2.25]) == pytest.approx(expected, rel=1e-10)


def test_a_single_component_needs_another_scale() -> None:
    np.testing.assert_allclose(grid(side=1, dim=1, variance=0.04).scale, [0.6])
    np.testing.assert_allclose(grid(scale=7.0).scale, [7.0, 7.0])


def test_an_angle_turns_every_plane_of_two_coordinates() -> None:
    upright, turned = grid(side=2, dim=3), grid(side=2, dim=3, rotation=30.0)
    first, second, third = means(upright).T
    np.testing.assert_allclose(means(turned)[:, 0], first * np.sqrt(0.75) - 0.5 * second, atol=1e-12)
    np.testing.assert_allclose(means(turned)[:, 1], 0.5 * first + second * np.sqrt(0.75), atol=1e-12)
    np.testing.assert_array_equal(means(turned)[:, 2], third)


def test_a_random_turn_keeps_all_distances_and_depends_on_the_seed() -> None:
    upright, turned, other = grid(dim=3), grid(dim=3, rotation="random"), grid(dim=3, rotation="random", seed=1)
    np.testing.assert_allclose(pdist(means(turned)), pdist(means(upright)), rtol=1e-10)
    np.testing.assert_allclose(np.linalg.norm(means(turned), axis=1), np.linalg.norm(means(upright), axis=1))
    assert np.abs(means(turned) - means(upright)).max() > 1.0 and np.abs(means(turned) - means(other)).max() > 1.0


def test_jitter_has_its_deviation_and_leaves_the_order_of_weights() -> None:
    regular, moved = grid(side=30, weight_ratio=9.0), grid(side=30, weight_ratio=9.0, jitter=0.3)
    shift = means(moved) - means(regular)
    assert shift.std() == pytest.approx(0.3, abs=5 * 0.3 / np.sqrt(2 * shift.size))
    np.testing.assert_array_equal(moved.mixture.weights, regular.mixture.weights)


def test_weights_are_those_given_or_in_equal_ratios() -> None:
    given = grid(side=2, dim=1, weights=(3.0, 1.0))
    np.testing.assert_allclose(masses(given), [0.75, 0.25])
    ratio = masses(grid(weight_ratio=81.0))
    ordered = np.sort(ratio)
    np.testing.assert_allclose(ordered[1:] / ordered[:-1], 81.0 ** (1 / 24), rtol=1e-9)
    assert ratio.sum() == pytest.approx(1.0) and (ratio != ordered).any() and (ratio != ordered[::-1]).any()


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"side": 0}, "`side` must be at least 1, got 0"),
        ({"dim": 0}, "`dim` must be at least 1, got 0"),
        ({"spacing": 0.0}, "`spacing` must be above 0, got 0.0"),
        ({"variance": -1.0}, "`variance` must be above 0, got -1.0"),
        ({"jitter": -0.1}, "`jitter` must be at least 0, got -0.1"),
        ({"seed": -1}, "`seed` must be at least 0, got -1"),
        ({"scale": 0.0}, "`scale` must be above 0, got 0.0"),
        ({"weight_ratio": 0.5}, "`weight_ratio` must be at least 1, got 0.5"),
        ({"weights": (1.0, 2.0)}, r"`weights` must be 25 positive numbers, got \(1.0, 2.0\)"),
        ({"side": 2, "dim": 1, "weights": (1.0, 0.0)}, "`weights` must be 2 positive numbers"),
        ({"side": 2, "dim": 1, "weights": (1.0, 2.0), "weight_ratio": 2.0}, "give `weights` or `weight_ratio`"),
        ({"dim": 1, "rotation": 10.0}, "`rotation` needs at least 2 coordinates, got 10.0"),
        ({"side": 5, "dim": 6}, r"`side`\^`dim` must be at most 4096, got 5\^6"),
        ({"side": 10, "dim": 10**9}, "must be at most 4096"),
    ],
)
def test_parameters_of_grids_out_of_range_are_told(parameters: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        grid(**parameters)


# ------------------------------------------------------------------------------------------------------------
# Rings with a Gaussian profile
# ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("radius", "deviation"), [(3.0, 0.1), (1.0, 0.125), (0.2, 0.5), (0.0, 2.0)])
def test_the_integral_of_a_ring_is_that_of_its_radii(radius: float, deviation: float) -> None:
    def profile(r: float) -> float:
        return 2.0 * np.pi * r * np.exp(-0.5 * ((r - radius) / deviation) ** 2)

    ends = max(0.0, radius - 12 * deviation), radius + 12 * deviation
    expected = quad(profile, *ends, points=[radius], epsrel=1e-12)[0]
    assert ring_integrals(np.array([radius]), deviation)[0] == pytest.approx(expected, rel=1e-9)


def test_the_rings_have_masses_like_their_radii() -> None:
    assert gaussian_rings().facts.log_z == pytest.approx(2.65146, abs=5e-6)
    np.testing.assert_allclose(masses(gaussian_rings()), [1 / 9, 3 / 9, 5 / 9], rtol=1e-9)
    assert value(gaussian_rings(), [0.6, 0.8]) == pytest.approx(0.0, abs=1e-9)
    assert value(gaussian_rings(), [0.0, 3.1]) == pytest.approx(-0.5, abs=1e-9)


@pytest.mark.parametrize("parameters", [{"radii": (1.0, 2.0), "deviation": 0.125}, {"radii": (0.2,), "deviation": 0.5}])
def test_other_rings_have_the_facts_of_quadrature(parameters: dict[str, Any]) -> None:
    target = gaussian_rings(**parameters)
    for check in (check_log_z, check_draws_follow_density, check_mode_masses):
        check(target)


def test_draws_from_the_rings_have_the_factor_of_the_plane() -> None:
    radii = radii_of_draws(gaussian_rings(radii=(1.0,), deviation=0.3))
    # E r = (R^2 + s^2) / R with the factor r, where the cut at 0 is too far to matter; R without it.
    error = 5 * radii.std() / np.sqrt(COUNT)
    assert radii.mean() == pytest.approx(1.09, abs=error + 3e-4) and abs(radii.mean() - 1.0) > 2 * error


def test_rings_and_circles_have_a_gradient_at_the_origin() -> None:
    for target in (gaussian_rings(), noisy_circles()):
        np.testing.assert_array_equal(jax.jit(jax.grad(target.log_density))(jnp.zeros(2)), [0.0, 0.0])


# ------------------------------------------------------------------------------------------------------------
# Noisy circles
# ------------------------------------------------------------------------------------------------------------


def test_a_noisy_circle_is_a_mean_of_gaussians_on_it() -> None:
    angles = np.linspace(0.0, 2.0 * np.pi, 2001)[:-1]
    centres = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    for point in ([0.0, 0.0], [0.3, -0.2], [1.02, 0.1], [1.3, 1.1]):
        inner, outer = (gaussian.pdf(radius * centres, mean=point, cov=0.09).mean() for radius in (0.4, 1.0))
        target = noisy_circles(radii=(0.4, 1.0), deviation=0.3, weights=(3.0, 1.0))
        assert value(target, point) == pytest.approx(np.log(0.75 * inner + 0.25 * outer), rel=1e-10)


def test_circles_have_the_facts_of_quadrature_whatever_their_weights() -> None:
    target = noisy_circles(radii=(0.0, 1.0, 2.0), deviation=0.2, weights=(1.0, 3.0, 2.0))
    np.testing.assert_allclose(masses(target), [1 / 6, 1 / 2, 1 / 3])
    for check in (check_log_z, check_draws_follow_density, check_mode_masses):
        check(target)


def test_noise_around_a_circle_widens_it_in_the_plane() -> None:
    squares = radii_of_draws(noisy_circles(radii=(1.0,), deviation=0.3)) ** 2
    assert squares.mean() == pytest.approx(1.0 + 2 * 0.09, abs=5 * squares.std() / np.sqrt(COUNT))


def test_thin_circles_stay_finite_in_single_precision() -> None:
    with jax.enable_x64(False):
        target = noisy_circles(radii=(1.0, 50.0), deviation=1e-3)
        points = jnp.array([[0.0, 0.0], [1.0, 0.0], [30.0, 40.0], [100.0, 0.0]])
        values, gradients = jax.jit(jax.vmap(jax.value_and_grad(target.log_density)))(points)
    assert np.isfinite(values).all() and np.isfinite(gradients).all()


@pytest.mark.parametrize("build", [gaussian_rings, noisy_circles])
@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"radii": ()}, r"`radii` must be at least one number, none below 0, got \(\)"),
        ({"radii": (1.0, -1.0)}, "none below 0"),
        ({"radii": (float("nan"),)}, "none below 0"),
        ({"deviation": 0.0}, "`deviation` must be above 0, got 0.0"),
    ],
)
def test_parameters_of_rings_out_of_range_are_told(build: Any, parameters: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        build(**parameters)


@pytest.mark.parametrize("weights", [(1.0,), (1.0, 0.0), (1.0, float("inf"))])
def test_weights_of_circles_that_make_no_sense_are_told(weights: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="`weights` must be 2 positive numbers, one for each of `radii`"):
        noisy_circles(weights=weights)
