"""A value of a declared type as bytes under a seal: a name, a version, a checksum, and an archive of arrays.

biglearn checkpoint 1
<SHA-256 of all that follows, in 64 digits>
<NPZ: `content`, JSON in UTF-8, and the arrays that it refers to; no pickle>
"""

from __future__ import annotations

import io
import json
from hashlib import sha256
from typing import Any

import numpy as np

from biglearn_sampler.checkpoints.typed_tree import Misfit, flattened, rebuilt

NAME, VERSION = b"biglearn checkpoint", 3
"""A reader refuses a version that it does not know; it changes with any declared type."""

LONGEST_LINE = 100


class Refused(ValueError):
    """Bytes that cannot be read, with the reason."""


def sealed(value: Any, kind: Any) -> bytes:
    """A value as bytes.

    Arguments:
        value: of the declared type.
        kind: the declared type, as in `typed_tree`.
    """
    content, arrays = flattened(value, kind)
    text = json.dumps(content, allow_nan=False, separators=(",", ":")).encode()
    file = io.BytesIO()
    named = {str(number): array for number, array in enumerate(arrays)}
    np.savez(file, allow_pickle=False, content=np.frombuffer(text, np.uint8), **named)
    payload = file.getvalue()
    return b"%s %d\n%s\n%s" % (NAME, VERSION, sha256(payload).hexdigest().encode(), payload)


def unsealed(kind: Any, data: bytes) -> Any:
    """The value in the bytes.

    Raises:
        Refused: they are foreign, damaged, or of another version or type.
    """
    payload = _payload(data)
    try:
        with np.load(io.BytesIO(payload), allow_pickle=False) as stored:
            content = json.loads(stored["content"].tobytes())
            arrays = {int(name): stored[name] for name in stored.files if name != "content"}
        return rebuilt(kind, content, arrays)
    except Misfit as error:
        raise Refused(f"it does not hold what is expected ({error})") from error
    # Whoever forges a checksum may have put anything behind it; NumPy and zipfile raise many kinds of errors.
    except Exception as error:
        raise Refused(f"it is no checkpoint ({type(error).__name__}: {error})") from error


def _payload(data: bytes) -> bytes:
    """What is under the seal, once the seal is whole."""
    head, _, rest = data.partition(b"\n")
    name, _, version = head[:LONGEST_LINE].rpartition(b" ")
    if name != NAME:
        raise Refused("it is no checkpoint" if data else "it is empty")
    if version != b"%d" % VERSION:
        told = version.decode(errors="replace")
        raise Refused(f"it is a checkpoint of version {told}, and this version of biglearn reads version {VERSION}")
    checksum, _, payload = rest.partition(b"\n")
    if checksum != sha256(payload).hexdigest().encode():
        raise Refused("it was cut off or changed: its checksum is wrong")
    return payload
