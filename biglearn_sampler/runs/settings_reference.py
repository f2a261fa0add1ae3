"""Every setting by its key: what it takes, its default, and what it is for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from biglearn_sampler.runs.settings import LARGEST
from biglearn_sampler.runs.settings_problem import known_keys

WORDS = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false"}
"""What the types of a JSON schema are called."""

BOUNDS = {"minimum": "of at least", "exclusiveMinimum": "above", "maximum": "up to"}
"""What its bounds are called."""

METADATA = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum"}
"""The names of bounds that stand beside a type, where its schema does not repeat them."""


class SettingRow(NamedTuple):
    """One setting.

    Arguments:
        key: dotted, as `--set` takes it.
        takes: its type, choices or range.
        default: as `--set` takes it; `-` where nothing is set.
        description: what it is for.
    """

    key: str
    takes: str
    default: str
    description: str


def settings_reference() -> list[SettingRow]:
    """All settings that a run takes, in the order of the model.

    Example:
        >>> from biglearn_sampler.runs.settings_reference import settings_reference
        >>> next(row for row in settings_reference() if row.key == "training.points")[:3]
        ('training.points', 'whole number from 1 to 1,000,000', '4')
    """
    return [_row(key, field) for key, field in known_keys()]


def _row(key: str, field: FieldInfo) -> SettingRow:
    assert field.annotation is not None  # pydantic has one of every field
    schema = TypeAdapter(field.annotation).json_schema() | _bounds(field)
    default = field.get_default(call_default_factory=True)
    told = "-" if default in (None, {}) else json.dumps(default)
    return SettingRow(key, _takes(schema), told, str(field.description))


def _bounds(field: FieldInfo) -> dict[str, Any]:
    """The bounds that stand beside the type of a field."""
    return {name: getattr(each, key) for each in field.metadata for key, name in METADATA.items() if hasattr(each, key)}


def _takes(schema: Mapping[str, Any]) -> str:
    """The values that a schema allows, in words."""
    if "anyOf" in schema:
        each = (_takes(one) for one in schema["anyOf"] if one.get("type") != "null")
        return " or ".join(dict.fromkeys(each)) + _range(schema)
    if "enum" in schema:
        return " or ".join(json.dumps(value) for value in schema["enum"])
    if schema.get("type") == "array":
        items = schema["items"]
        if items.get("type") in WORDS:
            return f"list of {WORDS[items['type']]}s{_range(items)}"
        return f"list of ({_takes(items)})"
    if schema.get("type") == "object":
        return "table"
    return WORDS[schema["type"]] + _range(schema)


def _range(schema: Mapping[str, Any]) -> str:
    """The bounds of a schema in words, but for those of all numbers."""
    bounds = {name: value for name, value in schema.items() if name in BOUNDS and abs(value) < LARGEST}
    if {"minimum", "maximum"} <= bounds.keys():
        return f" from {bounds['minimum']:,} to {bounds['maximum']:,}"
    return "".join(f" {BOUNDS[name]} {value:,}" for name, value in bounds.items())
