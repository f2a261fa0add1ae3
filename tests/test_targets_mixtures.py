"""The published benchmarks that are mixtures: their tables, and their densities by SciPy."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import multivariate_normal, multivariate_t, t

from biglearn_sampler.energy import AbstractTarget
from biglearn_targets import gmmvi_mixtures, mog40, published, student_t_mixtures
from biglearn_targets.published import table, uniform_of_old_jax

# SHA-256 of the numbers in single precision, little-endian. All but the first were drawn by JAX 0.4.28 itself.
CHECKSUMS = {
    "mog40_fab": "c6989b632049c75dd8cff5a613856f20b1b351f8cc30f6b8b629da5544f689de",
    "mog40_2": "c56b004d7d25bdb0db36ea2aa659ac671281483401cdb5c2e9ef34f4a1a3e4f9",
    "mog40_50": "f179f9a7332e2bbad4d9e3be5ffcb4b57882ed349fc7a31ae26e546d4a7a3e8c",
    "mos10_2": "598b1b308d0fa97be6e78c9cd5e8f72e3f8340659e0afd091772634827a3abba",
    "mos10_50": "0512801b9e9e0b3831ba2ed26a172678a3d1cf9299a67ae04f6417e3d0c5a267",
}

# The first sixteen digits, of dimensions that are not kept in a file.
DRAWN_BY_OLD_JAX = {
    ("mog40", 3): "86880ec6e153dc35",
    ("mog40", 10): "ee6ef78bb406a6a2",
    ("mos10", 3): "5ffd706dd6efeb96",
    ("mos10", 10): "6e13a5c981ab98a3",
}

COUNT = 4000
gaussian: Any = multivariate_normal  # SciPy's types know covariances of type int only
student: Any = multivariate_t
univariate: Any = t


@pytest.fixture(autouse=True, scope="module")
def double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def log_densities(target: AbstractTarget, points: Any) -> np.ndarray:
    return np.asarray(jax.jit(jax.vmap(target.log_density))(jnp.asarray(points)))


def modes_of(target: AbstractTarget) -> np.ndarray:
    assert target.facts.modes is not None
    return np.asarray(target.facts.modes, float)


def log_sum(terms: list[np.ndarray]) -> np.ndarray:
    return np.logaddexp.reduce(terms, axis=0)


def checksum(numbers: Any) -> str:
    return hashlib.sha256(np.asarray(numbers, "<f4").tobytes()).hexdigest()


def near(locations: Any, width: float) -> np.ndarray:
    """Two points around each of the first three locations, so that no component is rounded away everywhere."""
    random = np.random.default_rng(0)
    chosen = np.repeat(np.asarray(locations)[:3], 2, axis=0)
    return chosen + width * random.normal(size=chosen.shape)


# ------------------------------------------------------------------------------------------------------------
# Tables
# ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHECKSUMS)
def test_a_table_is_the_published_one(name: str) -> None:
    assert table(name).dtype == np.float32
    assert checksum(table(name)) == CHECKSUMS[name]


def test_the_table_of_fab_comes_from_the_generator_of_pytorch() -> None:
    # torch.rand takes the lowest 24 bits of the raw numbers of the Mersenne Twister.
    raw = np.random.RandomState(0).randint(2**32, size=(40, 2), dtype=np.uint32)
    uniform = (raw & np.uint32(2**24 - 1)).astype(np.float32) / np.float32(2**24)
    np.testing.assert_array_equal(table("mog40_fab"), (uniform - np.float32(0.5)) * 2 * np.float32(40))


@pytest.mark.parametrize(("family", "dim"), DRAWN_BY_OLD_JAX)
def test_other_dimensions_are_drawn_as_jax_0_4_28_drew_them(family: str, dim: int) -> None:
    build = {"mog40": mog40.mog40, "mos10": student_t_mixtures.mos10}[family]
    assert checksum(modes_of(build(dim)))[:16] == DRAWN_BY_OLD_JAX[family, dim]


@pytest.mark.parametrize("dim", published.PINNED_DIMS)
def test_what_is_kept_is_what_would_be_drawn(dim: int) -> None:
    np.testing.assert_array_equal(table(f"mog40_{dim}"), uniform_of_old_jax(40, dim, 1.0) * np.float32(40))
    np.testing.assert_array_equal(table(f"mos10_{dim}"), uniform_of_old_jax(10, dim, 10.0))


def test_a_jax_that_cannot_draw_as_before_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(jax, "threefry_partitionable")
    assert mog40.mog40(2).dim == 2 and student_t_mixtures.mos10(50).dim == 50
    with pytest.raises(ValueError, match="`dim` must be 2 and 50, got 7: of other dimensions no table is kept"):
        mog40.mog40(7)


# ------------------------------------------------------------------------------------------------------------
# Forty Gaussians
# ------------------------------------------------------------------------------------------------------------


def test_the_two_forms_of_mog40_are_those_of_their_papers() -> None:
    ours, fab = mog40.mog40(), mog40.mog40_fab()
    first = [[-15.7582, 18.1165], [-34.8089, 21.2255], [-21.7651, 19.8930]]
    np.testing.assert_allclose(ours.mixture.means[:3], first, atol=5e-5)
    np.testing.assert_allclose(fab.mixture.means[:2], [[-0.2995, 21.4577], [-32.9218, -29.4376]], atol=5e-5)
    np.testing.assert_allclose(fab.mixture.means[-1], [3.6797, -25.0242], atol=5e-5)
    assert pdist(ours.mixture.means).min() == pytest.approx(1.776, abs=1e-3)
    between = pdist(fab.mixture.means)
    assert between.min() == pytest.approx(1.18, abs=5e-3) and (between < 4 * 1.3132616).sum() == 16
    np.testing.assert_allclose(ours.mixture.covariances, np.tile(np.eye(2), (40, 1, 1)))
    np.testing.assert_allclose(fab.mixture.covariances[7], 1.3132616875**2 * np.eye(2), rtol=1e-9)


@pytest.mark.parametrize(
    ("target", "deviation"),
    [(mog40.mog40(), 1.0), (mog40.mog40(50), 1.0), (mog40.mog40_fab(), 1.3132616875)],
    ids=["mog40", "mog40 in 50 dimensions", "mog40_fab"],
)
def test_the_density_of_mog40_is_that_of_scipy(target: AbstractTarget, deviation: float) -> None:
    modes = modes_of(target)
    points = near(modes, 3.0)
    covariance = deviation**2 * np.eye(target.dim)
    terms = [gaussian(mode, covariance).logpdf(points) - np.log(40.0) for mode in modes]
    np.testing.assert_allclose(log_densities(target, points), log_sum(terms), rtol=2e-6)


# ------------------------------------------------------------------------------------------------------------
# Random full covariances
# ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", gmmvi_mixtures.ENTRIES, ids=lambda entry: entry.name)
def test_the_mixture_of_gmmvi_follows_its_recipe(entry: Any) -> None:
    target = entry.build()
    random = np.random.RandomState(10_000)
    means = random.uniform(-50.0, 50.0, (10, target.dim))
    points, terms = near(means, 10.0), []
    for mean in means:
        spread = 0.1 * random.normal(0.0, target.dim, (target.dim, target.dim))
        terms.append(gaussian(mean, spread.T @ spread + np.eye(target.dim)).logpdf(points) - np.log(10.0))
    np.testing.assert_array_equal(target.mixture.means, means)
    np.testing.assert_allclose(log_densities(target, points), log_sum(terms), rtol=1e-9)
    np.testing.assert_array_equal(target.scale, np.full(target.dim, 31.6))


def test_the_draw_of_the_recipe_is_pinned() -> None:
    np.testing.assert_allclose(gmmvi_mixtures.gmm20().mixture.means[0, :2], [4.547015, -32.813468], atol=1e-6)
    np.testing.assert_allclose(modes_of(student_t_mixtures.stm20())[0, :2], [-11.120273, 14.829292], atol=1e-6)


# ------------------------------------------------------------------------------------------------------------
# Student-t
# ------------------------------------------------------------------------------------------------------------


def test_multivariate_components_follow_their_recipe() -> None:
    target, random = student_t_mixtures.stm20(), np.random.RandomState(5)
    locations = random.uniform(-20.0, 20.0, (10, 20))
    points = near(locations, 1.0)
    terms = [component(location, random, 2.0).logpdf(points) - np.log(10.0) for location in locations]
    np.testing.assert_allclose(log_densities(target, points), log_sum(terms), rtol=1e-9)


@pytest.mark.slow
def test_multivariate_components_follow_their_recipe_in_300_dimensions() -> None:
    target, random = student_t_mixtures.stm300(), np.random.RandomState(5)
    locations = random.uniform(-25.0, 25.0, (20, 300))
    points = near(locations, 1.0)[:2]  # the other components are far away
    expected = component(locations[0], random, 30.0).logpdf(points) - np.log(20.0)
    np.testing.assert_allclose(log_densities(target, points), expected, rtol=1e-7)


def component(location: np.ndarray, random: np.random.RandomState, deviation: float) -> Any:
    """The next multivariate t law of the recipe."""
    spread = random.normal(0.0, 1.0, (len(location), len(location))) * deviation
    return student(location, np.linalg.inv(spread.T @ spread + np.eye(len(location))), df=2)


@pytest.mark.parametrize("dim", [1, 2, 50])
def test_product_components_are_products_of_univariate_laws(dim: int) -> None:
    target = student_t_mixtures.mos10(dim)
    locations = modes_of(target)
    points = near(locations, 5.0)
    terms = [univariate(df=2, loc=location).logpdf(points).sum(axis=1) - np.log(10.0) for location in locations]
    np.testing.assert_allclose(log_densities(target, points), log_sum(terms), rtol=1e-10)


def test_draws_of_multivariate_components_have_their_scale_and_their_tails() -> None:
    target = student_t_mixtures.stm20()
    draws, component = drawn_with_components(target)
    locations, factors = target.data
    standard = np.einsum("nji,nj->ni", np.asarray(factors)[component], draws - np.asarray(locations)[component])
    expect_student_t(standard)
    # One stretch for all coordinates: they are large together.
    assert np.corrcoef(np.log(np.abs(standard[:, :2])).T)[0, 1] > 0.15


def test_draws_of_product_components_have_their_tails() -> None:
    target = student_t_mixtures.mos10(50)
    draws, component = drawn_with_components(target)
    standard = draws - modes_of(target)[component]
    expect_student_t(standard)
    assert abs(np.corrcoef(np.log(np.abs(standard[:, :2])).T)[0, 1]) < 0.08


def drawn_with_components(target: AbstractTarget) -> tuple[np.ndarray, np.ndarray]:
    """Exact draws, and the component that each of them comes from, which is not in doubt in many dimensions."""
    assert target.facts.sample is not None and target.facts.responsibilities is not None
    draws = target.facts.sample(jax.random.key(1), COUNT)
    shares = np.asarray(jax.jit(jax.vmap(target.facts.responsibilities))(draws))
    np.testing.assert_allclose(shares.mean(axis=0), 0.1, atol=5.0 * 0.3 / np.sqrt(COUNT))
    return np.asarray(draws), shares.argmax(axis=1)


def expect_student_t(standard: np.ndarray) -> None:
    """Shares of the draws between quantiles, coordinate by coordinate."""
    levels = np.array([0.01, 0.1, 0.5, 0.9, 0.99])
    below = (standard[:, :, None] < univariate(df=2).ppf(levels)).mean(axis=0)
    error = np.sqrt(levels * (1.0 - levels) / COUNT)
    np.testing.assert_array_less(np.abs(below - levels), np.broadcast_to(5.0 * error, below.shape))


@pytest.mark.parametrize("build", [mog40.mog40, student_t_mixtures.mos10])
def test_dimensions_out_of_range_are_told(build: Any) -> None:
    with pytest.raises(ValueError, match="`dim` must be at least 1, got 0"):
        build(dim=0)
