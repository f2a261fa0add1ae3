"""From the name of a plugin to two tests for pytest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from biglearn_sampler.catalogue import Catalogue, PluginRecord
from biglearn_sampler.catalogue.problems import did_you_mean
from biglearn_sampler.errors import UserError
from biglearn_sampler.testing.checks import Check, Subject, checks_of, run_check, subjects_of
from biglearn_sampler.testing.fault import Fault, NotChecked

NONE: Mapping[str, Mapping[str, Any]] = MappingProxyType({})

LOCAL_PLUGIN = Path("biglearn_plugin.py")
"""Loaded from the working directory without being asked for, as the command line does."""


def conformance(
    plugin: str | object,
    *,
    catalogue: Catalogue | None = None,
    parameters: Mapping[str, Mapping[str, Any]] = NONE,
) -> tuple[Callable[[], None], Callable[[Subject, Check], None]]:
    """Two tests of a plugin: that it loads without problems, and that every entry passes the checks of its kind.

    The second is parametrised as `target/funnel/differentiable`. Entries are built with their defaults and in single
    precision, as users of JAX have it. A check that cannot be made of an entry is skipped with the reason.

    Arguments:
        plugin: its name, as in `biglearn plugins`; or a module or an object with hooks, installed or not.
        catalogue: where the plugin is looked up by name; by default all installed plugins, and a file
            `biglearn_plugin.py` in the working directory.
        parameters: of entries by name, where defaults take too long: `{"nuts": {"draws": 200}}`.

    Returns:
        two test functions; a test module gives them names that pytest collects.

    Raises:
        UserError: there is no such plugin, or no such entry for `parameters`.

    Example:

        test_problems, test_entries = conformance(plugin="lennard_jones")
    """
    import pytest  # here, so that nobody needs it who only makes the checks

    if not isinstance(plugin, str):
        name = getattr(plugin, "__name__", type(plugin).__name__).rpartition(".")[2]
        return conformance(name, catalogue=Catalogue(plugins={name: plugin}), parameters=parameters)
    catalogue = catalogue or Catalogue(files=[LOCAL_PLUGIN] if LOCAL_PLUGIN.is_file() else [])
    records = _records(catalogue, plugin)
    cases = _cases(catalogue, plugin, parameters)

    def test_problems() -> None:
        problems = [str(problem) for record in records for problem in record.problems]
        if problems:
            raise Fault("\n".join(["the plugin does not load without problems:", *problems]))

    @pytest.mark.parametrize(("subject", "check"), cases)
    def test_entries(subject: Subject, check: Check) -> None:
        try:
            run_check(check, subject)
        except NotChecked as reason:
            pytest.skip(str(reason))

    return test_problems, test_entries


def _records(catalogue: Catalogue, plugin: str) -> list[PluginRecord]:
    known = [record.name for record in catalogue.plugins]
    if plugin not in known:
        raise UserError(
            f"there is no plugin '{plugin}'{did_you_mean(plugin, known)} A file elsewhere is looked up in "
            "catalogue=bl.Catalogue(files=['path/to/file.py']), by its name without the ending"
        )
    return [record for record in catalogue.plugins if record.name == plugin]


def _cases(catalogue: Catalogue, plugin: str, parameters: Mapping[str, Mapping[str, Any]]) -> list[Any]:
    import pytest

    subjects = list(subjects_of(catalogue, plugin, parameters))
    names = [subject.offer.entry.name for subject in subjects]
    for name in parameters:
        if name not in names:
            raise UserError(f"plugin '{plugin}' has no entry '{name}'{did_you_mean(name, names)}")
    return [
        pytest.param(subject, check, id=f"{subject.offer.kind}/{subject.offer.entry.name}/{check_name}")
        for subject in subjects
        for check_name, check in checks_of(subject.offer.kind).items()
    ]
