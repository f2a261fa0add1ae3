"""What one call of the command line knows: its global options, and the catalogue that they ask for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import typer

from biglearn_sampler.catalogue import Catalogue
from biglearn_sampler.compilation import CACHE_VARIABLE
from biglearn_sampler.errors import UserError

# Loaded from the working directory without being asked for, as pytest loads `conftest.py`.
LOCAL_PLUGIN = Path("biglearn_plugin.py")
PLUGINS_VARIABLE = "BIGLEARN_PLUGINS"
BLOCK_VARIABLE = "BIGLEARN_BLOCK"


@dataclass(frozen=True, kw_only=True)
class GlobalOptions:
    """The options that stand before the command.

    Arguments:
        plugins: files and modules that are plugins.
        block: plugins or distributions to leave out.
        only: when not empty, everything else is left out.
        cache: folder of compiled programs, if they are to be kept.
        strict: whether a problem of any plugin is an error.
        debug: whether errors come with tracebacks.
    """

    plugins: tuple[str, ...] = ()
    block: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    cache: str | None = None
    strict: bool = False
    debug: bool = False


@dataclass
class Session:
    """One call of the command line; a command finds it as `ctx.obj`, its catalogue by `catalogue_of(ctx)`.

    Arguments:
        options: the global options; set when they are read.
        problems_told: whether the command has told the problems of plugins itself.
    """

    options: GlobalOptions = field(default_factory=GlobalOptions)
    problems_told: bool = False

    @cached_property
    def catalogue(self) -> Catalogue:
        """The catalogue with the plugins that options, environment and working directory ask for.

        Raises:
            UserError: a plugin file or module that does not exist.
            ExceptionGroup: in strict mode, all problems of plugins.
        """
        return make_catalogue(self.options, os.environ)

    def problem_summary(self) -> str | None:
        """One line about plugins with problems, as far as they were met; None if there is nothing to tell."""
        if self.problems_told or "catalogue" not in vars(self):
            return None
        count = len({(problem.plugin, problem.distribution) for problem in self.catalogue.problems_met})
        if count == 0:
            return None
        return f"{count} plugin{' has' if count == 1 else 's have'} problems; see `biglearn check`"


def catalogue_of(ctx: typer.Context) -> Catalogue:
    """The catalogue of the running command; made when it is first asked for."""
    return ctx.find_root().obj.catalogue


def make_catalogue(options: GlobalOptions, environment: Mapping[str, str]) -> Catalogue:
    """The catalogue that options and environment variables ask for.

    Arguments:
        options: the global options.
        environment: BIGLEARN_PLUGINS holds files and modules, separated as in PATH; BIGLEARN_BLOCK holds
            names separated by commas.
    """
    named = [*options.plugins, *_split(environment.get(PLUGINS_VARIABLE, ""), os.pathsep)]
    files = [Path(text) for text in named if _is_file(text)]
    if LOCAL_PLUGIN.is_file():
        files.append(LOCAL_PLUGIN)
    return Catalogue(
        # Asked for twice is meant once; a dict keeps the order.
        modules=list(dict.fromkeys(_existing_module(text) for text in named if not _is_file(text))),
        files=list({os.path.abspath(file.expanduser()): file for file in files}.values()),
        block={*options.block, *_split(environment.get(BLOCK_VARIABLE, ""), ",")},
        only=options.only or None,
        strict=options.strict,
    )


def read_options(values: Mapping[str, Any]) -> GlobalOptions:
    """Global options from what the parser found; what was not given is missing there or None."""
    return GlobalOptions(
        plugins=tuple(values.get("plugin") or ()),
        block=tuple(values.get("block") or ()),
        only=tuple(values.get("only") or ()),
        cache=values.get("cache") or os.environ.get(CACHE_VARIABLE) or None,
        strict=bool(values.get("strict")),
        debug=bool(values.get("debug")),
    )


def _split(text: str, separator: str) -> Iterable[str]:
    return [part.strip() for part in text.split(separator) if part.strip()]


def _is_file(text: str) -> bool:
    return text.endswith(".py") or "/" in text or os.sep in text


def _existing_module(name: str) -> str:
    parts = name.split(".")
    # Only the first part is looked up: a deeper one would already run code of the plugin.
    if not all(part.isidentifier() for part in parts) or find_spec(parts[0]) is None:
        raise UserError(f"there is no module '{name}'; a plugin file is given with its ending, as in '{name}.py'")
    return name
