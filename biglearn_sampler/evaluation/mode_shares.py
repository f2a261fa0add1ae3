"""To which of the known modes points belong, and which modes their shares of mass cover."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float

from biglearn_sampler.compilation import jit_quickly
from biglearn_sampler.energy import Facts

COVERED_SHARE = 0.1
"""A mode is covered when it holds at least a tenth of its true mass."""

BATCH = 1024
"""Points that are looked at once, which bounds the memory."""


def belongs_to_modes(facts: Facts, points: np.ndarray) -> Float[np.ndarray, "count modes"] | None:
    """The probability of every mode at every point, zero where the point is too far from all for float32.

    `None` where the modes, or their masses, are not known.
    """
    if facts.responsibilities is None or facts.mode_weights is None:
        return None
    found = _on_points(Partial(facts.responsibilities), jnp.asarray(points, float))
    return np.nan_to_num(np.asarray(found, float))


def coverage(found: Any, true: Any) -> tuple[Any, Any]:
    """Number of covered modes, and the total variation `1/2 sum_k |f_k - pi_k|`, of masses along the last axis."""
    return (found >= COVERED_SHARE * true).sum(-1), 0.5 * abs(found - true).sum(-1)


@jit_quickly
def _on_points(function: Partial, points: Float[Array, "count dim"]) -> Float[Array, "count modes"]:
    return jax.lax.map(function, points, batch_size=BATCH)
