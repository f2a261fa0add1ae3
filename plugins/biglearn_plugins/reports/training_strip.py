"""A strip of panels: how the sampler grows into the target."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from matplotlib.axes import Axes

from biglearn_plugins.reports.canvas import new_figure, save
from biglearn_plugins.reports.training_figure import add_legend, entitle, panel_of, spread_out
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.runs.report import AbstractReport
from biglearn_sampler.runs.run import Run

WIDTH = 1200
MOST_COLUMNS = 3
LEGEND_HEIGHT = 45


@dataclass(frozen=True)
class TrainingStrip(AbstractReport):
    """`training_strip.png`: target and sampler at several steps, for targets with one or two coordinates.

    Arguments:
        panels: at most as many, evenly chosen among the snapshots.
    """

    panels: int = 6

    def write(self, run: Run, folder: Path) -> list[Path]:
        panel = panel_of(run)
        if panel is None:
            return []
        shown = spread_out(run.snapshots, self.panels)
        columns = min(len(shown), MOST_COLUMNS)
        rows = math.ceil(len(shown) / columns)
        figure = new_figure(WIDTH, rows * WIDTH // MOST_COLUMNS + LEGEND_HEIGHT)
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for index, (axes, snapshot) in enumerate(zip(grid.flat, shown, strict=False)):
            panel.draw(axes, snapshot.mixture)
            entitle(axes, snapshot)
            _label(axes, leftmost=index % columns == 0, lowest=index + columns >= len(shown))
        for axes in grid.flat[len(shown) :]:
            axes.set_visible(False)
        add_legend(figure, panel, columns=4)
        return [save(figure, folder / "training_strip.png")]


def _label(axes: Axes, *, leftmost: bool, lowest: bool) -> None:
    """Labels at the outer sides only; a panel above an empty place is an outer one."""
    axes.tick_params(labelleft=leftmost, labelbottom=lowest)
    if not leftmost:
        axes.set_ylabel("")
    if not lowest:
        axes.set_xlabel("")


def training_strip(
    panels: Annotated[int, "number of panels, at least 1; fewer if there are fewer snapshots"] = 6,
) -> TrainingStrip:
    """The report.

    Raises:
        ValueError: `panels` is below 1.
    """
    if panels < 1:
        raise ValueError(f"panels must be at least 1, got {panels}")
    return TrainingStrip(panels)


ENTRY = Entry(
    name="training_strip",
    build=training_strip,
    summary="PNG: sampler over target at several steps, in one or two dimensions",
)
