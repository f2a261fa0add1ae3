"""Commands that make runs and use them: `train`, `sample` and `evaluate`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any, Literal

import typer

from biglearn_sampler.cli.assignments import assignments
from biglearn_sampler.cli.session import catalogue_of
from biglearn_sampler.cli.signals import signals_heard
from biglearn_sampler.cli.tables import print_json
from biglearn_sampler.errors import RunFailed, UserError
from biglearn_sampler.seeds import SEEDS

RUNS = Path("runs")
"""Where runs go that name no folder."""

MOST_DRAWS = 100_000_000
"""Draws at most, as in the setting `evaluation.draws`: a number beyond it is a slip of the hand."""

ANOTHER_VERDICT = 3
"""Status of a training whose verdict is not the one that `--require` asks for."""

WITH_RESUME = (
    "resume",
    "budget",
    "minutes",
    "quiet",
    "require",
    "trust",
    "devices",
    "coordinator",
    "process_id",
    "processes",
)
"""What may be said of a run that goes on."""

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="folder of a run")]
Seed = Annotated[int, typer.Option(min=0, max=SEEDS - 1, help="the same seed gives the same result")]
Trust = Annotated[bool, typer.Option("--trust", help="run the file of the model that the folder names")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module to an app."""
    app.command("train")(train)
    app.command("sample")(sample)
    app.command("evaluate")(evaluate)


def train(
    ctx: typer.Context,
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="TARGET", help="name of a target (`biglearn show targets`), or a NumPyro model as FILE.py:NAME"
        ),
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option("-p", "--parameter", metavar="NAME=VALUE", help="parameter of the target; may be repeated"),
    ] = None,
    settings: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE.toml", help="a preset (`biglearn show settings`) or a file"),
    ] = None,
    assignment: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="one setting, such as training.steps=500; may be repeated"),
    ] = None,
    budget: Annotated[
        int | None,
        typer.Option(
            metavar="EVALS",
            help="evaluations of the energy and its gradient at most, of the training; the verdict (usually about "
            "150,000 to 310,000) and the figures (20,000) come on top",
        ),
    ] = None,
    minutes: Annotated[float | None, typer.Option(metavar="M", help="wall time of the training at most")] = None,
    components: Annotated[int | None, typer.Option(metavar="K", help="mixture components at most")] = None,
    baseline: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="run this beside, such as nuts; may be repeated")
    ] = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="folder of the run; default: a new one in runs/")
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN", help="go on with the run in this folder, also under a larger --budget or more --minutes"
        ),
    ] = None,
    trust: Annotated[bool, typer.Option("--trust", help="with --resume: run the file of the model it names")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="print only the folder of the run, and the verdict on standard error")
    ] = False,
    require: Annotated[
        Literal["covered"] | None,
        typer.Option(metavar="covered", help="end with status 3 if the verdict is another one"),
    ] = None,
    devices: Annotated[
        int | None, typer.Option(metavar="N", help="devices of this machine, which share evaluations of the energy")
    ] = None,
    coordinator: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="for a run of several processes: where process 0 is to be met"),
    ] = None,
    process_id: Annotated[
        int | None, typer.Option("--process-id", metavar="I", help="number of this process, from 0; number 0 leads")
    ] = None,
    processes: Annotated[int | None, typer.Option(metavar="N", help="number of processes")] = None,
) -> None:
    """Train a sampler on a target, and measure it.

    Prints the figures with their standard errors and what they mean; writes the run into a folder. Ctrl-C and SIGTERM
    write down where it stands; --resume goes on from there. The status is 0 whatever the verdict is, unless --require
    asks for one.
    """
    from biglearn_sampler.cli.progress_bar import progress
    from biglearn_sampler.cli.run_tables import print_run_tables
    from biglearn_sampler.devices.meeting import Place, met
    from biglearn_sampler.devices.processes import Follower
    from biglearn_sampler.runs import resume as resume_run
    from biglearn_sampler.runs import train as train_run
    from biglearn_sampler.runs.follow import follow, follow_resumed
    from biglearn_sampler.runs.shorthands import with_shorthands
    from biglearn_sampler.runs.summary import sentences

    _check_one_run(ctx, target, resume)
    if trust and resume is None:
        raise UserError("--trust belongs to --resume RUN; a model in a file that is named as TARGET is run anyway")
    shorthands = {"budget": budget, "minutes": minutes, "components": components, "devices": devices}
    asked: dict[str, Any] = {
        "seed": seed,
        "settings": settings,
        "overrides": with_shorthands(assignments("--set", assignment), None, shorthands),
        "parameters": assignments("-p", parameter),
    }
    catalogue = catalogue_of(ctx)
    with signals_heard(), met(Place.of(coordinator, process_id, processes)) as team:
        if isinstance(team, Follower):
            if resume is not None:
                follow_resumed(team, resume, devices, catalogue, trusted=trust)
            else:
                follow(team, target, **asked, catalogue=catalogue)
            return
        with progress(quiet) as watcher:
            if resume is not None:
                run = resume_run(
                    resume,
                    budget=budget,
                    minutes=minutes,
                    catalogue=catalogue,
                    watcher=watcher,
                    trusted=trust,
                    devices=devices,
                    team=team,
                )
            else:
                run = train_run(
                    target,
                    **asked,
                    baselines=baseline or (),
                    out=out or RUNS / str(target).split(":")[-1],
                    numbered=out is None,
                    catalogue=catalogue,
                    watcher=watcher,
                    team=team,
                )
    verdict = run.metrics.get("verdict", {})
    if quiet:
        typer.echo(f"{run.folder}")
        typer.echo(verdict.get("sentence", "There is no verdict."), err=True)
    else:
        print_run_tables(run.metrics)
        typer.echo("\n" + "\n".join(sentences(run.metrics)))
        typer.echo(f"\nThe run is in {run.folder}, its figures in {run.folder}/figures.")
    if require is not None and verdict.get("verdict") != require:
        typer.echo(f"the verdict is '{verdict.get('verdict')}', and --require asks for '{require}'", err=True)
        raise typer.Exit(ANOTHER_VERDICT)


def sample(
    ctx: typer.Context,
    run: RunArgument,
    count: Annotated[int, typer.Option("-n", "--count", min=1, max=MOST_DRAWS, help="number of draws")],
    out: Annotated[Path, typer.Option(metavar="FILE.npy", help="where to write the draws, shape (n, dim)")],
    seed: Seed = 0,
) -> None:
    """Draw from a trained sampler, or from the mixture of `biglearn cluster`, in double precision then."""
    import jax
    import numpy as np

    from biglearn_sampler.runs.cluster_folder import draws_of_clustering
    from biglearn_sampler.runs.folder import RunFolder

    if out.suffix != ".npy":
        raise UserError(f"--out must be a file that ends in .npy, got {out}")
    folder = RunFolder.existing(run)
    mixture = folder.read_mixture()
    _check_free(out)
    draws = draws_of_clustering(folder, count, seed)
    if draws is None:
        draws = np.asarray(mixture.sample(jax.random.key(seed), count))
    with _new_file(out) as file:
        np.save(file, draws)
    typer.echo(f"{count:,} draws of dimension {mixture.dim} are in {out}")


def evaluate(
    ctx: typer.Context,
    run: RunArgument,
    draws: Annotated[
        int | None, typer.Option(min=100, max=MOST_DRAWS, help="fresh draws; default: as many as the run took")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=SEEDS - 1, help="of the draws")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
    trust: Trust = False,
) -> None:
    """Measure a trained sampler again, on fresh draws; the run folder stays as it is."""
    from biglearn_sampler.cli.run_tables import print_run_tables
    from biglearn_sampler.runs.evaluate import evaluate as evaluate_run
    from biglearn_sampler.runs.load import load
    from biglearn_sampler.runs.summary import sentences

    catalogue = catalogue_of(ctx)
    metrics = evaluate_run(load(run, catalogue=catalogue, trusted=trust), catalogue, draws=draws, seed=seed)
    if as_json:
        print_json(metrics)
        return
    print_run_tables(metrics)
    typer.echo("\n" + "\n".join(sentences(metrics)))


def _check_one_run(ctx: typer.Context, target: str | None, resume: Path | None) -> None:
    """See that either a new run or an old one is asked for.

    Raises:
        UserError: neither or both.
    """
    if target is None and resume is None:
        raise UserError("Missing argument 'TARGET': name what to train on, or give --resume RUN")
    if resume is None:
        return
    parameters = {parameter.name: parameter for parameter in ctx.command.params}
    sources = {name: ctx.get_parameter_source(name) for name in parameters if name is not None}
    given = [name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]
    others = [parameters[name].opts[0] for name in given if name not in WITH_RESUME]
    if others:
        told = ", ".join("TARGET" if other == "target" else other for other in others)
        raise UserError(
            f"--resume goes on with the run as it was begun, so {told} cannot be given again; a larger --budget or "
            "more --minutes can"
        )


def _check_free(path: Path) -> None:
    """See that a file can be written, and leave none: a process that ends while it draws could not take it away.

    Raises:
        UserError: it is there already, or cannot be made.
    """
    with _new_file(path):
        pass
    path.unlink()


@contextmanager
def _new_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that is whole at the end, or absent."""
    try:
        file = path.open("xb")
    except FileExistsError as error:
        raise UserError(f"{path} exists already; give another --out, or remove it") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be written: {getattr(error, 'strerror', None) or error}") from error
    try:
        with file:
            yield file
    except BaseException as error:
        path.unlink()
        if isinstance(error, OSError):
            raise RunFailed(f"{path} cannot be written: {error.strerror or error}") from error
        raise
