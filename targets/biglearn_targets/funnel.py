"""Neal's funnel: one mode whose width changes by orders of magnitude."""

from __future__ import annotations

import math
from typing import Annotated

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import Facts, FunctionTarget, function_target

LOG_TWO_PI = math.log(2.0 * math.pi)


def funnel(
    dim: Annotated[int, "number of coordinates, at least 2"] = 10,
    scale: Annotated[float, "standard deviation of the first coordinate, above 0"] = 3.0,
) -> FunctionTarget:
    """`x_0 ~ N(0, scale^2)`, and `x_i | x_0 ~ N(0, exp(x_0))` for all others; normalised.

    Declared: centre 0 and the given `scale` in every coordinate.

    Raises:
        ValueError: `dim` is below 2, or `scale` is not positive.
    """
    if dim < 2:
        raise ValueError(f"`dim` must be at least 2, got {dim}")
    if not scale > 0:
        raise ValueError(f"`scale` must be above 0, got {scale}")

    def sample(key: Key[Array, ""], count: int) -> Float[Array, "count dim"]:
        noise = jax.random.normal(key, (count, dim))
        first = scale * noise[:, :1]
        return jnp.concatenate([first, jnp.exp(0.5 * first) * noise[:, 1:]], axis=1)

    facts = Facts(log_z=0.0, sample=sample)
    return function_target(log_density, dim=dim, scale=scale, data=(jnp.asarray(scale),), facts=facts)


def log_density(point: Float[Array, " dim"], scale: Float[Array, ""]) -> Float[Array, ""]:
    """`log N(x_0; 0, scale^2) + sum_i log N(x_i; 0, exp(x_0))`."""
    first, others = point[0], point[1:]
    log_first = -0.5 * (first / scale) ** 2 - jnp.log(scale)
    log_others = -0.5 * (others**2 * jnp.exp(-first) + first).sum()
    return log_first + log_others - 0.5 * point.shape[0] * LOG_TWO_PI


ENTRIES = (
    Entry(
        name="funnel",
        build=funnel,
        summary="Neal's funnel: one mode whose width changes by orders of magnitude",
        reference="Neal (2003): Slice sampling, Annals of Statistics 31, section 8",
    ),
)
