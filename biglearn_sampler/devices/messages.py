"""What processes tell each other over a connection: a line of JSON, and arrays as they are. No pickle."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

LENGTH = struct.Struct("!I")
LONGEST_HEADER = 1 << 20
LARGEST_ARRAYS = 1 << 36
"""Bytes; more is no message of ours."""

KINDS = "fiub"
"""Of numbers that may be sent."""


class Foreign(Exception):  # noqa: N818
    """What came is no message."""


@dataclass(frozen=True, eq=False)
class Message:
    """What is told at once.

    Arguments:
        header: as JSON has it.
        arrays: of numbers.
    """

    header: Mapping[str, Any]
    arrays: Sequence[np.ndarray] = field(default=())

    def send(self, connection: socket.socket) -> None:
        """Send it whole."""
        forms = [[array.dtype.str, list(array.shape)] for array in self.arrays]
        header = json.dumps({"header": self.header, "forms": forms}).encode()
        parts = [np.ascontiguousarray(array).tobytes() for array in self.arrays]
        connection.sendall(b"".join([LENGTH.pack(len(header)), header, *parts]))

    @classmethod
    def receive(cls, connection: socket.socket, largest: int = LARGEST_ARRAYS) -> Message:
        """The next one.

        Arguments:
            connection: from which it comes.
            largest: bytes of all its arrays at most.

        Raises:
            EOFError: the other side has closed the connection.
            OSError: it broke, or nothing came for longer than its timeout.
            Foreign: what came is no message.
        """
        (length,) = LENGTH.unpack(_exactly(connection, LENGTH.size))
        if length > LONGEST_HEADER:
            raise Foreign
        try:
            content = json.loads(_exactly(connection, length))
            header = dict(content["header"])
            forms = [(np.dtype(str(kind)), [int(size) for size in shape]) for kind, shape in content["forms"]]
        except (ValueError, TypeError, KeyError) as error:
            raise Foreign from error
        sizes = [kind.itemsize * int(np.prod(shape, dtype=object)) for kind, shape in forms]
        odd = any(kind.kind not in KINDS or min(shape, default=0) < 0 for kind, shape in forms)
        if odd or sum(sizes) > largest:
            raise Foreign
        arrays = [
            np.frombuffer(_exactly(connection, size), kind).reshape(shape)
            for (kind, shape), size in zip(forms, sizes, strict=True)
        ]
        return cls(header, arrays)


def _exactly(connection: socket.socket, count: int) -> bytearray:
    """So many bytes."""
    content, filled = bytearray(count), 0
    while filled < count:
        came = connection.recv_into(memoryview(content)[filled:])
        if not came:
            raise EOFError
        filled += came
    return content
