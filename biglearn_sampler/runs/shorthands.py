"""Arguments that are short for settings which are asked for often."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from biglearn_sampler.errors import SettingsError
from biglearn_sampler.runs.merge_settings import merge

SHORTHANDS = {
    "budget": "budget.evaluations",
    "minutes": "budget.minutes",
    "components": "components",
    "devices": "devices.count",
}
"""Arguments and the settings for which they stand."""


def with_shorthands(
    overrides: Mapping[str, Any], settings: str | Path | Mapping[str, Any] | None, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Overrides with what was given by shorthands; these win over presets and files, as on the command line.

    Arguments:
        overrides: dotted keys and values.
        settings: as `train` takes them; of a mapping it is seen that it says nothing else.
        given: values of `SHORTHANDS` by argument; `None` for those that were left out.

    Raises:
        SettingsError: an argument and its setting are both given, and differ.
    """
    spelled, _ = merge(settings if isinstance(settings, Mapping) else {}, overrides)
    taken = {name: value for name, value in given.items() if value is not None}
    for name, value in taken.items():
        other = _at(spelled, SHORTHANDS[name])
        if other is not None and other != value:
            raise SettingsError(
                f"{name}={value!r} is short for the setting {SHORTHANDS[name]}, which is given as {other!r} too; "
                "give one of them"
            )
    return {**overrides, **{SHORTHANDS[name]: value for name, value in taken.items()}}


def _at(values: Any, key: str) -> Any:
    for part in key.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values
