"""Built-in reports: pictures of a run or of a target, and the page about a comparison. Matplotlib is only here."""

from __future__ import annotations

from typing import Any

from biglearn_sampler.catalogue import Entry, hookimpl


@hookimpl
def biglearn_reports() -> list[Entry[Any]]:
    """The built-in reports; JAX and matplotlib are imported here, so that other listings stay quick."""
    from biglearn_plugins.reports import (
        marginal_pairs,
        reference_table,
        target_picture,
        training_animation,
        training_curve,
        training_strip,
    )
    from biglearn_plugins.reports.page import page

    return [
        training_strip.ENTRY,
        training_animation.ENTRY,
        marginal_pairs.ENTRY,
        training_curve.ENTRY,
        target_picture.ENTRY,
        reference_table.ENTRY,
        page.ENTRY,
    ]
