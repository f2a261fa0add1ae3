"""The published benchmarks that are no mixtures: closed forms, symmetries, and values by hand."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import jv
from scipy.stats import norm

from biglearn_sampler.energy import AbstractTarget
from biglearn_targets.double_well import double_well
from biglearn_targets.logistic_regression import logistic_regression
from biglearn_targets.many_well import many_well
from biglearn_targets.phi4 import phi4
from biglearn_targets.planar_robot import GOALS, INTEGRALS, end_of_arm, planar_robot

COUNT = 20_000


@pytest.fixture(autouse=True, scope="module")
def double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def value(target: AbstractTarget, point: Any) -> float:
    return float(target.log_density(jnp.asarray(point, float)))


def gradient(target: AbstractTarget, point: Any) -> np.ndarray:
    return np.asarray(jax.grad(target.log_density)(jnp.asarray(point, float)))


# ------------------------------------------------------------------------------------------------------------
# Many wells
# ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dim", "published"), [(2, 10.293480), (32, 164.69568), (64, 329.3914)])
def test_the_integral_of_many_wells_is_a_power(dim: int, published: float) -> None:
    deep = quad(lambda x: np.exp(0.5 * x + 6.0 * x**2 - x**4), -4.0, 4.0, epsrel=1e-13)[0]
    log_z = many_well(dim).facts.log_z
    assert log_z == pytest.approx(dim / 2 * (np.log(deep) + 0.5 * np.log(2.0 * np.pi)), abs=1e-9)
    assert log_z == pytest.approx(published, abs=1e-4)


def test_many_wells_are_double_wells_side_by_side() -> None:
    point = np.random.default_rng(0).normal(size=32)
    pairs = sum(value(double_well(), pair) for pair in point.reshape(16, 2))
    assert value(many_well(), point) == pytest.approx(pairs, rel=1e-12)


def test_modes_of_many_wells_are_listed_while_they_are_few() -> None:
    facts = many_well(12).facts
    assert facts.modes is not None and facts.mode_weights is not None and facts.responsibilities is not None
    assert facts.modes.shape == (64, 12) and many_well(14).facts.modes is None
    np.testing.assert_allclose(np.sum(facts.mode_weights), 1.0)
    np.testing.assert_allclose(
        np.asarray(facts.mode_weights)[[0, 1, 63]], [0.1557**6, 0.1557**5 * 0.8443, 0.8443**6], rtol=2e-3
    )
    np.testing.assert_array_equal(jax.vmap(facts.responsibilities)(facts.modes), np.eye(64))
    np.testing.assert_allclose(jax.vmap(jax.grad(many_well(12).log_density))(facts.modes), 0.0, atol=1e-6)


def test_draws_from_many_wells_have_the_masses_of_every_well() -> None:
    sample = many_well(32).facts.sample
    assert sample is not None
    draws = np.asarray(sample(jax.random.key(0), COUNT))
    left = (draws[:, ::2] < 0).mean(axis=0)
    np.testing.assert_allclose(left, 0.155692903789, atol=5.0 * np.sqrt(0.1557 * 0.8443 / COUNT))
    np.testing.assert_allclose(draws[:, 1::2].std(axis=0), 1.0, atol=5.0 / np.sqrt(2 * COUNT))
    correlations = np.corrcoef(draws.T) - np.eye(32)
    assert np.abs(correlations).max() < 5.0 / np.sqrt(COUNT)


@pytest.mark.parametrize("dim", [0, 3])
def test_wells_come_in_pairs_of_coordinates(dim: int) -> None:
    with pytest.raises(ValueError, match=f"`dim` must be even and at least 2, got {dim}"):
        many_well(dim)


# ------------------------------------------------------------------------------------------------------------
# Planar robot
# ------------------------------------------------------------------------------------------------------------


def test_the_arm_ends_where_its_links_lead() -> None:
    straight, up = np.zeros(10), np.eye(10)[0] * np.pi / 2
    square = np.array([0.0, np.pi / 2, np.pi / 2, np.pi / 2, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    np.testing.assert_allclose(end_of_arm(jnp.asarray(straight)), [10.0, 0.0])
    np.testing.assert_allclose(end_of_arm(jnp.asarray(up)), [0.0, 10.0], atol=1e-12)
    # Right, up, left, and seven links down.
    np.testing.assert_allclose(end_of_arm(jnp.asarray(square)), [0.0, -6.0], atol=1e-12)


@pytest.mark.parametrize(("goals", "expected_miss"), [(4, 3.0), (1, np.hypot(7.0, 10.0))])
def test_the_nearest_goal_counts(goals: int, expected_miss: float) -> None:
    posture = np.eye(10)[0] * np.pi / 2  # straight up: it ends at (0, 10)
    log_prior = norm.logpdf(posture, scale=[1.0] + [0.2] * 9).sum()
    log_goal = norm.logpdf(expected_miss, scale=0.01) + norm.logpdf(0.0, scale=0.01)
    assert value(planar_robot(goals), posture) == pytest.approx(log_prior + log_goal, rel=1e-12)


def test_postures_and_their_mirror_images_are_equal() -> None:
    posture = 0.3 * np.random.default_rng(0).normal(size=10)
    for goals in (1, 4):
        assert value(planar_robot(goals), posture) == pytest.approx(value(planar_robot(goals), -posture), rel=1e-12)


def goal_integrals() -> np.ndarray:
    """`integral prior(x) N(end(x); g, .01^2 I) dx` of every goal: by the modes `cos(k a)` of the Fourier transform of
    the end at frequencies of length `w` and angle `a`, from the last link to the first joint."""
    modes, (nodes, weights) = np.arange(41), np.polynomial.legendre.leggauss(2600)
    far = 5.5 / 0.01
    frequencies, weights = 0.5 * far * (nodes + 1.0), 0.5 * far * weights
    orders = np.arange(2 * len(modes) - 1)
    integrals = np.zeros(4)
    for some, theirs in zip(np.array_split(frequencies, 20), np.array_split(weights, 20), strict=True):
        link = 1j**orders * jv(orders, some[:, None])  # of exp(i w cos a), one arm's length of 1
        # The product of two even series, and before it the damping by a joint.
        times_link = link[:, np.abs(modes[:, None] - modes)] + np.where(modes > 0, link[:, modes[:, None] + modes], 0.0)
        times_link = times_link * np.exp(-0.5 * 0.2**2 * modes**2)
        transform = link[:, modes, None]
        for _ in range(9):
            transform = times_link @ transform
        turned = transform[..., 0] * np.exp(-0.5 * modes**2) * (-1j) ** modes * jv(modes, 7.0 * some[:, None])
        for number, direction in enumerate([0.0, np.pi, 0.5 * np.pi, -0.5 * np.pi]):
            of_angle = (turned * np.where(modes > 0, 2.0, 1.0) * np.cos(modes * direction)).sum(1).real
            integrals[number] += (of_angle * some * np.exp(-0.5 * (0.01 * some) ** 2) * theirs).sum() / (2.0 * np.pi)
    return integrals


@pytest.mark.slow
def test_the_integrals_of_the_goals_follow_from_the_joints() -> None:
    integrals = goal_integrals()
    np.testing.assert_allclose(INTEGRALS, integrals, rtol=1e-6)
    four, one = planar_robot().facts, planar_robot(goals=1).facts
    assert four.log_z == pytest.approx(np.log(integrals.sum()), abs=1e-6) and four.mode_weights is not None
    np.testing.assert_allclose(four.mode_weights, integrals / integrals.sum(), rtol=1e-6)
    assert one.log_z == pytest.approx(np.log(integrals[0]), abs=1e-6)


def test_the_integral_of_a_goal_is_how_often_the_prior_comes_near() -> None:
    """The ends of two million arms, a tenth around the distance of the goals, the first joint integrated out."""
    bends = np.cumsum(0.2 * np.random.default_rng(0).normal(size=(2_000_000, 9)).astype(np.float32), axis=1)
    ends = np.stack([1.0 + np.cos(bends).sum(1), np.sin(bends).sum(1)])
    radii, directions = np.hypot(*ends), np.arctan2(ends[1], ends[0])
    near = directions[np.abs(radii - 7.0) < 0.1]
    for integral, direction in zip(INTEGRALS, [0.0, np.pi, 0.5 * np.pi, -0.5 * np.pi], strict=True):
        turns = sum(norm.pdf(direction - near + 2.0 * np.pi * turn) for turn in range(-2, 3))
        estimates = np.append(turns, np.zeros(len(bends) - len(near))) / (0.2 * 7.0)
        assert abs(estimates.mean() - integral) < 5 * estimates.std() / np.sqrt(len(bends))


@pytest.mark.parametrize("goals", [1, 4])
def test_the_arc_of_every_goal_ends_there(goals: int) -> None:
    facts = planar_robot(goals).facts
    assert facts.modes is not None and facts.responsibilities is not None
    np.testing.assert_allclose(jax.vmap(end_of_arm)(facts.modes), GOALS[:goals], atol=1e-6)
    np.testing.assert_array_equal(jax.vmap(facts.responsibilities)(facts.modes), np.eye(goals))
    assert np.abs(np.asarray(facts.modes)[:, 0]).max() < 2.0


def test_other_numbers_of_goals_are_told() -> None:
    with pytest.raises(ValueError, match="`goals` must be 1 or 4, got 2"):
        planar_robot(goals=2)


# ------------------------------------------------------------------------------------------------------------
# phi^4
# ------------------------------------------------------------------------------------------------------------


def test_the_action_of_a_constant_field() -> None:
    kappa, lambda_, height = 0.3, 0.022, 1.7
    expected = 64 * (4 * kappa * height**2 - (1 - 2 * lambda_) * height**2 - lambda_ * height**4)
    assert value(phi4(), np.full(64, height)) == pytest.approx(expected, rel=1e-12)


def test_every_pair_of_neighbours_counts_once_across_the_border_too() -> None:
    target, sites = phi4(side=4, kappa=0.25), np.eye(16).reshape(4, 4, 16)
    alone = value(target, sites[0, 0])
    assert alone == pytest.approx(-(1 - 2 * 0.022) - 0.022, rel=1e-12)
    for neighbour in (sites[0, 1], sites[1, 0], sites[0, 3], sites[3, 0]):
        assert value(target, sites[0, 0] + neighbour) == pytest.approx(2 * alone + 2 * 0.25, rel=1e-12)
    assert value(target, sites[0, 0] + sites[1, 1]) == pytest.approx(2 * alone, rel=1e-12)


def test_the_field_has_its_symmetries() -> None:
    field = np.random.default_rng(0).normal(size=(8, 8))
    for other in (-field, field.T, field[::-1], np.roll(field, 3, axis=0), np.roll(field, 5, axis=1)):
        assert value(phi4(), other.ravel()) == pytest.approx(value(phi4(), field.ravel()), rel=1e-12)


def test_two_phases_have_half_of_the_mass_each() -> None:
    facts = phi4().facts
    assert facts.modes is not None and facts.responsibilities is not None
    np.testing.assert_allclose(facts.modes[1], np.sqrt(0.244 / 0.044))
    np.testing.assert_allclose(gradient(phi4(), facts.modes[1]), 0.0, atol=1e-12)
    np.testing.assert_array_equal(facts.mode_weights, [0.5, 0.5])
    np.testing.assert_array_equal(jax.vmap(facts.responsibilities)(facts.modes), np.eye(2))
    assert phi4(kappa=0.2).facts.modes is None and facts.log_z is None


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"side": 1}, "`side` must be at least 2, got 1"),
        ({"kappa": 0.0}, "`kappa` must be above 0, got 0.0"),
        ({"lambda_": -0.1}, "`lambda_` must be above 0, got -0.1"),
    ],
)
def test_parameters_of_the_field_out_of_range_are_told(parameters: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        phi4(**parameters)


# ------------------------------------------------------------------------------------------------------------
# Logistic regression
# ------------------------------------------------------------------------------------------------------------

LOG_PRIOR_AT_ZERO = norm.logpdf(0.0, scale=10.0)


@pytest.fixture
def german_file(tmp_path: Path) -> Path:
    """A table of the same form, with 50 rows of our own: the real one is not shipped."""
    random = np.random.default_rng(0)
    rows = np.column_stack([random.integers(0, 5, size=(50, 24)), random.integers(1, 3, size=50)])
    np.savetxt(tmp_path / "german.data-numeric", rows, fmt="%d")
    return tmp_path / "german.data-numeric"


def test_breast_cancer_at_zero_by_hand() -> None:
    target = logistic_regression()
    design, signs = target.data
    assert target.dim == 31 and design.shape == (569, 31) and (np.asarray(signs) == 1).sum() == 357
    np.testing.assert_allclose(np.std(design[:, :30], axis=0), 1.0)
    np.testing.assert_array_equal(design[:, 30], 1.0)
    assert design[0, 0] == pytest.approx(17.99 / 3.520950760711062, rel=1e-9)
    assert value(target, np.zeros(31)) == pytest.approx(569 * np.log(0.5) + 31 * LOG_PRIOR_AT_ZERO, rel=1e-12)
    np.testing.assert_allclose(gradient(target, np.zeros(31)), 0.5 * np.asarray(signs) @ np.asarray(design), rtol=1e-10)


def test_breast_cancer_elsewhere_by_probabilities() -> None:
    target = logistic_regression()
    weights = 0.05 * np.random.default_rng(0).normal(size=31)
    design, signs = map(np.asarray, target.data)
    probabilities = 1.0 / (1.0 + np.exp(-design @ weights))
    likelihood = np.log(np.where(signs > 0, probabilities, 1.0 - probabilities)).sum()
    expected = likelihood + norm.logpdf(weights, scale=10.0).sum()
    assert value(target, weights) == pytest.approx(expected, rel=1e-10)


def test_german_credit_is_read_from_its_file(german_file: Path) -> None:
    target = logistic_regression(data="german_credit", path=str(german_file))
    rows = np.loadtxt(german_file)
    design, signs = map(np.asarray, target.data)
    np.testing.assert_allclose(design[:, :24], rows[:, :24] / rows[:, :24].std(axis=0))
    np.testing.assert_array_equal(signs, np.where(rows[:, 24] == 1, 1.0, -1.0))
    assert value(target, np.zeros(25)) == pytest.approx(50 * np.log(0.5) + 25 * LOG_PRIOR_AT_ZERO, rel=1e-12)


def test_the_data_are_passed_and_not_baked_in() -> None:
    target = logistic_regression()
    compiled = str(jax.make_jaxpr(lambda target, point: target.log_density(point))(target, jnp.zeros(31)).consts)
    assert compiled == "[]" and (569, 31) in [leaf.shape for leaf in jax.tree.leaves(target)]


def test_without_scikit_learn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ValueError, match=r"not installed; run `pip install 'biglearn-sampler\[data\]'`"):
        logistic_regression()


def test_german_credit_without_its_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`path` must name the file german.data-numeric .* it is not shipped"):
        logistic_regression(data="german_credit")
    with pytest.raises(ValueError, match="there is no file '.*nowhere'"):
        logistic_regression(data="german_credit", path=str(tmp_path / "nowhere"))


def test_another_file_is_told(german_file: Path) -> None:
    other = german_file.with_name("other")
    other.write_text("A11 6 A34\n")
    with pytest.raises(ValueError, match="other' is no table of numbers"):
        logistic_regression(data="german_credit", path=str(other))
    np.savetxt(other, np.loadtxt(german_file)[:, 1:])
    with pytest.raises(ValueError, match=r"expected 25 columns that vary.*has shape \(50, 24\)"):
        logistic_regression(data="german_credit", path=str(other))


def test_a_file_for_breast_cancer_is_told(german_file: Path) -> None:
    with pytest.raises(ValueError, match="`path` belongs to `data` = 'german_credit', got it with 'breast_cancer'"):
        logistic_regression(path=str(german_file))
