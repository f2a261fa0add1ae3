"""Named quantities that a user's NumPy function makes of points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from biglearn_sampler.energy.host_function import NumpyFunction, called, numbers, row_by_row
from biglearn_sampler.errors import TargetError

WHAT = "quantities"


@dataclass(frozen=True, eq=False)
class HostQuantities:
    """A function on the host that names what a point stands for.

    Arguments:
        function: takes points of shape `(count, dim)` and returns a dict of arrays `(count, ...)`.
        shapes: of every quantity of one point.
    """

    function: NumpyFunction
    shapes: dict[str, tuple[int, ...]]

    @classmethod
    def of(cls, function: NumpyFunction, centre: Float[np.ndarray, " dim"]) -> HostQuantities:
        """With the names and shapes that the function gives at one point.

        Raises:
            TargetError: it raises, or gives no dict of arrays with one row for each point.
        """
        found = called(WHAT, function, np.array(centre, float)[None])
        if not isinstance(found, dict) or not found or not all(isinstance(name, str) for name in found):
            raise TargetError(f"quantities must return a dict from names to arrays, got {found!r}")
        shapes = {name: np.shape(value)[1:] for name, value in found.items()}
        itself = cls(function, shapes)
        itself.named(np.array(centre, float)[None])
        return itself

    def named(self, points: Any) -> dict[str, Float[np.ndarray, ...]]:
        """All quantities of points with any leading axes."""
        dtype, leading, flat = row_by_row(points)
        found = called(WHAT, self.function, flat)
        if not isinstance(found, dict) or set(found) != set(self.shapes):
            raise TargetError(f"quantities must return the same names for all points: {', '.join(self.shapes)}")
        return {
            name: numbers(f"quantity '{name}'", found[name], flat, (len(flat), *shape))
            .astype(dtype)
            .reshape((*leading, *shape))
            for name, shape in self.shapes.items()
        }

    def at(self, point: Float[Array, " dim"]) -> dict[str, Float[Array, ...]]:
        """The same from compiled code."""
        forms = {name: jax.ShapeDtypeStruct(shape, point.dtype) for name, shape in self.shapes.items()}
        return jax.pure_callback(self.named, forms, point, vmap_method="expand_dims")
