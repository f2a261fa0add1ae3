"""A plain Python function as a target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
from jaxtyping import Array, Float
from numpy.typing import ArrayLike

from biglearn_sampler.energy.facts import UNKNOWN, Facts
from biglearn_sampler.energy.region import declared_region
from biglearn_sampler.energy.target import AbstractTarget
from biglearn_sampler.errors import TargetError


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class FunctionTarget(AbstractTarget):
    """A log density given as a function of one point (and of its data); see `function_target`."""

    function: Callable[..., Float[Array, ""]] = field(metadata={"static": True})
    dimension: int = field(metadata={"static": True})
    declared_centre: Float[Array, " dim"]
    declared_scale: Float[Array, " dim"]
    data: tuple[Any, ...] = ()
    known: Facts = field(default=UNKNOWN, metadata={"static": True})

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

    def log_density(self, point: Float[Array, " dim"]) -> Float[Array, ""]:
        return self.function(point, *self.data)


def function_target(
    function: Callable[..., Any],
    *,
    dim: int,
    scale: ArrayLike,
    centre: ArrayLike = 0.0,
    batched: bool = False,
    data: tuple[Any, ...] = (),
    facts: Facts | None = None,
) -> FunctionTarget:
    """A target from a JAX function that returns the unnormalised log density.

    Arguments:
        function: takes one point of shape `(dim,)` and returns a scalar; with `batched=True` it takes
            `(n, dim)` and returns `(n,)`. Arrays in `data` follow as further arguments.
        dim: number of coordinates, at least 1.
        scale: how far from the centre the mass may lie, one positive number or one for each coordinate.
        centre: where to look first, one number or one for each coordinate.
        batched: whether the function takes many points at once.
        data: arrays that the function needs; they are passed to compiled code, not baked into it.
        facts: what is known about the target, for metrics only.

    Raises:
        TargetError: `function` cannot be called, or `dim`, `scale` or `centre` make no sense.

    Example:
        >>> import jax.numpy as jnp
        >>> ring = function_target(lambda x: -((jnp.hypot(x[0], x[1]) - 3.0) ** 2) / 0.08, dim=2, scale=4.0)
        >>> ring.dim
        2
    """
    if not callable(function):
        raise TargetError(f"a target needs a function of one point, got {type(function).__name__}")
    if isinstance(dim, bool) or not isinstance(dim, int) or dim < 1:
        raise TargetError(f"dim must be a whole number of at least 1, got {dim!r}")
    declared_centre, declared_scale = declared_region(dim, centre, scale)
    return FunctionTarget(
        function=_one_point(function) if batched else function,
        dimension=dim,
        declared_centre=declared_centre,
        declared_scale=declared_scale,
        data=tuple(data),
        known=facts or UNKNOWN,
    )


def _one_point(function: Callable[..., Any]) -> Callable[..., Any]:
    def of_one_point(point: Float[Array, " dim"], *data: Any) -> Any:
        return function(point[None], *data)[0]

    return of_one_point
