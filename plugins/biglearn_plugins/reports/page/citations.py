"""Who has to be cited: every entry that was used, with its own reference, and the toolkit's sources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from biglearn_plugins.reports.page.markup import Markup, element
from biglearn_sampler.comparison.citations import citations_of


def citations(record: Mapping[str, Any]) -> Markup:
    """A list of references, each with the names that it stands for."""
    names: dict[str, list[str]] = {}
    for name, reference in citations_of([record]):
        names.setdefault(reference, []).append(name)
    return element("ul", *(_item(reference, ", ".join(used)) for reference, used in names.items()))


def _item(reference: str, used: str) -> Markup:
    return element("li", reference, " ", element("span", f"({used})", class_="muted"))
