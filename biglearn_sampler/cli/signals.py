"""Signals that end a training in good order: Ctrl-C, and SIGTERM as batch systems send it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer

from biglearn_sampler.errors import Terminated

HEARD = (signal.SIGINT, signal.SIGTERM)


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
