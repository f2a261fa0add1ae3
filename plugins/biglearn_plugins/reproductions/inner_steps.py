"""Success of stochastic gradient descent out of a local optimum, against the number of steps on each random task."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from biglearn_plugins.reproductions.tailored import GLOBAL_OPTIMA, model, target
from biglearn_sampler.estimators import AbstractEstimator
from biglearn_sampler.learning.matching import Matching
from biglearn_sampler.mixture.unconstrained import unconstrain
from biglearn_sampler.tasks import Task

STEPS, RATE, POINTS = 1500, 0.1, 50
"""Steps in all, whatever the number of inner ones; the paper's rate; the paper's 100 points, half of each component."""

SPREAD = 0.05
"""Of the starts around the local optimum, a standard deviation."""

NEAR = 0.3
"""Distance from a global optimum that is a success: one standard deviation of a component."""


def successes(
    task: Task, estimator: AbstractEstimator, start: tuple[float, float], inner: Sequence[int], seeds: int
) -> Float[np.ndarray, " numbers"]:
    """The share of seeds that end at a global optimum, for each number of inner steps.

    Arguments:
        task: with a random map, drawn anew after the inner steps.
        estimator: its target's side.
        start: a local optimum of joint matching.
        inner: numbers of steps on one drawn task.
        seeds: 0 to one less.
    """
    truth = target()
    matching = Matching(task, estimator, truth.centre, truth.scale, POINTS)
    keys = jax.vmap(jax.random.key)(jnp.arange(seeds))
    ends = np.asarray(_ends(matching, jnp.array(start), jnp.array(inner), keys))
    distances = np.linalg.norm(ends[:, :, None] - np.array(GLOBAL_OPTIMA), axis=-1).min(-1)
    return (distances < NEAR).mean(-1)


@jax.jit
def _ends(
    matching: Matching, start: Float[Array, " pair"], inner: Int[Array, " numbers"], keys: Key[Array, " seeds"]
) -> Float[Array, "numbers seeds pair"]:
    of_seeds = jax.vmap(_end, in_axes=(None, None, None, 0))
    return jax.vmap(of_seeds, in_axes=(None, None, 0, None))(matching, start, inner, keys)


def _end(
    matching: Matching, start: Float[Array, " pair"], inner: Int[Array, ""], key: Key[Array, ""]
) -> Float[Array, " pair"]:
    """Where one training ends."""
    key_start, key_tasks, key_points = jax.random.split(key, 3)

    def step(place: Float[Array, " pair"], number: Int[Array, ""]) -> tuple[Float[Array, " pair"], None]:
        # The same key for all inner steps: the same task.
        drawn = matching.task.draw(jax.random.fold_in(key_tasks, number // inner), jnp.zeros(()), 2)
        key_step = jax.random.fold_in(key_points, number)
        told = matching.gradient(unconstrain(model(place)), drawn, key_step, jnp.zeros(()))
        # The model's means lie on the first axis.
        return place - RATE * told.gradient.means[:, 0], None

    begin = start + SPREAD * jax.random.normal(key_start, (2,))
    return jax.lax.scan(step, begin, jnp.arange(STEPS))[0]
