"""A product of mixtures is the plain mixture that it expands to, in memory and on disk."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biglearn_sampler.errors import RunFolderError
from biglearn_sampler.mixture import FactoredMixture, GaussianMixture
from biglearn_sampler.runs.folder import RunFolder
from biglearn_sampler.runs.run import Snapshot
from biglearn_sampler.runs.whole_files import FORMAT

DRAWS = 20_000


def factor(dim: int, components: int, seed: int) -> GaussianMixture:
    random = np.random.default_rng(seed)
    roots = 0.4 * random.normal(size=(components, dim, dim))
    covariances = roots @ roots.swapaxes(1, 2) + 0.3 * np.eye(dim)
    return GaussianMixture.of(
        2.0 * random.normal(size=(components, dim)), covariances, random.dirichlet(np.ones(components))
    )


# Blocks of different sizes whose coordinates are interleaved and out of order.
PRODUCT = FactoredMixture(((3, 0), (4,), (2, 1)), (factor(2, 2, 0), factor(1, 3, 1), factor(2, 2, 2)))
POINTS = jax.random.normal(jax.random.key(1), (40, 5))


@pytest.fixture(scope="module")
def plain() -> GaussianMixture:
    return jax.jit(FactoredMixture.expanded)(PRODUCT)


def log_density(mixture: FactoredMixture | GaussianMixture, points: jax.Array) -> np.ndarray:
    return np.asarray(jax.jit(lambda mixture, points: mixture.log_density(points))(mixture, points))


def test_sizes() -> None:
    assert (PRODUCT.dim, PRODUCT.components, PRODUCT.product_components) == (5, 7, 12)


def test_the_expanded_mixture_is_a_mixture_with_the_same_density(plain: GaussianMixture) -> None:
    assert (plain.components, plain.dim) == (12, 5)
    assert float(plain.weights.sum()) == pytest.approx(1.0, abs=1e-6)
    np.testing.assert_array_equal(plain.factors, np.tril(plain.factors))
    assert (np.diagonal(plain.factors, axis1=1, axis2=2) > 0).all()
    np.testing.assert_allclose(log_density(PRODUCT, POINTS), log_density(plain, POINTS), rtol=1e-4, atol=1e-4)


def test_the_density_is_the_product_of_those_of_the_blocks() -> None:
    expected = sum(
        log_density(factor, POINTS[:, np.array(block)])
        for block, factor in zip(PRODUCT.blocks, PRODUCT.factors_of, strict=True)
    )
    np.testing.assert_allclose(log_density(PRODUCT, POINTS), expected, rtol=1e-5)
    np.testing.assert_allclose(PRODUCT.log_density(POINTS[0]), log_density(PRODUCT, POINTS)[0], rtol=1e-5)


def test_mean_and_covariance_are_those_of_the_expanded_mixture(plain: GaussianMixture) -> None:
    np.testing.assert_allclose(PRODUCT.mean(), plain.mean(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(PRODUCT.covariance(), plain.covariance(), rtol=1e-4, atol=1e-4)
    assert float(PRODUCT.covariance()[0, 4]) == 0.0 and float(PRODUCT.covariance()[0, 3]) != 0.0


def test_draws_have_every_coordinate_in_its_place(plain: GaussianMixture) -> None:
    draws = np.asarray(jax.jit(lambda: PRODUCT.sample(jax.random.key(2), DRAWS))())
    assert draws.shape == (DRAWS, 5)
    centred = draws - np.asarray(plain.mean())
    products = centred[:, :, None] * centred[:, None, :]
    for values, expected in ((draws, plain.mean()), (products, plain.covariance())):
        error = values.std(0) / np.sqrt(DRAWS)
        # Five standard errors, of thirty numbers.
        assert (np.abs(values.mean(0) - np.asarray(expected)) < 5 * error).all()
    responsibilities = np.asarray(jax.jit(plain.responsibilities)(draws))
    error = responsibilities.std(0) / np.sqrt(DRAWS)
    assert (np.abs(responsibilities.mean(0) - np.asarray(plain.weights)) < 5 * error).all()


def test_the_same_key_gives_the_same_draws_and_factors_do_not_share_theirs() -> None:
    first, second = (PRODUCT.sample(jax.random.key(5), 500) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    twin = FactoredMixture(((0,), (1,)), (factor(1, 2, 1), factor(1, 2, 1)))
    draws = np.asarray(twin.sample(jax.random.key(5), 4000))
    # Of independent coordinates the correlation is zero, with an error of 1 / sqrt(4000) = 0.016.
    assert abs(np.corrcoef(draws.T)[0, 1]) < 0.08


def test_affine_changes_variables(plain: GaussianMixture) -> None:
    centre, scale = jnp.array([1.0, -2.0, 0.5, 3.0, 0.0]), jnp.array([0.1, 3.0, 40.0, 1.0, 2.0])
    moved = PRODUCT.affine(centre, scale)
    assert moved.blocks == PRODUCT.blocks
    expected = log_density(plain, POINTS) - np.log(np.asarray(scale)).sum()
    np.testing.assert_allclose(log_density(moved, centre + scale * POINTS), expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    "coordinates",
    [pytest.param((0,), marks=pytest.mark.slow), (3, 2, 0), pytest.param((4, 3, 2, 1, 0), marks=pytest.mark.slow)],
)
def test_marginals_keep_the_order_that_was_asked_for(coordinates: tuple[int, ...], plain: GaussianMixture) -> None:
    seen, expected = PRODUCT.marginal(coordinates), plain.marginal(coordinates)
    assert seen.dim == len(coordinates)
    points = POINTS[:, np.array(coordinates)]
    np.testing.assert_allclose(log_density(seen, points), log_density(expected, points), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(seen.mean(), expected.mean(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("coordinates", [(), (0, 0), (5,), (-1,)])
def test_coordinates_that_are_none_are_refused(coordinates: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="coordinates must be distinct numbers from 0 to 4, got "):
        PRODUCT.marginal(coordinates)


def test_many_factors_cover_exponentially_many_components() -> None:
    wells = FactoredMixture(tuple((i,) for i in range(32)), (GaussianMixture.of([[-1.0], [1.0]], 0.01),) * 32)
    assert (wells.components, wells.product_components) == (64, 2**32)
    draws = np.asarray(wells.sample(jax.random.key(0), 2000))
    # 2,000 draws from 2^32 equal modes: a pair in one mode has a chance of 0.0005.
    assert len(np.unique(draws > 0, axis=0)) == 2000
    assert np.isfinite(log_density(wells, jnp.asarray(draws))).all()


# on disk


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder.create(tmp_path / "run")
    made.write_mixture(PRODUCT)
    return made


def same(one: FactoredMixture | GaussianMixture, other: FactoredMixture | GaussianMixture) -> bool:
    leaves, others = jax.tree.leaves(one), jax.tree.leaves(other)
    return len(leaves) == len(others) and all(
        a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(leaves, others, strict=True)
    )


def test_a_product_comes_back_from_its_folder(folder: RunFolder) -> None:
    read = folder.read_mixture()
    assert isinstance(read, FactoredMixture)
    assert read.blocks == PRODUCT.blocks and same(read, PRODUCT)
    with np.load(folder.path / "sampler.npz", allow_pickle=False) as stored:
        assert int(stored["format"]) == FORMAT and int(stored["blocks"]) == 3


def test_a_plain_mixture_replaces_a_product_and_conversely(folder: RunFolder, plain: GaussianMixture) -> None:
    folder.write_mixture(plain)
    read = folder.read_mixture()
    assert isinstance(read, GaussianMixture) and same(read, plain)
    folder.write_mixture(PRODUCT)
    assert isinstance(folder.read_mixture(), FactoredMixture)


def stored_arrays(folder: RunFolder) -> dict[str, np.ndarray]:
    with np.load(folder.path / "sampler.npz", allow_pickle=False) as stored:
        return dict(stored)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"block_1": np.array([3])}, "expected every coordinate in one block, with a factor for each block"),
        ({"block_1": np.array([4, 5])}, "expected every coordinate in one block, with a factor for each block"),
        ({"block_1": np.array([7])}, "expected every coordinate in one block, with a factor for each block"),
        ({"block_1": None}, r"it is damaged, or no file of a run \("),
        ({"means_2": None}, r"it is damaged, or no file of a run \("),
        ({"means_2": np.full((2, 2), np.nan)}, "expected finite numbers of shapes"),
        ({"means_2": np.zeros((2, 3))}, "expected finite numbers of shapes"),
        ({"log_weights_0": np.zeros(5)}, "expected finite numbers of shapes"),
        ({"blocks": np.array(4)}, r"it is damaged, or no file of a run \("),
        ({"blocks": np.array(2)}, "expected every coordinate in one block, with a factor for each block"),
        ({"blocks": np.array("three")}, "expected the number of blocks"),
        ({"blocks": np.array([3, 3])}, "expected the number of blocks"),
        ({"blocks": np.array(0)}, "expected the number of blocks"),
        ({"block_1": np.array(4)}, "expected every coordinate in one block"),
        ({"block_1": np.array([4.0])}, "expected every coordinate in one block"),
        ({"format": np.array(FORMAT + 1)}, f"has format {FORMAT + 1}, and this version of biglearn reads"),
    ],
)
def test_a_damaged_product_is_refused(change: dict[str, np.ndarray | None], told: str, folder: RunFolder) -> None:
    arrays = {name: array for name, array in {**stored_arrays(folder), **change}.items() if array is not None}
    np.savez(folder.path / "sampler.npz", allow_pickle=False, **arrays)  # pyright: ignore[reportArgumentType]
    with pytest.raises(RunFolderError, match=rf"sampler\.npz .*{told}"):
        folder.read_mixture()


def test_lost_bytes_are_refused(folder: RunFolder) -> None:
    path = folder.path / "sampler.npz"
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(RunFolderError, match="cannot be read"):
            folder.read_mixture()


def test_snapshots_of_different_sizes_come_back(folder: RunFolder) -> None:
    mixtures = [factor(2, components, seed) for seed, components in enumerate((3, 1, 8, 5))]
    folder.write_snapshots([Snapshot(10 * i, mixture) for i, mixture in enumerate(mixtures)])
    read = folder.read_snapshots()
    assert [snapshot.step for snapshot in read] == [0, 10, 20, 30]
    assert all(same(snapshot.mixture, mixture) for snapshot, mixture in zip(read, mixtures, strict=True))
