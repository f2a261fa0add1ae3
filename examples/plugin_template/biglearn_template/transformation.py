"""A transformation: space seen in random mirrors."""

from dataclasses import dataclass
from typing import Annotated

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

import biglearn_sampler as bl


@dataclass(frozen=True)
class RandomMirrors(bl.AbstractTransformation):
    """`A = (I - 2 v_1 v_1^T) ... (I - 2 v_k v_k^T)` with random unit vectors `v`, and without noise."""

    mirrors: int

    def draw(self, key: Key[Array, ""], progress: Float[Array, ""], dim: int) -> bl.OrthogonalMap:
        image = bl.OrthogonalMap.identity(dim)
        for direction in jax.random.normal(key, (self.mirrors, dim)):
            image = image.then(_mirror(direction))
        return image


def my_transformation(
    mirrors: Annotated[int, "number of mirrors, one behind the other, at least 1"] = 1,
) -> bl.AbstractTransformation:
    """Random mirrors, one behind the other."""
    if mirrors < 1:
        raise ValueError(f"mirrors must be at least 1, got {mirrors}")
    return RandomMirrors(mirrors)


def _mirror(direction: Float[Array, " dim"]) -> bl.OrthogonalMap:
    unit = direction / jnp.linalg.norm(direction)
    return bl.OrthogonalMap(jnp.eye(len(unit)) - 2.0 * jnp.outer(unit, unit), jnp.zeros(()))
