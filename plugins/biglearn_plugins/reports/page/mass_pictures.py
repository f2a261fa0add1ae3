"""The mass that each method gives each mode, beside the true one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from biglearn_plugins.reports.page.columns import MASS, MODES
from biglearn_plugins.reports.page.drawing import INK, MUTED, Picture, picture
from biglearn_plugins.reports.page.looks import Look, legend
from biglearn_plugins.reports.page.markup import element, joined
from biglearn_plugins.reports.page.numbers_as_text import counted, number
from biglearn_sampler.comparison import Comparison
from biglearn_sampler.evaluation.mode_shares import COVERED_SHARE, belongs_to_modes

MOST_BARS = 40
WIDTH, HEIGHT, SUMMARY_HEIGHT = 460, 190, 300
HIGHEST = 2.5
"""Times the heaviest true mass: what is above is cut, and written at the top, so that the other bars stay readable."""

LEVELS = 3
"""Rows of numbers over bars that are cut."""

LOWEST_RATIO = 1e-2
"""Shown for anything below it on the logarithmic axis."""

Masses = dict[str, Float[np.ndarray, "seeds modes"]]


def mass_pictures(comparison: Comparison, looks: dict[str, Look]) -> list[Picture]:
    """Bars for each method, the heaviest mode first; beyond forty modes one picture of ratios; none without modes."""
    weights = comparison.target.facts.mode_weights
    masses = {method: np.stack(found) for method in comparison.methods if (found := list(_found(comparison, method)))}
    if weights is None or not masses:
        return []
    true = np.asarray(weights, float)
    if len(true) > MOST_BARS:
        return [_ratios(masses, true, looks)]
    order = np.argsort(-true, kind="stable")
    top = min(1.1 * max(each.mean(0).max() for each in masses.values()), HIGHEST * true.max())
    top = max(top, 1.1 * true.max())
    return [
        _bars(method, told_of(comparison, method), each[:, order], true[order], top, looks[method])
        for method, each in masses.items()
    ]


def note_on_masses(comparison: Comparison) -> str:
    """What has to be known to read the pictures."""
    weights = comparison.target.facts.mode_weights
    if weights is not None and len(weights) > MOST_BARS:
        return (
            "What the draws on record give each mode, mean over the seeds, divided by its true mass. Below the dashed "
            "line a mode is not covered; a perfect sampler lies on the other one, up to chance."
        )
    return "Bars, and whiskers over the seeds, are what the draws on record give each mode; lines are the true masses."


def told_of(comparison: Comparison, method: str) -> str:
    """The modes and the mass TV of a method as the table has them, from all of its draws."""
    covered, total, variation = (comparison.figure(method, name) for name in (MODES.figure, "modes_total", MASS.figure))
    parts = [f"{MODES.mean(covered)} of {total.most:.0f} modes"] if covered and total else []
    return ", ".join([*parts, f"mass TV {MASS.mean(variation)}"] if variation else parts)


def _found(comparison: Comparison, method: str) -> Iterator[Float[np.ndarray, " modes"]]:
    """The masses on every seed, as the draws that were kept tell them."""
    for trial in comparison.finished(method):
        if trial.draws is not None:
            belongs = belongs_to_modes(comparison.target.facts, trial.draws.points)
            if belongs is not None:
                yield trial.draws.shares @ belongs


def _bars(
    method: str,
    told: str,
    masses: Float[np.ndarray, "seeds modes"],
    true: Float[np.ndarray, " modes"],
    top: float,
    look: Look,
) -> Picture:
    mean = masses.mean(0)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        places = np.arange(1, len(true) + 1)
        axes.bar(places, mean, width=0.78, color=look.colour, linewidth=0)
        if len(masses) > 1:
            axes.vlines(places, masses.min(0), masses.max(0), color=MUTED, linewidth=0.9)
        axes.hlines(true, places - 0.46, places + 0.46, color=INK, linewidth=1.5)
        _write_heights(axes, mean, top)
        axes.set_xlim(0.3, len(true) + 0.7)
        axes.set_ylim(0.0, top)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10, min_n_ticks=1))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
        axes.set_xlabel("mode, the heaviest first")
        axes.set_ylabel("mass")

    worst = int(np.argmax(abs(mean - true)))
    alt = (
        f"Masses of the modes by {method} as bars, mean over {counted(len(masses), 'seed')}, with the true masses as "
        f"lines. The worst is mode {worst + 1} with {number(mean[worst], 3)}, truly {number(true[worst], 3)}."
    )
    alt += f" Of all draws: {told}." if told else ""
    return picture(WIDTH, HEIGHT, draw, alt=alt, caption=look.caption(method, told))


def _write_heights(axes: Axes, mean: Float[np.ndarray, " modes"], top: float) -> None:
    """The heights of bars that are cut; those of neighbours stand one above the other, so that all can be read."""
    level, last = 0, -LEVELS
    for place in np.flatnonzero(mean > top):
        level, last = (level + 1) % LEVELS if place - last < LEVELS else 0, place
        style = {"ha": "center", "va": "bottom", "size": 6.5, "color": MUTED}
        offset = (0, 1 + 7 * level)
        axes.annotate(number(mean[place], 2), (place + 1, top), offset, textcoords="offset points", **style)


def _ratios(masses: Masses, true: Float[np.ndarray, " modes"], looks: dict[str, Look]) -> Picture:
    ratios = {method: np.sort(each.mean(0) / true) for method, each in masses.items()}

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        share = 100.0 * np.arange(1, len(true) + 1) / len(true)
        for method, each in reversed(ratios.items()):
            look = looks[method]
            shown = np.maximum(each, LOWEST_RATIO)
            axes.plot(share, shown, color=look.colour, linewidth=look.width, linestyle=look.line)
        axes.axhline(1.0, color=INK, linewidth=0.9)
        axes.axhline(COVERED_SHARE, color=MUTED, linewidth=0.8, linestyle=(0.0, (4.0, 3.0)))
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda ratio, _: f"{ratio:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_xlim(0.0, 100.0)
        axes.set_xlabel("modes, the most neglected first, %")
        axes.set_ylabel("mass found / true mass")

    ends = "; ".join(_told(method, each) for method, each in ratios.items())
    alt = f"Mass found divided by true mass, sorted, for {len(true):,} modes, on a logarithmic axis. {ends}."
    caption = joined(legend(looks, list(ratios)), element("small", f"mass found / true mass of {len(true):,} modes"))
    return picture(WIDTH, SUMMARY_HEIGHT, draw, alt=alt, caption=caption)


def _told(method: str, ratios: Float[np.ndarray, " modes"]) -> str:
    low, middle, high = np.quantile(ratios, [0.05, 0.5, 0.95])
    covered = int((ratios >= COVERED_SHARE).sum())
    return (
        f"{method}: {covered:,} covered, ratios from {number(low, 2)} to {number(high, 2)} for nine modes in ten, "
        f"{number(middle, 2)} in the middle"
    )
