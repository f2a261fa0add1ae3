"""Built-in baselines: other ways to draw from the same energy, with honest costs."""

from __future__ import annotations

from typing import Any

from biglearn_sampler.catalogue import Entry, hookimpl


@hookimpl
def biglearn_baselines() -> list[Entry[Any]]:
    """The built-in baselines; JAX is imported here, so that a listing of other kinds stays quick."""
    from biglearn_plugins.baselines import (
        affine_invariant,
        barker,
        ensemble_slice,
        gmmvi,
        guides,
        hmc,
        nuts,
        parallel_tempering,
        pathfinder,
        sample_adaptive,
        tempered_smc,
    )

    return [
        nuts.ENTRY,
        hmc.ENTRY,
        barker.ENTRY,
        sample_adaptive.ENTRY,
        affine_invariant.ENTRY,
        ensemble_slice.ENTRY,
        parallel_tempering.ENTRY,
        tempered_smc.ENTRY,
        gmmvi.ENTRY,
        pathfinder.ENTRY,
        *guides.ENTRIES,
    ]
