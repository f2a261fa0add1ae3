"""A target seen through an invertible affine map: rotated, stretched, shifted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from numpy.typing import ArrayLike

from biglearn_sampler.energy.combined.parts import checked_target
from biglearn_sampler.energy.evaluations import Evaluations
from biglearn_sampler.energy.facts import Facts
from biglearn_sampler.energy.mixture_target import MixtureTarget
from biglearn_sampler.energy.region import declared_region
from biglearn_sampler.energy.target import AbstractTarget
from biglearn_sampler.errors import TargetError
from biglearn_sampler.mixture import Channel, GaussianMixture

WORST_CONDITION = 1e5
"""Of a matrix: beyond, single precision keeps less than two digits of a point."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class AffineImage(AbstractTarget):
    """The law of `x = A u + b` for `u ~ q`: `log_density(x) = log q(A^-1 (x - b)) - log |det A|`; see `affine`.

    Arguments:
        original: `q`.
        matrix, inverse: `A` and `A^-1`.
        shift: `b`.
        log_volume: `log |det A|`.
    """

    original: AbstractTarget
    matrix: Float[Array, "dim dim"]
    inverse: Float[Array, "dim dim"]
    shift: Float[Array, " dim"]
    log_volume: Float[Array, ""]

    @property
    def dim(self) -> int:
        return self.original.dim

    @property
    def centre(self) -> Float[Array, " dim"]:
        return self._image(self.original.centre)

    @property
    def scale(self) -> Float[Array, " dim"]:
        """How far the image of the ellipsoid with the declared half-axes reaches, `sqrt(sum_j A_ij^2 s_j^2)`."""
        reach = self.matrix * self.original.scale
        # Squares of the largest may be too small, or too large, for single precision.
        largest = jnp.abs(reach).max(axis=1)
        return largest * jnp.sqrt(((reach / largest[:, None]) ** 2).sum(axis=1))

    @property
    def facts(self) -> Facts:
        """The same `log_z` and masses; modes and exact draws sent through the map."""
        known = self.original.facts
        responsibilities, sample = known.responsibilities, known.sample
        return Facts(
            log_z=known.log_z,
            modes=None if known.modes is None else self._image(jnp.asarray(known.modes)),
            mode_weights=known.mode_weights,
            responsibilities=None if responsibilities is None else lambda point: responsibilities(self._before(point)),
            sample=None if sample is None else self._sample_by(sample),
        )

    @property
    def price_of_gradient(self) -> Evaluations:
        return self.original.price_of_gradient

    @property
    def has_names(self) -> bool:
        return self.original.has_names

    @property
    def has_exact_channels(self) -> bool:
        return self.original.has_exact_channels

    def log_density(self, point: Float[Array, " dim"]) -> Float[Array, ""]:
        return self.original.log_density(self._before(point)) - self.log_volume

    def channel_log_density(self, channel: Channel, view: Float[Array, " rows"]) -> Float[Array, ""]:
        before = Channel(channel.matrix @ self.matrix, channel.mean(self.shift), channel.noise)
        return self.original.channel_log_density(before, view)

    def asked_at(self, points: Float[Array, "count dim"]) -> Iterator[tuple[AbstractTarget, Float[Array, "count own"]]]:
        yield from self.original.asked_at(jax.vmap(self._before)(points))

    def observed(self) -> dict[str, np.ndarray]:
        return self.original.observed()

    def quantities(self, point: Float[Array, " dim"]) -> dict[str, Array]:
        """The named quantities of the original, at the point that was mapped; else the point itself."""
        return self.original.quantities(self._before(point)) if self.has_names else {"x": point}

    def _image(self, points: Float[Array, "*batch dim"]) -> Float[Array, "*batch dim"]:
        return points @ self.matrix.T + self.shift

    def _before(self, point: Float[Array, " dim"]) -> Float[Array, " dim"]:
        return self.inverse @ (point - self.shift)

    def _sample_by(
        self, sample: Callable[[Key[Array, ""], int], Float[Array, "count dim"]]
    ) -> Callable[[Key[Array, ""], int], Float[Array, "count dim"]]:
        return lambda key, count: self._image(sample(key, count))


def affine(target: AbstractTarget, matrix: ArrayLike = 1.0, shift: ArrayLike = 0.0) -> AffineImage | MixtureTarget:
    """The law of `x = A u + b` when `u` follows the target.

    `log Z` and the masses of modes stay; modes and exact draws move along, and exact channels are kept. The image of a
    Gaussian mixture is a `MixtureTarget`. The declared scale of coordinate `i` is `sqrt(sum_j A_ij^2 s_j^2)`: the
    ellipsoid with the declared half-axes `s` reaches so far.

    Arguments:
        target: the law of `u`.
        matrix: `A`, shape `(dim, dim)` and invertible; or `(dim,)` for a diagonal, or one number.
        shift: `b`, one number or one for each coordinate.

    Raises:
        TargetError: no target; a shape that does not fit, a number that is not finite, a matrix that is singular or
            nearly so (condition number above 100,000), or a region in which the precision of the device does not tell
            points apart.

    Example:
        >>> import biglearn_sampler as bl
        >>> turned = bl.affine(bl.target("two_modes"), [[0.0, -1.0], [1.0, 0.0]])
        >>> [[round(float(value), 3) for value in mode] for mode in turned.facts.modes]
        [[0.0, -1.0], [0.0, 1.0]]
    """
    original = checked_target("affine", target)
    square, offset = _square(matrix, original.dim), _offset(shift, original.dim)
    _check_region(original, square, offset)
    numbers = (square, np.linalg.inv(square), offset, np.linalg.slogdet(square)[1])
    image = AffineImage(original, *(jnp.asarray(each, float) for each in numbers))
    if not isinstance(original, MixtureTarget):
        return image
    return MixtureTarget(_image_of(original.mixture, square, offset), image.centre, image.scale)


def _check_region(original: AbstractTarget, matrix: np.ndarray, shift: np.ndarray) -> None:
    """See that points of the declared region can be told apart, in double precision.

    Raises:
        TargetError: they cannot.
    """
    reach = matrix * np.asarray(original.scale, float)
    declared_region(original.dim, matrix @ np.asarray(original.centre, float) + shift, np.linalg.norm(reach, axis=1))


def _image_of(mixture: GaussianMixture, matrix: np.ndarray, shift: np.ndarray) -> GaussianMixture:
    """With `(A L)^T = Q R`, the covariance is `A L L^T A^T = R^T R`: no matrix is squared, in double precision."""
    means = np.asarray(mixture.means, float) @ matrix.T + shift
    upper = np.linalg.qr((matrix @ np.asarray(mixture.factors, float)).swapaxes(1, 2))[1]
    signs = np.sign(np.diagonal(upper, axis1=1, axis2=2))
    factors = (signs[:, :, None] * upper).swapaxes(1, 2)
    return GaussianMixture(mixture.log_weights, jnp.asarray(means, float), jnp.asarray(factors, float))


def _square(matrix: ArrayLike, dim: int) -> np.ndarray:
    array = _numbers("matrix", matrix)
    if array.ndim < 2 and array.shape in {(), (dim,)}:
        array = np.diag(np.broadcast_to(array, (dim,)))
    if array.shape != (dim, dim):
        raise TargetError(
            f"affine: the matrix of a target with {dim} coordinates must have shape {(dim, dim)}, or {(dim,)} for a "
            f"diagonal, or be one number; got shape {array.shape}"
        )
    condition = np.linalg.cond(array)
    if not condition < WORST_CONDITION:
        raise TargetError(
            f"affine: the matrix must be invertible in single precision; its condition number is {condition:.3g}, "
            f"expected less than {WORST_CONDITION:,.0f}"
        )
    return array


def _offset(shift: ArrayLike, dim: int) -> np.ndarray:
    array = _numbers("shift", shift)
    if array.shape not in {(), (dim,)}:
        raise TargetError(f"affine: the shift must be one number or {dim} numbers, got shape {array.shape}")
    return np.broadcast_to(array, (dim,))


def _numbers(name: str, value: ArrayLike) -> np.ndarray:
    try:
        array = np.asarray(value, float)
    except (TypeError, ValueError) as error:
        raise TargetError(f"affine: the {name} must be an array of numbers, got {value!r}") from error
    if not np.isfinite(array).all():
        raise TargetError(f"affine: the {name} must be finite, got {value!r}")
    return array
