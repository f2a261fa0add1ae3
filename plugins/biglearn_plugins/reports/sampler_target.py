"""A trained sampler as a target, so that what draws targets draws samplers."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float

from biglearn_sampler.energy import AbstractTarget, Facts
from biglearn_sampler.mixture import Mixture


@dataclass(frozen=True, eq=False)
class SamplerTarget(AbstractTarget):
    """The normalised density of a mixture, with its own draws as exact ones.

    Arguments:
        sampler: a trained mixture.
    """

    sampler: Mixture

    @property
    def dim(self) -> int:
        return self.sampler.dim

    def log_density(self, point: Float[Array, " dim"]) -> Float[Array, ""]:
        return self.sampler.log_density(point)

    @property
    def facts(self) -> Facts:
        return Facts(log_z=0.0, sample=lambda key, count: jnp.asarray(self.sampler.sample(key, count)))
