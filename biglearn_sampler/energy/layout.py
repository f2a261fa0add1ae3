"""How a user's own arrays, such as a dict of parameters, lie in the vector that a sampler moves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from biglearn_sampler.errors import TargetError


@dataclass(frozen=True)
class Layout:
    """Names and shapes of the leaves of a pytree, in the order in which they stand in a point.

    Arguments:
        structure: of the pytree; the keys of a dict are in alphabetical order.
        names: of its leaves, such as `mu`, or `layer.0` inside containers.
        shapes: of its leaves.
    """

    structure: Any
    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, like: Any) -> Layout:
        """The layout of arrays and numbers; only their names and shapes count.

        Raises:
            TargetError: a leaf is no real number and no array of those, or there is none.
        """
        leaves, structure = jax.tree_util.tree_flatten_with_path(like)
        names = tuple(jax.tree_util.keystr(path, simple=True, separator=".") or "x" for path, _ in leaves)
        for name, (_, leaf) in zip(names, leaves, strict=True):
            kind = np.dtype(leaf.dtype if hasattr(leaf, "dtype") else np.asarray(leaf).dtype).kind
            if kind not in "fi":
                raise TargetError(
                    f"like: '{name}' must be a real number or an array of those, got {type(leaf).__name__}"
                )
        layout = cls(structure, names, tuple(tuple(map(int, np.shape(leaf))) for _, leaf in leaves))
        if layout.dim == 0:
            raise TargetError(f"like must hold at least one number, such as {{'mu': np.zeros(3)}}, got {like!r}")
        return layout

    @property
    def told(self) -> str:
        """Names and shapes in words, for errors."""
        return ", ".join(f"'{name}' of shape {shape}" for name, shape in zip(self.names, self.shapes, strict=True))

    @property
    def dim(self) -> int:
        """Number of coordinates of a point."""
        return sum(math.prod(shape) for shape in self.shapes)

    def arrays(self, point: Float[Array, " dim"]) -> list[Float[Array, ...]]:
        """The leaves at a point."""
        ends = np.cumsum([math.prod(shape) for shape in self.shapes]).tolist()
        starts = [0, *ends[:-1]]
        return [point[start:end].reshape(shape) for start, end, shape in zip(starts, ends, self.shapes, strict=True)]

    def tree(self, point: Float[Array, " dim"]) -> Any:
        """The pytree at a point."""
        return jax.tree.unflatten(self.structure, self.arrays(point))

    def named(self, point: Float[Array, " dim"]) -> dict[str, Float[Array, ...]]:
        """The leaves at a point, by name."""
        return dict(zip(self.names, self.arrays(point), strict=True))

    def vector(self, what: str, value: Any) -> Any:
        """A declared value for every coordinate: from a pytree like this one, else as it is.

        Arguments:
            what: the name of the value, for errors.
            value: a number or array for the whole point, or a pytree with a number or an array for every leaf.

        Raises:
            TargetError: a mapping with other keys, or an array of another shape.
        """
        if jax.tree.structure(value) != self.structure:
            if isinstance(value, dict):
                raise TargetError(f"{what} must be one number, or name the same as like: {', '.join(self.names)}")
            return value
        parts = []
        for name, shape, leaf in zip(self.names, self.shapes, jax.tree.leaves(value), strict=True):
            if np.shape(leaf) not in {(), shape}:
                raise TargetError(f"{what} of '{name}' must be one number or of shape {shape}, got {np.shape(leaf)}")
            parts.append(np.broadcast_to(np.asarray(leaf, float), shape).reshape(-1))
        return np.concatenate(parts)
