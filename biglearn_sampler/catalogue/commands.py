"""Commands that plugins add to the command line.

Apart from the catalogue, because importing typer is slow and only the command line needs it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

import typer
from typer.main import get_group

from biglearn_sampler.catalogue.loading import LoadedPlugin
from biglearn_sampler.catalogue.offers import call, problem_of
from biglearn_sampler.catalogue.problems import CONTAINED, PluginProblem, told

HOOK = "biglearn_commands"


def add_plugin_commands(
    app: typer.Typer, plugins: Iterable[LoadedPlugin], taken: Collection[str]
) -> list[PluginProblem]:
    """Add the commands of every plugin to an app.

    Each plugin fills a Typer of its own first, so that one that fails half-way leaves nothing behind.

    Arguments:
        app: the app; gets the commands of the plugins that went well.
        plugins: the plugins to ask.
        taken: names of commands that plugins may not use.
    """
    problems: list[PluginProblem] = []
    filled: list[tuple[LoadedPlugin, typer.Typer, set[str]]] = []
    for plugin in plugins:
        try:
            own = _own_commands(plugin)
            filled.append((plugin, own, _names(own)))
        except CONTAINED as error:
            problems.append(problem_of(plugin, "hook", f"{HOOK} raised {told(error)}", error))
    counts = Counter(name for _, _, names in filled for name in names)
    counts.update(taken)
    for plugin, own, names in filled:
        shared = {name for name in names if counts[name] > 1}
        # Not even the first plugin keeps a shared name: an installation must not change what a command does.
        problems.extend(problem_of(plugin, "hook", _left_out(name)) for name in sorted(shared))
        app.add_typer(_without(own, shared))
    return problems


def _own_commands(plugin: LoadedPlugin) -> typer.Typer:
    own = typer.Typer()
    for implementation in plugin.hooks.get(HOOK, ()):
        call(implementation, {"commands": own})
    if own.registered_callback is not None:
        raise ValueError("a callback would run before every command of biglearn; add commands only")
    return own


def _without(own: typer.Typer, shared: set[str]) -> typer.Typer:
    kept = typer.Typer()
    for command in own.registered_commands:
        single = typer.Typer()
        single.registered_commands.append(command)
        if not shared & _names(single):
            kept.registered_commands.append(command)
    for group in own.registered_groups:
        single = typer.Typer()
        single.registered_groups.append(group)
        if not shared & _names(single):
            kept.registered_groups.append(group)
    return kept


def _names(app: typer.Typer) -> set[str]:
    return set(get_group(app).commands)


def _left_out(name: str) -> str:
    return f"its command '{name}' is left out, because biglearn or another plugin has one of that name"
