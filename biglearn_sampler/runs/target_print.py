"""What tells whether two targets are one: the region that they declare, and their energies at the same points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from biglearn_sampler.compilation import jit_quickly
from biglearn_sampler.energy import AbstractTarget, Look

POINTS = 16
"""Of the declared region, the same ones for every seed and for all settings."""

POINTS_KEPT = 4
"""Of those at which a run looked at its energy, kept with its record; no further evaluation is asked for them."""

SAME = 1e-3
"""Energies that agree to within this, relative to their size, are those of one target; another machine may round."""


def print_of(target: AbstractTarget) -> dict[str, Any]:
    """What a record says of a target to know it again: names and parameters do not tell those made in Python apart."""
    # Of NumPy: those of JAX depend on its version and precision.
    noise = np.random.default_rng(0).standard_normal((POINTS, target.dim))
    points = target.centre + target.scale * jnp.asarray(noise, target.centre.dtype)
    energies = jit_quickly(jax.vmap(target.log_density))(points)
    centre, scale = (np.broadcast_to(np.asarray(each, float), (target.dim,)) for each in (target.centre, target.scale))
    return {"centre": centre.tolist(), "scale": scale.tolist(), "log_densities": np.asarray(energies, float).tolist()}


def print_of_look(look: Look) -> dict[str, Any]:
    """What the record of a run says of the energy that it was trained on."""
    kept = np.argsort(~np.isfinite(look.log_densities), kind="stable")[:POINTS_KEPT]
    return {"points": look.points[kept].tolist(), "log_densities": look.log_densities[kept].tolist()}


def is_seen_in(printed: Mapping[str, Any], target: AbstractTarget) -> bool:
    """Whether a target has the energies that a run saw when it looked."""
    points = jnp.asarray(_numbers(printed, "points"), target.centre.dtype)
    energies = jit_quickly(jax.vmap(target.log_density))(points)
    return agree(_numbers(printed, "log_densities"), np.asarray(energies, float))


def is_same(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether two prints are of one target."""
    regions = all(np.array_equal(_numbers(before, part), _numbers(now, part)) for part in ("centre", "scale"))
    return regions and agree(_numbers(before, "log_densities"), _numbers(now, "log_densities"))


def agree(ours: np.ndarray, theirs: np.ndarray) -> bool:
    """Whether energies at the same points are those of one target."""
    return ours.shape == theirs.shape and bool(np.isclose(ours, theirs, rtol=SAME, atol=SAME, equal_nan=True).all())


def _numbers(printed: Mapping[str, ArrayLike], part: str) -> np.ndarray:
    """JSON has no infinity, which is a text there."""
    return np.array(printed[part], float)
