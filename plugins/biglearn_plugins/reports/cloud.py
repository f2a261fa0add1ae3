"""Weighted points of named numbers: what the sampler, a baseline or the truth says of quantities."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.evaluation import Draws
from biglearn_sampler.evaluation.importance import draw_weights, numbers_of
from biglearn_sampler.runs.run import Run

# The same picture for the same run.
KEY_SAMPLER, KEY_EXACT = 0, 1
COUNT = 8192
BATCH = 4096
TAIL = 0.002


@dataclass(frozen=True, eq=False)
class Cloud:
    """What one method says of some numbers.

    Arguments:
        label: as in the legend.
        names: of the numbers.
        values: the numbers at its draws.
        weights: of the draws, summing to one.
    """

    label: str
    names: tuple[str, ...]
    values: Float[np.ndarray, "count numbers"]
    weights: Float[np.ndarray, " count"]

    def interval(self, number: int) -> tuple[float, float]:
        """The range of one number without the outermost 0.2 % of the mass on either side."""
        order = np.argsort(self.values[:, number])
        mass = np.cumsum(self.weights[order])
        first, last = np.searchsorted(mass, [TAIL, 1.0 - TAIL])
        ordered = self.values[order, number]
        return float(ordered[first]), float(ordered[min(last, len(ordered) - 1)])


def sampler_clouds(run: Run, numbers: int) -> list[Cloud]:
    """The first numbers at draws of the trained mixture: as they are, and with importance weights.

    The second is left out if the target's density is zero at all draws.
    """
    points = run.sampler.sample(jax.random.key(KEY_SAMPLER), COUNT)
    log_target = log_densities(run.target, points)
    draws = Draws(
        np.asarray(points),
        np.where(np.isfinite(log_target), log_target, -np.inf),
        log_sampler=np.asarray(run.sampler.log_density(points), float),
    )
    named = _named(run.target, points, numbers)
    weights = draw_weights(draws)
    raw = _cloud("sampler, raw", named, np.full(COUNT, 1.0 / COUNT))
    finite = np.isfinite(np.stack(list(named.values()), axis=1)).all(axis=1)
    return [raw, _cloud("sampler, importance-weighted", named, weights)] if weights[finite].any() else [raw]


def reference_cloud(run: Run, numbers: int) -> Cloud | None:
    """What to compare with: the first baseline in memory, else exact draws, else nothing."""
    for name, result in run.baselines.items():
        points = jnp.asarray(result.draws.points, float)
        return _cloud(name, _named(run.target, points, numbers), draw_weights(result.draws))
    return exact_cloud(run.target, numbers)


def exact_cloud(target: AbstractTarget, numbers: int) -> Cloud | None:
    """The first numbers at exact draws, where a target has them."""
    if target.facts.sample is None:
        return None
    exact = target.facts.sample(jax.random.key(KEY_EXACT), COUNT)
    return _cloud("exact draws", _named(target, exact, numbers), np.full(COUNT, 1.0 / COUNT))


def draws_cloud(label: str, target: AbstractTarget, draws: Draws, numbers: int) -> Cloud:
    """The first numbers at the draws of a method, as the method itself weighs them."""
    points = jnp.asarray(draws.points, float)
    return _cloud(label, _named(target, points, numbers), draws.shares)


def _cloud(label: str, named: Mapping[str, np.ndarray], weights: np.ndarray) -> Cloud:
    """Draws at which a number is not finite are left out."""
    values = np.stack(list(named.values()), axis=1)
    finite = np.isfinite(values).all(axis=1)
    kept = weights[finite]
    return Cloud(label, tuple(named), values[finite], kept / kept.sum())


def _named(target: AbstractTarget, points: Float[Array, "count dim"], numbers: int) -> dict[str, np.ndarray]:
    """The first numbers of the target's quantities, with their values at the points."""
    quantities = jax.tree.map(np.asarray, _at(target.quantities, points))
    return {name: np.asarray(values, float) for name, values in islice(numbers_of(quantities), numbers)}


def log_densities(target: AbstractTarget, points: Float[Array, "count dim"]) -> Float[np.ndarray, " count"]:
    """`log q` at many points."""
    return np.asarray(_at(target.log_density, points), float)


def _at(function: Callable[..., Any], points: Float[Array, "count dim"]) -> Any:
    return jax.jit(lambda batch: jax.lax.map(function, batch, batch_size=BATCH))(points)
