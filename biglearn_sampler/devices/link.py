"""A connection to another process of a run, which says at once when that process has gone."""

from __future__ import annotations

import os
import queue
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from biglearn_sampler.devices.messages import Foreign, Message
from biglearn_sampler.errors import TeamLost

BEAT = 5.0
"""Seconds between two signs of life."""

SILENCE = 60.0
"""Seconds without one after which a process counts as gone: it hangs, or the network does."""

GRACE, GRACE_OF_FOLLOWER = 30.0, 5.0
"""Seconds in which a process must notice that another one has gone; it may be waiting for it inside compiled code. The
leading one may also be busy elsewhere, and has something to write down."""

ALIVE, DONE, FAILED = "alive", "done", "failed"
"""What can be told beside calls: a sign of life, that all is well and over, or why it is over."""


@dataclass(frozen=True, order=True)
class Loss:
    """How another process was lost. The least of several losses is their cause.

    Arguments:
        failed: whether it told that it failed, perhaps because of another one; otherwise it has gone without a word.
        moment: when this process heard of it, by a clock of its own.
        sentence: for the user.
    """

    failed: bool
    moment: float
    sentence: str


class Link:
    """A connection on which messages arrive in order.

    Two threads serve it: one reads, one gives signs of life. If the other process has gone, and nobody has asked for it
    within `grace`, this one is ended with a sentence.

    Arguments:
        connection: open, and introduced on both sides.
        peer: what the other process is called.
        last_resort: what is done then, with the sentence.
        grace: seconds, as `GRACE` says.
    """

    def __init__(
        self,
        connection: socket.socket,
        peer: str,
        last_resort: Callable[[str], None] | None = None,
        grace: float = GRACE,
    ) -> None:
        self.peer, self._last_resort, self._grace = peer, last_resort or _end_this_process, grace
        self._connection, self._sending = connection, threading.Lock()
        self._arrived: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._lost, self._noticed, self._over = threading.Event(), threading.Event(), threading.Event()
        self._closing = threading.Event()
        self._loss: Loss | None = None
        connection.settimeout(SILENCE)
        for work in (self._read, self._beat):
            threading.Thread(target=work, daemon=True).start()

    def send(self, message: Message) -> None:
        """Tell something.

        Raises:
            TeamLost: the other process has gone.
        """
        self.check()
        try:
            with self._sending:
                message.send(self._connection)
        except OSError as error:
            self._lose(f"the connection broke: {error.strerror or error}")
            self.check()

    def next(self) -> Message:
        """The next message that is no sign of life; waits for it.

        Raises:
            TeamLost: the other process has gone.
        """
        message = self._arrived.get()
        if message is None:
            self.check()
            raise TeamLost(f"{self.peer} has left")
        return message

    def check(self, wait: float = 0.0) -> None:
        """See that the other process is there.

        Arguments:
            wait: seconds to wait for word that it is not.

        Raises:
            TeamLost: it is not.
        """
        self._lost.wait(wait)
        loss = self.loss()
        if loss is not None:
            raise TeamLost(loss.sentence)

    def loss(self) -> Loss | None:
        """How the other process was lost, of which whoever asks has now taken notice; `None` while it is there."""
        if self._loss is not None:
            self._noticed.set()
        return self._loss

    def close(self, farewell: Message, *, hang_up: bool = True) -> None:
        """Tell a last thing; whatever comes after is no loss.

        Arguments:
            farewell: what is told.
            hang_up: whether to close the connection now, or to leave that to the end of this process.
        """
        self._closing.set()
        self._noticed.set()
        try:
            with self._sending:
                farewell.send(self._connection)
                if hang_up:
                    self._connection.shutdown(socket.SHUT_WR)
        except OSError:
            return  # nobody is there to be told

    def wait_until_over(self, seconds: float) -> None:
        """Wait until the other side has hung up as well, but no longer than so many seconds."""
        self._over.wait(seconds)

    def _read(self) -> None:
        self._read_all()
        if self._closing.is_set():
            self._connection.close()  # otherwise it is left to the end of this process, of which it tells the other one
        self._over.set()

    def _read_all(self) -> None:
        while True:
            try:
                message = Message.receive(self._connection)
            except EOFError:
                return self._lose("its connection was closed; it was ended, or its machine was")
            except TimeoutError:
                return self._lose(f"nothing was heard of it for {SILENCE:.0f} seconds; it hangs, or the network does")
            except Foreign:
                return self._lose("it sent what this version does not understand")
            except OSError as error:
                return self._lose(f"the connection broke: {error.strerror or error}")
            if FAILED in message.header:
                return self._lose(str(message.header[FAILED]), failed=True)
            if ALIVE not in message.header:
                self._arrived.put(message)
            if DONE in message.header:
                self._closing.set()

    def _beat(self) -> None:
        while not self._closing.wait(BEAT) and not self._lost.is_set():
            try:
                with self._sending:
                    Message({ALIVE: True}).send(self._connection)
            except OSError:
                return  # the reading thread hears of it, with the reason

    def _lose(self, reason: str, *, failed: bool = False) -> None:
        if not self._closing.is_set() and not self._lost.is_set():
            how = "failed" if failed else "has gone"
            sentence = f"{self.peer} {how}: {reason}. The processes of a run can only go on together"
            self._loss = Loss(failed, time.monotonic(), sentence)
            self._lost.set()
            threading.Thread(target=self._see_that_it_is_noticed, args=(sentence,), daemon=True).start()
        self._arrived.put(None)

    def _see_that_it_is_noticed(self, sentence: str) -> None:
        if not self._noticed.wait(self._grace):
            self._last_resort(sentence)


def _end_this_process(reason: str) -> None:
    """End this process, which waits inside compiled code."""
    print(f"error: {reason}", file=sys.stderr, flush=True)
    os._exit(TeamLost.exit_status)
