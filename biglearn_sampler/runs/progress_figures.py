"""The progress of a training as it stands in `history.jsonl` and in `metrics.json`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from biglearn_sampler.energy import Evaluations
from biglearn_sampler.engine import EngineProgress
from biglearn_sampler.learning import Progress
from biglearn_sampler.runs.trainers import TrainingProgress


def row_of(progress: TrainingProgress) -> dict[str, Any]:
    """What a row of the history says beside step, evaluations and modes."""
    if isinstance(progress, EngineProgress):
        elbo = None if progress.elbo is None else -progress.elbo
        return {
            "phase": progress.phase,
            "loss": {"joint": _finite(elbo)},
            "evaluations_by_purpose": _totals(progress.by_purpose),
            **{name: _finite(told) if isinstance(told, float) else told for name, told in progress.told.items()},
            "moves": list(progress.moves),
            "rejected": progress.rejected,
            "seconds": round(progress.seconds, 4),
        }
    return {
        **_sources(progress),
        "loss": {name: _finite(loss) for name, loss in progress.losses.items()},
        "rejected": progress.rejected,
        "seconds": round(progress.seconds_run, 4),
    }


def costs_of(progress: TrainingProgress) -> dict[str, Any]:
    """What `metrics.json` says of the cost of a training."""
    common = {**progress.evaluations.to_json(), "zero_density_points": progress.zero_density}
    if isinstance(progress, EngineProgress):
        return {
            **common,
            "evaluations_by_purpose": _totals(progress.by_purpose),
            "task_steps": {"joint": progress.step},
            "rejected_updates": progress.rejected,
            "seconds_compile": round(progress.seconds_compile, 3),
            "seconds_run": round(progress.seconds - progress.seconds_compile, 3),
        }
    return {
        **common,
        **_sources(progress),
        "task_steps": progress.task_steps,
        "rejected_updates": progress.rejected,
        "seconds_compile": round(progress.seconds_compile, 3),
        "seconds_run": round(progress.seconds_run, 3),
    }


def _sources(progress: Progress) -> dict[str, Any]:
    """What went to which source and which task, and how good the reservoir is."""
    return {
        "evaluations_by_source": _totals(progress.evaluations_by_source),
        "evaluations_by_task": _totals(progress.evaluations_by_task),
        "skipped_steps": progress.skipped_steps,
        "reservoir": None if progress.reservoir is None else asdict(progress.reservoir),
    }


def _totals(spent: Mapping[str, Evaluations]) -> dict[str, int]:
    return {name: evaluations.total for name, evaluations in spent.items()}


def _finite(figure: float | None) -> float | None:
    return figure if figure is not None and math.isfinite(figure) else None
