"""Signals that end a training in good order: Ctrl-C, and SIGTERM as batch systems send it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import typer

from biglearn_sampler.errors import Terminated

HEARD = (signal.SIGINT, signal.SIGTERM)

MOMENT = 0.05
"""Seconds until a signal is sent again whose exception was lost."""


@contextmanager
def signals_heard() -> Iterator[None]:
    """While this lasts both signals raise an exception; a second one ends the process at once.

    The exit status is 130 after Ctrl-C and 143 after SIGTERM.
    """
    # What is ignored stays ignored: a shell has said so for a job in the background.
    before = {number: handler for number in HEARD if (handler := signal.getsignal(number)) is not signal.SIG_IGN}
    if threading.current_thread() is not threading.main_thread():  # which alone hears signals
        before = {}
    for number in before:
        signal.signal(number, _end)
    try:
        with _lost_ones_sent_again(before):
            yield
    except Terminated as ending:
        raise typer.Exit(ending.exit_status) from ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


def _end(number: int, frame: FrameType | None) -> None:
    """End the training; from now on the system itself answers, at once."""
    for each in HEARD:
        signal.signal(each, signal.SIG_DFL)
    raise Terminated if number == signal.SIGTERM else KeyboardInterrupt


@contextmanager
def _lost_ones_sent_again(numbers: Iterable[int]) -> Iterator[None]:
    """While this lasts a signal is sent again that came where Python ignores exceptions.

    It does so in all that the garbage collector calls, of JAX too, which runs for a large share of the time.
    """
    tell = sys.unraisablehook

    def ignored(lost: Any) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            tell(lost)
            return
        for number in numbers:
            signal.signal(number, _end)
        _send_in_a_moment(signal.SIGTERM if issubclass(lost.exc_type, Terminated) else signal.SIGINT)

    sys.unraisablehook = ignored
    try:
        yield
    finally:
        sys.unraisablehook = tell


def _send_in_a_moment(number: int) -> None:
    timer = threading.Timer(MOMENT, _send, [number])
    timer.daemon = True
    timer.start()


def _send(number: int) -> None:
    """Send a signal to the main thread, unless another one has ended the training, or it has ended by itself.

    One sent to the process may go to any thread, and the main one, if it waits for something, goes on waiting.
    """
    if signal.getsignal(number) is not _end:
        return
    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        signal.pthread_kill(main, number)
    else:
        os.kill(os.getpid(), number)
