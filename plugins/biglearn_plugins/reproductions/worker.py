"""A process that does one job, and tells of it."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from biglearn_plugins.reproductions.job import Job
from biglearn_plugins.reproductions.reproduction import Finding


@dataclass(frozen=True, eq=False)
class Worker:
    """The process of a job.

    Arguments:
        job: what it does.
        process: itself.
        receiver: where it tells what it is at, and in the end what it made.
    """

    job: Job
    process: SpawnProcess
    receiver: Connection

    @classmethod
    def of(cls, job: Job) -> Worker:
        """Begin a job."""
        context = get_context("spawn")
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(job, sender), daemon=True)
        process.start()
        # The worker has its own; with this one closed, its end is the end of what can be received.
        sender.close()
        return cls(job, process, receiver)

    def message(self) -> Any:
        """The next one: a text that says what it is at, or what it made."""
        try:
            return self.receiver.recv()
        except (EOFError, OSError):  # between two messages, or within one
            self.process.join()
            return Finding.missing(f"its process ended with status {self.process.exitcode}")

    def stop(self) -> None:
        """End it, whatever it is at."""
        self.process.kill()
        self.process.join()


def _work(job: Job, sender: Connection) -> None:
    """Of the process: Ctrl-C is for the one that started it, which stops it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sender.send(job.do(sender.send))
