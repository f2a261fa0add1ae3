"""Draws of every component for itself, and what the target says of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from biglearn_sampler.engine.archive import LEAST_EVIDENCE
from biglearn_sampler.engine.population import Population
from biglearn_sampler.engine.rules import JUDGED_POINTS
from biglearn_sampler.engine.stepper import Stepper, component_log_densities
from biglearn_sampler.engine.zero_density import bounded


class ComponentDraws(NamedTuple):
    """`JUDGED_POINTS` draws of every component.

    Arguments:
        points: of each component.
        log_target: `log q`; where that is zero among other draws of the component, a bounded value.
        log_ratio: `log q - log N_k`; `LEAST_EVIDENCE` at all draws of a component that met no density.
    """

    points: Float[np.ndarray, "components draws dim"]
    log_target: Float[np.ndarray, "components draws"]
    log_ratio: Float[np.ndarray, "components draws"]

    @classmethod
    def of(
        cls, population: Population, stepper: Stepper, purpose: str, generator: np.random.Generator
    ) -> ComponentDraws:
        """Draw, and ask the energy."""
        count, shape = population.count, (population.count, JUDGED_POINTS)
        points = population.draws(generator, JUDGED_POINTS)
        log_target = stepper.log_density(points, purpose)
        own = component_log_densities(points, population)[np.arange(len(points)), np.repeat(np.arange(count), shape[1])]
        ratio = np.maximum(bounded((log_target - own).reshape(shape)), LEAST_EVIDENCE)
        return cls(points.reshape(*shape, -1), ratio + own.reshape(shape), ratio)
