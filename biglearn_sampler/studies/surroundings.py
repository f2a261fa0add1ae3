"""What a process must share with the one that planned a study, so that both give the same figures."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from biglearn_sampler.catalogue import Recipe
from biglearn_sampler.runs import record

MODULE_PATH = "PYTHONPATH"
"""Variable of the environment that a process begins its module path with."""


@dataclass(frozen=True)
class Surroundings:
    """The same plugins, and the same versions.

    Arguments:
        recipe: of the catalogue.
        versions: of the packages that figures depend on, Python's own first.
    """

    recipe: Recipe
    versions: tuple[tuple[str, str], ...]

    @classmethod
    def here(cls, recipe: Recipe) -> Surroundings:
        """Those of this process."""
        return cls(recipe, versions())

    @property
    def difference(self) -> str | None:
        """What this process has in another version; `None` if nothing."""
        return difference(dict(self.versions), dict(versions()))


def versions() -> tuple[tuple[str, str], ...]:
    """Name and version of everything that figures depend on."""
    python = ".".join(map(str, sys.version_info[:3]))
    return (("python", python), *record.versions().items())


def difference(planned: dict[str, str], here: dict[str, str]) -> str | None:
    """What differs between two sets of versions, as the end of a sentence."""
    names = [name for name in here if planned.get(name) != here[name]]
    return ", ".join(f"{name} {here[name]} in place of {planned.get(name, 'none')}" for name in names) or None
