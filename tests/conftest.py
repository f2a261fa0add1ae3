"""Settings that must hold before anything imports JAX, matplotlib or a package under test."""

import os
from collections.abc import Iterator

import pytest
from jaxtyping import config, install_import_hook

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "Agg")

# Types and shapes of every call are checked in tests, and cost nothing elsewhere. An option of pytest could
# do this, but takes no second package beside a configuration. As PEP 484 says, an int is a float here.
install_import_hook(
    ["biglearn_sampler", "biglearn_targets", "biglearn_plugins"],
    "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))",
)


@pytest.fixture
def unchecked_types() -> Iterator[None]:
    """For tests of what users are told about a wrong type: the check above would answer first."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)
