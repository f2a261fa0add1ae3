"""Weighted moments and the moments of chains, with their errors."""

from __future__ import annotations

import numpy as np
import pytest

from biglearn_sampler.evaluation import Draws
from biglearn_sampler.evaluation.importance import draw_weights, effective_count, moments, split_chains


def weighted(count: int, seed: int) -> Draws:
    """Draws from N(0, 1.3^2) for the target N(0.4, 1), unnormalised by exp(2)."""
    points = 1.3 * np.random.default_rng(seed).normal(size=(count, 1))
    log_target = 2.0 - 0.5 * (points[:, 0] - 0.4) ** 2
    return Draws(points, log_target, -0.5 * (points[:, 0] / 1.3) ** 2 - np.log(1.3 * np.sqrt(2 * np.pi)))


def autoregressive(chains: int, length: int, correlation: float, seed: int) -> np.ndarray:
    """Stationary chains of unit variance."""
    noise = np.random.default_rng(seed).normal(size=(length, chains)) * np.sqrt(1 - correlation**2)
    noise[0] /= np.sqrt(1 - correlation**2)
    values = np.empty_like(noise)
    values[0] = noise[0]
    for step in range(1, length):
        values[step] = correlation * values[step - 1] + noise[step]
    return values.T


def test_weighted_moments_and_their_error_are_right_over_repeated_draws():
    found = []
    for seed in range(200):
        draws = weighted(400, seed)
        found.append(moments({"x": draws.points[:, 0]}, draws)["x"])
    names = ("mean", "mcse", "sd", "sd_mcse")
    means, errors, deviations, their_errors = (np.array([row[name] for row in found]) for name in names)
    assert means.mean() == pytest.approx(0.4, abs=4 * means.std() / np.sqrt(200))
    assert deviations.mean() == pytest.approx(1.0, abs=0.02)
    # The spread of 200 means is known to 5 %.
    assert errors.mean() == pytest.approx(means.std(), rel=0.2)
    assert their_errors.mean() == pytest.approx(deviations.std(), rel=0.2)


def test_equal_weights_give_the_textbook_formulas():
    values = np.array([1.0, 2.0, 4.0, 9.0])
    found = moments({"x": values}, Draws(values[:, None], np.zeros(4)))["x"]
    assert found["mean"] == pytest.approx(4.0)
    assert found["sd"] == pytest.approx(values.std(ddof=1))
    assert found["mcse"] == pytest.approx(values.std(ddof=1) / 2.0)


def test_arrays_are_named_by_index():
    draws = weighted(50, 0)
    quantities = {"tau": np.ones(50), "theta": np.ones((50, 2)), "corr": np.ones((50, 1, 2))}
    assert list(moments(quantities, draws)) == ["tau", "theta[0]", "theta[1]", "corr[0,0]", "corr[0,1]"]


def test_zero_weights_hide_whatever_the_quantity_is_there():
    log_target = np.array([0.0, 0.0, -np.inf, -np.inf])
    draws = Draws(np.zeros((4, 1)), log_target, np.zeros(4))
    found = moments({"x": np.array([1.0, 3.0, np.nan, np.inf])}, draws)["x"]
    assert found["mean"] == pytest.approx(2.0)
    assert found["sd"] == pytest.approx(np.sqrt(2.0))


def test_what_is_not_finite_is_none():
    nothing = Draws(np.zeros((3, 1)), np.full(3, -np.inf), np.zeros(3))
    assert moments({"x": np.arange(3.0)}, nothing)["x"] == dict.fromkeys(("mean", "sd", "mcse", "sd_mcse"))
    one = Draws(np.zeros((3, 1)), np.array([0.0, -np.inf, -np.inf]), np.zeros(3))
    assert moments({"x": np.arange(3.0) + 5}, one)["x"] == {"mean": 5.0, "sd": None, "mcse": None, "sd_mcse": None}
    overflow = Draws(np.zeros((3, 1)), np.zeros(3))
    assert moments({"x": np.array([0.0, 1.0, np.inf])}, overflow)["x"]["mean"] is None


def test_weights_are_smoothed_and_sum_to_one():
    draws = weighted(500, 3)
    weights = draw_weights(draws)
    assert weights.sum() == pytest.approx(1.0)
    assert (draw_weights(Draws(draws.points, draws.log_target)) == 1 / 500).all()


@pytest.mark.parametrize("correlation", [0.0, 0.8, -0.5])
def test_effective_count_of_an_autoregression(correlation):
    values = autoregressive(4, 5000, correlation, seed=1)
    expected = values.size * (1 - correlation) / (1 + correlation)
    assert effective_count(values) == pytest.approx(expected, rel=0.12)


def test_antithetic_chains_are_worth_more_than_their_draws_up_to_a_cap():
    turns = np.tile([1.0, -1.0], 500) + 0.01 * np.random.default_rng(0).normal(size=(4, 1000))
    assert effective_count(turns) == pytest.approx(4000 * np.log10(4000))
    draws = Draws(turns.reshape(-1, 1), np.zeros(4000), chains=4)
    assert moments({"x": turns.reshape(-1)}, draws)["x"]["mcse"] is not None


def test_chains_are_split_in_halves():
    halves = split_chains(np.arange(10.0).reshape(2, 5))
    np.testing.assert_array_equal(halves, [[0, 1], [5, 6], [3, 4], [8, 9]])


def test_error_of_chains_is_that_of_their_effective_count():
    values = autoregressive(4, 2000, 0.8, seed=2)
    draws = Draws(values.reshape(-1, 1), np.zeros(values.size), chains=4)
    found = moments({"x": values.reshape(-1)}, draws)["x"]
    assert found["mcse"] == pytest.approx(found["sd"] / np.sqrt(effective_count(values)))
    assert found["mcse"] == pytest.approx(np.sqrt(9.0 / values.size), rel=0.2)
    # Squares of a normal autoregression forget as its squared correlation; their variance is 2.
    squares_worth = values.size * (1 - 0.8**2) / (1 + 0.8**2)
    assert found["sd_mcse"] == pytest.approx(np.sqrt(2.0 / squares_worth) / 2.0, rel=0.2)


def test_chains_in_different_places_count_for_little():
    values = np.random.default_rng(0).normal(size=(4, 500)) + np.array([[-20.0], [-20.0], [20.0], [20.0]])
    assert effective_count(values) < 10


def test_values_that_never_change_give_the_number_of_draws():
    assert effective_count(np.ones((2, 50))) == 100.0
    draws = Draws(np.ones((100, 1)), np.zeros(100), chains=2)
    assert moments({"x": np.ones(100)}, draws)["x"] == pytest.approx(
        {"mean": 1.0, "sd": 0.0, "mcse": 0.0, "sd_mcse": 0.0}
    )
