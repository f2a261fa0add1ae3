"""How a method looks in all pictures and tables: colour, dashes and marker, told apart without colour as well."""

from __future__ import annotations

from dataclasses import dataclass

from biglearn_plugins.reports.canvas import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION
from biglearn_plugins.reports.page.markup import Markup, element, joined
from biglearn_sampler.comparison import OURS, Comparison

OTHERS = (BLUE, GREEN, PURPLE, ORANGE, SKY)
"""Of the baselines; vermillion is our sampler, as in every other report."""

DASHES = ((), (5.0, 1.8), (1.4, 1.4), (6.0, 1.5, 1.4, 1.5), (3.0, 1.5))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


@dataclass(frozen=True)
class Look:
    """What a method looks like.

    Arguments:
        colour: a hexadecimal one.
        dashes: lengths of lines and gaps in widths of the line; none for a solid line.
        marker: as matplotlib calls it.
        width: of lines, in points.
    """

    colour: str
    dashes: tuple[float, ...]
    marker: str
    width: float

    @property
    def line(self) -> str | tuple[float, tuple[float, ...]]:
        """The line style as matplotlib takes it."""
        return (0.0, self.dashes) if self.dashes else "solid"

    def swatch(self) -> Markup:
        """A short line beside the name of the method, as in the pictures."""
        dashes = " ".join(f"{2.2 * each:g}" for each in self.dashes) or None
        line = element(
            "path",
            d="M1 6H27",
            stroke=self.colour,
            stroke_width=2 + self.width / 2,
            stroke_dasharray=dashes,
            fill="none",
        )
        return element("svg", line, class_="swatch", viewBox="0 0 28 12", aria_hidden="true", focusable="false")

    def caption(self, method: str, told: str) -> Markup:
        """Over a picture of one method: its swatch and name, and below them what is told of it."""
        return joined(self.swatch(), method, element("small", told) if told else None)


def looks_of(comparison: Comparison) -> dict[str, Look]:
    """A look for every method: ours first and heavier, the others in their order."""
    others = [method for method in comparison.methods if method != OURS]
    return {OURS: Look(VERMILLION, (), MARKERS[0], 1.9)} | {
        method: _other(place) for place, method in enumerate(others)
    }


def _other(place: int) -> Look:
    return Look(
        OTHERS[place % len(OTHERS)],
        DASHES[_dashes(place)],
        MARKERS[1 + place % (len(MARKERS) - 1)],
        1.3,
    )


def _dashes(place: int) -> int:
    """Colours and dashes would come round together: after every round of colours the dashes are one further."""
    return (place + place // len(OTHERS)) % len(DASHES)


def legend(looks: dict[str, Look], methods: list[str]) -> Markup:
    """The swatches with their methods, as a list."""
    entries = (element("li", looks[method].swatch(), method) for method in methods)
    return element("ul", *entries, class_="legend")
