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
from biglearn_sampler.estimators.reservoir import DEFAULT_SIZES, ReservoirEstimator, ReservoirSizes
from biglearn_sampler.tasks import Task

Channels = Literal["energy", "exact"]
"""`energy`: from evaluations of the energy alone; `exact`: the target's closed form where a task needs an integral."""

MOST_INTEGRATED = 1
"""A second coordinate would cost `nodes^2` evaluations for every point; the reservoir serves all at one price."""

LARGEST_GRID = 2
"""Dimension of the largest grid that is evaluated once, for tasks with noise."""


def choose_estimators(
    tasks: Sequence[Task],
    target: AbstractTarget,
    channels: Channels,
    nodes: int,
    extent: float,
    reservoir: ReservoirSizes = DEFAULT_SIZES,
) -> tuple[AbstractEstimator, ...]:
    """One estimator for each task, the cheapest exact one that is allowed; where there is none, the reservoir.

    All tasks that need the reservoir share one.

    Arguments:
        tasks: what a scheduler may draw.
        target: in the coordinates of training.
        channels: whether the target's closed form may be used.
        nodes, extent: of quadratures; see `MarginalQuadrature`.
        reservoir: how many points it has.

    Raises:
        TaskError: the closed form was asked for and there is none; the text names the tasks that need none.
    """
    exact = channels == "exact"
    if exact and not target.has_exact_channels:
        _refuse(tasks, target.dim)
    shared = ReservoirEstimator.empty(target, reservoir)

    def choose(task: Task) -> AbstractEstimator:
        if not task.needs_integral(target.dim):
            return EnergyEstimator(target)
        if exact:
            return ExactChannelEstimator(target)
        if task.transformation.noisy:
            return NoisedQuadrature.of(target, nodes, extent) if target.dim <= LARGEST_GRID else shared
        integrated = target.dim - task.rows(target.dim)
        return MarginalQuadrature(target, integrated, nodes, extent) if integrated <= MOST_INTEGRATED else shared

    return tuple(choose(task) for task in tasks)


def _refuse(tasks: Sequence[Task], dim: int) -> None:
    """Raise if a task needs a closed form."""
    refused = [task.name for task in tasks if task.needs_integral(dim)]
    if not refused:
        return
    possible = [task.name for task in tasks if task.name not in refused]
    named = ", ".join(f"'{name}'" for name in refused)
    raise TaskError(
        f"channels=exact was asked for, and the target offers no closed form of its channels, which {len(refused)} of "
        f"the scheduler's tasks need: {named}. Of these tasks it can do: {', '.join(possible) or 'none'}; with "
        "channels=energy it can do all of them"
    )
