"""The gallery of targets: one file for each family, one citation each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from biglearn_sampler.catalogue import Entry, hookimpl


@hookimpl
def biglearn_targets() -> Iterable[Entry[Any]]:
    """Every entry of the gallery. The families are imported here: a listing of plugins needs no JAX."""
    from biglearn_targets import (
        brownian_motion,
        double_well,
        eight_schools,
        funnel,
        gmmvi_mixtures,
        label_switching,
        logistic_regression,
        many_well,
        mixtures,
        mog40,
        mueller_brown,
        phi4,
        planar_robot,
        posteriordb,
        rings,
        seeds,
        sensor_network,
        student_t_mixtures,
    )

    families = (
        mixtures,
        mog40,
        gmmvi_mixtures,
        student_t_mixtures,
        rings,
        double_well,
        many_well,
        mueller_brown,
        funnel,
        planar_robot,
        phi4,
        eight_schools,
        logistic_regression,
        brownian_motion,
        seeds,
        label_switching,
        sensor_network,
        posteriordb,
    )
    return [entry for family in families for entry in family.ENTRIES]
