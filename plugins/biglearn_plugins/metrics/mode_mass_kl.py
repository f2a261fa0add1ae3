"""The Kullback-Leibler divergence of the masses of modes from the true ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Array, Key
from scipy.special import rel_entr

from biglearn_plugins.metrics.mode_masses import error_of_mean, mode_masses
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.evaluation import AbstractMetric, Draws, Measured


@dataclass(frozen=True)
class ModeMassKl(AbstractMetric):
    """Figures `mode_mass_kl = KL(f || pi) = sum_k f_k log(f_k / pi_k)` and `mode_mass_kl_floor`.

    `f_k` is the mass that a method gives mode `k`, `pi_k` the true one, as in `mode_coverage`. A missed mode has
    `f_k = 0` and leaves a finite value. Standard error by the delta method: that of the mean of `log(f_k / pi_k)` over
    the modes of the draws. Where `f = pi` it vanishes, and the floor rules: `2 n KL` of `n` exact draws follows the
    chi-squared law with `K - 1` degrees of freedom, mean `K - 1`, variance `2 (K - 1)`. Draws between modes bring
    less.
    """

    def compute(self, draws: Draws, target: AbstractTarget, key: Key[Array, ""]) -> dict[str, Measured]:
        masses = mode_masses(draws, target)
        if isinstance(masses, str):
            return dict.fromkeys(("mode_mass_kl", "mode_mass_kl_floor"), Measured.missing(masses))
        found = masses.found > 0.0
        ratios = np.zeros(len(masses.true))
        ratios[found] = np.log(masses.found[found] / masses.true[found])
        error = error_of_mean(masses.belongs @ ratios, draws)
        freedom, twice = len(masses.true) - 1, 2.0 * masses.independent_count
        return {
            "mode_mass_kl": Measured(float(rel_entr(masses.found, masses.true).sum()), error),
            "mode_mass_kl_floor": Measured(freedom / twice, math.sqrt(2.0 * freedom) / twice),
        }


def mode_mass_kl() -> ModeMassKl:
    """The metric; it has no parameters."""
    return ModeMassKl()


ENTRY = Entry(
    name="mode_mass_kl",
    build=mode_mass_kl,
    summary="Kullback-Leibler divergence of the mass of modes from the true one; needs a target with known modes",
    reference="Wilks, Annals of Mathematical Statistics 9 (1938), for the floor",
)
