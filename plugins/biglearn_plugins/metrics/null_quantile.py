"""What a statistic reaches by chance: a quantile of its values where nothing is wrong."""

from __future__ import annotations

import math

import jax
import numpy as np
from jaxtyping import Array, Float, Key

from biglearn_sampler.evaluation import Measured

LEVEL = 0.95
"""Exact draws stay below this quantile with this probability."""

REPEATS = 200
"""Values that a quantile is taken from; ten of them lie above it."""


def null_quantile(values: Float[np.ndarray, " repeats"], reason: str | None = None) -> Measured:
    """The 95 % quantile with the standard error of an order statistic: half the distance of those one error away.

    Reference: David & Nagaraja, Order Statistics (2003), section 7.1.
    """
    error = math.sqrt(LEVEL * (1.0 - LEVEL) / len(values))
    below, quantile, above = np.quantile(values, [LEVEL - error, LEVEL, LEVEL + error])
    return Measured(float(quantile), float(above - below) / 2.0, reason)


def generator(key: Key[Array, ""]) -> np.random.Generator:
    """A generator of NumPy with the seed of a key."""
    return np.random.default_rng(np.asarray(jax.random.key_data(key)))
