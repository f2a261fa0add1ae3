"""The two kinds of processes of a run that has several: the one that leads, and those that follow."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from biglearn_sampler.devices.link import DONE, FAILED, Link
from biglearn_sampler.devices.messages import Message
from biglearn_sampler.devices.team import AbstractTeam
from biglearn_sampler.errors import SettingsError, TeamLost

F = TypeVar("F", bound=Callable[..., Any])

CALL, AGREE = "call", "agree"
"""What the leading process asks for: a call of a shared function, or that a run be the same."""

LONGEST_REASON = 2000
"""Letters of what is told of an error."""

PARTING = 5.0
"""Seconds in which the others have read a farewell and ended."""

MOMENT = 3.0
"""Seconds in which word of the leading process arrives, after compiled code failed in one that follows."""

SOONER = 2.0
"""Seconds in which word of another process arrives, after compiled code failed in the leading one; fewer than `MOMENT`,
so that those that follow are told the reason instead of telling a consequence."""

AFTERMATH = 1.0
"""Seconds in which word of a process that has gone arrives, after another one told that it failed: it may have failed
because of that."""

PAUSE = 0.02
"""Seconds between two looks at who is lost."""


class Dismissed(Exception):
    """The leading process needs no other one: the run is finished."""


class Leader(AbstractTeam):
    """The process that leads.

    Arguments:
        links: to the other processes.
    """

    def __init__(self, links: Sequence[Link]) -> None:
        self.size = len(links) + 1
        self._links = list(links)
        self._told: dict[tuple[str, int], jax.Array] = {}

    def shared(self, name: str, function: F, example: Callable[[], Any] | None = None) -> F:
        """The function, called by all."""

        def called(*arguments: Any, **options: Any) -> Any:
            if not self._links:
                return function(*arguments, **options)
            leaves, structure = jax.tree.flatten(arguments)
            news = [place for place, leaf in enumerate(leaves) if self._is_news(name, place, leaf)]
            header = {CALL: name, "options": options, "news": news, "keys": [_is_key(leaf) for leaf in leaves]}
            self._tell(Message(header, [_sent(leaves[place]) for place in news]))
            # In the form in which they arrive elsewhere, so that all processes compile the same.
            arrived = [_received(_sent(leaf), _is_key(leaf)) for leaf in leaves]
            try:
                return jax.block_until_ready(function(*jax.tree.unflatten(structure, arrived), **options))
            except Exception:
                self._tell_who_is_lost()
                raise

        return called  # pyright: ignore[reportReturnType]

    def agree(self, what: Mapping[str, Any]) -> None:
        """Tell the others what was asked for, and wait until they have compared it."""
        self._tell(Message({AGREE: dict(what)}))
        for link in self._links:
            link.next()

    def dismiss(self) -> None:
        """Let the others end in peace."""
        self.end(Message({DONE: True}))

    def end(self, farewell: Message) -> None:
        """Tell the others that it is over, and why, and let them go first: JAX takes the end of this one badly."""
        for link in self._links:
            link.close(farewell)
        until = time.monotonic() + PARTING
        for link in self._links:
            link.wait_until_over(max(until - time.monotonic(), 0.0))
        self._links = []

    def _is_news(self, name: str, place: int, leaf: Any) -> bool:
        """Whether an argument is another one than the last time; arrays of JAX never change."""
        if isinstance(leaf, jax.Array) and self._told.get((name, place)) is leaf:
            return False
        if isinstance(leaf, jax.Array):
            self._told[name, place] = leaf
        else:
            self._told.pop((name, place), None)
        return True

    def _tell(self, message: Message) -> None:
        try:
            for link in self._links:
                link.send(message)
        except TeamLost:
            self._tell_who_is_lost()
            raise

    def _tell_who_is_lost(self) -> None:
        """Name the process because of which nothing goes on; return if all are there.

        One that has gone makes others fail, and their word may be the first: it is waited for.

        Raises:
            TeamLost: of all the others the first that has gone, or else the first that failed.
        """
        until = time.monotonic() + SOONER
        while True:
            first = min((loss for link in self._links if (loss := link.loss()) is not None), default=None)
            if first is not None:
                until = min(until, first.moment + AFTERMATH)
                if not first.failed or time.monotonic() >= until:
                    raise TeamLost(first.sentence)
            elif time.monotonic() >= until:
                return
            time.sleep(PAUSE)


class Follower(AbstractTeam):
    """A process that follows.

    Arguments:
        link: to the one that leads.
        size: number of processes.
    """

    follows = True

    def __init__(self, link: Link, size: int) -> None:
        self.size = size
        self._link = link
        self._functions: dict[str, tuple[Callable[..., Any], Any]] = {}
        self._known: dict[tuple[str, int], np.ndarray] = {}

    def shared(self, name: str, function: F, example: Callable[[], Any] | None = None) -> F:
        """The function; from now on the leading process can have it called."""
        self._functions[name] = (function, jax.tree.structure(() if example is None else example()))
        return function

    def agree(self, what: Mapping[str, Any]) -> None:
        """Compare with what the leading process was asked for.

        Raises:
            Dismissed: it has found that there is nothing to do.
        """
        header = self._link.next().header
        if DONE in header:
            raise Dismissed
        theirs = dict(header[AGREE])
        mine = json.loads(json.dumps(dict(what)))
        for name in {**theirs, **mine}:
            if theirs.get(name) != mine.get(name):
                raise SettingsError(
                    f"the processes of a run must be asked for the same, but here {name} is {mine.get(name)}, and in "
                    f"process 0 {theirs.get(name)}; give the same command everywhere but for --process-id"
                )
        self._link.send(Message({AGREE: True}))

    def follow(self) -> None:
        """Do as the leading process does, until it says that it is over.

        Raises:
            TeamLost: it has gone, or failed.
        """
        while True:
            message = self._link.next()
            if DONE in message.header:
                return
            name, keys = message.header[CALL], message.header["keys"]
            function, structure = self._functions[name]
            news = zip(message.header["news"], message.arrays, strict=True)
            self._known |= {(name, place): array for place, array in news}
            leaves = [_received(self._known[name, place], is_key) for place, is_key in enumerate(keys)]
            try:
                jax.block_until_ready(function(*jax.tree.unflatten(structure, leaves), **message.header["options"]))
            except Exception:
                self._link.check(wait=MOMENT)
                raise

    def dismiss(self) -> None:
        """It is not for this process to say."""

    def end(self, farewell: Message) -> None:
        """Tell the leading process why this one ends."""
        self._link.close(farewell, hang_up=False)


def failed(error: BaseException) -> Message:
    """What is told of an error, in one line."""
    if isinstance(error, TeamLost):
        return Message({FAILED: "another process has gone"})
    if isinstance(error, KeyboardInterrupt):
        return Message({FAILED: "it was interrupted"})
    return Message({FAILED: " ".join(str(error).split())[:LONGEST_REASON] or type(error).__name__})


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _sent(leaf: Any) -> np.ndarray:
    return np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf)


def _received(array: np.ndarray, is_key: bool) -> Any:
    return jax.random.wrap_key_data(jnp.asarray(array)) if is_key else array
