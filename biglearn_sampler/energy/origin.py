"""Where the user wrote what a target is made of: runs are named after it."""

from __future__ import annotations

from functools import partial
from inspect import unwrap


def origin_of(made_of: object) -> str:
    """A function or class as `module:name`; of any other object its class."""
    while isinstance(made_of, partial):
        made_of = made_of.func
    inner = unwrap(made_of) if callable(made_of) else made_of
    name = getattr(inner, "__qualname__", None)
    return f"{inner.__module__}:{name or type(inner).__qualname__}"
