"""Exact draws of a target, to compare with; shared by several metrics."""

from __future__ import annotations

import numpy as np
from jaxtyping import Array, Float, Key

from biglearn_sampler.energy import AbstractTarget

NO_EXACT_DRAWS = "exact draws of the target are not known"


def exact_draws(target: AbstractTarget, key: Key[Array, ""], count: int) -> Float[np.ndarray, "count dim"] | str:
    """Independent draws of the target itself, or the reason why there are none."""
    sample = target.facts.sample
    return NO_EXACT_DRAWS if sample is None else np.asarray(sample(key, count), float)


def exact_sets(
    target: AbstractTarget, key: Key[Array, ""], sets: int, count: int
) -> Float[np.ndarray, "sets count dim"] | str:
    """Several sets of exact draws, or the reason why there are none."""
    points = exact_draws(target, key, sets * count)
    return points if isinstance(points, str) else points.reshape(sets, count, -1)
