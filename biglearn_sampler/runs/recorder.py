"""What is kept of a training while it goes: history, snapshots, the last sampler, and what observers are told."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from biglearn_sampler.catalogue import Catalogue
from biglearn_sampler.compilation import jit_quickly
from biglearn_sampler.evaluation.mode_shares import coverage
from biglearn_sampler.mixture import FactoredMixture, GaussianMixture, Mixture
from biglearn_sampler.runs.folder import RunFolder
from biglearn_sampler.runs.plan import Plan
from biglearn_sampler.runs.progress_figures import row_of
from biglearn_sampler.runs.run import Snapshot
from biglearn_sampler.runs.snapshots import SnapshotTaker, Taken
from biglearn_sampler.runs.trainers import AbstractTrainer, TrainingProgress
from biglearn_sampler.runs.watcher import Watcher

SECONDS_BETWEEN_SAVES = 5.0
"""A run that is killed loses at most so much of its training."""

COVERAGE_DRAWS = 4096
"""Draws for the modes and their masses in the history; the figures at the end take more."""


@dataclass(frozen=True)
class ActiveRun:
    """What observers are given: the run as far as it is known while it goes.

    Arguments:
        name: qualified name of the target.
        record: as in `run.json`.
        folder: where it is written, if anywhere.
    """

    name: str
    record: dict[str, Any]
    folder: Path | None


@dataclass(frozen=True, eq=False)
class Recorded:
    """What was kept of a training up to some time.

    Arguments:
        rows: of the history.
        sampler: the last one, in the target's own units.
        taken: snapshots.
        verdicts: those after which the training went on, as JSON.
    """

    rows: int
    sampler: Mixture
    taken: Taken
    verdicts: tuple[str, ...] = ()


class Recorder:
    """The listener of a training.

    Arguments:
        plan: of the run.
        run: as observers see it.
        catalogue: whose observers are told.
        watcher: is told after every chunk.
        folder: where to write, or `None`.
        trainer: whose first mixture is the first snapshot.
    """

    def __init__(
        self,
        plan: Plan,
        run: ActiveRun,
        catalogue: Catalogue,
        watcher: Watcher,
        folder: RunFolder | None,
        trainer: AbstractTrainer,
    ) -> None:
        self._plan, self._run, self._catalogue, self._watcher, self._folder = (
            plan,
            run,
            catalogue,
            watcher,
            folder,
        )
        self._taker = SnapshotTaker(trainer.chunks, trainer.first)
        self._count_modes = _mode_counter(plan)
        self._saved = time.monotonic()
        self.history: list[dict[str, Any]] = []
        self.verdicts: list[dict[str, Any]] = []
        self.progress: TrainingProgress | None = None
        self.sampler: Mixture = trainer.first

    @property
    def recorded(self) -> Recorded:
        """What was kept until now."""
        verdicts = tuple(json.dumps(verdict) for verdict in self.verdicts)
        return Recorded(len(self.history), self.sampler, self._taker.taken, verdicts)

    def go_on(self, recorded: Recorded, history: Sequence[Mapping[str, Any]]) -> None:
        """Go on from what was kept, as if there had been no pause.

        Arguments:
            recorded: what was kept.
            history: its rows.
        """
        self.history, self.sampler = [dict(row) for row in history], recorded.sampler
        self._taker.taken = recorded.taken
        self.verdicts = [json.loads(verdict) for verdict in recorded.verdicts]

    def stands_at(self, progress: TrainingProgress) -> None:
        """Take in where a training stands, of which every chunk has been told."""
        self.progress = progress
        self.sampler = self._plan.in_own_units(progress.mixture)

    def __call__(self, progress: TrainingProgress) -> None:
        """Take in a chunk."""
        self.stands_at(progress)
        if isinstance(self.sampler, GaussianMixture):
            self._taker.see(progress.step, self.sampler)
        row = self._row(progress)
        self.history.append(row)
        if self._folder is not None:
            self._folder.append_history(row)
            if time.monotonic() - self._saved > SECONDS_BETWEEN_SAVES:
                self._folder.write_mixture(self.sampler)
                self._saved = time.monotonic()
        self._watcher.chunk_finished(row)
        self._catalogue.notify("biglearn_chunk_finished", run=self._run, step=progress.step, info=row)

    def snapshots(self) -> list[Snapshot]:
        """The kept snapshots, the last one the sampler as it is now."""
        step = 0 if self.progress is None else self.progress.step
        # A product of mixtures has too many components to be kept as one.
        last = None if isinstance(self.sampler, FactoredMixture) else Snapshot(step, self.sampler)
        return self._taker.snapshots(last)

    def _row(self, progress: TrainingProgress) -> dict[str, Any]:
        return {
            "step": progress.step,
            **progress.evaluations.to_json(),
            **row_of(progress),
            **self._count_modes(self.sampler),
            "zero_density": progress.zero_density,
        }


def _mode_counter(plan: Plan) -> Callable[[Mixture], dict[str, float | None]]:
    """Coverage of a sampler, where modes are known; for the eyes only, training never sees it."""
    facts = plan.target.value.facts
    if facts.responsibilities is None or facts.mode_weights is None:
        return lambda mixture: {"modes_covered": None, "mode_mass_tv": None}
    responsibilities, weights = facts.responsibilities, facts.mode_weights

    @jit_quickly
    def covered_by(mixture: Mixture) -> tuple[jax.Array, jax.Array]:
        points = mixture.sample(plan.keys.evaluation, COVERAGE_DRAWS)
        # NaN where a point is too far from all modes.
        return coverage(jnp.nan_to_num(jax.vmap(responsibilities)(points)).mean(0), weights)

    def counted(mixture: Mixture) -> dict[str, float | None]:
        covered, variation = covered_by(mixture)
        return {"modes_covered": int(covered), "mode_mass_tv": round(float(variation), 6)}

    return counted
