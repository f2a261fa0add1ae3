"""The gallery of targets: one file for each family, one citation each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from biglearn_sampler.catalogue import Entry, hookimpl


@hookimpl
def biglearn_targets() -> Iterable[Entry[Any]]:
    """Every entry of the gallery. The families are imported here: a listing of plugins needs no JAX."""
    from biglearn_targets import double_well, eight_schools, funnel, mixtures, mueller_brown, rings

    families = (mixtures, rings, double_well, mueller_brown, funnel, eight_schools)
    return [entry for family in families for entry in family.ENTRIES]
