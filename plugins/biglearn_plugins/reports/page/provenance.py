"""What is needed to trace a figure or to make the comparison again: settings, entries, versions, platform, command."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from biglearn_plugins.reports.page.citations import citations
from biglearn_plugins.reports.page.markup import Markup, element, joined
from biglearn_sampler.comparison import Comparison

PROGRAM = "biglearn"
"""Wherever it was installed."""


def provenance(comparison: Comparison) -> Markup:
    """Everything in the record, in parts that open."""
    record = comparison.record
    return joined(
        _part("Run", _run_rows(comparison)),
        _part("Versions and platform", [*_flat(record.get("versions")), *_flat(record.get("platform"), "platform")]),
        element("details", element("summary", "Plugins, with their parameters"), _entries(record)),
        _part("Settings", _flat(record.get("settings"))),
        element("details", element("summary", "Citations"), citations(record), open=True),
    )


def _run_rows(comparison: Comparison) -> list[tuple[str, Any]]:
    record = comparison.record
    seeds = list(dict.fromkeys(trial.seed for trial in comparison.trials))
    rows = {
        "target": comparison.name,
        "methods": ", ".join(comparison.methods),
        "seeds": ", ".join(map(str, record.get("seeds") or seeds)),
        "budget": None if comparison.budget is None else f"{comparison.budget:,} evaluations for each trial",
        "command": _commands(record.get("command") or []),
        "settings from": record.get("settings_source"),
        "status": record.get("status"),
        "started": record.get("started"),
        "finished": record.get("finished"),
        "folder": comparison.folder,
    }
    return [(name, value) for name, value in rows.items() if value not in (None, "")]


def _commands(given: Sequence[Any] | Mapping[str, Sequence[Any]]) -> str:
    """One, or that of every run by its label."""
    if not isinstance(given, Mapping):
        return _command(given)
    return "; ".join(f"{label}: {_command(words or [])}" for label, words in given.items())


def _command(words: Sequence[Any]) -> str:
    """As one would type it."""
    first, *others = [str(word) for word in words] or [""]
    name = PROGRAM if Path(first).name == PROGRAM else first
    return shlex.join([name, *others]) if name else ""


def _entries(record: Mapping[str, Any]) -> Markup:
    """A table with one row for each entry; nested entries stand in the parameters of theirs."""
    rows = [each for each in record.get("entries") or [] if isinstance(each, Mapping)]
    heads = (element("th", text, scope="col") for text in ("Kind", "Name", "Parameters", "From"))
    body = (
        element(
            "tr",
            element("td", each.get("kind")),
            element("th", each.get("name"), scope="row"),
            element("td", _parameters(each.get("parameters"))),
            element("td", f"{each.get('distribution') or ''} {each.get('version') or ''}".strip()),
        )
        for each in rows
    )
    table = element("table", element("thead", element("tr", *heads)), element("tbody", *body), class_="plain")
    return element("div", table, class_="scroll", role="region", aria_label="Plugins", tabindex="0")


def _parameters(value: Any) -> str:
    if not isinstance(value, Mapping):
        return "" if value is None else _told(value)
    return ", ".join(f"{name}={_told(each)}" for name, each in value.items())


def _told(value: Any) -> str:
    """A value in one line; an entry as it would be written, `name(parameters)`."""
    if isinstance(value, Mapping) and "kind" in value and "name" in value:
        return f"{str(value['name']).rpartition(':')[2]}({_parameters(value.get('parameters'))})"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_told, value))}]"
    return json.dumps(value, ensure_ascii=False, default=str)


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names with their values, as `--set` takes them."""
    if isinstance(value, Mapping) and value and "kind" not in value:
        for key, each in value.items():
            yield from _flat(each, f"{name}.{key}" if name else str(key))
    elif value is not None or name:
        yield name, value


def _part(title: str, rows: Iterable[tuple[str, Any]]) -> Markup:
    body = (element("tr", element("th", name, scope="row"), element("td", _text(value))) for name, value in rows)
    table = element("table", element("tbody", *body), class_="plain")
    box = element("div", table, class_="scroll", role="region", aria_label=title, tabindex="0")
    return element("details", element("summary", title), box)


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str | Path) else _told(value)
