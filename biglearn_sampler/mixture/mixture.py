"""What a trained sampler may be."""

from __future__ import annotations

from biglearn_sampler.mixture.factored import FactoredMixture
from biglearn_sampler.mixture.gaussian_mixture import GaussianMixture

Mixture = GaussianMixture | FactoredMixture
"""Both sample in one pass, have an exact normalised density, and follow affine maps."""
