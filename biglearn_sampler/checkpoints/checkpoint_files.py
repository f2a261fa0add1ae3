"""The checkpoints in a folder: the last two are kept, and the newest that can be read is used."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from biglearn_sampler.checkpoints.sealed import Refused, sealed, unsealed

KEPT = 2
"""The one before is there for the case that the last one is damaged."""

FILE = re.compile(r"\d{6}\.checkpoint")


@dataclass(frozen=True)
class CheckpointFiles:
    """Checkpoints `000001.checkpoint`, `000002.checkpoint`, ... of one type.

    Arguments:
        folder: where they lie; it need not exist.
        kind: the declared type of what they hold.
        replace: writes a file in one piece, given its name and its content.
    """

    folder: Path
    kind: Any
    replace: Callable[[str, bytes], None]

    def write(self, value: Any) -> None:
        """Write one more, and remove those that are no longer needed."""
        before = self.names()
        number = int(before[-1].split(".")[0]) + 1 if before else 1
        self.replace(f"{number:06d}.checkpoint", sealed(value, self.kind))
        for name in before[: max(len(before) + 1 - KEPT, 0)]:
            (self.folder / name).unlink(missing_ok=True)

    def newest(self) -> tuple[Any | None, list[str]]:
        """The newest value that can be read, or `None`; and why newer ones cannot."""
        refused = []
        for name in reversed(self.names()):
            try:
                return unsealed(self.kind, (self.folder / name).read_bytes()), refused
            except (Refused, OSError) as error:
                refused.append(f"{self.folder / name} cannot be used: {error}")
        return None, refused

    def names(self) -> list[str]:
        """Of all that are there, the oldest first."""
        if not self.folder.is_dir():
            return []
        return sorted(name for name in os.listdir(self.folder) if FILE.fullmatch(name))

    def remove(self) -> None:
        """Remove them all, and the folder if nothing else lies in it."""
        for name in self.names():
            (self.folder / name).unlink(missing_ok=True)
        if self.folder.is_dir() and not os.listdir(self.folder):
            self.folder.rmdir()
