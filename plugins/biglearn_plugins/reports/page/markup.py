"""HTML that is escaped where it is made: text becomes markup by `escaped` or inside an `element`, in no other way."""

from __future__ import annotations

import html
from typing import Any

VOID = {"img", "link", "meta", "wbr"}
"""Elements without content."""


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def escaped(value: Any) -> Markup:
    """A value as HTML; markup stays as it is."""
    return value if isinstance(value, Markup) else Markup(html.escape(str(value)))


def joined(*parts: Any) -> Markup:
    """Parts one after another; `None` is left out."""
    return Markup("".join(escaped(part) for part in parts if part is not None))


def breakable(name: str) -> Markup:
    """A name that a narrow column may break behind its underscores."""
    return Markup(escaped(name).replace("_", f"_{element('wbr')}"))


def element(name: str, /, *children: Any, **attributes: Any) -> Markup:
    """An element with escaped children and attributes.

    Arguments:
        name: such as `td`.
        children: text, or markup; `None` is left out.
        attributes: `class_` is written `class`, `data_sort` is `data-sort`; `None` and `False` are left out, `True` is
            an attribute without a value.
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    opening = f"<{name}{written}>"
    return Markup(opening if name in VOID else f"{opening}{joined(*children)}</{name}>")


def _attribute(key: str, value: Any) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escaped(value)}"'
