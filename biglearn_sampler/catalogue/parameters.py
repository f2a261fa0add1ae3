"""Parameters of an entry, read from the signature of its `build`: the one place where they are written."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from biglearn_sampler.catalogue.entry import Use
from biglearn_sampler.catalogue.problems import CONTAINED, told
from biglearn_sampler.catalogue.values import WrongValue, check_value, shown, type_mistake, type_text

# A spec of an entry is `{"name": ..., <parameter>: ...}`, so that a parameter cannot be called so.
RESERVED = "name"


@dataclass(frozen=True)
class Parameter:
    """One parameter of an entry.

    Arguments:
        name: its name.
        annotation: its type, without the help text.
        default: its value when none is given.
        help: what it means, with unit and range.
    """

    name: str
    annotation: Any
    default: Any
    help: str

    @property
    def type_text(self) -> str:
        """The type as users read it."""
        return type_text(self.annotation)

    def __str__(self) -> str:
        return f"{self.name}: {self.type_text} = {self.default!r}"


def parameters_of(build: Callable[..., Any]) -> tuple[tuple[Parameter, ...], tuple[str, ...]]:
    """Parameters of a `build`, and a sentence for each mistake in its signature."""
    try:
        signature = inspect.signature(build)
        hints = get_type_hints(_function_of(build), include_extras=True)
    except CONTAINED as error:
        return (), (f"the signature of `build` cannot be read: {told(error)}",)
    parameters, mistakes = [], []
    for declared in signature.parameters.values():
        parameter, found = _read(declared, hints)
        parameters.append(parameter)
        mistakes.extend(f"parameter '{declared.name}' {mistake}" for mistake in found)
    return tuple(parameters), tuple(mistakes)


def _function_of(build: Any) -> Any:
    if isinstance(build, functools.partial):
        return _function_of(build.func)
    if inspect.isclass(build):
        return build.__init__
    return build if inspect.isroutine(build) else type(build).__call__


def _read(declared: inspect.Parameter, hints: Mapping[str, Any]) -> tuple[Parameter, list[str]]:
    annotation, help_text = _split_help(hints.get(declared.name, declared.empty))
    found = [_shape_mistake(declared), _type_mistake(annotation)]
    if not help_text:
        found.append('has no help text; write Annotated[type, "help"]')
    if not any(found):
        found.append(_default_mistake(declared.default, annotation))
    parameter = Parameter(declared.name, annotation, declared.default, help_text)
    return parameter, [mistake for mistake in found if mistake]


def _split_help(annotation: Any) -> tuple[Any, str]:
    if get_origin(annotation) is not Annotated:
        return annotation, ""
    bare, *notes = get_args(annotation)
    return bare, next((note.strip() for note in notes if isinstance(note, str)), "")


def _shape_mistake(declared: inspect.Parameter) -> str | None:
    if declared.kind in (declared.VAR_POSITIONAL, declared.VAR_KEYWORD):
        return "takes any number of values; every parameter needs a name"
    if declared.kind is declared.POSITIONAL_ONLY:
        return "is positional only; parameters are passed by name"
    if declared.name == RESERVED:
        return "has a name that is kept for the entry's own; call it otherwise"
    return "has no default" if declared.default is declared.empty else None


def _type_mistake(annotation: Any) -> str | None:
    return "has no type" if annotation is inspect.Parameter.empty else type_mistake(annotation)


def _default_mistake(default: Any, annotation: Any) -> str | None:
    try:
        check_value(default, annotation, _nested_default)
    except WrongValue as error:
        return f"has a wrong default: it {error}"
    return None


def _nested_default(kind: str, value: Any) -> Any:
    # Only the form is checked: looking the name up would load other plugins while this one is being checked.
    if not isinstance(value, (Use, str)):
        raise WrongValue(f'must be {kind} as use("name", ...), got {shown(value)}')
    return value
