"""A target in coordinates in which the start region is the standard normal law, so that units do not matter."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float

from biglearn_plugins.baselines.oracle import log_density_of
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.estimators.guard import guarded
from biglearn_sampler.learning.start import StartRegion


class Standardised(NamedTuple):
    """A target in the coordinates `z = F^-1 (x - mean)` of the region `N(mean, F F^T)`.

    Arguments:
        target: its log density, in its own units.
        mean, factor: of the region.
    """

    target: Partial
    mean: Float[Array, " dim"]
    factor: Float[Array, "dim dim"]

    @classmethod
    def of(cls, target: AbstractTarget, start: StartRegion) -> Standardised:
        """A target in the coordinates of its start region."""
        return cls(log_density_of(target), start.mean, start.factor)

    def log_density(self, standard: Float[Array, " dim"]) -> Float[Array, ""]:
        """`log q(mean + F z)`, finite everywhere; the constant `log |det F|` is left out."""
        return guarded(self.target)(self.point(standard))

    def point(self, standard: Float[Array, " dim"]) -> Float[Array, " dim"]:
        """`x = mean + F z`."""
        return self.mean + self.factor @ standard

    @property
    def log_stretch(self) -> Float[Array, ""]:
        """`log |det F|`, by which log densities of `z` exceed those of `x`."""
        return jnp.log(jnp.abs(jnp.diagonal(self.factor))).sum()


def standard_points(start: StartRegion, points: Float[np.ndarray, "count dim"]) -> Float[np.ndarray, "count dim"]:
    """`z = F^-1 (x - mean)`, in double precision on the host."""
    return np.linalg.solve(np.asarray(start.factor, float), (points - np.asarray(start.mean, float)).T).T


def log_stretch(start: StartRegion) -> float:
    """`log |det F|`, in double precision on the host."""
    return float(np.log(np.abs(np.diagonal(np.asarray(start.factor, float)))).sum())
