"""Built-in baselines: other ways to draw from the same energy, with honest costs."""

from __future__ import annotations

from typing import Any

from biglearn_sampler.catalogue import Entry, hookimpl


@hookimpl
def biglearn_baselines() -> list[Entry[Any]]:
    """The built-in baselines; JAX is imported here, so that a listing of other kinds stays quick."""
    from biglearn_plugins.baselines import gmmvi, nuts, tempered_smc

    return [gmmvi.ENTRY, nuts.ENTRY, tempered_smc.ENTRY]
