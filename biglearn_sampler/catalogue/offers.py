"""Stages 3 and 4: calling a hook of one plugin, and checking the entries that it gives."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pluggy

from biglearn_sampler.catalogue.entry import Entry
from biglearn_sampler.catalogue.hookspecs import KINDS
from biglearn_sampler.catalogue.loading import LoadedPlugin
from biglearn_sampler.catalogue.parameters import Parameter, parameters_of
from biglearn_sampler.catalogue.problems import CONTAINED, PluginProblem, Stage, told
from biglearn_sampler.catalogue.values import shown

NAME_PATTERN = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Offer:
    """An entry together with the plugin that offers it.

    Arguments:
        kind: "target", "scheduler" and so on.
        plugin: name of the plugin.
        distribution: what the plugin came with.
        version: its version, where it has one.
        entry: the entry itself.
        parameters: its parameters, in the order of the signature.
    """

    kind: str
    plugin: str
    distribution: str
    version: str | None
    entry: Entry[Any]
    parameters: tuple[Parameter, ...]

    @property
    def qualified_name(self) -> str:
        """`plugin:entry`, which no other offer of this kind has."""
        return f"{self.plugin}:{self.entry.name}"

    @property
    def definition(self) -> str | None:
        """The docstring of `build`; nothing for the one that Python writes for a dataclass itself."""
        text = inspect.getdoc(self.entry.build)
        return None if text is None or text.startswith(f"{getattr(self.entry.build, '__name__', '')}(") else text

    def to_json(self) -> dict[str, Any]:
        """What `biglearn show --json` tells about it; types and defaults are texts, as users read them."""
        return {
            "kind": self.kind,
            "name": self.entry.name,
            "plugin": self.plugin,
            "summary": self.entry.summary,
            "reference": self.entry.reference,
            "definition": self.definition,
            "argument": self.entry.argument,
            "parameters": [
                {"name": each.name, "type": each.type_text, "default": repr(each.default), "help": each.help}
                for each in self.parameters
            ],
        }


def offers_of(plugin: LoadedPlugin, kind: str) -> tuple[list[Offer], list[PluginProblem]]:
    """Good entries of one kind that a plugin offers, and what is wrong with the others."""
    offers: dict[str, Offer] = {}
    problems: list[PluginProblem] = []
    for implementation in plugin.hooks.get(KINDS[kind], ()):
        results, found = _called(plugin, kind, implementation)
        problems.extend(found)
        for result in results:
            offer, mistakes = _checked(plugin, kind, result, offers)
            problems.extend(problem_of(plugin, "entry", mistake) for mistake in mistakes)
            if offer is not None:
                offers[offer.entry.name] = offer
    return list(offers.values()), problems


def clashes_of(offers: Iterable[Offer]) -> list[PluginProblem]:
    """One problem for each offer whose name another plugin offers too; the bare name then finds neither.

    Arguments:
        offers: of one kind.
    """
    named: dict[str, list[Offer]] = {}
    for offer in offers:
        named.setdefault(offer.entry.name, []).append(offer)
    return [
        PluginProblem(
            offer.plugin, offer.distribution, "entry", _clash(offer, [each for each in same if each != offer])
        )
        for same in named.values()
        if len(same) > 1
        for offer in same
    ]


def call(implementation: pluggy.HookImpl, arguments: Mapping[str, Any]) -> Any:
    """Call one implementation of a hook with those of the arguments that it takes; it may raise anything."""
    return implementation.function(**{name: arguments[name] for name in implementation.argnames})


def problem_of(plugin: LoadedPlugin, stage: Stage, message: str, cause: BaseException | None = None) -> PluginProblem:
    """A problem of a plugin that is loaded."""
    return PluginProblem(plugin.name, plugin.source.distribution, stage, message, cause)


def _clash(offer: Offer, others: Iterable[Offer]) -> str:
    who = " and ".join(f"'{other.plugin}' ({other.distribution})" for other in others)
    return (
        f"{offer.kind} '{offer.entry.name}' is offered by the plugin {who} too; give one of them another name, or ask "
        f"for '{offer.qualified_name}'"
    )


def _called(plugin: LoadedPlugin, kind: str, implementation: pluggy.HookImpl) -> tuple[list[Any], list[PluginProblem]]:
    hook = KINDS[kind]
    try:
        result = call(implementation, {})
        if isinstance(result, (str, Mapping)) or not isinstance(result, Iterable):
            message = f"{hook} returned {_result_text(result)}; it must return a list of Entry"
            return [], [problem_of(plugin, "hook", message)]
        # A generator runs only when it is read, so it is read here, where its errors have a plugin.
        return list(result), []
    except CONTAINED as error:
        return [], [problem_of(plugin, "hook", f"{hook} raised {told(error)}", error)]


def _result_text(result: Any) -> str:
    return "None" if result is None else f"one {type(result).__name__}"


def _checked(
    plugin: LoadedPlugin, kind: str, result: Any, earlier: Mapping[str, Offer]
) -> tuple[Offer | None, list[str]]:
    if not isinstance(result, Entry):
        return None, [f"{KINDS[kind]} gave {shown(result)}, which is not an Entry"]
    label = f"{kind} '{result.name}'"
    parameters, mistakes = parameters_of(result.build) if callable(result.build) else ((), ())
    mistakes = [*_field_mistakes(result), *mistakes, *_argument_mistakes(result, parameters)]
    told_mistakes = [f"{label}: {mistake}" for mistake in mistakes]
    if not told_mistakes and result.name in earlier:
        told_mistakes.append(f"{label} is offered twice; the first one is used")
    if told_mistakes:
        return None, told_mistakes
    source = plugin.source
    return Offer(kind, source.name, source.distribution, source.version, result, parameters), []


def _field_mistakes(entry: Entry[Any]) -> Iterator[str]:
    if not isinstance(entry.name, str) or not NAME_PATTERN.fullmatch(entry.name):
        yield "the name must be small letters, digits and underscores, beginning with a letter"
    if not callable(entry.build):
        yield f"`build` must be a function, got {shown(entry.build)}"
    if not isinstance(entry.summary, str) or not entry.summary.strip() or "\n" in entry.summary:
        yield f"`summary` must be one line of text, got {shown(entry.summary)}"
    if entry.reference is not None and not isinstance(entry.reference, str):
        yield f"`reference` must be text or None, got {shown(entry.reference)}"


def _argument_mistakes(entry: Entry[Any], parameters: tuple[Parameter, ...]) -> Iterator[str]:
    names = [parameter.name for parameter in parameters]
    if entry.argument is not None and entry.argument not in names:
        yield f"`argument` must be the name of a parameter of `build`, got {shown(entry.argument)}"
