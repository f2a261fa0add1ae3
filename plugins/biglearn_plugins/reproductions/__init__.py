"""The simulations of the papers, made again by one command, with what the paper says beside what is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from biglearn_sampler.catalogue import hookimpl

if TYPE_CHECKING:
    import typer


@hookimpl
def biglearn_commands(commands: typer.Typer) -> None:
    """The command `reproduce`; what is heavy is imported when it runs."""
    from biglearn_plugins.reproductions.command import reproduce

    commands.command("reproduce")(reproduce)
