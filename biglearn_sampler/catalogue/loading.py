"""Stages 1 and 2 of a plugin's life: import and registration. What fails is told about and left out."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pluggy

from biglearn_sampler.catalogue import hookspecs
from biglearn_sampler.catalogue.hookspecs import HOOKS
from biglearn_sampler.catalogue.problems import CONTAINED, PluginProblem, Stage, did_you_mean, told
from biglearn_sampler.catalogue.sources import Source
from biglearn_sampler.errors import UserError


@dataclass(frozen=True)
class LoadedPlugin:
    """A plugin whose hooks can be called.

    Arguments:
        source: where it came from.
        hooks: its implementations by name of the hook.
    """

    source: Source
    hooks: Mapping[str, Sequence[pluggy.HookImpl]]

    @property
    def name(self) -> str:
        """Name of the plugin."""
        return self.source.name


@dataclass
class Loading:
    """Loads sources one by one, and keeps what came of it.

    Arguments:
        loaded: plugins that can be used, in the order of their sources.
        problems: what is wrong with the others, and with parts of these.
    """

    loaded: list[LoadedPlugin] = field(default_factory=list)
    problems: list[PluginProblem] = field(default_factory=list)
    _manager: pluggy.PluginManager = field(default_factory=lambda: _new_manager())

    def add_all(self, sources: Sequence[Source]) -> None:
        """Load every source whose name is not shared with another one.

        With a shared name none is loaded: choosing one would let an installation change what a name means.
        """
        counts = Counter(source.name for source in sources)
        for source in sources:
            if counts[source.name] == 1:
                self._add(source)
            else:
                self._tell(source, "registration", _shared_name(source, sources))

    def _add(self, source: Source) -> None:
        try:
            plugin = source.load()
        except CONTAINED as error:
            self._tell(source, "import", told(error), error)
            return
        try:
            self._register(source, plugin)
        except CONTAINED as error:
            self._tell(source, "registration", told(error), error)

    def _register(self, source: Source, plugin: object) -> None:
        same = next((name for name, other in self._manager.list_name_plugin() if other is plugin), None)
        if same is not None:
            self._tell(source, "registration", f"it is the same object as plugin '{same}', which is loaded")
            return
        marked = _marked(self._manager, plugin)
        for mistake in _name_mistakes(plugin, marked):
            self._tell(source, "registration", mistake)
        mistakes = _definition_mistakes(plugin, marked)
        for mistake in mistakes:
            self._tell(source, "registration", mistake)
        if not mistakes:
            self._manager.register(plugin, source.name)
            self.loaded.append(LoadedPlugin(source, _hooks_of(self._manager, plugin)))

    def _tell(self, source: Source, stage: Stage, message: str, cause: BaseException | None = None) -> None:
        self.problems.append(PluginProblem(source.name, source.distribution, stage, message, cause))


def chosen(sources: Sequence[Source], block: Collection[str], only: Collection[str] | None) -> list[Source]:
    """The sources to load.

    Arguments:
        sources: all that were found.
        block: plugins, or distributions with all their plugins, to leave out.
        only: when given, everything else is left out.

    Raises:
        UserError: a name in `block` or `only` that no plugin and no distribution has.
    """
    known = {name for source in sources for name in (source.name, source.distribution)}
    for name in [*block, *(only or ())]:
        if name not in known:
            raise UserError(f"there is no plugin or distribution '{name}'{did_you_mean(name, known)}")
    wanted = known if only is None else set(only)
    return [
        source
        for source in sources
        if {source.name, source.distribution} & wanted and not {source.name, source.distribution} & set(block)
    ]


def _new_manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def _shared_name(source: Source, sources: Sequence[Source]) -> str:
    rivals = [_version_text(other) for other in sources if other.name == source.name]
    return (
        f"{len(rivals)} plugins are called '{source.name}' ({', '.join(rivals)}); none of them is loaded. "
        "Rename one, or block the distribution of one"
    )


def _version_text(source: Source) -> str:
    return f"{source.distribution} {source.version}" if source.version else source.distribution


def _marked(manager: pluggy.PluginManager, plugin: object) -> dict[str, Mapping[str, Any]]:
    """Options of each attribute marked with `hookimpl`, the hook's name resolved into `specname`."""
    options = {name: manager.parse_hookimpl_opts(plugin, name) for name in dir(plugin)}
    return {name: {**found, "specname": found.get("specname") or name} for name, found in options.items() if found}


def _name_mistakes(plugin: object, marked: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Hooks that would never be called; the other hooks of the plugin stay usable."""
    mistakes = [
        f"unknown hook '{options['specname']}'{did_you_mean(options['specname'], HOOKS)}"
        for options in marked.values()
        if options["specname"] not in HOOKS and not options.get("optionalhook")
    ]
    unmarked = [name for name in HOOKS if name not in marked and inspect.isroutine(getattr(plugin, name, None))]
    mistakes.extend(f"'{name}' is not marked as a hook; put @hookimpl above it" for name in unmarked)
    if not marked and not unmarked:
        mistakes.append("it has no hook; mark a function such as `biglearn_targets` with @hookimpl")
    return mistakes


def _definition_mistakes(plugin: object, marked: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Hooks that cannot be called as they are written; pluggy refuses the whole plugin for one of them."""
    mistakes = []
    for name, options in marked.items():
        hook = options["specname"]
        if hook not in HOOKS:
            continue
        if options.get("wrapper") or options.get("hookwrapper"):
            mistakes.append(f"hook '{hook}' is a wrapper; plugins are called one by one, so nothing can be wrapped")
        for argument in _needed_arguments(getattr(plugin, name)):
            if argument not in HOOKS[hook]:
                offered = ", ".join(HOOKS[hook]) or "none"
                mistakes.append(f"hook '{hook}' has no argument '{argument}'; its arguments: {offered}")
    return mistakes


def _needed_arguments(function: Any) -> list[str]:
    # As pluggy does: arguments with a default are never passed, so their names are the plugin's own affair.
    parameters = inspect.signature(function).parameters.values()
    return [each.name for each in parameters if each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD]


def _hooks_of(manager: pluggy.PluginManager, plugin: object) -> Mapping[str, Sequence[pluggy.HookImpl]]:
    callers = [caller for caller in manager.get_hookcallers(plugin) or () if caller.name in HOOKS]
    return {caller.name: [found for found in caller.get_hookimpls() if found.plugin is plugin] for caller in callers}
