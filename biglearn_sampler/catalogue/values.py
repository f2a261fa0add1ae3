"""Which types a parameter may have, and which values those types accept.

The types are few, so that settings are always TOML and any run can be typed at a command line.
"""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, TypeAlias, Union, get_args, get_origin

from biglearn_sampler.catalogue.hookspecs import KINDS

# Given the kind and the value of a nested entry, gives what stands for it; raises CatalogueError.
Nested: TypeAlias = Callable[[str, Any], Any]

REFUSED: Final = object()
LONGEST_SHOWN: Final = 80
# Members of a union are tried in this order, so that text becomes a string only when nothing narrower fits.
SCALARS: Final = (NoneType, bool, int, float, str)


class WrongValue(ValueError):
    """A value that its declared type does not accept; the text reads on after the parameter's name."""


def nested_kind(annotation: Any) -> str | None:
    """The kind of entry that an annotated class stands for, or None for a plain type."""
    kind = getattr(annotation, "kind", None) if inspect.isclass(annotation) else None
    return kind if isinstance(kind, str) else None


def type_text(annotation: Any) -> str:
    """A type as users read it: `int | None`, `'a' | 'b'`, `tuple[scheduler, ...]`."""
    return " | ".join(_member_text(member) for member in _members(annotation))


def type_mistake(annotation: Any) -> str | None:
    """What is wrong with a type as the type of a parameter, or None."""
    members = [member for member in _members(annotation) if member is not NoneType]
    if len(members) > 1 and any(nested_kind(member) for member in members):
        return f"has type {type_text(annotation)}; an entry can be joined with None only"
    return next(filter(None, map(_member_mistake, members)), None)


def check_value(value: Any, annotation: Any, nested: Nested) -> Any:
    """The value as the declared type has it: a float for an int where float is declared, tuples for lists.

    Arguments:
        value: what was given.
        annotation: the declared type, one that `type_mistake` finds nothing wrong with.
        nested: called for each value declared as an entry.

    Raises:
        WrongValue: the value is not of that type and cannot be turned into it without loss.
    """
    for member in sorted(_members(annotation), key=_rank):
        accepted = _accepted(value, member, nested)
        if accepted is not REFUSED:
            return accepted
    raise WrongValue(f"must be {type_text(annotation)}, got {shown(value)}")


def parse_text(text: str, annotation: Any) -> Any:
    """What a text from the command line means for a declared type; the text itself where it means nothing.

    `"2.5"` is a float, `"true"` a bool, `"none"` is None where None is allowed, `"1,2,3"` a tuple. Tuples of
    tuples and entries with parameters are JSON: `[[1, 0], [0, 1]]`, `{"name": "uniform", "weight": 2}`.
    """
    parsed = (_parsed(text, member) for member in sorted(_members(annotation), key=_rank))
    return next((value for value in parsed if value is not REFUSED), text)


def shown(value: Any) -> str:
    """A value in one line of bounded length, for messages."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # a plugin's object may not even be able to tell what it is
        text = f"an object of type {type(value).__name__}"
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}..."


def _members(annotation: Any) -> tuple[Any, ...]:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _members(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return tuple(member for part in get_args(annotation) for member in _members(part))
    return (annotation,)


def _rank(member: Any) -> int:
    if get_origin(member) is Literal:
        return -1
    if member is str:
        return len(SCALARS) + 1
    return SCALARS.index(member) if member in SCALARS else len(SCALARS)


def _member_text(member: Any) -> str:
    if member is NoneType:
        return "None"
    if member is Ellipsis:
        return "..."
    if get_origin(member) is Literal:
        return " | ".join(map(repr, get_args(member)))
    if get_origin(member) is tuple:
        return f"tuple[{', '.join(map(type_text, get_args(member)))}]"
    return nested_kind(member) or getattr(member, "__name__", str(member))


def _member_mistake(member: Any) -> str | None:
    kind = nested_kind(member)
    if kind is not None:
        return None if kind in KINDS else f"has a class of the unknown kind '{kind}'"
    if get_origin(member) is tuple and get_args(member):
        items = (item for item in get_args(member) if item is not Ellipsis)
        return next(filter(None, map(type_mistake, items)), None)
    if get_origin(member) is Literal:
        odd = [option for option in get_args(member) if type(option) not in SCALARS]
        return f"has the choice {shown(odd[0])}; allowed are texts, numbers, true, false and None" if odd else None
    if member in SCALARS:
        return None
    return (
        f"has type {type_text(member)}; allowed are bool, int, float, str, Literal, None, "
        "tuples of them with their item types, and classes with a `kind`"
    )


def _accepted(value: Any, member: Any, nested: Nested) -> Any:
    kind = nested_kind(member)
    if kind is not None:
        return REFUSED if value is None else nested(kind, value)
    if get_origin(member) is Literal:
        same = (option for option in get_args(member) if type(option) is type(value) and option == value)
        return next(same, REFUSED)
    if get_origin(member) is tuple:
        return _accepted_tuple(value, get_args(member), nested)
    return _accepted_scalar(value, member)


def _accepted_scalar(value: Any, member: type) -> Any:
    if member in (NoneType, bool):
        return value if isinstance(value, member) else REFUSED
    if member is str:
        # Of a member of an enumeration of texts, the text.
        return str.__str__(value) if isinstance(value, str) else REFUSED
    if isinstance(value, bool) or not isinstance(value, Integral if member is int else Real):
        return REFUSED
    # Numbers of NumPy are accepted, and become Python's own, so that a record of them is JSON.
    number = _number(value, member)
    return number if number == value or (isinstance(number, float) and math.isnan(number)) else REFUSED


def _number(value: Any, member: type) -> Any:
    try:
        return member(value)
    except OverflowError:
        return REFUSED


def _accepted_tuple(value: Any, items: tuple[Any, ...], nested: Nested) -> Any:
    if not isinstance(value, (tuple, list)):
        return REFUSED
    types = _item_types(items, len(value))
    if len(types) != len(value):
        return REFUSED
    accepted = [_accepted_item(item, declared, nested) for item, declared in zip(value, types, strict=True)]
    return REFUSED if any(item is REFUSED for item in accepted) else tuple(accepted)


def _accepted_item(value: Any, annotation: Any, nested: Nested) -> Any:
    # An item that is refused makes the whole tuple refused, so that the message shows the tuple.
    try:
        return check_value(value, annotation, nested)
    except WrongValue:
        return REFUSED


def _item_types(items: tuple[Any, ...], count: int) -> tuple[Any, ...]:
    return items[:1] * count if items[-1] is Ellipsis else items


def _parsed(text: str, member: Any) -> Any:
    if get_origin(member) is Literal:
        return next((option for option in get_args(member) if str(option) == text), REFUSED)
    if get_origin(member) is tuple:
        return _parsed_tuple(text, get_args(member))
    if nested_kind(member):
        return _parsed_json(text) if text.lstrip().startswith("{") else text
    if member is NoneType:
        return None if text.lower() == "none" else REFUSED
    if member is bool:
        return {"true": True, "false": False}.get(text.lower(), REFUSED)
    return _parsed_scalar(text, member)


def _parsed_scalar(text: str, member: Any) -> Any:
    try:
        return member(text)
    except ValueError:
        return REFUSED


def _parsed_tuple(text: str, items: tuple[Any, ...]) -> Any:
    if text.lstrip().startswith("["):
        return _parsed_json(text)
    if any(get_origin(item) is tuple for item in items):
        return REFUSED
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    types = _item_types(items, len(parts))
    if len(types) != len(parts):
        return REFUSED
    return tuple(parse_text(part, declared) for part, declared in zip(parts, types, strict=True))


def _parsed_json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return REFUSED
