"""Pictures one after another, as a GIF."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO

import numpy as np
from jaxtyping import UInt8
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from biglearn_plugins.reports.canvas import BLUE, GREEN, VERMILLION, new_figure
from biglearn_plugins.reproductions.surface import Surface
from biglearn_plugins.reproductions.surface_picture import draw_surface

SIZE, MILLISECONDS = 340, 700

SHADES, TINTS = 40, 8
"""Colours of every frame, 64: greys from black to white, and of each colour itself and what is between it and white.
A palette chosen by how many pixels have a colour has none for small markers."""


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
    drawn = Image.fromarray(np.array(canvas.buffer_rgba())).convert("RGB")
    return drawn.quantize(palette=_palette(), dither=Image.Dither.NONE)


def _palette() -> Image.Image:
    palette = Image.new("P", (1, 1))
    palette.putpalette(_colours().tobytes())
    return palette


def _colours() -> UInt8[np.ndarray, "colours 3"]:
    greys = np.linspace(np.zeros(3), np.ones(3), SHADES)
    tints = [np.linspace(to_rgb(each), np.ones(3), TINTS, endpoint=False) for each in (VERMILLION, GREEN, BLUE)]
    return np.rint(255.0 * np.concatenate([greys, *tints])).astype(np.uint8)
