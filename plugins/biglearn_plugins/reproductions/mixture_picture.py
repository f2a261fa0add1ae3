"""Mixtures over a mixture that they are to match: one panel for each, side by side or one after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection
from matplotlib.figure import Figure

from biglearn_plugins.reports.canvas import GREYS
from biglearn_plugins.reports.contour_panel import component_ellipses
from biglearn_plugins.reports.page.drawing import Picture, picture
from biglearn_plugins.reproductions.grid import MODES
from biglearn_sampler.mixture import GaussianMixture

PANEL, HEADING = 150, 18
"""Pixels of a panel's side, and of its heading."""

EDGE = 6.0
"""Half-width of what is seen."""

LEGEND = "Grey: the 25 modes, at two standard deviations. Blue: components, at one."


class MixturePanel(NamedTuple):
    """One panel.

    Arguments:
        title: over it.
        mixture: that is drawn.
    """

    title: str
    mixture: GaussianMixture


def mixture_picture(rows: Sequence[Sequence[MixturePanel]], variance: float, *, alt: str, caption: str) -> Picture:
    """All panels on the same axes.

    Arguments:
        rows: from top to bottom; all of one length.
        variance: of the modes.
        alt, caption: of the picture; what colours mean is added to the caption.
    """
    columns = len(rows[0])

    def draw(figure: Figure) -> None:
        draw_panels(figure, rows, variance)

    size = (columns * PANEL, len(rows) * (PANEL + HEADING))
    return picture(*size, draw, alt=alt, caption=f"{caption} {LEGEND}")


def draw_panels(figure: Figure, rows: Sequence[Sequence[MixturePanel]], variance: float) -> None:
    """All panels into a figure."""
    grid = figure.subplots(len(rows), len(rows[0]), sharex=True, sharey=True, squeeze=False)
    for line, panels in zip(grid, rows, strict=True):
        for axes, panel in zip(line, panels, strict=True):
            _draw(axes, panel, variance)


def _draw(axes: Axes, panel: MixturePanel, variance: float) -> None:
    width: Float[np.ndarray, " modes"] = np.full(len(MODES), 4.0 * np.sqrt(variance))
    upright = np.zeros_like(width)
    discs = {"units": "x", "offsets": MODES, "offset_transform": axes.transData, "color": GREYS[1]}
    axes.add_collection(EllipseCollection(width, width, upright, **discs))
    axes.add_collection(component_ellipses(panel.mixture))
    axes.set_xlim(-EDGE, EDGE)
    axes.set_ylim(-EDGE, EDGE)
    axes.set_xticks([-4, 0, 4])
    axes.set_yticks([-4, 0, 4])
    axes.set_aspect("equal")
    axes.set_title(panel.title, fontsize=7)
