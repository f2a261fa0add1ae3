"""One process at a time writes into a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from biglearn_sampler.errors import RunFolderError

try:
    import fcntl
except ImportError:  # Windows, where nothing is locked
    fcntl = None


@contextmanager
def only_here(folder: Path) -> Iterator[None]:
    """While this lasts no other process can say the same of the folder; a process that is killed gives it back.

    Raises:
        RunFolderError: another process has it.
    """
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunFolderError(f"another process is writing into {folder}; wait for it, or end it") from error
        except OSError:
            pass  # a file system without locks
        yield
    finally:
        os.close(descriptor)
