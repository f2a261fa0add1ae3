"""Stage 5: from a name and parameters to a built object with its record.

First the whole tree of nested entries is resolved, so that all mistakes are told before anything is built.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

from biglearn_sampler.catalogue.entry import Use
from biglearn_sampler.catalogue.offers import Offer
from biglearn_sampler.catalogue.parameters import RESERVED, Parameter
from biglearn_sampler.catalogue.problems import CONTAINED, did_you_mean, told
from biglearn_sampler.catalogue.records import Built, EntryRecord, record_of_object
from biglearn_sampler.catalogue.values import WrongValue, check_value, parse_text, shown
from biglearn_sampler.errors import BiglearnError, CatalogueError, MissingPackage

# Gives the offer of a kind and a name; raises CatalogueError.
Find: TypeAlias = Callable[[str, str], Offer]

NOTHING: Mapping[str, Any] = MappingProxyType({})
NOT_GIVEN = object()


@dataclass(frozen=True)
class Resolved:
    """An offer with checked values of all its parameters; nested entries are `Resolved` or `Built`."""

    offer: Offer
    values: Mapping[str, Any]


def resolve(
    find: Find,
    kind: str,
    spec: Any,
    parameters: Mapping[str, Any] = NOTHING,
    *,
    defaults_of: tuple[str, ...] = (),
) -> Resolved | Built[Any]:
    """Find what a spec asks for and check all its parameters, those of nested entries included.

    Arguments:
        find: looks a name up.
        kind: kind of the entry.
        spec: a name, a mapping with "name" and parameters, what `use` gives, or an object of that kind.
        parameters: more parameters; they go before those of the spec.
        defaults_of: qualified names of the entries whose defaults led here.

    Raises:
        CatalogueError: the name is unknown or ambiguous, or parameters are wrong (all told at once).
    """
    if _is_object(kind, spec):
        if parameters:
            raise CatalogueError(f"parameters are for a {kind} that is named; this one is made already, in Python")
        return spec if isinstance(spec, Built) else Built(spec, record_of_object(kind, spec))
    name, given = _split(kind, spec)
    offer, behind_colon = _found(find, kind, name)
    if offer.qualified_name in defaults_of:
        raise CatalogueError(f"by its defaults, {' uses '.join([*defaults_of, offer.qualified_name])} without end")
    twice = [parameter for parameter in behind_colon if parameter in given or parameter in parameters]
    if twice:
        raise CatalogueError(f"{offer.qualified_name}: '{twice[0]}' is given behind the colon and as a parameter too")
    return _resolve_parameters(find, offer, {**given, **parameters, **behind_colon}, defaults_of)


def construct(resolved: Resolved | Built[Any]) -> Built[Any]:
    """Build what was resolved, nested entries first.

    Raises:
        CatalogueError: `build` raised, or it gave something of another kind; the entry's name goes in front.
    """
    if isinstance(resolved, Built):
        return resolved
    offer = resolved.offer
    built = {name: _each(resolved.values[name], construct) for name in resolved.values}
    value = _call_build(offer, {name: _each(item, _value_of) for name, item in built.items()})
    record = EntryRecord(
        kind=offer.kind,
        name=offer.qualified_name,
        parameters={name: _each(item, _record_of) for name, item in built.items()},
        distribution=offer.distribution,
        version=offer.version,
        reference=offer.entry.reference,
    )
    return Built(value, record)


def _found(find: Find, kind: str, name: str) -> tuple[Offer, Mapping[str, Any]]:
    """The offer of a name, and the parameter that stands behind it and a colon, as in `posteriordb:POSTERIOR`."""
    try:
        return find(kind, name), NOTHING
    except CatalogueError:
        head, _, rest = name.rpartition(":")
        try:
            offer = find(kind, head)
        except CatalogueError:
            offer = None
        if offer is None or offer.entry.argument is None:
            raise
        return offer, {offer.entry.argument: rest}


def _is_object(kind: str, spec: Any) -> bool:
    made_as = spec.record.kind if isinstance(spec, Built) else getattr(type(spec), "kind", None)
    return made_as == kind


def _split(kind: str, spec: Any) -> tuple[str, Mapping[str, Any]]:
    if isinstance(spec, str):
        return spec, NOTHING
    if isinstance(spec, Use):
        return spec.name, spec.parameters
    if isinstance(spec, Mapping) and isinstance(spec.get(RESERVED), str):
        return spec[RESERVED], {name: value for name, value in spec.items() if name != RESERVED}
    raise CatalogueError(f'expected a name of kind "{kind}" or {{"name": ..., parameters}}, got {shown(spec)}')


def _resolve_parameters(find: Find, offer: Offer, given: Mapping[str, Any], defaults_of: tuple[str, ...]) -> Resolved:
    values: dict[str, Any] = {}
    mistakes = list(_unknown_parameters(offer, given))
    for parameter in offer.parameters:
        value = given.get(parameter.name, NOT_GIVEN)
        by_default = value is NOT_GIVEN
        # Settings end somewhere, but defaults may name each other in a circle.
        chain = (*defaults_of, offer.qualified_name) if by_default else ()
        try:
            values[parameter.name] = _checked(find, parameter, parameter.default if by_default else value, chain)
        except WrongValue as error:
            mistakes.append(f"{offer.qualified_name}: parameter '{parameter.name}' {error}")
        except CatalogueError as error:
            mistakes.append(f"{offer.qualified_name}: parameter '{parameter.name}': {error}")
    if mistakes:
        raise CatalogueError("\n".join(mistakes))
    return Resolved(offer, values)


def _unknown_parameters(offer: Offer, given: Mapping[str, Any]) -> Iterator[str]:
    known = [parameter.name for parameter in offer.parameters]
    accepted = ", ".join(map(str, offer.parameters)) or "no parameters"
    for name in given:
        if name not in known:
            ending = did_you_mean(str(name), known)
            yield f"{offer.qualified_name} has no parameter '{name}'{ending} It accepts: {accepted}"


def _checked(find: Find, parameter: Parameter, value: Any, chain: tuple[str, ...]) -> Any:
    def nested(kind: str, item: Any) -> Resolved | Built[Any]:
        return resolve(find, kind, item, defaults_of=chain)

    parsed = parse_text(value, parameter.annotation) if isinstance(value, str) else value
    return check_value(parsed, parameter.annotation, nested)


def _call_build(offer: Offer, values: Mapping[str, Any]) -> Any:
    try:
        value = offer.entry.build(**values)
    except MissingPackage as error:
        raise MissingPackage(f"{offer.qualified_name}: {error}") from error
    except (ValueError, BiglearnError) as error:
        raise CatalogueError(f"{offer.qualified_name}: {error}") from error
    except CONTAINED as error:
        raise CatalogueError(f"{offer.qualified_name}: build raised {told(error)}") from error
    if not _is_of_kind(offer.kind, value):
        raise CatalogueError(
            f"{offer.qualified_name}: build must give something of kind '{offer.kind}', got {shown(value)}"
        )
    return value


def _is_of_kind(kind: str, value: Any) -> bool:
    # Presets are plain mappings; all else says its kind, so that no class is imported to check it.
    return isinstance(value, Mapping) if kind == "settings" else getattr(type(value), "kind", None) == kind


def _each(value: Any, change: Callable[[Any], Any]) -> Any:
    """A value of a parameter with every nested entry in it changed."""
    if isinstance(value, tuple):
        return tuple(_each(item, change) for item in value)
    return change(value) if isinstance(value, (Resolved, Built)) else value


def _value_of(built: Built[Any]) -> Any:
    return built.value


def _record_of(built: Built[Any]) -> EntryRecord:
    return built.record
