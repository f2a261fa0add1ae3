"""Combinations of targets: what they carry is what the conformance suite finds in their energies."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from jax.scipy.special import logsumexp
from scipy.stats import multivariate_normal, ortho_group

import biglearn_sampler as bl
from biglearn_sampler.energy import AbstractTarget, Facts, function_target
from biglearn_sampler.energy.combined import AffineImage, ProductTarget, SumTarget, product_target
from biglearn_sampler.energy.probe import probe
from biglearn_sampler.errors import CatalogueError, TargetError
from biglearn_sampler.testing import conformance

gaussian: Any = multivariate_normal  # SciPy's types know covariances of type int only

ROTATION = ortho_group.rvs(4, random_state=np.random.default_rng(1))
SHEAR = np.array([[2.0, 0.5], [-1.0, 0.25]])
LIGHT, HEAVY = (bl.GaussianMixture.of([[-1.0], [2.0]], 0.1 * width, [0.2, 0.8]) for width in (1.0, 3.0))


def line(mixture: bl.GaussianMixture = LIGHT, scale: float = 2.0) -> bl.MixtureTarget:
    return bl.MixtureTarget.of(mixture, scale=scale)


def exponentials(rate: float = 1.5) -> AbstractTarget:
    """`-rate |x|`, with a constant that is not zero and signs as modes."""

    def sample(key: Any, count: int) -> Any:
        return jax.random.laplace(key, (count, 1)) / rate

    facts = Facts(
        log_z=math.log(2.0 / rate),
        modes=jnp.array([[-0.1], [0.1]]),
        mode_weights=jnp.array([0.5, 0.5]),
        responsibilities=lambda point: jax.nn.one_hot((point[0] > 0).astype(int), 2),
        sample=sample,
    )
    return function_target(lambda x: -rate * jnp.abs(x[0]), dim=1, scale=1.0, facts=facts)


def rotated_product() -> AbstractTarget:
    return bl.affine(bl.product(exponentials(), line(), line(HEAVY), exponentials(0.7)), ROTATION, 1.0)


def shares_of_lines() -> AbstractTarget:
    return bl.mixture_of([exponentials(), bl.affine(exponentials(3.0), -2.0, 4.0), line()], [0.5, 0.2, 0.3])


def densities_of_lines() -> AbstractTarget:
    return bl.mixture_of([exponentials(), exponentials(0.5)], [0.5, 1.0], normalised=False)


def stretched_mixture() -> AbstractTarget:
    """Exact channels without being a `MixtureTarget`."""
    return AffineImage(line(), jnp.array([[-2.0]]), jnp.array([[-0.5]]), jnp.array([1.0]), jnp.log(2.0))


def sum_of_mixtures() -> AbstractTarget:
    return SumTarget((stretched_mixture(), line(HEAVY)), jnp.log(jnp.array([0.25, 0.75])))


def hot_gaussian() -> AbstractTarget:
    covariance = np.array([[1.0, 0.5], [0.5, 2.0]])
    return bl.tempered(bl.MixtureTarget.of(bl.GaussianMixture.of([[1.0, -1.0]], covariance), scale=2.0), 0.3)


def hot_and_plain() -> AbstractTarget:
    """A part whose density as written has another integral than 1, beside one that is normalised."""
    plain = bl.MixtureTarget.of(bl.GaussianMixture.of([[-3.0, 2.0]], 0.5), scale=2.0)
    return bl.mixture_of([hot_gaussian(), plain], [0.4, 0.6], normalised=False)


BUILDS = (hot_and_plain, rotated_product, shares_of_lines, densities_of_lines, sum_of_mixtures, hot_gaussian)
PLUGIN = SimpleNamespace(
    __name__="combinations",
    biglearn_targets=bl.hookimpl(lambda: [bl.Entry(name=each.__name__, build=each, summary="-") for each in BUILDS]),
)
test_problems, test_entries = conformance(PLUGIN)


def values(target: AbstractTarget, points: Any) -> np.ndarray:
    return np.asarray(jax.vmap(target.log_density)(jnp.asarray(points)))


def modes(target: AbstractTarget) -> tuple[np.ndarray, np.ndarray]:
    """Places and masses."""
    return np.asarray(target.facts.modes), np.asarray(target.facts.mode_weights)


POINTS = np.random.default_rng(0).normal(size=(20, 2))


def test_a_product_adds_log_densities_of_its_blocks():
    first, second = line(), exponentials()
    both = bl.product(first, second)
    expected = values(first, POINTS[:, :1]) + values(second, POINTS[:, 1:])
    np.testing.assert_allclose(values(both, POINTS), expected, rtol=1e-5)
    assert (both.dim, both.scale.tolist()) == (2, [2.0, 1.0])
    assert both.facts.log_z == pytest.approx(math.log(2.0 / 1.5))
    places, masses = modes(both)
    np.testing.assert_allclose(masses, [0.1, 0.1, 0.4, 0.4], rtol=1e-6)
    np.testing.assert_allclose(places, [[-1, -0.1], [-1, 0.1], [2, -0.1], [2, 0.1]], rtol=1e-6)


def test_a_product_of_mixtures_is_a_mixture_until_it_has_too_many_components(monkeypatch):
    both = bl.product(line(), line(HEAVY))
    assert isinstance(both, bl.MixtureTarget)
    expected = values(line(), POINTS[:, :1]) + values(line(HEAVY), POINTS[:, 1:])
    np.testing.assert_allclose(values(both, POINTS), expected, rtol=1e-4, atol=1e-4)
    monkeypatch.setattr(product_target, "MOST_COMPONENTS", 3)
    monkeypatch.setattr(product_target, "MOST_MODES", 4)
    split = bl.product(line(), line(HEAVY))
    assert isinstance(split, ProductTarget) and not split.has_exact_channels
    for mine, theirs in zip(modes(split), modes(both), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6)
    monkeypatch.setattr(product_target, "MOST_MODES", 3)
    assert split.facts.modes is None and split.facts.log_z == 0.0 and split.facts.sample is not None


def test_what_a_part_does_not_know_the_product_does_not_know():
    unknown = bl.target(lambda x: -jnp.abs(x[0]), dim=1, scale=1.0)
    facts = bl.product(exponentials(), unknown).facts
    assert (facts.log_z, facts.modes, facts.sample) == (None, None, None)


def test_a_mixture_weighs_normalised_densities_or_densities_as_written():
    first, second = exponentials(), exponentials(0.5)
    points = POINTS[:, :1]
    constants = np.log(np.array([2.0 / 1.5, 4.0]))[:, None]
    written = np.stack([values(first, points), values(second, points)]) + np.log([[1.0], [3.0]])
    shares = bl.mixture_of([first, second], [1.0, 3.0])
    expected = logsumexp(written - constants, axis=0) - math.log(4.0)
    np.testing.assert_allclose(values(shares, points), expected, rtol=1e-5)
    assert shares.facts.log_z == pytest.approx(0.0, abs=1e-6)
    np.testing.assert_allclose(modes(shares)[1], [0.125, 0.125, 0.375, 0.375], rtol=1e-6)
    plain = bl.mixture_of([first, second], [1.0, 3.0], normalised=False)
    np.testing.assert_allclose(values(plain, points), logsumexp(written, axis=0), rtol=1e-5)
    assert plain.facts.log_z == pytest.approx(math.log(2.0 / 1.5 + 3.0 * 4.0))
    added = bl.mixture_of([first, second], normalised=False)
    assert added.facts.log_z == pytest.approx(math.log(2.0 / 1.5 + 4.0))


def test_weights_of_gaussian_mixtures_stay_as_they_are_written_too():
    """A `MixtureTarget` integrates to one, and what is known of the sum of this mass is carried with it."""
    double = bl.mixture_of([line(), bl.affine(line(HEAVY), 1.0, 5.0)], [1.9, 0.1], normalised=False)
    assert isinstance(double, SumTarget)
    single = bl.mixture_of([line(), bl.affine(line(HEAVY), 1.0, 5.0)], [0.95, 0.05], normalised=False)
    assert isinstance(single, bl.MixtureTarget)
    points = POINTS[:, :1]
    np.testing.assert_allclose(values(double, points), values(single, points) + math.log(2.0), rtol=1e-5)
    channel, view = bl.Channel.of(jnp.eye(1), 0.5), jnp.array([0.5])
    seen = single.channel_log_density(channel, view) + math.log(2.0)
    assert float(double.channel_log_density(channel, view)) == pytest.approx(float(seen), rel=1e-5)
    assert double.facts.log_z == pytest.approx(math.log(2.0)) and double.facts.sample is not None
    np.testing.assert_allclose(modes(double)[1], modes(single)[1], rtol=1e-6)
    assert (double.centre.tolist(), double.scale.tolist()) == (single.centre.tolist(), single.scale.tolist())


@pytest.mark.parametrize(
    "log_density",
    [
        lambda x: jnp.log(x[0]) - x[0],
        lambda x: jnp.where(x[0] > 0, jnp.log(x[0]) - x[0], -jnp.inf),
        lambda x: jnp.where(x[0] > 0, 2.0 * jnp.log(jnp.sqrt(x[0])) - x[0], -jnp.inf),
    ],
)
def test_where_a_part_has_no_density_the_mixture_is_that_of_the_others(log_density):
    half_line = bl.target(log_density, dim=1, scale=4.0, centre=2.0)
    both = bl.mixture_of([half_line, bl.affine(line(), 1.0, -5.0)], [0.5, 0.5], normalised=False)
    points = jnp.array([[-6.1], [-5.0], [3.0]])
    values, scores = jax.jit(jax.vmap(jax.value_and_grad(both.log_density)))(points)
    moved, moved_scores = jax.vmap(jax.value_and_grad(line().log_density))(points + 5.0)
    np.testing.assert_allclose(values[:2], moved[:2] + math.log(0.5), rtol=1e-5)
    np.testing.assert_allclose(scores[:2], moved_scores[:2], rtol=1e-5)
    np.testing.assert_allclose([values[2], scores[2, 0]], [math.log(1.5) - 3.0, 1.0 / 3.0 - 1.0], rtol=1e-5)


def test_where_all_parts_have_no_density_neither_has_the_mixture():
    half_line = bl.target(lambda x: jnp.log(x[0]) - x[0], dim=1, scale=4.0, centre=2.0)
    both = bl.mixture_of([half_line, half_line], normalised=False)
    assert both.log_density(jnp.array([-1.0])) == -np.inf


def test_a_channel_of_a_mixture_leaves_out_a_part_without_density():
    @jax.tree_util.register_static
    class Blind(bl.MixtureTarget):
        def channel_log_density(self, channel, view):
            return jnp.log(-jnp.abs(view[0]) - 1.0)

    blind = Blind(LIGHT, jnp.zeros(1), jnp.ones(1))
    channel, view = bl.Channel.of(jnp.eye(1), 0.5), jnp.array([0.5])
    both = SumTarget((blind, line()), jnp.zeros(2))
    found = jax.value_and_grad(lambda view: both.channel_log_density(channel, view))(view)
    expected = jax.value_and_grad(lambda view: line().channel_log_density(channel, view))(view)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-5)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-5)


def test_a_mixture_of_mixtures_is_a_mixture_in_a_box_around_both_regions():
    both = bl.mixture_of([line(), bl.affine(line(HEAVY), 1.0, 5.0)], [0.9, 0.1])
    assert isinstance(both, bl.MixtureTarget)
    np.testing.assert_allclose(both.mixture.weights, [0.18, 0.72, 0.02, 0.08], rtol=1e-6)
    # From -2 to 2, and from 3 to 7.
    assert (both.centre.tolist(), both.scale.tolist()) == ([2.5], [4.5])


@pytest.mark.parametrize("matrix", [SHEAR, np.array([2.0, -0.5]), 3.0])
def test_an_affine_image_of_a_mixture_is_the_mixture_with_moved_parameters(matrix):
    covariance = np.array([[1.0, 0.5], [0.5, 2.0]])
    image = bl.affine(bl.MixtureTarget.of(bl.GaussianMixture.of([[1.0, -1.0]], covariance), 2.0), matrix, [3.0, -1.0])
    square = np.diag(np.broadcast_to(matrix, 2)) if np.ndim(matrix) < 2 else matrix
    law = gaussian(square @ [1.0, -1.0] + [3.0, -1.0], square @ covariance @ square.T)
    assert isinstance(image, bl.MixtureTarget)
    np.testing.assert_allclose(values(image, POINTS), law.logpdf(POINTS), rtol=1e-4)
    np.testing.assert_allclose(image.scale, 2.0 * np.linalg.norm(square, axis=1), rtol=1e-6)


def test_a_rotation_keeps_the_size_of_the_declared_region():
    turned = bl.affine(bl.product(*[exponentials()] * 4), ROTATION)
    np.testing.assert_allclose(turned.scale, np.ones(4), rtol=1e-5)


def test_tempering_multiplies_the_log_density_and_widens_the_region():
    original = bl.target("grid25")
    hot, cold = bl.tempered(original, 0.25), bl.tempered(original, 4)
    np.testing.assert_allclose(values(hot, POINTS), 0.25 * values(original, POINTS), rtol=1e-6)
    assert (hot.scale.tolist(), cold.scale.tolist()) == ([8.0, 8.0], [4.0, 4.0])
    assert hot.facts.log_z is None and not hot.has_exact_channels
    assert bl.tempered(original, 1.0) is original
    with pytest.raises(NotImplementedError, match="no closed form"):
        hot.channel_log_density(bl.Channel.of(jnp.eye(2)), jnp.zeros(2))


def test_a_tempered_gaussian_keeps_its_share_through_a_channel():
    """Its density as written has another integral than 1, and a mixture adds up densities as written."""
    narrow = bl.MixtureTarget.of(bl.GaussianMixture.of([[-3.0, 0.0]], 0.01), scale=2.0)
    wide = bl.MixtureTarget.of(bl.GaussianMixture.of([[3.0, 0.0]], 1.0), scale=2.0)
    both = bl.mixture_of([bl.tempered(narrow, 0.25), wide], [0.5, 0.5])
    assert both.has_exact_channels
    line = jnp.linspace(-8.0, 8.0, 4001)
    marginal = jax.vmap(lambda x: both.channel_log_density(bl.Channel.of(jnp.array([[1.0, 0.0]])), x[None]))(line)
    masses = np.exp(np.asarray(marginal, float)) * 0.004
    assert masses.sum() == pytest.approx(1.0, abs=1e-3)
    assert masses[np.asarray(line) < 0].sum() == pytest.approx(0.5, abs=1e-3)


def test_named_quantities_are_carried():
    def model() -> None:
        numpyro.sample("tau", dist.HalfNormal(1.0))

    named, plain = bl.from_numpyro(model), exponentials()
    point = jnp.array([0.5, -1.0])
    both = bl.product(named, plain).quantities(point)
    assert set(both) == {"tau", "x"} and float(both["tau"]) == pytest.approx(math.exp(0.5))
    assert set(bl.product(named, named).quantities(point)) == {"tau_0", "tau_1"}
    assert bl.product(plain, plain).quantities(point)["x"] is point
    moved = bl.affine(bl.product(named, plain), 2.0, 1.0).quantities(2.0 * point + 1.0)
    assert float(moved["tau"]) == pytest.approx(math.exp(0.5))
    assert bl.affine(plain, 2.0).quantities(point[:1])["x"].tolist() == [0.5]
    for same in (bl.tempered(named, 0.5), bl.mixture_of([named, plain], normalised=False)):
        assert float(same.quantities(point[:1])["tau"]) == pytest.approx(math.exp(0.5))


def test_every_quantity_of_a_product_of_products_has_a_name_of_its_own():
    one = bl.from_numpyro(lambda: numpyro.sample("theta", dist.Normal()))
    nested = bl.product(bl.product(one, one), one, one)
    named = nested.quantities(jnp.arange(4.0))
    assert sorted(map(float, named.values())) == [0.0, 1.0, 2.0, 3.0]
    assert set(named) == {"theta_0", "theta_1_0", "theta_1", "theta_2"}


def test_observed_values_are_carried():
    def model(y: Any = None) -> None:
        numpyro.sample("y", dist.Normal(numpyro.sample("mu", dist.Normal()), 1.0), obs=y)

    seen = bl.from_numpyro(model, y=jnp.array(1.5))
    for same in (bl.tempered(seen, 0.5), bl.affine(seen, 2.0), bl.mixture_of([seen, exponentials()], normalised=False)):
        assert float(same.observed()["y"]) == 1.5
    assert set(bl.product(seen, seen).observed()) == {"y_0", "y_1"}


def test_responsibilities_of_nested_combinations_can_be_compiled():
    """Their modes are no part of what is compiled."""
    inner = bl.product(bl.affine(bl.target("rings"), 2.0, 1.0), bl.target("two_modes"))
    for nested in (bl.mixture_of([inner, bl.affine(inner, 1.0, 3.0)]), bl.product(inner, bl.target("rings"))):
        responsibilities = nested.facts.responsibilities
        assert responsibilities is not None and nested.facts.mode_weights is not None
        point = jnp.linspace(0.5, 1.5, nested.dim)
        compiled = jax.jit(responsibilities)(point)
        np.testing.assert_allclose(compiled, responsibilities(point), atol=1e-6)
        assert compiled.shape == nested.facts.mode_weights.shape and float(compiled.sum()) == pytest.approx(1.0)


@pytest.mark.parametrize("beta", [np.float32(0.5), jnp.float32(0.5), np.array(0.5), np.int64(2)])
def test_an_inverse_temperature_may_be_a_number_of_numpy_or_jax(unchecked_types, beta):
    assert float(bl.tempered(exponentials(2.0), beta).log_density(jnp.array([1.0]))) == pytest.approx(
        -2.0 * float(beta)
    )


WRONG_GRADIENT = bl.from_numpy(lambda x: -0.5 * (x**2).sum(1), gradient=lambda x: x, dim=2, scale=2.0)
BEYOND_THE_END = function_target(lambda x: -0.5 * (x[0] ** 2 + x[2] ** 2), dim=2, scale=2.0)
PLAIN = function_target(lambda x: -0.5 * (x**2).sum(), dim=2, scale=2.0)


@pytest.mark.parametrize(
    "combined",
    [
        lambda part: bl.affine(part, 2.0, 1.0),
        lambda part: bl.tempered(part, 0.5),
        lambda part: bl.mixture_of([PLAIN, part], normalised=False),
        lambda part: bl.product(PLAIN, bl.tempered(part, 0.5)),
    ],
)
def test_the_parts_of_a_combination_are_looked_at_beforehand(combined):
    points = {dim: jax.random.normal(jax.random.key(0), (64, dim)) for dim in (2, 4)}
    for part, message in ((WRONG_GRADIENT, "the gradient along coordinate"), (BEYOND_THE_END, "out of bounds|index")):
        target = combined(part)
        with pytest.raises(TargetError, match=message):
            probe(target, points[target.dim])
    right = bl.from_numpy(lambda x: -0.5 * (x**2).sum(1), gradient=lambda x: -x, dim=2, scale=2.0)
    assert np.isfinite(probe(combined(right), points[combined(right).dim])).all()


def test_the_price_of_a_gradient_is_that_of_the_dearest_part():
    host = bl.from_numpy(lambda x: -0.5 * (x**2).sum(1), dim=1, scale=1.0)
    plain = bl.target(lambda x: -0.5 * (x**2).sum(), dim=1, scale=1.0)
    assert host.price_of_gradient == bl.Evaluations(energy=3)
    for target in (bl.product(plain, host), bl.mixture_of([plain, host], normalised=False), bl.affine(host, 2.0)):
        assert target.price_of_gradient == bl.Evaluations(energy=3)
    assert bl.tempered(host, 0.5).price_of_gradient == bl.Evaluations(energy=3)
    assert bl.product(plain, plain).price_of_gradient == bl.Evaluations(gradient=1)


def test_the_rotated_product_of_the_gallery_has_all_combinations_of_modes():
    many = bl.target("rotated_product", dim=8, first_weight=0.2)
    assert isinstance(many, AffineImage)
    places, masses = modes(many)
    assert len(places) == 256 and masses.max() == pytest.approx(0.8**8, rel=1e-5)
    # Every factor has its modes at -3 and 3 times its width, and the map is a rotation.
    lengths = np.linalg.norm(places, axis=1)
    np.testing.assert_allclose(lengths, 3.0 * np.linalg.norm(np.geomspace(1.0, 3.0, 8)), rtol=1e-5)
    with pytest.raises(CatalogueError, match="`dim` must be at least 1, got 0"):
        bl.target("rotated_product", dim=0)
    with pytest.raises(CatalogueError, match="`first_weight` must be between 0 and 1, got 1.0"):
        bl.target("rotated_product", first_weight=1.0)


NO_TARGET: Any = lambda x: x  # noqa: E731
A_TARGET: Any = line()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: bl.product(), "product takes at least one target, got none"),
        (lambda: bl.product(line(), NO_TARGET), r"product takes targets, got function; make one with target\(name\)"),
        (lambda: bl.mixture_of([]), "mixture_of takes at least one target, got none"),
        (lambda: bl.mixture_of([line(), bl.target("rings")]), "targets of one dimension, got dimensions 1, 2"),
        (lambda: bl.mixture_of([line(), line()], [0.5]), r"weights must be 2 positive numbers, .* got \[0.5\]"),
        (lambda: bl.mixture_of([line(), line()], [1.0, 0.0]), "weights must be 2 positive numbers"),
        (lambda: bl.mixture_of([line(), line()], [1.0, np.nan]), "weights must be 2 positive numbers"),
        (lambda: bl.mixture_of([bl.tempered(line(), 0.5)]), "log Z of target 0 is not known, .* normalised=False"),
        (
            lambda: bl.affine(line(), np.eye(2)),
            r"must have shape \(1, 1\), or \(1,\) for a diagonal, .*got shape \(2, 2",
        ),
        (
            lambda: bl.affine(bl.target("rings"), np.ones((2, 2))),
            "must be invertible in single precision; its condition",
        ),
        (lambda: bl.affine(bl.target("rings"), [1.0, 0.0]), "its condition number is inf, expected less than 100,000"),
        (lambda: bl.affine(line(), np.nan), "the matrix must be finite, got nan"),
        (lambda: bl.affine(line(), "wide"), "the matrix must be an array of numbers, got 'wide'"),
        (lambda: bl.affine(line(), 1.0, [1.0, 2.0]), r"the shift must be one number or 1 numbers, got shape \(2,\)"),
        (lambda: bl.tempered(line(), 0.0), "beta must be a finite number above 0 that float32 can hold, got 0.0"),
        (lambda: bl.tempered(line(), math.inf), "beta must be a finite number above 0 that float32 can hold, got inf"),
        (lambda: bl.tempered(line(), 1e50), "above 0 that float32 can hold, got 1e"),
        (lambda: bl.tempered(line(), 1e-50), "above 0 that float32 can hold, got 1e"),
        (lambda: bl.tempered(line(), True), "beta must be a finite number above 0, got True"),
        (lambda: bl.affine(exponentials(), 1.0, 1e8), "float32 has steps of 12 near the centre 1e.08 of coordinate 0"),
        (lambda: bl.affine(line(), 1.0, 1e8), "float32 has steps of 12 near the centre 1e.08 of coordinate 0"),
        (lambda: bl.affine(exponentials(), 1e-50), "scale is beyond what float32 can hold"),
        (lambda: bl.mixture_of(A_TARGET, [1.0]), r"takes a list of targets: mixture_of\(\[a, b\]"),
        (lambda: bl.mixture_of([line(), line()], ["a", "b"]), "weights must be 2 positive numbers, .*'a', 'b'"),
        (lambda: bl.tempered(NO_TARGET, 0.5), "tempered takes targets, got function"),
    ],
)
def test_what_makes_no_sense_is_refused(unchecked_types, make, message):
    with pytest.raises(TargetError, match=message):
        make()
