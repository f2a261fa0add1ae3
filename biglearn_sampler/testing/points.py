"""Where a target is looked at, and how far two computations of its log density may differ by rounding."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.testing.fault import NotChecked, called
from biglearn_sampler.testing.shared import shared

SEED = 20
COUNT = 64
BATCH = 4096

FARTHEST_BELOW = 1e4
"""Points whose log density is so much below the best one carry no mass; there an energy may overflow as it likes."""


def region_points(target: AbstractTarget) -> Float[np.ndarray, "count dim"]:
    """Points of the declared region in single precision, spread as the first means of a training."""
    noise = np.random.default_rng(SEED).normal(size=(COUNT, target.dim))
    return (np.asarray(target.centre) + np.asarray(target.scale) * noise).astype(np.float32)


@shared
def ordinary_points(target: AbstractTarget) -> Float[np.ndarray, "count dim"]:
    """Those points of the declared region whose density matters, by double precision where the target allows it.

    Raises:
        NotChecked: the density is zero or not a number at all points.
    """
    points = region_points(target)
    with double_precision(target):
        values = log_densities(target, points)
    finite = np.isfinite(values)
    if not finite.any():
        raise NotChecked("the log density is finite at no point of the declared region")
    return points[finite & (values > values[finite].max() - FARTHEST_BELOW)]


@shared
def compiled_log_density(target: AbstractTarget) -> Callable[[Any], Any]:
    """The log density of a batch, compiled once in each precision for all checks of a target."""
    return jax.jit(jax.vmap(target.log_density))


def log_densities(target: AbstractTarget, points: Any) -> Float[np.ndarray, " count"]:
    """The log density of a target at any number of points, in the precision that is switched on."""
    return in_batches(compiled_log_density(target), points)


def in_batches(function: Callable[[Any], Any], points: Any) -> np.ndarray:
    """A function of a batch at any number of points; all batches are of one size, so that it is compiled once."""
    batches = np.array_split(np.asarray(points, float), range(BATCH, len(points), BATCH))
    padded = (np.pad(batch, ((0, BATCH - len(batch)), (0, 0)), mode="edge") for batch in batches)
    found = [np.asarray(function(jnp.asarray(batch, float)), float) for batch in padded]
    return np.concatenate(found)[: len(points)]


def double_precision(target: AbstractTarget) -> AbstractContextManager[Any]:
    """A context with double precision, or with single precision for a target that double precision makes raise."""
    with jax.enable_x64(True):
        try:
            jax.eval_shape(target.log_density, jax.ShapeDtypeStruct((target.dim,), np.float64))
        except Exception:  # `check_precision` tells it
            return jax.enable_x64(False)
    return jax.enable_x64(True)


class Slopes(NamedTuple):
    """Log densities and gradients at the ordinary points, with the precision that they were computed in."""

    values: Float[np.ndarray, " count"]
    gradients: Float[np.ndarray, "count dim"]
    epsilon: float


@shared
def compiled_slopes(target: AbstractTarget) -> Callable[[Any], Any]:
    """Values and gradients of the log density of a batch, compiled once for all checks of a target."""
    return jax.jit(jax.vmap(jax.value_and_grad(target.log_density)))


@shared
def slopes_of(target: AbstractTarget) -> Slopes:
    """Values and gradients, in double precision where the target allows it."""
    points = ordinary_points(target)
    with double_precision(target):
        of_batch = compiled_slopes(target)
        values, gradients = called("the gradient of the log density", of_batch, jnp.asarray(points, float))
    return Slopes(np.asarray(values, float), np.asarray(gradients, float), float(jnp.finfo(values.dtype).eps))


def rounding_error(target: AbstractTarget) -> Float[np.ndarray, " count"]:
    """How far log densities in single precision may lie from the truth: too little to matter for a sampler.

    At every ordinary point a hundredth, a ten-thousandth of the distance below the best point, and what a rounding of
    the point makes.
    """
    slopes = slopes_of(target)
    sensitivity = np.abs(slopes.gradients * ordinary_points(target)).sum(axis=1)
    below = slopes.values.max() - slopes.values
    return 1e-2 + np.nan_to_num(1e-4 * below) + 1e-6 * np.nan_to_num(sensitivity)


def point_text(point: Any) -> str:
    """A point in a message."""
    shown = ", ".join(f"{float(value):.4g}" for value in point[:6])
    return f"({shown}, ...)" if len(point) > 6 else f"({shown})"
