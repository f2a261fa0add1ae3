"""What one process does of a reproduction: make one of its parts, or find out once they are all there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from biglearn_plugins.reproductions.progress import Tell
from biglearn_plugins.reproductions.reproduction import Finding, Part, Reproduction
from biglearn_sampler.catalogue.problems import told
from biglearn_sampler.precision import full_precision


@dataclass(frozen=True, eq=False)
class Job:
    """A part of a reproduction, or the finding.

    Arguments:
        reproduction: of which.
        part: which part; the finding if none.
        given: what its parts made, for the finding.
    """

    reproduction: Reproduction
    part: Part | None = None
    given: tuple[Any, ...] = ()

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.reproduction.name}, {self.part.name}" if self.part else self.reproduction.name

    @property
    def minutes(self) -> float:
        """That it takes, about."""
        return (self.part or self.reproduction).minutes

    def do(self, tell: Tell) -> Any:
        """What is made of the part; or the finding, also where a part cannot be made."""
        try:
            with full_precision():
                return self.part.make(tell) if self.part else self.reproduction.find(tell, *self.given)
        except Exception as error:
            return Finding.missing(told(error))


def first_jobs(reproduction: Reproduction) -> list[Job]:
    """What can be begun at once."""
    return [Job(reproduction, part) for part in reproduction.parts] or [Job(reproduction)]
