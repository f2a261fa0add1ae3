"""Writes down where a run stands, as often as its settings ask for, and at its end if it was cut short."""

from __future__ import annotations

import logging
import time

from biglearn_sampler.engine import EngineState
from biglearn_sampler.errors import RunFailed
from biglearn_sampler.learning import SavedFit
from biglearn_sampler.runs.checkpoint import Checkpoint, Origin, TrainingState, checkpoints_of
from biglearn_sampler.runs.folder import RunFolder
from biglearn_sampler.runs.recorder import Recorded, Recorder
from biglearn_sampler.runs.settings import CheckpointSettings

logger = logging.getLogger(__name__)


class Checkpointer:
    """Is told of every state between two units of a training.

    Arguments:
        folder: of the run.
        settings: how often.
        origin: of which run the states are.
        recorder: whose record belongs to each state.
    """

    def __init__(self, folder: RunFolder, settings: CheckpointSettings, origin: Origin, recorder: Recorder) -> None:
        self._folder, self._files = folder, checkpoints_of(folder)
        self._settings, self._origin, self._recorder = settings, origin, recorder
        self._written_at = time.monotonic()
        self._written_step = 0
        self._last: tuple[TrainingState, Recorded] | None = None
        self._is_written = True

    def __call__(self, state: TrainingState) -> None:
        """Keep a state in mind, and write it if it is time."""
        # One assignment, since Ctrl-C may come between any two.
        self._last = (state, self._recorder.recorded)
        self._is_written = False
        steps, minutes = self._settings.steps, self._settings.minutes
        by_steps = steps is not None and _step(state) - self._written_step >= steps
        if by_steps or time.monotonic() - self._written_at >= 60.0 * minutes:
            self.write_last()

    def write_last(self) -> bool:
        """Write the newest state, unless it is on the disk already; tells whether it is.

        A disk that is full for a while costs a checkpoint and not the run.
        """
        if self._last is None or self._is_written:
            return self._last is not None
        state, recorded = self._last
        self._written_at, self._written_step = time.monotonic(), _step(state)
        training = state if isinstance(state, EngineState) else SavedFit.of(state)
        try:
            if recorded.rows:
                self._folder.files.sync("history.jsonl")
            self._files.write(Checkpoint(self._origin, training, recorded))
        except (RunFailed, OSError) as error:
            logger.warning("no checkpoint was written: %s", error)
            return False
        self._is_written = True
        return True


def _step(state: TrainingState) -> int:
    return state.step if isinstance(state, EngineState) else int(state.train.step)
