"""Where plugins come from: installed distributions, modules, files and memory. Nothing is imported yet."""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from biglearn_sampler.catalogue.records import OF_FILE
from biglearn_sampler.errors import UserError

GROUP = "biglearn_sampler"


@dataclass(frozen=True)
class Source:
    """One plugin that could be loaded.

    Arguments:
        name: name of the plugin.
        distribution: what it comes with, as told to users.
        version: its version, where it has one.
        load: imports the plugin and gives it; may raise anything.
    """

    name: str
    distribution: str
    version: str | None
    load: Callable[[], object]


def installed_sources() -> list[Source]:
    """One source for each entry point of the group, ordered by plugin and distribution.

    The order that `importlib.metadata` gives follows `sys.path`, and a run must not depend on that.
    """
    sources = [_installed_source(entry_point) for entry_point in metadata.entry_points(group=GROUP)]
    return sorted(sources, key=lambda source: (source.name, source.distribution))


def module_source(name: str) -> Source:
    """A plugin that is an importable module without an entry point; it has the module's name."""
    return Source(name, f"module {name}", None, partial(importlib.import_module, name))


def file_source(path: str | Path) -> Source:
    """A plugin that is one Python file; its name is the file's, without the ending.

    Raises:
        UserError: there is no such file, or it cannot be read.
    """
    # Links are not followed: the plugin has the name that the user gave its file.
    file = Path(os.path.abspath(Path(path).expanduser()))
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UserError(f"plugin file '{path}' cannot be read: {error.strerror or error}") from error
    version = hashlib.sha256(content).hexdigest()[:12]
    return Source(file.stem, f"{OF_FILE}{file}", version, partial(_load_file, file, content, version))


def object_source(name: str, plugin: object) -> Source:
    """A plugin that is already there, as tests and notebooks have it."""
    return Source(name, "in memory", None, lambda: plugin)


# `Any`: once the backport `importlib_metadata` is imported, as by Dask, entry points are of its class.
def _installed_source(entry_point: Any) -> Source:
    distribution = entry_point.dist
    name = distribution.name if distribution else "unknown distribution"
    version = distribution.version if distribution else None
    return Source(entry_point.name, name, version, entry_point.load)


def _load_file(file: Path, content: bytes, version: str) -> ModuleType:
    # The name holds path and content: a changed file becomes a new module, an unchanged one is imported once.
    place = hashlib.sha256(str(file).encode()).hexdigest()[:12]
    name = f"biglearn_plugin_file_{place}_{version}"
    if name in sys.modules:
        return sys.modules[name]
    module = ModuleType(name)
    module.__file__ = str(file)
    # Dataclasses look their own module up while the body still runs.
    sys.modules[name] = module
    try:
        # Compiled from the bytes that were hashed, past Python's cache, so that the version is the code's.
        exec(compile(content, str(file), "exec", dont_inherit=True), module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
    return module
