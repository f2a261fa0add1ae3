"""Pictures one after another, as a GIF."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from biglearn_plugins.reports.canvas import new_figure
from biglearn_plugins.reproductions.surface import Surface
from biglearn_plugins.reproductions.surface_picture import draw_surface

SIZE, MILLISECONDS, COLOURS = 340, 700, 64


def animation_of(surfaces: Sequence[Surface]) -> bytes:
    """The GIF of surfaces; each stays for most of a second."""

    def drawing(surface: Surface) -> Callable[[Figure], None]:
        return lambda figure: draw_surface(figure.subplots(), surface)

    return animated([drawing(surface) for surface in surfaces], SIZE, SIZE, MILLISECONDS)


def animated(drawings: Sequence[Callable[[Figure], None]], width: int, height: int, milliseconds: int) -> bytes:
    """The GIF of drawings.

    Arguments:
        drawings: each draws into an empty figure.
        width, height: in pixels.
        milliseconds: how long each stays.
    """
    frames = [_frame(draw, width, height) for draw in drawings]
    content = BytesIO()
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:], duration=milliseconds, loop=0)
    return content.getvalue()


def _frame(draw: Callable[[Figure], None], width: int, height: int) -> Image.Image:
    figure = new_figure(width, height)
    draw(figure)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.array(canvas.buffer_rgba())).convert("RGB").quantize(COLOURS)
