"""Fields on a grid: the relaxed Ising model by enumeration, and the Cox process by the laws of SciPy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import gammaln
from scipy.stats import multivariate_normal, poisson

from biglearn_sampler.energy import AbstractTarget
from biglearn_targets import cox_process as cox
from biglearn_targets.cox_process import cox_process
from biglearn_targets.ising import CRITICAL_BETA, ising, log_partition

COUNT = 8_000
gaussian: Any = multivariate_normal  # SciPy's types know covariances of type int only


@pytest.fixture(autouse=True, scope="module")
def double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def value(target: AbstractTarget, point: Any) -> float:
    return float(target.log_density(jnp.asarray(point, float)))


# ------------------------------------------------------------------------------------------------------------
# The relaxed Ising model
# ------------------------------------------------------------------------------------------------------------


def all_spins(sites: int) -> np.ndarray:
    return 2.0 * ((np.arange(2**sites)[:, None] >> np.arange(sites)) & 1) - 1.0


def couplings(side: int) -> np.ndarray:
    """`J`: a 1 for every two neighbours on the periodic square."""
    matrix = np.zeros((side, side, side, side))
    for row in range(side):
        for column in range(side):
            for down, right in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                matrix[row, column, (row + down) % side, (column + right) % side] = 1.0
    return matrix.reshape(side**2, side**2)


@pytest.mark.parametrize(("side", "beta"), [(3, 0.2), (3, 1.5), (4, 0.1), (4, CRITICAL_BETA), (4, 0.8)])
def test_the_partition_function_is_the_sum_over_all_patterns(side: int, beta: float) -> None:
    spins = all_spins(side**2)
    agreements = 0.5 * np.einsum("pi,pi->p", spins @ couplings(side), spins)
    expected = np.logaddexp.reduce(beta * agreements)
    assert log_partition(side, beta) == pytest.approx(expected, rel=1e-11)


def test_the_partition_function_of_a_large_lattice_is_that_of_onsager() -> None:
    """Per site: `log(2 cosh 2b)` and half of the mean of `log((1 + sqrt(1 - k^2 sin^2 a)) / 2)` over all angles."""
    beta = 0.3
    kappa = 2.0 * np.sinh(2 * beta) / np.cosh(2 * beta) ** 2
    angles = (np.arange(1000) + 0.5) * 0.5 * np.pi / 1000
    inside = np.log(0.5 * (1.0 + np.sqrt(1.0 - (kappa * np.sin(angles)) ** 2))).mean()
    assert log_partition(64, beta) / 64**2 == pytest.approx(np.log(2 * np.cosh(2 * beta)) + 0.5 * inside, abs=1e-9)


def test_the_density_is_a_gaussian_around_every_pattern() -> None:
    beta, diagonal = 0.45, 4.6
    target, spins = ising(side=3, beta=beta, diagonal=diagonal), all_spins(9)
    matrix = beta * (couplings(3) + diagonal * np.eye(9))
    log_masses = 0.5 * np.einsum("pi,pi->p", spins @ matrix, spins)
    for point in np.random.default_rng(0).normal(size=(3, 9)):
        away = point - spins
        expected = np.logaddexp.reduce(log_masses - 0.5 * np.einsum("pi,pi->p", away @ matrix, away))
        assert value(target, point) == pytest.approx(expected, rel=1e-6)
    log_volume = 4.5 * np.log(2 * np.pi) - 0.5 * np.linalg.slogdet(matrix)[1]
    assert target.facts.log_z == pytest.approx(np.logaddexp.reduce(log_masses) + log_volume, rel=1e-9)


@pytest.mark.parametrize(("side", "beta"), [(4, 0.5), (8, 0.43)])
def test_draws_have_the_agreement_of_neighbours_that_the_partition_function_tells(side: int, beta: float) -> None:
    """`E sum_<ij> s_i s_j = d log Z / d beta`, and the Gaussian adds its own covariance."""
    target, matrix = ising(side=side, beta=beta), couplings(side)
    assert target.facts.sample is not None
    draws = np.asarray(target.facts.sample(jax.random.key(0), COUNT))
    agreements = 0.5 * np.einsum("pi,pi->p", draws @ matrix, draws)
    of_spins = (log_partition(side, beta + 1e-5) - log_partition(side, beta - 1e-5)) / 2e-5
    of_noise = 0.5 * np.trace(matrix @ np.linalg.inv(beta * (matrix + 5.0 * np.eye(side**2))))
    assert abs(agreements.mean() - of_spins - of_noise) < 5 * agreements.std() / np.sqrt(COUNT)
    slopes = (draws * np.asarray(jax.jit(jax.vmap(jax.grad(target.log_density)))(draws))).sum(-1)
    assert abs(slopes.mean() + side**2) < 5 * slopes.std() / np.sqrt(COUNT)


def test_draws_have_every_pattern_as_often_as_its_law_says() -> None:
    """With a steep diagonal the signs of a draw are its spins: 512 patterns are counted."""
    target = ising(side=3, beta=0.3, diagonal=200.0)
    assert target.facts.sample is not None
    draws = np.asarray(target.facts.sample(jax.random.key(1), 8 * COUNT))
    counted = np.bincount((draws > 0) @ (1 << np.arange(9)), minlength=512) / len(draws)
    spins = all_spins(9)
    log_masses = 0.15 * np.einsum("pi,pi->p", spins @ couplings(3), spins)
    masses = np.exp(log_masses - np.logaddexp.reduce(log_masses))
    chi_squared = len(draws) * ((counted - masses) ** 2 / masses).sum()
    assert abs(chi_squared - 511) < 5 * np.sqrt(2 * 511)


def test_the_lattice_has_its_symmetries() -> None:
    target, field = ising(side=5), np.random.default_rng(0).normal(size=(5, 5))
    for other in (-field, field.T, field[::-1], np.roll(field, 2, axis=0), np.roll(field, 3, axis=1)):
        assert value(target, other.ravel()) == pytest.approx(value(target, field.ravel()), rel=1e-12)


def test_two_phases_have_half_of_the_mass_each_below_the_critical_temperature() -> None:
    facts = ising().facts
    assert facts.modes is not None and facts.responsibilities is not None
    gradients = jax.jit(jax.vmap(jax.grad(ising().log_density)))(facts.modes)
    np.testing.assert_allclose(gradients, 0.0, atol=1e-6)
    np.testing.assert_array_equal(facts.mode_weights, [0.5, 0.5])
    np.testing.assert_array_equal(jax.vmap(facts.responsibilities)(facts.modes), np.eye(2))
    assert ising(beta=0.44).facts.modes is None and ising(beta=0.441).facts.modes is not None


def test_large_lattices_have_an_integral_but_no_draws() -> None:
    assert ising(side=10).facts.sample is not None
    large = ising(side=32).facts
    assert large.sample is None and large.log_z is not None and np.isfinite(large.log_z)


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"side": 2}, "`side` must be at least 3, got 2"),
        ({"beta": 0.0}, "`beta` must be above 0 and at most 2, got 0.0"),
        ({"beta": 2.5}, "`beta` must be above 0 and at most 2, got 2.5"),
        ({"diagonal": 4.0}, "`diagonal` must be above 4, where `W` is positive definite, got 4.0"),
    ],
)
def test_parameters_of_the_lattice_out_of_range_are_told(parameters: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        ising(**parameters)


# ------------------------------------------------------------------------------------------------------------
# The Cox process
# ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [1, 3, 8])
def test_the_cox_process_is_prior_times_poisson_law(side: int) -> None:
    field = cox.MEAN + 0.5 * np.random.default_rng(0).normal(size=side**2)
    counts = cox.counts_in_cells(cox.shipped_points(), side)
    log_prior = gaussian(np.full(side**2, cox.MEAN), cox.covariances(side)).logpdf(field)
    log_law = poisson.logpmf(counts, np.exp(field) / side**2).sum()
    left_out = (gammaln(counts + 1) + counts * np.log(side**2)).sum()
    assert value(cox_process(side), field) == pytest.approx(log_prior + log_law + left_out, rel=1e-8)


def test_neighbours_are_correlated_as_published() -> None:
    covariances = cox.covariances(40)
    assert covariances.shape == (1600, 1600) and covariances[0, 0] == pytest.approx(1.91)
    assert covariances[0, 1] == pytest.approx(1.91 * np.exp(-33 / 40), rel=1e-12)
    assert covariances[0, 41] == pytest.approx(1.91 * np.exp(-33 * np.sqrt(2) / 40), rel=1e-12)
    assert cox.MEAN == pytest.approx(np.log(126) - 0.955, rel=1e-12)


def test_the_points_shipped_are_a_draw_from_the_model() -> None:
    random, side = np.random.RandomState(0), 40
    field = cox.MEAN + np.linalg.cholesky(cox.covariances(side)) @ random.normal(size=side**2)
    cells = np.repeat(np.arange(side**2), random.poisson(np.exp(field) / side**2))
    points = (np.stack(np.divmod(cells, side), axis=-1) + random.uniform(size=(len(cells), 2))) / side
    np.testing.assert_allclose(cox.shipped_points(), points, atol=6e-7)


def test_all_grids_count_the_same_points() -> None:
    for side in (1, 5, 16, 40, 64):
        assert cox.counts_in_cells(cox.shipped_points(), side).sum() == 128
    corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.5, 0.49]])
    np.testing.assert_array_equal(cox.counts_in_cells(corners, 2), [1, 1, 2, 1])


def test_points_of_a_user_are_read(tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text("0.1,0.9\n0.2,0.8\n1.0,0.0\n")
    target = cox_process(2, path=str(tmp_path / "points.csv"))
    np.testing.assert_array_equal(target.data[1], [0.0, 2.0, 1.0, 0.0])


def test_grids_and_files_that_make_no_sense_are_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`side` must be from 1 to 64, got 65"):
        cox_process(65)
    with pytest.raises(ValueError, match="there is no file '.*nowhere'"):
        cox_process(4, path=str(tmp_path / "nowhere"))
    other = tmp_path / "other"
    other.write_text("x,y\n0.1,0.2\n")
    with pytest.raises(ValueError, match="other' is no table of numbers"):
        cox_process(4, path=str(other))
    for text in ("0.1,0.2,0.3\n", "0.1,1.2\n", "0.1,nan\n"):
        other.write_text(text)
        with pytest.raises(ValueError, match=r"points in the unit square, .*other' has shape \(1, "):
            cox_process(4, path=str(other))
