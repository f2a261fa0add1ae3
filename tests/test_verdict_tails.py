"""Rays outward: a density that does not fall off is named, and one that falls off slowly is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from biglearn_sampler.energy import function_target
from biglearn_sampler.engine import Account, Rules, Stepper
from biglearn_sampler.mixture import GaussianMixture
from biglearn_sampler.runs.verdict import ENDLESS
from biglearn_sampler.verdict import CANNOT_TELL, NOT_COVERED, judge
from biglearn_sampler.verdict.decide import said_about
from biglearn_sampler.verdict.own_draws import OwnDraws, thin_mass
from biglearn_sampler.verdict.tails import DOUBLINGS, runs_away

LENGTH = 40.0

Density = Callable[[Array], Array]


def direction(log_density: Density, dim: int, spread: list[float], seed: int = 0) -> np.ndarray | None:
    """What is found around a normal sampler with those standard deviations."""
    target = function_target(log_density, dim=dim, scale=1.0)
    generator = np.random.default_rng(seed)
    points = np.asarray(spread) * generator.standard_normal((2000, dim))
    sampler = GaussianMixture.of(np.zeros((1, dim)), np.diag(np.square(spread)), [1.0])
    log_target = np.asarray(jax.vmap(target.log_density)(jnp.asarray(points, float)), float)
    log_ratio = log_target - np.asarray(sampler.log_density(jnp.asarray(points, float)), float)
    account = Account()
    found = runs_away(points, log_ratio, log_target, Stepper(target, Rules(), account), generator)
    assert account.total.energy < 2000 and account.total.gradient == 0
    return found


def ridge(x: Array) -> Array:
    """Flat along (1, 1, 1)."""
    return -0.5 * ((x - x.mean()) ** 2).sum()


@pytest.mark.parametrize("seed", range(5))
def test_a_ridge_that_goes_on_is_found_though_it_lies_along_no_coordinate(seed: int) -> None:
    target = function_target(ridge, dim=3, scale=1.0)
    generator = np.random.default_rng(seed)
    along = LENGTH * generator.standard_normal((2000, 1)) * np.ones(3) / np.sqrt(3.0)
    across = generator.standard_normal((2000, 3))
    points = along + across - across.mean(1, keepdims=True)
    log_target = np.asarray(jax.vmap(target.log_density)(jnp.asarray(points, float)), float)
    log_ratio = log_target + 0.5 * (along[:, 0] * np.sqrt(3.0) / LENGTH) ** 2
    found = runs_away(points, log_ratio, log_target, Stepper(target, Rules(), Account()), generator)
    assert found is not None
    assert abs(found.sum()) / np.sqrt(3.0) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(
    ("log_density", "axis"),
    [
        (lambda x: -0.5 * x[0] ** 2 - x[1], (0.0, -1.0)),
        (lambda x: -0.5 * x[1] ** 2 + 0.01 * x[0] ** 2, None),
        (lambda x: -0.5 * x[1] ** 2 - jnp.log1p(jnp.abs(x[0])), None),
    ],
    ids=["grows", "grows both ways", "falls as 1/x"],
)
def test_what_does_not_fall_off_is_found(log_density: Density, axis: tuple[float, ...] | None) -> None:
    found = direction(log_density, 2, [1.0, 1.0])
    assert found is not None
    np.testing.assert_allclose(np.abs(found), np.abs(axis) if axis else [1.0, 0.0], atol=1e-6)
    if axis:
        np.testing.assert_allclose(found, axis, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("log_density", "dim", "spread"),
    [
        (lambda x: -0.5 * (x**2).sum(), 3, [1.0] * 3),
        (lambda x: -jnp.abs(x).sum(), 2, [1.4] * 2),
        (lambda x: -jnp.log1p(x**2).sum(), 2, [2.0] * 2),
        (lambda x: -1.3 * jnp.log1p(jnp.abs(x)).sum(), 1, [10.0]),
        (lambda x: jnp.where(jnp.abs(x) < 2.0, 0.0, -jnp.inf).sum(), 2, [1.0] * 2),
        (lambda x: jnp.logaddexp(-0.5 * (x**2).sum(), -30.0), 2, [1.0] * 2),
        (lambda x: -0.5 * (x**2).sum() * 1e-8, 2, [1e4] * 2),
        (lambda x: 1e4 - 0.5 * (x**2).sum(), 2, [1.0] * 2),
    ],
    ids=["normal", "laplace", "cauchy", "falls as x^-1.3", "walls", "low floor", "far wider", "large constant"],
)
def test_what_falls_off_is_not(log_density: Density, dim: int, spread: list[float], seed: int) -> None:
    assert direction(log_density, dim, spread, seed) is None


def test_where_the_target_has_no_density_nothing_is_said() -> None:
    assert direction(lambda x: jnp.full((), -jnp.inf) + 0.0 * x.sum(), 2, [1.0, 1.0]) is None


def told_of(log_density: Density, sampler: GaussianMixture):  # noqa: ANN201
    target = function_target(log_density, dim=sampler.dim, scale=1.0)
    return judge(target, sampler, (), Rules(), jax.random.key(0), np.zeros(2), np.array([1.0, 10.0]))


@pytest.mark.slow
def test_the_verdict_says_along_which_direction_in_the_targets_own_units() -> None:
    sampler = GaussianMixture.of(np.zeros((1, 2)), np.diag([1.0, 100.0]), [1.0])
    told = told_of(lambda x: -0.5 * x[0] ** 2, sampler)
    assert told.verdict == NOT_COVERED
    assert f"within {DOUBLINGS[-1]:.0f} standard deviations" in told.sentence
    assert "no finite mass" in told.sentence and ENDLESS in told.sentence
    np.testing.assert_allclose(np.abs(told.evidence["does_not_fall_along"]), [0.0, 1.0], atol=1e-3)


@pytest.mark.slow
def test_a_density_that_falls_off_as_its_sampler_does_is_not_told() -> None:
    sampler = GaussianMixture.of(np.zeros((1, 2)), np.diag([1.0, 100.0]), [1.0])
    told = told_of(lambda x: -0.5 * x[0] ** 2 - 0.005 * x[1] ** 2, sampler)
    assert told.evidence["does_not_fall_along"] is None and "no finite mass" not in told.sentence


def test_a_far_wider_density_is_told_apart_from_none() -> None:
    """It does not fall off within a few deviations of a narrow sampler either, and the search takes it for known."""
    sampler = GaussianMixture.of(np.zeros((1, 2)), np.eye(2), [1.0])
    told = told_of(lambda x: -0.5 * (x**2).sum() / 900.0, sampler)
    assert told.verdict == NOT_COVERED and "it is far wider there, or has no finite mass" in told.sentence


def test_mass_that_is_found_missing_is_told_first() -> None:
    points = np.random.default_rng(0).normal(size=(100, 2))
    own = OwnDraws(points, np.zeros(100), np.zeros(100), 0.0, 90.0, 0.1, 0.0, 0.0)
    place = {"at": [5.0, 0.0], "share": 0.3}
    assert said_about(own, 0.3, [place], None, [0.0, 1.0])[1].startswith(
        "Not covered: about 30% of the mass is missing"
    )
    assert (
        "falls off" not in said_about(own, 0.0, [], None, None)[1]
        and said_about(own, 0.0, [], None, None)[0] == "covered"
    )
    assert "far wider" in said_about(own, 0.0, [], None, [0.0, 1.0])[1]


def test_weights_without_a_mean_are_called_so() -> None:
    points = np.random.default_rng(0).normal(size=(100, 2))
    own = OwnDraws(points, np.zeros(100), np.zeros(100), 0.0, 5.0, 1.2, 0.0, 0.0)
    verdict, sentence = said_about(own, 0.0, [], None, None)
    assert verdict == CANNOT_TELL and "k-hat 1.20: above 1 they have no mean" in sentence
    assert "they have no mean" not in said_about(replace(own, khat=0.9), 0.0, [], None, None)[1]


@pytest.mark.parametrize(
    ("ess", "khat", "expected"),
    [(0.82, 0.75, "cannot tell"), (0.99, 0.75, "covered"), (0.82, 0.6, "covered"), (0.05, 0.1, "cannot tell")],
)
def test_heavy_weights_are_a_reason_where_the_sampler_does_not_fit(ess: float, khat: float, expected: str) -> None:
    """Of a thin tail that bends away 3 % of the mass were missing at 0.82 and 0.75."""
    own = OwnDraws(np.zeros((1000, 2)), np.zeros(1000), np.zeros(1000), 0.0, 1000 * ess, khat, 0.0, 0.0)
    assert said_about(own, 0.0, [], None, None)[0] == expected


def test_mass_where_the_sampler_is_thin_is_a_reason_where_modes_are_many() -> None:
    """Of a chain of double wells 3 % were missing in small wells, with an ESS of 0.22 and a k-hat of 0.55."""
    own = OwnDraws(np.zeros((1000, 2)), np.zeros(1000), np.zeros(1000), 0.0, 220.0, 0.55, 0.0, 0.0, alone=0.2)
    verdict, sentence = said_about(replace(own, thin=0.03), 0.0, [], None, None)
    assert (
        verdict == CANNOT_TELL and "3% of the mass is where the sampler has less than a tenth of its usual" in sentence
    )
    assert said_about(replace(own, thin=0.009), 0.0, [], None, None)[0] == "covered"
    # Of a single mode it is a tail: of 31 coefficients the weights tell it, with an ESS of 0.35.
    assert said_about(replace(own, thin=0.03, alone=0.02), 0.0, [], None, None)[0] == "covered"


@pytest.mark.parametrize(
    ("defended", "expected"),
    [(None, "cannot tell"), ((0.93, 0.1), "covered"), ((0.93, 0.6), "cannot tell"), ((0.86, 0.1), "cannot tell")],
)
def test_tails_that_are_explained_by_draws_with_heavy_ones_are_no_reason(
    defended: tuple[float, float] | None, expected: str
) -> None:
    own = OwnDraws(np.zeros((1000, 2)), np.zeros(1000), np.zeros(1000), 0.0, 800.0, 0.9, 0.0, 0.0, defended=defended)
    assert said_about(own, 0.0, [], None, None)[0] == expected


@pytest.mark.parametrize(
    ("missing", "ess", "expected"),
    [(0.006, 0.85, "cannot tell"), (0.006, 0.95, "covered"), (0.0, 0.85, "covered"), (0.02, 0.95, "not covered")],
)
def test_modes_too_light_to_count_are_signs_of_more_where_the_sampler_does_not_fit(
    missing: float, ess: float, expected: str
) -> None:
    """Of a chaotic map 0.6 % were found, and 6 % were missing, with an ESS of 0.86."""
    own = OwnDraws(np.zeros((1000, 2)), np.zeros(1000), np.zeros(1000), 0.0, 1000 * ess, 0.5, 0.0, 0.0)
    places = [{"at": [0.0, 1.0], "share": missing}] if missing else []
    verdict, sentence = said_about(own, missing, places, None, None)
    assert verdict == expected and ("there may be more of them" in sentence) == (expected == "cannot tell")


@pytest.mark.parametrize(("spread", "expected"), [(0.4, 0.0), (1.23, 0.031), (2.0, 0.125)])
def test_thin_mass_is_that_of_weights_far_above_the_middle_one(spread: float, expected: float) -> None:
    """Log weights of a normal law are normal under the target too, one variance higher."""
    log_ratio = spread * np.random.default_rng(0).normal(size=200_000)
    assert thin_mass(log_ratio) == pytest.approx(expected, abs=0.006)
    # Draws beyond a hard wall weigh nothing and change nothing.
    walled = np.concatenate([log_ratio, np.full(300_000, -np.inf)])
    assert thin_mass(walled) == pytest.approx(thin_mass(log_ratio))


@pytest.mark.slow
def test_an_infinite_density_at_a_line_is_not_covered() -> None:
    """`1 / x^2` has no integral there: no ray goes on, and no mean of the weights exists."""
    sampler = GaussianMixture.of(np.zeros((1, 2)), np.eye(2), [1.0])
    told = told_of(lambda x: -2.0 * jnp.log(jnp.abs(x[0])) - 0.5 * (x**2).sum(), sampler)
    assert told.verdict in (NOT_COVERED, CANNOT_TELL)
