"""The region that a user declares: where to look first, and how far."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import ArrayLike

from biglearn_sampler.errors import TargetError

COARSE = 0.05
"""Share of a scale from which the distance of neighbouring numbers is too large to train on."""


def declared_dim(dim: int) -> int:
    """The declared number of coordinates, once it makes sense.

    Raises:
        TargetError: it is no whole number of at least 1.
    """
    if isinstance(dim, bool) or not isinstance(dim, int) or dim < 1:
        raise TargetError(f"dim must be a whole number of at least 1, got {dim!r}")
    return dim


def declared_region(dim: int, centre: ArrayLike, scale: ArrayLike) -> tuple[Float[Array, " dim"], Float[Array, " dim"]]:
    """The declared centre and scale as two vectors, once they make sense.

    Arguments:
        dim: number of coordinates.
        centre: where to look first, one number or one for each coordinate.
        scale: how far from the centre the mass may lie, one positive number or one for each coordinate.

    Raises:
        TargetError: a wrong shape, a number that is not finite, a scale that is not positive, or a region in which the
            precision of the device does not tell points apart.
    """
    checked_centre, checked_scale = _vector("centre", centre, dim), _vector("scale", scale, dim)
    if not (checked_scale > 0).all():
        raise TargetError(f"scale must be positive, got {scale!r}")
    _check_resolved(checked_centre, checked_scale)
    return jnp.asarray(checked_centre, float), jnp.asarray(checked_scale, float)


def _check_resolved(centre: np.ndarray, scale: np.ndarray) -> None:
    """See that a region has many numbers of the device in it.

    Raises:
        TargetError: it has not, with what to do.
    """
    device = np.dtype(jnp.result_type(float))
    with np.errstate(over="ignore", under="ignore"):
        held = scale.astype(device)
    if not (np.isfinite(held) & (held >= np.finfo(device).tiny)).all():
        raise TargetError(f"scale is beyond what {device} can hold, got {scale.tolist()}; measure in other units")
    steps = np.abs(centre) * np.finfo(device).eps
    if (steps > COARSE * scale).any():
        worst = int((steps / scale).argmax())
        raise TargetError(
            f"{device} has steps of {steps[worst]:.2g} near the centre {centre[worst]:g} of coordinate {worst}, too "
            f"coarse for a scale of {scale[worst]:g}; subtract the centre from that coordinate, or let JAX compute "
            "with 64 bits (JAX_ENABLE_X64=1)"
        )


def _vector(name: str, value: ArrayLike, dim: int) -> np.ndarray:
    try:
        array = np.asarray(value, float)
    except (TypeError, ValueError) as error:
        raise TargetError(f"{name} must be one number or {dim} numbers, got {value!r}") from error
    if array.shape not in {(), (dim,)}:
        raise TargetError(f"{name} must be one number or {dim} numbers, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise TargetError(f"{name} must be finite, got {value!r}")
    return np.broadcast_to(array, (dim,))
