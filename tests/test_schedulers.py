"""Schedulers: how often each task comes, how long it stays, and what rules when."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biglearn_plugins.schedulers.bandit import Bandit, Memory, bandit
from biglearn_plugins.schedulers.bi_level import bi_level
from biglearn_plugins.schedulers.paper import paper
from biglearn_plugins.schedulers.phases import phases
from biglearn_plugins.schedulers.weighted import joint, uniform, weighted
from biglearn_plugins.transformations.orthogonal import Identity, Orthogonal
from biglearn_sampler.tasks import AbstractScheduler, Task, TaskDraw

JOINT = Task("joint", "joint", Identity())
MARGINAL = Task("marginal", "marginal", Orthogonal())
CONDITIONAL = Task("conditional", "conditional", Orthogonal())
TASKS = (JOINT, MARGINAL, CONDITIONAL)


@lru_cache
def all_draws(scheduler: AbstractScheduler, steps: int, seed: int = 0) -> Any:
    """What is decided for every step of a run, with the keys as numbers."""

    @jax.jit
    def draw(seed: int) -> TaskDraw:
        drawn = jax.vmap(lambda step: scheduler.draw(jax.random.key(seed), step, steps))(jnp.arange(steps))
        return drawn._replace(key=jax.random.key_data(drawn.key))

    return jax.tree.map(np.asarray, draw(seed))


def same_key(drawn: Any) -> np.ndarray:
    """Whether each step has the key of the step before."""
    keys = np.asarray(drawn.key)
    return (keys[1:] == keys[:-1]).all(-1)


def assert_shares(tasks: np.ndarray, shares: tuple[float, ...]) -> None:
    """Observed frequencies agree with probabilities within five binomial standard errors."""
    probabilities = np.array(shares)
    observed = np.array([(tasks == number).mean() for number in range(len(shares))])
    errors = np.sqrt(probabilities * (1 - probabilities) / len(tasks))
    assert (np.abs(observed - probabilities) <= 5 * errors + 1e-12).all(), observed


def test_uniform_draws_all_tasks_alike() -> None:
    assert_shares(all_draws(uniform(TASKS), 9000).task, (1 / 3, 1 / 3, 1 / 3))


def test_weights_are_relative_frequencies_and_zero_means_never() -> None:
    assert_shares(all_draws(weighted(TASKS, (6.0, 0.0, 2.0)), 9000).task, (0.75, 0.0, 0.25))
    assert_shares(all_draws(weighted(TASKS, (0.0, 1.0, 0.0)), 9000).task, (0.0, 1.0, 0.0))


def test_joint_draws_one_task_only() -> None:
    scheduler = joint(JOINT)
    assert scheduler.tasks == (JOINT,) and (all_draws(scheduler, 100).task == 0).all()


def test_draws_are_independent_of_one_another_and_told_by_the_key() -> None:
    first, second = all_draws(uniform(TASKS), 9000), all_draws(uniform(TASKS), 9000, seed=1)
    assert not same_key(first).any()
    agreement = (first.task[1:] == first.task[:-1]).mean()
    assert abs(agreement - 1 / 3) < 5 * np.sqrt(2 / 9 / 9000)
    assert abs((first.task == second.task).mean() - 1 / 3) < 5 * np.sqrt(2 / 9 / 9000)


def test_progress_runs_from_zero_to_one() -> None:
    np.testing.assert_allclose(all_draws(uniform(TASKS), 50).progress, np.arange(50) / 50, rtol=1e-6)


def test_bi_level_keeps_task_and_key_for_the_inner_steps() -> None:
    drawn = all_draws(bi_level(uniform(TASKS), inner_steps=20), 1000)
    changes = np.flatnonzero(~same_key(drawn)) + 1
    np.testing.assert_array_equal(changes, np.arange(20, 1000, 20))
    assert (drawn.task.reshape(50, 20) == drawn.task[::20, None]).all()
    assert len(set(drawn.task[::20].tolist())) == 3


@pytest.mark.parametrize("steps", [30, 39, 40, 5])
def test_progress_of_bi_level_stays_below_one_when_the_last_draw_is_cut_short(steps: int) -> None:
    progress = all_draws(bi_level(uniform(TASKS), inner_steps=20), steps).progress
    draws = -(-steps // 20)
    np.testing.assert_allclose(progress, np.arange(steps) // 20 / draws, rtol=1e-6)


def test_each_phase_rules_its_share_with_its_own_progress() -> None:
    scheduler = phases((joint(JOINT), joint(MARGINAL), joint(CONDITIONAL)), (1.0, 2.0, 1.0))
    drawn = all_draws(scheduler, 80)
    np.testing.assert_array_equal(drawn.task, np.repeat([0, 1, 2], [20, 40, 20]))
    inner = np.concatenate([np.arange(20) / 20, np.arange(40) / 40, np.arange(20) / 20])
    np.testing.assert_allclose(drawn.progress, inner, rtol=1e-6)


def test_phases_cover_a_run_that_their_shares_do_not_divide() -> None:
    tasks = all_draws(phases((joint(JOINT), joint(MARGINAL), joint(CONDITIONAL)), (1.0, 1.0, 1.0)), 10).task
    assert tasks.tolist() == sorted(tasks.tolist()) and set(tasks.tolist()) == {0, 1, 2}


def test_equal_tasks_of_several_phases_are_shared_and_still_found() -> None:
    scheduler = phases((joint(MARGINAL), weighted((JOINT, MARGINAL), (0.0, 1.0))), (1.0, 1.0))
    assert scheduler.tasks == (MARGINAL, JOINT)
    assert (all_draws(scheduler, 100).task == 0).all()


def test_phases_of_one_kind_draw_different_maps() -> None:
    keys = all_draws(phases((joint(MARGINAL), joint(MARGINAL)), (1.0, 1.0)), 40).key
    assert len({tuple(key) for key in keys.tolist()}) == 40


def test_the_paper_draws_marginals_then_one_joint_task_in_ten() -> None:
    steps, half = 40_000, 20_000
    scheduler = paper(joint=JOINT, marginal=MARGINAL)
    drawn = all_draws(scheduler, steps)
    names = np.array([task.name for task in scheduler.tasks])[drawn.task]
    assert (names[:half] == "marginal").all()
    assert_shares((names[half::20] == "marginal").astype(int), (0.1, 0.9))
    assert not same_key(drawn)[19::20].any() and same_key(drawn).sum() == steps - steps // 20


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_ends_of_the_joint_share_are_exact(share: float) -> None:
    scheduler = paper(joint_share=share, inner_steps=1, joint=JOINT, marginal=MARGINAL)
    second_half = all_draws(scheduler, 4000).task[2000:]
    assert (second_half == scheduler.tasks.index(JOINT)).mean() == share


def told(scheduler: Bandit, memory: Memory, *losses: float | None, steps: int = 10) -> Memory:
    """The memory after a chunk in which every task had its loss, or was not trained."""
    tasks = jnp.repeat(jnp.arange(len(losses)), steps)
    values = jnp.repeat(jnp.array([jnp.nan if loss is None else loss for loss in losses]), steps)
    return jax.jit(scheduler.learn)(memory, tasks, values, jnp.isfinite(values))


def test_a_bandit_begins_like_uniform_and_follows_progress() -> None:
    scheduler = bandit(TASKS, inner_steps=1, exploration=0.3, forgetting=0.5)
    np.testing.assert_allclose(scheduler.probabilities(scheduler.begin()), 1 / 3)
    memory = told(scheduler, scheduler.begin(), 5.0, 7.0, None)
    np.testing.assert_allclose(scheduler.probabilities(memory), 1 / 3)  # one loss is no progress yet
    memory = told(scheduler, memory, 5.0, 4.0, 2.0)
    np.testing.assert_allclose(memory.progress, [0.0, 0.15, 0.0], rtol=1e-5)  # half of 3 nats in 10 steps
    np.testing.assert_allclose(scheduler.probabilities(memory), [0.1, 0.8, 0.1], rtol=1e-5)
    memory = told(scheduler, memory, 5.0, 4.0, 0.0)
    np.testing.assert_allclose(memory.progress, [0.0, 0.075, 0.1], rtol=1e-5)
    assert_shares(draws_with(scheduler, memory), (0.1, 0.1 + 0.7 * 3 / 7, 0.1 + 0.7 * 4 / 7))


def draws_with(scheduler: Bandit, memory: Memory) -> np.ndarray:
    draw = jax.jit(jax.vmap(lambda step: scheduler.draw_with(memory, jax.random.key(0), step, 9000)))
    return np.asarray(draw(jnp.arange(9000)).task)


def test_noise_is_no_progress() -> None:
    scheduler = bandit(TASKS, inner_steps=1, forgetting=0.0)
    noisy = jnp.array([10.0, -10.0] * 50)
    tasks, learnt = jnp.zeros(100, int), jnp.ones(100, bool)
    before = scheduler.learn(scheduler.begin(), tasks, noisy, learnt)
    # The mean falls by half of what chance explains: two errors of 10 / sqrt(99) each.
    after = scheduler.learn(before, tasks, noisy - 0.7, learnt)
    assert float(after.progress[0]) == 0.0
    assert float(scheduler.learn(before, tasks, noisy - 3.0, learnt).progress[0]) > 0.0


def losses_of_maps(steps: int, inner_steps: int, maps: float, seed: int) -> jax.Array:
    """Losses of a task that learns nothing: noise of variance 1, and that of each random map."""
    random = np.random.default_rng(seed)
    return jnp.array(random.normal(size=steps) + maps * np.repeat(random.normal(size=steps), inner_steps)[:steps])


def memories(scheduler: Bandit, losses: jax.Array, chunk: int) -> Memory:
    """What is known of the only task after every chunk of that many steps."""

    def learn(memory: Memory, losses: jax.Array) -> tuple[Memory, Memory]:
        after = scheduler.learn(memory, jnp.zeros(chunk, int), losses, jnp.ones(chunk, bool))
        return after, after

    return jax.tree.map(np.asarray, jax.lax.scan(learn, scheduler.begin(), losses.reshape(-1, chunk))[1])


@pytest.mark.parametrize(("chunk", "inner_steps", "maps"), [(100, 1, 0.0), (100, 5, 0.0), (100, 5, 2.0), (60, 20, 1.0)])
def test_errors_of_losses_are_the_spread_of_repeated_ones(chunk: int, inner_steps: int, maps: float) -> None:
    """From `n` chunks a spread is known to `1 / sqrt(2 n)`, and so is an error that comes from three visits or more."""
    count = 1000
    known = memories(
        bandit((JOINT,), inner_steps=inner_steps), losses_of_maps(count * chunk, inner_steps, maps, 0), chunk
    )
    spread, error = known.loss.std(ddof=1), np.sqrt((known.error**2).mean())
    assert error == pytest.approx(spread, rel=4 * np.sqrt(2 / (2 * count)))


@pytest.mark.parametrize("chunk", [1, 3, 5, 7])
def test_a_single_visit_has_no_error_and_waits_for_another_one(chunk: int) -> None:
    scheduler, losses = bandit((JOINT, MARGINAL), inner_steps=5), losses_of_maps(105, 5, 3.0, seed=1)
    learn, memory = jax.jit(scheduler.learn), scheduler.begin()
    for first in range(0, 105, chunk):
        before, part = memory, losses[first : first + chunk]
        memory = learn(memory, jnp.zeros(chunk, int), part, jnp.ones(chunk, bool))
        assert not bool(memory.known[1]) and int(memory.step) == first + chunk
        if first + chunk <= 5:
            assert not bool(memory.known[0]) and float(memory.waiting[0]) == first + chunk
            continue
        if not bool(before.known[0]):
            # What came of both visits so far, by hand.
            one, other = float(losses[:5].mean()), float(losses[5 : first + chunk].mean())
            assert float(memory.loss[0]) == pytest.approx((one + other) / 2, rel=1e-4)
            assert float(memory.error[0]) == pytest.approx(abs(one - other) / 2, rel=1e-4)
            break
    assert bool(memory.known[0]) and float(memory.waiting[0]) == 0.0


@pytest.mark.parametrize(("chunk", "inner_steps", "maps"), [(1, 1, 0.0), (2, 5, 1.0), (100, 20, 2.0)])
def test_a_task_that_learns_nothing_seldom_makes_progress(chunk: int, inner_steps: int, maps: float) -> None:
    """By more than one error the loss falls in 16 % of cases, and in 21 % where each error is that of two visits."""
    scheduler = bandit((JOINT,), inner_steps=inner_steps, forgetting=0.0)
    known = memories(scheduler, losses_of_maps(800 * chunk, inner_steps, maps, seed=2), chunk)
    fallen = (known.progress > 0)[1:][known.known[:-1] & (known.waiting[1:] == 0)]
    assert len(fallen) > 100
    assert fallen.mean() < 0.21 + 4 * np.sqrt(0.21 * 0.79 / len(fallen))


def test_a_bandit_keeps_task_and_map_for_the_inner_steps() -> None:
    drawn = all_draws(bandit(TASKS, inner_steps=5), 100)
    assert same_key(drawn).sum() == 80 and not same_key(drawn)[4::5].any()


@pytest.mark.parametrize("wrapped", [bi_level, lambda one: phases((one,), (1.0,))])
def test_what_learns_cannot_be_wrapped(wrapped: Callable[[Any], object]) -> None:
    with pytest.raises(ValueError, match="cannot pass on what Bandit learns"):
        wrapped(bandit(TASKS))


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: uniform(()), "`tasks` must name at least one task"),
        (lambda: weighted(TASKS, (1.0,)), "`weights` must be one number for each of the 3 tasks, got 1"),
        (lambda: weighted(TASKS, (1.0, -1.0, 1.0)), "`weights` must not be negative and not all zero"),
        (lambda: weighted(TASKS, (0.0, 0.0, 0.0)), "`weights` must not be negative and not all zero"),
        (lambda: weighted(TASKS, (1.0, float("nan"), 1.0)), "`weights` must not be negative and not all zero"),
        (lambda: bi_level(uniform(TASKS), 0), "`inner_steps` must be at least 1, got 0"),
        (lambda: phases(()), "`schedulers` must name at least one scheduler"),
        (lambda: phases((joint(JOINT),), (1.0, 1.0)), "one number for each of the 1 phases, got 2"),
        (lambda: phases((joint(JOINT),), (0.0,)), "`shares` must be above 0"),
        (lambda: bandit(()), "`tasks` must name at least one task"),
        (lambda: bandit(TASKS, 0), "`inner_steps` must be at least 1, got 0"),
        (lambda: bandit(TASKS, exploration=0.0), "`exploration` must be above 0 and at most 1, got 0"),
        (lambda: bandit(TASKS, forgetting=1.0), "`forgetting` must be from 0 and below 1, got 1"),
        (lambda: paper(inner_steps=0, joint=JOINT, marginal=MARGINAL), "`inner_steps` must be at least 1, got 0"),
        (lambda: paper(joint_share=1.5, joint=JOINT, marginal=MARGINAL), "`joint_share` must be from 0 to 1, got 1.5"),
    ],
)
def test_what_makes_no_sense_is_refused(build: Callable[[], object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        build()
