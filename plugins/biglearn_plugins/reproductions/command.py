"""The command `biglearn reproduce`."""

from __future__ import annotations

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
) -> None:
    """Make simulations of the papers again, and say where they differ.

    Prints what the paper says and what was found; writes one page, `report.html`, and every picture by itself, after
    each simulation. One that fails is a section with the reason, and the others go on; the status is 1 then.
    """
    from biglearn_plugins.reproductions.folder import write
    from biglearn_plugins.reproductions.registry import reproductions_named
    from biglearn_sampler.runs.whole_files import new_folder, numbered_folder

    chosen = reproductions_named(name)
    folder = new_folder(out or numbered_folder(REPRODUCED))
    found: list[tuple[Reproduction, Finding]] = []
    page: Path | None = None
    try:
        for number, reproduction in enumerate(chosen, 1):
            typer.echo(f"[{number}/{len(chosen)}] {reproduction.title}", err=True)
            finding = _made(reproduction)
            found.append((reproduction, finding))
            typer.echo(
                f"{reproduction.name}: {finding.verdict}\n  paper: {reproduction.claim}\n  found: {finding.sentence}"
            )
            page = write(folder, found, len(chosen))
    except KeyboardInterrupt:
        if page is not None:
            typer.echo(f"\nThe page as far as it came is {page}.", err=True)
        raise
    typer.echo(f"\nThe page is {page}.")
    if any(finding.failed for _, finding in found):
        raise typer.Exit(1)


def _made(reproduction: Reproduction) -> Finding:
    """What a reproduction finds, or why it could not be made."""
    from biglearn_plugins.reproductions.progress import progress
    from biglearn_plugins.reproductions.reproduction import Finding
    from biglearn_sampler.catalogue.problems import told
    from biglearn_sampler.precision import full_precision

    try:
        with full_precision(), progress() as tell:
            return reproduction.find(tell)
    except Exception as error:
        return Finding.missing(told(error))
