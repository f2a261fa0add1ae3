"""Named quantities in pairs: the sampler over a baseline, where all coordinates fit in no picture."""

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
from scipy.ndimage import gaussian_filter

from biglearn_plugins.reports.canvas import BLUE, GREYS, VERMILLION, new_figure, save
from biglearn_plugins.reports.cloud import Cloud, reference_cloud, sampler_clouds
from biglearn_plugins.reports.mass_levels import SHARES_TEXT, with_levels
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.runs.report import AbstractReport
from biglearn_sampler.runs.run import Run

SIDE, LEGEND_HEIGHT = 270, 60
BINS = 48
# Width of the kernel that smooths counts in two dimensions, in bins.
SMOOTHING = 1.5
MARGIN = 0.05

Limits = list[tuple[float, float]]


@dataclass(frozen=True)
class MarginalPairs(AbstractReport):
    """`marginal_pairs.png`: single and pairwise marginals, for targets with more than two coordinates.

    Grey is the reference: a baseline where the run has one, else exact draws where the target has them.
    Orange is the sampler with importance weights, thin blue the raw mixture. Off the diagonal, regions and
    lines hold 50, 90 and 99 % of the mass.

    Arguments:
        numbers: at most as many of the target's quantities, the first ones.
    """

    numbers: int = 4

    def write(self, run: Run, folder: Path) -> list[Path]:
        if run.target.dim <= 2:
            return []
        reference = reference_cloud(run, self.numbers)
        raw, *weighted = sampler_clouds(run, self.numbers)
        best = weighted[0] if weighted else raw
        names = best.names
        side = SIDE * max(len(names), 2)
        figure = new_figure(side, side + LEGEND_HEIGHT)
        grid = figure.subplots(len(names), len(names), squeeze=False, sharex="col")
        limits = _limits([best] if reference is None else [best, reference])
        for row in range(len(names)):
            for column in range(len(names)):
                _draw_cell(grid[row, column], row, column, reference, best, raw, limits)
                _label(grid[row, column], row, column, names)
        _add_legend(figure, reference, best, raw)
        return [save(figure, folder / "marginal_pairs.png")]


def _limits(clouds: list[Cloud]) -> Limits:
    """What the axis of each number shows: the mass of all clouds, with a margin."""
    limits = []
    for number in range(len(clouds[0].names)):
        ends = np.array([cloud.interval(number) for cloud in clouds])
        lower, upper = ends[:, 0].min(), ends[:, 1].max()
        # A number that never changes gets an axis around it.
        margin = MARGIN * (upper - lower) or 0.5
        limits.append((float(lower - margin), float(upper + margin)))
    return limits


def _draw_cell(
    axes: Axes, row: int, column: int, reference: Cloud | None, best: Cloud, raw: Cloud, limits: Limits
) -> None:
    if column > row:
        axes.set_visible(False)
    elif column == row:
        _draw_single(axes, row, reference, best, raw, limits[row])
    else:
        _draw_pair(axes, (column, row), reference, best, (limits[column], limits[row]))


def _draw_single(
    axes: Axes, number: int, reference: Cloud | None, best: Cloud, raw: Cloud, limits: tuple[float, float]
) -> None:
    def histogram(cloud: Cloud, **style: Any) -> None:
        inside = (cloud.values[:, number] >= limits[0]) & (cloud.values[:, number] <= limits[1])
        values, weights = cloud.values[inside, number], cloud.weights[inside]
        axes.hist(values, BINS, range=limits, weights=weights, **style)

    if reference is not None:
        histogram(reference, histtype="stepfilled", color=GREYS[1])
    if raw is not best:
        histogram(raw, histtype="step", color=BLUE, linewidth=0.9)
    histogram(best, histtype="step", color=VERMILLION, linewidth=1.3)
    axes.set_xlim(limits)
    axes.set_yticks([])


def _draw_pair(
    axes: Axes, pair: tuple[int, int], reference: Cloud | None, best: Cloud, limits: tuple[Any, Any]
) -> None:
    centres = [np.linspace(lower, upper, 2 * BINS + 1)[1::2] for lower, upper in limits]
    filled = None if reference is None else with_levels(_log_density(reference, pair, limits))
    if filled is not None:
        values, levels = filled
        axes.contourf(*centres, values.T, levels=[*levels, 1.0], colors=GREYS)
    lines = with_levels(_log_density(best, pair, limits))
    if lines is not None:
        values, levels = lines
        axes.contour(*centres, values.T, levels, colors=VERMILLION, linewidths=1.1, linestyles="solid")
    axes.set_xlim(limits[0])
    axes.set_ylim(limits[1])


def _log_density(cloud: Cloud, pair: tuple[int, int], limits: Any) -> Float[np.ndarray, "bins bins"]:
    """A smoothed histogram of two numbers, in logarithms up to a constant."""
    values = cloud.values[:, list(pair)]
    counts, *_ = np.histogram2d(*values.T, bins=BINS, range=limits, weights=cloud.weights)
    smooth = gaussian_filter(counts, SMOOTHING)
    return np.log(smooth, where=smooth > 0, out=np.full_like(smooth, -np.inf))


def _label(axes: Axes, row: int, column: int, names: tuple[str, ...]) -> None:
    if row == len(names) - 1:
        axes.set_xlabel(names[column])
    if column == 0 and row > 0:
        axes.set_ylabel(names[row])
    axes.tick_params(labelbottom=row == len(names) - 1, labelleft=0 == column < row, labelsize=8)
    axes.locator_params(nbins=4)


def _add_legend(figure: Figure, reference: Cloud | None, best: Cloud, raw: Cloud) -> None:
    entries: list[tuple[Any, str]] = []
    if reference is not None:
        entries.append((Patch(color=GREYS[1]), f"{reference.label}: regions with {SHARES_TEXT} of its mass"))
    entries.append(
        (
            Line2D([], [], color=VERMILLION, linewidth=1.3),
            f"{best.label}: lines around {SHARES_TEXT} of its mass",
        )
    )
    if raw is not best:
        entries.append((Line2D([], [], color=BLUE, linewidth=0.9), f"{raw.label}: on the diagonal only"))
    artists, texts = zip(*entries, strict=True)
    figure.legend(artists, texts, loc="outside lower center", ncols=1, frameon=False, fontsize=9)


def marginal_pairs(
    numbers: Annotated[int, "number of quantities, from 1 to 8"] = 4,
) -> MarginalPairs:
    """The report.

    Raises:
        ValueError: `numbers` is out of range.
    """
    if not 1 <= numbers <= 8:
        raise ValueError(f"numbers must be from 1 to 8, got {numbers}")
    return MarginalPairs(numbers)


ENTRY = Entry(
    name="marginal_pairs",
    build=marginal_pairs,
    summary="PNG: single and pairwise marginals beside a baseline, beyond two dimensions",
)
