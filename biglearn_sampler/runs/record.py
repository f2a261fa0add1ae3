"""What `run.json` says: everything that is needed to trace a figure, or to make the run again."""

from __future__ import annotations

import math
import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import jax

from biglearn_sampler.catalogue import EntryRecord
from biglearn_sampler.runs.plan import Plan
from biglearn_sampler.runs.read_settings import ReadSettings
from biglearn_sampler.runs.trainers import AbstractTrainer
from biglearn_sampler.runs.whole_files import FORMAT

PACKAGES = ("biglearn-sampler", "jax", "jaxlib", "numpyro", "numpy", "optax", "pluggy")


def run_record(plan: Plan, trainer: AbstractTrainer, read: ReadSettings, seed: int) -> dict[str, Any]:
    """The record of a run that is about to start, as JSON has it."""
    entries: Sequence[EntryRecord] = [
        plan.target.record,
        plan.scheduler.record,
        *(built.record for built in (*plan.metrics, *plan.reports, *plan.baselines.values())),
        *([read.record] if read.record else []),
    ]
    record = {
        "format": FORMAT,
        "status": "running",
        "target": plan.target.record.to_json(),
        "seed": seed,
        "settings": plan.settings.model_dump(mode="json"),
        "settings_source": read.source,
        "sources": trainer.sources,
        "entries": [record.to_json() for record in entries],
        "versions": {name: version(name) for name in PACKAGES},
        "platform": _platform(),
        "command": sys.argv,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return _finite(record)


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity; as texts they are read back by the declared type of a parameter."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, (list, tuple)) else value


def _platform() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "device": jax.default_backend(),
        "devices": jax.device_count(),
        "float64": bool(jax.config.read("jax_enable_x64")),
    }
