"""Making reproductions, one after another in this process or several at once, each in a process of its own."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from biglearn_plugins.reproductions.progress import ProgressLines, Tell
from biglearn_plugins.reproductions.reproduction import Finding, Reproduction
from biglearn_sampler.catalogue.problems import told
from biglearn_sampler.precision import full_precision


def made(
    reproductions: Sequence[Reproduction], processes: int, lines: ProgressLines
) -> Generator[tuple[Reproduction, Finding], None, None]:
    """What each finds, or why it could not be made, as soon as it is known.

    Arguments:
        reproductions: begun in this order; of several at once the longest first.
        processes: how many are made at once; where it is 1 this process makes them.
        lines: are told what begins, what it is at, and what has ended.
    """
    if processes > 1:
        yield from _made_at_once(reproductions, processes, lines)
        return
    for each in reproductions:
        lines.begin(each.name, each.title)
        finding = _finding(each, partial(lines.tell, each.name))
        lines.end(each.name)
        yield each, finding


def _finding(reproduction: Reproduction, tell: Tell) -> Finding:
    try:
        with full_precision():
            return reproduction.find(tell)
    except Exception as error:
        return Finding.missing(told(error))


@dataclass(frozen=True)
class _Worker:
    """A process that makes one reproduction, and where it tells of it."""

    reproduction: Reproduction
    process: SpawnProcess
    receiver: Connection

    @classmethod
    def of(cls, reproduction: Reproduction) -> _Worker:
        context = get_context("spawn")
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(reproduction, sender), daemon=True)
        process.start()
        # The worker has its own; with this one closed, its end is the end of what can be received.
        sender.close()
        return cls(reproduction, process, receiver)

    def message(self) -> str | Finding:
        """The next one: what it is at, or what it found."""
        try:
            return self.receiver.recv()
        except (EOFError, OSError):  # between two messages, or within one
            self.process.join()
            return Finding.missing(f"its process ended with status {self.process.exitcode}")

    def stop(self) -> None:
        self.process.kill()
        self.process.join()


def _work(reproduction: Reproduction, sender: Connection) -> None:
    """Of a worker: Ctrl-C is for the process that started it, which stops it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sender.send(_finding(reproduction, sender.send))


def _made_at_once(
    reproductions: Sequence[Reproduction], processes: int, lines: ProgressLines
) -> Generator[tuple[Reproduction, Finding], None, None]:
    waiting = deque(sorted(reproductions, key=lambda each: -each.minutes))
    running: list[_Worker] = []
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                running.append(_Worker.of(waiting.popleft()))
                lines.begin(running[-1].reproduction.name, running[-1].reproduction.title)
            ready = wait([each.receiver for each in running])
            for worker in [each for each in running if each.receiver in ready]:
                name, message = worker.reproduction.name, worker.message()
                if isinstance(message, str):
                    lines.tell(name, message)
                    continue
                running.remove(worker)
                worker.process.join()
                lines.end(name)
                yield worker.reproduction, message
    finally:
        for worker in running:
            worker.stop()
