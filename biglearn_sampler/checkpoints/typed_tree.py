"""Values of declared types as JSON and arrays, and back.

What may come back is said by the declared type alone: nothing in a file names a class, a function or a module. Known
are numbers, texts, `None`, tuples, mappings from texts, arrays with a declared shape and dtype, dataclasses and named
tuples of these, and unions; arrays of one record must agree about the dimensions that they name.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

import jax.numpy as jnp
import numpy as np
from jaxtyping import AbstractArray, jaxtyped

KIND = "is"
"""Key of the name of a record where a union leaves the choice."""

ODD_NUMBERS = ("nan", "inf", "-inf")
"""JSON has none of these."""


class Misfit(ValueError):
    """Something that is not of the declared type."""


def flattened(value: Any, kind: Any) -> tuple[Any, list[np.ndarray]]:
    """A value as JSON has it, with the arrays that it refers to by their numbers.

    Arguments:
        value: of the declared type.
        kind: the declared type.

    Raises:
        Misfit: it is not of that type.
    """
    arrays: list[np.ndarray] = []
    return _flat(value, kind, arrays), arrays


def rebuilt(kind: Any, content: Any, arrays: Mapping[int, np.ndarray]) -> Any:
    """The value that was flattened.

    Arguments:
        kind: the declared type.
        content: what JSON had.
        arrays: by their numbers.

    Raises:
        Misfit: content or arrays are not those of the declared type.
    """
    return _Rebuilding(arrays).of(kind, content, "")


def _flat(value: Any, kind: Any, arrays: list[np.ndarray]) -> Any:
    if _is_array(kind):
        # A copy, since a device may not hold on to what it lends; its order stays, on which rounding may depend.
        arrays.append(np.array(value, order="K"))
        return len(arrays) - 1
    if _is_record(kind):
        return {name: _flat(getattr(value, name), field, arrays) for name, field in _fields(kind).items()}
    if _is_union(kind):
        return _flat_choice(value, kind, arrays)
    if get_origin(kind) is tuple:
        return [_flat(item, one, arrays) for item, one in zip(value, _items(kind, len(value)), strict=True)]
    if _is_mapping(kind):
        return {str(key): _flat(item, get_args(kind)[1], arrays) for key, item in value.items()}
    if kind is float:
        return float(value) if np.isfinite(value) else str(float(value))
    if kind in (int, bool, str):
        return kind(value)
    if kind is type(None) and value is None:
        return None
    raise Misfit(f"{value!r} is not of the type {kind}")


def _flat_choice(value: Any, kind: Any, arrays: list[np.ndarray]) -> Any:
    """A value of one of several types: records by their names, `None` as itself."""
    if value is None:
        return None
    records = {one.__name__: one for one in get_args(kind) if _is_record(one)}
    if type(value).__name__ in records:
        name = type(value).__name__
        return {KIND: name, **_flat(value, records[name], arrays)}
    (other,) = [one for one in get_args(kind) if one is not type(None) and not _is_record(one)]
    return _flat(value, other, arrays)


class _Rebuilding:
    """Makes values of declared types, and says where something does not fit."""

    def __init__(self, arrays: Mapping[int, np.ndarray]) -> None:
        self._arrays = arrays

    def of(self, kind: Any, content: Any, place: str) -> Any:
        """A value of a type."""
        if _is_array(kind):
            return self._array(kind, content, place)
        if _is_record(kind):
            return self._record(kind, content, place)
        if _is_union(kind):
            return self._choice(kind, content, place)
        if get_origin(kind) is tuple:
            return self._tuple(kind, content, place)
        if _is_mapping(kind):
            self._expect(isinstance(content, dict), place, "an object", content)
            return {key: self.of(get_args(kind)[1], item, f"{place}.{key}") for key, item in content.items()}
        return self._plain(kind, content, place)

    def _tuple(self, kind: Any, content: Any, place: str) -> tuple[Any, ...]:
        self._expect(isinstance(content, list), place, "a list", content)
        kinds = _items(kind, len(content))
        self._expect(len(kinds) == len(content), place, f"{len(kinds)} items", content)
        pairs = enumerate(zip(kinds, content, strict=True))
        return tuple(self.of(one, item, f"{place}[{number}]") for number, (one, item) in pairs)

    def _plain(self, kind: Any, content: Any, place: str) -> Any:
        if kind is float and content in ODD_NUMBERS:
            return float(content)
        # `True` is an int for Python.
        fitting = type(content) is kind or (kind is float and type(content) is int)
        self._expect(fitting, place, getattr(kind, "__name__", str(kind)), content)
        return kind(content) if kind is float else content

    def _choice(self, kind: Any, content: Any, place: str) -> Any:
        kinds = get_args(kind)
        if content is None:
            self._expect(type(None) in kinds, place, str(kind), content)
            return None
        records = {one.__name__: one for one in kinds if _is_record(one)}
        if isinstance(content, dict) and content.get(KIND) in records:
            rest = {name: item for name, item in content.items() if name != KIND}
            return self.of(records[content[KIND]], rest, place)
        others = [one for one in kinds if one is not type(None) and not _is_record(one)]
        self._expect(len(others) == 1, place, f"one of {', '.join(records)}", content)
        return self.of(others[0], content, place)

    def _record(self, kind: Any, content: Any, place: str) -> Any:
        fields = _fields(kind)
        fitting = isinstance(content, dict) and content.keys() == fields.keys()
        self._expect(fitting, place, f"a {kind.__name__} with {', '.join(fields)}", content)
        values = {name: self.of(one, content[name], f"{place}.{name}") for name, one in fields.items()}
        with jaxtyped("context"):  # dimensions of one name are equal within one record
            for name, one in fields.items():
                if _is_array(one):
                    told = f"{values[name].dtype} {values[name].shape}"
                    self._expect(isinstance(values[name], one), f"{place}.{name}", str(one), told)
        try:
            return kind(**values)
        except ValueError as error:
            raise Misfit(f"{place}: {error}") from error

    def _array(self, kind: Any, content: Any, place: str) -> Any:
        self._expect(type(content) is int and content in self._arrays, place, "the number of an array", content)
        array = self._arrays[content]
        if getattr(kind, "array_type", np.ndarray) is np.ndarray:
            return array
        on_device = jnp.asarray(array)
        self._expect(on_device.dtype == array.dtype, place, "the precision that JAX has now", array.dtype)
        return on_device

    def _expect(self, fitting: bool, place: str, what: str, content: Any) -> None:
        if not fitting:
            raise Misfit(f"{place.lstrip('.') or 'content'}: expected {what}, got {str(content)[:60]}")


def _is_array(kind: Any) -> bool:
    return kind is np.ndarray or (isinstance(kind, type) and issubclass(kind, AbstractArray))


def _is_record(kind: Any) -> bool:
    is_named_tuple = isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")
    return is_named_tuple or (isinstance(kind, type) and dataclasses.is_dataclass(kind))


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in (Union, types.UnionType)


def _is_mapping(kind: Any) -> bool:
    return isinstance(get_origin(kind), type) and issubclass(get_origin(kind), Mapping)


def _items(kind: Any, count: int) -> list[Any]:
    """The types of the items of a tuple."""
    kinds = get_args(kind)
    return [kinds[0]] * count if len(kinds) == 2 and kinds[1] is Ellipsis else list(kinds)


@cache
def _fields(kind: Any) -> dict[str, Any]:
    """Names and types of what a record is made from."""
    hints = get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else kind._fields
    return {name: hints[name] for name in names}
