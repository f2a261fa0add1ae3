"""Losses and modes found against what was asked of the energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from biglearn_plugins.reports.canvas import BLACK, LINES, new_figure, save
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.runs.report import AbstractReport
from biglearn_sampler.runs.run import Run

WIDTH, LOSS_HEIGHT, MODES_HEIGHT = 1000, 440, 240
COUNTS = ("gradient_evaluations", "energy_evaluations", "exact_channel_evaluations")
STYLES = ("solid", "dashed", "dotted", "dashdot")
# Losses that differ by more than this are shown on a logarithmic scale beyond -1 and 1.
WIDE = 100.0

History = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class TrainingCurve(AbstractReport):
    """`training_curve.png`: the mean loss of each task, and the modes covered where they are known.

    The horizontal axis counts all evaluations of the target: gradients, energies and exact channels. Losses
    of different tasks have different constants and are not to be compared with each other.
    """

    def write(self, run: Run, folder: Path) -> list[Path]:
        losses = {name: _series(run.history, _loss_of(name)) for name in _tasks(run.history)}
        modes = _series(run.history, lambda row: row.get("modes_covered"))
        losses = {name: series for name, series in losses.items() if series.size}
        if not losses:
            return []
        figure = new_figure(WIDTH, LOSS_HEIGHT + (MODES_HEIGHT if modes.size else 0))
        axes = _axes(figure, with_modes=bool(modes.size))
        _draw_losses(axes[0], losses)
        if modes.size:
            _draw_modes(axes[1], modes, run)
        axes[-1].set_xlabel("evaluations of the target")
        axes[-1].xaxis.set_major_formatter("{x:,.0f}")
        return [save(figure, folder / "training_curve.png")]


def _tasks(history: History) -> list[str]:
    """Names of all tasks, in the order of their first loss."""
    return list(dict.fromkeys(name for row in history for name in row["loss"]))


def _loss_of(name: str) -> Any:
    return lambda row: row["loss"].get(name)


def _series(history: History, figure: Any) -> np.ndarray:
    """Evaluations and the figure, one column for each row of the history that has it, shape `(2, rows)`."""
    found = [(sum(row[count] for count in COUNTS), figure(row)) for row in history]
    kept = [(count, value) for count, value in found if value is not None and np.isfinite(value)]
    return np.asarray(kept, float).reshape(-1, 2).T


def _axes(figure: Figure, *, with_modes: bool) -> list[Axes]:
    if not with_modes:
        return [figure.subplots()]
    return list(figure.subplots(2, 1, sharex=True, height_ratios=(LOSS_HEIGHT, MODES_HEIGHT)))


def _draw_losses(axes: Axes, losses: Mapping[str, np.ndarray]) -> None:
    for index, (name, (evaluations, values)) in enumerate(losses.items()):
        style = STYLES[index // len(LINES) % len(STYLES)]
        marker = "o" if values.size == 1 else ""
        colour = LINES[index % len(LINES)]
        axes.plot(evaluations, values, color=colour, linestyle=style, marker=marker, linewidth=1.3, label=name)
    values = np.concatenate([series[1] for series in losses.values()])
    if np.ptp(values) > WIDE:
        axes.set_yscale("symlog", linthresh=1.0)
    axes.set_ylabel("loss, mean over a chunk")
    axes.grid(color="#e8e8e8")
    axes.legend(frameon=False, fontsize=9, loc="upper right", title="task")


def _draw_modes(axes: Axes, modes: np.ndarray, run: Run) -> None:
    axes.step(*modes, where="post", color=BLACK, linewidth=1.3)
    known = run.target.facts.modes
    highest = modes[1].max() if known is None else len(known)
    axes.axhline(highest, color="#808080", linestyle="dotted", linewidth=1.0)
    axes.set_ylim(0.0, 1.1 * max(float(highest), 1.0))
    axes.set_ylabel("modes covered")
    axes.grid(color="#e8e8e8")


def training_curve() -> TrainingCurve:
    """The report; it has no parameters."""
    return TrainingCurve()


ENTRY = Entry(
    name="training_curve",
    build=training_curve,
    summary="PNG: loss of each task and modes covered against evaluations",
)
