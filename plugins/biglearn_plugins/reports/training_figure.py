"""A figure of panels, one for each time of the training: shared by the strip and the animation."""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from biglearn_plugins.reports.contour_panel import ContourPanel
from biglearn_plugins.reports.curve_panel import CurvePanel
from biglearn_plugins.reports.legend import add_legend_below
from biglearn_plugins.reports.panel import AbstractPanel
from biglearn_sampler.runs.run import Run, Snapshot

KINDS: dict[int, type[ContourPanel] | type[CurvePanel]] = {1: CurvePanel, 2: ContourPanel}

# Strip and animation show the same panel, and the target's values on its grid take long to ask for.
_MADE: WeakKeyDictionary[Run, AbstractPanel] = WeakKeyDictionary()


def panel_of(run: Run) -> AbstractPanel | None:
    """The kind of panel that fits the dimension of the target; `None` beyond two, or without snapshots."""
    kind = KINDS.get(run.target.dim)
    if kind is None or not run.snapshots:
        return None
    if run not in _MADE:
        _MADE[run] = kind.of(run)
    return _MADE[run]


def spread_out(snapshots: Sequence[Snapshot], count: int) -> list[Snapshot]:
    """At most `count` of the snapshots, evenly chosen, the first and the last among them."""
    chosen = np.unique(np.linspace(0, len(snapshots) - 1, min(count, len(snapshots))).round().astype(int))
    return [snapshots[index] for index in chosen]


def entitle(axes: Axes, snapshot: Snapshot) -> Text:
    """The step as the title of a panel."""
    return axes.set_title(f"step {snapshot.step:,}", fontsize=11)


def add_legend(figure: Figure, panel: AbstractPanel, columns: int, size: int = 10) -> None:
    """The legend below the panels, in letters of a size in points."""
    add_legend_below(figure, panel.legend(), columns, size)
