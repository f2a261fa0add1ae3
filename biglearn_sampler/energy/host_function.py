"""A user's NumPy functions as compiled code calls them: whole batches, and every answer checked."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from biglearn_sampler.errors import TargetError

MOST_AT_ONCE = 65_536
"""Points of one call where a gradient is made from differences, which bounds the memory."""

EXPONENT = 0.4
"""A difference over `epsilon^0.4` declared scales: half a millionth in double precision, far below any width that
matters, and the rounding of an energy of a thousand is still a millionth."""

NumpyFunction = Callable[[np.ndarray], Any]


@dataclass(frozen=True, eq=False)
class HostFunction:
    """A log density on the host, with or without its gradient; takes points with any leading axes.

    Without a gradient, central differences stand for it, in double precision; one-sided where the density is zero on
    one side.

    Arguments:
        log_density: takes points of shape `(count, dim)` and returns `(count,)`.
        gradient: takes the same and returns `(count, dim)`.
        value_and_gradient: takes the same and returns both; one call instead of two.
        units: the declared scale, by which differences are measured.
    """

    log_density: NumpyFunction
    gradient: NumpyFunction | None
    value_and_gradient: NumpyFunction | None
    units: tuple[float, ...]

    @property
    def has_gradient(self) -> bool:
        """Whether the user gave a gradient."""
        return self.gradient is not None or self.value_and_gradient is not None

    def value(self, points: Any) -> Float[np.ndarray, ...]:
        """`log q` of every point, in the precision of the points."""
        dtype, leading, flat = row_by_row(points)
        return _in_precision(self._values(flat), dtype).reshape(leading)

    def both(self, points: Any) -> tuple[Float[np.ndarray, ...], Float[np.ndarray, "... dim"]]:
        """`log q` and its gradient at every point, in the precision of the points."""
        dtype, leading, flat = row_by_row(points)
        values, gradients = self._both(flat)
        return (
            _in_precision(values, dtype).reshape(leading),
            _in_precision(gradients, dtype).reshape(*leading, flat.shape[1]),
        )

    def _values(self, points: Float[np.ndarray, "count dim"]) -> Float[np.ndarray, " count"]:
        return numbers("log density", called("log density", self.log_density, points), points, points.shape[:1])

    def _both(
        self, points: Float[np.ndarray, "count dim"]
    ) -> tuple[Float[np.ndarray, " count"], Float[np.ndarray, "count dim"]]:
        if self.value_and_gradient is not None:
            answer = called("value_and_gradient", self.value_and_gradient, points)
            if not isinstance(answer, (tuple, list)) or len(answer) != 2:
                raise TargetError(f"value_and_gradient must return two arrays, got {type(answer).__name__}")
            return (
                numbers("log density", answer[0], points, points.shape[:1]),
                numbers("gradient", answer[1], points, points.shape),
            )
        if self.gradient is not None:
            gradients = called("gradient", self.gradient, points)
            return self._values(points), numbers("gradient", gradients, points, points.shape)
        values = self._values(points)
        return values, self.differences(points, values)

    def differences(
        self,
        points: Float[np.ndarray, "count dim"],
        values: Float[np.ndarray, " count"],
        exponent: float = EXPONENT,
    ) -> Float[np.ndarray, "count dim"]:
        """`(f(x + h e_i) - f(x - h e_i)) / 2 h` along every coordinate, with `h = epsilon^exponent` declared scales.

        Costs `2 dim` evaluations for each point. `values` are the log densities of the points.
        """
        dim = points.shape[1]
        steps = _epsilon(values) ** exponent * np.asarray(self.units)
        parts = -(-2 * dim * len(points) // MOST_AT_ONCE)
        slopes = []
        for some, height in zip(np.array_split(points, parts), np.array_split(values, parts), strict=True):
            ends = some[:, None, None] + np.stack([np.diag(steps), -np.diag(steps)])
            found = self._values(ends.reshape(-1, dim)).reshape(len(some), 2, dim)
            dense = np.isfinite(found)
            rise = np.where(dense, found, height[:, None, None])
            # What was added is not quite the step: a coordinate may be large.
            run = np.where(dense, np.diagonal(ends, axis1=2, axis2=3), some[:, None])
            with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
                slopes.append((rise[:, 0] - rise[:, 1]) / (run[:, 0] - run[:, 1]))
        return np.concatenate(slopes)


def row_by_row(points: Any) -> tuple[np.dtype, tuple[int, ...], Float[np.ndarray, "count dim"]]:
    """The precision and the leading axes of points, and a copy of them in double precision that a user may change."""
    array = np.asarray(points)
    return array.dtype, array.shape[:-1], np.array(array, float).reshape(-1, array.shape[-1])


def _in_precision(numbers: Float[np.ndarray, ...], dtype: np.dtype) -> Float[np.ndarray, ...]:
    """Numbers too large for it become infinite, and count as density zero."""
    with np.errstate(over="ignore"):
        return numbers.astype(dtype)


def _epsilon(values: Float[np.ndarray, " count"]) -> float:
    """Relative rounding of an energy: that of single precision if all its values are such numbers."""
    finite = values[np.isfinite(values)]
    with np.errstate(over="ignore"):
        single = np.array_equal(finite, finite.astype(np.float32))
    return float(np.finfo(np.float32 if single else np.float64).eps)


def called(what: str, function: NumpyFunction, points: Float[np.ndarray, "count dim"]) -> Any:
    """The answer of a user's function; points of density zero are counted elsewhere and need no warning here."""
    try:
        with np.errstate(all="ignore"):
            return function(points)
    except Exception as error:
        raised = " ".join(f"{type(error).__name__}: {error}".split())
        frames = traceback.extract_tb(error.__traceback__)[1:]  # the first one is the call above
        place = f" (line {frames[0].lineno} of {frames[0].filename})" if frames else ""
        raise TargetError(
            f"the {what} raised at points of shape {points.shape}: {raised}{place}. It is called with a NumPy array of "
            "many points, one in each row"
        ) from error


def numbers(
    what: str, answer: Any, points: Float[np.ndarray, "count dim"], shape: tuple[int, ...]
) -> Float[np.ndarray, ...]:
    """An answer as an array of real numbers, once it has the right shape."""
    try:
        array: Shaped[np.ndarray, ...] = np.asarray(answer)
    except Exception as error:
        raise TargetError(f"the {what} must be a NumPy array, got {type(answer).__name__}: {error}") from error
    if not np.issubdtype(array.dtype, np.floating) and not np.issubdtype(array.dtype, np.integer):
        raise TargetError(f"the {what} must be real numbers, got {type(answer).__name__} of dtype {array.dtype}")
    if array.shape == shape:
        return array.astype(float)
    if array.shape == ():
        advice = (
            "it sums over the batch, or takes one point: sum over the last axis only, or go through the points with "
            "lambda points: np.array([function(point) for point in points])"
        )
    elif array.size == np.prod(shape):
        advice = "reshape it"
    else:
        advice = "one point stands in each row, so sum over the last axis only"
    raise TargetError(
        f"the {what} of points of shape {points.shape} must have shape {shape}, got {array.shape}; {advice}"
    )


class _WithoutOurs(logging.Filter):
    """Leaves out the traceback that JAX logs when a user's function raised: the error itself says it."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], TargetError))


logging.getLogger("jax._src.callback").addFilter(_WithoutOurs())
