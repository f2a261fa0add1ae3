"""Where a run stands: its training, what was kept of it, and of which run it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from biglearn_sampler.checkpoints import CheckpointFiles
from biglearn_sampler.engine import EngineState
from biglearn_sampler.learning import FitState, SavedFit
from biglearn_sampler.runs.folder import RunFolder
from biglearn_sampler.runs.plan import Plan
from biglearn_sampler.runs.recorder import Recorded
from biglearn_sampler.runs.settings import WITHOUT_EFFECT
from biglearn_sampler.runs.target_print import agree
from biglearn_sampler.runs.whole_files import WholeFiles

FOLDER = "checkpoints"

TrainingState = EngineState | FitState
SavedTraining = EngineState | SavedFit


@dataclass(frozen=True, eq=False)
class Origin:
    """Of which run a checkpoint is.

    Arguments:
        seed: of the run.
        settings: a hash of those on which the training depends.
        precision: of the numbers, in bits.
        region: centre and scale that the target declares.
        energies: of the target, at the points at which it was looked at before the training.
    """

    seed: int
    settings: str
    precision: int
    region: Float[np.ndarray, "2 dim"]
    energies: Float[np.ndarray, " points"]

    @classmethod
    def of(cls, plan: Plan, energies: Float[np.ndarray, " points"]) -> Origin:
        """Of a plan whose energy was looked at."""
        # The verdict is heard between trainings: a checkpoint within one does not depend on how much it may ask.
        kept = plan.settings.model_dump(mode="json", exclude={*WITHOUT_EFFECT, "devices", "verdict"})
        target = plan.target.value
        return cls(
            seed=plan.seed,
            settings=_digest(kept),
            precision=64 if jax.config.read("jax_enable_x64") else 32,
            region=np.stack([np.asarray(target.centre, float), np.asarray(target.scale, float)]),
            energies=np.asarray(energies, float),
        )

    def difference(self, other: Origin) -> str | None:
        """What differs in another run, if anything."""
        if self.region.shape != other.region.shape or not np.array_equal(self.region, other.region):
            return "target (its dimension, centre or scale)"
        if not agree(self.energies, other.energies):
            return "target (its energy at the same points)"
        named = {"seed": self.seed != other.seed, "settings": self.settings != other.settings}
        named["precision of numbers"] = self.precision != other.precision
        return next((name for name, differs in named.items() if differs), None)


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A run between two units of work of its training.

    Arguments:
        origin: of which run it is.
        training: all that the next unit depends on.
        recorded: what was kept so far.
    """

    origin: Origin
    training: SavedTraining
    recorded: Recorded


def checkpoints_of(folder: RunFolder) -> CheckpointFiles:
    """The checkpoints in the folder of a run."""
    place = folder.path / FOLDER

    def replace(name: str, content: bytes) -> None:
        place.mkdir(exist_ok=True)
        WholeFiles(place).write_bytes(name, content)

    return CheckpointFiles(place, Checkpoint, replace)


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
