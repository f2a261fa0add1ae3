"""A Gaussian mixture as a target: everything about it is known, its channels included."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from biglearn_sampler.energy.facts import Facts
from biglearn_sampler.energy.target import AbstractTarget
from biglearn_sampler.mixture import Channel, GaussianMixture


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class MixtureTarget(AbstractTarget):
    """The density of a Gaussian mixture.

    Arguments:
        mixture: the target itself.
        declared_centre, declared_scale: where a user who knows only the energy would look.
    """

    mixture: GaussianMixture
    declared_centre: Float[Array, " dim"]
    declared_scale: Float[Array, " dim"]

    @classmethod
    def of(cls, mixture: GaussianMixture, scale: float, centre: float = 0.0) -> MixtureTarget:
        """A mixture with the same declared centre and scale in every coordinate."""
        return cls(mixture, jnp.full(mixture.dim, centre, float), jnp.full(mixture.dim, scale, float))

    @property
    def dim(self) -> int:
        return self.mixture.dim

    @property
    def centre(self) -> Float[Array, " dim"]:
        return self.declared_centre

    @property
    def scale(self) -> Float[Array, " dim"]:
        return self.declared_scale

    @property
    def facts(self) -> Facts:
        return Facts(
            log_z=0.0,
            modes=self.mixture.means,
            mode_weights=self.mixture.weights,
            responsibilities=self.mixture.responsibilities,
            sample=self.mixture.sample,
        )

    @property
    def has_exact_channels(self) -> bool:
        return True

    def log_density(self, point: Float[Array, " dim"]) -> Float[Array, ""]:
        return self.mixture.log_density(point)

    def channel_log_density(self, channel: Channel, view: Float[Array, " rows"]) -> Float[Array, ""]:
        return self.mixture.through(channel).log_density(view)
