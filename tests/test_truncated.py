"""Truncated importance weights: the plain mean where nothing stands out, and deaf to single giants."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp

from biglearn_sampler.importance import truncated_log_mean


@pytest.mark.parametrize("spread", [0.0, 0.5, 1.0])
def test_it_is_the_plain_mean_where_no_weight_stands_out(spread: float) -> None:
    log_weights = spread * np.random.default_rng(0).normal(size=10_000) + 7.0
    # Of 10,000 log-normal weights of spread 1 the largest is about e^3.9; the bound is 100 times the mean, e^5.1.
    assert truncated_log_mean(log_weights) == pytest.approx(logsumexp(log_weights) - np.log(10_000), abs=1e-12)


@pytest.mark.parametrize("giant", [20.0, 100.0, 700.0])
def test_one_giant_counts_for_no_more_than_its_bound(giant: float) -> None:
    log_weights = np.zeros(10_000)
    log_weights[5] = giant
    # The largest Z = (9,999 + 100 Z) / 10,000.
    assert truncated_log_mean(log_weights) == pytest.approx(np.log(0.9999 / 0.99), abs=1e-6)


def test_heavy_tails_are_met_from_below_and_closer_with_more_draws() -> None:
    """Pareto weights of shape 0.5, whose mean is 2."""
    short = []
    for count in (1_000, 100_000):
        log_weights = -0.5 * np.log((np.arange(count) + 0.5) / count)
        short.append(np.log(2.0) - truncated_log_mean(log_weights))
        assert short[-1] >= 0.0
    assert short[1] < 0.2 * short[0] < 0.02


def test_where_hardly_any_weight_is_above_zero_the_plain_mean_stays() -> None:
    log_weights = np.full(10_000, -np.inf)
    log_weights[:50] = 0.0
    assert truncated_log_mean(log_weights) == pytest.approx(np.log(50 / 10_000))
