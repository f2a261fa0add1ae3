"""Distributions that a settings file says it needs, as pytest's `required_plugins` does."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from packaging.requirements import InvalidRequirement, Requirement


def missing_requirements(requirements: Sequence[str]) -> list[str]:
    """What is wrong with each requirement that is not met; an empty list when all are.

    Arguments:
        requirements: texts such as `biglearn-lj` or `biglearn-lj>=0.2,<0.3`.
    """
    return [problem for text in requirements if (problem := _problem(text)) is not None]


def _problem(text: str) -> str | None:
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        return f"'{text}' is no requirement such as 'biglearn-lj>=0.2': {error}".splitlines()[0]
    try:
        present = version(requirement.name)
    except PackageNotFoundError:
        return f"'{requirement.name}' is not installed; run `pip install '{text}'`"
    if requirement.specifier.contains(present, prereleases=True):
        return None
    return f"'{text}' is needed, {present} is installed"
