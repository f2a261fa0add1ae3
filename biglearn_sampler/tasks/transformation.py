"""The interface of a transformation: a random orthogonal map with noise, under which a task looks at a point."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Key


class OrthogonalMap(NamedTuple):
    """One drawn map `z = A x + sigma n`.

    Arguments:
        matrix: `A`, orthogonal.
        noise: `sigma >= 0`, in the coordinates of training.
    """

    matrix: Float[Array, "dim dim"]
    noise: Float[Array, ""]

    @classmethod
    def identity(cls, dim: int) -> OrthogonalMap:
        """The map that changes nothing."""
        return cls(jnp.eye(dim), jnp.zeros(()))

    def then(self, other: OrthogonalMap) -> OrthogonalMap:
        """This map followed by another; independent noises add in quadrature, since `A` is orthogonal."""
        return OrthogonalMap(other.matrix @ self.matrix, jnp.hypot(self.noise, other.noise))


class AbstractTransformation(ABC):
    """A law of random maps (`tau(g)` in eq. 6 of the paper).

    A subclass is a frozen dataclass of plain numbers, so that it can be compared and hashed.
    """

    kind: ClassVar[str] = "transformation"

    @property
    def noisy(self) -> bool:
        """Whether drawn maps may have noise above zero. Tasks with noise need more than the energy at a point."""
        return False

    @abstractmethod
    def draw(self, key: Key[Array, ""], progress: Float[Array, ""], dim: int) -> OrthogonalMap:
        """One map.

        Arguments:
            key: the same key gives the same map.
            progress: how much of the present phase is done, from 0 to 1; for ladders that anneal.
            dim: number of coordinates.
        """
