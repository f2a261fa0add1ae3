"""Compiled programs: the same ones every time, kept on disk, and dropped before there are too many."""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from pathlib import Path
from typing import Any

from biglearn_sampler.errors import UserError

logger = logging.getLogger(__name__)

CACHE_VARIABLE = "BIGLEARN_CACHE"

OPTIONS = {
    # JAX keeps by itself only what takes a second to compile, and a training is many programs that take less.
    "jax_persistent_cache_min_compile_time_secs": 0.0,
    "jax_persistent_cache_min_entry_size_bytes": -1,
}

REPEATED = "xla_gpu_deterministic_ops"
"""Option of XLA under which GPUs add up in one order, by algorithms that are not chosen by a race."""

QUICK = {"xla_backend_optimization_level": 1, "xla_cpu_use_fusion_emitters": False}
"""Options of XLA for CPUs: few passes over the machine code, and a code generator that writes much less of it."""

SLOWER = "programs take longer to compile"

COMPILING = (
    "/jax/core/compile/jaxpr_trace_duration",
    "/jax/core/compile/jaxpr_to_mlir_module_duration",
    "/jax/core/compile/backend_compile_duration",
)
"""Events of JAX that end with a duration: a function was traced, translated, and compiled or fetched."""

CROWDED = 0.5
"""Share of the mappings that a process may have, above which compiled programs are dropped."""

TRACED = 200_000
"""Objects that are made before Python looks for dead ones, while programs are traced."""

MAPPINGS, MOST_MAPPINGS = Path("/proc/self/maps"), Path("/proc/sys/vm/max_map_count")
"""Where Linux lists the mappings of this process, and how many it may have."""


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


def repeat_on_gpus() -> None:
    """Have programs for GPUs give the same digits every time: in this process and in those that it starts.

    On CPUs they do. Must be called before JAX has compiled anything; what the user says in `XLA_FLAGS` stays.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if REPEATED not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} --{REPEATED}=true".strip()


def quickly() -> dict[str, Any]:
    """Options of the compiler for programs that take longer to compile than to run.

    On a CPU a third to a half less time to compile. Whole trainings run no longer than without: what takes time in them
    are products of matrices, which a library does. One energy in a loop may take half as long again, another one less.
    What this version of the compiler does not know is left out.
    """
    # The command line answers without jax.
    import jax

    if jax.default_backend() != "cpu":
        return {}
    return {name: value for name, value in QUICK.items() if is_known(name, value, SLOWER)}


def jit_quickly(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """`jax.jit` with the options `quickly()`, which are asked for at the first call; for no use inside other programs.

    Arguments:
        function: as for `jax.jit`.
        options: of `jax.jit`.
    """

    @cache
    def compiled() -> Callable[..., Any]:
        import jax

        return jax.jit(function, compiler_options=quickly(), **options)

    @wraps(function)
    def called(*arguments: Any, **named: Any) -> Any:
        return compiled()(*arguments, **named)

    return called


@cache
def is_known(name: str, value: int | bool | str, otherwise: str, level: int = logging.INFO) -> bool:
    """Whether this version of the compiler knows an option; if not, the log says so once.

    Arguments:
        name, value: of the option.
        otherwise: what comes of it that it is not known.
        level: of the log.
    """
    import jax

    try:
        jax.jit(lambda: 0.0, compiler_options={name: value}).lower().compile()
    except (jax.errors.JaxRuntimeError, ValueError) as error:
        logger.log(level, "%s: %s", otherwise, error)
        return False
    return True


def seconds_compiling() -> float:
    """Seconds that this process has spent on it since it first asked: tracing, translating, compiling or fetching."""
    return _spent()[0]


@cache
def _spent() -> list[float]:
    """What JAX tells of its work, added up."""
    import jax

    spent = [0.0]

    def hear(event: str, duration_secs: float, **_: Any) -> None:
        if event in COMPILING:
            spent[0] += duration_secs

    jax.monitoring.register_event_duration_secs_listener(hear)
    return spent


@contextmanager
def collected_less() -> Iterator[None]:
    """Have Python look less often for dead objects that refer to each other; where it never does, it still never does.

    What JAX traces is millions of objects that stay. To look through them again and again is a sixth of the time to
    compile a training.
    """
    least, *older = gc.get_threshold()
    if least:
        gc.set_threshold(max(least, TRACED), *older)
    try:
        yield
    finally:
        gc.set_threshold(least, *older)


def make_room() -> None:
    """Drop compiled programs where there are so many that the next one might crash the process.

    The code of every program lies in mappings of its own, some thousands for a training or a chain, and programs stay
    as long as the process. Linux lets a process have 65,530 mappings by default; a compiler that gets none ends it with
    a segmentation fault. What is needed again is compiled again. Other systems have no such limit.
    """
    try:
        limit = int(MOST_MAPPINGS.read_text())
        with MAPPINGS.open("rb") as lines:
            count = sum(1 for _ in lines)
    except OSError:
        return
    if count <= CROWDED * limit:
        return
    # The command line answers without jax.
    import jax

    logger.info("%s of at most %s mappings are taken: compiled programs are dropped", count, limit)
    jax.clear_caches()
    gc.collect()
