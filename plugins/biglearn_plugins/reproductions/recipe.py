"""Ways to train on the 25 modes: the preset of the paper, with changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jax

from biglearn_sampler.catalogue import Catalogue
from biglearn_sampler.energy import Evaluations, MixtureTarget
from biglearn_sampler.learning import Training
from biglearn_sampler.mixture import GaussianMixture, UnconstrainedMixture, constrain
from biglearn_sampler.runs.plan import Plan, make_plan
from biglearn_sampler.runs.read_settings import read_settings

TARGET, PRESET = "grid25", "paper"

NATURAL = {"optimizer.name": "natural", "optimizer.decay": "cosine"}
"""The natural gradient in place of the paper's SGD. What a task pulls at a component is bounded by its trust region."""

INNER_STEPS = 20
"""On each drawn task, as the paper has it."""


@dataclass(frozen=True)
class Recipe:
    """One way to train, as `biglearn train grid25 --settings paper` with further `--set` has it.

    Arguments:
        name: in pictures and tables.
        overrides: settings over those of the preset.
    """

    name: str
    overrides: Mapping[str, Any] = field(default_factory=dict)

    def plan(self, catalogue: Catalogue) -> Plan:
        """Everything that it needs."""
        return make_plan(TARGET, read_settings(PRESET, self.overrides, catalogue), (), 0, catalogue, {})


def modes_of(plan: Plan) -> GaussianMixture:
    """The mixture that is to be matched."""
    target = plan.target.value
    assert isinstance(target, MixtureTarget)  # the grid is one
    return target.mixture


def price_of(training: Training, task_steps: Any, components: int) -> Evaluations:
    """What so many steps on each task ask of the target, in one training."""
    spent = Evaluations()
    for matching, steps in zip(training.matchings, task_steps, strict=True):
        spent = spent.plus(matching.price(components).times(int(steps)))
    return spent


def of_seed(parameters: UnconstrainedMixture, seed: int) -> GaussianMixture:
    """One of many mixtures, whose arrays have a leading axis."""
    return constrain(jax.tree.map(lambda leaf: leaf[seed], parameters))
