"""A target as methods on the host ask it: whole batches, double precision outside, every point counted."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float

from biglearn_sampler.energy import AbstractTarget, Evaluations
from biglearn_sampler.estimators.guard import ZERO_DENSITY, guarded


class Oracle:
    """Log densities and gradients of a target, compiled once for each form of target and size of a batch.

    Points are asked in the precision of the target. A last batch that is not full is filled up with its first point,
    and the filling is counted, since it is computed.

    Arguments:
        target: its energy only.
        batch: points asked at once.
    """

    def __init__(self, target: AbstractTarget, batch: int) -> None:
        began = time.perf_counter()
        self.dim, self.batch = target.dim, batch
        self.evaluations = Evaluations()
        self._price = target.price_of_gradient
        # Flat, since `lower` rebuilds every object among its arguments with descriptions in place of arrays.
        self._arrays, form = jax.tree.flatten(log_density_of(target))
        like = jnp.zeros((batch, target.dim))
        self.precision = like.dtype
        self._values = _values.lower(form, self._arrays, like).compile()
        self._gradients = _gradients.lower(form, self._arrays, like).compile()
        self.seconds_compile = time.perf_counter() - began

    def rounded(self, points: Float[np.ndarray, "count dim"]) -> Float[np.ndarray, "count dim"]:
        """Points as the target sees them, so that other densities can be computed at the very same ones."""
        return points.astype(self.precision).astype(float)

    def batches(self, count: int) -> int:
        """Points that are computed when so many are asked."""
        return -(-count // self.batch) * self.batch

    def cost_of_gradients(self, count: int) -> int:
        """Evaluations when so many points are asked with their gradients."""
        return self._price.times(self.batches(count)).total

    def log_density(self, points: Float[np.ndarray, "count dim"]) -> Float[np.ndarray, " count"]:
        """`log q` at points, `-inf` where the density is zero."""
        self.evaluations = self.evaluations.plus(Evaluations(energy=self.batches(len(points))))
        (values,) = self._asked(lambda batch: (self._values(self._arrays, batch),), points)
        return np.where(values <= ZERO_DENSITY, -np.inf, values)

    def with_gradient(
        self, points: Float[np.ndarray, "count dim"]
    ) -> tuple[Float[np.ndarray, " count"], Float[np.ndarray, "count dim"]]:
        """`log q` and its gradient at points; `-inf` and zero where the density is zero."""
        self.evaluations = self.evaluations.plus(self._price.times(self.batches(len(points))))
        values, gradients = self._asked(lambda batch: self._gradients(self._arrays, batch), points)
        return np.where(values <= ZERO_DENSITY, -np.inf, values), gradients

    def _asked(self, answer: Any, points: Float[np.ndarray, "count dim"]) -> list[np.ndarray]:
        filling = np.repeat(points[:1], self.batches(len(points)) - len(points), axis=0)
        full = np.concatenate([points, filling]).astype(self.precision)
        answers = [answer(each) for each in full.reshape(-1, self.batch, self.dim)]
        return [np.concatenate(part, dtype=float)[: len(points)] for part in zip(*answers, strict=True)]


def log_density_of(target: AbstractTarget) -> Partial:
    """The log density as a pytree, so that a target's arrays are not compiled in.

    A target that is no pytree is held by its bound method, which equals that of the same object only.
    """
    is_pytree = jax.tree.structure(target) != jax.tree.structure(0)
    return Partial(_log_density, target) if is_pytree else Partial(target.log_density)


def _log_density(target: AbstractTarget, point: Float[Array, " dim"]) -> Float[Array, ""]:
    return target.log_density(point)


@partial(jax.jit, static_argnums=0)
def _values(form: Any, arrays: list[Array], points: Float[Array, "count dim"]) -> Float[Array, " count"]:
    return jax.vmap(guarded(jax.tree.unflatten(form, arrays)))(points)


@partial(jax.jit, static_argnums=0)
def _gradients(
    form: Any, arrays: list[Array], points: Float[Array, "count dim"]
) -> tuple[Float[Array, " count"], Float[Array, "count dim"]]:
    return jax.vmap(jax.value_and_grad(guarded(jax.tree.unflatten(form, arrays))))(points)
