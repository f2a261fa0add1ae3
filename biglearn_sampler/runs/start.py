"""The start region of a run, from the settings and from what the target declares."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.errors import SettingsError
from biglearn_sampler.learning import StartRegion
from biglearn_sampler.runs.settings import StartSettings

FRESH_WIDTH = 0.3
"""Standard deviation of a fresh component, in declared scales."""


def start_region(settings: StartSettings, target: AbstractTarget) -> StartRegion:
    """The region in the target's own units; what the settings leave out is declared by the target.

    Raises:
        SettingsError: a vector or matrix of the wrong size, or a covariance that is not positive definite.
    """
    dim = target.dim
    mean = target.centre if settings.mean is None else _vector("start.mean", settings.mean, dim)
    width = FRESH_WIDTH * target.scale if settings.width is None else _vector("start.width", settings.width, dim)
    return StartRegion(mean, _factor(settings, target), width)


def _factor(settings: StartSettings, target: AbstractTarget) -> Float[Array, "dim dim"]:
    if settings.covariance is None:
        sd = target.scale if settings.sd is None else _vector("start.sd", settings.sd, target.dim)
        return jnp.diag(sd)
    if settings.sd is not None:
        raise SettingsError("start.sd and start.covariance say the same thing; give one of them")
    try:
        covariance = np.array(settings.covariance, float)
        factor = np.linalg.cholesky(covariance)
    except (ValueError, np.linalg.LinAlgError) as error:
        raise SettingsError(
            f"start.covariance must be a positive definite matrix, got {settings.covariance}"
        ) from error
    if covariance.shape != (target.dim, target.dim) or not np.allclose(covariance, covariance.T):
        raise SettingsError(f"start.covariance must be symmetric with {target.dim} rows, got shape {covariance.shape}")
    return jnp.asarray(factor, float)


def _vector(key: str, value: float | tuple[float, ...], dim: int) -> Float[Array, " dim"]:
    array = jnp.asarray(value, float)
    if array.shape not in {(), (dim,)}:
        expected = f"one number or {dim} numbers" if dim > 1 else "one number"
        raise SettingsError(f"{key} must be {expected}, got {len(array)}")
    return jnp.broadcast_to(array, (dim,))
