"""Surfaces side by side: lines of equal loss, optima that were found, and paths of descent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from biglearn_plugins.reports.canvas import BLUE, GREEN, VERMILLION
from biglearn_plugins.reports.page.drawing import INK, Picture, picture
from biglearn_plugins.reports.page.numbers_as_text import counted
from biglearn_plugins.reproductions.optima import AS_GOOD
from biglearn_plugins.reproductions.surface import Surface

PANEL, HEADING, FOOT = 170, 22, 12
"""Pixels of a panel's side, of its heading, and below all."""

LEVELS = np.geomspace(0.01, 10.0, 13)
COLOURS = "Greys"
LEGEND = (
    f"Stars are global optima, and minima within {AS_GOOD:g} nats of them, triangles local optima, all found; lines "
    "are equal losses from 0.01 to 10."
)

Paths = Mapping[str, Float[np.ndarray, "steps 2"]]


def surface_picture(surfaces: Sequence[Surface], columns: int, caption: str, paths: Paths | None = None) -> Picture:
    """All surfaces on the same axes and levels.

    Arguments:
        surfaces: from left to right and from top to bottom.
        columns: panels in a row.
        caption: over the picture.
        paths: descents, under the names of their surfaces.
    """
    rows = -(-len(surfaces) // columns)

    def draw(figure: Figure) -> None:
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axes, surface in zip(grid.flat, surfaces, strict=False):
            draw_surface(axes, surface)
            if paths is not None and surface.name in paths:
                _draw_path(axes, paths[surface.name])
        for axes in grid.flat[len(surfaces) :]:
            axes.set_axis_off()
        figure.supxlabel("mu1", fontsize=8)
        figure.supylabel("mu2", fontsize=8)

    size = (columns * PANEL + FOOT, rows * (PANEL + HEADING) + FOOT)
    return picture(*size, draw, alt=told_of(surfaces), caption=f"{caption} {LEGEND}")


def draw_surface(axes: Axes, surface: Surface) -> None:
    """One surface with its optima."""
    shades = np.log(np.clip(surface.values, LEVELS[0], LEVELS[-1]))
    extent = (surface.axis[0], surface.axis[-1], surface.axis[0], surface.axis[-1])
    axes.imshow(shades, cmap=COLOURS, extent=extent, origin="lower", interpolation="bilinear", alpha=0.55)
    if surface.values.max() > LEVELS[0]:
        axes.contour(surface.axis, surface.axis, surface.values, LEVELS, colors=INK, linewidths=0.4)
    for optima, marker, colour in ((surface.local_optima, "^", GREEN), (surface.global_optima, "*", VERMILLION)):
        places = np.array([each.place for each in optima]).reshape(-1, 2)
        axes.scatter(*places.T, marker=marker, s=48, color=colour, edgecolors="white", linewidths=0.5, zorder=3)
    axes.set_title(surface.name, fontsize=8)
    axes.set_aspect("equal")


def told_of(surfaces: Sequence[Surface]) -> str:
    """The optima of all surfaces in words."""
    each = (f"{surface.name}: {counted(len(surface.local_optima), 'local optimum')}" for surface in surfaces)
    told = "; ".join(each).replace("optimums", "optima")
    return f"Loss surfaces over mu1 and mu2 from -2 to 2. {told}."


def _draw_path(axes: Axes, path: Float[np.ndarray, "steps 2"]) -> None:
    """A descent with an arrow at its end."""
    axes.plot(*path.T, color=BLUE, linewidth=1.6)
    before = path[max(len(path) - 2, 0)]
    arrow = {"arrowstyle": "-|>", "color": BLUE, "linewidth": 1.6, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", path[-1], before, arrowprops=arrow)
