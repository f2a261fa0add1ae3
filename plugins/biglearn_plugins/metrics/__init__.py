"""Built-in metrics: what can be said of draws, with errors, and with reasons where nothing can be said."""

from __future__ import annotations

from typing import Any

from biglearn_sampler.catalogue import Entry, hookimpl


@hookimpl
def biglearn_metrics() -> list[Entry[Any]]:
    """The built-in metrics; JAX is imported here, so that a listing of other kinds stays quick."""
    from biglearn_plugins.metrics import (
        chain_diagnostics,
        elbo,
        energy_histogram,
        entropic_coverage,
        ess,
        ess_forward,
        eubo,
        khat,
        ksd,
        log_z,
        log_z_forward,
        mmd,
        mode_coverage,
        mode_mass_kl,
        moment_errors,
        reference_moments,
        sliced_w2,
        w2,
    )

    return [
        elbo.ENTRY,
        eubo.ENTRY,
        log_z.ENTRY,
        log_z_forward.ENTRY,
        ess.ENTRY,
        ess_forward.ENTRY,
        khat.ENTRY,
        mode_coverage.ENTRY,
        mode_mass_kl.ENTRY,
        entropic_coverage.ENTRY,
        w2.ENTRY,
        sliced_w2.ENTRY,
        mmd.ENTRY,
        energy_histogram.ENTRY,
        moment_errors.ENTRY,
        ksd.ENTRY,
        reference_moments.ENTRY,
        chain_diagnostics.ENTRY,
    ]
