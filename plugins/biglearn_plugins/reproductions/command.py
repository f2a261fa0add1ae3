"""The command `biglearn reproduce`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from biglearn_plugins.reproductions.reproduction import Finding, Reproduction

REPRODUCED = Path("reproduced")


def reproduce(
    name: Annotated[str, typer.Argument(metavar="NAME", help="such as fig1, or all; an unknown name lists them")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="a new folder for the page; default: reproduced-001, or the next")
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="how many are made at once; default: as many as there are processor cores"
        ),
    ] = None,
) -> None:
    """Make simulations of the papers again, and say where they differ.

    Prints what the paper says and what was found; writes one page, `report.html`, and every picture by itself, after
    each simulation. One that fails is a section with the reason, and the others go on; the status is 1 then.
    """
    from biglearn_plugins.reproductions.folder import write
    from biglearn_plugins.reproductions.job import first_jobs
    from biglearn_plugins.reproductions.making import made
    from biglearn_plugins.reproductions.progress import ProgressLines
    from biglearn_plugins.reproductions.registry import reproductions_named
    from biglearn_sampler.cli.signals import signals_heard
    from biglearn_sampler.runs.whole_files import new_folder, numbered_folder

    chosen = reproductions_named(name)
    folder = new_folder(out or numbered_folder(REPRODUCED))
    found: dict[Reproduction, Finding] = {}
    page: Path | None = None
    lines = ProgressLines(len(chosen))
    at_once = min(processes or os.cpu_count() or 1, sum(len(first_jobs(each)) for each in chosen))
    with signals_heard():
        try:
            for reproduction, finding in made(chosen, at_once, lines):
                found[reproduction] = finding
                with lines.hidden():
                    typer.echo(_told(reproduction, finding))
                page = write(folder, [(each, found[each]) for each in chosen if each in found], len(chosen))
        except KeyboardInterrupt:
            if page is not None:
                typer.echo(f"\nThe page as far as it came is {page}.", err=True)
            raise
        finally:
            lines.close()
    typer.echo(f"\nThe page is {page}.")
    if any(finding.failed for finding in found.values()):
        raise typer.Exit(1)


def _told(reproduction: Reproduction, finding: Finding) -> str:
    return f"{reproduction.name}: {finding.verdict}\n  paper: {reproduction.claim}\n  found: {finding.sentence}"
