"""One working process on this machine."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from contextlib import suppress
from typing import IO

from biglearn_sampler.comparison import Trial
from biglearn_sampler.studies.job import Job
from biglearn_sampler.studies.surroundings import MODULE_PATH, Surroundings

COMMAND = (sys.executable, "-P", "-m", "biglearn_sampler.studies.work")
"""Without the working directory on the module path: a file `random.py` there is no module of Python."""

PATIENCE = 10.0
"""Seconds that a process has to end, once its answers have."""


class Process:
    """A process that runs jobs one after another, so that seeds share what was compiled.

    It is started afresh, and not forked, since JAX has threads; and not by `multiprocessing`, which would run the
    script of the user again, and which a worker of Dask may not use. When this process ends, it ends too.

    Arguments:
        surroundings: the same for all jobs.
    """

    def __init__(self, surroundings: Surroundings) -> None:
        # In a session of its own: Ctrl-C reaches the study, which then ends its processes.
        self._process = subprocess.Popen(
            COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, env=_environment()
        )
        self._greeting = [(sys.path, os.environ.get(MODULE_PATH)), surroundings]

    def run(self, job: Job) -> tuple[Trial, bool]:
        """The trial of a job, and whether the process can take another one; one that dies is the reason."""
        try:
            while self._greeting:
                pickle.dump(self._greeting.pop(0), self._input)
            pickle.dump(job, self._input)
            self._input.flush()
            return pickle.load(self._output), True
        # A process that dies leaves a closed pipe, or half an answer.
        except (OSError, EOFError, pickle.UnpicklingError):
            return Trial(job.method, job.seed, {}, failed=self._death()), False

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it, in the middle of a job or not."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End it, and give back what belongs to it; nobody may be waiting for an answer."""
        self.kill()
        self._output.close()
        # A job that was not taken any more may still be on its way into the pipe.
        with suppress(OSError):
            self._input.close()

    def _death(self) -> str:
        """How it ended, as a reason."""
        try:
            status = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            return "its process closed its answers and went on"
        finally:
            self.close()
        if status >= 0:
            return f"its process ended with status {status}"
        return f"its process was killed by signal {-status}, {_name_of(-status)}"

    @property
    def _input(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def _output(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout


def _environment() -> dict[str, str]:
    """That of this process, with all of its module path: a script may have added the place of the package to it."""
    return {**os.environ, MODULE_PATH: os.pathsep.join(path for path in sys.path if path)}


def _name_of(number: int) -> str:
    meanings = {signal.SIGSEGV: " (a crash of compiled code)", signal.SIGKILL: " (by hand, or for want of memory)"}
    try:
        found = signal.Signals(number)
    except ValueError:
        return "unknown"
    return f"{found.name}{meanings.get(found, '')}"
