"""A target by itself: what is known of it without a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from biglearn_plugins.reports.canvas import BLACK, GREYS, new_figure, save
from biglearn_plugins.reports.cloud import exact_cloud
from biglearn_plugins.reports.legend import add_legend_below
from biglearn_plugins.reports.mass_levels import SHARES_TEXT
from biglearn_plugins.reports.pair_grid import BINS, centres_of, inside, limits_of, pair_figure, pair_log_density
from biglearn_plugins.reports.regions import fill_regions
from biglearn_plugins.reports.sampler_target import SamplerTarget
from biglearn_plugins.reports.slices import Slices
from biglearn_plugins.reports.target_view import density_of, known_modes, target_view
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.mixture import Mixture
from biglearn_sampler.runs.report import AbstractReport
from biglearn_sampler.runs.run import Run

WIDTH, HEIGHT = 620, 660


@dataclass(frozen=True)
class TargetPicture(AbstractReport):
    """`target.png`: the density in one and two dimensions; beyond, pairs of numbers.

    Pairs are marginals of exact draws. Where a target has none they are slices: the density of two coordinates, the
    others held at the highest point that was found. The title says which.

    Arguments:
        numbers: at most as many of the target's quantities or coordinates, the first ones.
    """

    numbers: int = 4

    def write(self, run: Run, folder: Path) -> list[Path]:
        path = folder / "target.png"
        return [path] if self.draw_target(run.target, run.name, path) else []

    def draw_target(self, target: AbstractTarget, name: str, path: Path) -> bool:
        if target.dim == 1:
            figure = _curve(target, name)
        elif target.dim == 2:
            figure = _plane(target, name)
        else:
            figure = _pairs(target, name, self.numbers)
        save(figure, path)
        return True

    def draw_sampler(self, sampler: Mixture, name: str, path: Path) -> bool:
        return self.draw_target(SamplerTarget(sampler), name, path)


def _curve(target: AbstractTarget, name: str) -> Figure:
    figure, axes = _single_panel(f"{name}: its density")
    view = target_view(target)
    _fill_curve(axes, view.axes[0], view.target_log_density(target))
    modes = known_modes(target)
    if len(modes):
        axes.plot(modes[:, 0], np.zeros(len(modes)), "|", color=BLACK, markersize=10, clip_on=False)
    axes.set_xlim(view.lower[0], view.upper[0])
    axes.set_xlabel("x[0]")
    add_legend_below(figure, [(Patch(color=GREYS[1]), "density"), *_mode_entry(target, "|")], 2)
    return figure


def _plane(target: AbstractTarget, name: str) -> Figure:
    figure, axes = _single_panel(f"{name}: its density")
    view = target_view(target)
    horizontal, vertical = view.axes
    fill_regions(axes, horizontal, vertical, view.target_log_density(target))
    modes = known_modes(target)
    axes.plot(*modes.T, "+", color=BLACK, markersize=6, markeredgewidth=0.9)
    axes.set_xlim(view.lower[0], view.upper[0])
    axes.set_ylim(view.lower[1], view.upper[1])
    axes.set_box_aspect(1)
    axes.set_xlabel("x[0]")
    axes.set_ylabel("x[1]")
    add_legend_below(figure, [_region_entry(), *_mode_entry(target, "+")], 2)
    return figure


def _pairs(target: AbstractTarget, name: str, numbers: int) -> Figure:
    figure = _marginals(target, name, numbers)
    if figure is None:
        figure = _slices(target, name, numbers)
    add_legend_below(figure, [_region_entry("in a panel")], 1)
    return figure


def _marginals(target: AbstractTarget, name: str, numbers: int) -> Figure | None:
    cloud = exact_cloud(target, numbers)
    if cloud is None:
        return None
    limits = limits_of([cloud])

    def draw_single(axes: Axes, number: int) -> None:
        values, weights = inside(cloud, number, limits[number])
        axes.hist(values, BINS, range=limits[number], weights=weights, histtype="stepfilled", color=GREYS[1])
        axes.set_xlim(limits[number])
        axes.set_yticks([])

    def draw_pair(axes: Axes, column: int, row: int) -> None:
        log_density = pair_log_density(cloud, (column, row), limits)
        fill_regions(axes, centres_of(limits[column]), centres_of(limits[row]), log_density)
        axes.set_xlim(limits[column])
        axes.set_ylim(limits[row])

    figure = pair_figure(cloud.names, draw_single, draw_pair)
    figure.suptitle(f"{name}: marginals of {len(cloud.values):,} exact draws")
    return figure


def _slices(target: AbstractTarget, name: str, numbers: int) -> Figure:
    slices = Slices.of(target, numbers)

    def draw_single(axes: Axes, number: int) -> None:
        _fill_curve(axes, slices.axis(number), slices.log_density(number))
        axes.set_xlim(slices.limits[number])

    def draw_pair(axes: Axes, column: int, row: int) -> None:
        fill_regions(axes, slices.axis(column), slices.axis(row), slices.log_density(column, row))
        axes.set_xlim(slices.limits[column])
        axes.set_ylim(slices.limits[row])

    figure = pair_figure([f"x[{number}]" for number in range(len(slices.limits))], draw_single, draw_pair)
    figure.suptitle(
        f"{name}: no exact draws are known; slices of the density\nthrough the highest point that was found"
    )
    return figure


def _fill_curve(axes: Axes, points: Float[np.ndarray, " points"], log_density: Float[np.ndarray, " points"]) -> None:
    axes.fill_between(points, density_of(log_density), color=GREYS[1], linewidth=0)
    axes.set_ylim(0.0, None)
    axes.set_yticks([])


def _single_panel(title: str) -> tuple[Figure, Axes]:
    figure = new_figure(WIDTH, HEIGHT)
    figure.suptitle(title)
    return figure, figure.subplots()


def _region_entry(where: str = "in view") -> tuple[Any, str]:
    return tuple(Patch(color=shade) for shade in reversed(GREYS)), f"regions with {SHARES_TEXT} of the mass {where}"


def _mode_entry(target: AbstractTarget, marker: str) -> list[tuple[Any, str]]:
    line = Line2D([], [], color=BLACK, marker=marker, linestyle="", markersize=8, markeredgewidth=0.9)
    return [(line, "known modes")] if len(known_modes(target)) else []


def target_picture(
    numbers: Annotated[int, "number of quantities, from 1 to 8"] = 4,
) -> TargetPicture:
    """The report.

    Raises:
        ValueError: `numbers` is out of range.
    """
    if not 1 <= numbers <= 8:
        raise ValueError(f"numbers must be from 1 to 8, got {numbers}")
    return TargetPicture(numbers)


ENTRY = Entry(
    name="target_picture",
    build=target_picture,
    summary="PNG: a target by itself; `biglearn show target NAME --plot` draws it",
)
