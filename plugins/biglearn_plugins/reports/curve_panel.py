"""Panels in one dimension: the density of the sampler as a line over that of the target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from biglearn_plugins.reports.canvas import BLACK, BLUE, GREYS, VERMILLION
from biglearn_plugins.reports.panel import AbstractPanel
from biglearn_plugins.reports.view import View, view_of
from biglearn_sampler.mixture import GaussianMixture
from biglearn_sampler.runs.run import Run

POINTS_PER_SIDE = 2000
# The highest density of the target fills this part of the height.
FILLED = 0.75


@dataclass(frozen=True, eq=False)
class CurvePanel(AbstractPanel):
    """The target's density, normalised in view, in grey; the sampler's as a line, its components, weighted thin.

    Arguments:
        view: the interval that is shown.
        target: the density on the grid of the view; zero everywhere if it is zero there.
        modes: known modes, perhaps none.
    """

    view: View
    target: Float[np.ndarray, " side"]
    modes: Float[np.ndarray, " modes"]

    @classmethod
    def of(cls, run: Run) -> CurvePanel:
        """The panel of a run on a target with one coordinate."""
        view = view_of(run, POINTS_PER_SIDE)
        known = run.target.facts.modes
        modes = np.empty(0) if known is None else np.asarray(known, float)[:, 0]
        return cls(view, _normalised(view.target_log_density(run.target), view.axes[0]), modes)

    def draw_target(self, axes: Axes) -> None:
        points = self.view.axes[0]
        axes.fill_between(points, self.target, color=GREYS[1], linewidth=0)
        axes.set_xlim(points[0], points[-1])
        axes.set_ylim(0.0, (self.target.max() or 1.0) / FILLED)
        axes.set_xlabel("x[0]")
        axes.set_ylabel("density")

    def draw_sampler(self, axes: Axes, sampler: GaussianMixture) -> list[Artist]:
        points = self.view.axes[0]
        components = np.exp(np.asarray(sampler.component_log_densities(self.view.grid), float))
        drawn: list[Artist] = [
            *axes.plot(points, components * np.asarray(sampler.weights), color=BLUE, linewidth=0.7),
            *axes.plot(points, np.exp(self.view.mixture_log_density(sampler)), color=VERMILLION, linewidth=1.4),
        ]
        if len(self.modes):
            drawn += axes.plot(self.modes, np.zeros_like(self.modes), "|", color=BLACK, markersize=10, clip_on=False)
        return drawn

    def legend(self) -> list[tuple[Any, str]]:
        entries: list[tuple[Any, str]] = [
            (Patch(color=GREYS[1]), "target, normalised in view"),
            (Line2D([], [], color=VERMILLION, linewidth=1.4), "sampler"),
            (Line2D([], [], color=BLUE, linewidth=0.7), "its components, weighted"),
        ]
        tick = Line2D([], [], color=BLACK, marker="|", linestyle="", markersize=10)
        return [*entries, (tick, "known modes")] if len(self.modes) else entries


def _normalised(log_density: Float[np.ndarray, " side"], points: Float[np.ndarray, " side"]) -> np.ndarray:
    """The density with integral one; what is not finite counts as zero."""
    values = np.where(np.isfinite(log_density), log_density, -np.inf)
    if not np.isfinite(values.max()):
        return np.zeros_like(values)
    density = np.exp(values - values.max())
    return density / np.trapezoid(density, points)
