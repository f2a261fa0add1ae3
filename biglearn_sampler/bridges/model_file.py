"""A NumPyro model in a Python file of the user, named as `path/to/file.py:model`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import MappingProxyType, ModuleType
from typing import Any

from numpyro.distributions import Distribution

from biglearn_sampler.bridges.distribution_target import target_of_distribution
from biglearn_sampler.bridges.model_arguments import ModelArguments
from biglearn_sampler.bridges.model_target import target_of_model
from biglearn_sampler.bridges.sites import without_handlers
from biglearn_sampler.catalogue import Built, Catalogue, EntryRecord
from biglearn_sampler.catalogue.problems import CONTAINED, did_you_mean, told
from biglearn_sampler.catalogue.sources import file_source
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.errors import TargetError, UserError

NOTHING: Mapping[str, Any] = MappingProxyType({})

CONVENTION = "a function `data()` in the same file, or `{name}_data()`, returns a dict of the model's arguments"


def build_target(spec: Any, catalogue: Catalogue, parameters: Mapping[str, Any] = NOTHING) -> Built[AbstractTarget]:
    """A target from whatever names one: a model in a file, or what `Catalogue.build` takes.

    Arguments:
        spec: `file.py:model`, a name in the catalogue, a table with a name and parameters, or a target.
        catalogue: where names are looked up.
        parameters: of a target of the catalogue; a model in a file has none.

    Raises:
        UserError: there is no such thing, or it cannot be built.
    """
    name, *others = _name_of(spec)
    if not is_of_file(name):
        return catalogue.build("target", spec, parameters)
    given = [*parameters, *others]
    if given:
        raise TargetError(f"{name} takes no parameter '{given[0]}'; {CONVENTION.format(name='MODEL')}")
    return target_of_file(name)


def target_of_file(text: str) -> Built[AbstractTarget]:
    """The target that a name in a Python file stands for: a NumPyro model, a NumPyro distribution, or a target.

    A model with parameters is called with what a function `data()` of the same file returns: a dict of its arguments by
    name. Where a file has several models with data of their own, `NAME_data()` goes before `data()`. The file is run,
    as by an import; its record holds its path and the hash of its content.

    Arguments:
        text: `path/to/file.py:name`.

    Raises:
        TargetError: the file cannot be read or run, has no such name, has no data for a model that needs some, or the
            model is no target (see `from_numpyro`).
    """
    place, _, name = text.rpartition(":") if not text.endswith(".py") else (text, "", "")
    try:
        source = file_source(place)
    except UserError as error:
        raise TargetError(f"the model file {str(error).removeprefix('plugin file ')}") from error
    try:
        module: Any = source.load()
    except SyntaxError as error:
        raise TargetError(f"{place}, line {error.lineno}: {error.msg}; the file is not valid Python") from error
    except CONTAINED as error:
        raise TargetError(f"{place} cannot be run: {told(error)}") from error
    found = _found(module, place, name)
    try:
        target = _of_found(found, module, place, name)
    except TargetError as error:
        raise TargetError(f"{place}:{name}: {error}") from error
    path = source.distribution.removeprefix("file ")
    return Built(target, EntryRecord("target", f"{path}:{name}", {}, source.distribution, source.version, None))


def _name_of(spec: Any) -> tuple[str, ...]:
    """The name in a spec, and the names of the parameters beside it; an empty name where there is none."""
    if isinstance(spec, str):
        return (spec,)
    if isinstance(spec, Mapping) and isinstance(spec.get("name"), str):
        return (spec["name"], *(str(key) for key in spec if key != "name"))
    return ("",)


def is_of_file(name: str) -> bool:
    """Whether a name is that of a model in a file."""
    return name.endswith(".py") or name.rpartition(":")[0].endswith(".py")


def _found(module: ModuleType, place: str, name: str) -> Any:
    offered = [known for known, value in vars(module).items() if _is_own_function(module, known, value)]
    there_are = f"its functions: {', '.join(offered) or 'none'}"
    if not name:
        raise TargetError(f"say which model of {place} is meant, as in {place}:model; {there_are}")
    if name not in vars(module):
        raise TargetError(f"{place} has no '{name}'{did_you_mean(name, offered)} Expected a NumPyro model; {there_are}")
    return vars(module)[name]


def _is_own_function(module: ModuleType, name: str, value: Any) -> bool:
    return inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")


def _of_found(found: Any, module: ModuleType, place: str, name: str) -> AbstractTarget:
    if isinstance(found, AbstractTarget):
        return found
    if isinstance(found, Distribution):
        return target_of_distribution(found)
    return target_of_model(found, ModelArguments.of((), _data(module, found, place, name)))


def _data(module: ModuleType, model: Any, place: str, name: str) -> dict[str, Any]:
    """The arguments of a model, none for one that takes none."""
    model = without_handlers(model)
    if not callable(model):
        return {}
    signature = inspect.signature(model)
    if not signature.parameters:
        return {}
    source = next((each for each in (f"{name}_data", "data") if each in vars(module)), None)
    if source is None:
        needed = [each.name for each in signature.parameters.values() if _is_needed(each)]
        if needed:
            raise TargetError(f"it takes {', '.join(needed)}, and {place} has no data: {CONVENTION.format(name=name)}")
        return {}
    data = _called(vars(module)[source], source)
    try:
        signature.bind(**data)
    except TypeError as error:
        raise TargetError(
            f"it cannot be called with what {source}() returned, {', '.join(data) or 'nothing'}: {error}"
        ) from error
    return data


def _is_needed(parameter: inspect.Parameter) -> bool:
    return parameter.default is parameter.empty and parameter.kind not in (
        parameter.VAR_POSITIONAL,
        parameter.VAR_KEYWORD,
    )


def _called(function: Any, source: str) -> dict[str, Any]:
    if not callable(function):
        raise TargetError(f"`{source}` must be a function without arguments, got {type(function).__name__}")
    try:
        data = function()
    except CONTAINED as error:
        raise TargetError(f"{source}() raised {told(error)}") from error
    if not isinstance(data, Mapping) or not all(isinstance(key, str) for key in data):
        raise TargetError(f"{source}() must return a dict of the model's arguments by name, got {type(data).__name__}")
    return dict(data)
