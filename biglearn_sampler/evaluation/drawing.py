"""Fresh draws of a sampler with both log densities, and the named quantities of a target at them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from numpy.typing import ArrayLike

from biglearn_sampler.compilation import jit_quickly
from biglearn_sampler.energy import AbstractTarget, split_arrays
from biglearn_sampler.errors import Diverged
from biglearn_sampler.evaluation.draws import Defended, Draws
from biglearn_sampler.mixture import LOG_TWO_PI, GaussianMixture, Mixture, heavy_tailed_draws, log_densities_beside

BATCH = 4000
"""Draws that are evaluated at once, which bounds the memory."""

ROUNDING = 1.0
"""Nats, and a hundredth for each dimension, by which rounding may make the mean density of draws too low."""

DEFENCE = 4
"""Draws of the sampler for each one with heavy tails."""

TELLING = 4.0
"""Standard errors by which the mean density of draws must be too low to say that it is."""


def draws_of(mixture: Mixture, target: AbstractTarget, count: int, key: Key[Array, ""]) -> Draws:
    """Fresh draws of a sampler, with both log densities at them.

    Raises:
        Diverged: components are so thin that single precision cannot tell the density of a draw.
    """
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

    return _draws(mixture, *drawn(arrays, mixture, key))


def defended_draws_of(mixture: Mixture, target: AbstractTarget, count: int, key: Key[Array, ""]) -> Draws:
    """The same, and with them a quarter as many draws with heavy tails: `defended`.

    Arguments:
        mixture: the sampler.
        target: its energy only.
        count: draws of the sampler, at least 1.
        key: the draws of the sampler are those that `draws_of` gives with it.
    """
    arrays, rebuilt = split_arrays(target)
    seed = np.asarray(jax.random.key_data(jax.random.fold_in(key, DEFENCE)), np.uint32)
    heavy = heavy_tailed_draws(mixture, np.random.default_rng(seed), max(count // DEFENCE, 1))

    @jit_quickly
    def drawn(arrays: list[Array], mixture: Mixture, key: Key[Array, ""], heavy: Array) -> tuple[Array, ...]:
        own = mixture.sample(key, count)
        points = jnp.concatenate([own, heavy.astype(own.dtype)])
        return (
            points,
            jax.lax.map(rebuilt(arrays).log_density, points, batch_size=BATCH),
            *jax.lax.map(partial(log_densities_beside, mixture), points, batch_size=BATCH),
        )

    told = drawn(arrays, mixture, key, jnp.asarray(heavy))
    points, log_target, log_own, log_heavy = (np.asarray(part, float) for part in told)
    share = count / len(points)
    log_both = np.logaddexp(np.log(share) + log_own, np.log1p(-share) + log_heavy)
    defended = Defended(Draws(points, _no_density_where_not_finite(log_target), log_both), log_own)
    return replace(_draws(mixture, points[:count], log_target[:count], log_own[:count]), defended=defended)


def _draws(mixture: Mixture, points: ArrayLike, log_target: ArrayLike, log_sampler: ArrayLike) -> Draws:
    """Draws of a sampler, whose density is told at them."""
    points, log_target, log_sampler = (np.asarray(part, float) for part in (points, log_target, log_sampler))
    if isinstance(mixture, GaussianMixture):
        _check_told(mixture, log_sampler)
    return Draws(
        points,
        _no_density_where_not_finite(log_target),
        log_sampler,
        log_sampler_at=partial(_log_densities, mixture),
    )


def _no_density_where_not_finite(log_target: Float[np.ndarray, " count"]) -> Float[np.ndarray, " count"]:
    """A NaN or an infinite density is no density: it counts as zero, as in training."""
    return np.where(np.isfinite(log_target), log_target, -np.inf)


def _check_told(mixture: GaussianMixture, log_density: Float[np.ndarray, " count"]) -> None:
    """See that draws of a mixture are about as dense as they must be.

    `E_p[-log p] <= sum_k w_k (H[N_k] - log w_k)`, where `H` is the entropy: a draw is at least as dense as its own
    component makes it. The mean is one of draws, and may be off by `TELLING` standard errors, those of the entropies.
    """
    weights = np.asarray(mixture.weights, float)
    sizes = np.log(np.abs(np.diagonal(np.asarray(mixture.factors, float), axis1=1, axis2=2))).sum(1)
    entropies = sizes + 0.5 * mixture.dim * (1.0 + LOG_TWO_PI) - np.log(np.maximum(weights, np.finfo(float).tiny))
    most = weights @ entropies
    error = np.sqrt(weights @ (entropies - most) ** 2 / len(log_density))
    if not -log_density.mean() <= most + TELLING * error + ROUNDING + 0.01 * mixture.dim:
        raise Diverged(
            "the sampler has components so thin that single precision cannot tell the density at their draws, and no "
            "figure can be given; the log density may be flat, or broken by rounding: smooth it, or give another start "
            "(start.mean, start.sd)"
        )


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
