"""The interface of a scheduler: which task to work on at which step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

from jaxtyping import Array, Bool, Float, Int, Key

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


class AbstractLearningScheduler(AbstractScheduler):
    """A scheduler that learns from what became of its tasks.

    It carries a memory, any tree of arrays of fixed shapes. The memory changes between chunks of steps, so that the
    course of a training depends on `training.chunk`. Other schedulers cannot wrap it: they would not pass the memory
    on.
    """

    @abstractmethod
    def begin(self) -> Any:
        """The memory before the first step."""

    @abstractmethod
    def draw_with(
        self, memory: Any, key: Key[Array, ""], step: Int[Array, ""], steps: Int[Array, ""] | int
    ) -> TaskDraw:
        """The task of one step; as `draw`, with a memory."""

    @abstractmethod
    def learn(
        self, memory: Any, tasks: Int[Array, " steps"], losses: Float[Array, " steps"], learnt: Bool[Array, " steps"]
    ) -> Any:
        """The memory after a chunk.

        Arguments:
            memory: before it.
            tasks: position of the task of every step.
            losses: of these tasks in nats. Of joint, marginal and noised tasks each is a KL divergence up to a
                constant. That of a conditional task has `-E log q(y_S)` too, over its conditions, and where these are
                the sampler's it changes with whatever moves the sampler.
            learnt: steps that changed the sampler and know their loss; what is said of the others is void.
        """

    def draw(self, key: Key[Array, ""], step: Int[Array, ""], steps: Int[Array, ""] | int) -> TaskDraw:
        """The task of one step while nothing was learnt."""
        return self.draw_with(self.begin(), key, step, steps)


def check_no_learning(schedulers: tuple[AbstractScheduler, ...], wrapper: str) -> None:
    """See that no scheduler to be wrapped learns.

    Raises:
        ValueError: one does.
    """
    for scheduler in schedulers:
        if isinstance(scheduler, AbstractLearningScheduler):
            raise ValueError(
                f"`{wrapper}` cannot pass on what {type(scheduler).__name__} learns; use that one by itself, with its "
                "own parameters"
            )
