"""`target`: one door to every kind of target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from biglearn_sampler.bridges import build_target
from biglearn_sampler.catalogue import Catalogue
from biglearn_sampler.catalogue.problems import did_you_mean
from biglearn_sampler.energy import AbstractTarget, Facts
from biglearn_sampler.energy.function_target import function_target
from biglearn_sampler.errors import TargetError


def target(
    what: str | Callable[..., Any],
    *,
    dim: int | None = None,
    scale: Any = None,
    centre: Any = None,
    batched: bool = False,
    like: Any = None,
    data: tuple[Any, ...] = (),
    facts: Facts | None = None,
    catalogue: Catalogue | None = None,
    **parameters: Any,
) -> AbstractTarget:
    """A target by name, or from a function that returns the unnormalised log density.

    Arguments:
        what: a name in the catalogue, such as `"grid25"`, with `parameters`; or a NumPyro model in a file, as
            `"path/to/file.py:model"`; or a function of one point of shape `(dim,)` that returns a scalar and is written
            with jax; with `batched=True` it takes `(n, dim)` and returns `(n,)`. A NumPy function becomes a target by
            `from_numpy`.
        dim, scale, centre: of a function: the number of coordinates, how far from the centre its mass may lie, and the
            centre, by default the origin. A named target may have parameters of the same names.
        like: of a function that takes a dict or another pytree of arrays: one with the same names and shapes, in place
            of `dim`.
        batched, data, facts: of a function; see `biglearn_sampler.energy.function_target`.
        catalogue: where names are looked up; a fresh one by default.
        parameters: of a named target.

    Raises:
        CatalogueError: unknown name or parameters.
        TargetError: a function without `dim` and `scale`, or values that make no sense.

    Example:
        >>> import biglearn_sampler as bl
        >>> bl.target("grid25").dim
        2
        >>> bl.target(lambda x: -0.5 * (x**2).sum(), dim=3, scale=1.0).dim
        3
        >>> bl.target(lambda p: -0.5 * p["mu"] ** 2 - p["tau"] ** 2, like={"mu": 0.0, "tau": 0.0}, scale=1.0).dim
        2
    """
    if isinstance(what, str):
        if batched or data or facts is not None or like is not None:
            raise TargetError(f"batched, like, data and facts belong to a function; '{what}' is the name of a target")
        shared = {"dim": dim, "scale": scale, "centre": centre}
        named = {name: value for name, value in shared.items() if value is not None}
        return build_target(what, catalogue or Catalogue(), {**named, **parameters}).value
    if not callable(what):
        raise TargetError(f"a target is made from a name or from a function, got {type(what).__name__}")
    if (dim is None and like is None) or scale is None:
        raise TargetError(
            "a function needs its dimension and how far its mass may reach: target(function, dim=2, scale=4.0), or "
            "like={'mu': 0.0} in place of dim if it takes a dict of arrays"
        )
    if parameters:
        meant = did_you_mean(next(iter(parameters)), ("dim", "scale", "centre", "batched", "like", "data", "facts"))
        raise TargetError(f"unknown arguments for a function: {', '.join(parameters)}{meant}")
    origin = 0.0 if centre is None else centre
    return function_target(
        what, dim=dim, scale=scale, centre=origin, batched=batched, like=like, data=data, facts=facts
    )
