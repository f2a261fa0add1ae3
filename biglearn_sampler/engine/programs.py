"""What is compiled of an adaptive training: the energy alone, and rounds of steps around it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from biglearn_sampler.compilation import quickly
from biglearn_sampler.devices import Devices
from biglearn_sampler.energy import AbstractTarget, split_arrays
from biglearn_sampler.engine.archive import Archive
from biglearn_sampler.engine.population import Population
from biglearn_sampler.engine.rules import Rules
from biglearn_sampler.engine.steps import Held, Pace, Seen, Trace, ValueAndScore, joint_steps, search_steps
from biglearn_sampler.estimators.guard import guarded
from biglearn_sampler.mixture import GaussianMixture


class Programs(NamedTuple):
    """Compiled functions of the arrays of a target, and of what else they need; compiled for every size of that.

    Arguments:
        joint: see `joint_steps`.
        search: see `search_steps`.
        log_density: of the target at points.
        scores: its gradient at points.
    """

    joint: Callable[..., tuple[GaussianMixture, Trace]]
    search: Callable[..., tuple[GaussianMixture, Trace, Seen]]
    log_density: Callable[..., Float[Array, " count"]]
    scores: Callable[..., Float[Array, "count dim"]]


def programs_of(target: AbstractTarget, rules: Rules, devices: Devices, name: str) -> Programs:
    """The programs for a target and for all that differ from it in their arrays only; in all processes alike.

    Arguments:
        target: in the coordinates of training.
        rules: of the engine.
        devices: on which points are shared out.
        name: of the target, where there are several in a training.
    """
    arrays, rebuilt = split_arrays(target)
    compiled = partial(
        jax.jit, out_shardings=devices.everywhere, compiler_options={**quickly(), **devices.compiler_options}
    )

    def value_and_score(arrays: list[Array]) -> ValueAndScore:
        return devices.asked(jax.vmap(jax.value_and_grad(guarded(rebuilt(arrays).log_density))))

    @partial(compiled, static_argnames=("count", "window", "fresh"))
    def joint(
        arrays: list[Array],
        mixture: GaussianMixture,
        key: Key[Array, ""],
        pace: Pace,
        count: int,
        window: int,
        fresh: int,
    ) -> tuple[GaussianMixture, Trace]:
        return joint_steps(
            value_and_score(arrays), rules, mixture, key, pace, count, window, fresh, devices.by_component
        )

    @partial(compiled, static_argnames=("count", "window"))
    def search(
        arrays: list[Array],
        mixture: GaussianMixture,
        held: Held,
        unmoved: Bool[Array, " components"],
        key: Key[Array, ""],
        count: int,
        window: int,
    ) -> tuple[GaussianMixture, Trace, Seen]:
        return search_steps(value_and_score(arrays), rules, mixture, held, unmoved, key, count, window)

    @compiled
    def log_density(arrays: list[Array], points: Float[Array, "count dim"]) -> Float[Array, " count"]:
        return devices.asked(jax.vmap(guarded(rebuilt(arrays).log_density)))(points)

    @compiled
    def scores(arrays: list[Array], points: Float[Array, "count dim"]) -> Float[Array, "count dim"]:
        return value_and_score(arrays)(points)[1]

    # What other processes need to know of the arguments.
    points = np.zeros((1, target.dim))

    def stretch() -> tuple[Any, ...]:
        return arrays, Population.at(points, 1.0).mixture(), jax.random.key(0), Pace()

    def looking() -> tuple[Any, ...]:
        return *stretch()[:2], Held.of(Archive(target.dim), 1), np.zeros(1, bool), jax.random.key(0)

    def asking() -> tuple[Any, ...]:
        return arrays, points

    return Programs(
        devices.shared(f"{name}: joint", joint, stretch),
        devices.shared(f"{name}: search", search, looking),
        devices.shared(f"{name}: log density", log_density, asking),
        devices.shared(f"{name}: scores", scores, asking),
    )
