"""A comparison as JSON and as a table with one row for each trial."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from biglearn_sampler.comparison.aggregate import Aggregate
from biglearn_sampler.comparison.comparison import Comparison
from biglearn_sampler.comparison.sentences import sentences_of
from biglearn_sampler.comparison.trial import Trial


def results_of(comparison: Comparison) -> dict[str, Any]:
    """The content of `results.json`: what is said, means over the seeds, and all figures of all trials."""
    return {
        **{name: comparison.record.get(name) for name in ("format", "target", "budget", "seeds", "versions")},
        "sentences": sentences_of(comparison),
        "means": {method: _means(comparison, method) for method in comparison.methods},
        "trials": [
            {
                "method": trial.method,
                "seed": trial.seed,
                "failed": trial.failed,
                "evaluations": trial.evaluations,
                "curve": [point._asdict() for point in trial.curve],
                **trial.figures,
            }
            for trial in comparison.trials
        ],
    }


def rows_of(comparison: Comparison) -> list[dict[str, Any]]:
    """One row for each trial: why it failed, how it ended, flat figures and their standard errors as `NAME_se`."""
    return [{"target": comparison.name, **row_of(trial)} for trial in comparison.trials]


def row_of(trial: Trial) -> dict[str, Any]:
    """A trial as a row of a table."""
    return {
        "method": trial.method,
        "seed": trial.seed,
        "failed": trial.failed,
        "evaluations": trial.evaluations,
        **_ending(trial),
        **_numbers(trial.figures),
        **{f"{name}_se": error for name, error in trial.figures.get("standard_errors", {}).items()},
    }


def _ending(trial: Trial) -> dict[str, Any]:
    """How a training ended, and what was found missing; a baseline has none of it."""
    return {
        "verdict": trial.verdict,
        "training_ended": trial.figures.get("training_ended"),
        "stopped_by": ", ".join(trial.figures.get("stopped_by") or ()) or None,
        "missing_mass": trial.figures["verdict"].get("missing_mass") if trial.verdict is not None else None,
    }


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as the text of a CSV file; a column for every name in any of them, empty where a row has none."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _means(comparison: Comparison, method: str) -> dict[str, dict[str, Any]]:
    names = dict.fromkeys(name for trial in comparison.finished(method) for name in _numbers(trial.figures))
    found = {name: comparison.figure(method, name) for name in ("evaluations", *names)}
    return {name: _as_json(each) for name, each in found.items() if each is not None}


def _as_json(each: Aggregate) -> dict[str, Any]:
    return dict(vars(each))


def _numbers(figures: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: value for name, value in figures.items() if isinstance(value, int | float) and not isinstance(value, bool)
    }
