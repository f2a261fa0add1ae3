"""Orthogonal maps without noise: identity, random rotations, Haar-distributed maps, coordinate subsets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from biglearn_sampler.catalogue import Entry
from biglearn_sampler.tasks import AbstractTransformation, OrthogonalMap

BIG_LEARNING = "Anonymous (2024), Big Cooperative Learning to Conquer Local Optima, section 3"


@dataclass(frozen=True)
class Identity(AbstractTransformation):
    """No change at all."""

    def draw(self, key: Key[Array, ""], progress: Float[Array, ""], dim: int) -> OrthogonalMap:
        return OrthogonalMap.identity(dim)


@dataclass(frozen=True)
class Orthogonal(AbstractTransformation):
    """A map from the Haar law on O(dim): every orthogonal map alike, reflections included.

    The QR factorisation of a standard normal matrix, with the signs of R's diagonal taken out (Mezzadri 2007).
    """

    def draw(self, key: Key[Array, ""], progress: Float[Array, ""], dim: int) -> OrthogonalMap:
        return OrthogonalMap(_haar(key, dim), jnp.zeros(()))


@dataclass(frozen=True)
class Rotation(AbstractTransformation):
    """A map from the Haar law on SO(dim), or in the plane of the first two coordinates by a given angle.

    Arguments:
        degrees: the angle of the plane rotation; `None` for a random rotation of the whole space.
    """

    degrees: float | None = None

    def draw(self, key: Key[Array, ""], progress: Float[Array, ""], dim: int) -> OrthogonalMap:
        if self.degrees is None:
            matrix = _haar(key, dim)
            return OrthogonalMap(matrix.at[0].multiply(jnp.sign(jnp.linalg.det(matrix))), jnp.zeros(()))
        if dim < 2:
            raise ValueError(f"a rotation by an angle needs at least 2 coordinates, got {dim}")
        angle = jnp.deg2rad(self.degrees)
        plane = jnp.array([[jnp.cos(angle), jnp.sin(angle)], [-jnp.sin(angle), jnp.cos(angle)]])
        return OrthogonalMap(jnp.eye(dim).at[:2, :2].set(plane), jnp.zeros(()))


@dataclass(frozen=True)
class CoordinateSubset(AbstractTransformation):
    """The coordinates in random order, so that a marginal or conditional task keeps a random subset of them."""

    def draw(self, key: Key[Array, ""], progress: Float[Array, ""], dim: int) -> OrthogonalMap:
        return OrthogonalMap(jnp.eye(dim)[jax.random.permutation(key, dim)], jnp.zeros(()))


def _haar(key: Key[Array, ""], dim: int) -> Float[Array, "dim dim"]:
    factor, triangle = jnp.linalg.qr(jax.random.normal(key, (dim, dim)))
    return factor * jnp.sign(jnp.diagonal(triangle))


def identity() -> Identity:
    """No change at all."""
    return Identity()


def orthogonal() -> Orthogonal:
    """A random orthogonal map, reflections included."""
    return Orthogonal()


def rotation(
    degrees: Annotated[
        float | None,
        "angle in the plane of the first two coordinates; none for a random rotation of the whole space",
    ] = None,
) -> Rotation:
    """A rotation, random or by a given angle."""
    if degrees is not None and not math.isfinite(degrees):
        raise ValueError(f"`degrees` must be a finite number, got {degrees}")
    return Rotation(degrees)


def coordinate_subset() -> CoordinateSubset:
    """The coordinates in random order."""
    return CoordinateSubset()


ENTRIES = [
    Entry(name="identity", build=identity, summary="no change"),
    Entry(
        name="orthogonal",
        build=orthogonal,
        summary="random orthogonal map from the Haar law",
        reference=f"Mezzadri (2007), How to generate random matrices from the classical compact groups; {BIG_LEARNING}",
    ),
    Entry(
        name="rotation",
        build=rotation,
        summary="rotation, random or by a given angle",
        reference=BIG_LEARNING,
    ),
    Entry(
        name="coordinate_subset",
        build=coordinate_subset,
        summary="coordinates in random order, so that tasks keep a random subset",
        reference=BIG_LEARNING,
    ),
]
