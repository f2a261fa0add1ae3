"""The command `check`: what is wrong with plugins, and with their entries.

With `--json` it prints the object of `catalogue_commands`, and with `--entries` a fourth list of it:

    checks    {"kind", "entry", "check", "outcome", "message"}
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from biglearn_sampler.catalogue import Catalogue, PluginProblem, PluginRecord
from biglearn_sampler.catalogue.problems import did_you_mean
from biglearn_sampler.cli.catalogue_commands import AsJson, document_of
from biglearn_sampler.cli.session import catalogue_of
from biglearn_sampler.cli.tables import print_json, print_table
from biglearn_sampler.errors import CatalogueError

if TYPE_CHECKING:
    from biglearn_sampler.testing.examine import Finding


def register(app: typer.Typer) -> None:
    """Add the command to an app."""
    app.command("check")(check)


def check(
    ctx: typer.Context,
    plugin: Annotated[str | None, typer.Argument(metavar="PLUGIN", help="only this plugin or distribution")] = None,
    entries: Annotated[
        bool, typer.Option("--entries", help="Also build every entry, and make the checks of its kind.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Tell all problems of plugins, and names that several of them offer; exit status 1 if there are any.

    With --entries, also checks that fail; without PLUGIN those of all entries that are installed, which takes minutes.
    """
    catalogue = catalogue_of(ctx)
    records = list(catalogue.plugins) if plugin is None else _records(catalogue, plugin)
    problems = _problems(catalogue, None if plugin is None else records)
    ctx.find_root().obj.problems_told = True
    if problems and not as_json:
        rows = [(each.plugin, each.distribution, each.stage, each.message) for each in problems]
        print_table(("plugin", "distribution", "stage", "problem"), rows)
    checks = list(_checks(catalogue, records, told=not as_json)) if entries else []
    failed = any(finding.outcome == "failed" for finding in checks)
    if as_json:
        document: dict[str, Any] = document_of(catalogue, problems=problems)
        print_json({**document, "checks": [finding.to_json() for finding in checks]} if entries else document)
    elif not problems and not failed:
        typer.echo("no problems")
    if problems or failed:
        raise typer.Exit(1)


def _checks(catalogue: Catalogue, records: Iterable[PluginRecord], told: bool) -> Iterator[Finding]:
    """What the checks of all entries find; each entry is told when it is done."""
    from biglearn_sampler.testing.checks import subjects_of
    from biglearn_sampler.testing.examine import findings

    for record in records:
        for subject in subjects_of(catalogue, record.name):
            found = list(findings([subject]))
            if told:
                _tell(found)
            yield from found


def _tell(found: Sequence[Finding]) -> None:
    """One line on an entry, one on the first check that it failed, and one on every reason not to make some."""
    counts = Counter(finding.outcome for finding in found)
    outcomes = ("passed", "not checked", "failed")
    counted = ", ".join(f"{counts[outcome]} {outcome}" for outcome in outcomes if counts[outcome])
    typer.echo(f"{found[0].kind} {found[0].entry}: {counted}")
    for finding in [finding for finding in found if finding.outcome == "failed"][:1]:
        typer.echo(f"  {finding.check}: {' '.join(finding.message.split())}")
    reasons: dict[str, list[str]] = {}
    for finding in found:
        if finding.outcome == "not checked":
            reasons.setdefault(" ".join(finding.message.split()), []).append(finding.check)
    for reason, checks in reasons.items():
        typer.echo(f"  {', '.join(checks)} not checked: {reason}")


def _problems(catalogue: Catalogue, records: list[PluginRecord] | None) -> list[PluginProblem]:
    """All problems, or those of some plugins."""
    problems = [*catalogue.problems, *catalogue.clashes]
    if records is None:
        return problems
    own = {(record.name, record.distribution) for record in records}
    return [problem for problem in problems if (problem.plugin, problem.distribution) in own]


def _records(catalogue: Catalogue, name: str) -> list[PluginRecord]:
    records = [record for record in catalogue.plugins if name in (record.name, record.distribution)]
    if not records:
        known = {known for record in catalogue.plugins for known in (record.name, record.distribution)}
        raise CatalogueError(f"there is no plugin or distribution '{name}'{did_you_mean(name, known)}")
    return records
