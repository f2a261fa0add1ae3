"""What to match next: the scheduler's draws, put together to visits of a few steps on one task and map."""

from __future__ import annotations

from functools import lru_cache, partial
from itertools import groupby
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from biglearn_sampler.errors import DataError
from biglearn_sampler.tasks import AbstractLearningScheduler, AbstractScheduler, AbstractTransformation, Task, TaskDraw


class Visit(NamedTuple):
    """Steps in a row on one task and one map: bi-level learning.

    Arguments:
        task: position of the task in the scheduler's `tasks`.
        matrix: `W` of the view `y = W x`; `None` for all coordinates, under any map, since EM is the same under all.
        steps: how many.
    """

    task: int
    matrix: Float[np.ndarray, "rows dim"] | None
    steps: int


def check_tasks(scheduler: AbstractScheduler, dim: int) -> None:
    """See that every task of a scheduler has a closed EM step.

    Raises:
        DataError: one has not.
    """
    for task in scheduler.tasks:
        if task.given_rows(dim) > 0 or task.transformation.noisy:
            raise DataError(
                f"task '{task.name}' has no EM step in closed form; data are matched by joint and marginal tasks under "
                "maps without noise"
            )


def visits(
    scheduler: AbstractScheduler, memory: Any, key: Key[Array, ""], first: int, count: int, total: int, dim: int
) -> list[Visit]:
    """The visits of some steps.

    Arguments:
        scheduler: draws the tasks.
        memory: of a scheduler that learns; otherwise `None`.
        key: one for the whole fit.
        first, count: the steps, from `first` on.
        total: steps of the whole fit.
        dim: number of coordinates.
    """
    drawn = _draws(scheduler, memory, key, jnp.arange(count) + first, jnp.asarray(total))
    tasks, keys, progress = np.asarray(drawn.task), np.asarray(drawn.key), np.asarray(drawn.progress)
    starts = groupby(range(count), lambda step: (int(tasks[step]), keys[step].tobytes()))
    runs = [list(steps) for _, steps in starts]
    return [
        Visit(
            int(tasks[run[0]]), _matrix(scheduler.tasks[tasks[run[0]]], keys[run[0]], progress[run[0]], dim), len(run)
        )
        for run in runs
    ]


def _matrix(task: Task, key: np.ndarray, progress: Any, dim: int) -> np.ndarray | None:
    rows = task.rows(dim)
    if rows == dim:
        return None
    return np.asarray(_map(task.transformation, dim)(key, jnp.asarray(progress)), float)[:rows]


@lru_cache(maxsize=64)
def _map(transformation: AbstractTransformation, dim: int) -> Any:
    """Draws the matrix of one map; compiled once for all tasks that share the transformation."""
    return jax.jit(lambda key, progress: transformation.draw(jax.random.wrap_key_data(key), progress, dim).matrix)


@partial(jax.jit, static_argnames=("scheduler",))
def _draws(
    scheduler: AbstractScheduler,
    memory: Any,
    key: Key[Array, ""],
    steps: Int[Array, " count"],
    total: Int[Array, ""],
) -> TaskDraw:
    """What the scheduler decides for some steps, with the keys as numbers."""

    def one(step: Int[Array, ""]) -> TaskDraw:
        if isinstance(scheduler, AbstractLearningScheduler):
            drawn = scheduler.draw_with(memory, key, step, total)
        else:
            drawn = scheduler.draw(key, step, total)
        return drawn._replace(key=jax.random.key_data(drawn.key))

    return jax.vmap(one)(steps)
