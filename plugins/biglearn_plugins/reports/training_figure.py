"""A figure of panels, one for each time of the training: shared by the strip and the animation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from biglearn_plugins.reports.contour_panel import ContourPanel
from biglearn_plugins.reports.curve_panel import CurvePanel
from biglearn_plugins.reports.legend import add_legend_below
from biglearn_plugins.reports.panel import AbstractPanel
from biglearn_sampler.runs.run import Run, Snapshot

KINDS: dict[int, type[ContourPanel] | type[CurvePanel]] = {1: CurvePanel, 2: ContourPanel}


def panel_of(run: Run) -> AbstractPanel | None:
    """The kind of panel that fits the dimension of the target; `None` beyond two, or without snapshots."""
    kind = KINDS.get(run.target.dim)
    return None if kind is None or not run.snapshots else kind.of(run)


def spread_out(snapshots: Sequence[Snapshot], count: int) -> list[Snapshot]:
    """At most `count` of the snapshots, evenly chosen, the first and the last among them."""
    chosen = np.unique(np.linspace(0, len(snapshots) - 1, min(count, len(snapshots))).round().astype(int))
    return [snapshots[index] for index in chosen]


def draw_snapshot(axes: Axes, panel: AbstractPanel, snapshot: Snapshot) -> None:
    """One panel with its step as title."""
    panel.draw(axes, snapshot.mixture)
    axes.set_title(f"step {snapshot.step:,}", fontsize=11)


def add_legend(figure: Figure, panel: AbstractPanel, columns: int, size: int = 10) -> None:
    """The legend below the panels, in letters of a size in points."""
    add_legend_below(figure, panel.legend(), columns, size)
