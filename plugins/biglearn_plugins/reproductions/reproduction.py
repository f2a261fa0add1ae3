"""A reproduction: what a paper says, and how today's code finds out; and what was found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from biglearn_plugins.reports.page.drawing import Picture
from biglearn_plugins.reproductions.progress import Tell


@dataclass(frozen=True)
class Finding:
    """What a reproduction found.

    Arguments:
        agrees: whether it is what the paper says.
        sentence: the finding, with its numbers.
        pictures: with alternative texts.
        headings, rows: a table.
        animations: GIFs by the name of their file.
        failed: whether it could not be made; then the sentence has the reason.
    """

    agrees: bool
    sentence: str
    pictures: tuple[Picture, ...]
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    animations: dict[str, bytes] = field(default_factory=dict)
    failed: bool = False

    @classmethod
    def missing(cls, reason: str) -> Finding:
        """Of a reproduction that could not be made."""
        return cls(False, f"It could not be made: {reason}", (), (), (), failed=True)

    @property
    def verdict(self) -> str:
        """`agrees`, `differs` or `failed`."""
        return "failed" if self.failed else "agrees" if self.agrees else "differs"


@dataclass(frozen=True)
class Part:
    """What takes long of a reproduction, and can be made beside its other parts.

    Arguments:
        name: among them.
        make: makes it, the same numbers every time, and tells what it is at.
        minutes: that it takes, about; of several at once the longest begins first.
    """

    name: str
    make: Callable[[Tell], Any]
    minutes: float


@dataclass(frozen=True)
class Reproduction:
    """One simulation of a paper.

    Arguments:
        name: what users type.
        title: a heading.
        claim: what the paper says, in short.
        find: makes the simulation again, the same numbers every time, and tells what it is at; also given what its
            parts made, one after another.
        parts: none where `find` does everything.
        minutes: that `find` takes, as of a part.
    """

    name: str
    title: str
    claim: str
    find: Callable[..., Finding]
    parts: tuple[Part, ...] = ()
    minutes: float = 2.0
