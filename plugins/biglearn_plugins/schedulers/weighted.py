"""Independent draws: the joint task only, all tasks alike, or with given probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key

from biglearn_sampler.catalogue import Entry, use
from biglearn_sampler.tasks import AbstractScheduler, Task, TaskDraw
from biglearn_sampler.tasks.task import progress_of

Tasks = Annotated[tuple[Task, ...], "the tasks to choose from"]
ALL_TRANSFORMED = (use("joint"), use("transformed_marginal"), use("transformed_conditional"))


@dataclass(frozen=True)
class Weighted(AbstractScheduler):
    """A task is drawn at every step, independently, with fixed probabilities.

    Arguments:
        choices: the tasks.
        probabilities: of the tasks, in the same order; they sum to one.
    """

    choices: tuple[Task, ...]
    probabilities: tuple[float, ...]

    @property
    def tasks(self) -> tuple[Task, ...]:
        return self.choices

    def draw(self, key: Key[Array, ""], step: Int[Array, ""], steps: Int[Array, ""] | int) -> TaskDraw:
        key_index, key_task = jax.random.split(jax.random.fold_in(key, step))
        bounds = jnp.cumsum(jnp.asarray(self.probabilities, float))[:-1]
        index = (jax.random.uniform(key_index) >= bounds).sum().astype(jnp.int32)
        return TaskDraw(index, key_task, progress_of(step, steps))


def joint(task: Annotated[Task, "the joint task"] = use("joint")) -> Weighted:
    """One task at every step; by default the joint one, the conventional way, which collapses."""
    return Weighted((task,), (1.0,))


def uniform(tasks: Tasks = ALL_TRANSFORMED) -> Weighted:
    """Every task with the same probability."""
    _check_tasks(tasks)
    return Weighted(tasks, (1.0 / len(tasks),) * len(tasks))


def weighted(
    tasks: Tasks = ALL_TRANSFORMED,
    weights: Annotated[tuple[float, ...], "relative frequencies, one for each task, not negative"] = (
        2.0,
        1.0,
        1.0,
    ),
) -> Weighted:
    """Every task with its own probability."""
    _check_tasks(tasks)
    if len(weights) != len(tasks):
        raise ValueError(f"`weights` must be one number for each of the {len(tasks)} tasks, got {len(weights)}")
    if min(weights) < 0 or not 0 < sum(weights) < float("inf"):
        raise ValueError(f"`weights` must not be negative and not all zero, got {weights}")
    return Weighted(tasks, tuple(weight / sum(weights) for weight in weights))


def _check_tasks(tasks: tuple[Task, ...]) -> None:
    if not tasks:
        raise ValueError("`tasks` must name at least one task")


ENTRIES = [
    Entry(name="joint", build=joint, summary="the joint task only: conventional reverse KL"),
    Entry(name="uniform", build=uniform, summary="every task with the same probability"),
    Entry(name="weighted", build=weighted, summary="every task with its own probability"),
]
