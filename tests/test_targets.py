"""The gallery: every number that a target states about itself is computed here again, in another way."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import multivariate_normal, norm

from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.mixture import GaussianMixture
from biglearn_targets import double_well, eight_schools, funnel, mixtures, mueller_brown, rings
from biglearn_targets.grid import Grid, draws_on_line, draws_on_plane

# The benchmarks of other publications are in `test_targets_mixtures.py` and `test_targets_models.py`.
FAMILIES = (mixtures, rings, double_well, mueller_brown, funnel, eight_schools)
ENTRIES = {entry.name: entry for family in FAMILIES for entry in family.ENTRIES}
COUNT = 20_000

# Half-widths of boxes that hold all but 1e-8 of the mass, around 0, for the targets in two dimensions.
HALF_WIDTHS = {
    "grid25": 6.0,
    "two_modes": 4.0,
    "unequal_mixture": 11.0,
    "rings": 36.0,
    "double_well": 7.0,
    "mueller_brown": 4.5,
}

gaussian: Any = multivariate_normal  # SciPy's types know covariances of type int only


@pytest.fixture(autouse=True, scope="module")
def double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def targets() -> Mapping[str, AbstractTarget]:
    """Every entry, built with its defaults."""
    return {name: entry.build() for name, entry in ENTRIES.items()}


@pytest.fixture(scope="module")
def draws(targets: Mapping[str, AbstractTarget]) -> Mapping[str, np.ndarray]:
    """Exact draws from every target."""
    return {name: exact_draws(target) for name, target in targets.items()}


def exact_draws(target: AbstractTarget) -> np.ndarray:
    assert target.facts.sample is not None
    return np.asarray(jax.jit(target.facts.sample, static_argnums=1)(jax.random.key(0), COUNT))


@jax.jit
def log_density(target: AbstractTarget, point: jax.Array) -> jax.Array:
    return target.log_density(point)


@jax.jit
def log_densities(target: AbstractTarget, points: jax.Array) -> jax.Array:
    return jax.vmap(target.log_density)(points)


@jax.jit
def values_and_gradients(target: AbstractTarget, points: jax.Array) -> tuple[jax.Array, jax.Array]:
    return jax.vmap(jax.value_and_grad(target.log_density))(points)


def plane(half_width: float, nodes: int = 601) -> tuple[np.ndarray, float]:
    """Nodes of the trapezoidal rule and the area of a cell."""
    line = np.linspace(-half_width, half_width, nodes)
    points = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
    return points, (2.0 * half_width / (nodes - 1)) ** 2


def regions(target: AbstractTarget, points: np.ndarray) -> np.ndarray:
    """The probability of each mode at every point."""
    assert target.facts.responsibilities is not None
    return np.asarray(jax.jit(jax.vmap(target.facts.responsibilities))(points))


def close_to(samples: np.ndarray, expected: Any, errors: float = 5.0) -> bool:
    """Whether the mean of independent samples is within so many standard errors of what is expected."""
    error = samples.std(0) / np.sqrt(len(samples))
    return bool((np.abs(samples.mean(0) - expected) <= errors * error).all())


# ------------------------------------------------------------------------------------------------------------
# Every target
# ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ENTRIES)
def test_gradients_are_those_of_differences(name: str, targets, draws) -> None:
    target, points, step = targets[name], draws[name][:5], 1e-5
    gradients = np.asarray(values_and_gradients(target, points)[1])
    for coordinate in range(target.dim):
        shift = step * np.eye(target.dim)[coordinate]
        ahead, behind = (np.asarray(log_densities(target, points + sign * shift)) for sign in (1.0, -1.0))
        np.testing.assert_allclose(gradients[:, coordinate], (ahead - behind) / (2.0 * step), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ENTRIES)
def test_many_points_and_one_point_agree(name: str, targets, draws) -> None:
    target, points = targets[name], draws[name][:4]
    one_by_one = [log_density(target, point) for point in points]
    np.testing.assert_allclose(one_by_one, log_densities(target, points), rtol=1e-10)


# Mixtures and NumPyro models have this test where they are tested themselves.
@pytest.mark.parametrize("name", ("rings", "double_well", "mueller_brown", "funnel"))
def test_compiled_and_plain_code_agree(name: str, targets, draws) -> None:
    point = jnp.asarray(draws[name][0])
    plain = float(targets[name].log_density(point))
    assert plain == pytest.approx(float(log_density(targets[name], point)), rel=1e-10)


@pytest.mark.parametrize("name", ENTRIES)
def test_single_precision_is_close_to_double(name: str, targets, draws) -> None:
    points = draws[name][:200]
    double = np.asarray(log_densities(targets[name], points))
    with jax.enable_x64(False):
        target = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf, np.float32)), targets[name])
        single, gradients = values_and_gradients(target, points.astype(np.float32))
    assert single.dtype == np.float32 and np.isfinite(gradients).all()
    np.testing.assert_allclose(single, double, rtol=1e-4, atol=2e-4)


@pytest.mark.parametrize("name", ENTRIES)
def test_the_declared_region_holds_a_good_part_of_the_mass(name: str, targets, draws) -> None:
    target = targets[name]
    distance = np.abs(draws[name] - np.asarray(target.centre)) / np.asarray(target.scale)
    assert (np.median(distance, axis=0) < 1.5).all() and (np.quantile(distance, 0.9, axis=0) > 0.2).all()


@pytest.mark.parametrize("name", HALF_WIDTHS)
def test_exact_draws_share_the_mass_among_the_modes(name: str, targets, draws) -> None:
    facts = targets[name].facts
    shares = regions(targets[name], draws[name])
    np.testing.assert_allclose(shares.sum(-1), 1.0, rtol=1e-9)
    assert close_to(shares, np.asarray(facts.mode_weights))
    assert (regions(targets[name], np.asarray(facts.modes)).argmax(-1) == np.arange(len(facts.modes))).all()


@pytest.mark.parametrize("name", HALF_WIDTHS)
def test_facts_in_two_dimensions_are_those_of_quadrature(name: str, targets, draws) -> None:
    target = targets[name]
    points, area = plane(HALF_WIDTHS[name])
    values = np.asarray(log_densities(target, points))
    masses = np.exp(values - target.facts.log_z) * area
    # The rings have a kink at their edge, and the regions of modes have edges: both cost a cell, not rounding.
    assert masses.sum() == pytest.approx(1.0, abs=1e-4 if name == "rings" else 1e-6)
    np.testing.assert_allclose(masses @ regions(target, points), target.facts.mode_weights, atol=2e-4)

    assert close_to(draws[name], masses @ points)
    assert close_to(draws[name] ** 2, masses @ points**2)
    assert close_to(draws[name][:, 0] * draws[name][:, 1], masses @ (points[:, 0] * points[:, 1]))
    logarithms = np.asarray(log_densities(target, draws[name]))
    assert close_to(logarithms, (masses * np.where(masses > 0.0, values, 0.0)).sum())


def test_a_listing_needs_no_jax() -> None:
    program = "import sys, biglearn_targets; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


# ------------------------------------------------------------------------------------------------------------
# One family after the other
# ------------------------------------------------------------------------------------------------------------


def test_the_grid_is_that_of_the_paper(targets) -> None:
    mixture = targets["grid25"].mixture
    expected = {(float(x), float(y)) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)}
    assert {tuple(mean) for mean in np.asarray(mixture.means).tolist()} == expected
    np.testing.assert_allclose(mixture.covariances, np.tile(0.05 * np.eye(2), (25, 1, 1)))
    np.testing.assert_allclose(mixture.weights, 0.04)
    np.testing.assert_array_equal(targets["grid25"].scale, [4.0, 4.0])


def test_two_modes_are_as_far_apart_as_asked() -> None:
    target = ENTRIES["two_modes"].build(separation=6.0, variance=0.04)
    np.testing.assert_allclose(target.mixture.means, [[-3.0, 0.0], [3.0, 0.0]])
    np.testing.assert_allclose(target.mixture.covariances, np.tile(0.04 * np.eye(2), (2, 1, 1)))
    np.testing.assert_allclose(target.scale, 3.3)


def test_the_grid_stays_where_it_is_when_another_scale_is_declared(targets) -> None:
    wide = ENTRIES["grid25"].build(scale=40.0)
    np.testing.assert_array_equal(wide.scale, [40.0, 40.0])
    assert same_arrays(wide.mixture, targets["grid25"].mixture)


def test_two_modes_without_more_parameters_are_those_of_before(targets) -> None:
    before = GaussianMixture.of([[-1.0, 0.0], [1.0, 0.0]], 0.1)
    assert same_arrays(targets["two_modes"].mixture, before)
    np.testing.assert_array_equal(targets["two_modes"].scale, np.full(2, 1.0 + 1.5 * 0.1**0.5))


def test_two_modes_can_be_far_apart_and_unequal() -> None:
    target = ENTRIES["two_modes"].build(separation=20.0, variance=1.0, first_weight=0.1, scale=10.0)
    np.testing.assert_array_equal(target.scale, [10.0, 10.0])
    np.testing.assert_allclose(target.facts.mode_weights, [0.1, 0.9])
    np.testing.assert_array_equal(target.facts.modes, [[-10.0, 0.0], [10.0, 0.0]])
    expected = np.log(0.1) + gaussian([-10.0, 0.0], np.eye(2)).logpdf([-9.0, 1.0])
    assert float(target.log_density(jnp.array([-9.0, 1.0]))) == pytest.approx(expected, rel=1e-12)


def same_arrays(first: Any, second: Any) -> bool:
    pairs = zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
    return all(np.array_equal(mine, theirs) for mine, theirs in pairs)


def test_the_unequal_mixture_has_the_correlations_of_its_table() -> None:
    mixture = ENTRIES["unequal_mixture"].build(dim=5).mixture
    np.testing.assert_allclose(mixture.weights, [0.4, 0.3, 0.2, 0.1])
    np.testing.assert_allclose(mixture.means[1], [3.0, -1.0, 3.0, -1.0, 3.0])
    deviations = np.sqrt(np.diagonal(mixture.covariances, axis1=1, axis2=2))
    np.testing.assert_allclose(deviations, np.tile([[0.9], [0.6], [1.2], [0.4]], (1, 5)))
    correlations = np.asarray(mixture.covariances)[:, 0, 1:3] / deviations[:, :1] ** 2
    np.testing.assert_allclose(correlations, [[0.8, 0.8], [-0.7, 0.7], [0.5, 0.5], [0.0, 0.0]], atol=1e-12)


def test_the_rings_have_the_published_energy_and_the_masses_of_the_plane(targets) -> None:
    assert float(log_density(targets["rings"], jnp.array([0.6, 0.8]))) == pytest.approx(np.log(np.cos(1.0) + 1.001))
    assert float(log_density(targets["rings"], jnp.array([12.0, 16.0]))) == pytest.approx(4.5 * np.pi - 20.0)

    def ring(lower: float, upper: float) -> float:
        return quad(lambda r: 2.0 * np.pi * r * (np.cos(r) + 1.001), lower, upper, epsrel=1e-13)[0]

    # Beyond the edge e: integral 2 pi r exp(e - r) dr = 2 pi (e + 1).
    edge = 4.5 * np.pi
    masses = np.array([ring(0.0, np.pi), ring(np.pi, 3 * np.pi), ring(3 * np.pi, edge) + 2 * np.pi * (edge + 1)])
    assert pytest.approx(np.log(masses.sum()), abs=1e-11) == rings.LOG_Z
    np.testing.assert_allclose(rings.RING_MASSES, masses / masses.sum(), atol=1e-9)
    # The published values, to the digits given.
    assert pytest.approx(6.69228, abs=5e-6) == rings.LOG_Z
    np.testing.assert_allclose(rings.RING_MASSES, [0.023, 0.308, 0.669], atol=5e-4)


def test_the_rings_have_a_gradient_at_the_origin(targets) -> None:
    np.testing.assert_array_equal(jax.grad(targets["rings"].log_density)(jnp.zeros(2)), [0.0, 0.0])


def test_draws_from_the_rings_have_the_jacobian(draws) -> None:
    radii = np.hypot(*draws["rings"].T)
    published = np.array([0.195, 0.389, 0.416])
    counted = np.histogram(radii, [0.0, *rings.RING_BOUNDS, np.inf])[0] / COUNT
    np.testing.assert_allclose(counted, rings.RING_MASSES, atol=0.02)
    assert (np.abs(counted - published) > 0.05).all()


def test_the_double_well_has_the_published_constants() -> None:
    def well(lower: float, upper: float) -> float:
        return quad(lambda x: np.exp(0.5 * x + 6.0 * x**2 - x**4), lower, upper, epsrel=1e-13)[0]

    left, right = well(-4.0, 0.0), well(0.0, 4.0)
    assert left + right == pytest.approx(11784.50926513, abs=1e-7)
    assert pytest.approx(np.log(left + right) + 0.5 * np.log(2.0 * np.pi), abs=1e-11) == double_well.LOG_Z
    assert pytest.approx(left / (left + right), abs=1e-11) == double_well.LEFT_MASS
    for well_at in (double_well.LEFT_WELL, double_well.RIGHT_WELL):
        assert 0.5 + 12.0 * well_at - 4.0 * well_at**3 == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(("beta", "published"), [(0.05, 5.36608), (0.1, 11.72959)])
def test_mueller_brown_has_the_published_integral_on_the_published_box(beta: float, published: float) -> None:
    target = ENTRIES["mueller_brown"].build(beta=beta)
    xs, ys = np.linspace(-2.5, 2.0, 901), np.linspace(-1.5, 3.0, 901)
    points = np.stack(np.meshgrid(xs, ys, indexing="ij"), axis=-1)
    values = np.exp(log_densities(target, points.reshape(-1, 2))).reshape(901, 901)
    in_box = np.log(np.trapezoid(np.trapezoid(values, ys), xs))
    assert in_box == pytest.approx(published, abs=6e-6)
    assert target.facts.log_z == pytest.approx({0.05: 5.366133242, 0.1: 11.729590558}[beta], abs=2e-6)


def test_mueller_brown_has_the_published_minima_and_grows_everywhere() -> None:
    minima = np.array(mueller_brown.MINIMA)
    potential = jax.jit(jax.vmap(jax.value_and_grad(mueller_brown.potential)))
    values, gradients = potential(minima)
    np.testing.assert_allclose(values, [-146.6995, -108.1667, -80.7678], atol=2e-4)
    np.testing.assert_allclose(gradients, 0.0, atol=0.3)  # minima to four digits, curvatures up to 4000
    angles = np.linspace(0.0, 2.0 * np.pi, 73)
    assert (np.asarray(potential(8.0 * np.stack([np.cos(angles), np.sin(angles)], axis=-1))[0]) > 1e6).all()


def test_the_funnel_is_a_product_of_normal_laws(targets, draws) -> None:
    points = draws["funnel"][:50]
    expected = norm.logpdf(points[:, 0], scale=3.0)
    expected += norm.logpdf(points[:, 1:], scale=np.exp(0.5 * points[:, :1])).sum(-1)
    np.testing.assert_allclose(log_densities(targets["funnel"], points), expected, rtol=1e-10)


def test_draws_from_the_funnel_follow_its_law(targets, draws) -> None:
    first, others = draws["funnel"][:, :1], draws["funnel"][:, 1:]
    standard = np.concatenate([first / 3.0, others * np.exp(-0.5 * first)], axis=1)
    assert close_to(standard, 0.0) and close_to(standard**2, 1.0)
    # E log p = -entropy = -(10 log sqrt(2 pi e) + log 3), since E x_0 = 0.
    entropy = 5.0 * np.log(2.0 * np.pi * np.e) + np.log(3.0)
    assert close_to(np.asarray(log_densities(targets["funnel"], draws["funnel"])), -entropy)


@pytest.mark.parametrize(
    ("name", "parameters", "told"),
    [
        ("two_modes", {"separation": 0.0}, "`separation` must be above 0, got 0.0"),
        ("two_modes", {"variance": -1.0}, "`variance` must be above 0, got -1.0"),
        ("two_modes", {"first_weight": 1.0}, "`first_weight` must be between 0 and 1, got 1.0"),
        ("two_modes", {"scale": 0.0}, "`scale` must be above 0, got 0.0"),
        ("grid25", {"scale": -1.0}, "`scale` must be above 0, got -1.0"),
        ("unequal_mixture", {"dim": 1}, "`dim` must be at least 2, got 1"),
        ("funnel", {"dim": 1}, "`dim` must be at least 2, got 1"),
        ("funnel", {"scale": 0.0}, "`scale` must be above 0, got 0.0"),
        ("mueller_brown", {"beta": 1.0}, "`beta` must be from 0.01 to 0.5, got 1.0"),
    ],
)
def test_parameters_out_of_range_are_told(name: str, parameters: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        ENTRIES[name].build(**parameters)


# ------------------------------------------------------------------------------------------------------------
# Eight schools
# ------------------------------------------------------------------------------------------------------------

# Means and standard deviations of the 10,000 reference draws `eight_schools-eight_schools_noncentered` of
# posteriordb (Magnusson and others; BSD 3-clause), whose bulk effective sample sizes are 9,500 to 10,100.
# A standard error is therefore the standard deviation / 97.
REFERENCE = {
    "mu": (4.4105, 3.3091),
    "tau": (3.6021, 3.1983),
    "theta": (
        np.array([6.1505, 4.9396, 3.9059, 4.7960, 3.6144, 4.0511, 6.3172, 4.8840]),
        np.array([5.6156, 4.6453, 5.2804, 4.7707, 4.6145, 4.7960, 5.0026, 5.3174]),
    ),
}


def eight_schools_posterior(point: np.ndarray) -> float:
    """`log p(mu, log tau, theta_trans, y)`, term by term: `y` given `tau`, then `mu`, then `theta_trans`."""
    effects, errors = np.array(eight_schools.EFFECTS), np.array(eight_schools.ERRORS)
    mu, tau, theta_trans = point[0], np.exp(point[1]), point[2:]
    covariance = np.diag(errors**2 + tau**2) + 25.0
    log_evidence = gaussian(np.zeros(8), covariance).logpdf(effects)
    log_prior = np.log(2.0 / (5.0 * np.pi * (1.0 + (tau / 5.0) ** 2))) + point[1]
    weights = np.linalg.solve(covariance, np.full(8, 25.0))
    log_mean = norm.logpdf(mu, weights @ effects, np.sqrt(25.0 - weights @ np.full(8, 25.0)))
    gain = tau / (errors**2 + tau**2)
    log_schools = norm.logpdf(theta_trans, gain * (effects - mu), np.sqrt(1.0 - gain * tau)).sum()
    return float(log_evidence + log_prior + log_mean + log_schools)


def test_eight_schools_is_the_product_of_its_conditionals(targets, draws) -> None:
    points = draws["eight_schools"][:50]
    expected = [eight_schools_posterior(point) for point in points]
    np.testing.assert_allclose(log_densities(targets["eight_schools"], points), expected, rtol=1e-7)


def test_the_evidence_of_eight_schools_is_one_integral(targets) -> None:
    def joint(log_tau: float) -> float:
        tau = np.exp(log_tau)
        covariance = np.diag(np.square(eight_schools.ERRORS) + tau**2) + 25.0
        likelihood = gaussian(np.zeros(8), covariance).pdf(eight_schools.EFFECTS) * 1e13
        return likelihood * 2.0 * tau / (5.0 * np.pi * (1.0 + (tau / 5.0) ** 2))

    evidence = quad(joint, -20.0, 8.0, epsrel=1e-11, limit=200)[0]
    assert targets["eight_schools"].facts.log_z == pytest.approx(np.log(evidence) - 13 * np.log(10.0), abs=1e-7)


def test_eight_schools_agrees_with_the_reference_draws(targets, draws) -> None:
    quantities = jax.jit(jax.vmap(targets["eight_schools"].quantities))(draws["eight_schools"])
    for name, (mean, deviation) in REFERENCE.items():
        values = np.asarray(quantities[name])
        error = np.hypot(values.std(0) / np.sqrt(COUNT), deviation / 97.0)
        assert (np.abs(values.mean(0) - mean) < 4.0 * error).all(), name
        # Of a standard deviation: half of (kurtosis - 1), at most 3 here, times the same error.
        assert (np.abs(values.std(0) - deviation) < 4.0 * np.sqrt(3.0) * error).all(), name


# ------------------------------------------------------------------------------------------------------------
# Draws on a grid
# ------------------------------------------------------------------------------------------------------------


def test_draws_on_a_line_follow_the_masses_of_the_cells() -> None:
    grid, masses = Grid(-1.0, 3.0, 4), np.array([1.0, 0.0, 2.0, 5.0])
    values = np.asarray(draws_on_line(jax.random.key(0), COUNT, grid, masses))
    np.testing.assert_array_equal(grid.midpoints, [-0.5, 0.5, 1.5, 2.5])
    assert close_to((values[:, None] // 1.0 == np.array([-1.0, 0.0, 1.0, 2.0])) * 1.0, masses / 8.0)
    assert close_to(values % 1.0, 0.5)


def test_draws_on_a_plane_follow_the_masses_of_the_cells() -> None:
    masses = np.array([[1.0, 3.0, 0.0], [0.0, 0.0, 0.0], [2.0, 2.0, 2.0]])
    grids = (Grid(0.0, 3.0, 3), Grid(-3.0, 0.0, 3))
    values = np.asarray(draws_on_plane(jax.random.key(0), COUNT, grids, masses))
    cells = np.floor(values) - np.array([0.0, -3.0])
    counted = np.histogram2d(*cells.T, bins=[[0, 1, 2, 3], [0, 1, 2, 3]])[0] / COUNT
    np.testing.assert_allclose(counted, masses / masses.sum(), atol=0.02)
    assert (counted[masses == 0.0] == 0.0).all()
