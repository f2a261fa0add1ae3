"""How long each method took, to compile and to run, and the verdict on our sampler."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from biglearn_plugins.reports.canvas import BLUE, GREEN, SKY
from biglearn_plugins.reports.page.columns import COMPILING, RUNNING
from biglearn_plugins.reports.page.drawing import MUTED, Picture, picture
from biglearn_plugins.reports.page.markup import element, joined
from biglearn_plugins.reports.page.numbers_as_text import number
from biglearn_sampler.comparison import Comparison

WIDTH, ROW, AROUND = 460, 34, 54
VERDICT = "seconds_verdict"
PARTS = {COMPILING.figure: ("compile", SKY), RUNNING.figure: ("run", BLUE), VERDICT: ("verdict", GREEN)}
LONGEST_NAME = 22


def timing_picture(comparison: Comparison) -> list[Picture]:
    """Stacked bars of the means over the seeds; none where no method has a time."""
    seconds = {method: each for method in comparison.methods if (each := _seconds(comparison, method))}
    if not seconds:
        return []
    parts = {part: look for part, look in PARTS.items() if any(part in each for each in seconds.values())}

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        names = [name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…" for name in seconds]
        places = range(len(names))
        ends = np.zeros(len(names))
        for figure_name, (_, colour) in parts.items():
            widths = np.array([each.get(figure_name, 0.0) for each in seconds.values()])
            axes.barh(places, widths, 0.62, left=ends, color=colour)
            ends += widths
        longest = float(ends.max())
        for place, end in enumerate(ends):
            axes.text(end + 0.015 * longest, place, f"{number(end, 1)} s", va="center", color=MUTED)
        axes.set_yticks(places, names)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlim(0.0, 1.16 * longest or 1.0)
        axes.set_xlabel("seconds, mean over the seeds")
        axes.spines["left"].set_visible(False)

    told = "; ".join(
        f"{method}: {', '.join(f'{PARTS[part][0]} {number(mean, 1)} s' for part, mean in each.items())}"
        for method, each in seconds.items()
    )
    caption = joined(*(piece for name, colour in parts.values() for piece in (_chip(colour), name)))
    return [picture(WIDTH, AROUND + ROW * len(seconds), draw, alt=f"Seconds as stacked bars. {told}.", caption=caption)]


def _seconds(comparison: Comparison, method: str) -> dict[str, float]:
    """The means over the seeds, of the parts that a method has."""
    found = {part: comparison.figure(method, part) for part in PARTS}
    return {part: figure.mean for part, figure in found.items() if figure is not None}


def _chip(colour: str) -> str:
    square = element("path", d="M0 0H12V12H0Z", fill=colour)
    return element("svg", square, class_="chip", viewBox="0 0 12 12", aria_hidden="true", focusable="false")
