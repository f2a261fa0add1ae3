"""Which task to train next, learnt from the progress that each has made: the open question of the paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, Shaped

from biglearn_plugins.schedulers.weighted import ALL_TRANSFORMED, Tasks
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.tasks import AbstractLearningScheduler, Task, TaskDraw
from biglearn_sampler.tasks.task import progress_of

TINY = 1e-12


class Memory(NamedTuple):
    """What the bandit knows of every task.

    Arguments:
        progress: fall of the loss for each step on the task, in nats, averaged over past chunks.
        loss: when it was known last.
        error: standard error of that loss.
        known: whether there is one.
        waiting: steps of a visit that waits for another one, since it tells no error by itself.
        waiting_loss: sum of its losses.
        waiting_visit: its number from the first step of the training on.
        step: steps that were told of, of all tasks.
    """

    progress: Float[Array, " tasks"]
    loss: Float[Array, " tasks"]
    error: Float[Array, " tasks"]
    known: Bool[Array, " tasks"]
    waiting: Float[Array, " tasks"]
    waiting_loss: Float[Array, " tasks"]
    waiting_visit: Int[Array, " tasks"]
    step: Int[Array, ""]


class Visits(NamedTuple):
    """Steps in a row on one task and one random map: what waited, and those of a chunk.

    Arguments:
        steps: that changed the sampler; mostly 0, as each visit is to one task.
        losses: their sum over these steps.
        numbers: from the first step of the training on.
    """

    steps: Float[Array, "tasks visits"]
    losses: Float[Array, "tasks visits"]
    numbers: Int[Array, "tasks visits"]


@dataclass(frozen=True)
class Bandit(AbstractLearningScheduler):
    """Tasks whose loss falls are drawn more often.

    The progress of a task over a chunk is the fall of its mean loss since it was known before, less one standard error,
    if positive, divided by its steps. Losses under one map share what is special to it, so that each of the `V` visits
    counts as one, by the mean `m_v` over its steps:

        loss = sum_v m_v / V,   error^2 = sum_v (m_v - loss)^2 / (V (V - 1)).

    A task that was visited once tells no error; it waits for another visit, and both are looked at together. A task is
    drawn in proportion to its average progress, but for a share of draws in which all are alike.

    The loss of a conditional task falls also where its divergence does not: it has `-E log q(y_S)` of conditions that
    come from the sampler, so that what other tasks achieve counts as its own progress.

    Arguments:
        choices: the tasks.
        inner_steps: steps on each drawn task and its random map.
        exploration: share of draws in which all tasks are alike.
        forgetting: what the average progress counts for after another chunk.
    """

    choices: tuple[Task, ...]
    inner_steps: int
    exploration: float
    forgetting: float

    @property
    def tasks(self) -> tuple[Task, ...]:
        return self.choices

    def begin(self) -> Memory:
        nothing, none = jnp.zeros(len(self.choices)), jnp.zeros(len(self.choices), int)
        return Memory(nothing, nothing, nothing, none > 0, nothing, nothing, none, jnp.zeros((), int))

    def probabilities(self, memory: Memory) -> Float[Array, " tasks"]:
        """Of all tasks now; alike while none has made progress."""
        count = len(self.choices)
        total = memory.progress.sum()
        learnt = jnp.where(total > TINY, memory.progress / (total + TINY), 1.0 / count)
        return self.exploration / count + (1.0 - self.exploration) * learnt

    def draw_with(
        self, memory: Memory, key: Key[Array, ""], step: Int[Array, ""], steps: Int[Array, ""] | int
    ) -> TaskDraw:
        key_index, key_task = jax.random.split(jax.random.fold_in(key, step // self.inner_steps))
        bounds = jnp.cumsum(self.probabilities(memory))[:-1]
        index = (jax.random.uniform(key_index) >= bounds).sum().astype(jnp.int32)
        return TaskDraw(index, key_task, progress_of(step, steps))

    def learn(
        self, memory: Memory, tasks: Int[Array, " steps"], losses: Float[Array, " steps"], learnt: Bool[Array, " steps"]
    ) -> Memory:
        visits = self._visits(memory, tasks, losses, learnt)
        loss, error, told = _mean_of(visits)
        count = visits.steps.sum(1)
        fall = jnp.maximum(memory.loss - loss - jnp.hypot(error, memory.error), 0.0) / jnp.maximum(count, 1)
        averaged = self.forgetting * memory.progress + (1.0 - self.forgetting) * fall
        last = jnp.argmax(visits.steps > 0, axis=1, keepdims=True)
        return Memory(
            progress=jnp.where(told & memory.known, averaged, memory.progress),
            loss=jnp.where(told, loss, memory.loss),
            error=jnp.where(told, error, memory.error),
            known=memory.known | told,
            waiting=jnp.where(told, 0.0, count),
            waiting_loss=jnp.where(told, 0.0, visits.losses.sum(1)),
            waiting_visit=jnp.take_along_axis(visits.numbers, last, axis=1)[:, 0],
            step=memory.step + len(tasks),
        )

    def _visits(
        self, memory: Memory, tasks: Int[Array, " steps"], losses: Float[Array, " steps"], learnt: Bool[Array, " steps"]
    ) -> Visits:
        """All visits of every task; one that waited is the first, unless the chunk goes on with it."""
        first, done = memory.step // self.inner_steps, memory.step % self.inner_steps
        most = (len(tasks) + self.inner_steps - 2) // self.inner_steps + 1
        mine = (tasks == jnp.arange(len(self.choices))[:, None]) & learnt
        goes_on = memory.waiting_visit == first

        def by_visit(
            values: Shaped[Array, "tasks steps"], waiting: Float[Array, " tasks"]
        ) -> Float[Array, "tasks visits"]:
            # Whole visits as rows, summed in a fixed order: scattered sums differ from run to run on a GPU.
            room = jnp.zeros((len(values), most * self.inner_steps), waiting.dtype)
            placed = jax.lax.dynamic_update_slice(room, values.astype(waiting.dtype), (0, done))
            sums = placed.reshape(len(values), most, self.inner_steps).sum(2)
            sums = sums.at[:, 0].add(jnp.where(goes_on, waiting, 0.0))
            return jnp.concatenate([jnp.where(goes_on, 0.0, waiting)[:, None], sums], axis=1)

        numbers = jnp.broadcast_to(first + jnp.arange(most, dtype=first.dtype), (len(mine), most))
        return Visits(
            steps=by_visit(mine, memory.waiting),
            losses=by_visit(jnp.where(mine, losses, 0.0), memory.waiting_loss),
            numbers=jnp.concatenate([memory.waiting_visit[:, None], numbers], axis=1),
        )


def _mean_of(visits: Visits) -> tuple[Float[Array, " tasks"], Float[Array, " tasks"], Bool[Array, " tasks"]]:
    """The mean loss of each task, its standard error, and whether there are two visits to tell it from."""
    made = visits.steps > 0
    means, number = visits.losses / jnp.maximum(visits.steps, 1), made.sum(1)
    loss = means.sum(1) / jnp.maximum(number, 1)
    squares = jnp.where(made, jnp.square(means - loss[:, None]), 0.0).sum(1)
    return loss, jnp.sqrt(squares / jnp.maximum(number * (number - 1), 1)), number > 1


def bandit(
    tasks: Tasks = ALL_TRANSFORMED,
    inner_steps: Annotated[int, "steps on each drawn task, at least 1"] = 5,
    exploration: Annotated[float, "share of draws in which all tasks are alike, above 0, at most 1"] = 0.3,
    forgetting: Annotated[float, "what past progress counts for after a chunk, from 0, below 1"] = 0.7,
) -> Bandit:
    """Tasks whose loss falls are drawn more often."""
    if not tasks:
        raise ValueError("`tasks` must name at least one task")
    if inner_steps < 1:
        raise ValueError(f"`inner_steps` must be at least 1, got {inner_steps}")
    if not 0 < exploration <= 1:
        raise ValueError(f"`exploration` must be above 0 and at most 1, got {exploration}")
    if not 0 <= forgetting < 1:
        raise ValueError(f"`forgetting` must be from 0 and below 1, got {forgetting}")
    return Bandit(tasks, inner_steps, exploration, forgetting)


ENTRIES = [
    Entry(
        name="bandit",
        build=bandit,
        summary="learns which tasks make progress, and draws them more often",
        reference="after Graves, Bellemare, Menick, Munos, Kavukcuoglu (2017), Automated curriculum learning for "
        "neural networks (learning progress as the reward)",
    )
]
