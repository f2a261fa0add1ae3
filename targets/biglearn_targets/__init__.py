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
        cox_process,
        double_well,
        dw4,
        eight_schools,
        funnel,
        gaussian_rings,
        gmmvi_mixtures,
        grid_mixture,
        ising,
        label_switching,
        lennard_jones,
        logistic_regression,
        many_well,
        mixtures,
        mog40,
        mueller_brown,
        noisy_circles,
        phi4,
        planar_robot,
        posteriordb,
        rings,
        rotated_product,
        seeds,
        sensor_network,
        student_t_mixtures,
    )

    families = (
        mixtures,
        grid_mixture,
        mog40,
        gmmvi_mixtures,
        student_t_mixtures,
        rotated_product,
        rings,
        gaussian_rings,
        noisy_circles,
        double_well,
        many_well,
        mueller_brown,
        funnel,
        planar_robot,
        dw4,
        lennard_jones,
        phi4,
        ising,
        eight_schools,
        logistic_regression,
        cox_process,
        brownian_motion,
        seeds,
        label_switching,
        sensor_network,
        posteriordb,
    )
    return [entry for family in families for entry in family.ENTRIES]
