"""Particles whose energy depends on their distances only, in coordinates without their centre of mass.

Such an energy does not change when all particles move together, so as a density of all positions it has no integral.
Removing the centre of mass by projection, as is often done, leaves a density on a subspace of lower dimension, and a
sampler of all coordinates then works on a law that does not exist. Here the subspace has coordinates of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from biglearn_sampler.energy import UNKNOWN, AbstractTarget, Facts


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class ParticleTarget(AbstractTarget):
    """`log_density(u) = function(B U)`: the columns of `B` are orthonormal and orthogonal to `(1, ..., 1)`.

    `U` has the coordinates `u` in rows, one row less than there are particles, and `B U` are positions around their
    centre of mass. As `B` is orthonormal, lengths and volumes are those of positions: with `n` particles in `d`
    dimensions, the integral over all positions is `n^(d / 2) Z` for each unit of volume that the centre of mass has.

    Arguments:
        function: the log density of positions of shape `(particles, space)`; what is in `data` follows.
        space: dimensions of space.
        basis: `B`, see `basis_without_centre`.
        radius: the declared scale, in every coordinate; the centre is 0.
        data: further arguments of the function.
        known: facts about the target, in the coordinates `u`.
    """

    function: Callable[..., Float[Array, ""]] = field(metadata={"static": True})
    space: int = field(metadata={"static": True})
    basis: Float[Array, "particles rest"]
    radius: Float[Array, ""]
    data: tuple[Array, ...] = ()
    known: Facts = field(default=UNKNOWN, metadata={"static": True})

    @property
    def dim(self) -> int:
        return self.basis.shape[1] * self.space

    @property
    def scale(self) -> Float[Array, " dim"]:
        return jnp.full(self.dim, self.radius)

    @property
    def facts(self) -> Facts:
        return self.known

    def log_density(self, point: Float[Array, " dim"]) -> Float[Array, ""]:
        return self.function(self.positions(point), *self.data)

    def positions(self, point: Float[Array, " dim"]) -> Float[Array, "particles space"]:
        """Where the particles are, around their centre of mass."""
        return self.basis @ point.reshape(-1, self.space)

    def quantities(self, point: Float[Array, " dim"]) -> dict[str, Array]:
        """The positions of the particles."""
        return {"positions": self.positions(point)}


def particle_target(
    function: Callable[..., Float[Array, ""]],
    *,
    particles: int,
    space: int,
    radius: float,
    data: tuple[Array, ...] = (),
    facts: Facts = UNKNOWN,
) -> ParticleTarget:
    """A target from the log density of positions around the centre of mass."""
    basis = jnp.asarray(basis_without_centre(particles), float)
    return ParticleTarget(function, space, basis, jnp.asarray(radius, float), data, facts)


def basis_without_centre(particles: int) -> Float[np.ndarray, "particles rest"]:
    """Orthonormal columns that are orthogonal to `(1, ..., 1)`: column `k` sets particle `k + 1` against those before.

    `b_k = (1, ..., 1, -k, 0, ..., 0) / sqrt(k (k + 1))` with `k` ones, for `k` from 1 to `particles - 1`.
    """
    number = np.arange(1, particles)
    columns = np.triu(np.ones((particles, particles - 1))) - np.eye(particles, particles - 1, k=-1) * number
    return columns / np.sqrt(number * (number + 1.0))


def coordinates_of(positions: Float[Array, "*count particles space"]) -> Float[Array, "*count dim"]:
    """The coordinates `u` of positions; where their centre of mass is makes no difference."""
    basis = jnp.asarray(basis_without_centre(positions.shape[-2]), positions.dtype)
    return jnp.einsum("pr,...ps->...rs", basis, positions).reshape(*positions.shape[:-2], -1)


def sum_over_pairs(of_square: Callable[[Array], Array], positions: Float[Array, "particles space"]) -> Float[Array, ""]:
    """`sum_{i<j} of_square(|x_i - x_j|^2)`, each pair once; the function takes any shape, and also zeros."""
    squares = ((positions[:, None] - positions[None]) ** 2).sum(-1)
    pairs = np.triu(np.ones(squares.shape, bool), k=1)
    return jnp.where(pairs, of_square(squares), 0.0).sum()
