"""The interface of a scheduler: which task to work on at which step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

from jaxtyping import Array, Float, Int, Key

from biglearn_sampler.tasks.task import Task


class TaskDraw(NamedTuple):
    """What a scheduler decides for one step.

    Arguments:
        task: position of the task in the scheduler's `tasks`.
        key: for the random map of the task. Steps that share it work on the same map (bi-level learning).
        progress: how much of the present phase is done, from 0 to 1.
    """

    task: Int[Array, ""]
    key: Key[Array, ""]
    progress: Float[Array, ""]


class AbstractScheduler(ABC):
    """A rule that picks a task for every step (`rho(S, T)` in eq. 6 of the paper).

    `draw` runs inside compiled code: it is pure in its arguments and made of jax operations.
    """

    kind: ClassVar[str] = "scheduler"

    @property
    @abstractmethod
    def tasks(self) -> tuple[Task, ...]:
        """All tasks that may be drawn; fixed, so that the training step compiles once."""

    @abstractmethod
    def draw(self, key: Key[Array, ""], step: Int[Array, ""], steps: Int[Array, ""] | int) -> TaskDraw:
        """The task of one step.

        Arguments:
            key: one key for the whole run; fold the step in.
            step: from 0.
            steps: length of the run or of the phase that this scheduler rules.
        """
