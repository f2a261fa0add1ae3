"""The components as the host sees them between two stretches of steps: NumPy arrays in double precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import logsumexp

from biglearn_sampler.engine.shapes import on_device
from biglearn_sampler.mixture import GaussianMixture

LEAST_SIZE = 32
LEAST_RESOLUTION = 0.05
"""Distance of neighbouring numbers, in standard deviations of a component, from which its points are no longer told
apart."""

BLOCK = 1 << 24
"""Numbers of the factors of points that are held at once."""

NO_WEIGHT = -1e4
"""Log weight of components that only fill up a size."""


@dataclass(frozen=True, eq=False)
class Population:
    """Components with their weights, in whitened coordinates.

    Arguments:
        means: `mu_k`.
        factors: `L_k`.
        log_weights: `log w_k`, normalised.
    """

    means: Float[np.ndarray, "components dim"]
    factors: Float[np.ndarray, "components dim dim"]
    log_weights: Float[np.ndarray, " components"]

    @classmethod
    def of(cls, mixture: GaussianMixture) -> Population:
        """The components of a mixture."""
        return cls(*(np.asarray(leaf, float) for leaf in (mixture.means, mixture.factors, mixture.log_weights)))

    @classmethod
    def at(cls, means: Float[np.ndarray, "components dim"], width: float | Float[np.ndarray, " dim"]) -> Population:
        """Equal components of one width, or of one for each coordinate, with equal weights."""
        count, dim = means.shape
        factors = np.broadcast_to(np.diag(np.broadcast_to(width, dim)), (count, dim, dim)).copy()
        return cls(np.array(means, float), factors, equal_log_weights(count))

    @property
    def count(self) -> int:
        """Number of components."""
        return len(self.means)

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return self.means.shape[1]

    def mixture(self) -> GaussianMixture:
        """As a mixture in the precision of the device."""
        arrays = (self.log_weights, self.means, self.factors)
        return GaussianMixture(*(on_device(array) for array in arrays))

    def take(self, chosen: Sequence[int] | Int[np.ndarray, " chosen"]) -> Population:
        """Some components, in the given order, with their weights made to sum to one."""
        index = np.asarray(chosen, int)
        return Population(self.means[index], self.factors[index], self.log_weights[index]).normalised()

    def equal(self) -> Population:
        """The same components with equal weights."""
        return self.weighted(np.zeros(self.count))

    def weighted(self, log_weights: Float[np.ndarray, " components"]) -> Population:
        """The same components with other weights, made to sum to one."""
        return Population(self.means, self.factors, log_weights).normalised()

    def joined(self, other: Population) -> Population:
        """Both sets of components, each keeping its log weights, made to sum to one."""
        return Population(
            np.concatenate([self.means, other.means]),
            np.concatenate([self.factors, other.factors]),
            np.concatenate([self.log_weights, other.log_weights]),
        ).normalised()

    def normalised(self) -> Population:
        """Weights that sum to one."""
        return Population(self.means, self.factors, self.log_weights - logsumexp(self.log_weights))

    def marginal(self, coordinates: Sequence[int]) -> Population:
        """The law of some coordinates. Factors come from a QR decomposition, which squares nothing."""
        rows = self.factors[:, list(coordinates)]
        upper = np.linalg.qr(rows.swapaxes(1, 2), mode="r")
        signs = np.where(np.diagonal(upper, axis1=1, axis2=2) < 0.0, -1.0, 1.0)
        return Population(
            self.means[:, list(coordinates)], (signs[:, :, None] * upper).swapaxes(1, 2), self.log_weights
        )

    def padded(self) -> Population:
        """With components of no weight up to a power of two, so that compiled code meets few sizes."""
        count = max(LEAST_SIZE, 1 << (self.count - 1).bit_length())
        repeated = np.concatenate([np.arange(self.count), np.zeros(count - self.count, int)])
        log_weights = np.concatenate([self.log_weights, np.full(count - self.count, NO_WEIGHT)])
        return Population(self.means[repeated], self.factors[repeated], log_weights)

    def draws(self, generator: np.random.Generator, each: int) -> Float[np.ndarray, "points dim"]:
        """`each` points of every component in antithetic pairs, component by component."""
        noise = generator.standard_normal((self.count, -(-each // 2), self.dim))
        noise = np.concatenate([noise, -noise], 1)[:, :each]
        points = self.means[:, None] + np.einsum("kij,kmj->kmi", self.factors, noise)
        return points.reshape(-1, self.dim)

    def sample(self, generator: np.random.Generator, count: int) -> Float[np.ndarray, "count dim"]:
        """Independent draws of the mixture, component by component."""
        origin = np.repeat(np.arange(self.count), generator.multinomial(count, np.exp(self.log_weights)))
        return self.around(origin, generator.standard_normal((count, self.dim)))

    def around(
        self, origin: Int[np.ndarray, " points"], noise: Float[np.ndarray, "points dim"]
    ) -> Float[np.ndarray, "points dim"]:
        """`mu_k + L_k e` of the component and the noise of every point, some at a time: there is a factor for each."""
        size = max(BLOCK // self.dim**2, 1)
        parts = [slice(start, start + size) for start in range(0, max(len(origin), 1), size)]
        moved = [np.einsum("nij,nj->ni", self.factors[origin[part]], noise[part]) for part in parts]
        return self.means[origin] + np.concatenate(moved)

    def resolved(self) -> Bool[np.ndarray, " components"]:
        """Whether the precision of the device tells points of a component apart: far out, a narrow one has no shape.

        Nor has one that is nearly flat along some direction: its coordinates are rounded as its widest ones are. With
        `d` the distance of neighbouring numbers where its draws lie, no entry of `|L^-1| d` may exceed the least
        resolution.
        """
        # Widths may have become zero in single precision.
        usable = self.sound()
        with np.errstate(over="ignore", invalid="ignore"):
            inverse = np.abs(_inverses(np.where(usable[:, None, None], self.factors, np.eye(self.dim))))
        told_apart = usable & self._told_apart(inverse, self.means)
        if not told_apart.any():
            return told_apart
        # Densities are computed relative to the middle of all means, of those at least that are left.
        return told_apart & self._told_apart(inverse, self.means - self.means[told_apart].mean(0))

    def _told_apart(
        self, inverse: Float[np.ndarray, "components dim dim"], places: Float[np.ndarray, "components dim"]
    ) -> Bool[np.ndarray, " components"]:
        """The same, were they at these places."""
        spacing = (np.abs(places) + self._deviations()) * float(jnp.finfo(jnp.zeros(()).dtype).eps)
        with np.errstate(over="ignore", invalid="ignore"):
            return (np.einsum("kij,kj->ki", inverse, spacing) < LEAST_RESOLUTION).all(1)

    def sound(self) -> Bool[np.ndarray, " components"]:
        """Whether all numbers of a component are finite, and its widths above zero."""
        finite = np.isfinite(self.means).all(1) & np.isfinite(self.factors).all((1, 2)) & np.isfinite(self.log_weights)
        return finite & (np.diagonal(self.factors, axis1=1, axis2=2) > 0.0).all(1)

    def _deviations(self) -> Float[np.ndarray, "components dim"]:
        """Standard deviation of every coordinate inside every component."""
        return np.sqrt(np.einsum("kij,kij->ki", self.factors, self.factors))

    def spread(self) -> Float[np.ndarray, " dim"]:
        """Standard deviation of every coordinate inside a typical component."""
        return np.sqrt((self._deviations() ** 2).mean(0))


def _inverses(factors: Float[np.ndarray, "count dim dim"]) -> Float[np.ndarray, "count dim dim"]:
    """Of lower triangles with positive diagonals, by halves: a general inverse takes nearly flat ones for singular.

    On the host, since the device's own `inverse_factors` has the very precision that is judged here. Where numbers
    overflow it is infinite or NaN.
    """
    dim = factors.shape[-1]
    if dim == 1:
        return 1.0 / factors
    half = dim // 2
    inverse = np.zeros_like(factors)
    inverse[:, :half, :half] = first = _inverses(factors[:, :half, :half])
    inverse[:, half:, half:] = second = _inverses(factors[:, half:, half:])
    inverse[:, half:, :half] = -second @ (factors[:, half:, :half] @ first)
    return inverse


def equal_log_weights(count: int) -> Float[np.ndarray, " components"]:
    """`-log(count)` for every component."""
    return np.full(count, -np.log(count))
