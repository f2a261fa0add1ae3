"""The catalogue: loads plugins, keeps what is wrong with them, finds entries by name and builds them."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from biglearn_sampler.catalogue.building import NOTHING, construct, resolve
from biglearn_sampler.catalogue.hookspecs import HOOKS, KINDS, OBSERVERS
from biglearn_sampler.catalogue.loading import LoadedPlugin, Loading, chosen
from biglearn_sampler.catalogue.offers import Offer, call, clashes_of, offers_of, problem_of
from biglearn_sampler.catalogue.problems import CONTAINED, PluginProblem, did_you_mean, told
from biglearn_sampler.catalogue.recipe import Recipe
from biglearn_sampler.catalogue.records import Built, PluginRecord
from biglearn_sampler.catalogue.sources import (
    GROUP,
    Source,
    file_source,
    installed_sources,
    module_source,
    object_source,
)
from biglearn_sampler.errors import CatalogueError

if TYPE_CHECKING:
    import typer

logger = logging.getLogger(__name__)

NOT_INSTALLED = PluginProblem(
    "biglearn_sampler",
    "biglearn-sampler",
    "import",
    f"no installed distribution has entry points '{GROUP}'; in a checkout, run `pip install -e .`",
)


class Catalogue:
    """Everything that plugins offer, under names.

    Plugins are imported and registered when it is made. The hook of a kind is called when that kind is first
    asked for. No bad plugin raises here: what is wrong is kept in `problems`.

    Arguments:
        plugins: plugins that are already there, by name; for tests and notebooks.
        modules: importable modules that are plugins without an entry point.
        files: Python files that are plugins.
        entry_points: whether installed plugins are loaded, the built-in ones among them.
        block: plugins, or distributions with all their plugins, to leave out.
        only: when given, every other plugin or distribution is left out.
        strict: whether any problem is raised; all hooks are then called at once.

    Raises:
        UserError: a file that cannot be read, or a name in `block` or `only` that nothing has.
        ExceptionGroup: in strict mode, all problems.

    Example:

        catalogue = Catalogue()
        funnel = catalogue.build("target", "funnel", {"dim": 3}).value
    """

    def __init__(
        self,
        *,
        plugins: Mapping[str, object] = MappingProxyType({}),
        modules: Sequence[str] = (),
        files: Sequence[str | Path] = (),
        entry_points: bool = True,
        block: Collection[str] = (),
        only: Collection[str] | None = None,
        strict: bool = False,
    ) -> None:
        installed = installed_sources() if entry_points else []
        found = [
            *installed,
            *map(module_source, modules),
            *map(file_source, files),
            *(object_source(name, plugin) for name, plugin in plugins.items()),
        ]
        # By name, because the order of installation must not be able to change a run.
        self._sources = sorted(chosen(found, block, only), key=lambda source: source.name)
        loading = Loading()
        loading.add_all(self._sources)
        self._loaded = tuple(loading.loaded)
        self._problems = [NOT_INSTALLED] if entry_points and not installed else []
        self._problems.extend(loading.problems)
        self._offers: dict[str, tuple[Offer, ...]] = {}
        self._reported: set[tuple[str, str, type]] = set()
        self._strict = strict
        self._raise_if_strict()
        self.recipe = Recipe(
            modules=tuple(modules),
            files=tuple(os.path.abspath(Path(file).expanduser()) for file in files),
            entry_points=entry_points,
            block=tuple(sorted(block)),
            only=None if only is None else tuple(sorted(only)),
            in_memory=tuple(sorted(plugins)),
        )

    @classmethod
    def of(cls, recipe: Recipe) -> Catalogue:
        """The catalogue of a recipe, without the plugins that are in the memory of another process."""
        return cls(
            modules=recipe.modules,
            files=recipe.files,
            entry_points=recipe.entry_points,
            block=recipe.block,
            only=recipe.only,
        )

    @property
    def plugins(self) -> tuple[PluginRecord, ...]:
        """All plugins, those that failed included, sorted by name. Calls the hooks of all kinds."""
        problems = self.problems
        return tuple(self._record(source, problems) for source in self._sources)

    @property
    def problems(self) -> tuple[PluginProblem, ...]:
        """Everything that is wrong with the plugins. Calls the hooks of all kinds."""
        for kind in KINDS:
            self.offers(kind)
        return self.problems_met

    @property
    def problems_met(self) -> tuple[PluginProblem, ...]:
        """The problems known so far; calls no hook."""
        return tuple(self._problems)

    @property
    def clashes(self) -> tuple[PluginProblem, ...]:
        """Names that several plugins offer. Calls the hooks of all kinds.

        They are not among `problems`, because a qualified name finds each of them.
        """
        return tuple(clash for kind in KINDS for clash in clashes_of(self.offers(kind)))

    def offers(self, kind: str) -> tuple[Offer, ...]:
        """All offers of one kind, sorted by name and then by plugin.

        Raises:
            CatalogueError: there is no such kind.
        """
        if kind not in KINDS:
            raise CatalogueError(f"there is no kind '{kind}'{did_you_mean(kind, KINDS)} The kinds: {', '.join(KINDS)}")
        if kind not in self._offers:
            offers = []
            for plugin in self._loaded:
                good, problems = offers_of(plugin, kind)
                offers.extend(good)
                self._problems.extend(problems)
            self._offers[kind] = tuple(sorted(offers, key=lambda offer: (offer.entry.name, offer.plugin)))
        return self._offers[kind]

    def find(self, kind: str, name: str) -> Offer:
        """The offer with a name, bare (`funnel`) or qualified (`biglearn_targets:funnel`).

        Raises:
            CatalogueError: nothing, or more than one thing, has that name.
        """
        offers = self.offers(kind)
        matches = [offer for offer in offers if name in (offer.entry.name, offer.qualified_name)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            qualified = ", ".join(offer.qualified_name for offer in matches)
            raise CatalogueError(f"{kind} '{name}' is offered by {len(matches)} plugins; ask for one of: {qualified}")
        raise CatalogueError(_unknown_name(kind, name, offers, self._problems))

    def build(self, kind: str, spec: Any, parameters: Mapping[str, Any] = NOTHING) -> Built[Any]:
        """Build an entry, with all entries that its parameters ask for.

        Arguments:
            kind: "target", "scheduler" and so on.
            spec: a name; or a mapping with "name" and parameters; or what `use` gives; or an object of that
                kind, which is passed on.
            parameters: more parameters; they go before those of the spec. Texts are read by declared type.

        Raises:
            CatalogueError: unknown or ambiguous names, wrong parameters (all at once), or a failing `build`.
        """
        return construct(resolve(self.find, kind, spec, parameters))

    def check(self, kind: str, spec: Any, parameters: Mapping[str, Any] = NOTHING) -> None:
        """Check what `build` would be given, without building.

        Raises:
            CatalogueError: unknown or ambiguous names, or wrong parameters; all of them at once.
        """
        resolve(self.find, kind, spec, parameters)

    def notify(self, hook_name: str, **arguments: Any) -> tuple[PluginProblem, ...]:
        """Tell observers about a run. An observer that raises is logged once, and the others are still told.

        Arguments:
            hook_name: one of `OBSERVERS`.
            arguments: exactly the arguments of that hook.

        Raises:
            ValueError: another hook.
            TypeError: other arguments.
        """
        if hook_name not in OBSERVERS:
            raise ValueError(f"expected one of the hooks {', '.join(OBSERVERS)}, got '{hook_name}'")
        if set(arguments) != set(HOOKS[hook_name]):
            raise TypeError(f"{hook_name} takes {', '.join(HOOKS[hook_name])}, got {', '.join(arguments) or 'none'}")
        problems = []
        for plugin in self._loaded:
            for implementation in plugin.hooks.get(hook_name, ()):
                try:
                    call(implementation, arguments)
                except CONTAINED as error:
                    problems.append(self._observer_failed(plugin, hook_name, error))
        return tuple(problems)

    def add_commands(self, app: typer.Typer, taken: Collection[str] = ()) -> None:
        """Add the commands of all plugins to a Typer app.

        Arguments:
            app: gets the commands.
            taken: names that the app's own commands have; a plugin cannot replace them.
        """
        from biglearn_sampler.catalogue.commands import add_plugin_commands

        self._problems.extend(add_plugin_commands(app, self._loaded, taken))
        self._raise_if_strict()

    def _observer_failed(self, plugin: LoadedPlugin, hook_name: str, error: BaseException) -> PluginProblem:
        problem = problem_of(plugin, "hook", f"{hook_name} raised {told(error)}", error)
        # Observers are called at every chunk: only the first failure of a sort is worth a line.
        sort = (plugin.name, hook_name, type(error))
        if sort not in self._reported:
            self._reported.add(sort)
            self._problems.append(problem)
            logger.warning("%s; the run goes on", problem)
        return problem

    def _raise_if_strict(self) -> None:
        if self._strict and self.problems:
            raise ExceptionGroup(
                "plugins have problems",
                [_as_error(problem) for problem in self.problems],
            )

    def _record(self, source: Source, problems: Iterable[PluginProblem]) -> PluginRecord:
        own = (source.name, source.distribution)
        return PluginRecord(
            name=source.name,
            distribution=source.distribution,
            version=source.version,
            offers={kind: names for kind in KINDS if (names := self._names(kind, source.name))},
            problems=tuple(problem for problem in problems if (problem.plugin, problem.distribution) == own),
        )

    def _names(self, kind: str, plugin: str) -> tuple[str, ...]:
        return tuple(offer.entry.name for offer in self.offers(kind) if offer.plugin == plugin)


def _as_error(problem: PluginProblem) -> CatalogueError:
    error = CatalogueError(str(problem))
    error.__cause__ = problem.cause
    return error


def _unknown_name(kind: str, name: str, offers: Sequence[Offer], problems: Sequence[PluginProblem]) -> str:
    names = {known for offer in offers for known in (offer.entry.name, offer.qualified_name)}
    near = did_you_mean(name, names)
    there_are = ", ".join(dict.fromkeys(offer.entry.name for offer in offers)) or "none"
    noun = "preset" if kind == "settings" else kind
    lines = [f"there is no {noun} '{name}'{near}" + ("" if near != "." else f" There are: {there_are}")]
    # A plugin that failed to load is usually the reason.
    lines.extend(f"  {problem}" for problem in problems)
    return "\n".join(lines)
