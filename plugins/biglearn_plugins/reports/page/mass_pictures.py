"""The mass that each method gives each mode, beside the true one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from biglearn_plugins.reports.page.columns import MASS, MODES
from biglearn_plugins.reports.page.drawing import INK, MUTED, Picture, picture
from biglearn_plugins.reports.page.looks import Look
from biglearn_plugins.reports.page.numbers_as_text import counted, number
from biglearn_sampler.comparison import Comparison
from biglearn_sampler.evaluation.mode_shares import COVERED_SHARE, belongs_to_modes

MOST_BARS = 40
WIDTH, HEIGHT, SUMMARY_HEIGHT = 460, 190, 300
HIGHEST = 2.5
"""Times the heaviest true mass: what is above is cut, and written at the top, so that the other bars stay readable."""

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
    """The heights of bars that are cut; a neighbour's is written higher, so that both can be read."""
    raised, last = False, -2
    for place in np.flatnonzero(mean > top):
        raised, last = not raised and place - last < 3, place
        style = {"ha": "center", "va": "bottom", "size": 6.5, "color": MUTED}
        offset = (0, 8 if raised else 1)
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
        axes.set_xlim(0.0, 100.0)
        axes.set_xlabel("modes, the most neglected first, %")
        axes.set_ylabel("mass found / true mass")

    ends = "; ".join(_told(method, each) for method, each in ratios.items())
    alt = f"Mass found divided by true mass, sorted, for {len(true):,} modes, on a logarithmic axis. {ends}."
    caption = f"Mass found / true mass of {len(true):,} modes; below the dashed line a mode is not covered"
    return picture(WIDTH, SUMMARY_HEIGHT, draw, alt=alt, caption=caption)


def _told(method: str, ratios: Float[np.ndarray, " modes"]) -> str:
    low, middle, high = np.quantile(ratios, [0.05, 0.5, 0.95])
    covered = int((ratios >= COVERED_SHARE).sum())
    return (
        f"{method}: {covered:,} covered, ratios from {number(low, 2)} to {number(high, 2)} for nine modes in ten, "
        f"{number(middle, 2)} in the middle"
    )
