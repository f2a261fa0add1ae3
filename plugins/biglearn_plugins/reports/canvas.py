"""Figures without pyplot, so that no state is shared, and the colours that all reports use."""

from __future__ import annotations

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

DOTS_PER_INCH = 100
# Around every panel, in inches.
PAD = 0.07

# Okabe & Ito's colours, told apart by colour-blind readers; grey is always what is to be matched.
ORANGE, SKY, GREEN, BLUE, VERMILLION, PURPLE = (
    "#e69f00",
    "#56b4e9",
    "#009e73",
    "#0072b2",
    "#d55e00",
    "#cc79a7",
)
BLACK = "#000000"
GREYS = ("#e4e4e4", "#c2c2c2", "#969696")
LINES = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK)


def new_figure(width: int, height: int) -> Figure:
    """An empty figure of a size in pixels, with a canvas that draws into memory."""
    size = (width / DOTS_PER_INCH, height / DOTS_PER_INCH)
    layout = ConstrainedLayoutEngine(w_pad=PAD, h_pad=PAD)
    figure = Figure(figsize=size, dpi=DOTS_PER_INCH, layout=layout)
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path) -> Path:
    """Write a PNG and give its path."""
    figure.savefig(path, dpi=DOTS_PER_INCH)
    return path
