"""The angles of a robot's arm whose end has to reach a goal: thin curved sheets of solutions in ten dimensions."""

from __future__ import annotations

import math
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import Facts, FunctionTarget, function_target

JOINTS = 10
GOALS = ((7.0, 0.0), (-7.0, 0.0), (0.0, 7.0), (0.0, -7.0))
GOAL_DEVIATION = 0.01
"""How near to a goal the end has to be; the links are 1 long."""

FIRST_DEVIATION, OTHER_DEVIATION = 1.0, 0.2
"""Of the prior: the first joint turns freely, the others prefer to be straight."""

# Of every goal: the density of the end under the prior, blurred by the deviation of a goal. Its Fourier transform
# follows the arm from the end to the shoulder: a link multiplies it by exp(i w cos(angle)), and a joint damps its mode
# k in the angle by exp(-deviation^2 k^2 / 2). One integral over w is left, by Gauss and Legendre to 9 digits; the
# tests compute it again.
INTEGRALS = (8.465280000e-6, 2.071389406e-6, 7.029110791e-6, 7.029110791e-6)

EQUAL_BEND = 0.28325640073
"""An arm whose links all turn by this angle reaches 7 far: `sin(5 b) = 7 sin(b / 2)`."""

LOG_TWO_PI = math.log(2.0 * math.pi)
LOG_PRIOR_CONSTANT = -math.log(FIRST_DEVIATION) - (JOINTS - 1) * math.log(OTHER_DEVIATION) - 0.5 * JOINTS * LOG_TWO_PI
LOG_GOAL_CONSTANT = -2.0 * math.log(GOAL_DEVIATION) - LOG_TWO_PI


def planar_robot(
    goals: Annotated[int, "number of goals, 1 or 4"] = 4,
) -> FunctionTarget:
    """`log_density(x) = log N(x; 0, diag(1, .2^2, ..., .2^2)) + max_g log N(end(x); g, .01^2 I)`.

    `x` are the angles of ten joints, each counted from the link before, and `end(x)` is where the arm of unit links
    ends. The goals are `(+-7, 0)` and `(0, +-7)`; with one goal `(7, 0)`.

    The modes are the goals: the postures that end nearest to each of them. Every one consists of curved sheets, for
    arms that bend to either side; the point given for it is an arc that bends by 0.283 at each joint. `log Z`, -10.6130
    for four goals and -11.6795 for one, and the masses of goals are quadratures.

    Declared: centre 0, scale 1, the largest deviation of the prior.

    Raises:
        ValueError: `goals` is neither 1 nor 4.
    """
    if goals not in (1, len(GOALS)):
        raise ValueError(f"`goals` must be 1 or {len(GOALS)}, got {goals}")
    positions = jnp.asarray(GOALS[:goals], float)
    return function_target(log_density, dim=JOINTS, scale=1.0, data=(positions,), facts=_facts(goals))


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


def _facts(goals: int) -> Facts:
    integrals, positions = np.array(INTEGRALS[:goals]), np.array(GOALS[:goals])
    directions = np.arctan2(positions[:, 1], positions[:, 0])
    # Bent so that the first joint turns less.
    bends = np.where(directions < 0.0, -EQUAL_BEND, EQUAL_BEND)
    first = directions - 0.5 * (JOINTS - 1) * bends
    arcs = np.column_stack([first, np.tile(bends[:, None], JOINTS - 1)])

    def nearest_goal(angles: Float[Array, " 10"]) -> Float[Array, " goals"]:
        misses = ((end_of_arm(angles) - jnp.asarray(positions)) ** 2).sum(-1)
        return jax.nn.one_hot(jnp.argmin(misses), goals)

    return Facts(
        log_z=float(np.log(integrals.sum())),
        modes=jnp.asarray(arcs, float),
        mode_weights=jnp.asarray(integrals / integrals.sum(), float),
        responsibilities=nearest_goal,
    )


ENTRIES = (
    Entry(
        name="planar_robot",
        build=planar_robot,
        summary="postures of a robot's arm with ten joints that reach one of four goals",
        reference="Arenz, Zhong, Neumann (2020): Trust-region variational inference with Gaussian mixture models, "
        "Journal of Machine Learning Research 21",
    ),
)
