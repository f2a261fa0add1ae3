"""One scheduled training over many seeds at once, in one compiled program."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key

from biglearn_sampler.learning import Training, TrainState
from biglearn_sampler.mixture import UnconstrainedMixture, unconstrain
from biglearn_sampler.runs.plan import Plan
from biglearn_sampler.tasks import AbstractScheduler, TaskDraw


class Look(NamedTuple):
    """The trainings at some time.

    Arguments:
        step: steps done.
        parameters: of one mixture for each seed, in arrays with a leading axis.
        task_steps: steps on each task so far, the same for all seeds.
    """

    step: int
    parameters: UnconstrainedMixture
    task_steps: Int[np.ndarray, " tasks"]


class _Keys(NamedTuple):
    starts: Key[Array, " seeds"]
    maps: Key[Array, " seeds"]
    points: Key[Array, " seeds"]


def train_seeds(
    plan: Plan, training: Training, seeds: int, looks: int, scheduler: AbstractScheduler | None = None
) -> Iterator[Look]:
    """The trainings of the seeds 0 to `seeds - 1`, before the first step and after equal parts of all steps.

    Seeds have starts, maps and points of their own. The order of tasks is one for all, so that no seed has to wait for
    the task of another one; that is why a seed is not the run of that seed by itself.

    Arguments:
        plan: with the law of the starts, in raw coordinates.
        training: of the plan.
        seeds: how many.
        looks: how many parts.
        scheduler: with the same tasks as the training's, in its place; the compiled code is the same for all of them.
    """
    chosen, length = scheduler or training.scheduler, -(-training.steps // looks)
    keys = _Keys(*(jax.vmap(jax.random.key)(jnp.arange(seeds) + part * seeds) for part in range(3)))
    order, components = jax.random.key(3 * seeds), plan.settings.scheduled_components
    states = _begun(plan, training, keys.starts, components)
    counts = np.zeros(len(training.matchings), int)
    yield Look(0, states.parameters, counts)
    for first in range(0, training.steps, length):
        last = min(first + length, training.steps)
        draws = _drawn(chosen, order, jnp.arange(first, last), training.steps)
        states = _advanced(training, states, draws, keys, jnp.arange(first, last))
        counts = counts + np.bincount(np.asarray(draws.task), minlength=len(counts))
        yield Look(last, states.parameters, counts)


def _begun(plan: Plan, training: Training, keys: Key[Array, " seeds"], components: int) -> TrainState:
    def begin(key: Key[Array, ""]) -> TrainState:
        return training.begin(unconstrain(plan.start.mixture(key, components)))

    return jax.jit(jax.vmap(begin))(keys)


@partial(jax.jit, static_argnames=("scheduler", "total"))
def _drawn(scheduler: AbstractScheduler, key: Key[Array, ""], steps: Int[Array, " steps"], total: int) -> TaskDraw:
    return jax.vmap(lambda step: scheduler.draw(key, step, total))(steps)


@jax.jit
def _advanced(
    training: Training, states: TrainState, draws: TaskDraw, keys: _Keys, steps: Int[Array, " steps"]
) -> TrainState:
    """Some steps of all seeds."""

    def step(states: TrainState, given: tuple[TaskDraw, Int[Array, ""]]) -> tuple[TrainState, None]:
        shared, number = given

        def of_one_seed(state: TrainState, key_maps: Key[Array, ""], key_points: Key[Array, ""]) -> TrainState:
            # What is the same as long as the shared key is the same: bi-level learning on a map of one's own.
            own = jax.random.fold_in(key_maps, jax.random.bits(shared.key))
            return training.step(state, shared._replace(key=own), jax.random.fold_in(key_points, number))[0]

        return jax.vmap(of_one_seed)(states, keys.maps, keys.points), None

    return jax.lax.scan(step, states, (draws, steps))[0]
