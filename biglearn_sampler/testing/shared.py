"""Costly things that several checks of one object need are computed once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

Value = TypeVar("Value")
Result = TypeVar("Result")


def shared(function: Callable[[Value], Result]) -> Callable[[Value], Result]:
    """The same function, which keeps its result for the object that it was last asked about.

    Objects are told apart by identity: a plugin's objects need not be hashable.
    """
    latest: list[tuple[Value, Result]] = []

    @wraps(function)
    def remembering(value: Value) -> Result:
        if not latest or latest[0][0] is not value:
            latest[:] = [(value, function(value))]
        return latest[0][1]

    return remembering
