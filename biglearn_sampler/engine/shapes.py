"""Few shapes: a program is compiled for every shape of its arguments, and an engine meets hundreds of counts."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import ArrayLike

LEAST_ROWS = 128
"""Of a padded array."""


def on_device(array: ArrayLike) -> Float[Array, ...]:
    """The array in the precision of the device.

    NumPy rounds it, and a copy is put there as it is, since the device may share its memory: for either JAX would
    compile a program for every shape.
    """
    return jax.device_put(np.array(array, jnp.result_type(float)))


def padded(array: Float[np.ndarray, "rows ..."]) -> Float[np.ndarray, "more ..."]:
    """The array with its last row repeated until there are a power of two, `LEAST_ROWS` at least."""
    rows = len(array)
    more = max(LEAST_ROWS, 1 << (rows - 1).bit_length())
    return np.concatenate([array, np.broadcast_to(array[-1], (more - rows, *array.shape[1:]))])


def powers(count: int, most: int) -> Iterator[slice]:
    """Slices that share out `count` rows, powers of sixteen of them, the largest first and none above `most`."""
    start = 0
    while start < count:
        size = min(most, 16 ** (((count - start).bit_length() - 1) // 4))
        yield slice(start, start + size)
        start += size
