"""Single and pairwise marginals of each method over exact draws, beyond two dimensions, on the same axes."""

from __future__ import annotations

from functools import partial

import numpy as np
from matplotlib.axes import Axes

from biglearn_plugins.reports.canvas import GREYS
from biglearn_plugins.reports.cloud import Cloud, draws_cloud, exact_cloud
from biglearn_plugins.reports.mass_levels import SHARES_TEXT, with_levels
from biglearn_plugins.reports.page.drawing import Picture, picture_of
from biglearn_plugins.reports.page.looks import Look
from biglearn_plugins.reports.page.sample_panels import caption_of, first_trials
from biglearn_plugins.reports.pair_grid import (
    BINS,
    Limits,
    centres_of,
    inside,
    limits_of,
    pair_figure,
    pair_log_density,
)
from biglearn_plugins.reports.regions import fill_regions
from biglearn_sampler.comparison import Comparison, Trial

NUMBERS = 3
"""Quantities that are shown, the first ones."""

SIDE = 155


def marginal_panels(comparison: Comparison, looks: dict[str, Look]) -> list[Picture]:
    """One picture for each method, of its first finished seed; none up to two dimensions."""
    target = comparison.target
    if target.dim <= 2:
        return []
    reference = exact_cloud(target, NUMBERS)
    clouds = [(trial, draws_cloud(trial.method, target, draws, NUMBERS)) for trial, draws in first_trials(comparison)]
    shown = [(trial, cloud) for trial, cloud in clouds if len(cloud.values)]
    if not shown:
        return []
    # Exact draws decide what is shown, so that a method that is far off does not shrink everything else.
    limits = limits_of([reference] if reference is not None else [cloud for _, cloud in shown])
    return [_panel(trial, cloud, reference, limits, looks[trial.method]) for trial, cloud in shown]


def _panel(trial: Trial, cloud: Cloud, reference: Cloud | None, limits: Limits, look: Look) -> Picture:
    return picture_of(
        partial(
            pair_figure,
            cloud.names,
            lambda axes, number: _draw_single(axes, number, cloud, reference, limits[number], look),
            lambda axes, column, row: _draw_pair(axes, (column, row), cloud, reference, limits, look),
            side=SIDE,
            below=0,
        ),
        alt=_alt(trial, cloud, reference),
        caption=caption_of(trial, look),
    )


def _draw_single(
    axes: Axes, number: int, cloud: Cloud, reference: Cloud | None, limits: tuple[float, float], look: Look
) -> None:
    if reference is not None:
        values, weights = inside(reference, number, limits)
        axes.hist(values, BINS, range=limits, weights=weights, histtype="stepfilled", color=GREYS[1])
    values, weights = inside(cloud, number, limits)
    axes.hist(values, BINS, range=limits, weights=weights, histtype="step", color=look.colour, linewidth=1.2)
    axes.set_xlim(limits)
    axes.set_yticks([])


def _draw_pair(
    axes: Axes, pair: tuple[int, int], cloud: Cloud, reference: Cloud | None, limits: Limits, look: Look
) -> None:
    horizontal, vertical = (centres_of(limits[number]) for number in pair)
    if reference is not None:
        fill_regions(axes, horizontal, vertical, pair_log_density(reference, pair, limits))
    lines = with_levels(pair_log_density(cloud, pair, limits))
    if lines is not None:
        values, levels = lines
        axes.contour(horizontal, vertical, values.T, levels, colors=look.colour, linewidths=1.0, linestyles="solid")
    axes.set_xlim(limits[pair[0]])
    axes.set_ylim(limits[pair[1]])


def _alt(trial: Trial, cloud: Cloud, reference: Cloud | None) -> str:
    told = (f"{name} {_moments(cloud, number)}{_beside(reference, number)}" for number, name in enumerate(cloud.names))
    grey = f" over exact draws in grey, {SHARES_TEXT} of their mass" if reference is not None else ""
    return (
        f"Single and pairwise marginals of {trial.method} on seed {trial.seed} as lines around {SHARES_TEXT} of its "
        f"mass{grey}. Mean and standard deviation: {'; '.join(told)}."
    )


def _beside(reference: Cloud | None, number: int) -> str:
    return "" if reference is None else f" (exact {_moments(reference, number)})"


def _moments(cloud: Cloud, number: int) -> str:
    values = cloud.values[:, number]
    mean = float(cloud.weights @ values)
    return f"{mean:.3g}, {np.sqrt(cloud.weights @ (values - mean) ** 2):.3g}"
