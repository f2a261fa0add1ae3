"""Which estimator serves which task of which target; the place where further sources join."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.errors import TaskError
from biglearn_sampler.estimators.energy import EnergyEstimator
from biglearn_sampler.estimators.estimator import AbstractEstimator
from biglearn_sampler.estimators.exact_channel import ExactChannelEstimator
from biglearn_sampler.estimators.marginal_quadrature import MarginalQuadrature
from biglearn_sampler.estimators.noised_quadrature import NoisedQuadrature
from biglearn_sampler.tasks import Task

Channels = Literal["energy", "exact"]
"""`energy`: from evaluations of the energy alone; `exact`: the target's closed form where a task needs an integral."""

MOST_INTEGRATED = 2
"""A third coordinate would cost `nodes^3` evaluations for every point."""


def choose_estimators(
    tasks: Sequence[Task], target: AbstractTarget, channels: Channels, nodes: int, extent: float
) -> tuple[AbstractEstimator, ...]:
    """One estimator for each task, the cheapest exact one that is allowed.

    Arguments:
        tasks: what a scheduler may draw.
        target: in the coordinates of training.
        channels: whether the target's closed form may be used.
        nodes, extent: of quadratures; see `MarginalQuadrature`.

    Raises:
        TaskError: the target cannot do a task; the text names the tasks that it can do.
    """
    chosen = [_choose(task, target, channels, nodes, extent) for task in tasks]
    refused = {task.name: why for task, why in zip(tasks, chosen, strict=True) if isinstance(why, str)}
    if refused:
        possible = [task.name for task in tasks if task.name not in refused]
        told = "; ".join(f"'{name}': {why}" for name, why in refused.items())
        raise TaskError(
            f"this target cannot do {len(refused)} of the scheduler's tasks. {told}. "
            f"Of these tasks it can do: {', '.join(possible) or 'none'}; joint and conditional tasks without noise "
            "are exact for any energy"
        )
    return tuple(estimator for estimator in chosen if isinstance(estimator, AbstractEstimator))


def _choose(
    task: Task, target: AbstractTarget, channels: Channels, nodes: int, extent: float
) -> AbstractEstimator | str:
    """An estimator, or the reason why there is none."""
    if not task.needs_integral(target.dim):
        return EnergyEstimator(target)
    if channels == "exact":
        if target.has_exact_channels:
            return ExactChannelEstimator(target)
        return "channels=exact was asked for, and the target offers no closed form of its channels"
    integrated = target.dim if task.transformation.noisy else target.dim - task.rows(target.dim)
    if integrated > MOST_INTEGRATED:
        hint = "; channels=exact would use the target's closed form" if target.has_exact_channels else ""
        return f"it integrates out {integrated} coordinates, and quadrature takes at most {MOST_INTEGRATED}{hint}"
    if task.transformation.noisy:
        return NoisedQuadrature.of(target, nodes, extent)
    return MarginalQuadrature(target, integrated, nodes, extent)
