"""Fresh draws of a sampler with both log densities, and the named quantities of a target at them."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from biglearn_sampler.compilation import jit_quickly
from biglearn_sampler.energy import AbstractTarget, split_arrays
from biglearn_sampler.evaluation.draws import Draws
from biglearn_sampler.mixture import Mixture

BATCH = 4000
"""Draws that are evaluated at once, which bounds the memory."""


def draws_of(mixture: Mixture, target: AbstractTarget, count: int, key: Key[Array, ""]) -> Draws:
    """Fresh draws of a sampler, with both log densities at them."""
    arrays, rebuilt = split_arrays(target)

    @jit_quickly
    def drawn(arrays: list[Array], mixture: Mixture, key: Key[Array, ""]) -> tuple[Array, Array, Array]:
        points = mixture.sample(key, count)
        log_density = rebuilt(arrays).log_density
        return (
            points,
            jax.lax.map(log_density, points, batch_size=BATCH),
            jax.lax.map(mixture.log_density, points, batch_size=BATCH),
        )

    points, log_target, log_sampler = (np.asarray(part, float) for part in drawn(arrays, mixture, key))
    # A NaN or an infinite density is no density: it counts as zero, as in training.
    log_target = np.where(np.isfinite(log_target), log_target, -np.inf)
    return Draws(points, log_target, log_sampler, log_sampler_at=partial(_log_densities, mixture))


def _log_densities(mixture: Mixture, points: Float[np.ndarray, "count dim"]) -> Float[np.ndarray, " count"]:
    """The log density of a sampler at any points."""
    return np.asarray(_log_densities_in_batches(mixture, jnp.asarray(points, float)), float)


@jit_quickly
def _log_densities_in_batches(mixture: Mixture, points: Float[Array, "count dim"]) -> Float[Array, " count"]:
    return jax.lax.map(mixture.log_density, points, batch_size=BATCH)


def quantities_of(target: AbstractTarget, points: np.ndarray) -> dict[str, np.ndarray]:
    """The named quantities of a target at points of shape `(count, dim)`, each of shape `(count, ...)`."""
    arrays, rebuilt = split_arrays(target)

    @jit_quickly
    def of_batch(arrays: list[Array], points: Array) -> dict[str, Array]:
        return jax.vmap(rebuilt(arrays).quantities)(points)

    ready = jnp.asarray(points, np.asarray(target.centre).dtype)
    parts = [of_batch(arrays, ready[first : first + BATCH]) for first in range(0, len(ready), BATCH)]
    return {name: np.concatenate([np.asarray(part[name], float) for part in parts]) for name in parts[0]}
