"""What is written down about plugins and built entries, so that a run can be explained later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from biglearn_sampler.catalogue.entry import Use
from biglearn_sampler.catalogue.problems import PluginProblem

T = TypeVar("T")

OWN = "biglearn-sampler"
"""The distribution of what comes with this project."""

OF_FILE = "file "
"""How the distribution begins of what came from one Python file; its path follows."""

MADE_IN_PYTHON = "an object made in Python"
"""The distribution of what came from no plugin."""


@dataclass(frozen=True)
class EntryRecord:
    """Everything needed to build the same thing again.

    Arguments:
        kind: "target", "scheduler" and so on.
        name: qualified name, `plugin:entry`; for an object made in Python, `module:class`.
        parameters: all of them, defaults included; nested entries as records of their own.
        distribution: what the plugin came with.
        version: its version, where it has one.
        reference: citation, where the entry has one.
    """

    kind: str
    name: str
    parameters: dict[str, Any]
    distribution: str
    version: str | None
    reference: str | None

    def to_json(self) -> dict[str, Any]:
        """The record as mappings, lists, texts, numbers and None, as JSON has them."""
        return {
            "kind": self.kind,
            "name": self.name,
            "parameters": as_json(self.parameters),
            "distribution": self.distribution,
            "version": self.version,
            "reference": self.reference,
        }


@dataclass(frozen=True)
class Built(Generic[T]):
    """A built entry together with its record."""

    value: T
    record: EntryRecord


@dataclass(frozen=True)
class PluginRecord:
    """One plugin: where it came from, what it offers and what is wrong with it.

    Arguments:
        name: name of the plugin.
        distribution: what it came with: a distribution, a file, a module, or memory.
        version: its version, where it has one.
        offers: names of its entries by kind; kinds of which it offers none are left out.
        problems: what is wrong with it.
    """

    name: str
    distribution: str
    version: str | None
    offers: Mapping[str, tuple[str, ...]]
    problems: tuple[PluginProblem, ...]

    def to_json(self) -> dict[str, Any]:
        """Where the plugin came from and what it offers; its problems are told apart."""
        return {
            "name": self.name,
            "distribution": self.distribution,
            "version": self.version,
            "offers": as_json(self.offers),
        }


def as_json(value: Any) -> Any:
    """A checked value of a parameter as JSON has it: records and specs as mappings, tuples as lists."""
    if isinstance(value, EntryRecord):
        return value.to_json()
    if isinstance(value, Use):
        return {"name": value.name, **as_json(value.parameters)}
    if isinstance(value, Mapping):
        return {name: as_json(item) for name, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [as_json(item) for item in value]
    return value


def record_of_object(kind: str, value: object) -> EntryRecord:
    """Record of an object that the catalogue did not build: it can be named but not built again."""
    made_by = type(value)
    return EntryRecord(
        kind=kind,
        name=f"{made_by.__module__}:{made_by.__qualname__}",
        parameters={},
        distribution=MADE_IN_PYTHON,
        version=None,
        reference=None,
    )


def spec_of(recorded: Any) -> Any:
    """What the catalogue builds a recorded value from, as JSON has it; entries may be nested."""
    if isinstance(recorded, Mapping):
        return {"name": recorded["name"], **{name: spec_of(value) for name, value in recorded["parameters"].items()}}
    return [spec_of(item) for item in recorded] if isinstance(recorded, list) else recorded


def versions_of_plugins(recorded: Any) -> dict[str, str]:
    """The versions of the plugins of others that a recorded value was built by, by its name; entries may be nested.

    Those of Python files, which change with their content, and those of installed distributions, where they have one.
    """
    if isinstance(recorded, list):
        return {name: version for item in recorded for name, version in versions_of_plugins(item).items()}
    if not isinstance(recorded, Mapping):
        return {}
    foreign = recorded.get("distribution", OWN) != OWN and recorded.get("version") is not None
    own = {recorded["name"]: recorded["version"]} if foreign else {}
    return own | versions_of_plugins(list(recorded.get("parameters", {}).values()))


def without_versions(recorded: Any) -> Any:
    """A recorded value without the versions of packages, which are none of what was asked for; entries may be nested.

    Those of files stay: a file that was edited is another one.
    """
    if isinstance(recorded, list):
        return [without_versions(item) for item in recorded]
    if not isinstance(recorded, Mapping):
        return recorded
    of_package = "distribution" in recorded and not str(recorded["distribution"]).startswith(OF_FILE)
    return {name: without_versions(value) for name, value in recorded.items() if not (of_package and name == "version")}
