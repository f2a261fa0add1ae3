"""A product of lines with unequal modes, rotated: exponentially many modes, and no coordinate is independent."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from scipy.fft import dct

from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import AbstractTarget, MixtureTarget, affine, product
from biglearn_sampler.mixture import GaussianMixture

WIDEST = 3.0
"""The last factor is so many times wider than the first."""


def rotated_product(
    dim: Annotated[int, "number of coordinates, at least 1"] = 4,
    first_weight: Annotated[float, "weight of the first mode of every factor, between 0 and 1"] = 0.3,
) -> AbstractTarget:
    """`x = A u`, where `u_i ~ w N(-3 s_i, (s_i / 2)^2) + (1 - w) N(3 s_i, (4 s_i / 5)^2)` are independent.

    The widths `s_i` grow geometrically from 1 to 3. `A` is the orthonormal discrete cosine transform (the second kind),
    which mixes all coordinates. There are `2^dim` modes with masses `w^k (1 - w)^(dim - k)`; up to 10 coordinates they
    are told one by one, and up to 7 the target is one Gaussian mixture.

    Declared: centre 0, scale 4 `s_i` before the rotation.

    Raises:
        ValueError: `dim` is below 1, or `first_weight` not between 0 and 1.
    """
    if dim < 1:
        raise ValueError(f"`dim` must be at least 1, got {dim}")
    if not 0.0 < first_weight < 1.0:
        raise ValueError(f"`first_weight` must be between 0 and 1, got {first_weight}")
    factors = [_factor(width, first_weight) for width in np.geomspace(1.0, WIDEST, dim)]
    rotation = np.asarray(dct(np.eye(dim), axis=0, norm="ortho"))
    return affine(product(*factors), rotation)


def _factor(width: float, first_weight: float) -> MixtureTarget:
    variances = np.array([0.5 * width, 0.8 * width])[:, None, None] ** 2
    means = [[-3.0 * width], [3.0 * width]]
    return MixtureTarget.of(
        GaussianMixture.of(means, variances, [first_weight, 1.0 - first_weight]), scale=float(4.0 * width)
    )


ENTRIES = (
    Entry(
        name="rotated_product",
        build=rotated_product,
        summary="a rotated product of unequal pairs of modes with different widths, in any dimension",
    ),
)
