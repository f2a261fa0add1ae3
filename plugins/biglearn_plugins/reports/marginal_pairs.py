"""Named quantities in pairs: the sampler over a baseline, where all coordinates fit in no picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from biglearn_plugins.reports.canvas import BLUE, GREYS, VERMILLION, save
from biglearn_plugins.reports.cloud import Cloud, reference_cloud, sampler_clouds
from biglearn_plugins.reports.mass_levels import SHARES_TEXT, with_levels
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
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.runs.report import AbstractReport
from biglearn_sampler.runs.run import Run


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
        limits = limits_of([best] if reference is None else [best, reference])
        figure = pair_figure(
            best.names,
            lambda axes, number: _draw_single(axes, number, reference, best, raw, limits[number]),
            lambda axes, column, row: _draw_pair(axes, (column, row), reference, best, limits),
        )
        _add_legend(figure, reference, best, raw)
        return [save(figure, folder / "marginal_pairs.png")]


def _draw_single(
    axes: Axes, number: int, reference: Cloud | None, best: Cloud, raw: Cloud, limits: tuple[float, float]
) -> None:
    def histogram(cloud: Cloud, **style: Any) -> None:
        values, weights = inside(cloud, number, limits)
        axes.hist(values, BINS, range=limits, weights=weights, **style)

    if reference is not None:
        histogram(reference, histtype="stepfilled", color=GREYS[1])
    histogram(best, histtype="step", color=VERMILLION, linewidth=2.0)
    if raw is not best:
        # Above the other, so that both are seen where they agree.
        histogram(raw, histtype="step", color=BLUE, linewidth=0.8)
    axes.set_xlim(limits)
    axes.set_yticks([])


def _draw_pair(axes: Axes, pair: tuple[int, int], reference: Cloud | None, best: Cloud, limits: Limits) -> None:
    horizontal, vertical = (centres_of(limits[number]) for number in pair)
    if reference is not None:
        fill_regions(axes, horizontal, vertical, pair_log_density(reference, pair, limits))
    lines = with_levels(pair_log_density(best, pair, limits))
    if lines is not None:
        values, levels = lines
        axes.contour(horizontal, vertical, values.T, levels, colors=VERMILLION, linewidths=1.1, linestyles="solid")
    axes.set_xlim(limits[pair[0]])
    axes.set_ylim(limits[pair[1]])


def _add_legend(figure: Figure, reference: Cloud | None, best: Cloud, raw: Cloud) -> None:
    entries: list[tuple[Any, str]] = []
    if reference is not None:
        entries.append((Patch(color=GREYS[1]), f"{reference.label}: regions with {SHARES_TEXT} of its mass"))
    entries.append(
        (
            Line2D([], [], color=VERMILLION, linewidth=2.0),
            f"{best.label}: lines around {SHARES_TEXT} of its mass",
        )
    )
    if raw is not best:
        entries.append((Line2D([], [], color=BLUE, linewidth=0.8), f"{raw.label}: on the diagonal only"))
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
