"""The targets that a combination is made of, checked at the door."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from jaxtyping import Array, Float

from biglearn_sampler.energy.evaluations import Evaluations
from biglearn_sampler.energy.mixture_target import MixtureTarget
from biglearn_sampler.energy.target import AbstractTarget
from biglearn_sampler.errors import TargetError


def checked_target(name: str, target: Any) -> AbstractTarget:
    """A target, and nothing else.

    Raises:
        TargetError: it is something else, such as a plain function.
    """
    if isinstance(target, AbstractTarget):
        return target
    raise TargetError(
        f"{name} takes targets, got {type(target).__name__}; make one with target(name) or "
        "target(function, dim=..., scale=...)"
    )


def checked_parts(name: str, targets: tuple[Any, ...]) -> tuple[AbstractTarget, ...]:
    """At least one target, and nothing else.

    Raises:
        TargetError: there is none, or one of them is something else.
    """
    if not targets:
        raise TargetError(f"{name} takes at least one target, got none")
    return tuple(checked_target(name, target) for target in targets)


def all_mixtures(parts: tuple[AbstractTarget, ...]) -> tuple[MixtureTarget, ...] | None:
    """The parts if every one of them is a Gaussian mixture, so that the combination may be one."""
    mixtures = tuple(part for part in parts if isinstance(part, MixtureTarget))
    return mixtures if len(mixtures) == len(parts) else None


def responsibilities_of(
    parts: tuple[AbstractTarget, ...],
) -> list[Callable[[Float[Array, " dim"]], Float[Array, " modes"]]]:
    """Those that all parts know, also inside compiled code, where modes must not be computed anew."""
    with jax.ensure_compile_time_eval():
        found = [part.facts.responsibilities for part in parts]
    return [each for each in found if each is not None]


def dearest_gradient(parts: tuple[AbstractTarget, ...]) -> Evaluations:
    """What a gradient of the combination costs: one evaluation of it asks each part once."""
    return max((part.price_of_gradient for part in parts), key=lambda price: price.total)
