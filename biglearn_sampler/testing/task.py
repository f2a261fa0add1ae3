"""Checks of a task."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from biglearn_sampler.mixture import Channel
from biglearn_sampler.tasks import Task
from biglearn_sampler.testing.fault import Fault, called
from biglearn_sampler.testing.repeat import expect_compiled_same
from biglearn_sampler.testing.shared import shared
from biglearn_sampler.testing.transformation import ORTHOGONAL, dimensions_of, ends_of, in_largest_dimension

KEY = 31


def check_rows(task: Task) -> None:
    """In every dimension a task looks at 1 to `dim` rows, and conditions on fewer than those."""
    if not isinstance(task.name, str) or not task.name:
        raise Fault(f"a task needs a name, under which losses are recorded; got {task.name!r}")
    for dim in dimensions_of(task.transformation):
        rows, given = task.rows(dim), task.given_rows(dim)
        if not (1 <= rows <= dim and 0 <= given < rows):
            raise Fault(
                f"in dimension {dim} the task looks at {rows} rows and conditions on {given}; expected 1 to {dim} "
                "rows, and fewer that are conditioned on"
            )


def check_channel(task: Task) -> None:
    """A drawn channel has as many rows as the task says, orthonormal, and noise only if its transformation is noisy."""
    for dim, channel in _channels(task).items():
        shapes = (np.shape(channel.matrix), np.shape(channel.offset), np.shape(channel.noise))
        expected = ((task.rows(dim), dim), (task.rows(dim),), ())
        if shapes != expected:
            raise Fault(f"a channel in dimension {dim} must have shapes {expected}, got {shapes}")
        matrix, noise = np.asarray(channel.matrix), float(channel.noise)
        if not np.allclose(matrix @ matrix.T, np.eye(len(matrix)), atol=ORTHOGONAL):
            raise Fault(f"the rows of a channel must be orthonormal; in dimension {dim} they are {matrix.tolist()}")
        if not noise >= 0 or (noise > 0 and not task.transformation.noisy):
            raise Fault(
                f"a channel has noise {noise:.4g}, and the transformation says noisy={task.transformation.noisy}"
            )


def check_integral(task: Task) -> None:
    """`needs_integral` is true where the energy at a point is not enough: with noise, or with fewer rows than `dim`."""
    for dim in dimensions_of(task.transformation):
        expected = task.rows(dim) < dim or task.transformation.noisy
        if expected and not task.needs_integral(dim):
            raise Fault(
                f"needs_integral({dim}) must be True for {task.rows(dim)} rows and noisy={task.transformation.noisy}, "
                "got False: the density of a view is then no density at a point"
            )


def check_compiled(task: Task) -> None:
    """A channel is the same inside compiled code, where key and progress are traced, and for the same key."""
    draw, arguments = in_largest_dimension(task.draw, task.transformation)
    expect_compiled_same("a draw", draw, [(arguments, called("a draw", draw, *arguments))], ORTHOGONAL)


@shared
def _channels(task: Task) -> dict[int, Channel]:
    """One channel in the smallest and one in the largest dimension."""
    arguments = (jax.random.key(KEY), jnp.asarray(0.5))
    return {
        dim: called(f"a draw in dimension {dim}", jax.jit(partial(task.draw, dim=dim)), *arguments)
        for dim in ends_of(dimensions_of(task.transformation))
    }
