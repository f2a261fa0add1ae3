"""A scheduler: two tasks in turns."""

from dataclasses import dataclass
from typing import Annotated

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key

import biglearn_sampler as bl


@dataclass(frozen=True)
class Turns(bl.AbstractScheduler):
    """The first task, and in every `period`-th step the second one."""

    first: bl.Task
    second: bl.Task
    period: int

    @property
    def tasks(self) -> tuple[bl.Task, ...]:
        return (self.first, self.second)

    # Runs inside compiled code: decide with jax operations, not with `if`.
    def draw(self, key: Key[Array, ""], step: Int[Array, ""], steps: Int[Array, ""] | int) -> bl.TaskDraw:
        return bl.TaskDraw(
            task=jnp.where((step + 1) % self.period == 0, 1, 0),
            key=jax.random.fold_in(key, step),
            progress=jnp.asarray(step, float) / jnp.maximum(steps, 1),
        )


# A default made by `use` names another entry; users can put any entry of that kind in its place.
def my_scheduler(
    first: Annotated[bl.Task, "task of most steps"] = bl.use("joint"),
    second: Annotated[bl.Task, "task of every `period`-th step"] = bl.use("conditional"),
    period: Annotated[int, "steps from one turn of the second task to the next, at least 2"] = 4,
) -> bl.AbstractScheduler:
    """Two tasks in turns."""
    if period < 2:
        raise ValueError(f"period must be at least 2, got {period}")
    return Turns(first, second, period)
