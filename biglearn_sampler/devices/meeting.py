"""How the processes of a run find each other."""

from __future__ import annotations

import atexit
import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from biglearn_sampler.devices.link import GRACE_OF_FOLLOWER, SILENCE, Link
from biglearn_sampler.devices.messages import Foreign, Message
from biglearn_sampler.devices.processes import Follower, Leader, failed
from biglearn_sampler.devices.team import ALONE, AbstractTeam
from biglearn_sampler.errors import RunFailed, UserError

PATIENCE = 300.0
"""Seconds that processes wait for one another."""

PAUSE = 0.2
"""Seconds between two attempts to reach the coordinator."""

INTRODUCTION = 30.0
"""Seconds in which a process that has connected must say who it is."""

INTERRUPTED = 130
"""Exit status after Ctrl-C."""

PACKAGES = ("biglearn-sampler", "jax", "jaxlib")
"""What all processes must have in the same version: they compile the same program."""


@dataclass(frozen=True)
class Place:
    """The part of a process in a run.

    Arguments:
        host, port: where the process with number 0 is met; a name or an address of its machine.
        number: of this process, from 0.
        size: number of processes.
    """

    host: str
    port: int
    number: int
    size: int

    @classmethod
    def of(cls, coordinator: str | None, number: int | None, size: int | None) -> Place | None:
        """From what the command line was told; `None` for a run of one process.

        Raises:
            UserError: it makes no sense, or only a part of it was told.
        """
        told = {"--coordinator": coordinator, "--process-id": number, "--processes": size}
        missing = [name for name, value in told.items() if value is None]
        if len(missing) == len(told):
            return None
        if missing:
            raise UserError(f"a run of several processes needs {', '.join(told)}; missing: {', '.join(missing)}")
        assert coordinator is not None and number is not None and size is not None
        host, _, port = coordinator.rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
            raise UserError(f"--coordinator must be HOST:PORT, such as 10.0.0.1:9876, got {coordinator!r}")
        if size < 1 or not 0 <= number < size:
            raise UserError(
                f"--process-id must be from 0 to {max(size, 1) - 1}, one less than --processes, got {number}"
            )
        return cls(host.strip("[]"), int(port), number, size)

    def address(self, port: int) -> str:
        """Of a port of the host, as HOST:PORT; an address of IPv6 stands in brackets."""
        return f"[{self.host}]:{port}" if ":" in self.host else f"{self.host}:{port}"

    @property
    def coordinator(self) -> str:
        """Where process 0 is met."""
        return self.address(self.port)


@contextmanager
def met(place: Place | None) -> Iterator[AbstractTeam]:
    """The team of a run, once all its processes are there; before anything is computed with JAX.

    Process 0 listens at the coordinator's address; the others come and say who they are. It trusts whoever comes: such
    a run belongs into a network of one's own.

    Arguments:
        place: of this process; `None` for a run of one process.

    Raises:
        UserError: the address cannot be had, or the processes do not belong together.
        RunFailed: not all of them came within `PATIENCE`.
    """
    if place is None or place.size == 1:
        yield ALONE
        return
    team = _led(place) if place.number == 0 else _followed(place)
    try:
        yield team
        team.dismiss()
    except BaseException as error:
        team.end(failed(error))
        _leave_at_once(error)
        raise


def _led(place: Place) -> Leader:
    """Wait for the others, number by number, and tell them where JAX meets."""
    try:
        listening = _listening(place.host, place.port)
    except OSError as error:
        raise UserError(
            f"process 0 cannot listen at {place.coordinator}: {error.strerror or error}; --coordinator must name "
            "this machine, and a port that is free"
        ) from error
    came: dict[int, socket.socket] = {}
    until = time.monotonic() + PATIENCE
    with listening:
        while len(came) < place.size - 1:
            listening.settimeout(max(until - time.monotonic(), 0.01))
            try:
                connection, _ = listening.accept()
            except TimeoutError:
                absent = sorted(set(range(1, place.size)) - set(came))
                reason = f"of {place.size} processes these did not come within {PATIENCE:.0f} seconds: {absent}"
                _refuse(came.values(), reason)
                raise RunFailed(reason) from None
            number = _introduced(connection, place, came)
            if number is not None:
                came[number] = connection
    with _listening(place.host, 0) as free:
        meeting = free.getsockname()[1]
    for connection in came.values():
        Message({"welcome": meeting}).send(connection)
    _join(place, meeting)
    return Leader([Link(came[number], f"process {number} of {place.size}") for number in sorted(came)])


def _listening(host: str, port: int) -> socket.socket:
    """Listens at an address of IPv4, or at one of IPv6 where the host has no other."""
    families = {found[0] for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    family = socket.AF_INET if socket.AF_INET in families else socket.AF_INET6
    return socket.create_server((host, port), family=family)


def _introduced(connection: socket.socket, place: Place, came: Mapping[int, Any]) -> int | None:
    """The number of a process that came; one that does not belong here is told why."""
    connection.settimeout(INTRODUCTION)
    try:
        told = Message.receive(connection, largest=0).header
    except (OSError, EOFError, Foreign):
        connection.close()
        return None
    number, reason = told.get("number"), None
    if told.get("size") != place.size:
        reason = f"--processes is {told.get('size')} here and {place.size} in process 0"
    elif not isinstance(number, int) or not 0 < number < place.size or number in came:
        reason = f"a process with the number {number} is there already"
    elif told.get("versions") != _versions():
        reason = f"the versions here are {told.get('versions')}, and in process 0 {_versions()}"
    if reason is None:
        return number
    _refuse([connection], reason)
    return None


def _refuse(connections: Any, reason: str) -> None:
    for connection in connections:
        try:
            Message({"refused": reason}).send(connection)
        except OSError:
            continue  # it has gone already
        finally:
            connection.close()


def _followed(place: Place) -> Follower:
    """Come to the process that leads, and wait until all are there."""
    connection = _connected(place)
    try:
        port = _welcomed(connection, place)
    except BaseException:
        connection.close()
        raise
    _join(place, port)
    return Follower(Link(connection, f"process 0 of {place.size}", grace=GRACE_OF_FOLLOWER), place.size)


def _welcomed(connection: socket.socket, place: Place) -> int:
    """Say who this process is, and wait to be told the port where JAX meets."""
    connection.settimeout(PATIENCE + INTRODUCTION)
    try:
        Message({"number": place.number, "size": place.size, "versions": _versions()}).send(connection)
        answer = Message.receive(connection).header
    except (OSError, EOFError, Foreign) as error:
        raise RunFailed(f"process 0 at {place.coordinator} has gone before all processes were there") from error
    if "refused" in answer:
        raise UserError(f"process 0 at {place.coordinator} refused this process: {answer['refused']}")
    return int(answer["welcome"])


def _connected(place: Place) -> socket.socket:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return socket.create_connection((place.host, place.port), timeout=INTRODUCTION)
        except OSError as error:
            if time.monotonic() > until:
                raise RunFailed(
                    f"process 0 was not found at {place.coordinator} within {PATIENCE:.0f} seconds: "
                    f"{error.strerror or error}"
                ) from error
            time.sleep(PAUSE)


def _join(place: Place, port: int) -> None:
    """Have JAX know the devices of all processes."""
    import jax

    # SIGTERM is ours; and whoever has gone is known long before JAX would end the process with a trace.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        jax.distributed.initialize(
            place.address(port),
            place.size,
            place.number,
            cluster_detection_method="deactivate",
            initialization_timeout=round(PATIENCE),
            heartbeat_timeout_seconds=round(10 * SILENCE),
            shutdown_timeout_seconds=round(SILENCE),
        )
    except RuntimeError as error:
        raise RunFailed(f"the processes of the run cannot compute together: {error}") from error


def _versions() -> dict[str, str]:
    return {name: version(name) for name in PACKAGES}


def _leave_at_once(error: BaseException) -> None:
    """End this process without what JAX does at the end: it would wait for others that are gone."""
    by_itself = INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1
    status = int(getattr(error, "exit_status", by_itself))

    def leave() -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)

    atexit.register(leave)
