"""Programs of the engine are compiled for few shapes, and answer the same in all of them."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from biglearn_sampler.compilation import seconds_compiling
from biglearn_sampler.energy import Evaluations, function_target
from biglearn_sampler.engine import Account, Rules, Stepper, stepper
from biglearn_sampler.engine.population import Population, equal_log_weights
from biglearn_sampler.engine.shapes import LEAST_ROWS, on_device, padded, powers
from biglearn_sampler.engine.stepper import component_log_densities
from biglearn_sampler.engine.steps import Pace


@pytest.mark.parametrize("count", [1, 2, 31, 63, 64, 1003, 70_000])
def test_powers_share_out_all_rows_in_few_sizes(count: int) -> None:
    slices = list(powers(count, 1 << 12))
    sizes = [part.stop - part.start for part in slices]
    assert np.concatenate([np.arange(count)[part] for part in slices]).tolist() == list(range(count))
    assert sizes == sorted(sizes, reverse=True)
    assert set(sizes) <= {16**power for power in range(4)}
    assert all(sizes.count(size) < 16 for size in set(sizes) - {1 << 12})


@pytest.mark.parametrize(("rows", "expected"), [(1, LEAST_ROWS), (LEAST_ROWS + 1, 2 * LEAST_ROWS), (512, 512)])
def test_a_padded_array_repeats_its_last_row(rows: int, expected: int) -> None:
    array = np.arange(2.0 * rows).reshape(rows, 2)
    longer = padded(array)
    assert longer.shape == (expected, 2)
    np.testing.assert_array_equal(longer[:rows], array)
    np.testing.assert_array_equal(longer[rows:], np.broadcast_to(array[-1], (expected - rows, 2)))


def test_an_array_comes_to_the_device_in_its_precision() -> None:
    assert on_device(np.array([0.1], np.float64)).dtype == np.float32
    assert on_device(np.array([0.1], np.float64))[0] == np.float32(0.1)


def test_densities_of_all_counts_are_those_of_their_normal_laws_by_few_programs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shapes = set()

    def recorded(*arrays: np.ndarray) -> np.ndarray:
        shapes.add(tuple(array.shape for array in arrays))
        return compiled(*arrays)

    compiled = stepper._component_log_densities
    monkeypatch.setattr(stepper, "_component_log_densities", recorded)
    random = np.random.default_rng(0)
    for points, components in [(1, 1), (3, 2), (40, 33), (150, 140), (256, 256)]:
        means, roots = random.normal(size=(components, 2)), random.normal(size=(components, 2, 2))
        covariances = roots @ roots.swapaxes(1, 2) + 0.5 * np.eye(2)
        x = random.normal(size=(points, 2))
        table = component_log_densities(
            x, Population(means, np.linalg.cholesky(covariances), equal_log_weights(components))
        )
        exact = [multivariate_normal(m, c).logpdf(x) for m, c in zip(means, covariances, strict=True)]
        np.testing.assert_allclose(table, np.reshape(exact, (components, points)).T, rtol=1e-4, atol=1e-4)
    assert len(shapes) == 2


def test_an_energy_is_asked_at_every_point_once() -> None:
    account = Account()
    asked = Stepper(function_target(lambda x: -0.5 * (x**2).sum(), dim=2, scale=1.0), Rules(), account)
    points = np.random.default_rng(1).normal(size=(1003, 2))
    np.testing.assert_allclose(asked.log_density(points, "verdict"), -0.5 * (points**2).sum(1), rtol=1e-5)
    assert account.total == Evaluations(energy=1003)


def test_whole_numbers_in_a_pace_are_not_compiled_for_themselves() -> None:
    asked = Stepper(function_target(lambda x: -0.5 * (x**2).sum(), dim=2, scale=1.0), Rules(), Account())
    begun = Population.at(np.zeros((4, 2)), 1.0)

    def compiling(pace: Pace) -> float:
        before = seconds_compiling()
        asked.steps(begun, jax.random.key(0), pace, "settle", 512, 2)
        return seconds_compiling() - before

    assert compiling(Pace(0.0, 80.0)) > 0.0
    assert compiling(Pace(0, 80)) == compiling(Pace(0.0, 80.0)) == 0.0
