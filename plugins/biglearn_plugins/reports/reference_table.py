"""Means and standard deviations beside those of reference draws, number by number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from biglearn_plugins.metrics.reference_moments import distance
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import ReferenceMoments
from biglearn_sampler.runs.report import AbstractReport
from biglearn_sampler.runs.run import Run

COLUMNS = ("number", "mean", "reference", "distance", "sd", "reference", "distance")


@dataclass(frozen=True)
class ReferenceTable(AbstractReport):
    """`reference.md`: for every number its importance-weighted mean and deviation, those of the reference draws, and
    the distance in Monte Carlo errors of both; k-hat above. Nothing where the target has no reference draws.
    """

    def write(self, run: Run, folder: Path) -> list[Path]:
        reference = run.target.facts.reference
        if not reference or "moments" not in run.metrics:
            return []
        khat = run.metrics.get("khat")
        lines = [
            f"# {run.name} beside reference draws",
            "",
            f"k-hat {'-' if khat is None else f'{khat:.2f}'}. Values ± Monte Carlo errors; distances in units of both.",
            "",
            f"| {' | '.join(COLUMNS)} |",
            f"|{'---|' * len(COLUMNS)}",
            *(_row(name, run.metrics["moments"].get(name, {}), known) for name, known in reference.items()),
        ]
        path = folder / "reference.md"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return [path]


def _row(name: str, found: Mapping[str, Any], known: ReferenceMoments) -> str:
    size = max(abs(found.get("mean") or 0.0), abs(known.mean))
    cells = [
        name,
        *_cells(found.get("mean"), found.get("mcse"), known.mean, known.mean_error, size),
        *_cells(found.get("sd"), found.get("sd_mcse"), known.sd, known.sd_error, size),
    ]
    return f"| {' | '.join(cells)} |"


def _cells(
    value: float | None, error: float | None, expected: float, expected_error: float, size: float
) -> tuple[str, str, str]:
    """A value, what is expected, and their distance."""
    there, apart = f"{expected:.5g} ± {expected_error:.2g}", distance(value, error, expected, expected_error, size=size)
    if apart is None:
        return "-", there, "-"
    return f"{value:.5g} ± {error:.2g}", there, "infinite" if apart == math.inf else f"{apart:.2f}"


def reference_table() -> ReferenceTable:
    """The report; it has no parameters."""
    return ReferenceTable()


ENTRY = Entry(
    name="reference_table",
    build=reference_table,
    summary="table of means and deviations beside published reference draws",
)
