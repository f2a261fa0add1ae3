"""The interface of a report: a finished run or a comparison in, files out; or a target in, a picture out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from biglearn_sampler.catalogue.values import shown
from biglearn_sampler.comparison import Comparison
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.mixture import Mixture
from biglearn_sampler.runs.run import Run


class AbstractReport(ABC):
    """A document or a figure about one run."""

    kind: ClassVar[str] = "report"

    @abstractmethod
    def write(self, run: Run, folder: Path) -> list[Path]:
        """Write files into `folder` (which exists) and return their paths; an empty list when it does not apply."""

    def draw_target(self, target: AbstractTarget, name: str, path: Path) -> bool:
        """Draw a target by itself, before any run.

        Arguments:
            target: may be of any dimension, and know nothing of itself.
            name: what the picture calls it.
            path: a PNG file to write, in a folder that exists.

        Returns:
            whether it was drawn; a report that is about runs only draws nothing.
        """
        return False

    def draw_sampler(self, sampler: Mixture, name: str, path: Path) -> bool:
        """Draw a trained sampler by itself; arguments and result as of `draw_target`."""
        return False

    def write_comparison(self, comparison: Comparison, folder: Path) -> list[Path]:
        """Write files about a comparison into `folder` and return their paths; by default there are none."""
        return []

    def draw_comparison(self, comparison: Comparison, path: Path) -> bool:
        """Draw a comparison as one small picture, PNG or SVG; arguments and result as of `draw_target`."""
        return False


def paths_problem(paths: Any, folder: Path) -> str | None:
    """What is wrong with what a report gave, as the end of a sentence; `None` if these are files in its folder."""
    if not isinstance(paths, list):
        return f"must return a list of paths, got {shown(paths)}"
    for path in paths:
        if not isinstance(path, Path) or not path.resolve().is_relative_to(folder.resolve()):
            return f"returned {shown(path)}; expected a Path inside the folder it was given"
        if not path.is_file() or path.stat().st_size == 0:
            return f"returned {path.name}, which does not exist or is empty"
    return None
