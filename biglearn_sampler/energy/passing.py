"""Arrays that are passed to compiled code instead of being baked into it as constants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np
from jaxtyping import Array

T = TypeVar("T")


def split_arrays(owner: T) -> tuple[list[Array | np.ndarray], Callable[[list[Any]], T]]:
    """The arrays inside an object, and a function that puts arrays back in their places.

    Works for pytrees and for any other object: a target that is no pytree is one leaf of its own type, which compiled
    code cannot take, so it stays inside the function.
    """
    leaves, structure = jax.tree.flatten(owner)

    def rebuilt(arrays: list[Any]) -> T:
        arriving = iter(arrays)
        return jax.tree.unflatten(structure, [next(arriving) if _is_array(leaf) else leaf for leaf in leaves])

    return [leaf for leaf in leaves if _is_array(leaf)], rebuilt


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, (jax.Array, np.ndarray))
