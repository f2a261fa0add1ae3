"""Surfaces one after another, as a GIF."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from biglearn_plugins.reports.canvas import new_figure
from biglearn_plugins.reproductions.surface import Surface
from biglearn_plugins.reproductions.surface_picture import draw_surface

SIZE, MILLISECONDS, COLOURS = 340, 700, 64


def animation_of(surfaces: Sequence[Surface]) -> bytes:
    """The GIF; each surface stays for most of a second."""
    frames = [_frame(surface) for surface in surfaces]
    content = BytesIO()
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:], duration=MILLISECONDS, loop=0)
    return content.getvalue()


def _frame(surface: Surface) -> Image.Image:
    figure = new_figure(SIZE, SIZE)
    draw_surface(figure.subplots(), surface)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.array(canvas.buffer_rgba())).convert("RGB").quantize(COLOURS)
