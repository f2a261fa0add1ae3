"""The linear-Gaussian channel y = W x + b + sigma n: everything that a task can look at."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Channel:
    """A view `y = W x + b + sigma n` of a point, with standard normal noise `n`.

    A Gaussian mixture sent through a channel is a Gaussian mixture again, so nothing is approximated on the
    sampler's side. Joint, marginal and noised tasks are channels; a conditional task conditions on the first
    rows of one (big cooperative learning, eq. 6 and section 3).

    Arguments:
        matrix: `W`, one row for each coordinate of `y`; orthonormal rows in the coordinates of training.
        offset: `b`.
        noise: `sigma >= 0`, the standard deviation of the noise in every coordinate of `y`.
    """

    matrix: Float[Array, "rows dim"]
    offset: Float[Array, " rows"]
    noise: Float[Array, ""]

    @classmethod
    def of(cls, matrix: Float[Array, "rows dim"], noise: float | Float[Array, ""] = 0.0) -> Channel:
        """The channel `y = W x + sigma n` without offset."""
        return cls(matrix, jnp.zeros(matrix.shape[0], matrix.dtype), jnp.asarray(noise, matrix.dtype))

    @property
    def rows(self) -> int:
        """Number of coordinates of `y`."""
        return self.matrix.shape[0]

    @property
    def dim(self) -> int:
        """Number of coordinates of `x`."""
        return self.matrix.shape[1]

    def mean(self, point: Float[Array, "*batch dim"]) -> Float[Array, "*batch rows"]:
        """`W x + b`, the noise-free view of a point."""
        return point @ self.matrix.T + self.offset

    def after_affine(self, centre: Float[Array, " dim"], scale: Float[Array, " dim"]) -> Channel:
        """The same view of `x = centre + scale * u`, as a channel that takes `u`."""
        return Channel(self.matrix * scale, self.offset + self.matrix @ centre, self.noise)
