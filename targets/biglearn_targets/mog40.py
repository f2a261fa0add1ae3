"""Forty Gaussians in a square: the best known benchmark of mode coverage, in the two forms that were published.

They are different targets under one name: other means, and deviations of 1 and of 1.3133. Whoever runs the published
code of `mog40` with JAX 0.5 or newer measures a third one, since `jax.random` draws other means from the same seed.
"""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from jaxtyping import Float

from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import MixtureTarget
from biglearn_sampler.mixture import GaussianMixture
from biglearn_targets.published import PINNED_DIMS, table, uniform_of_old_jax

COMPONENTS = 40
HALF_WIDTH = 40.0
"""The means are uniform between `-HALF_WIDTH` and `HALF_WIDTH` in every coordinate."""

SCALE = 25.0
"""Declared: the standard deviation of such a uniform law, 23.1, rounded up."""

FAB_DEVIATION = math.log1p(math.e)
"""`softplus(1)`: the published code gives the number before a softplus."""


def mog40(
    dim: Annotated[int, "number of coordinates, at least 1"] = 2,
) -> MixtureTarget:
    """Forty equal components with the means of Beyond ELBOs (and fab-jax) and covariance `I`, in any dimension.

    The means are `40 U(-1, 1)` from seed 0 of JAX 0.4.28. For 2 and 50 dimensions they are kept in a file.

    Declared: centre 0, scale 25.

    Raises:
        ValueError: `dim` is below 1, or this JAX cannot draw the means of that dimension as published.
    """
    if dim < 1:
        raise ValueError(f"`dim` must be at least 1, got {dim}")
    return MixtureTarget.of(GaussianMixture.of(_means(dim), 1.0), scale=SCALE)


def mog40_fab() -> MixtureTarget:
    """Forty equal components with the means of fab-torch (and iDEM) and standard deviation `softplus(1)` = 1.3133.

    The means are `80 (U(0, 1) - 1/2)` from seed 0 of PyTorch. Two of them are only 1.18 apart, and 16 pairs less than
    four standard deviations: 40 modes in the table are fewer hills in the plane.

    Declared: centre 0, scale 25.
    """
    return MixtureTarget.of(GaussianMixture.of(table("mog40_fab"), FAB_DEVIATION**2), scale=SCALE)


def _means(dim: int) -> Float[np.ndarray, "40 dim"]:
    if dim in PINNED_DIMS:
        return table(f"mog40_{dim}")
    return uniform_of_old_jax(COMPONENTS, dim, 1.0) * np.float32(HALF_WIDTH)


ENTRIES = (
    Entry(
        name="mog40",
        build=mog40,
        summary="40 equal Gaussians in a wide box, as in Beyond ELBOs, in any dimension",
        reference="Blessing, Jia, Esslinger, Vargas, Neumann (2024): Beyond ELBOs, ICML",
    ),
    Entry(
        name="mog40_fab",
        build=mog40_fab,
        summary="40 equal Gaussians in a wide square, as in FAB and iDEM",
        reference="Midgley, Stimper, Simm, Schölkopf, Hernández-Lobato (2023): Flow annealed importance "
        "sampling bootstrap, ICLR",
    ),
)
