"""Which part of space a picture shows, and densities on a grid there."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.mixture import GaussianMixture, Mixture
from biglearn_sampler.runs.run import Run

# Components lighter than this do not widen a picture.
LIGHTEST = 1e-3
DEVIATIONS = 3.0
MARGIN = 0.04
# Up to this ratio of the sides the picture is a square with one scale; beyond, each axis has its own.
LARGEST_RATIO = 4.0
BATCH = 4096


@dataclass(frozen=True, eq=False)
class View:
    """A box, with `points_per_side` grid points along each of its sides."""

    lower: Float[np.ndarray, " dim"]
    upper: Float[np.ndarray, " dim"]
    points_per_side: int

    @property
    def axes(self) -> Float[np.ndarray, "dim side"]:
        """Grid coordinates along each side."""
        return np.linspace(self.lower, self.upper, self.points_per_side, axis=1)

    @property
    def grid(self) -> Float[Array, "points dim"]:
        """All grid points, the last coordinate fastest."""
        mesh = np.meshgrid(*self.axes, indexing="ij")
        return jnp.asarray(np.stack(mesh, axis=-1).reshape(-1, len(mesh)), float)

    def target_log_density(self, target: AbstractTarget) -> Float[np.ndarray, "*grid"]:
        """`log q` of a target on the grid, one array axis for each coordinate."""
        values = jax.jit(lambda grid: jax.lax.map(target.log_density, grid, batch_size=BATCH))(self.grid)
        return self._shaped(values)

    def mixture_log_density(self, mixture: GaussianMixture) -> Float[np.ndarray, "*grid"]:
        """`log p` of a mixture on the grid."""
        return self._shaped(_mixture_values(mixture, self.grid))

    def _shaped(self, values: Float[Array, " points"]) -> Float[np.ndarray, "*grid"]:
        return np.asarray(values, float).reshape((self.points_per_side,) * len(self.lower))


def view_of(run: Run, points_per_side: int) -> View:
    """The box around the declared region, the start, the trained sampler and the known modes."""
    start = [np.asarray(snapshot.mixture.means, float) for snapshot in run.snapshots[:1]]
    corners = [_declared(run.target), *start, _of_sampler(run.sampler), _modes(run.target)]
    return box_around(np.concatenate(corners), points_per_side)


def box_around(corners: Float[np.ndarray, "corners dim"], points_per_side: int) -> View:
    """The box around points, with a margin; a square with one scale unless one side is much longer."""
    lower, upper = corners.min(axis=0), corners.max(axis=0)
    centre, half = (lower + upper) / 2, (upper - lower) / 2 * (1 + MARGIN)
    if half.max() <= LARGEST_RATIO * half.min():
        half = np.full_like(half, half.max())
    return View(centre - half, centre + half, points_per_side)


@jax.jit
def _mixture_values(mixture: GaussianMixture, grid: Float[Array, "points dim"]) -> Float[Array, " points"]:
    return jax.lax.map(mixture.log_density, grid, batch_size=BATCH)


def _declared(target: AbstractTarget) -> Float[np.ndarray, "two dim"]:
    centre, scale = np.asarray(target.centre, float), np.asarray(target.scale, float)
    return np.stack([centre - scale, centre + scale])


def _of_sampler(sampler: Mixture) -> Float[np.ndarray, "corners dim"]:
    if not isinstance(sampler, GaussianMixture):
        sampler = sampler.expanded()
    heavy = np.asarray(sampler.weights) >= LIGHTEST
    means = np.asarray(sampler.means, float)[heavy]
    deviations = np.sqrt(np.diagonal(np.asarray(sampler.covariances, float)[heavy], axis1=1, axis2=2))
    corners = np.concatenate([means - DEVIATIONS * deviations, means + DEVIATIONS * deviations])
    return corners[np.isfinite(corners).all(axis=1)]


def _modes(target: AbstractTarget) -> Float[np.ndarray, "modes dim"]:
    modes = target.facts.modes
    return np.empty((0, target.dim)) if modes is None else np.asarray(modes, float)
