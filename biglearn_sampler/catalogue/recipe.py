"""What a catalogue was made of, so that another process can make the same."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """The arguments of a catalogue, as far as they can be told to another process.

    Arguments:
        modules, entry_points, block, only: as of `Catalogue`.
        files: with their whole paths.
        in_memory: names of plugins that no other process has.
    """

    modules: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    entry_points: bool = True
    block: tuple[str, ...] = ()
    only: tuple[str, ...] | None = None
    in_memory: tuple[str, ...] = ()
