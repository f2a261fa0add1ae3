"""Compiled programs kept on disk, so that the next process need not compile them again."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from biglearn_sampler.errors import UserError

CACHE_VARIABLE = "BIGLEARN_CACHE"

OPTIONS = {
    # JAX keeps by itself only what takes a second to compile, and a training is many programs that take less.
    "jax_persistent_cache_min_compile_time_secs": 0.0,
    "jax_persistent_cache_min_entry_size_bytes": -1,
}


def keep_compiled(folder: str | Path) -> None:
    """Keep compiled programs in a folder, and take them from there: in this process and in those that it starts.

    The figures of a run stay the same to the last digit; only the time to compile goes. The folder grows with every
    program and every version of JAX, and may be deleted at any time. Programs are run as they lie there, so it must be
    a folder that nobody else can write to.

    Arguments:
        folder: is made if it is not there.

    Raises:
        UserError: it cannot be made or written to.
    """
    path = Path(folder).expanduser().absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
    # A path with a null byte raises ValueError.
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"the folder of compiled programs {path} cannot be made: {reason}") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise UserError(f"the folder of compiled programs {path} cannot be written to; give another one")
    options = {"jax_compilation_cache_dir": str(path), **OPTIONS}
    os.environ.update({name.upper(): str(value) for name, value in options.items()})
    # JAX reads its variables when it is imported.
    if "jax" in sys.modules:
        import jax
        from jax.experimental.compilation_cache.compilation_cache import reset_cache

        for name, value in options.items():
            jax.config.update(name, value)
        # Where something was compiled already, JAX has decided to keep nothing.
        reset_cache()
