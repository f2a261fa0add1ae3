"""When a scheduled training counts as converged."""

from __future__ import annotations

from importlib import import_module

import jax.numpy as jnp
import numpy as np
import pytest

import biglearn_sampler as bl
from biglearn_sampler.errors import SettingsError
from biglearn_sampler.learning.convergence import WINDOW, LossTrend
from biglearn_sampler.verdict import COVERED, Verdict

NOISE = np.random.default_rng(0).normal(size=(2000, 2 * WINDOW))


def test_with_few_losses_nothing_can_be_said() -> None:
    assert LossTrend.of([1.0] * (2 * WINDOW - 1)) is None
    assert LossTrend.of([1.0] * (2 * WINDOW)) == LossTrend(1.0, 1.0, 0.0)


def test_a_loss_that_falls_is_told_from_noise() -> None:
    still = [LossTrend.of(row.tolist()) for row in NOISE]
    # Two standard errors to one side: 2.3 % of normal differences, a few more with an estimated error.
    assert 0.01 < np.mean([trend.falls for trend in still if trend is not None]) < 0.06
    falling = [LossTrend.of((row - 0.3 * np.arange(2 * WINDOW)).tolist()) for row in NOISE]
    assert np.mean([trend.falls for trend in falling if trend is not None]) > 0.95


def test_what_was_long_ago_says_nothing() -> None:
    assert LossTrend.of([9.0] * 50 + [1.0] * (2 * WINDOW)) == LossTrend(1.0, 1.0, 0.0)


def test_a_training_ends_when_its_losses_have_stopped_falling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before its weights are learnt, and with the figures that it ended for."""
    verdict = Verdict.bare(COVERED, "By hand.")
    monkeypatch.setattr(import_module("biglearn_sampler.runs.train"), "verdict_of", lambda *_: verdict)
    target = bl.target(lambda x: -0.5 * (x**2).sum(), dim=1, scale=2.0)
    training = {"steps": 4000, "chunk": 10, "stop": "converged"}
    settings = {"components": 1, "training": training, "scheduler": "joint", "weights.after": 0.1, "metrics": ["elbo"]}
    run = bl.train(target, settings=settings)
    assert run.metrics["training_ended"] == "converged"
    # Weights are learnt from step 400 on, and then twenty chunks are looked at.
    assert 600 <= run.history[-1]["step"] < 4000
    trend = LossTrend(**run.metrics["convergence"]["joint"])
    assert not trend.falls
    losses = [row["loss"]["joint"] for row in run.history[-2 * WINDOW :]]
    assert trend == LossTrend.of(losses)


def test_a_budget_is_where_a_scheduled_training_ends_at_the_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = Verdict.bare(COVERED, "By hand.")
    monkeypatch.setattr(import_module("biglearn_sampler.runs.train"), "verdict_of", lambda *_: verdict)
    target = bl.target(lambda x: -0.5 * (x**2).sum(), dim=1, scale=2.0)
    settings = {"components": 4, "training": {"steps": 60, "chunk": 10, "points": 4}, "scheduler": "joint"}
    settings |= {"metrics": ["elbo"], "reports": []}

    def ended(budget: int) -> tuple[str, int]:
        metrics = bl.train(target, settings={**settings, "budget.evaluations": budget}).metrics
        return metrics["training_ended"], metrics["energy_evaluations"] + metrics["gradient_evaluations"]

    # Ten steps of sixteen points are a chunk.
    assert ended(500) == ("stopped", 480)
    # All steps are done with the last evaluation of the budget.
    assert ended(960) == ("scheduled", 960)
    with pytest.raises(
        SettingsError, match="budget.evaluations: 159 is too small; expected at least 160, what the first"
    ):
        ended(159)


@pytest.mark.slow
def test_what_it_took_to_find_the_inside_of_hard_walls_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = Verdict.bare(COVERED, "By hand.")
    monkeypatch.setattr(import_module("biglearn_sampler.runs.train"), "verdict_of", lambda *_: verdict)
    box = bl.target(lambda x: jnp.where((jnp.abs(x - 1.0) < 0.05).all(), 0.0, -jnp.inf), dim=2, scale=1.0)
    settings = {
        "components": 4,
        "training": {"steps": 2, "chunk": 2},
        "scheduler": "joint",
        "metrics": [],
        "reports": [],
    }
    assert bl.train(box, settings=settings).metrics["probe_evaluations"] > 10_000
