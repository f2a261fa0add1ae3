"""Log densities that stay finite, value and gradient, whatever the user's function does."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

ZERO_DENSITY = -1e30
"""Stands for the logarithm of zero: finite in float32, so that sums over points stay finite."""


def guarded(
    log_density: Callable[[Float[Array, " dim"]], Float[Array, ""]],
) -> Callable[[Float[Array, " dim"]], Float[Array, ""]]:
    """The same function with NaN and infinities read as density zero and with zero gradient there.

    Value and gradient are computed in one pass, so that a gradient step costs one evaluation of each.
    """

    def precise(point: Float[Array, " dim"]) -> Float[Array, ""]:
        # A density in half precision could not hold what stands for the logarithm of zero.
        return jnp.asarray(log_density(point), point.dtype)

    @jax.custom_jvp
    def finite_log_density(point: Float[Array, " dim"]) -> Float[Array, ""]:
        value = precise(point)
        return jnp.where(jnp.isfinite(value), jnp.maximum(value, ZERO_DENSITY), ZERO_DENSITY)

    @finite_log_density.defjvp
    def _finite_jvp(
        primals: tuple[Float[Array, " dim"]], tangents: tuple[Float[Array, " dim"]]
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        (point,), (tangent,) = primals, tangents
        value, gradient = jax.value_and_grad(precise)(point)
        usable = jnp.isfinite(value) & jnp.isfinite(gradient).all()
        gradient = jnp.where(usable, gradient, 0.0)
        finite = jnp.where(jnp.isfinite(value), jnp.maximum(value, ZERO_DENSITY), ZERO_DENSITY)
        return finite, gradient @ tangent

    return finite_log_density
