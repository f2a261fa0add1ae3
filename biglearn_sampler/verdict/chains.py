"""Short tempered chains: an independent way from far points into the mass, apart from how the sampler was trained."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from biglearn_sampler.compilation import jit_quickly
from biglearn_sampler.energy import AbstractTarget, Evaluations, split_arrays
from biglearn_sampler.engine.shapes import on_device
from biglearn_sampler.estimators.guard import guarded

CHAINS = 64

STEPS = 80
"""Of every chain; tempering takes the first three quarters."""

COLDEST = 0.02
"""Inverse temperature at which the chains begin; it rises to 1 in equal ratios."""

WANTED_ACCEPTANCE = 0.57
"""At which a Langevin chain moves fastest (Roberts & Rosenthal 1998)."""

ADAPTATION = 0.2
"""How fast the logarithm of the step length follows the acceptance."""

FIRST_STEP = 0.3
"""In widths of the region."""


class Ends(NamedTuple):
    """Where chains ended.

    Arguments:
        points: in the coordinates of the target.
        log_target: `log q` there.
        acceptance: share of accepted moves at inverse temperature 1.
        evaluations: what they cost.
    """

    points: Float[np.ndarray, "chains dim"]
    log_target: Float[np.ndarray, " chains"]
    acceptance: float
    evaluations: Evaluations


class _State(NamedTuple):
    point: Float[Array, " dim"]
    value: Float[Array, ""]
    score: Float[Array, " dim"]
    log_step: Float[Array, ""]


def tempered_chains(
    target: AbstractTarget,
    starts: Float[np.ndarray, "chains dim"],
    width: Float[np.ndarray, " dim"],
    key: Key[Array, ""],
) -> Ends:
    """Metropolis-adjusted Langevin chains on `q^beta` while `beta` rises from `COLDEST` to 1, then on `q`.

    Arguments:
        target: in the coordinates of training.
        starts: one for each chain.
        width: of the region, by which the steps are scaled in every coordinate.
        key: of the moves.
    """
    arrays, rebuilt = split_arrays(target)

    @jit_quickly
    def run(arrays: list[Array], starts: Array, width: Array, key: Key[Array, ""]) -> tuple[_State, Array]:
        value_and_score = jax.value_and_grad(guarded(rebuilt(arrays).log_density))
        keys = jax.random.split(key, len(starts))
        return jax.vmap(lambda start, key: _chain(value_and_score, start, width, key))(starts, keys)

    states, accepted = run(arrays, on_device(starts), on_device(width), key)
    last = np.asarray(accepted, float)[:, -STEPS // 4 :]
    return Ends(
        np.asarray(states.point, float),
        np.asarray(states.value, float),
        float(last.mean()),
        target.price_of_gradient.times(len(starts) * (STEPS + 1)),
    )


def price(gradient: int) -> int:
    """Evaluations of all chains, where a gradient costs so many."""
    return CHAINS * (STEPS + 1) * gradient


def _chain(value_and_score, start: Array, width: Array, key: Key[Array, ""]) -> tuple[_State, Array]:  # noqa: ANN001
    ladder = jnp.exp(jnp.linspace(jnp.log(COLDEST), 0.0, 3 * STEPS // 4))
    ladder = jnp.concatenate([ladder, jnp.ones(STEPS - len(ladder))])

    def move(state: _State, given: tuple[Array, Key[Array, ""]]) -> tuple[_State, Array]:
        beta, key = given
        key_noise, key_accept = jax.random.split(key)
        step = jnp.exp(state.log_step) * width
        forward = state.point + 0.5 * step**2 * beta * state.score
        proposed = forward + step * jax.random.normal(key_noise, start.shape)
        value, score = value_and_score(proposed)
        backward = proposed + 0.5 * step**2 * beta * score
        log_ratio = (
            beta * (value - state.value)
            + 0.5 * (((proposed - forward) / step) ** 2 - ((state.point - backward) / step) ** 2).sum()
        )
        chance = jnp.where(jnp.isfinite(log_ratio), jnp.exp(jnp.minimum(log_ratio, 0.0)), 0.0)
        taken = jax.random.uniform(key_accept) < chance
        log_step = state.log_step + ADAPTATION * (chance - WANTED_ACCEPTANCE)
        moved = _State(
            jnp.where(taken, proposed, state.point),
            jnp.where(taken, value, state.value),
            jnp.where(taken, score, state.score),
            log_step,
        )
        return moved, taken

    value, score = value_and_score(start)
    first = _State(start, value, score, jnp.log(jnp.asarray(FIRST_STEP)))
    return jax.lax.scan(move, first, (ladder, jax.random.split(key, STEPS)))
