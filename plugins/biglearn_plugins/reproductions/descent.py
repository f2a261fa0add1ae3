"""Where a task leads from a local optimum of another: steepest descent in small steps."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from biglearn_plugins.reproductions.divergence import mean_loss
from biglearn_plugins.reproductions.optima import Optimum
from biglearn_plugins.reproductions.problem import Problem
from biglearn_plugins.reproductions.surface import stacked
from biglearn_plugins.reproductions.tailored import GLOBAL_OPTIMA
from biglearn_plugins.reproductions.view import View

STEPS, RATE, LONGEST = 600, 0.5, 0.02
"""Of a descent; a step is the rate times the slope, and at most the last."""

NEAR = 0.1
"""Distance from a global optimum that counts as arrived."""

NUDGE = 0.02
"""Off the start, away from equal parameters, where both components would move alike for ever."""


def descended(view: View, start: Optimum) -> Float[np.ndarray, "steps 2"]:
    """The path of steepest descent of a task, from beside a local optimum of another one."""
    first, second = start.place
    away = NUDGE if first >= second else -NUDGE
    with jax.enable_x64(True):
        path = np.asarray(_path(jnp.array([first + away, second - away]), stacked([view])))
    return path[: _arrival(path) + 1]


def is_free(path: Float[np.ndarray, "steps 2"]) -> bool:
    """Whether a descent ends at a global optimum."""
    return bool(_distances(path)[-1] < NEAR)


def _arrival(path: Float[np.ndarray, "steps 2"]) -> int:
    """The step from which on nothing moves."""
    left = np.linalg.norm(path - path[-1], axis=-1) > 1e-3
    return int(np.flatnonzero(left)[-1] + 1) if left.any() else 0


def _distances(path: Float[np.ndarray, "steps 2"]) -> Float[np.ndarray, " steps"]:
    return np.linalg.norm(path[:, None] - np.array(GLOBAL_OPTIMA), axis=-1).min(-1)


@jax.jit
def _path(start: Float[Array, " pair"], problems: Problem) -> Float[Array, "steps 2"]:
    def step(place: Float[Array, " pair"], _: None) -> tuple[Float[Array, " pair"], Float[Array, " pair"]]:
        slope = jax.grad(mean_loss)(place, problems)
        length = jnp.maximum(jnp.linalg.norm(slope), 1e-12)
        return place - slope * jnp.minimum(RATE, LONGEST / length), place

    return jax.lax.scan(step, start, length=STEPS)[1]
