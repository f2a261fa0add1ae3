"""Settings that must hold before anything imports JAX, matplotlib or a package under test."""

import atexit
import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from itertools import count

import pytest
from jaxtyping import config, install_import_hook

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "Agg")
# Most of the time of the tests is compilation of programs that then run for milliseconds.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
# One piece of machine code for each program, and the code generator that writes much less of it, as the package itself
# asks for: this halves what the compiler takes. An option that a version does not know ends the process.
if version("jaxlib").startswith("0.10."):
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_parallel_codegen_split_count=1 --xla_cpu_use_fusion_emitters=false")

# Every run compiles anew; the tests, and the processes that they start, compile the same programs many times. Kept for
# one session only, so that no test depends on what an earlier one left behind.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="biglearn-compiled-")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)

# Python would look through what JAX has traced again and again: `collected_less` of the package, for all tests.
gc.set_threshold(200_000, *gc.get_threshold()[1:])
# Nobody reads where in the source an operation of a compiled program comes from.
os.environ.setdefault("JAX_TRACEBACK_IN_LOCATIONS_LIMIT", "0")

# Types and shapes of every call are checked in tests, and cost nothing elsewhere. An option of pytest could
# do this, but takes no second package beside a configuration. As PEP 484 says, an int is a float here.
install_import_hook(
    ["biglearn_sampler", "biglearn_targets", "biglearn_plugins"],
    "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))",
)


LIKE_OTHERS = (
    *("gmm20", "gmm100", "mog40_fab", "lj55", "dw4", "noisy_circles", "label_switching", "seeds", "brownian_motion"),
    *("mog40", "unequal_mixture", "two_modes", "grid25", "mos10", "rotated_product", "densities_of_lines"),
    *("nuts", "hmc", "ensemble_slice", "gmmvi", "multivariate_normal_guide", "stm20", "grid", "many_well"),
    *("aies", "tempered_smc", "pathfinder", "flow_guide", "stein_vi", "sa", "barker", "ising"),
)
"""Entries that differ from others by numbers only, or that take long and have tests of their own: their conformance is
a slow test."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the conformance of these entries, whose tests are made by the suite."""
    for item in items:
        if any(f"/{name}/" in item.name for name in LIKE_OTHERS):
            item.add_marker(pytest.mark.slow)


FORGOTTEN_EVERY = 6
FILES = count(1)


@pytest.fixture(autouse=True, scope="module")
def _forgotten_programs() -> Iterator[None]:
    """Compiled programs are forgotten after every few files: a worker would grow by gigabytes, and files share some."""
    yield
    if next(FILES) % FORGOTTEN_EVERY:
        return
    import jax

    jax.clear_caches()
    gc.collect()


@pytest.fixture
def unchecked_types() -> Iterator[None]:
    """For tests of what users are told about a wrong type: the check above would answer first."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)
