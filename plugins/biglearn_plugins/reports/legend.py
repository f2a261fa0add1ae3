"""Legends below the panels of a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple


def add_legend_below(figure: Figure, entries: Sequence[tuple[Any, str]], columns: int, size: int = 10) -> None:
    """Explain artists, or tuples of artists, in letters of a size in points."""
    artists, texts = zip(*entries, strict=True)
    figure.legend(
        artists,
        texts,
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=size,
        columnspacing=1.5,
        handler_map={tuple: HandlerTuple(ndivide=None, pad=0.0)},
    )
