"""The interface of a report: a finished run in, files out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from biglearn_sampler.runs.run import Run


class AbstractReport(ABC):
    """A document or a figure about one run."""

    kind: ClassVar[str] = "report"

    @abstractmethod
    def write(self, run: Run, folder: Path) -> list[Path]:
        """Write files into `folder` (which exists) and return their paths; an empty list when it does not apply."""
