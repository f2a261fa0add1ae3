"""A plain Python function as a target."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from biglearn_sampler.energy.facts import UNKNOWN, Facts
from biglearn_sampler.energy.layout import Layout
from biglearn_sampler.energy.origin import origin_of
from biglearn_sampler.energy.region import declared_dim, declared_region
from biglearn_sampler.energy.target import AbstractTarget
from biglearn_sampler.errors import TargetError

OUT_OF_BOUNDS = re.compile(r"index (-?\d+) is out of bounds for axis (\d+) with size (\d+)")
"""How NumPy tells it."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class FunctionTarget(AbstractTarget):
    """A log density given as a function of points (and of its data); see `function_target`."""

    function: Callable[..., Any] = field(metadata={"static": True})
    dimension: int = field(metadata={"static": True})
    declared_centre: Float[Array, " dim"]
    declared_scale: Float[Array, " dim"]
    data: tuple[Any, ...] = ()
    known: Facts = field(default=UNKNOWN, metadata={"static": True})
    batched: bool = field(default=False, metadata={"static": True})
    layout: Layout | None = field(default=None, metadata={"static": True})

    @property
    def dim(self) -> int:
        return self.dimension

    @property
    def centre(self) -> Float[Array, " dim"]:
        return self.declared_centre

    @property
    def scale(self) -> Float[Array, " dim"]:
        return self.declared_scale

    @property
    def facts(self) -> Facts:
        return self.known

    @property
    def source_name(self) -> str:
        return origin_of(self.function)

    @property
    def has_names(self) -> bool:
        return self.layout is not None

    def log_density(self, point: Float[Array, " dim"]) -> Float[Array, ""]:
        given = point if self.layout is None else self.layout.tree(point)
        if not self.batched:
            return self.function(given, *self.data)
        values = self.function(jax.tree.map(lambda leaf: leaf[None], given), *self.data)
        _check_batch(values, jnp.shape(point))
        return values[0]

    def quantities(self, point: Float[Array, " dim"]) -> dict[str, Array]:
        return {"x": point} if self.layout is None else self.layout.named(point)

    def check_indices(self) -> None:
        """See that the function asks for no coordinate that a point does not have; JAX would take its last one.

        The function is staged on a point of NumPy, which refuses such an index; nothing is computed. What else NumPy
        refuses is no fault: a function need only understand arrays of JAX.

        Raises:
            TargetError: an index is beyond the end.
        """
        kind, front = np.dtype(self.declared_centre.dtype), (1,) * self.batched
        shapes = ((self.dim,),) if self.layout is None else self.layout.shapes
        leaves = [np.zeros((*front, *shape), kind) for shape in shapes]
        given = leaves[0] if self.layout is None else jax.tree.unflatten(self.layout.structure, leaves)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                jax.eval_shape(lambda *data: self.function(given, *data), *self.data)
            except IndexError as error:
                found = OUT_OF_BOUNDS.search(str(error))
                if found is not None:
                    raise TargetError(_beyond(self, *map(int, found.groups()), told=str(error))) from None
            except Exception:
                return


def function_target(
    function: Callable[..., Any],
    *,
    dim: int | None = None,
    scale: Any,
    centre: Any = 0.0,
    batched: bool = False,
    like: Any = None,
    data: tuple[Any, ...] = (),
    facts: Facts | None = None,
) -> FunctionTarget:
    """A target from a JAX function that returns the unnormalised log density.

    Arguments:
        function: takes one point of shape `(dim,)` and returns a scalar; with `batched=True` it takes
            `(n, dim)` and returns `(n,)`. Arrays in `data` follow as further arguments.
        dim: number of coordinates, at least 1; left out where `like` says it.
        scale: how far from the centre the mass may lie, one positive number or one for each coordinate; with `like`
            also a pytree of the same structure.
        centre: where to look first, likewise.
        batched: whether the function takes many points at once.
        like: a dict or another pytree of numbers and arrays, if the function takes such a one in place of a vector;
            only its names and shapes count. With `batched=True` every array has one more axis in front. The figures
            of a run then come under these names.
        data: arrays that the function needs; they are passed to compiled code, not baked into it.
        facts: what is known about the target, for metrics only.

    Raises:
        TargetError: `function` cannot be called, or `dim`, `like`, `scale` or `centre` make no sense.

    Example:
        >>> import jax.numpy as jnp
        >>> ring = function_target(lambda x: -((jnp.hypot(x[0], x[1]) - 3.0) ** 2) / 0.08, dim=2, scale=4.0)
        >>> ring.dim
        2
        >>> named = function_target(lambda p: -(p["mu"] ** 2).sum(), like={"mu": jnp.zeros(3)}, scale=1.0)
        >>> named.quantities(jnp.ones(3))["mu"].shape
        (3,)
    """
    if not callable(function):
        raise TargetError(f"a target needs a function of one point, got {type(function).__name__}")
    layout = None if like is None else Layout.of(like)
    if layout is not None:
        if dim not in {None, layout.dim}:
            raise TargetError(f"like has {layout.dim} numbers and dim is {dim!r}; leave dim out")
        dim, scale, centre = layout.dim, layout.vector("scale", scale), layout.vector("centre", centre)
    if dim is None:
        raise TargetError("a function needs its dimension, dim=2, or the shape of what it takes, like={'mu': 0.0}")
    return FunctionTarget(
        function,
        declared_dim(dim),
        *declared_region(dim, centre, scale),
        data=tuple(data),
        known=facts or UNKNOWN,
        batched=batched,
        layout=layout,
    )


def _beyond(target: FunctionTarget, index: int, axis: int, size: int, *, told: str) -> str:
    """What an index beyond the end asked for."""
    known = "JAX would take the nearest entry and say nothing"
    if target.layout is None and (axis, size) == (int(target.batched), target.dim):
        least = index + 1 if index >= 0 else -index
        return (
            f"the log density: its code asks for coordinate {index} of a point of {size} ({told}); {known}. Expected "
            f"dim to be at least {least}, or indices within the point"
        )
    where = f"dim is {target.dim}" if target.layout is None else f"like has {target.layout.told}"
    return f"the log density: its code asks for an entry beyond the end of an array ({told}), and {where}; {known}"


def _check_batch(values: Any, shape: tuple[int, ...]) -> None:
    """See that a function of many points gave one number for each; it was asked with a batch of one."""
    if hasattr(values, "shape") and values.shape == (1,):
        return
    got = f"shape {values.shape}" if hasattr(values, "shape") else type(values).__name__
    if got == "shape ()":
        advice = "it sums over the batch, or takes one point: sum over the last axis only, or leave batched=True out"
    else:
        advice = "sum over the last axis, so that one number is left for every point"
    raise TargetError(
        f"with batched=True the log density of points of shape {(1, *shape)} must have shape (1,), got {got}; {advice}"
    )
