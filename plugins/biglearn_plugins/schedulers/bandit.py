"""Which task to train next, learnt from the progress that each has made: the open question of the paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from biglearn_plugins.schedulers.weighted import ALL_TRANSFORMED, Tasks
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.tasks import AbstractLearningScheduler, Task, TaskDraw
from biglearn_sampler.tasks.task import progress_of

TINY = 1e-12


class Memory(NamedTuple):
    """What the bandit knows of every task.

    Arguments:
        progress: fall of the loss for each step on the task, in nats, averaged over past chunks.
        loss: when the task was trained last.
        error: standard error of that loss.
        known: whether the task was trained at all.
    """

    progress: Float[Array, " tasks"]
    loss: Float[Array, " tasks"]
    error: Float[Array, " tasks"]
    known: Bool[Array, " tasks"]


@dataclass(frozen=True)
class Bandit(AbstractLearningScheduler):
    """Tasks whose loss falls are drawn more often.

    The progress of a task over a chunk is the fall of its mean loss since it was trained before, less one standard
    error, if positive, divided by its steps. A task is drawn in proportion to its average progress, but for a share of
    draws in which all are alike.

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
        nothing = jnp.zeros(len(self.choices))
        return Memory(nothing, nothing, nothing, jnp.zeros(len(self.choices), bool))

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
        mine = (tasks == jnp.arange(len(self.choices))[:, None]) & learnt
        count = mine.sum(1)
        loss = jnp.where(mine, losses, 0.0).sum(1) / jnp.maximum(count, 1)
        squares = jnp.where(mine, jnp.square(losses - loss[:, None]), 0.0).sum(1)
        error = jnp.sqrt(squares) / jnp.maximum(count, 1)
        fall = jnp.maximum(memory.loss - loss - jnp.hypot(error, memory.error), 0.0) / jnp.maximum(count, 1)
        trained, compared = count > 0, (count > 0) & memory.known
        averaged = self.forgetting * memory.progress + (1.0 - self.forgetting) * fall
        return Memory(
            progress=jnp.where(compared, averaged, memory.progress),
            loss=jnp.where(trained, loss, memory.loss),
            error=jnp.where(trained, error, memory.error),
            known=memory.known | trained,
        )


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
