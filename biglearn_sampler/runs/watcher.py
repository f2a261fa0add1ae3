"""Who is told how a run goes while it goes: nobody, or the progress bar of the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Watcher(Protocol):
    """Is told what happens; whatever it does, the run stays the same."""

    def training_began(self, steps: int | None) -> None:
        """The training is about to be compiled and will take so many steps, if that is known."""

    def chunk_finished(self, row: Mapping[str, Any]) -> None:
        """A chunk is done; the row stands in `history.jsonl`."""

    def phase_began(self, text: str) -> None:
        """Something else began, such as a baseline."""


class Nobody:
    """A watcher that does nothing."""

    def training_began(self, steps: int | None) -> None:
        """Ignored."""

    def chunk_finished(self, row: Mapping[str, Any]) -> None:
        """Ignored."""

    def phase_began(self, text: str) -> None:
        """Ignored."""
