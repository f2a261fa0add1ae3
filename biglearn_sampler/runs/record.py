"""What `run.json` says: everything that is needed to trace a figure, or to make the run again."""

from __future__ import annotations

import math
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import jax
import numpy as np

from biglearn_sampler.catalogue import EntryRecord
from biglearn_sampler.runs.plan import Plan
from biglearn_sampler.runs.read_settings import ReadSettings
from biglearn_sampler.runs.target_print import print_of, print_of_look
from biglearn_sampler.runs.trainers import AbstractTrainer
from biglearn_sampler.runs.whole_files import FORMAT

PACKAGES = ("biglearn-sampler", "jax", "jaxlib", "numpyro", "numpy", "optax", "pluggy")


def run_record(plan: Plan, trainer: AbstractTrainer, read: ReadSettings) -> dict[str, Any]:
    """The record of a run that is about to start, as JSON has it."""
    record = {
        **_begun(plan, read),
        "target_print": print_of_look(plan.target.value, trainer.look),
        "seed": plan.seed,
        "baselines": {name: built.record.to_json() for name, built in plan.baselines.items()},
        "sources": trainer.sources,
        "entries": _entries(plan, read, [built.record for built in plan.baselines.values()]),
        **surroundings_record(),
    }
    return finite(record)


def comparison_record(
    plan: Plan, read: ReadSettings, baselines: Mapping[str, EntryRecord | None], budget: int, seeds: Sequence[int]
) -> dict[str, Any]:
    """The record of a comparison that is about to start.

    Arguments:
        plan, read: of our sampler.
        baselines: by name; `None` for one that could not be built.
        budget: evaluations for each trial.
        seeds: of the trials.
    """
    built = {name: record for name, record in baselines.items() if record is not None}
    record = {
        **_begun(plan, read),
        "target_print": print_of(plan.target.value),
        "budget": budget,
        "seeds": list(seeds),
        "methods": {name: record and record.to_json() for name, record in baselines.items()},
        # The reports of single runs are not written.
        "entries": _entries(replace(plan, reports=()), read, list(built.values())),
        **surroundings_record(),
    }
    return finite(record)


def _begun(plan: Plan, read: ReadSettings) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "status": "running",
        "target": plan.target.record.to_json(),
        "settings": plan.settings.model_dump(mode="json"),
        "settings_source": read.source,
    }


def _entries(plan: Plan, read: ReadSettings, baselines: Sequence[EntryRecord]) -> list[dict[str, Any]]:
    """Everything of the catalogue that is used."""
    entries = [
        plan.target.record,
        plan.scheduler.record,
        *(built.record for built in (*plan.exploration, *plan.metrics, *plan.reports)),
        *baselines,
        *([read.record] if read.record else []),
    ]
    return [record.to_json() for record in entries]


def entries_now(recorded: Sequence[Mapping[str, Any]], plan: Plan) -> list[dict[str, Any]]:
    """The entries of a record, in the versions in which a plan has built them; those that it has not stay."""
    built = (plan.target, plan.scheduler, *plan.exploration, *plan.metrics, *plan.reports, *plan.baselines.values())
    now = {(each.record.kind, each.record.name): each.record.to_json() for each in built}
    return [now.get((entry["kind"], entry["name"]), dict(entry)) for entry in recorded]


def versions() -> dict[str, str]:
    """Of this package and of those on which its figures depend."""
    return {name: version(name) for name in PACKAGES}


def surroundings_record() -> dict[str, Any]:
    """Versions, machine, command and time of whatever begins now."""
    return {
        "versions": versions(),
        "platform": _platform(),
        "command": sys.argv,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def changed_surroundings(record: Mapping[str, Any]) -> str | None:
    """Software and device that are no longer those of a record; they may round differently."""
    before, now = dict(record.get("versions") or {}), versions()
    device = (record.get("platform") or {}).get("device_kind")
    if device is not None:
        before["device"], now["device"] = device, _platform()["device_kind"]
    changed = [f"{name} {before.get(name)} (now {value})" for name, value in now.items() if before.get(name) != value]
    return ", ".join(changed) or None


def finite(value: Any) -> Any:
    """A value for JSON: NumPy's numbers are Python's; NaN and infinity are texts, from which parameters are read."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, (list, tuple)) else value


def _platform() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "device": jax.default_backend(),
        "device_kind": jax.devices()[0].device_kind,
        "devices": jax.device_count(),
        "processes": jax.process_count(),
        "float64": bool(jax.config.read("jax_enable_x64")),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
    }
