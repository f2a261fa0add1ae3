"""A target as a model of NumPyro."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import jax.numpy as jnp
import numpyro
from jaxtyping import Array, Float
from numpyro import distributions as dist
from numpyro import handlers

SITE = "point"
"""The name of the only latent site."""

LogDensity: TypeAlias = Callable[[Float[Array, " dim"]], Float[Array, ""]]


def model(log_density: LogDensity, dim: int) -> None:
    """The model of which a guide is made; the log density is an argument, so that guides are set up without it."""
    # Masked, it has no density of its own; SteinVI draws from it where it is set up, which an improper law forbids.
    point = numpyro.sample(SITE, dist.Normal().expand([dim]).to_event(1).mask(False))
    # Blocked, since a target may be a model itself: its sites are none of the guide's business.
    with handlers.block():
        value = log_density(jnp.asarray(point))
    numpyro.factor("log_density", value)


def nothing(standard: Float[Array, " dim"]) -> Float[Array, ""]:
    """Stands for the log density where a guide is set up: NumPyro evaluates the model there, and not once."""
    return jnp.zeros((), standard.dtype)
