"""Random maps: their laws by moments, their noise by formula, their ranges by the text of the errors."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import permutations
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biglearn_plugins.transformations.composition import compose
from biglearn_plugins.transformations.noise import log_uniform_noise, noise, noise_ladder
from biglearn_plugins.transformations.orthogonal import coordinate_subset, identity, orthogonal, rotation
from biglearn_sampler.tasks import AbstractTransformation, OrthogonalMap

COUNT = 20_000
START = 0.0


@lru_cache
def drawn(transformation: AbstractTransformation, dim: int, count: int = COUNT, progress: float = START) -> Any:
    """Many maps, in NumPy."""
    keys = jax.random.split(jax.random.key(0), count)
    draw = jax.jit(jax.vmap(lambda key: transformation.draw(key, jnp.asarray(progress), dim)))
    return jax.tree.map(np.asarray, draw(keys))


def standard_errors_from(values: np.ndarray, truth: float | np.ndarray) -> np.ndarray:
    """How far the mean over the first axis lies from the truth, in its own standard errors."""
    error = values.std(0) / np.sqrt(len(values))
    return np.abs(values.mean(0) - truth) / np.maximum(error, 1e-7)


@pytest.mark.parametrize("transformation", [identity(), orthogonal(), rotation(), rotation(30.0), coordinate_subset()])
def test_maps_are_orthogonal_and_without_noise(transformation: AbstractTransformation) -> None:
    maps = drawn(transformation, 4)
    products = maps.matrix @ maps.matrix.swapaxes(1, 2)
    np.testing.assert_allclose(products, np.broadcast_to(np.eye(4), products.shape), atol=4e-6)
    assert not transformation.noisy and (maps.noise == 0).all()


@pytest.mark.parametrize("transformation", [orthogonal(), rotation()])
def test_moments_of_the_entries_are_those_of_the_haar_law(transformation: AbstractTransformation) -> None:
    """`E a = 0`, `E a_ij^2 = 1/d`, `E a_ij^4 = 3/(d(d+2))`, `E a_ij^2 a_ik^2 = 1/(d(d+2))` in dimension d."""
    dim = 4
    matrices = drawn(transformation, dim).matrix
    squares = matrices**2
    assert (standard_errors_from(matrices, 0.0) < 5).all()
    assert (standard_errors_from(squares, 1 / dim) < 5).all()
    assert (standard_errors_from(squares**2, 3 / (dim * (dim + 2))) < 5).all()
    assert (standard_errors_from(squares[:, :, 0] * squares[:, :, 1], 1 / (dim * (dim + 2))) < 5).all()


def test_the_law_is_invariant_under_a_fixed_map() -> None:
    """`B A` has the law of `A`: the angle of its first column is uniform, whatever the fixed `B`."""
    fixed = drawn(rotation(40.0), 2, count=1).matrix[0]
    for matrices in (drawn(orthogonal(), 2).matrix, fixed @ drawn(orthogonal(), 2).matrix):
        turns = np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0]) / (2 * np.pi) % 1.0
        counts, _ = np.histogram(turns, bins=20, range=(0, 1))
        chi_square = ((counts - COUNT / 20) ** 2 / (COUNT / 20)).sum()
        assert chi_square < 19 + 5 * np.sqrt(2 * 19)


@pytest.mark.parametrize("dim", [1, 4])
def test_rotations_have_determinant_one_and_orthogonal_maps_both_signs(dim: int) -> None:
    turned = np.linalg.det(drawn(rotation(), dim).matrix)
    np.testing.assert_allclose(turned, 1.0, atol=1e-5)
    either = np.linalg.det(drawn(orthogonal(), dim).matrix)
    assert standard_errors_from(either, 0.0) < 5


def test_degrees_turn_the_axes_of_the_first_two_coordinates() -> None:
    matrix = drawn(rotation(30.0), 3, count=1).matrix[0]
    expected = [[np.sqrt(0.75), 0.5, 0.0], [-0.5, np.sqrt(0.75), 0.0], [0.0, 0.0, 1.0]]
    np.testing.assert_allclose(matrix, expected, atol=1e-6)


def test_a_coordinate_subset_is_a_uniform_permutation() -> None:
    matrices = drawn(coordinate_subset(), 3).matrix
    order = matrices.argmax(-1)
    np.testing.assert_array_equal(matrices, np.eye(3)[order])
    shares = [(order == wanted).all(-1).mean() for wanted in permutations(range(3))]
    np.testing.assert_allclose(shares, 1 / 6, atol=5 * np.sqrt(5 / 36 / COUNT))


def test_a_log_uniform_level_is_uniform_in_its_logarithm() -> None:
    levels = drawn(log_uniform_noise(0.1, 10.0), 2).noise
    share = (np.log10(levels) + 1) / 2
    assert share.min() > -1e-6 and share.max() < 1 + 1e-6
    assert standard_errors_from(share, 1 / 2) < 5 and standard_errors_from(share**2, 1 / 3) < 5


@pytest.mark.parametrize(
    ("progress", "level"), [(0.0, 8.0), (0.24, 8.0), (0.26, 4.0), (0.5, 2.0), (0.99, 1.0), (1.0, 1.0)]
)
def test_a_ladder_falls_in_equal_ratios(progress: float, level: float) -> None:
    ladder = noise_ladder(high=8.0, low=1.0, levels=4)
    np.testing.assert_allclose(drawn(ladder, 2, count=1, progress=progress).noise, level, rtol=1e-6)


def test_one_level_stays_at_the_high_end() -> None:
    assert drawn(noise_ladder(high=2.0, low=0.5, levels=1), 2, count=1, progress=1.0).noise == 2.0


def test_noise_has_its_level_and_a_level_of_zero_is_no_noise() -> None:
    assert drawn(noise(0.25), 2, count=1).noise == 0.25
    assert noise(0.25).noisy and log_uniform_noise().noisy and noise_ladder().noisy
    assert not noise(0.0).noisy


def test_maps_are_composed_first_one_first_and_noises_in_quadrature() -> None:
    maps = drawn(compose((rotation(30.0), noise(0.3), coordinate_subset(), noise(0.4))), 2)
    turn = np.array([[np.sqrt(0.75), 0.5], [-0.5, np.sqrt(0.75)]])
    swapped = maps.matrix[:, 0, 0] < 0
    assert 0.4 < swapped.mean() < 0.6
    np.testing.assert_allclose(maps.matrix[swapped], np.broadcast_to(turn[::-1], (swapped.sum(), 2, 2)), atol=1e-6)
    np.testing.assert_allclose(maps.noise, 0.5, rtol=1e-6)


def test_a_composition_is_noisy_if_a_part_is() -> None:
    assert compose((identity(), noise(0.3))).noisy and not compose((identity(), noise(0.0))).noisy


def test_maps_that_do_not_commute_show_the_order() -> None:
    mirror = OrthogonalMap(jnp.diag(jnp.array([1.0, -1.0])), jnp.zeros(()))
    quarter = rotation(90.0).draw(jax.random.key(0), jnp.zeros(()), 2)
    np.testing.assert_allclose(mirror.then(quarter).matrix @ jnp.array([0.0, 1.0]), [-1.0, 0.0], atol=1e-6)


def test_parts_of_one_kind_draw_different_maps() -> None:
    """Two parts with one key would give `A A` and, of two levels, always the same one twice."""
    levels = drawn(compose((log_uniform_noise(1.0, 4.0), log_uniform_noise(1.0, 4.0))), 2).noise
    assert standard_errors_from(levels**2, 2 * (16 - 1) / np.log(16)) < 5
    assert levels.std() < 0.9 * np.sqrt(2) * drawn(log_uniform_noise(1.0, 4.0), 2).noise.std()


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: noise(-0.1), "`level` must be a number of at least 0, got -0.1"),
        (lambda: noise(float("nan")), "`level` must be a number of at least 0, got nan"),
        (lambda: noise(float("inf")), "`level` must be a number of at least 0, got inf"),
        (lambda: log_uniform_noise(0.0, 1.0), "0 < low <= high, got low = 0.0, high = 1.0"),
        (lambda: log_uniform_noise(2.0, 1.0), "0 < low <= high, got low = 2.0, high = 1.0"),
        (lambda: noise_ladder(high=0.1, low=0.2), "0 < low <= high, got low = 0.2, high = 0.1"),
        (lambda: noise_ladder(high=float("inf")), "0 < low <= high, got low = 0.05, high = inf"),
        (lambda: noise_ladder(levels=0), "`levels` must be at least 1, got 0"),
        (lambda: compose(()), "`parts` must name at least one transformation"),
        (lambda: rotation(float("nan")), "`degrees` must be a finite number, got nan"),
        (lambda: rotation(30.0).draw(jax.random.key(0), jnp.zeros(()), 1), "at least 2 coordinates, got 1"),
    ],
)
def test_what_makes_no_sense_is_refused(build: Callable[[], object], text: str) -> None:
    with pytest.raises(ValueError, match=text.replace(".", r"\.")):
        build()
