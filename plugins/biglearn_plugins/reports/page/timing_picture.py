"""How long each method took, to compile and to run."""

from __future__ import annotations

from matplotlib.figure import Figure

from biglearn_plugins.reports.canvas import BLUE, SKY
from biglearn_plugins.reports.page.columns import COMPILING, RUNNING
from biglearn_plugins.reports.page.drawing import MUTED, Picture, picture
from biglearn_plugins.reports.page.markup import element, joined
from biglearn_plugins.reports.page.numbers_as_text import number
from biglearn_sampler.comparison import Comparison

WIDTH, ROW, AROUND = 460, 34, 54
COMPILE_COLOUR, RUN_COLOUR = SKY, BLUE
LONGEST_NAME = 22


def timing_picture(comparison: Comparison) -> list[Picture]:
    """Stacked bars of the means over the seeds; none where no method has a time."""
    seconds = {method: each for method in comparison.methods if (each := _seconds(comparison, method)) is not None}
    if not seconds:
        return []

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        names = [name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…" for name in seconds]
        places = range(len(names))
        compiling, running = ([each[part] for each in seconds.values()] for part in (0, 1))
        axes.barh(places, compiling, 0.62, color=COMPILE_COLOUR)
        axes.barh(places, running, 0.62, left=compiling, color=RUN_COLOUR)
        longest = max(map(sum, seconds.values()))
        for place, each in enumerate(seconds.values()):
            axes.text(sum(each) + 0.015 * longest, place, f"{number(sum(each), 1)} s", va="center", color=MUTED)
        axes.set_yticks(places, names)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlim(0.0, 1.16 * longest or 1.0)
        axes.set_xlabel("seconds, mean over the seeds")
        axes.spines["left"].set_visible(False)

    told = "; ".join(
        f"{method}: {number(compiling, 1)} s compiling, {number(running, 1)} s running"
        for method, (compiling, running) in seconds.items()
    )
    caption = joined(_chip(COMPILE_COLOUR), "compile", _chip(RUN_COLOUR), "run")
    return [picture(WIDTH, AROUND + ROW * len(seconds), draw, alt=f"Seconds as stacked bars. {told}.", caption=caption)]


def _seconds(comparison: Comparison, method: str) -> tuple[float, float] | None:
    compiling, running = (comparison.figure(method, column.figure) for column in (COMPILING, RUNNING))
    return None if compiling is None or running is None else (compiling.mean, running.mean)


def _chip(colour: str) -> str:
    square = element("path", d="M0 0H12V12H0Z", fill=colour)
    return element("svg", square, class_="chip", viewBox="0 0 12 12", aria_hidden="true", focusable="false")
