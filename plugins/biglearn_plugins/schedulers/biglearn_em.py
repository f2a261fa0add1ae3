"""The schedule of BigLearn-EM, for data: joint, marginal and transformed marginal tasks of all sizes."""

from __future__ import annotations

from typing import Annotated

from biglearn_plugins.schedulers.bi_level import BiLevel
from biglearn_plugins.schedulers.weighted import Weighted
from biglearn_sampler.catalogue import Entry, use
from biglearn_sampler.tasks import Task

CONCENTRATION = 5
"""The share of coordinates that a marginal keeps is drawn from the law Beta(5, 1)."""


def biglearn_em(
    dim: Annotated[int, "number of coordinates of the data, at least 1"] = 2,
    inner_steps: Annotated[int, "EM steps on each drawn task, at least 1"] = 5,
    shares: Annotated[tuple[float, float, float], "of joint, marginal and transformed marginal tasks"] = (
        0.4,
        0.1,
        0.5,
    ),
    joint: Annotated[Task, "the joint task"] = use("joint"),
    marginal: Annotated[Task, "the marginal task; its size is drawn"] = use("marginal"),
    transformed: Annotated[Task, "the transformed marginal task; its size is drawn"] = use("transformed_marginal"),
) -> BiLevel:
    """Joint, marginal and transformed marginal tasks; a marginal keeps `floor(dim * Beta(5, 1))` coordinates."""
    if dim < 1 or inner_steps < 1:
        raise ValueError(f"`dim` and `inner_steps` must be at least 1, got {dim} and {inner_steps}")
    if min(shares) < 0 or not 0 < sum(shares) < float("inf"):
        raise ValueError(f"`shares` must not be negative and not all zero, got {shares}")
    if dim == 1:
        return BiLevel(Weighted((joint,), (1.0,)), inner_steps)
    sizes = _sizes(dim)
    tasks, weights = [joint], [shares[0]]
    for task, share in ((marginal, shares[1]), (transformed, shares[2])):
        for size, probability in sizes.items():
            tasks.append(Task(task.name, "marginal", task.transformation, size))
            weights.append(share * probability)
    return BiLevel(Weighted(tuple(tasks), tuple(weight / sum(weights) for weight in weights)), inner_steps)


def _sizes(dim: int) -> dict[int, float]:
    """The probability of every number of coordinates, from one to all but one."""
    below = [(size / dim) ** CONCENTRATION for size in range(dim + 1)]
    return {size: below[size + 1] - (below[size] if size > 1 else 0.0) for size in range(1, dim)}


ENTRIES = [
    Entry(
        name="biglearn_em",
        build=biglearn_em,
        summary="BigLearn-EM's schedule for data: joint and (transformed) marginals of all sizes",
        reference="Cong, Li (2024), Big Learning Expectation Maximization, Algorithm 1 and its code",
    )
]
