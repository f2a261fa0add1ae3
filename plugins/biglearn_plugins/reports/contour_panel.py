"""Panels in two dimensions: lines of the sampler over filled contours of the target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from biglearn_plugins.reports.canvas import BLACK, BLUE, GREYS, VERMILLION
from biglearn_plugins.reports.mass_levels import SHARES_TEXT, with_levels
from biglearn_plugins.reports.panel import AbstractPanel
from biglearn_plugins.reports.regions import fill_regions
from biglearn_plugins.reports.view import View, view_of
from biglearn_sampler.mixture import GaussianMixture
from biglearn_sampler.runs.run import Run

POINTS_PER_SIDE = 240
# The lightest components stay visible at this opacity.
FAINTEST = 0.12
CIRCLE = np.stack([np.cos(np.linspace(0, 2 * np.pi, 61)), np.sin(np.linspace(0, 2 * np.pi, 61))])


@dataclass(frozen=True, eq=False)
class ContourPanel(AbstractPanel):
    """Grey regions hold 50, 90 and 99 % of the target's mass in view; orange lines bound the sampler's.

    So the lines lie along the borders of the grey regions where the sampler is right.

    Arguments:
        view: the part of the plane that is shown.
        target: `log q` on the grid of the view.
        modes: known modes, perhaps none.
    """

    view: View
    target: Float[np.ndarray, "side side"]
    modes: Float[np.ndarray, "modes 2"]

    @classmethod
    def of(cls, run: Run) -> ContourPanel:
        """The panel of a run on a target with two coordinates."""
        view = view_of(run, POINTS_PER_SIDE)
        known = run.target.facts.modes
        modes = np.empty((0, 2)) if known is None else np.asarray(known, float)
        return cls(view, view.target_log_density(run.target), modes)

    def draw_target(self, axes: Axes) -> None:
        horizontal, vertical = self.view.axes
        fill_regions(axes, horizontal, vertical, self.target)
        axes.set_xlim(self.view.lower[0], self.view.upper[0])
        axes.set_ylim(self.view.lower[1], self.view.upper[1])
        axes.set_box_aspect(1)
        axes.set_xlabel("x[0]")
        axes.set_ylabel("x[1]")

    def draw_sampler(self, axes: Axes, sampler: GaussianMixture) -> list[Artist]:
        horizontal, vertical = self.view.axes
        drawn: list[Artist] = []
        lines = with_levels(self.view.mixture_log_density(sampler))
        if lines is not None:
            values, levels = lines
            style: dict[str, Any] = {"colors": VERMILLION, "linewidths": 1.2, "linestyles": "solid"}
            drawn.append(axes.contour(horizontal, vertical, values.T, levels, **style))
        drawn.append(axes.add_collection(component_ellipses(sampler)))
        return [*drawn, *axes.plot(*self.modes.T, "+", color=BLACK, markersize=5, markeredgewidth=0.8)]

    def legend(self) -> list[tuple[Any, str]]:
        shades = tuple(Patch(color=shade) for shade in reversed(GREYS))
        entries: list[tuple[Any, str]] = [
            (shades, f"target: {SHARES_TEXT} of its mass"),
            (Line2D([], [], color=VERMILLION, linewidth=1.2), f"sampler: {SHARES_TEXT} of its mass"),
            (Line2D([], [], color=BLUE, linewidth=0.9), "components, 1 sd; faint = light"),
        ]
        cross = Line2D([], [], color=BLACK, marker="+", linestyle="", markersize=6, markeredgewidth=0.8)
        return [*entries, (cross, "known modes")] if len(self.modes) else entries


def component_ellipses(sampler: GaussianMixture) -> LineCollection:
    """One ellipse for each component, at one standard deviation, as opaque as the component is heavy."""
    factors, means = np.asarray(sampler.factors, float), np.asarray(sampler.means, float)
    outlines = means[:, None] + (factors @ CIRCLE).swapaxes(1, 2)
    weights = np.asarray(sampler.weights, float)
    opacity = FAINTEST + (1 - FAINTEST) * weights / weights.max()
    return LineCollection(list(outlines), colors=[to_rgba(BLUE, each) for each in opacity], linewidths=0.9)
