"""Pictures as SVG that follow the theme of the page: neutral colours become variables that dark pages redefine."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from biglearn_plugins.reports.canvas import BLACK, BLUE, GREEN, GREYS, SKY, new_figure
from biglearn_plugins.reports.page.markup import Markup, element

INK, MUTED, RULE = "#1b1f24", "#59636e", "#d8dee4"

# Colour on light pages: the name of its variable, and the colour on dark pages.
THEME = {
    INK: ("ink", "#e8ebef"),
    BLACK: ("black", "#e8ebef"),
    MUTED: ("muted", "#9ea8b3"),
    RULE: ("rule", "#333a43"),
    GREYS[0]: ("shade-1", "#282e36"),
    GREYS[1]: ("shade-2", "#404852"),
    GREYS[2]: ("shade-3", "#626c78"),
    # As in style.css, for the swatches. What is pixels keeps its colour, near enough to the lines.
    BLUE: ("blue", "#3f9fe0"),
    SKY: ("sky", "#9bd8ff"),
    GREEN: ("green", "#2fc79b"),
}
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
LETTERS = 8.0
"""Size of the letters in points; eleven pixels where a picture has its natural size."""

RASTER = 200
"""Dots per inch of layers that are pixels, such as thousands of points."""

STYLE: Any = {
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.labelsize": LETTERS,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": LETTERS,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "svg.fonttype": "none",
    # The same picture is the same bytes.
    "svg.hashsalt": "biglearn",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "xtick.labelsize": LETTERS,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "ytick.labelsize": LETTERS,
}


@dataclass(frozen=True)
class Picture:
    """A drawn picture.

    Arguments:
        svg: its source.
        width, height: its natural size in pixels.
        alt: what it shows, with numbers, for those who do not see it.
        caption: under it or over it; may be markup.
    """

    svg: str
    width: int
    height: int
    alt: str
    caption: str

    def on_white(self) -> str:
        """The source for places that have a theme of their own, such as notebooks: light, on white ground."""
        return self.svg.replace(_dark(), "svg{background:#ffffff}")

    def figure(self) -> Markup:
        """The picture in its frame, with the caption."""
        source = "data:image/svg+xml;base64," + base64.b64encode(self.svg.encode()).decode()
        image = element("img", src=source, alt=self.alt, width=self.width, height=self.height, decoding="async")
        return element("figure", element("figcaption", self.caption), image)


def picture(width: int, height: int, draw: Callable[[Figure], None], *, alt: str, caption: str) -> Picture:
    """A picture of a size in pixels, drawn by a function into an empty figure."""

    def made() -> Figure:
        figure = new_figure(width, height)
        draw(figure)
        return figure

    return picture_of(made, alt=alt, caption=caption)


def picture_of(make: Callable[[], Figure], *, alt: str, caption: str) -> Picture:
    """A picture of a figure that a function makes, as large as the function makes it."""
    with rc_context(STYLE):
        figure = make()
        width, height = figure.get_size_inches() * figure.dpi
        content = io.BytesIO()
        nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
        figure.savefig(content, format="svg", transparent=True, dpi=RASTER, metadata=nothing)
    return Picture(themed(content.getvalue().decode()), round(width), round(height), alt, caption)


def themed(svg: str) -> str:
    """The SVG of matplotlib with variables for neutral colours, and the fonts of the page."""
    svg = re.sub(r"(fill|stroke): (#[0-9a-f]{6})", _variable, svg)
    svg = re.sub(r"font-family: [^;\"]*", f"font-family: {FONT}", svg)
    svg = re.sub(r"(font: [^;\"]*?px) '[^;\"]*", rf"\1 {FONT}", svg)
    return svg.replace("</style>", f"{_definitions()}</style>", 1)


def _variable(match: re.Match[str]) -> str:
    what, colour = match.groups()
    return f"{what}: var(--{THEME[colour][0]})" if colour in THEME else match.group()


def _definitions() -> str:
    light = "".join(f"--{name}:{colour};" for colour, (name, _) in THEME.items())
    return f"svg{{{light}}}{_dark()}"


def _dark() -> str:
    dark = "".join(f"--{name}:{colour};" for name, colour in THEME.values())
    return f"@media screen and (prefers-color-scheme:dark){{svg{{{dark}}}}}"
