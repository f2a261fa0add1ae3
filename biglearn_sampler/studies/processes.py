"""Working processes on this machine, as many as are asked at the same time; each one that dies is replaced."""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

from biglearn_sampler.comparison import Trial
from biglearn_sampler.studies.job import Job
from biglearn_sampler.studies.process import Process
from biglearn_sampler.studies.surroundings import Surroundings

INTERVAL = 1.0
"""Seconds between two looks at whether a job is still wanted."""


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

    def run(self, job: Job, unwanted: Callable[[], bool] | None = None) -> Outcome:
        """The outcome of a job; its process is killed as soon as the job is unwanted, where somebody can say so."""
        began = time.monotonic()
        process = self._take()
        with _killed_when(unwanted, process):
            trial, alive = process.run(job)
        if alive and process.alive:
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
    return _processes(surroundings).run(job, _cancelled())


def _cancelled() -> Callable[[], bool]:
    """Whether the task of Dask that calls this was cancelled: its study has ended, however that came."""
    from distributed import get_worker  # pyright: ignore[reportMissingImports]

    worker = get_worker()
    tasks, key = worker.state.tasks, worker.get_current_task()

    def cancelled() -> bool:
        task = tasks.get(key)
        return task is not None and task.state == "cancelled"

    return cancelled


@contextmanager
def _killed_when(unwanted: Callable[[], bool] | None, process: Process) -> Iterator[None]:
    """While this lasts a process is killed as soon as its job is unwanted."""
    if unwanted is None:
        yield
        return
    over = threading.Event()

    def watch() -> None:
        while not over.wait(INTERVAL):
            if unwanted():
                process.kill()
                return

    watching = threading.Thread(target=watch, name="unwanted", daemon=True)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()


# One study after another: the processes of the one before are left to end with their pipes.
@lru_cache(maxsize=1)
def _processes(surroundings: Surroundings) -> Processes:
    return Processes(surroundings)
