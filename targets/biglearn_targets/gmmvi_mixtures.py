"""Ten Gaussians with long, thin and randomly turned covariances, in 20 and in 100 dimensions.

The recipe is published, the draws are not: these are ours, by NumPy's generator, whose legacy stream is frozen.
"""

from __future__ import annotations

import numpy as np

from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import MixtureTarget
from biglearn_sampler.mixture import GaussianMixture

REFERENCE = (
    "Arenz, Zhong, Neumann (2020): Trust-region variational inference with Gaussian mixture models, "
    "Journal of Machine Learning Research 21"
)

SEED = 10_000
COMPONENTS = 10
HALF_WIDTH = 50.0

SCALE = 31.6
"""The published deviation of the first means of a sampler, the root of 1000."""


def gmm20() -> MixtureTarget:
    """The mixture of `gmmvi_mixture` in 20 dimensions."""
    return gmmvi_mixture(20)


def gmm100() -> MixtureTarget:
    """The mixture of `gmmvi_mixture` in 100 dimensions."""
    return gmmvi_mixture(100)


def gmmvi_mixture(dim: int) -> MixtureTarget:
    """Ten equal components with means `U(-50, 50)` and covariances `A^T A + I`, `A_ij ~ 0.1 N(0, dim^2)`.

    Standard deviations of a component reach from 1 to about `0.2 dim^1.5`: 18 in 20 dimensions, 200 in 100.

    Declared: centre 0, scale 31.6.
    """
    random = np.random.RandomState(SEED)
    means = random.uniform(-HALF_WIDTH, HALF_WIDTH, (COMPONENTS, dim))
    spread = 0.1 * random.normal(0.0, dim, (COMPONENTS, dim, dim))
    return MixtureTarget.of(GaussianMixture.of(means, spread.mT @ spread + np.eye(dim)), scale=SCALE)


ENTRIES = (
    Entry(
        name="gmm20",
        build=gmm20,
        summary="10 Gaussians with random full covariances in 20 dimensions",
        reference=REFERENCE,
    ),
    Entry(
        name="gmm100",
        build=gmm100,
        summary="10 Gaussians with random full covariances in 100 dimensions",
        reference=REFERENCE,
    ),
)
