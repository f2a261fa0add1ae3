"""The angles of a robot's arm whose end has to reach a goal: thin curved sheets of solutions in ten dimensions."""

from __future__ import annotations

import math
from typing import Annotated

import jax.numpy as jnp
from jaxtyping import Array, Float

from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import FunctionTarget, function_target

JOINTS = 10
GOALS = ((7.0, 0.0), (-7.0, 0.0), (0.0, 7.0), (0.0, -7.0))
GOAL_DEVIATION = 0.01
"""How near to a goal the end has to be; the links are 1 long."""

FIRST_DEVIATION, OTHER_DEVIATION = 1.0, 0.2
"""Of the prior: the first joint turns freely, the others prefer to be straight."""

LOG_TWO_PI = math.log(2.0 * math.pi)
LOG_PRIOR_CONSTANT = -math.log(FIRST_DEVIATION) - (JOINTS - 1) * math.log(OTHER_DEVIATION) - 0.5 * JOINTS * LOG_TWO_PI
LOG_GOAL_CONSTANT = -2.0 * math.log(GOAL_DEVIATION) - LOG_TWO_PI


def planar_robot(
    goals: Annotated[int, "number of goals, 1 or 4"] = 4,
) -> FunctionTarget:
    """`log_density(x) = log N(x; 0, diag(1, .2^2, ..., .2^2)) + max_g log N(end(x); g, .01^2 I)`.

    `x` are the angles of ten joints, each counted from the link before, and `end(x)` is where the arm of unit links
    ends. The goals are `(+-7, 0)` and `(0, +-7)`; with one goal `(7, 0)`. Every goal is reached by sheets of postures
    that bend to either side, so the modes are regions without a representative point, and their masses are not known.

    Declared: centre 0, scale 1, the largest deviation of the prior.

    Raises:
        ValueError: `goals` is neither 1 nor 4.
    """
    if goals not in (1, len(GOALS)):
        raise ValueError(f"`goals` must be 1 or {len(GOALS)}, got {goals}")
    positions = jnp.asarray(GOALS[:goals], float)
    return function_target(log_density, dim=JOINTS, scale=1.0, data=(positions,))


def log_density(angles: Float[Array, " 10"], goals: Float[Array, "goals 2"]) -> Float[Array, ""]:
    """Normalised prior times the density of the nearest goal, in logarithms."""
    standard = jnp.concatenate([angles[:1] / FIRST_DEVIATION, angles[1:] / OTHER_DEVIATION])
    log_prior = LOG_PRIOR_CONSTANT - 0.5 * (standard**2).sum()
    misses = (end_of_arm(angles) - goals) / GOAL_DEVIATION
    return log_prior + LOG_GOAL_CONSTANT - 0.5 * (misses**2).sum(-1).min()


def end_of_arm(angles: Float[Array, " joints"]) -> Float[Array, " 2"]:
    """`(sum_i cos(a_i), sum_i sin(a_i))`, where `a_i = x_1 + ... + x_i` is the direction of link `i`."""
    directions = jnp.cumsum(angles)
    return jnp.stack([jnp.cos(directions).sum(), jnp.sin(directions).sum()])


ENTRIES = (
    Entry(
        name="planar_robot",
        build=planar_robot,
        summary="postures of a robot's arm with ten joints that reach one of four goals",
        reference="Arenz, Zhong, Neumann (2020): Trust-region variational inference with Gaussian mixture models, "
        "Journal of Machine Learning Research 21",
    ),
)
