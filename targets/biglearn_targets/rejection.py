"""Exact draws by rejection."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

Propose: TypeAlias = Callable[[Key[Array, ""]], tuple[Float[Array, "proposed dim"], Bool[Array, " proposed"]]]
"""From a key to any fixed number of points, and whether each is accepted."""


def draws_by_rejection(key: Key[Array, ""], count: int, dim: int, propose: Propose) -> Float[Array, "count dim"]:
    """The first `count` accepted points; it does not end if none is ever accepted."""

    def unfinished(state: tuple[Int[Array, ""], Array, Array]) -> Bool[Array, ""]:
        return state[1] < count

    def one_batch(state: tuple[Int[Array, ""], Array, Array]) -> tuple[Int[Array, ""], Array, Array]:
        batch, filled, draws = state
        points, accepted = propose(jax.random.fold_in(key, batch))
        # Refused points, and those that come when all places are taken, are sent past the end.
        places = jnp.where(accepted, filled + jnp.cumsum(accepted) - 1, count)
        return batch + 1, filled + accepted.sum(), draws.at[places].set(points, mode="drop")

    start = (jnp.asarray(0), jnp.asarray(0), jnp.zeros((count, dim)))
    return jax.lax.while_loop(unfinished, one_batch, start)[2]
