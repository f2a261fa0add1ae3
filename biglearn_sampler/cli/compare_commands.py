"""Commands that put methods side by side and tell of them: `compare`, `report` and `cite`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer

from biglearn_sampler.cli.assignments import assignments
from biglearn_sampler.cli.method_names import methods_named
from biglearn_sampler.cli.run_commands import RUNS, Trust
from biglearn_sampler.cli.session import catalogue_of
from biglearn_sampler.cli.signals import signals_heard
from biglearn_sampler.cli.tables import print_table
from biglearn_sampler.errors import RunFailed, UserError

REPORT = "page"
"""The report that `biglearn report` writes by default."""

Folders = Annotated[list[Path], typer.Argument(metavar="RUN...", help="folders of runs, or one of a comparison")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module to an app."""
    app.command("compare")(compare)
    app.command("report")(report)
    app.command("cite")(cite)


def compare(
    ctx: typer.Context,
    target: Annotated[str, typer.Argument(metavar="TARGET", help="as of `biglearn train`")],
    with_: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="NAME,...",
            help="baselines, as in nuts,parallel_tempering or 'nuts(chains=8)'; `all` for every one; may be repeated",
        ),
    ] = None,
    budget: Annotated[
        int, typer.Option(min=1, metavar="EVALS", help="evaluations of the energy and its gradient for each trial")
    ] = 1_000_000,
    seeds: Annotated[int, typer.Option(min=1, metavar="N", help="trials of every method, on the seeds 0 to N-1")] = 3,
    parameter: Annotated[
        list[str] | None,
        typer.Option("-p", "--parameter", metavar="NAME=VALUE", help="parameter of the target; may be repeated"),
    ] = None,
    settings: Annotated[
        str | None, typer.Option(metavar="NAME|FILE.toml", help="of our sampler; its start, metrics serve all methods")
    ] = None,
    assignment: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="one setting, such as start.sd=0.1; may be repeated"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="folder of the comparison; default: a new one in runs/")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with what is in --out")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="print only the folder of the comparison")] = False,
) -> None:
    """Compare our sampler with MCMC and other methods at equal numbers of energy evaluations.

    Prints a table over the seeds; writes results.json, results.csv and a page, report.html, into a folder.
    """
    from biglearn_sampler.cli.progress_bar import comparison_progress
    from biglearn_sampler.comparison.sentences import sentences_of
    from biglearn_sampler.comparison.table import table_of
    from biglearn_sampler.runs import compare as compare_methods

    if resume and out is None:
        raise UserError("to resume a comparison, say which: give its folder as --out")
    catalogue = catalogue_of(ctx)
    with signals_heard(), comparison_progress(quiet) as watcher:
        comparison = compare_methods(
            target,
            baselines=methods_named(with_, catalogue),
            budget=budget,
            seeds=seeds,
            settings=settings,
            overrides=assignments("--set", assignment),
            parameters=assignments("-p", parameter),
            out=out or RUNS / f"{target.split(':')[-1]}-compared",
            numbered=out is None,
            resume=resume,
            catalogue=catalogue,
            watcher=watcher,
        )
    if not quiet:
        print_table(*table_of(comparison), labels=1)
        typer.echo("\n" + "\n".join(sentences_of(comparison)))
    typer.echo(f"{comparison.folder}" if quiet else f"\nThe comparison is in {comparison.folder}.")


def report(
    ctx: typer.Context,
    folders: Folders,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="a new folder; default: that of the run, if there is only one")
    ] = None,
    name: Annotated[str, typer.Option("--report", metavar="NAME", help="which report to write")] = REPORT,
    trust: Trust = False,
) -> None:
    """Write a page about finished runs on one target, or about a comparison again."""
    from biglearn_sampler.runs.gather import gathered
    from biglearn_sampler.runs.report import paths_problem

    if out is None and len(folders) > 1:
        raise UserError("the page is about several runs; say where it shall be, with --out DIR")
    catalogue = catalogue_of(ctx)
    comparison = gathered(folders, catalogue, trusted=trust)
    where, new = out or folders[0], out is not None and not any(_same(out, folder) for folder in folders)
    built = catalogue.build("report", name)
    try:
        with _folder(where, new=new):
            written = built.value.write_comparison(comparison, where)
            if not written:
                raise UserError(f"the report '{name}' is about single runs, not about comparisons")
            problem = paths_problem(written, where)
            if problem is not None:
                raise RunFailed(f"the report '{name}' failed: `write_comparison` {problem}")
    except OSError as error:
        raise RunFailed(f"nothing can be written into {where}: {error.strerror or error}") from error
    for path in written:
        typer.echo(f"{path}")


def cite(
    folders: Annotated[
        list[Path] | None, typer.Argument(metavar="RUN...", help="folders of runs or comparisons; none: the toolkit")
    ] = None,
) -> None:
    """List what to cite: the toolkit, and the sources of everything that runs and comparisons used."""
    from biglearn_sampler.comparison.citations import citations_of
    from biglearn_sampler.runs.gather import record_of

    for name, reference in citations_of([record_of(folder) for folder in folders or ()]):
        typer.echo(f"{name}: {reference}")


def _same(first: Path, second: Path) -> bool:
    return first.resolve() == second.resolve()


@contextmanager
def _folder(path: Path, *, new: bool) -> Iterator[None]:
    """A folder to write into; where that fails, what was made of it and is empty is taken away again.

    Arguments:
        path: the folder.
        new: whether it must not hold anything yet.
    """
    from biglearn_sampler.runs.whole_files import new_folder

    made = [each for each in (path, *path.parents) if not each.exists()]
    try:
        if new:
            new_folder(path)
        path.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        with suppress(OSError):
            for each in made:
                each.rmdir()
        raise
