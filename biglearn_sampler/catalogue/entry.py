"""What a plugin offers: an `Entry`; and how an entry asks for another one in a default: `use`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Entry(Generic[T]):
    """One thing that a plugin offers by name, such as a target or a scheduler.

    The signature of `build` is the schema of the entry: every parameter has a type, a default and help text.

    Arguments:
        name: what users type; small letters, digits and underscores, beginning with a letter.
        build: gives the object. A ValueError that it raises is shown with the entry's name in front.
        summary: one line, shown in lists.
        reference: citation of the work that introduced it, if there is one.
        argument: name of the parameter, if any, that may stand behind the name and a colon: `posteriordb:POSTERIOR`.

    Example:

        def funnel(dim: Annotated[int, "number of coordinates, at least 2"] = 10) -> Funnel:
            return Funnel(dim)

        Entry(name="funnel", build=funnel, summary="Neal's funnel", reference="Neal (2003)")
    """

    name: str
    build: Callable[..., T]
    summary: str
    reference: str | None = None
    argument: str | None = None


@dataclass(frozen=True)
class Use:
    """A name with parameters, waiting for the catalogue to build it; made by `use`."""

    name: str
    parameters: Mapping[str, Any]

    def __repr__(self) -> str:
        arguments = [repr(self.name), *(f"{name}={value!r}" for name, value in self.parameters.items())]
        return f"use({', '.join(arguments)})"


# `Any`, so that type checkers accept it as the default of a parameter annotated with an entry's class.
def use(name: str, /, **parameters: Any) -> Any:
    """A default that names another entry; the catalogue builds it before it calls `build`.

    Arguments:
        name: bare or qualified name of an entry whose kind is told by the parameter's annotation.
        parameters: its parameters, where they differ from their defaults.

    Example:

        def bi_level(
            scheduler: Annotated[AbstractScheduler, "picks the outer task"] = use("uniform", weight=1.0),
        ) -> BiLevel: ...
    """
    return Use(name, parameters)
