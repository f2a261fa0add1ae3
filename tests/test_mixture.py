"""Closed forms of a Gaussian mixture against SciPy, quadrature and automatic differentiation.

What JAX computes here is compiled as a whole, and everything around it is NumPy: to compile each operation by itself
would take most of the time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from numpy.typing import ArrayLike
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm

from biglearn_sampler.engine.population import Population
from biglearn_sampler.mixture import Channel, FactoredMixture, GaussianMixture, constrain, unconstrain
from biglearn_sampler.mixture.triangular import factors_of_roots

DIMENSIONS = (1, 2, 3, 10)
KEY = jax.random.key(0)

gaussian: Any = multivariate_normal  # SciPy's types know covariances of type int only

log_density = jax.jit(GaussianMixture.log_density)
responsibilities = jax.jit(GaussianMixture.responsibilities)
sample = jax.jit(GaussianMixture.sample, static_argnums=2)
stratified = jax.jit(GaussianMixture.stratified, static_argnums=2)
through = jax.jit(GaussianMixture.through)
marginal = jax.jit(GaussianMixture.marginal, static_argnums=1)
conditional = jax.jit(GaussianMixture.conditional, static_argnums=1)


@pytest.fixture(autouse=True, scope="module")
def double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


@lru_cache
def random_mixture(dim: int, components: int = 3) -> GaussianMixture:
    """Unequal weights, full covariances with standard deviations near 1, means a few of them apart."""
    weights, means, covariances = random_numbers(dim, components)
    factors = np.linalg.cholesky(covariances)
    return GaussianMixture(jnp.asarray(np.log(weights)), jnp.asarray(means), jnp.asarray(factors))


def random_numbers(dim: int, components: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights, means and covariances."""
    random = np.random.default_rng(0)
    roots = 0.4 * random.normal(size=(components, dim, dim))
    weights = random.uniform(0.5, 2.0, components)
    means = random.normal(scale=2.0, size=(components, dim))
    return weights / weights.sum(), means, roots @ roots.swapaxes(1, 2) + 0.5 * np.eye(dim)


def single_precision(mixture: GaussianMixture) -> GaussianMixture:
    return jax.tree.map(lambda values: jnp.asarray(np.asarray(values, np.float32)), mixture)


def some_points(dim: int, count: int = 7) -> np.ndarray:
    return np.random.default_rng(1).normal(scale=2.0, size=(count, dim))


def scipy_log_density(mixture: GaussianMixture, points: np.ndarray) -> np.ndarray:
    components = [
        float(log_weight) + gaussian(mean, factor @ factor.T).logpdf(points)
        for log_weight, mean, factor in zip(*map(np.asarray, jax.tree.leaves(mixture)), strict=True)
    ]
    return np.asarray(logsumexp(np.stack(components), axis=0))


def line(extent: float = 14.0, nodes: int = 281) -> tuple[np.ndarray, float]:
    """Nodes of the trapezoidal rule, shape `(nodes, 1)`, and their distance."""
    return np.linspace(-extent, extent, nodes)[:, None], 2.0 * extent / (nodes - 1)


def plane() -> tuple[np.ndarray, float]:
    """Nodes of the trapezoidal rule in two dimensions, and the area of a cell."""
    nodes, step = line()
    grid = np.meshgrid(nodes[:, 0], nodes[:, 0], indexing="ij")
    return np.stack(grid, axis=-1).reshape(-1, 2), step**2


def densities(mixture: GaussianMixture, points: np.ndarray) -> np.ndarray:
    return np.exp(np.asarray(log_density(mixture, points)))


def within_errors(samples: ArrayLike, expected: ArrayLike, errors: float = 5.0) -> bool:
    """Whether the mean of independent samples is within so many standard errors of what is expected."""
    values = np.asarray(samples)
    error = values.std(0) / np.sqrt(len(values))
    return bool((np.abs(values.mean(0) - np.asarray(expected)) <= errors * error).all())


@pytest.mark.parametrize("dim", DIMENSIONS)
def test_log_density_is_that_of_scipy(dim: int) -> None:
    mixture, points = random_mixture(dim), some_points(dim)
    np.testing.assert_allclose(log_density(mixture, points), scipy_log_density(mixture, points), rtol=1e-10)


@pytest.mark.parametrize("dim", DIMENSIONS)
def test_single_precision_stays_single_and_close(dim: int) -> None:
    mixture, points = random_mixture(dim), some_points(dim)
    result = log_density(single_precision(mixture), points.astype(np.float32))
    assert result.dtype == jnp.float32
    np.testing.assert_allclose(result, log_density(mixture, points), rtol=2e-4)


def test_a_mixture_is_what_its_arrays_say() -> None:
    weights, means, covariances = random_numbers(3, components=4)
    mixture = GaussianMixture.of(means, covariances, 5.0 * weights)
    np.testing.assert_allclose(mixture.weights, weights)
    np.testing.assert_array_equal(mixture.means, means)
    np.testing.assert_allclose(mixture.covariances, covariances)
    shared = GaussianMixture.of(means, 0.25)
    np.testing.assert_allclose(shared.covariances, np.tile(0.25 * np.eye(3), (4, 1, 1)))
    np.testing.assert_allclose(shared.weights, 0.25)


def test_draws_in_single_precision_are_single() -> None:
    draws = sample(single_precision(random_mixture(2)), KEY, 3)
    assert draws.dtype == jnp.float32 and draws.shape == (3, 2)


def test_far_away_the_log_density_stays_finite_in_single_precision() -> None:
    mixture = single_precision(random_mixture(2))
    value, gradient = jax.jit(jax.value_and_grad(log_density, argnums=1))(mixture, np.full(2, 1e4, np.float32))
    assert np.isfinite(value) and np.isfinite(gradient).all()


def test_it_integrates_to_one() -> None:
    for points, cell, dim in ((*line(), 1), (*plane(), 2)):
        assert densities(random_mixture(dim), points).sum() * cell == pytest.approx(1.0, abs=1e-9)


def test_one_point_a_batch_and_plain_code_agree() -> None:
    mixture, points = random_mixture(3), some_points(3, count=6)
    one_by_one = np.array([log_density(mixture, point) for point in points])
    np.testing.assert_allclose(log_density(mixture, points), one_by_one, rtol=1e-12)
    np.testing.assert_allclose(np.ravel(log_density(mixture, points.reshape(2, 3, 3))), one_by_one, rtol=1e-12)
    np.testing.assert_allclose(mixture.log_density(jnp.asarray(points)), one_by_one, rtol=1e-12)


def test_in_blocks_the_log_density_and_its_gradients_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    mixture, points = random_mixture(3), jnp.asarray(some_points(3, count=150))

    def told() -> Any:
        # Functions of their own, so that neither finds the other compiled.
        summed = jax.jit(jax.value_and_grad(lambda m, x: m.log_density(x).sum(), argnums=(0, 1)))
        return *summed(mixture, points), jax.jit(lambda m, x: m.log_density(x))(mixture, points.reshape(2, 75, 3))

    whole = told()
    for name in ("LARGEST_TABLE", "BLOCK"):
        monkeypatch.setattr(f"biglearn_sampler.mixture.gaussian_mixture.{name}", 1)
    for mine, expected in zip(jax.tree.leaves(told()), jax.tree.leaves(whole), strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-9, atol=1e-12)


def test_many_points_meet_many_components_in_little_memory() -> None:
    mixture = GaussianMixture.of(np.zeros((512, 16)), 1.0)
    points = jnp.zeros((4096, 16))
    compiled = jax.jit(lambda x: jax.grad(lambda x: mixture.log_density(x).sum())(x)).lower(points).compile()
    # The whole table would take 268 MB in 64 bits.
    planned = compiled.memory_analysis()
    assert planned is not None and planned.temp_size_in_bytes < 40e6


def test_responsibilities_are_shares_of_the_density() -> None:
    mixture, points = random_mixture(2), some_points(2)
    shares = np.asarray(responsibilities(mixture, points))
    for component in range(3):
        alone = jax.tree.map(lambda values, at=component: values[at : at + 1], mixture)
        joint = np.exp(scipy_log_density(alone, points))
        np.testing.assert_allclose(shares[:, component], joint / densities(mixture, points), rtol=1e-9)
    np.testing.assert_allclose(shares.sum(-1), 1.0, rtol=1e-12)


@pytest.mark.parametrize("dim", (1, 4))
def test_draws_have_the_mean_and_covariance_of_the_mixture(dim: int) -> None:
    mixture = random_mixture(dim)
    draws = sample(mixture, KEY, 20_000)
    centred = np.asarray(draws) - np.asarray(mixture.mean())
    assert within_errors(draws, mixture.mean())
    assert within_errors(centred[:, :, None] * centred[:, None, :], mixture.covariance())
    assert within_errors(responsibilities(mixture, draws), mixture.weights)


def test_stratified_draws_come_from_every_component() -> None:
    mixture = random_mixture(2)
    draws = stratified(mixture, KEY, 20_000)
    assert draws.shape == (3, 20_000, 2)
    for component, mean, factor in zip(np.asarray(draws), mixture.means, mixture.factors, strict=True):
        centred = component - np.asarray(mean)
        assert within_errors(component, mean)
        assert within_errors(centred[:, :, None] * centred[:, None, :], np.asarray(factor) @ np.asarray(factor).T)


def test_stratified_draws_carry_gradients_to_means_and_factors() -> None:
    mixture = random_mixture(2)

    def total(mixture: GaussianMixture) -> jax.Array:
        return mixture.stratified(KEY, 5).sum()

    gradient = jax.jit(jax.grad(total))(mixture)
    np.testing.assert_allclose(gradient.means, 5.0)
    shifted = np.asarray(stratified(mixture, KEY, 5)) - np.asarray(mixture.means)[:, None]
    noise = np.linalg.solve(np.asarray(mixture.factors), shifted.swapaxes(1, 2))
    np.testing.assert_allclose(gradient.factors[:, 1], noise.sum(-1))


def test_moments_are_those_of_quadrature() -> None:
    mixture = random_mixture(2)
    points, area = plane()
    masses = densities(mixture, points) * area
    mean = masses @ points
    np.testing.assert_allclose(mixture.mean(), mean, atol=1e-8)
    np.testing.assert_allclose(mixture.covariance(), (masses * (points - mean).T) @ (points - mean), atol=1e-8)


@pytest.mark.parametrize("rows", (1, 2))
def test_through_a_noisy_channel_is_the_integral_over_all_points(rows: int) -> None:
    mixture = random_mixture(2)
    matrix, offset = np.array([[0.8, -1.1], [0.3, 0.7]])[:rows], np.array([0.4, -0.2])[:rows]
    views = some_points(rows, count=3)
    points, area = plane()
    density = densities(mixture, points)
    seen = points @ matrix.T + offset
    integrals = [(density * norm.pdf(view - seen, scale=0.6).prod(-1)).sum() * area for view in views]
    channel = Channel(jnp.asarray(matrix), jnp.asarray(offset), jnp.asarray(0.6))
    np.testing.assert_allclose(log_density(through(mixture, channel), views), np.log(integrals), atol=1e-8)


def test_through_a_rotated_row_is_the_integral_along_the_orthogonal_line() -> None:
    mixture, angle = random_mixture(2), 0.7
    kept = np.array([[np.cos(angle), np.sin(angle)]])
    lost = np.array([[-np.sin(angle), np.cos(angle)]])
    views, (nodes, step) = some_points(1, count=3), line()
    integrals = [densities(mixture, view @ kept + nodes @ lost).sum() * step for view in views]
    result = log_density(through(mixture, Channel.of(jnp.asarray(kept))), views)
    np.testing.assert_allclose(result, np.log(integrals), atol=1e-8)


@pytest.mark.parametrize("dim", DIMENSIONS)
def test_through_an_invertible_channel_changes_variables(dim: int) -> None:
    mixture, points = random_mixture(dim), some_points(dim)
    matrix = np.random.default_rng(2).normal(size=(dim, dim))
    offset = np.arange(dim, dtype=float)
    channel = Channel(jnp.asarray(matrix), jnp.asarray(offset), jnp.asarray(0.0))
    moved = log_density(through(mixture, channel), points @ matrix.T + offset)
    expected = scipy_log_density(mixture, points) - np.linalg.slogdet(matrix)[1]
    np.testing.assert_allclose(moved, expected, rtol=1e-6)


def test_marginals_keep_the_order_that_was_asked_for() -> None:
    mixture, points = random_mixture(3), some_points(3)
    seen = marginal(mixture, (2, 0))
    np.testing.assert_array_equal(seen.means, np.asarray(mixture.means)[:, [2, 0]])
    covariances = np.asarray(mixture.covariances)[:, [2, 0]][:, :, [2, 0]]
    np.testing.assert_allclose(seen.covariances, covariances, rtol=1e-10)
    result = np.asarray(log_density(seen, points[:, [2, 0]]))

    nodes, step = line()
    whole = np.tile(points[0], (len(nodes), 1))
    whole[:, 1:2] = nodes
    assert np.exp(result[0]) == pytest.approx(densities(mixture, whole).sum() * step, rel=1e-8)


@pytest.mark.parametrize("dim", (2, 10))
def test_a_conditional_is_joint_over_marginal_with_the_score_of_the_joint(dim: int) -> None:
    mixture, point = random_mixture(dim), some_points(dim, count=1)[0]
    known = (dim - 1, 0) if dim > 2 else (1,)
    rest = [i for i in range(dim) if i not in known]
    given = conditional(mixture, known, point[list(known)])
    score_of = jax.jit(jax.value_and_grad(log_density, argnums=1))
    value, score = score_of(given, point[rest])
    joint, joint_score = score_of(mixture, point)
    evidence = log_density(marginal(mixture, known), point[list(known)])
    assert float(value) == pytest.approx(float(joint) - float(evidence), abs=1e-8)
    np.testing.assert_allclose(score, np.asarray(joint_score)[rest], rtol=1e-6)


def test_a_conditional_integrates_to_one() -> None:
    nodes, step = line()
    given = conditional(random_mixture(2), (0,), np.array([0.3]))
    assert densities(given, nodes).sum() * step == pytest.approx(1.0, abs=1e-9)


def test_given_leading_is_the_conditional_on_the_first_coordinates() -> None:
    mixture, values, points = random_mixture(3), np.array([0.3, -1.0]), some_points(1)
    leading = jax.jit(GaussianMixture.given_leading)(mixture, values)
    expected = log_density(conditional(mixture, (0, 1), values), points)
    np.testing.assert_allclose(log_density(leading, points), expected, rtol=1e-8)


def test_affine_changes_variables() -> None:
    mixture, points = random_mixture(3), some_points(3)
    centre, scale = np.array([1.0, -2.0, 0.5]), np.array([0.1, 3.0, 40.0])
    moved = log_density(mixture.affine(jnp.asarray(centre), jnp.asarray(scale)), centre + scale * points)
    expected = scipy_log_density(mixture, points) - np.log(scale).sum()
    np.testing.assert_allclose(moved, expected, rtol=1e-10)


def test_a_channel_after_an_affine_map_sees_the_same_view() -> None:
    channel = Channel(jnp.array([[1.0, 2.0], [0.5, -1.0]]), jnp.array([3.0, 4.0]), jnp.asarray(0.2))
    centre, scale, points = jnp.array([1.0, -2.0]), jnp.array([0.1, 3.0]), jnp.asarray(some_points(2))
    inner = channel.after_affine(centre, scale)
    np.testing.assert_allclose(inner.mean(points), channel.mean(centre + scale * points), rtol=1e-12)
    assert float(inner.noise) == 0.2 and (inner.rows, inner.dim) == (2, 2)


@pytest.mark.parametrize("dim", (1, 10))
def test_unconstrained_parameters_describe_the_same_mixture(dim: int) -> None:
    mixture = random_mixture(dim)
    again = jax.jit(lambda mixture: constrain(unconstrain(mixture)))(mixture)
    for mine, theirs in zip(jax.tree.leaves(again), jax.tree.leaves(mixture), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-12)


def test_any_parameters_describe_a_mixture() -> None:
    anything = jax.tree.map(lambda values: values + 3.0, unconstrain(random_mixture(3)))
    mixture = constrain(anything)
    assert float(mixture.weights.sum()) == pytest.approx(1.0)
    np.testing.assert_array_equal(mixture.factors, np.tril(mixture.factors))
    assert (np.diagonal(mixture.factors, axis1=1, axis2=2) > 0).all()


def test_numpyro_gives_the_mixture_back() -> None:
    mixture, points = random_mixture(3), some_points(3)
    distribution = mixture.to_numpyro()
    expected = scipy_log_density(mixture, points)
    np.testing.assert_allclose(jax.jit(distribution.log_prob)(points), expected, rtol=1e-10)
    again = GaussianMixture.from_numpyro(distribution)
    np.testing.assert_allclose(log_density(again, points), expected, rtol=1e-10)


def test_one_numpyro_gaussian_is_a_mixture_of_one() -> None:
    covariance = np.array([[2.0, 0.5], [0.5, 1.0]])
    mixture = GaussianMixture.from_numpyro(dist.MultivariateNormal(jnp.ones(2), jnp.asarray(covariance)))
    assert (mixture.components, mixture.dim) == (1, 2)
    points = some_points(2)
    expected = gaussian(np.ones(2), covariance).logpdf(points)
    np.testing.assert_allclose(log_density(mixture, points), expected, rtol=1e-10)


@pytest.mark.parametrize(
    ("distribution", "told"),
    [
        (lambda: dist.Gamma(2.0, 1.0), "expected a MultivariateNormal or a MixtureSameFamily .* got Gamma"),
        (
            lambda: dist.MixtureSameFamily(dist.Categorical(jnp.ones(2) / 2), dist.Normal(jnp.zeros(2), 1.0)),
            "of MultivariateNormal components, got Normal",
        ),
        (
            lambda: dist.MultivariateNormal(jnp.zeros((4, 2)), jnp.eye(2)),
            r"expected one mixture, got a batch of shape \(4,\)",
        ),
    ],
)
def test_other_numpyro_distributions_are_refused(distribution, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        GaussianMixture.from_numpyro(distribution())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (([0.0, 1.0], 1.0), r"means must have shape \(components, dim\), got \(2,\)"),
        (
            ([[0.0, 1.0]], np.eye(3)),
            r"covariances must be a number or have shape \(2, 2\) or \(1, 2, 2\), got \(3, 3\)",
        ),
        (([[0.0, 1.0]], -1.0), "every covariance must be symmetric and positive definite"),
        (
            ([[0.0, 1.0]], [[1.0, 0.9], [0.0, 1.0]]),
            "every covariance must be symmetric and positive definite",
        ),
        (([[0.0], [1.0]], 1.0, [1.0]), "weights must be 2 positive numbers"),
        (([[0.0], [1.0]], 1.0, [1.0, 0.0]), "weights must be 2 positive numbers"),
        (([[0.0], [1.0]], 1.0, [1.0, np.inf]), "weights must be 2 positive numbers, none infinite"),
        (([[0.0], [1.0]], 1.0, [1.0, np.nan]), "weights must be 2 positive numbers"),
        (([[0.0], [np.nan]], 1.0), "means must be finite numbers"),
        (([[0.0], [np.inf]], 1.0), "means must be finite numbers"),
        (([[0.0, 1.0]], [[1e-9, 9e-10], [0.0, 1e-9]]), "every covariance must be symmetric and positive definite"),
        (([[0.0, 1.0]], [[1e-18, 9e-10], [0.0, 1.0]]), "every covariance must be symmetric and positive definite"),
        (([[0.0]], np.inf), "every covariance must be symmetric and positive definite"),
    ],
)
def test_mistakes_in_a_mixture_are_told(arguments, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        GaussianMixture.of(*arguments)


def test_covariances_may_be_asymmetric_by_rounding_in_any_unit() -> None:
    units = np.array([1e-9, 1.0, 1e9])
    covariance = np.array([[1.0, 0.3, 0.2], [0.3, 1.0, 0.5], [0.2, 0.5, 1.0]]) * units[:, None] * units
    rounded = covariance + 1e-7 * np.triu(np.outer(units, units), 1)
    found = GaussianMixture.of(np.zeros((1, 3)), rounded).covariances[0]
    np.testing.assert_allclose(found, covariance, rtol=1e-12)


@pytest.mark.parametrize(
    ("coordinates", "values", "told"),
    [
        ([0, 0], [0.0, 0.0], r"coordinates must be distinct numbers from 0 to 1, got \[0, 0\]"),
        ([2], [0.0], r"coordinates must be distinct numbers from 0 to 1, got \[2\]"),
        ([], [], r"coordinates must be distinct numbers from 0 to 1, got \[\]"),
        ([0, 1], [0.0, 0.0], "at least one of the 2 coordinates must stay unknown"),
        ([0], [0.0, 1.0], r"1 coordinates need as many values, got shape \(2,\)"),
    ],
)
def test_mistakes_in_a_conditional_are_told(coordinates, values, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        random_mixture(2).conditional(coordinates, jnp.array(values))


def test_many_draws_in_many_dimensions_are_made_block_by_block(monkeypatch):
    """There is a factor for every draw, and all of them together could exceed any memory."""
    mixture = GaussianMixture.of(np.array([[0.0, 1.0, 2.0], [5.0, 5.0, 5.0]]), np.diag([1.0, 2.0, 3.0]), [0.3, 0.7])
    at_once = mixture.sample(jax.random.key(0), 1000)
    module = import_module("biglearn_sampler.mixture.gaussian_mixture")
    monkeypatch.setattr(module, "LARGEST_GATHER", 1)
    monkeypatch.setattr(module, "GATHER_BLOCK", 700)
    np.testing.assert_allclose(mixture.sample(jax.random.key(0), 1000), at_once, rtol=1e-5, atol=1e-5)
    population = Population.of(mixture)
    found = population.sample(np.random.default_rng(0), 1000)
    monkeypatch.setattr(import_module("biglearn_sampler.engine.population"), "BLOCK", 700)
    np.testing.assert_array_equal(population.sample(np.random.default_rng(0), 1000), found)
    assert population.around(np.zeros(0, int), np.zeros((0, 3))).shape == (0, 3)


def test_views_of_narrow_components_hold_in_single_precision() -> None:
    """Axes of 1 : 10,000, which the product of a factor with itself loses: their conditionals were wrong or NaN."""
    rng = np.random.default_rng(3)
    (turn, view), lengths = (np.linalg.qr(rng.normal(size=(4, 4)))[0] for _ in range(2)), (1e4, 1.0, 1e2, 1.0)
    root = turn * lengths
    factor = np.linalg.qr(root.T)[1].T
    factor *= np.sign(np.diag(factor))
    expected = np.linalg.qr((view @ root).T)[1].T
    expected *= np.sign(np.diag(expected))
    one = GaussianMixture(*(jnp.asarray(array, jnp.float32) for array in ([0.0], np.zeros((1, 4)), factor[None])))
    found = np.asarray(through(one, Channel.of(jnp.asarray(view, jnp.float32))).factors[0])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_allclose(np.diag(found), np.diag(expected), rtol=1e-2)


Numbers = Sequence[np.ndarray]


def far_from_zero(components: int, offset: float) -> Numbers:
    """Log weights, means of components that overlap, and factors with correlations of 0.999, in single precision."""
    random = np.random.default_rng(5)
    means = offset + random.normal(size=(components, 1)) + 0.1 * random.normal(size=(components, 3))
    factor = np.linalg.cholesky(1e-3 * np.eye(3) + 0.999)
    log_weights = np.log(random.dirichlet(np.full(components, 3.0)))
    return tuple(np.asarray(array, np.float32) for array in (log_weights, means, np.tile(factor, (components, 1, 1))))


def drawn(numbers: Numbers, count: int = 4000) -> np.ndarray:
    random, (log_weights, means, factors) = np.random.default_rng(6), numbers
    weights = np.exp(log_weights.astype(float))
    chosen = random.choice(len(means), count, p=weights / weights.sum())
    steps = np.einsum("nij,nj->ni", factors[chosen], random.normal(size=(count, means.shape[1])))
    return (means[chosen] + steps).astype(np.float32)


def exact_joint(numbers: Numbers, points: np.ndarray) -> np.ndarray:
    """`log w_k + log N_k(x_i)` of these very numbers, in double precision, differences first."""
    log_weights, means, factors = (np.asarray(array, float) for array in numbers)
    standard = np.stack([np.linalg.solve(f, (points.astype(float) - m).T) for m, f in zip(means, factors, strict=True)])
    constants = log_weights - np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(-1)
    return (constants[:, None] - 0.5 * (standard**2).sum(1) - 0.5 * means.shape[1] * np.log(2 * np.pi)).T


@pytest.mark.parametrize(("components", "offset"), [(1, 1e5), (3, 1e6)])
def test_far_from_zero_densities_keep_their_digits(
    monkeypatch: pytest.MonkeyPatch, components: int, offset: float
) -> None:
    """Around zero two large products had hardly any digits between them: they were 0.3 and 3 off."""
    numbers = far_from_zero(components, offset)
    mixture, points = GaussianMixture(*map(jnp.asarray, numbers)), drawn(numbers)
    joint = exact_joint(numbers, points)
    expected = np.logaddexp.reduce(joint, axis=1)
    found = log_density(mixture, points)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-3)
    np.testing.assert_allclose(mixture.log_density(jnp.asarray(points[0])), expected[0], atol=2e-3)
    np.testing.assert_allclose(responsibilities(mixture, points), np.exp(joint - expected[:, None]), atol=2e-3)
    for name in ("LARGEST_TABLE", "BLOCK"):
        monkeypatch.setattr(f"biglearn_sampler.mixture.gaussian_mixture.{name}", 1)
    np.testing.assert_allclose(jax.jit(lambda x: mixture.log_density(x))(points), expected, atol=2e-3)


def test_far_from_zero_conditionals_keep_their_weights() -> None:
    numbers = far_from_zero(3, 1e6)
    points = drawn(numbers, 200)[:, :2]
    log_weights, means, factors = numbers
    joint = exact_joint((log_weights, means[:, :2], factors[:, :2, :2]), points)
    mixture = GaussianMixture(*map(jnp.asarray, numbers))
    found = jax.jit(jax.vmap(lambda values: mixture.given_leading(values).weights))(points)
    np.testing.assert_allclose(found, np.exp(joint - np.logaddexp.reduce(joint, axis=1)[:, None]), atol=2e-3)


def test_a_narrow_component_near_zero_keeps_its_digits_beside_a_wide_one_far_away() -> None:
    """Around the mean of both it would be 0.06 off."""
    factor = np.linalg.cholesky(0.1 * np.eye(3) + 0.9)
    arrays = (np.log([0.5, 0.5]), np.array([[0.0] * 3, [1e3] * 3]), np.stack([1e-3 * factor, factor]))
    numbers: Numbers = tuple(np.asarray(array, np.float32) for array in arrays)
    points = drawn(numbers)
    found = log_density(GaussianMixture(*map(jnp.asarray, numbers)), points)
    np.testing.assert_allclose(found, np.logaddexp.reduce(exact_joint(numbers, points), axis=1), atol=2e-3)


def test_a_component_without_weight_may_be_anywhere() -> None:
    numbers = far_from_zero(3, 1e6)
    points = drawn(numbers)
    more = [np.concatenate([array, array[:1]]) for array in numbers]
    more[0][-1], more[1][-1] = -np.inf, -1e6
    found, slope = jax.jit(jax.value_and_grad(lambda m, x: m.log_density(x).mean()))(
        GaussianMixture(*map(jnp.asarray, more)), points
    )
    np.testing.assert_allclose(found, np.logaddexp.reduce(exact_joint(numbers, points), axis=1).mean(), atol=1e-3)
    expected = jax.jit(jax.grad(lambda m, x: m.log_density(x).mean()))(
        GaussianMixture(*map(jnp.asarray, numbers)), points
    )
    np.testing.assert_allclose(slope.means[:3], expected.means, atol=1e-3)
    np.testing.assert_array_equal(slope.means[3], 0.0)


@pytest.mark.parametrize(
    ("rows", "columns"), [(3, 5), *(pytest.param(*size, marks=pytest.mark.slow) for size in ((1, 1), (40, 50)))]
)
def test_factors_of_roots_are_those_of_the_product_with_their_derivatives(rows: int, columns: int) -> None:
    roots, along = np.random.default_rng(4).normal(size=(2, 3, rows, columns))
    found, slope = jax.jit(lambda at, way: jax.jvp(factors_of_roots, (at,), (way,)))(roots, along)
    np.testing.assert_allclose(found, np.linalg.cholesky(roots @ roots.transpose(0, 2, 1)), atol=1e-9)
    step = 1e-6
    ends = [np.linalg.cholesky(at @ at.transpose(0, 2, 1)) for at in (roots + step * along, roots - step * along)]
    np.testing.assert_allclose(slope, (ends[0] - ends[1]) / (2 * step), atol=1e-5)
    back = jax.grad(lambda at: (factors_of_roots(at) * slope).sum())(jnp.asarray(roots))
    np.testing.assert_allclose((back * along).sum(), (slope**2).sum(), rtol=1e-8)


@pytest.mark.parametrize("rows", [3, 40])
def test_factors_of_roots_hold_in_any_units_in_single_precision(rows: int) -> None:
    """Squares of 1e-25 are zero in single precision, and those of 1e25 infinite."""
    random = np.random.default_rng(7)
    roots, along = random.normal(size=(2, rows, rows + 4))
    for units in (np.full(rows, 1e-25), np.full(rows, 1e25), 10.0 ** random.uniform(-15, 15, rows)):
        single = jnp.asarray(roots * units[:, None], jnp.float32)
        way = jnp.asarray(along * units[:, None], jnp.float32)
        found, slope = jax.jit(lambda at, way: jax.jvp(factors_of_roots, (at,), (way,)))(single, way)
        expected, expected_slope = jax.jvp(factors_of_roots, (jnp.asarray(roots),), (jnp.asarray(along),))
        assert found.dtype == np.float32
        np.testing.assert_allclose(np.asarray(found, float) / units[:, None], expected, atol=1e-4)
        np.testing.assert_allclose(np.asarray(slope, float) / units[:, None], expected_slope, atol=5e-3)


def test_factors_of_roots_hold_where_little_is_left_of_a_row() -> None:
    roots = jnp.asarray([[1.0, 0.0, 0.0], [1.0, 1e-25, 0.0]], jnp.float32)
    np.testing.assert_allclose(factors_of_roots(roots), [[1.0, 0.0], [1.0, 1e-25]], rtol=1e-5)


@pytest.mark.parametrize("rows", [2, 40])
def test_factors_of_roots_without_full_rank_are_not_a_number(rows: int) -> None:
    roots = np.eye(rows, rows + 2)
    roots[-1] = 0.0
    assert np.isnan(factors_of_roots(jnp.asarray(roots))[-1, -1])
    roots[-1, 0] = 1.0
    assert np.isnan(factors_of_roots(jnp.asarray(roots))[-1, -1])


@pytest.mark.parametrize("factored", [False, True])
@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (
            lambda law: law.sample(10, jax.random.key(0)),
            r"the number of draws must be a whole number .* a key comes first",
        ),
        (lambda law: law.sample(jax.random.key(0), -1), "whole number of at least 0, got -1; a key comes first"),
        (lambda law: law.sample(jax.random.key(0), 2.5), "whole number of at least 0, got 2.5; a key comes first"),
        (
            lambda law: law.sample(jax.random.split(jax.random.key(0)), 3),
            r"expected one key, .* or a seed, got shape \(2,\)",
        ),
        (lambda law: law.sample(-1, 3), "a seed must be at least 0, got -1"),
        (lambda law: law.log_density(jnp.zeros(3)), r"of shape \(2,\) or many of shape \(count, 2\), got shape \(3,\)"),
        (lambda law: law.log_density(jnp.zeros(())), r"or many of shape \(count, 2\), got shape \(\)"),
        (lambda law: law.log_density([0.0, 0.0]), r"\(count, 2\), got list; jnp.asarray makes an array"),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_what_a_mixture_is_asked_with_is_checked(ask, told, factored):
    law: Any = GaussianMixture.of([[0.0]] if factored else [[0.0, 0.0]], 1.0)
    with pytest.raises(ValueError, match=told):
        ask(FactoredMixture(((0,), (1,)), (law, law)) if factored else law)


@pytest.mark.usefixtures("unchecked_types")
def test_a_seed_is_the_key_of_draws():
    law = GaussianMixture.of([[0.0], [1.0]], 1.0)
    for mixture in (law, FactoredMixture(((0,), (1,)), (law, law))):
        np.testing.assert_array_equal(mixture.sample(3, 10), mixture.sample(jax.random.key(3), 10))
    np.testing.assert_array_equal(law.sample(jax.random.PRNGKey(3), 10), law.sample(3, 10))
