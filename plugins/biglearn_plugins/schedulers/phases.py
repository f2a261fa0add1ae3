"""One scheduler after another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key

from biglearn_sampler.catalogue import Entry, use
from biglearn_sampler.tasks import AbstractScheduler, Task, TaskDraw
from biglearn_sampler.tasks.scheduler import check_no_learning


@dataclass(frozen=True)
class Phases(AbstractScheduler):
    """Each scheduler rules its share of the run; its own progress runs from 0 to 1.

    Arguments:
        schedulers: in their order.
        shares: parts of the run, in the same order; they sum to one.
    """

    schedulers: tuple[AbstractScheduler, ...]
    shares: tuple[float, ...]

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Equal tasks of several phases are one task, compiled once."""
        return tuple(dict.fromkeys(task for scheduler in self.schedulers for task in scheduler.tasks))

    def draw(self, key: Key[Array, ""], step: Int[Array, ""], steps: Int[Array, ""] | int) -> TaskDraw:
        ends = jnp.round(jnp.cumsum(jnp.asarray(self.shares, float)) * steps).astype(jnp.int32)
        begins = jnp.concatenate([jnp.zeros(1, jnp.int32), ends[:-1]])
        phase = jnp.minimum((step >= ends).sum(), len(self.schedulers) - 1)
        tasks = self.tasks

        def within(number: int) -> TaskDraw:
            inner_key = jax.random.fold_in(key, number)
            length = jnp.maximum(ends[number] - begins[number], 1)
            drawn = self.schedulers[number].draw(inner_key, step - begins[number], length)
            positions = jnp.array([tasks.index(task) for task in self.schedulers[number].tasks])
            return drawn._replace(task=positions[drawn.task])

        branches = [lambda _, number=number: within(number) for number in range(len(self.schedulers))]
        return jax.lax.switch(phase, branches, None)


def phases(
    schedulers: Annotated[tuple[AbstractScheduler, ...], "the schedulers, first one first"] = (
        use("uniform"),
        use("joint"),
    ),
    shares: Annotated[tuple[float, ...], "relative lengths of the phases, one for each, above 0"] = (
        1.0,
        1.0,
    ),
) -> Phases:
    """One scheduler after another."""
    if not schedulers:
        raise ValueError("`schedulers` must name at least one scheduler")
    check_no_learning(schedulers, "phases")
    if len(shares) != len(schedulers):
        raise ValueError(f"`shares` must be one number for each of the {len(schedulers)} phases, got {len(shares)}")
    if not all(0 < share < float("inf") for share in shares):
        raise ValueError(f"`shares` must be above 0, got {shares}")
    return Phases(schedulers, tuple(share / sum(shares) for share in shares))


ENTRIES = [Entry(name="phases", build=phases, summary="one scheduler after another")]
