"""The program `biglearn`: its global options, its commands, and how its errors are told.

A new command of this package is registered below, beside the others; a command of a plugin comes by the hook
`biglearn_commands`.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

from biglearn_sampler.catalogue.problems import told
from biglearn_sampler.cli import (
    catalogue_commands,
    check_command,
    compare_commands,
    data_commands,
    run_commands,
    sweep_commands,
)
from biglearn_sampler.cli.session import Session, catalogue_of, read_options
from biglearn_sampler.compilation import keep_compiled, repeat_on_gpus
from biglearn_sampler.errors import BiglearnError

# Plain help can be searched and piped, and brackets in the help of a plugin stay brackets.
MARKUP = None

ENDED = (128 + signal.SIGINT, 128 + signal.SIGTERM)
"""Statuses of a command that a signal has ended."""


class PluginGroup(TyperGroup):
    """The group of all commands, those of plugins included."""

    # Commands declare `ctx: typer.Context`, and typer by itself would pass an object of a parent class.
    context_class = typer.Context

    # The annotation is `Any`, because typer keeps that parent class private.
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Load plugins, add their commands, and then parse as usual.

        The options are read once before, because `--help` acts while they are parsed and must list the
        commands of plugins, wherever it stands.
        """
        values, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        if ctx.obj is None:
            ctx.obj = Session()
        ctx.obj.options = read_options(values)
        repeat_on_gpus()
        if ctx.obj.options.cache is not None:
            keep_compiled(ctx.obj.options.cache)
        added = typer.Typer(rich_markup_mode=MARKUP)
        catalogue_of(ctx).add_commands(added, taken=tuple(self.commands))
        self.commands.update(get_group(added).commands)
        for command in self.commands.values():
            command.context_class = typer.Context
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=PluginGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=MARKUP,
    context_settings={"help_option_names": ["-h", "--help"]},
)

run_commands.register(app)
compare_commands.register(app)
sweep_commands.register(app)
data_commands.register(app)
catalogue_commands.register(app)
check_command.register(app)


def _tell_version(asked: bool) -> bool:
    if asked:
        typer.echo(f"biglearn-sampler {version('biglearn-sampler')}")
        raise typer.Exit
    return asked


# The options are declared here for parsing and help; `PluginGroup` has already acted on them.
@app.callback()
def biglearn(
    plugin: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE|MODULE", help="Load this plugin too; may be repeated."),
    ] = None,
    block: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Leave out this plugin, or all of this distribution; may be repeated."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Leave out all but this plugin or distribution; may be repeated. Our own plugins stay only with "
            "--only biglearn-sampler beside.",
        ),
    ] = None,
    cache: Annotated[
        str | None, typer.Option(metavar="DIR", help="Keep compiled programs here, so that the next run need not wait.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at any problem of any plugin.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
    tell_version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Tell the version, and leave.")
    ] = False,
) -> None:
    """Sample from energies with Gaussian mixtures, and see how far the samples can be trusted.

    Targets, schedulers, baselines, metrics and reports come from plugins: installed ones; those in --plugin
    and in the variable BIGLEARN_PLUGINS, separated as in PATH; and a file `biglearn_plugin.py` in the working
    directory, which is loaded as pytest loads `conftest.py`. BIGLEARN_BLOCK holds names for --block,
    separated by commas, and BIGLEARN_CACHE the folder of --cache. A plugin runs code when it is loaded, as any
    import does.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit status.

    That is 0; 1 for a failure; 2 for a mistake of the user; 3 for another verdict than `train --require` asks for; 130
    for Ctrl-C; 143 for SIGTERM during a training or a fit.

    Arguments:
        arguments: what stands after the program's name; by default that of the process.
    """
    session = Session()
    status = _run(arguments, session)
    summary = session.problem_summary()
    if summary:
        typer.echo(summary, err=True)
    return status


def program() -> NoReturn:
    """Run the command line as the installed command does, and end the process with its status."""
    status = main()
    if status not in ENDED:
        raise SystemExit(status)
    # A computation may still run in a thread of JAX; what Python takes down under it can end in a segmentation fault.
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _run(arguments: Sequence[str] | None, session: Session) -> int:
    try:
        get_command(app).main(args=arguments, prog_name="biglearn", obj=session)
    except SystemExit as leaving:
        return _status_of(leaving)
    except BiglearnError as error:
        return _failed(str(error), error.exit_status, session)
    except ExceptionGroup as group:
        lines = [group.message, *(f"  {error}" for error in group.exceptions)]
        return _failed("\n".join(lines), 1, session)
    except Exception as error:
        advice = "" if session.options.debug else " (run again with --debug for the traceback)"
        return _failed(f"{told(error)}{advice}", 1, session)
    return 0


def _status_of(leaving: SystemExit) -> int:
    if leaving.code is None or isinstance(leaving.code, int):
        return leaving.code or 0
    # As Python itself does with `sys.exit("text")`.
    typer.echo(leaving.code, err=True)
    return 1


def _failed(text: str, status: int, session: Session) -> int:
    if session.options.debug:
        traceback.print_exc(file=sys.stderr)
    typer.echo(f"error: {text}", err=True)
    return status
