"""What is wrong with settings: at which place, what was expected, what came and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from biglearn_sampler.catalogue.values import shown
from biglearn_sampler.runs.settings import Settings

EXPECTED = {
    "bool_type": "true or false",
    "dict_type": "a table",
    "finite_number": "a finite number",
    "float_type": "a number",
    "greater_than": "above {gt:.10g}",
    "greater_than_equal": "at least {ge:.10g}",
    "int_type": "a whole number",
    "less_than_equal": "at most {le:.10g}",
    "model_type": "a table",
    "string_type": "a text",
    "tuple_type": "a list in brackets",
}
"""Types of pydantic's errors in words of TOML; other errors have good words already."""

TABLE_HEADER = re.compile(r"\[\[?([^\[\],]+)\]\]?\s*(#.*)?")
"""A line that opens a table; a row of a matrix has commas."""


@dataclass(frozen=True)
class SettingsProblem:
    """Something that is wrong.

    Arguments:
        place: the parts of the dotted key; positions in lists are parts too.
        text: what is wrong.
    """

    place: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return f"{'.'.join(self.place)}: {self.text}"

    def is_within(self, path: Sequence[str]) -> bool:
        """Whether the place is a path, or lies below it."""
        return self.place[: len(path)] == tuple(path)


def known_keys(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """All dotted keys of the settings, each with its field."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from known_keys(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name, field


def validation_problems(error: ValidationError, values: Mapping[str, Any]) -> list[SettingsProblem]:
    """The errors of pydantic, one for each place: the branches of a union become one sentence.

    Arguments:
        error: as it was raised.
        values: what was validated.
    """
    details: dict[tuple[str, ...], list[Any]] = {}
    for detail in error.errors(include_url=False):
        details.setdefault(_place(detail["loc"], values), []).append(detail)
    # A list with a wrong item is also no number: the item alone is worth a line.
    return [
        SettingsProblem(place, _text(place, alternatives))
        for place, alternatives in details.items()
        if not any(other[: len(place)] == place for other in details if other != place)
    ]


def line_of(text: str, place: Sequence[str]) -> int:
    """The line of a TOML file where a key stands, or that of the nearest table above it."""
    table: list[str] = []
    best, best_length = 1, 0
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        header = TABLE_HEADER.fullmatch(stripped)
        if header:
            path = table = _parts(header[1])
        elif "=" in stripped and not stripped.startswith("#"):
            path = [*table, *_parts(stripped.split("=", 1)[0])]
        else:
            continue
        if list(place[: len(path)]) == path and len(path) > best_length:
            best, best_length = number, len(path)
    return best


def _parts(key: str) -> list[str]:
    return [part.strip() for part in key.strip().strip("\"'").split(".")]


def _place(location: Sequence[str | int], values: Any) -> tuple[str, ...]:
    """The keys of a location; the parts that name a branch of a union lead nowhere in the values."""
    place = []
    for part in location:
        if isinstance(values, Mapping) and part in values:
            values = values[part]
        elif isinstance(values, (list, tuple)) and isinstance(part, int):
            values = values[part]
        else:
            continue
        place.append(str(part))
    return tuple(place)


def _text(place: tuple[str, ...], alternatives: Sequence[Any]) -> str:
    first = alternatives[0]
    if first["type"] == "extra_forbidden":
        return f"unknown key{_near(place)}"
    expected = dict.fromkeys(map(_expected, alternatives))
    return f"must be {' or '.join(expected)}, got {shown(first['input'])}"


def _expected(detail: Mapping[str, Any]) -> str:
    words = EXPECTED.get(detail["type"])
    return words.format(**detail.get("ctx", {})) if words else detail["msg"].removeprefix("Input should be ")


def _near(place: tuple[str, ...]) -> str:
    known = [name for name, _ in known_keys()]
    last = {name.rpartition(".")[2]: name for name in known}
    near = get_close_matches(".".join(place), known, 1) or [
        last[name] for name in get_close_matches(place[-1], list(last), 1)
    ]
    return f"; did you mean '{near[0]}'?" if near else f"; the keys are: {', '.join(known)}"
