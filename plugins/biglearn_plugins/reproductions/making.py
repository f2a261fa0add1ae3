"""Making reproductions, one after another in this process or several at once, each job in a process of its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Sequence
from functools import partial
from multiprocessing.connection import wait
from typing import Any

from biglearn_plugins.reproductions.job import Job, first_jobs
from biglearn_plugins.reproductions.progress import ProgressLines
from biglearn_plugins.reproductions.reproduction import Finding, Reproduction
from biglearn_plugins.reproductions.worker import Worker

Found = Generator[tuple[Reproduction, Finding], None, None]
"""What each finds, or why it could not be made, as soon as it is known."""


def made(reproductions: Sequence[Reproduction], processes: int, lines: ProgressLines) -> Found:
    """Make them.

    Arguments:
        reproductions: begun in this order; of several at once what takes longest first.
        processes: how many jobs are done at once; where it is 1 this process does them.
        lines: are told what begins, what it is at, and what has ended.
    """
    if processes > 1:
        return _Pool(reproductions, processes, lines).made()
    return _made_here(reproductions, lines)


def _made_here(reproductions: Sequence[Reproduction], lines: ProgressLines) -> Found:
    for each in reproductions:
        lines.announce(each.title)
        yield each, _found_here(each, lines)


def _found_here(reproduction: Reproduction, lines: ProgressLines) -> Finding:
    given: list[Any] = []
    for part in reproduction.parts:
        result = _done_here(Job(reproduction, part), lines)
        if isinstance(result, Finding):  # it could not be made
            return result
        given.append(result)
    return _done_here(Job(reproduction, given=tuple(given)), lines)


def _done_here(job: Job, lines: ProgressLines) -> Any:
    lines.begin(job.name)
    result = job.do(partial(lines.tell, job.name))
    lines.end(job.name)
    return result


class _Pool:
    """Several jobs at once."""

    def __init__(self, reproductions: Sequence[Reproduction], processes: int, lines: ProgressLines) -> None:
        self._waiting = [job for each in reproductions for job in first_jobs(each)]
        self._running: list[Worker] = []
        self._parts: dict[str, dict[str, Any]] = defaultdict(dict)
        self._announced: set[str] = set()
        self._processes, self._lines = processes, lines

    def made(self) -> Found:
        """All of them; who does not wait for the rest leaves no process behind."""
        try:
            while self._waiting or self._running:
                while self._waiting and len(self._running) < self._processes:
                    self._begin(max(self._waiting, key=lambda job: job.minutes))
                for receiver in wait([each.receiver for each in self._running]):
                    # One whose reproduction has just failed is not there any more.
                    for worker in [each for each in self._running if each.receiver is receiver]:
                        finding = self._hear(worker)
                        if finding is not None:
                            yield worker.job.reproduction, finding
        finally:
            for worker in self._running:
                worker.stop()

    def _begin(self, job: Job) -> None:
        self._waiting.remove(job)
        self._running.append(Worker.of(job))
        if job.reproduction.name not in self._announced:
            self._announced.add(job.reproduction.name)
            self._lines.announce(job.reproduction.title)
        self._lines.begin(job.name)

    def _hear(self, worker: Worker) -> Finding | None:
        """Of a job: what its reproduction found, if that is known now."""
        job, message = worker.job, worker.message()
        if isinstance(message, str):
            self._lines.tell(job.name, message)
            return None
        worker.process.join()
        self._end(worker)
        if isinstance(message, Finding):
            self._drop(job.reproduction)
            return message
        assert job.part  # the finding is a `Finding`
        made = self._parts[job.reproduction.name]
        made[job.part.name] = message
        if len(made) == len(job.reproduction.parts):
            given = tuple(made[part.name] for part in job.reproduction.parts)
            self._waiting.append(Job(job.reproduction, given=given))
        return None

    def _end(self, worker: Worker) -> None:
        self._running.remove(worker)
        self._lines.end(worker.job.name)

    def _drop(self, reproduction: Reproduction) -> None:
        """What is not needed any more: the other parts of one that could not be made."""
        self._waiting = [job for job in self._waiting if job.reproduction is not reproduction]
        for worker in [each for each in self._running if each.job.reproduction is reproduction]:
            worker.stop()
            self._end(worker)
