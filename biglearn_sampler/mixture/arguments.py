"""Checks of what a mixture is asked with, by types and shapes only: under tracing they cost nothing."""

from __future__ import annotations

import operator
from numbers import Integral
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

ORDER = "a key comes first and then the number of draws, as in sample(jax.random.key(0), 1000)"


def checked_key(key: Any) -> Key[Array, ""]:
    """A key; a whole number is the seed of one.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(key, Integral) and not isinstance(key, bool):
        if key < 0:
            raise ValueError(f"a seed must be at least 0, got {key}; {ORDER}")
        return jax.random.key(int(key))
    dtype, shape = getattr(key, "dtype", None), getattr(key, "shape", None)
    is_new = dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key) and shape == ()
    is_old = dtype == jnp.uint32 and shape is not None and len(shape) == 1
    if not is_new and not is_old:
        raise ValueError(f"expected one key, such as jax.random.key(0), or a seed, got {_told(key)}; {ORDER}")
    return key


def checked_count(count: Any) -> int:
    """A number of draws.

    Raises:
        ValueError: it is no whole number, or negative.
    """
    try:
        whole = None if isinstance(count, bool) else operator.index(count)
    except TypeError:
        whole = None
    if whole is None or whole < 0:
        got = count if whole is not None or isinstance(count, (float, bool)) else _told(count)
        raise ValueError(f"the number of draws must be a whole number of at least 0, got {got}; {ORDER}")
    return whole


def checked_point(point: Any, dim: int) -> Float[Array, "*batch dim"]:
    """One point, or an array of points.

    Raises:
        ValueError: it is no array, or its last axis is not that of the coordinates.
    """
    shape = getattr(point, "shape", None)
    if shape is None or len(shape) == 0 or shape[-1] != dim:
        advice = "; jnp.asarray makes an array of numbers" if shape is None else ""
        raise ValueError(
            f"expected one point of shape ({dim},) or many of shape (count, {dim}), got {_told(point)}{advice}"
        )
    return point


def _told(value: Any) -> str:
    return f"shape {value.shape} of {value.dtype}" if hasattr(value, "dtype") else type(value).__name__
