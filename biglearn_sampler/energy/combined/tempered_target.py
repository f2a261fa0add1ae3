"""A target at another temperature."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Real
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from biglearn_sampler.energy.combined.parts import checked_target
from biglearn_sampler.energy.evaluations import Evaluations
from biglearn_sampler.energy.facts import UNKNOWN, Facts
from biglearn_sampler.energy.mixture_target import MixtureTarget
from biglearn_sampler.energy.region import declared_region
from biglearn_sampler.energy.target import AbstractTarget
from biglearn_sampler.errors import TargetError
from biglearn_sampler.mixture import Channel, GaussianMixture


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TemperedTarget(AbstractTarget):
    """`log_density(x) = beta * log q(x)`; see `tempered`.

    Arguments:
        original: `q`.
        inverse_temperature: `beta`.
    """

    original: AbstractTarget
    inverse_temperature: Float[Array, ""]

    @property
    def dim(self) -> int:
        return self.original.dim

    @property
    def centre(self) -> Float[Array, " dim"]:
        return self.original.centre

    @property
    def scale(self) -> Float[Array, " dim"]:
        """Wider by `1 / sqrt(beta)` for `beta < 1`; modes stay where they are, so it is never narrower."""
        return self.original.scale / jnp.sqrt(jnp.minimum(self.inverse_temperature, 1.0))

    @property
    def facts(self) -> Facts:
        """All of a Gaussian; nothing otherwise: the masses of modes at one temperature do not tell those at another.

        Of `N(mu, L L^T)` in `d` dimensions `Z = (2 pi)^(d (1 - beta) / 2) det(L)^(1 - beta) beta^(-d / 2)`.
        """
        gaussian = self._gaussian()
        if gaussian is None or not isinstance(self.original, MixtureTarget):
            return UNKNOWN
        beta = float(self.inverse_temperature)
        # All by NumPy: a mixture asks for the facts of its parts inside compiled code too.
        factor = np.asarray(self.original.mixture.factors, float)[0] / math.sqrt(beta)
        return Facts(
            log_z=float(_log_z(np.diagonal(factor), beta)),
            modes=gaussian.means,
            mode_weights=gaussian.weights,
            responsibilities=gaussian.responsibilities,
            sample=gaussian.sample,
        )

    @property
    def price_of_gradient(self) -> Evaluations:
        return self.original.price_of_gradient

    @property
    def has_names(self) -> bool:
        return self.original.has_names

    @property
    def has_exact_channels(self) -> bool:
        return self._gaussian() is not None

    def log_density(self, point: Float[Array, " dim"]) -> Float[Array, ""]:
        return self.inverse_temperature * self.original.log_density(point)

    def channel_log_density(self, channel: Channel, view: Float[Array, " rows"]) -> Float[Array, ""]:
        gaussian = self._gaussian()
        if gaussian is None:
            return super().channel_log_density(channel, view)
        log_z = _log_z(jnp.diagonal(gaussian.factors[0]), self.inverse_temperature)
        return gaussian.through(channel).log_density(view) + log_z

    def asked_at(self, points: Float[Array, "count dim"]) -> Iterator[tuple[AbstractTarget, Float[Array, "count own"]]]:
        yield from self.original.asked_at(points)

    def observed(self) -> dict[str, np.ndarray]:
        return self.original.observed()

    def quantities(self, point: Float[Array, " dim"]) -> dict[str, Array]:
        return self.original.quantities(point)

    def _gaussian(self) -> GaussianMixture | None:
        """The normalised law, where it is a Gaussian."""
        if not isinstance(self.original, MixtureTarget) or self.original.mixture.components > 1:
            return None
        mixture = self.original.mixture
        factors = mixture.factors / jnp.sqrt(self.inverse_temperature)
        return GaussianMixture(mixture.log_weights, mixture.means, factors)


def tempered(target: AbstractTarget, beta: float) -> AbstractTarget:
    """The target at inverse temperature `beta`: `log_density(x) = beta * log q(x)`.

    What is known of the original is not known of this, unless the original is a single Gaussian; `beta = 1` gives the
    original itself. The declared scale grows by `1 / sqrt(beta)` for `beta < 1`.

    Arguments:
        target: `q`.
        beta: above 0. Below 1 the density is flatter: heavy tails may then have no finite `Z`.

    Raises:
        TargetError: no target, a `beta` that is no positive number, or a region that the device cannot hold.

    Example:
        >>> import biglearn_sampler as bl
        >>> bl.tempered(bl.target("grid25"), 0.1).facts.log_z is None
        True
    """
    original = checked_target("tempered", target)
    number = _number(beta)
    if number == 1.0:
        return original
    wider = np.asarray(original.scale, float) / math.sqrt(min(number, 1.0))
    declared_region(original.dim, np.asarray(original.centre, float), wider)
    return TemperedTarget(original, jnp.asarray(number, float))


def _number(beta: Any) -> float:
    """An inverse temperature.

    Raises:
        TargetError: it is none, or none in the precision of the device.
    """
    device = np.finfo(np.dtype(jnp.result_type(float)))
    is_number = isinstance(beta, Real) and not isinstance(beta, bool)
    if not is_number and not (isinstance(beta, (np.ndarray, jax.Array)) and beta.ndim == 0):
        raise TargetError(f"tempered: beta must be a finite number above 0, got {beta!r}")
    number = float(beta)
    if not float(device.tiny) <= number <= float(device.max):
        raise TargetError(f"tempered: beta must be a finite number above 0 that {device.dtype} can hold, got {beta!r}")
    return number


def _log_z(diagonal: Any, beta: Any) -> Any:
    """`log Z` of a tempered Gaussian, from the diagonal of its factor `L / sqrt(beta)`: arrays of NumPy or of JAX."""
    arrays = np if isinstance(diagonal, np.ndarray) else jnp
    dim = diagonal.shape[0]
    log_determinant = arrays.log(diagonal).sum() + 0.5 * dim * arrays.log(beta)
    log_z = (1.0 - beta) * (0.5 * dim * math.log(2.0 * math.pi) + log_determinant)
    return log_z - 0.5 * dim * arrays.log(beta)
