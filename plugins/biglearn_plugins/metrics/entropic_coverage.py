"""The entropy of the modes in which draws are, for modes of equal mass."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Array, Key
from scipy.special import entr

from biglearn_plugins.metrics.mode_masses import error_of_mean, mode_masses
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.evaluation import AbstractMetric, Draws, Measured

FIGURES = ("entropic_coverage", "entropic_coverage_floor")
# Masses of modes that come from quadrature are no more equal than that.
EQUAL = 1e-4


@dataclass(frozen=True)
class EntropicCoverage(AbstractMetric):
    """Figures `entropic_coverage = -sum_k f_k log f_k / log K`, from 0 (one mode) to 1 (all equal), and
    `entropic_coverage_floor`.

    `f_k` is the mass that a method gives mode `k`, as in `mode_coverage`, by responsibilities and not by the nearest
    component. It has a meaning only where all true masses are `1 / K`, and is missing elsewhere. Standard error by the
    delta method. The floor is what `n` exact draws reach on average, `1 - (K - 1) / (2 n log K)`, with the error of
    one such figure, `sqrt(2 (K - 1)) / (2 n log K)` (Miller 1955).
    """

    def compute(self, draws: Draws, target: AbstractTarget, key: Key[Array, ""]) -> dict[str, Measured]:
        masses = mode_masses(draws, target)
        if isinstance(masses, str):
            return dict.fromkeys(FIGURES, Measured.missing(masses))
        modes = len(masses.true)
        if modes == 1:
            return dict.fromkeys(FIGURES, Measured.missing("the target has one mode only"))
        if not np.allclose(masses.true, 1.0 / modes, rtol=EQUAL, atol=0.0):
            return dict.fromkeys(
                FIGURES, Measured.missing("the modes have unequal masses; mode_mass_kl serves there instead")
            )
        found = masses.found > 0.0
        surprise = np.zeros(modes)
        surprise[found] = -np.log(masses.found[found]) / math.log(modes)
        error = error_of_mean(masses.belongs @ surprise, draws)
        loss = 1.0 / (2.0 * masses.independent_count * math.log(modes))
        return {
            "entropic_coverage": Measured(float(entr(masses.found).sum()) / math.log(modes), error),
            "entropic_coverage_floor": Measured(1.0 - (modes - 1) * loss, math.sqrt(2.0 * (modes - 1)) * loss),
        }


def entropic_coverage() -> EntropicCoverage:
    """The metric; it has no parameters."""
    return EntropicCoverage()


ENTRY = Entry(
    name="entropic_coverage",
    build=entropic_coverage,
    summary="entropy of the mass of modes, 1 if all are covered equally; needs known modes of equal mass",
    reference="Blessing, Jia, Esslinger, Vargas & Neumann, Beyond ELBOs, ICML (2024)",
)
