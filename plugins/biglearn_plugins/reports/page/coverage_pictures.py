"""How many modes a method has, and how wrong their masses are, against evaluations: lines with bands over seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from biglearn_plugins.reports.page.coverage_path import CoveragePath, path_of
from biglearn_plugins.reports.page.drawing import MUTED, Picture, picture
from biglearn_plugins.reports.page.looks import Look
from biglearn_plugins.reports.page.numbers_as_text import number, short_count
from biglearn_sampler.comparison import Comparison, CoveragePoint

WIDTH, HEIGHT = 460, 300
ROOM = 1.3
"""Factor between the ends of the lines and those of the axis."""

LEAST_TV = 1e-3
"""Shown for anything below it on the logarithmic axis."""


def coverage_pictures(comparison: Comparison, looks: dict[str, Look]) -> list[Picture]:
    """Modes and mass TV against evaluations; none where no method has a curve."""
    known = _known(comparison)
    if not known:
        return []
    return [_modes(comparison, known, looks), _masses(comparison, known, looks)]


def coverage_with_legend(comparison: Comparison, looks: dict[str, Look]) -> Picture | None:
    """Modes against evaluations with the names of the methods inside, to stand alone; `None` without any curve."""
    known = _known(comparison)
    return _modes(comparison, known, looks, legend=True) if known else None


def _known(comparison: Comparison) -> dict[str, list[Sequence[CoveragePoint]]]:
    """The curves of the methods that have some."""
    curves = {method: _curves(comparison, method) for method in comparison.methods}
    return {method: found for method, found in curves.items() if found}


def _curves(comparison: Comparison, method: str) -> list[Sequence[CoveragePoint]]:
    return [trial.curve for trial in comparison.finished(method) if len(trial.curve)]


def _modes(comparison: Comparison, known: dict[str, list], looks: dict[str, Look], *, legend: bool = False) -> Picture:
    paths = {method: path_of(curves, lambda point: point.modes_covered) for method, curves in known.items()}
    modes = comparison.target.facts.modes
    total = len(modes) if modes is not None else max(float(path.most.max()) for path in paths.values())

    def draw(figure: Figure) -> None:
        axes = _axes(figure, comparison)
        axes.axhline(total, color=MUTED, linewidth=0.8, linestyle=(0.0, (4.0, 3.0)), zorder=1)
        _draw_paths(axes, paths, looks)
        axes.set_ylim(0.0, 1.06 * total)
        axes.yaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
        axes.set_ylabel("modes covered")
        if legend:
            axes.legend(fontsize="small", framealpha=0.0)

    told = _told(paths, lambda value: number(value, 0 if value.is_integer() else 1))
    return picture(
        WIDTH,
        HEIGHT,
        draw,
        alt=f"Modes covered, of {total:.0f}, against evaluations on a logarithmic axis. {told}",
        caption=f"Modes covered, of {total:.0f}",
    )


def _masses(comparison: Comparison, known: dict[str, list], looks: dict[str, Look]) -> Picture:
    paths = {
        method: path_of(curves, lambda point: max(point.mode_mass_tv, LEAST_TV)) for method, curves in known.items()
    }
    lowest = min(float(path.least.min()) for path in paths.values())

    def draw(figure: Figure) -> None:
        axes = _axes(figure, comparison)
        _draw_paths(axes, paths, looks)
        axes.set_yscale("log")
        axes.set_ylim(min(0.7 * lowest, 0.1), 1.25)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_ylabel("mass TV")

    told = _told(paths, lambda value: number(value, 3))
    alt = f"Total variation of the masses of the modes against evaluations, both on logarithmic axes. {told}"
    return picture(
        WIDTH, HEIGHT, draw, alt=alt, caption="Total variation between the masses of the modes and the true ones"
    )


def _axes(figure: Figure, comparison: Comparison) -> Axes:
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short_count(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(True, which="major")
    axes.set_axisbelow(True)
    axes.set_xlabel("evaluations of energy and gradient")
    return axes


def _draw_paths(axes: Axes, paths: dict[str, CoveragePath], looks: dict[str, Look]) -> None:
    # Before the first line: an error bar of a single point has no scale of its own.
    spent = [float(each) for path in paths.values() for each in path.spent]
    axes.set_xlim(min(spent) / ROOM, max(spent) * ROOM)
    # Ours last, so that it lies above the others.
    for method, path in reversed(paths.items()):
        look = looks[method]
        axes.fill_between(path.spent, path.least, path.most, color=look.colour, alpha=0.18, linewidth=0)
        axes.plot(path.spent, path.mean, color=look.colour, linewidth=look.width, linestyle=look.line, label=method)
        # The mean of equal numbers may lie a rounding beside them.
        ends = ([max(path.mean[-1] - path.least[-1], 0.0)], [max(path.most[-1] - path.mean[-1], 0.0)])
        axes.errorbar(
            path.spent[-1:],
            path.mean[-1:],
            yerr=ends,
            fmt=look.marker,
            color=look.colour,
            markersize=4.5,
            elinewidth=1.0,
        )


def _told(paths: dict[str, CoveragePath], shown: Callable[[float], str]) -> str:
    ends = (
        f"{method}: {shown(float(path.mean[-1]))} (seeds from {shown(float(path.least[-1]))} to "
        f"{shown(float(path.most[-1]))}) after {short_count(path.spent[-1])}"
        for method, path in paths.items()
    )
    return f"At their ends: {'; '.join(ends)}."
