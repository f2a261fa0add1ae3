"""Gaussian mixtures: everything is known, so a sampler can be judged without doubt.

`two_modes` (section 3.3) and `grid25` (section 5) are the simulations of "Big Cooperative Learning to Conquer
Local Optima". `unequal_mixture` is ours: the weights are what a sampler gets wrong first.
"""

from __future__ import annotations

from itertools import product
from typing import Annotated

import numpy as np

from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import MixtureTarget
from biglearn_sampler.mixture import GaussianMixture

PAPER = "Big Cooperative Learning to Conquer Local Optima"

GRID_POSITIONS = (-4.0, -2.0, 0.0, 2.0, 4.0)
GRID_VARIANCE = 0.05

UNEQUAL_TABLE = (
    # weight, mean on even and on odd coordinates, standard deviation, correlation of neighbours
    (0.4, -3.0, -2.0, 0.9, 0.8),
    (0.3, 3.0, -1.0, 0.6, -0.7),
    (0.2, 0.0, 3.0, 1.2, 0.5),
    (0.1, 4.0, 4.0, 0.4, 0.0),
)


def grid25(
    scale: Annotated[float, "declared scale, above 0; the grid itself stays as it is"] = 4.0,
) -> MixtureTarget:
    """25 equal components with means `{-4, -2, 0, 2, 4}^2` and covariance `0.05 I`.

    Neighbours are nine standard deviations apart.

    Declared: centre 0, scale 4, the half-width of the grid; another scale shows what a wrong declaration costs.

    Raises:
        ValueError: `scale` is not positive.
    """
    _check_positive("scale", scale)
    means = list(product(GRID_POSITIONS, repeat=2))
    return MixtureTarget.of(GaussianMixture.of(means, GRID_VARIANCE), scale=scale)


def two_modes(
    separation: Annotated[float, "distance between the two means, above 0"] = 2.0,
    variance: Annotated[float, "variance of each component in every direction, above 0"] = 0.1,
    first_weight: Annotated[float, "weight of the component on the left, between 0 and 1"] = 0.5,
    scale: Annotated[float | None, "declared scale, above 0; by default the half-width of the region"] = None,
) -> MixtureTarget:
    """Two components with means `(+-separation / 2, 0)` and covariance `variance * I`, equal unless told otherwise.

    With separation 20, variance 1, first weight 0.1 and scale 10 the modes are twenty standard deviations apart, and
    only their masses are hard to find.

    Declared: centre 0, scale `separation / 2 + 1.5 sqrt(variance)`, the half-width of the region.

    Raises:
        ValueError: `separation`, `variance` or `scale` is not positive, or `first_weight` not between 0 and 1.
    """
    _check_positive("separation", separation)
    _check_positive("variance", variance)
    if not 0 < first_weight < 1:
        raise ValueError(f"`first_weight` must be between 0 and 1, got {first_weight}")
    half = 0.5 * separation
    declared = half + 1.5 * variance**0.5 if scale is None else scale
    _check_positive("scale", declared)
    mixture = GaussianMixture.of([[-half, 0.0], [half, 0.0]], variance, [first_weight, 1.0 - first_weight])
    return MixtureTarget.of(mixture, scale=declared)


def unequal_mixture(
    dim: Annotated[int, "number of coordinates, at least 2"] = 2,
) -> MixtureTarget:
    """Four components with weights .4, .3, .2, .1 and full, unequal covariances, in any dimension.

    Component `k` has mean `m_k`, which alternates between two numbers from one coordinate to the next, and
    covariance `s_k^2 ((1 - |r_k|) I + |r_k| e_k e_k^T)`, where `e_k` is 1 on even coordinates and `sign(r_k)`
    on odd ones: each coordinate has standard deviation `s_k`, and neighbours have correlation `r_k`.

    Declared: centre 0, scale 4, the largest coordinate of a mean.

    Raises:
        ValueError: `dim` is below 2.
    """
    if dim < 2:
        raise ValueError(f"`dim` must be at least 2, got {dim}")
    weights, even, odd, deviation, correlation = np.array(UNEQUAL_TABLE).T
    is_even = np.arange(dim) % 2 == 0
    means = np.where(is_even, even[:, None], odd[:, None])
    direction = np.where(is_even, 1.0, np.sign(correlation)[:, None])
    shared = np.abs(correlation)[:, None, None]
    correlations = (1.0 - shared) * np.eye(dim) + shared * direction[:, :, None] * direction[:, None, :]
    covariances = deviation[:, None, None] ** 2 * correlations
    return MixtureTarget.of(GaussianMixture.of(means, covariances, weights), scale=4.0)


def _check_positive(name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"`{name}` must be above 0, got {value}")


ENTRIES = (
    Entry(name="grid25", build=grid25, summary="25 equal Gaussians on a 5 x 5 grid", reference=PAPER),
    Entry(name="two_modes", build=two_modes, summary="two Gaussians in the plane, equal or not", reference=PAPER),
    Entry(
        name="unequal_mixture",
        build=unequal_mixture,
        summary="four Gaussians with unequal weights and full covariances, in any dimension",
    ),
)
