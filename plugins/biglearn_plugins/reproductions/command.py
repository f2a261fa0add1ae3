"""The command `biglearn reproduce`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

REPRODUCED = Path("reproduced")


def reproduce(
    name: Annotated[str, typer.Argument(metavar="NAME", help="such as fig1, or all; an unknown name lists them")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="folder of the page")] = REPRODUCED,
) -> None:
    """Make simulations of the papers again, and say where they differ.

    Prints what the paper says and what was found; writes one page, `report.html`, and every picture by itself.
    """
    from biglearn_plugins.reproductions.folder import write
    from biglearn_plugins.reproductions.progress import progress
    from biglearn_plugins.reproductions.registry import reproductions_named
    from biglearn_sampler.precision import full_precision

    chosen, found = reproductions_named(name), []
    for number, reproduction in enumerate(chosen, 1):
        typer.echo(f"[{number}/{len(chosen)}] {reproduction.title}", err=True)
        with full_precision(), progress() as tell:
            finding = reproduction.find(tell)
        found.append((reproduction, finding))
        typer.echo(
            f"{reproduction.name}: {finding.verdict}\n  paper: {reproduction.claim}\n  found: {finding.sentence}"
        )
    typer.echo(f"\nThe page is {write(out, found)}.")
