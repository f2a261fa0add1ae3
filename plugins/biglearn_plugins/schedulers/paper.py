"""The schedule of the paper's 25-mode experiment, as its released code has it."""

from __future__ import annotations

from typing import Annotated

from biglearn_plugins.schedulers.bi_level import BiLevel
from biglearn_plugins.schedulers.phases import Phases
from biglearn_plugins.schedulers.weighted import Weighted
from biglearn_sampler.catalogue import Entry, use
from biglearn_sampler.tasks import Task


def paper(
    inner_steps: Annotated[int, "steps on each drawn task, at least 1"] = 20,
    joint_share: Annotated[float, "probability of the joint task in the second half, from 0 to 1"] = 0.1,
    joint: Annotated[Task, "the joint task"] = use("joint"),
    marginal: Annotated[Task, "the marginal task"] = use("transformed_marginal"),
) -> BiLevel:
    """First half: transformed marginals only. Second half: the joint task now and then. Bi-level throughout."""
    if inner_steps < 1:
        raise ValueError(f"`inner_steps` must be at least 1, got {inner_steps}")
    if not 0 <= joint_share <= 1:
        raise ValueError(f"`joint_share` must be from 0 to 1, got {joint_share}")
    first = Weighted((marginal,), (1.0,))
    second = Weighted((joint, marginal), (joint_share, 1.0 - joint_share))
    return BiLevel(Phases((first, second), (0.5, 0.5)), inner_steps)


ENTRIES = [
    Entry(
        name="paper",
        build=paper,
        summary="the paper's schedule: random projections, then 10 % joint",
        reference="Anonymous (2024), Big Cooperative Learning to Conquer Local Optima (Fig. 3 and its code)",
    )
]
