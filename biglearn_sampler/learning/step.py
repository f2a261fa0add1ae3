"""One training step, and the chunk of steps that runs between two meetings with the host."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key

from biglearn_sampler.learning.matching import Matching, TaskGradient
from biglearn_sampler.mixture import UnconstrainedMixture, constrain
from biglearn_sampler.tasks import AbstractLearningScheduler, AbstractScheduler, TaskDraw

FARTHEST, WIDEST = 100.0, 10.0
"""An update that moves or widens a component by so many widths of the region and of its own together is exploding."""

LARGEST_FALL = 20.0
"""Likewise one that makes it narrower by more than that, in its logarithm: a factor of 5e8."""


class TrainState(NamedTuple):
    """What is carried from step to step.

    Arguments:
        parameters: of the mixture, in the coordinates of training.
        optimizer_state: of the optimiser.
        step: number of steps done.
        memory: of a scheduler that learns.
    """

    parameters: UnconstrainedMixture
    optimizer_state: Any
    step: Int[Array, ""]
    memory: Any = ()


class TrainKeys(NamedTuple):
    """The sources of randomness of a training.

    Arguments:
        tasks: for the scheduler and the random maps.
        points: for the points and the conditions.
        reservoir: for the points that fill it.
    """

    tasks: Key[Array, ""]
    points: Key[Array, ""]
    reservoir: Key[Array, ""]

    @classmethod
    def of(cls, key: Key[Array, ""]) -> TrainKeys:
        """All from one key."""
        # Folded in, so that a training without a reservoir is what it was before there were any.
        return cls(*jax.random.split(key), reservoir=jax.random.fold_in(key, 2))


class StepInfo(NamedTuple):
    """What is reported of a step.

    Arguments:
        done: false for the padding of the last chunk, which does nothing.
        task: position of the task in the scheduler's tasks.
        loss: of the task; infinite where no point had any density.
        zero_density: points where the target's density was zero or not finite.
        rejected: whether the update was not finite or exploding and was left out, wholly or for the components
            concerned.
        skipped: whether the task's estimator could not be trusted, so that nothing was learnt.
    """

    done: Bool[Array, ""]
    task: Int[Array, ""]
    loss: Float[Array, ""]
    zero_density: Int[Array, ""]
    rejected: Bool[Array, ""]
    skipped: Bool[Array, ""]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Training:
    """All that stays the same during a training.

    Arguments:
        matchings: one for each task of the scheduler, in its order.
        scheduler: picks a task for every step.
        optimizer: any optax transformation.
        steps: length of the training.
        weights_from: the step from which weights are learnt; `steps` or more holds them for good.
    """

    matchings: tuple[Matching, ...]
    scheduler: AbstractScheduler = field(metadata={"static": True})
    optimizer: optax.GradientTransformation = field(metadata={"static": True})
    steps: int = field(metadata={"static": True})
    weights_from: int = field(metadata={"static": True})

    @property
    def task_names(self) -> tuple[str, ...]:
        """One name for each matching; tasks that share a name are told apart by a number."""
        names = [matching.task.name for matching in self.matchings]
        return tuple(
            name if names.count(name) == 1 else f"{name}_{names[: position + 1].count(name)}"
            for position, name in enumerate(names)
        )

    def begin(self, parameters: UnconstrainedMixture) -> TrainState:
        """The state before the first step."""
        memory = self.scheduler.begin() if isinstance(self.scheduler, AbstractLearningScheduler) else ()
        return TrainState(parameters, self.optimizer.init(parameters), jnp.zeros((), int), memory)

    def step(self, state: TrainState, drawn: TaskDraw, key: Key[Array, ""]) -> tuple[TrainState, StepInfo]:
        """One step on a drawn task: estimate its gradient, update. Pure; the same arguments give the same result.

        On an estimator that is not supported, or by an update that is not finite or is exploding, nothing changes but
        the count of steps.

        Arguments:
            state: before the step.
            drawn: what the scheduler decided.
            key: for the points and the conditions of this step.
        """
        learn_weights = (state.step >= self.weights_from).astype(state.parameters.means.dtype)
        dim = state.parameters.means.shape[-1]

        def branch(matching: Matching) -> TaskGradient:
            channel = matching.task.draw(drawn.key, drawn.progress, dim)
            return matching.gradient(state.parameters, channel, key, learn_weights)

        branches = [lambda _, matching=matching: branch(matching) for matching in self.matchings]
        told = jax.lax.switch(drawn.task, branches, None)
        updates, optimizer_state = self.optimizer.update(told.gradient, state.optimizer_state, state.parameters)
        updates = cast(UnconstrainedMixture, updates)
        # Noise or decay of an optimiser move weights that are held, though their gradient is zero.
        updates = updates._replace(logits=learn_weights * updates.logits)
        moved = cast(UnconstrainedMixture, optax.apply_updates(state.parameters, updates))
        proposed = (moved, optimizer_state)
        sound = _is_finite(moved) & ~_explodes(state.parameters, moved, self.matchings[0].scale)
        supported = jnp.stack([matching.estimator.is_supported() for matching in self.matchings])[drawn.task]
        parameters, optimizer_state = jax.tree.map(
            lambda new, old: jnp.where(sound & supported, new, old),
            proposed,
            (state.parameters, state.optimizer_state),
        )
        info = StepInfo(
            done=jnp.array(True),
            task=drawn.task,
            loss=told.loss,
            zero_density=jnp.where(supported, told.zero_density, 0),
            rejected=supported & ~(sound & _is_finite(told.gradient)),
            skipped=~supported,
        )
        return TrainState(parameters, optimizer_state, state.step + 1, state.memory), info

    def chunk(self, state: TrainState, keys: TrainKeys, length: int) -> tuple[TrainState, StepInfo]:
        """`length` steps in one compiled loop; beyond the last step of the training nothing is done.

        The decisions of the scheduler and the keys of all steps are drawn at once before the loop, where a thousand
        cost little more than one.
        """
        scheduler, steps = self.scheduler, state.step + jnp.arange(length)
        learns = isinstance(scheduler, AbstractLearningScheduler)
        draw = partial(scheduler.draw_with, state.memory) if learns else scheduler.draw
        drawn = jax.vmap(lambda step: draw(keys.tasks, step, self.steps))(steps)
        point_keys = jax.vmap(jax.random.fold_in, (None, 0))(keys.points, steps)

        def idle(state: TrainState) -> tuple[TrainState, StepInfo]:
            no = jnp.array(False)
            return state, StepInfo(no, jnp.zeros((), int), jnp.zeros(()), jnp.zeros((), int), no, no)

        def body(state: TrainState, given: tuple[TaskDraw, Key[Array, ""]]) -> tuple[TrainState, StepInfo]:
            return jax.lax.cond(state.step < self.steps, lambda s: self.step(s, *given), idle, state)

        state, info = jax.lax.scan(body, state, (drawn, point_keys))
        if learns:
            learnt = info.done & ~info.skipped & ~info.rejected & jnp.isfinite(info.loss)
            losses = jnp.where(learnt, info.loss, 0.0)
            state = state._replace(memory=scheduler.learn(state.memory, info.task, losses, learnt))
        return state, info


def _is_finite(parameters: optax.Params) -> Bool[Array, ""]:
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(parameters)]).all()


def _explodes(
    before: UnconstrainedMixture, after: UnconstrainedMixture, scale: Float[Array, " dim"]
) -> Bool[Array, ""]:
    """Whether a component goes or grows out of all proportion to itself and to the region, or shrinks to nothing."""
    old, new = constrain(before), constrain(after)
    reach = FARTHEST * scale.max() + WIDEST * jnp.linalg.norm(old.factors, axis=-1).max(-1)
    moved = jnp.abs(new.means - old.means).max(-1)
    grown = jnp.abs(new.factors - old.factors).max((-2, -1))
    fallen = (before.log_diagonals - after.log_diagonals).max(-1)
    return ~((moved <= reach) & (grown <= reach) & (fallen <= LARGEST_FALL)).all()
