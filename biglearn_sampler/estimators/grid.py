"""Regular grids for the trapezoidal rule."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float


def regular_grid(
    dim: int, nodes: int, half_width: Float[Array, ""]
) -> tuple[Float[Array, "points dim"], Float[Array, ""]]:
    """All `nodes^dim` points of the grid over `[-half_width, half_width]^dim`, and the distance of neighbours."""
    axis = half_width * jnp.linspace(-1.0, 1.0, nodes)
    axes = jnp.meshgrid(*[axis] * dim, indexing="ij")
    return jnp.stack([side.ravel() for side in axes], -1), 2.0 * half_width / (nodes - 1)
