"""Working processes on this machine, as many as are asked at the same time; each one that dies is replaced."""

from __future__ import annotations

import queue
import socket
import threading
import time
from dataclasses import dataclass
from functools import lru_cache

from biglearn_sampler.comparison import Trial
from biglearn_sampler.studies.job import Job
from biglearn_sampler.studies.process import Process
from biglearn_sampler.studies.surroundings import Surroundings


@dataclass(frozen=True, eq=False)
class Outcome:
    """A trial, and how it came about.

    Arguments:
        trial: of the job.
        host: name of the machine.
        seconds: that the job took, all included.
        attempts: of which this was the last.
    """

    trial: Trial
    host: str
    seconds: float
    attempts: int = 1


class Processes:
    """Idle processes and busy ones; threads may run jobs in them at the same time, and whatever dies costs one job.

    Arguments:
        surroundings: the same for all jobs.
    """

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._idle: queue.SimpleQueue[Process] = queue.SimpleQueue()
        self._living: set[Process] = set()
        self._lock = threading.Lock()
        self._closed = False

    def run(self, job: Job) -> Outcome:
        """The outcome of a job."""
        began = time.monotonic()
        process = self._take()
        trial, alive = process.run(job)
        if alive:
            self._idle.put(process)
        else:
            with self._lock:
                self._living.discard(process)
        return Outcome(trial, socket.gethostname(), round(time.monotonic() - began, 1))

    def stop(self) -> None:
        """End all processes, in the middle of a job or not; every thread that waits for one gets a failed trial."""
        with self._lock:
            self._closed = True
            for process in self._living:
                process.kill()

    def close(self) -> None:
        """End all processes, once no thread waits for one."""
        self.stop()
        for process in self._living:
            process.close()

    def _take(self) -> Process:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            pass
        with self._lock:
            if self._closed:
                raise RuntimeError("the processes were stopped")
            process = Process(self._surroundings)
            self._living.add(process)
        return process


def run_elsewhere(job: Job, surroundings: Surroundings) -> Outcome:
    """The outcome of a job, in a process of the machine where this is called: what a worker of Dask does."""
    return _processes(surroundings).run(job)


# One study after another: the processes of the one before are left to end with their pipes.
@lru_cache(maxsize=1)
def _processes(surroundings: Surroundings) -> Processes:
    return Processes(surroundings)
