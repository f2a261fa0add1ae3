"""The distance of the histogram of energies from that of exact draws."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Array, Key

from biglearn_plugins.metrics.exact_draws import exact_draws
from biglearn_plugins.metrics.forward_weights import check_exact
from biglearn_plugins.metrics.mode_masses import error_of_mean, expected_distance, independent_counts
from biglearn_plugins.metrics.target_energies import log_densities
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.evaluation import AbstractMetric, Draws, Measured

FIGURES = ("energy_tv", "energy_tv_floor")


@dataclass(frozen=True)
class EnergyHistogram(AbstractMetric):
    """Figures `energy_tv = 1/2 sum_b |h_b - e_b|`, from 0 to 1, and `energy_tv_floor`.

    `h_b` and `e_b` are the shares of the draws and of exact draws with the energy `-log q(x)` in bin `b`. The inner
    edges of the bins are quantiles of the energies of the exact draws, the outer bins are open; a draw of density zero
    falls into the last. Standard error by the delta method, of draws and exact draws together. Floor: what `n` draws
    that are exact reach on average beside `m` exact ones, as the mean absolute deviation of `1 / (1/n + 1/m)` draws in
    every bin; for chains `n` is the effective count of the share of the bin, for weights and families
    `1 / sum_g W_g^2`. It is blind to the masses of modes with the same energies.

    Arguments:
        bins: number of bins, at least 2.
        exact: number of exact draws, at least 25.
    """

    bins: int = 20
    exact: int = 20_000

    def compute(self, draws: Draws, target: AbstractTarget, key: Key[Array, ""]) -> dict[str, Measured]:
        points = exact_draws(target, key, self.exact)
        if isinstance(points, str):
            return dict.fromkeys(FIGURES, Measured.missing(points))
        energies = -log_densities(target, points)
        edges = np.unique(np.quantile(energies, np.arange(1, self.bins) / self.bins, method="lower"))
        of_exact, of_draws = np.searchsorted(edges, energies), np.searchsorted(edges, _energies(draws))
        expected = np.bincount(of_exact, minlength=len(edges) + 1) / self.exact
        found = np.bincount(of_draws, weights=draws.shares, minlength=len(edges) + 1)
        signs = np.where(found >= expected, 0.5, -0.5)
        error = error_of_mean(signs[of_draws], draws)
        if error is not None:
            error = math.hypot(error, float(signs[of_exact].std(ddof=1)) / math.sqrt(self.exact))
        counts = independent_counts((of_draws[:, None] == np.arange(len(expected))).astype(float), draws)
        # As many draws as two samples are worth together.
        floor = expected_distance(expected, 1.0 / (1.0 / counts + 1.0 / self.exact))
        return {
            "energy_tv": Measured(0.5 * float(np.abs(found - expected).sum()), error),
            "energy_tv_floor": Measured(floor),
        }


def _energies(draws: Draws) -> np.ndarray:
    return np.where(np.isfinite(draws.log_target), -draws.log_target, np.inf)


def energy_histogram(
    bins: Annotated[int, "number of bins, at least 2"] = 20,
    exact: Annotated[int, "number of exact draws, at least 25"] = 20_000,
) -> EnergyHistogram:
    """The metric.

    Raises:
        ValueError: too few bins or exact draws.
    """
    if bins < 2:
        raise ValueError(f"bins must be at least 2, got {bins}")
    check_exact(exact)
    return EnergyHistogram(bins, exact)


ENTRY = Entry(
    name="energy_histogram",
    build=energy_histogram,
    summary="total variation of the histogram of energies from that of exact draws; blind to masses of equal modes",
    reference="Noé, Olsson, Köhler & Wu, Science 365 (2019), who compare energies so",
)
