"""Settings from several places laid over one another, with dotted keys unfolded."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from pydantic import BaseModel

from biglearn_sampler.runs.settings import Settings
from biglearn_sampler.runs.settings_problem import SettingsProblem

SECTIONS = {
    name
    for name, field in Settings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
}
"""Tables of the settings themselves. They are laid over one another; the table of an entry replaces the whole entry."""


def merge(values: Mapping[str, Any], overrides: Mapping[str, Any]) -> tuple[dict[str, Any], list[SettingsProblem]]:
    """Nested dicts without dotted keys, and what could not be laid over.

    Arguments:
        values: nested, or with dotted keys, or both.
        overrides: likewise, and these win; texts are read as TOML values where they are ones.
    """
    merged: dict[str, Any] = {}
    problems: list[SettingsProblem] = []
    read = {key: as_toml(value) for key, value in overrides.items()}
    for key, value in [*values.items(), *read.items()]:
        for path, item in _unfolded(key, value):
            if not all(isinstance(part, str) for part in path):
                problems.append(SettingsProblem(tuple(map(str, path)), "a key must be a text"))
                continue
            problem = _put(merged, path, item)
            if problem:
                problems.append(SettingsProblem(tuple(path), problem))
    return merged, problems


def as_toml(value: Any) -> Any:
    """A text from the command line as the TOML value that it spells, or as the text itself."""
    if not isinstance(value, str):
        return value
    try:
        document = tomllib.loads(f"value = {value}")
    # Endless digits raise ValueError, of which TOMLDecodeError is one; endless brackets RecursionError.
    except (ValueError, RecursionError):
        return value
    # More than one key means that the text went on behind its value.
    return document["value"] if len(document) == 1 else value


def _unfolded(key: Any, value: Any) -> Iterator[tuple[list[Any], Any]]:
    """Paths and values of a key; the keys inside a section may be dotted too."""
    if key in SECTIONS and isinstance(value, Mapping):
        for name, item in value.items():
            yield [key, *_parts(name)], _plain(item)
    else:
        yield _parts(key), _plain(value)


def _parts(key: Any) -> list[Any]:
    # Bytes of the command line that are no text arrive as surrogates, which no message can hold.
    return key.encode(errors="replace").decode().split(".") if isinstance(key, str) else [key]


def _plain(value: Any) -> Any:
    """Numbers and arrays of NumPy and JAX as Python's own, so that a record of them is JSON."""
    return value.tolist() if isinstance(value, (np.generic, np.ndarray, jax.Array)) else value


def _put(level: dict[str, Any], path: Sequence[str], value: Any) -> str | None:
    """Set a value in nested dicts, or say why it cannot be set."""
    for head, name in zip(path[:-1], path[1:], strict=True):
        inner = level.get(head, {})
        # `scheduler = "paper"` followed by `scheduler.inner_steps = 5` means the table with that name.
        if isinstance(inner, str):
            inner = {"name": inner}
        if not isinstance(inner, Mapping):
            return f"'{head}' is no table, so it has no '{name}'"
        level[head] = dict(inner)
        level = level[head]
    level[path[-1]] = value
    return None
