"""Histograms of the energy at the draws of each method, over exact draws where they exist."""

from __future__ import annotations

import jax
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from biglearn_plugins.reports.canvas import GREYS
from biglearn_plugins.reports.cloud import KEY_EXACT, Cloud, log_densities
from biglearn_plugins.reports.page.drawing import Picture, picture
from biglearn_plugins.reports.page.looks import Look
from biglearn_plugins.reports.page.numbers_as_text import exact
from biglearn_plugins.reports.pair_grid import with_margin
from biglearn_sampler.comparison import Comparison
from biglearn_sampler.energy import AbstractTarget

WIDTH, HEIGHT, BINS = 460, 300, 64
COUNT = 8192
EXACT = "exact draws"
FARTHEST = 3.0
"""Widths of the exact or of our histogram that are shown on either side of it at most."""


def energy_picture(comparison: Comparison, looks: dict[str, Look]) -> list[Picture]:
    """One picture with a line for each method, all its seeds together; none without draws."""
    clouds = {method: cloud for method in comparison.methods if (cloud := _cloud(comparison, method)) is not None}
    if not clouds:
        return []
    reference = _exact(comparison.target)
    limits = _limits([*([reference] if reference is not None else []), *clouds.values()])

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        if reference is not None:
            axes.stairs(*_heights(reference, limits), fill=True, color=GREYS[1], linewidth=0)
        for method, cloud in reversed(clouds.items()):
            look = looks[method]
            axes.stairs(*_heights(cloud, limits), color=look.colour, linewidth=look.width, linestyle=look.line)
        axes.set_xlim(limits)
        axes.set_ylim(0.0, None)
        axes.set_yticks([])
        axes.set_xlabel("energy, \N{MINUS SIGN}log q(x)")
        axes.set_ylabel("density")

    known = {EXACT: reference, **clouds} if reference is not None else clouds
    told = "; ".join(f"{name}: {_told(cloud)}" for name, cloud in known.items())
    alt = f"Histograms of the energy at the draws. Middle, and range of nine draws in ten: {told}."
    grey = "; grey: exact draws" if reference is not None else ""
    return [picture(WIDTH, HEIGHT, draw, alt=alt, caption=f"Energy at the draws of all seeds{grey}")]


def _cloud(comparison: Comparison, method: str) -> Cloud | None:
    """The finite energies of all seeds; every seed counts the same."""
    kept = [trial.draws for trial in comparison.finished(method) if trial.draws is not None]
    if not kept:
        return None
    values, weights = (
        np.concatenate(parts) for parts in ([-draws.log_target for draws in kept], [draws.shares for draws in kept])
    )
    return _finite(method, values, weights)


def _exact(target: AbstractTarget) -> Cloud | None:
    if target.facts.sample is None:
        return None
    points = target.facts.sample(jax.random.key(KEY_EXACT), COUNT)
    return _finite(EXACT, -log_densities(target, points), np.ones(COUNT))


def _finite(label: str, values: Float[np.ndarray, " count"], weights: Float[np.ndarray, " count"]) -> Cloud | None:
    kept = np.isfinite(values) & (weights > 0)
    if not kept.any():
        return None
    return Cloud(label, ("energy",), np.asarray(values[kept, None], float), weights[kept] / weights[kept].sum())


def _limits(clouds: list[Cloud]) -> tuple[float, float]:
    """What all clouds fill, as far as it is not far away from the first."""
    intervals = np.array([cloud.interval(0) for cloud in clouds])
    lower, upper = intervals[0]
    reach = FARTHEST * (upper - lower) or np.inf
    lowest, highest = with_margin([(float(low), float(high)) for low, high in intervals])
    return max(lowest, float(lower - reach)), min(highest, float(upper + reach))


def _heights(cloud: Cloud, limits: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Densities in bins; what lies outside the limits counts too."""
    counts, edges = np.histogram(cloud.values[:, 0], BINS, limits, weights=cloud.weights)
    return counts / (edges[1] - edges[0]), edges


def _told(cloud: Cloud) -> str:
    order = np.argsort(cloud.values[:, 0])
    mass = np.cumsum(cloud.weights[order])
    low, middle, high = cloud.values[order[np.searchsorted(mass, [0.05, 0.5, 0.95])], 0]
    return f"{exact(middle)} ({exact(low)} to {exact(high)})"
