"""The command that learns from data: `cluster`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from biglearn_sampler.cli.run_commands import RUNS, Seed
from biglearn_sampler.cli.session import catalogue_of
from biglearn_sampler.cli.signals import signals_heard
from biglearn_sampler.cli.tables import print_table


def register(app: typer.Typer) -> None:
    """Add the commands of this module to an app."""
    app.command("cluster")(cluster)


def cluster(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="table of numbers: .csv, .npy, .npz or .mat")],
    components: Annotated[int, typer.Option(metavar="K", help="number of clusters")],
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="first|last|FILE",
            help="true labels, only to compare with: a column of the table, which is then no data and may have words, "
            "or a file",
        ),
    ] = None,
    array: Annotated[str | None, typer.Option(metavar="NAME", help="which array of an .npz or .mat file")] = None,
    floor: Annotated[
        float,
        typer.Option(
            help="smallest variance of a cluster, as a share of that of a column, with --raw of their mean; 0.1 for "
            "counts and codes"
        ),
    ] = 1e-3,
    scheduler: Annotated[
        str | None, typer.Option(metavar="NAME", help="draws the tasks; joint is plain EM (default: biglearn_em)")
    ] = None,
    starts: Annotated[int, typer.Option(min=1, help="independent starts, of which the best is kept")] = 1,
    missing: Annotated[bool, typer.Option("--missing", help="NaN and empty cells are missing values")] = False,
    test: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="share of the points to hold out, of every true label the same; the scores are theirs then",
        ),
    ] = None,
    minibatch: Annotated[int | None, typer.Option(metavar="ROWS", help="rows that each task works on")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="leave the columns in their units; default: variance one")] = False,
    seed: Seed = 0,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="folder of the results; default: a new one in runs/")
    ] = None,
) -> None:
    """Cluster a table by a Gaussian mixture that learns from it by big cooperative learning.

    Prints the clusters; writes `labels.csv`, `cluster.json`, `history.jsonl` and the mixture into a folder:
    `sampler.npz`, and `parameters.npz` in double precision. `biglearn sample` draws from it. Ctrl-C and SIGTERM end
    it with the best that was found.
    """
    from biglearn_sampler.data import FitInterrupted, fit_data
    from biglearn_sampler.data.cluster import Clustering
    from biglearn_sampler.data.files import read_table
    from biglearn_sampler.data.held_out import held_out
    from biglearn_sampler.data.labels import COLUMNS, read_labels
    from biglearn_sampler.data.points import check_table
    from biglearn_sampler.runs.cluster_folder import write_clustering

    table, truth = read_table(file, array, labels if labels in COLUMNS else None), None
    if labels is not None:
        table, truth = read_labels(labels, table)
    # What is held out would be looked at only after the fit, and a fit counts its own rows.
    if test is not None:
        check_table(table, missing=missing)
    options: dict[str, Any] = {"scheduler": scheduler, "floor": floor, "starts": starts, "missing": missing}
    options |= {"minibatch": minibatch, "coordinates": "raw" if raw else "standardized"}
    asked = {"file": str(file), "components": components, "seed": seed, "test": test, **options}
    kept = None if test is None else held_out(len(table), test, seed, truth)
    with signals_heard(), _made(out or RUNS / f"{file.stem}-clusters", numbered=out is None) as folder:
        seen, ending = table if kept is None else table[~kept], None
        try:
            fit = fit_data(seen, components, seed=seed, catalogue=catalogue_of(ctx), **options)
        except FitInterrupted as interrupted:
            fit, ending = interrupted.fit, interrupted.ending
        except KeyboardInterrupt:
            typer.echo("Interrupted before anything was found; nothing was kept.", err=True)
            raise
        found = Clustering.of(fit, table, truth, kept)
        # Also where nobody reads any more, as behind `| head`.
        try:
            print_table(("cluster", "points", "share", "weight"), found.rows(), labels=1)
            typer.echo("\n" + "\n".join(found.sentences()))
        finally:
            write_clustering(found, folder, asked, "finished" if ending is None else "interrupted")
        typer.echo(f"The labels and the mixture are in {folder}.")
        if ending is not None:
            raise ending


@contextmanager
def _made(path: Path, *, numbered: bool) -> Iterator[Path]:
    """A new folder, made before anything is learnt for it; taken away again where nothing came of it.

    Arguments:
        path: the folder, or the beginning of its name if `numbered`.
        numbered: whether the next free number is put behind the name.

    Raises:
        RunFolderError: the folder is there already and not empty, or cannot be made.
    """
    from biglearn_sampler.runs.folder import RunFolder

    there = {place for place in (path, *path.parents) if os.path.exists(place)}
    folder = RunFolder.create_numbered(path) if numbered else RunFolder.create(path)
    folder.figures.rmdir()
    try:
        yield folder.path
    except BaseException:
        # The first one that holds something stays, and so do those around it.
        with suppress(OSError):
            for place in (folder.path, *folder.path.parents):
                if place not in there:
                    place.rmdir()
        raise
