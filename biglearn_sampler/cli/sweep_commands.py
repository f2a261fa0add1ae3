"""The command that runs a study: `sweep`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from biglearn_sampler.cli.run_commands import RUNS
from biglearn_sampler.cli.session import catalogue_of
from biglearn_sampler.cli.signals import signals_heard
from biglearn_sampler.cli.tables import print_table
from biglearn_sampler.errors import UserError

if TYPE_CHECKING:
    from biglearn_sampler.studies.job import Cell


def register(app: typer.Typer) -> None:
    """Add the command of this module to an app."""
    app.command("sweep")(sweep)


def sweep(
    ctx: typer.Context,
    study: Annotated[
        Path, typer.Argument(metavar="STUDY.toml", help="targets, methods, settings, seeds and budget of the study")
    ],
    processes: Annotated[
        int | None,
        typer.Option("-j", "--processes", min=1, metavar="N", help="jobs at a time; default: one for every two cores"),
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="of a Dask scheduler, whose workers run the jobs")
    ] = None,
    retries: Annotated[int, typer.Option(min=0, metavar="N", help="times that a failed job is tried again")] = 0,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="folder of the study; default: a new one in runs/")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with what is in --out")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="check the study and list its jobs; run nothing")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="print only the folder of the study")] = False,
) -> None:
    """Run a study: targets x methods x settings x seeds, here or on a cluster, each job apart from the others.

    Writes one table, results.csv, into a folder. The exit status is 1 if a job failed; --resume tries it again.
    """
    from biglearn_sampler.cli.progress_bar import study_progress
    from biglearn_sampler.studies import sweep as run_study
    from biglearn_sampler.studies.sweep import planned

    catalogue = catalogue_of(ctx)
    if dry_run:
        _print_jobs(planned(study, catalogue))
        return
    if resume and out is None:
        raise UserError("to resume a study, say which: give its folder as --out")
    with signals_heard(), study_progress(quiet) as watcher:
        results = run_study(
            study,
            out=out or RUNS / study.stem,
            numbered=out is None,
            resume=resume,
            processes=processes,
            scheduler=scheduler,
            retries=retries,
            catalogue=catalogue,
            watcher=watcher,
        )
    failures = results.failures
    if not quiet:
        print_table(*results.table(), labels=3)
        typer.echo("".join(f"\n{name} failed: {reason}" for name, reason in failures.items()))
    typer.echo(f"{results.folder}" if quiet else f"The study is in {results.folder}, its table in results.csv there.")
    if failures:
        again = f"--out {shlex.quote(str(results.folder))} --resume"
        typer.echo(f"{len(failures)} of {len(results.outcomes)} jobs failed; {again} tries them again", err=True)
        raise typer.Exit(1)


def _print_jobs(cells: Sequence[Cell]) -> None:
    """Print every job with the settings that it answers, and how many there are."""
    settings: dict[str, list[str]] = {}
    for cell in cells:
        settings.setdefault(cell.job.name, []).append(cell.settings)
    print_table(("job", "settings"), [(name, ", ".join(dict.fromkeys(names))) for name, names in settings.items()])
    typer.echo(f"\n{len(settings):,} jobs for {len(cells):,} combinations")
