"""Peaks of a density, found from its energy alone."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.testing.points import compiled_slopes, double_precision, ordinary_points

STEPS = 60

FIRST_STEP = 0.1
"""In declared scales; it grows with every rise, and shrinks with every miss."""

LONGER, SHORTER = 1.5, 0.5


def peaks_of(target: AbstractTarget) -> Float[np.ndarray, "count dim"]:
    """Where climbs from the ordinary points end: at peaks or on the way there, and several at one peak."""
    points, scale = ordinary_points(target).astype(float), np.asarray(target.scale, float)
    lengths = np.full(len(points), FIRST_STEP)
    with double_precision(target):
        values, gradients = _slopes(target, points)
        for _ in range(STEPS):
            uphill = gradients * scale
            sizes = np.maximum(np.linalg.norm(uphill, axis=1), np.finfo(float).tiny)
            proposed = points + scale * uphill * (lengths / sizes)[:, None]
            new_values, new_gradients = _slopes(target, proposed)
            higher = new_values > values
            points = np.where(higher[:, None], proposed, points)
            gradients = np.where(higher[:, None], new_gradients, gradients)
            values = np.where(higher, new_values, values)
            lengths *= np.where(higher, LONGER, SHORTER)
    return points


def _slopes(target: AbstractTarget, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log densities and gradients; no number counts as a miss."""
    values, gradients = compiled_slopes(target)(jnp.asarray(points, float))
    return np.nan_to_num(np.asarray(values, float), nan=-np.inf), np.nan_to_num(np.asarray(gradients, float))
