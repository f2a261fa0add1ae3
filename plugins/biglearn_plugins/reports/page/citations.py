"""Who has to be cited: every entry that was used, with its own reference, and the toolkit's sources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from biglearn_plugins.reports.page.markup import Markup, element, joined

TOOLKIT = (
    "Big Cooperative Learning to Conquer Local Optima (2024)",
    "Cong & Li, Big Learning Expectation Maximization, AAAI (2024)",
)
"""Sources of the toolkit itself, as at the end of the README."""


def citations(record: Mapping[str, Any]) -> Markup:
    """A list of references, each with what it stands for."""
    used = joined(*(_item(reference, ", ".join(names)) for reference, names in references_of(record).items()))
    own = joined(*(_item(reference, "the toolkit") for reference in TOOLKIT))
    return element("ul", own, used, class_="citations")


def references_of(record: Mapping[str, Any]) -> dict[str, list[str]]:
    """The names of entries by their reference, nested entries too, in the order of the record."""
    found: dict[str, list[str]] = {}
    for each in _entries(record.get("entries")):
        if each.get("reference"):
            names = found.setdefault(str(each["reference"]), [])
            name = f"{each.get('kind', 'entry')} {str(each.get('name')).rpartition(':')[2]}"
            names += [] if name in names else [name]
    return found


def _entries(value: Any) -> Iterator[Mapping[str, Any]]:
    """Everything that has a kind and a name, wherever it stands."""
    if isinstance(value, Mapping):
        if "kind" in value and "name" in value:
            yield value
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from _entries(each)


def _item(reference: str, stands_for: str) -> Markup:
    return element("li", reference, " ", element("span", f"({stands_for})", class_="muted"))
