"""Bi-level learning: several steps on one task before the next is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from jaxtyping import Array, Int, Key

from biglearn_sampler.catalogue import Entry, use
from biglearn_sampler.tasks import AbstractScheduler, Task, TaskDraw
from biglearn_sampler.tasks.scheduler import check_no_learning


@dataclass(frozen=True)
class BiLevel(AbstractScheduler):
    """Any scheduler, with `inner_steps` steps on each drawn task and its random map.

    Arguments:
        scheduler: draws the tasks.
        inner_steps: steps on each.
    """

    scheduler: AbstractScheduler
    inner_steps: int

    @property
    def tasks(self) -> tuple[Task, ...]:
        return self.scheduler.tasks

    def draw(self, key: Key[Array, ""], step: Int[Array, ""], steps: Int[Array, ""] | int) -> TaskDraw:
        draws = (steps + self.inner_steps - 1) // self.inner_steps  # the last one may be cut short
        return self.scheduler.draw(key, step // self.inner_steps, draws)


def bi_level(
    scheduler: Annotated[AbstractScheduler, "draws the tasks"] = use("uniform"),
    inner_steps: Annotated[int, "steps on each drawn task, at least 1"] = 20,
) -> BiLevel:
    """Several steps on one task and one random map before the next is drawn."""
    if inner_steps < 1:
        raise ValueError(f"`inner_steps` must be at least 1, got {inner_steps}")
    check_no_learning((scheduler,), "bi_level")
    return BiLevel(scheduler, inner_steps)


ENTRIES = [
    Entry(
        name="bi_level",
        build=bi_level,
        summary="several steps on one task before the next is drawn",
        reference="Anonymous (2024), Big Cooperative Learning to Conquer Local Optima (Fig. 5)",
    )
]
