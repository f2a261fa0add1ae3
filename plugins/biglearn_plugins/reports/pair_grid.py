"""A triangle of panels: numbers by themselves on the diagonal, and in pairs below it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter

from biglearn_plugins.reports.canvas import new_figure
from biglearn_plugins.reports.cloud import Cloud

SIDE, LEGEND_HEIGHT = 270, 60
BINS, PAIR_BINS = 48, 128
# Kernels that smooth counts in two dimensions, in bins: the narrowest that holds so many draws.
KERNELS = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)
ENOUGH = 80.0
MARGIN = 0.05

Limits = list[tuple[float, float]]


def pair_figure(
    names: Sequence[str],
    draw_single: Callable[[Axes, int], None],
    draw_pair: Callable[[Axes, int, int], None],
    *,
    side: int = SIDE,
    below: int = LEGEND_HEIGHT,
) -> Figure:
    """A figure with a panel for each number, and for each pair of a column and a lower row.

    Arguments:
        names: of the numbers.
        draw_single: draws one number.
        draw_pair: draws the number of the column against that of the row.
        side: of one panel, in pixels.
        below: the height that is kept for a legend, in pixels.
    """
    width = side * max(len(names), 2)
    figure = new_figure(width, width + below)
    grid = figure.subplots(len(names), len(names), squeeze=False, sharex="col")
    for row in range(len(names)):
        for column in range(len(names)):
            axes = grid[row, column]
            if column > row:
                axes.set_visible(False)
            elif column == row:
                draw_single(axes, row)
            else:
                draw_pair(axes, column, row)
            _label(axes, row, column, names)
    return figure


def limits_of(clouds: list[Cloud]) -> Limits:
    """What the axis of each number shows: the mass of all clouds, with a margin."""
    return [with_margin([cloud.interval(number) for cloud in clouds]) for number in range(len(clouds[0].names))]


def with_margin(intervals: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The interval around all of them; a number that never changes gets an axis around it."""
    ends = np.array(intervals)
    lower, upper = ends[:, 0].min(), ends[:, 1].max()
    margin = MARGIN * (upper - lower) or 0.5
    return float(lower - margin), float(upper + margin)


def inside(cloud: Cloud, number: int, limits: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """The values of one number between the limits, with their weights."""
    kept = (cloud.values[:, number] >= limits[0]) & (cloud.values[:, number] <= limits[1])
    return cloud.values[kept, number], cloud.weights[kept]


def centres_of(limits: tuple[float, float]) -> Float[np.ndarray, " bins"]:
    """The middle of every bin of a pair."""
    return np.linspace(*limits, 2 * PAIR_BINS + 1)[1::2]


def pair_log_density(cloud: Cloud, pair: tuple[int, int], limits: Limits) -> Float[np.ndarray, "bins bins"]:
    """A smoothed histogram of two numbers, in logarithms up to a constant.

    A draw is smoothed little where draws are dense, so that the neck of a funnel keeps its width, and much where they
    are few.
    """
    values = cloud.values[:, list(pair)]
    shares, *_ = np.histogram2d(*values.T, bins=PAIR_BINS, range=[limits[each] for each in pair], weights=cloud.weights)
    draws = 1.0 / np.square(cloud.weights).sum()
    smooth, left = np.zeros_like(shares), shares
    for width in KERNELS:
        around = draws * 4.0 * np.pi * width**2 * gaussian_filter(shares, width)
        dense = (around >= ENOUGH) | (width == KERNELS[-1])
        smooth += gaussian_filter(np.where(dense, left, 0.0), width)
        left = np.where(dense, 0.0, left)
    return np.log(smooth, where=smooth > 0, out=np.full_like(smooth, -np.inf))


def _label(axes: Axes, row: int, column: int, names: Sequence[str]) -> None:
    if row == len(names) - 1:
        axes.set_xlabel(names[column], parse_math=False)
    if column == 0 and row > 0:
        axes.set_ylabel(names[row], parse_math=False)
    axes.tick_params(labelbottom=row == len(names) - 1, labelleft=0 == column < row, labelsize=8)
    axes.locator_params(nbins=4)
