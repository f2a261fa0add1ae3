"""Checks of a scheduler."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from biglearn_sampler.tasks import AbstractLearningScheduler, AbstractScheduler, TaskDraw
from biglearn_sampler.testing.fault import Fault, called
from biglearn_sampler.testing.repeat import expect_compiled_same, expect_same
from biglearn_sampler.testing.shared import shared

KEY = 32
LENGTHS = (1, 7, 500)
"""Steps of the runs that are drawn, very short ones among them."""

STEPS = (3, 499)
ROUNDING = 1e-5


def check_tasks(scheduler: AbstractScheduler) -> None:
    """`tasks` is a tuple of tasks, not empty, and the same every time: training compiles one branch for each."""
    tasks = called("the property `tasks`", getattr, scheduler, "tasks")
    if not isinstance(tasks, tuple) or not tasks:
        raise Fault(f"`tasks` must be a tuple of at least one task, got {tasks!r}")
    strange = [task for task in tasks if getattr(task, "kind", None) != "task"]
    if strange:
        raise Fault(f"`tasks` must hold tasks only, got {strange[0]!r}")
    if scheduler.tasks != tasks:
        raise Fault(f"`tasks` must be fixed, got {tasks!r} and then {scheduler.tasks!r}")


def check_draw(scheduler: AbstractScheduler) -> None:
    """`draw` gives a TaskDraw: a whole number, one typed key, and a real number."""
    drawn = _plain(scheduler)[0]
    kinds = {"task": np.integer, "key": jax.dtypes.prng_key, "progress": np.floating}
    for name, kind in kinds.items():
        value = called("a draw", getattr, drawn, name)
        shape, dtype = np.shape(value), getattr(value, "dtype", type(value))
        if shape != () or not jnp.issubdtype(dtype, kind):
            raise Fault(f"`{name}` of a draw must be one scalar of {kind.__name__}, got shape {shape} of {dtype}")


def check_pure(scheduler: AbstractScheduler) -> None:
    """The same key and step give the same draw, whatever was drawn before."""
    again = [_draw(scheduler, step) for step in reversed(STEPS)][::-1]
    for step, one, other in zip(STEPS, _plain(scheduler), again, strict=True):
        expect_same(f"a draw of step {step} with the same key, in another order of steps,", one, other)


def check_compiled(scheduler: AbstractScheduler) -> None:
    """Key, step and length of the run may be traced: one compiled step serves all of them, with the same result."""
    key, length = jax.random.key(KEY), jnp.asarray(LENGTHS[-1])
    arguments = [(key, jnp.asarray(step), length) for step in STEPS]
    calls = list(zip(arguments, _plain(scheduler), strict=True))
    expect_compiled_same("a draw", scheduler.draw, calls, ROUNDING)


def check_vectorised(scheduler: AbstractScheduler) -> None:
    """All steps of a run may be drawn at once, and are what they are one by one."""
    at_once = _runs(scheduler)[LENGTHS[-1]]
    for step, plain in zip(STEPS, _plain(scheduler), strict=True):
        batched = TaskDraw(*(leaf[step] for leaf in at_once))
        expect_same(f"a draw of step {step}, one by one and under jax.vmap,", plain, batched, tolerance=ROUNDING)


def check_indices(scheduler: AbstractScheduler) -> None:
    """`task` is a position in `tasks` at every step of runs of any length."""
    for length, drawn in _runs(scheduler).items():
        _expect_positions(scheduler, drawn, f"of {length}")


def check_progress(scheduler: AbstractScheduler) -> None:
    """`progress` is from 0 to 1 at every step of runs of any length."""
    for length, drawn in _runs(scheduler).items():
        _expect_progress(drawn, f"of {length}")


def check_memory(scheduler: AbstractScheduler) -> None:
    """What a scheduler that learns remembers keeps its shapes and stays finite, whatever the losses are.

    With it, draws are what they must be before anything was learnt.
    """
    if not isinstance(scheduler, AbstractLearningScheduler):
        return
    first, length = called("`begin`", scheduler.begin), LENGTHS[-1]
    tasks = jnp.arange(length) % len(scheduler.tasks)
    losses = jax.random.normal(jax.random.key(KEY), tasks.shape)
    learn, draw = jax.jit(scheduler.learn), jax.jit(jax.vmap(scheduler.draw_with, (None, None, 0, None)))
    for name, learnt in {"some": tasks == 0, "no": jnp.zeros_like(tasks, bool)}.items():
        after = called(f"`learn` from {name} steps", learn, first, tasks, jnp.where(learnt, losses, jnp.nan), learnt)
        before_shapes, after_shapes = (
            jax.tree.map(lambda leaf: (jnp.shape(leaf), jnp.result_type(leaf)), one) for one in (first, after)
        )
        if before_shapes != after_shapes:
            raise Fault(f"`learn` must give a memory like that of `begin`: {before_shapes}, got {after_shapes}")
        if not all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(after)):
            raise Fault(
                f"`learn` from {name} steps must give finite numbers, got {after}; losses of other steps are void"
            )
        arguments = after, jax.random.key(KEY), jnp.arange(length), jnp.asarray(length)
        drawn = called(f"`draw_with` what was learnt from {name} steps", draw, *arguments)
        _expect_positions(scheduler, drawn, f"of {length}, with what was learnt from {name} steps")
        _expect_progress(drawn, f"of {length}, with what was learnt from {name} steps")


def _expect_positions(scheduler: AbstractScheduler, drawn: TaskDraw, where: str) -> None:
    indices = np.asarray(drawn.task)
    outside = (indices < 0) | (indices >= len(scheduler.tasks))
    if outside.any():
        step = int(np.argmax(outside))
        raise Fault(
            f"`task` must be a position from 0 to {len(scheduler.tasks) - 1}, got {indices[step]} at step {step} "
            f"{where}. Compiled code would take the nearest task without a word"
        )


def _expect_progress(drawn: TaskDraw, where: str) -> None:
    progress = np.asarray(drawn.progress)
    outside = ~((progress >= 0) & (progress <= 1))
    if outside.any():
        step = int(np.argmax(outside))
        raise Fault(f"`progress` must be from 0 to 1, got {progress[step]} at step {step} {where}")


def _draw(scheduler: AbstractScheduler, step: int) -> TaskDraw:
    what = f"a draw of step {step} of {LENGTHS[-1]}"
    return called(what, scheduler.draw, jax.random.key(KEY), jnp.asarray(step), LENGTHS[-1])


@shared
def _plain(scheduler: AbstractScheduler) -> list[TaskDraw]:
    """Draws of a few steps, one by one and not compiled."""
    return [_draw(scheduler, step) for step in STEPS]


@shared
def _runs(scheduler: AbstractScheduler) -> dict[int, TaskDraw]:
    """The draws of all steps of a run, by its length. Drawn at once, as in training."""
    draw = jax.jit(jax.vmap(scheduler.draw, (None, 0, None)))
    steps = jnp.arange(LENGTHS[-1])
    runs = {}
    for length in LENGTHS:
        drawn = called("a draw under jax.vmap over steps", draw, jax.random.key(KEY), steps, jnp.asarray(length))
        runs[length] = TaskDraw(*(leaf[:length] for leaf in drawn))
    return runs
