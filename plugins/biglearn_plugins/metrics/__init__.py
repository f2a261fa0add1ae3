"""Built-in metrics: what can be said of draws, with errors, and with reasons where nothing can be said."""

from __future__ import annotations

from typing import Any

from biglearn_sampler.catalogue import Entry, hookimpl


@hookimpl
def biglearn_metrics() -> list[Entry[Any]]:
    """The built-in metrics; JAX is imported here, so that a listing of other kinds stays quick."""
    from biglearn_plugins.metrics import chain_diagnostics, elbo, ess, khat, log_z, mode_coverage, reference_moments

    return [
        elbo.ENTRY,
        log_z.ENTRY,
        ess.ENTRY,
        khat.ENTRY,
        mode_coverage.ENTRY,
        reference_moments.ENTRY,
        chain_diagnostics.ENTRY,
    ]
