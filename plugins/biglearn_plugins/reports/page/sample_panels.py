"""Draws of each method over the target's density, on the same axes, in one dimension or two."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from biglearn_plugins.reports.canvas import GREYS
from biglearn_plugins.reports.mass_levels import SHARES_TEXT
from biglearn_plugins.reports.page.drawing import INK, Picture, picture
from biglearn_plugins.reports.page.draws_view import draws_view
from biglearn_plugins.reports.page.looks import Look
from biglearn_plugins.reports.page.mass_pictures import told_of
from biglearn_plugins.reports.page.numbers_as_text import counted
from biglearn_plugins.reports.regions import fill_regions
from biglearn_plugins.reports.target_view import density_of, known_modes
from biglearn_plugins.reports.view import View
from biglearn_sampler.comparison import Comparison, Trial
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.evaluation import Draws
from biglearn_sampler.evaluation.resampling import systematic

SIDE, CURVE_HEIGHT = 290, 230
SHOWN = 1500
"""Points of a panel at most; more would hide each other."""

TOLD_OUTSIDE = 0.005
"""Share of the draws from which on the caption says that they are out of view."""

BINS = 90

GRID = {1: 800, 2: 150}
"""Points along each side of the density; the outlines of its regions are most of the size of a page."""


def sample_panels(comparison: Comparison, looks: dict[str, Look]) -> list[Picture]:
    """One picture for each method, of its first finished seed; none beyond two dimensions."""
    target = comparison.target
    trials = first_trials(comparison)
    if target.dim > 2 or not trials:
        return []
    view = replace(draws_view(target, trials), points_per_side=GRID[target.dim])
    density = view.target_log_density(target)
    if target.dim == 1:
        draw, height = partial(_draw_curve, top=_top(view, density, trials)), CURVE_HEIGHT
    else:
        draw, height = _draw_plane, SIDE

    def panel(trial: Trial, draws: Draws) -> Picture:
        look = looks[trial.method]
        return picture(
            SIDE,
            height,
            lambda figure: draw(figure.subplots(), target, view, density, draws, look),
            alt=_alt(comparison, trial, draws, view),
            caption=caption_of(trial, look, _out_of_view(draws, view)),
        )

    return [panel(trial, draws) for trial, draws in trials]


def first_trials(comparison: Comparison) -> list[tuple[Trial, Draws]]:
    """For each method its first finished trial with draws, and these."""
    found = {}
    for method in comparison.methods:
        for trial in comparison.finished(method):
            if trial.draws is not None and trial.draws.count:
                found.setdefault(method, (trial, trial.draws))
    return list(found.values())


def note_on_samples(comparison: Comparison) -> str:
    """What has to be known to read the pictures."""
    if comparison.target.dim == 1:
        return (
            "Histograms of the draws of the first seed of each method, as the method weighs them, over the target's "
            "density in grey; ticks are known modes. All panels have the same axes."
        )
    return (
        f"At most {SHOWN:,} draws of the first seed of each method, as the method weighs them. Grey regions hold "
        f"{SHARES_TEXT} of the target's mass in view; crosses are known modes. All panels have the same axes."
    )


def caption_of(trial: Trial, look: Look, more: str = "") -> str:
    """Swatch, method, what its seed covered, and more that is to be said."""
    covered, total = trial.figure("modes_covered"), trial.figure("modes_total")
    modes = f"{covered:.0f} of {total:.0f} modes, " if covered is not None and total is not None else ""
    return look.caption(trial.method, f"{modes}seed {trial.seed}{more}")


def shown_points(draws: Draws, most: int = SHOWN) -> Float[np.ndarray, "shown dim"]:
    """At most so many finite points, chosen as the method weighs its draws."""
    shares = draws.shares
    if draws.weights is None and draws.count <= most:
        chosen = np.arange(draws.count)
    else:
        chosen = systematic(shares / shares.sum(), min(most, draws.count), 0.5)
    points = np.asarray(draws.points, float)[chosen]
    return points[np.isfinite(points).all(axis=1)]


def _in_view(draws: Draws, view: View) -> float:
    """The share of the draws of a method that a view shows."""
    inside = ((draws.points >= view.lower) & (draws.points <= view.upper)).all(axis=1)
    return float(draws.shares[inside].sum())


def _out_of_view(draws: Draws, view: View) -> str:
    outside = 1.0 - _in_view(draws, view)
    return f", {outside:.0%} of its draws outside" if outside >= TOLD_OUTSIDE else ""


def _top(view: View, density: np.ndarray, trials: list[tuple[Trial, Draws]]) -> float:
    """The height of panels in one dimension."""
    curve, limits = _curve(view, density), (float(view.lower[0]), float(view.upper[0]))
    heights = [np.histogram(draws.points[:, 0], BINS, limits, weights=draws.shares)[0] for _, draws in trials]
    return 1.05 * max(curve.max(), max(each.max() for each in heights) * BINS / (limits[1] - limits[0]))


def _curve(view: View, density: np.ndarray) -> Float[np.ndarray, " side"]:
    """The density with an area of one."""
    curve = density_of(density)
    return curve / (float(np.trapezoid(curve, view.axes[0])) or 1.0)


def _draw_plane(axes: Axes, target: AbstractTarget, view: View, density: np.ndarray, draws: Draws, look: Look) -> None:
    horizontal, vertical = view.axes
    fill_regions(axes, horizontal, vertical, density)
    points, modes = shown_points(draws), known_modes(target)
    axes.scatter(*points.T, s=3.5, color=look.colour, alpha=0.6, linewidths=0, rasterized=True)
    axes.plot(*modes.T, "+", color=INK, markersize=4.5, markeredgewidth=0.8)
    axes.set_xlim(view.lower[0], view.upper[0])
    axes.set_ylim(view.lower[1], view.upper[1])
    axes.set_box_aspect(1)
    axes.set_xlabel("x[0]")
    axes.set_ylabel("x[1]")


def _draw_curve(
    axes: Axes, target: AbstractTarget, view: View, density: np.ndarray, draws: Draws, look: Look, top: float
) -> None:
    modes = known_modes(target)
    axes.fill_between(view.axes[0], _curve(view, density), color=GREYS[1], linewidth=0)
    limits = (float(view.lower[0]), float(view.upper[0]))
    # Draws out of view count as well: a density, not a share of what is seen.
    heights = draws.shares * BINS / (limits[1] - limits[0])
    axes.hist(
        draws.points[:, 0],
        BINS,
        range=limits,
        weights=heights,
        histtype="step",
        color=look.colour,
        linewidth=look.width,
    )
    axes.plot(modes[:, 0], np.zeros(len(modes)), "|", color=INK, markersize=8, clip_on=False)
    axes.set_xlim(limits)
    axes.set_ylim(0.0, top)
    axes.set_xlabel("x[0]")
    axes.set_ylabel("density")


def _alt(comparison: Comparison, trial: Trial, draws: Draws, view: View) -> str:
    told = told_of(comparison, trial.method)
    regions = "its density" if comparison.target.dim == 1 else f"regions with {SHARES_TEXT} of its mass"
    return (
        f"{counted(draws.count, 'draw')} of {trial.method} on seed {trial.seed} over the target, {regions} in grey; "
        f"{_in_view(draws, view):.1%} of them by weight in view, around {_middle(draws)}."
        f"{f' Over all seeds: {told}.' if told else ''}"
    )


def _middle(draws: Draws) -> str:
    with np.errstate(all="ignore"):
        mean = draws.shares @ draws.points
    return f"({', '.join(f'{each:.3g}' for each in mean)})"
