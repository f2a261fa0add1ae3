"""The scalar field of `phi^4` theory on a square lattice: a phase transition, and two phases of exactly equal mass."""

from __future__ import annotations

import math
from typing import Annotated

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import Facts, FunctionTarget, function_target


def phi4(
    side: Annotated[int, "length of the lattice, at least 2; the dimension is its square"] = 8,
    kappa: Annotated[float, "coupling of neighbours, above 0"] = 0.3,
    lambda_: Annotated[float, "strength of the quartic term, above 0"] = 0.022,
) -> FunctionTarget:
    """`log_density(phi) = sum_s 2 kappa phi_s (phi_right + phi_below) - (1 - 2 lambda) phi_s^2 - lambda phi_s^4`.

    The lattice is periodic, and a point lists it row by row. The critical region of `lambda` = 0.022 is near `kappa` =
    0.27; on 8 x 8 sites the mean of `|sum phi / 64|` is 0.624 at `kappa` = 0.2, 2.087 at 0.3 and 4.830 at 0.5.

    `phi` and `-phi` have the same density. Where `4 kappa > 1 - 2 lambda`, the two constant fields of highest density,
    `+-sqrt((4 kappa - 1 + 2 lambda) / (2 lambda))`, stand for two modes: the half-spaces of positive and of negative
    mean, each with exactly half of the mass. `Z` is unknown.

    Declared: centre 0, scale 2.

    Raises:
        ValueError: `side` is below 2, or `kappa` or `lambda_` is not positive.
    """
    if side < 2:
        raise ValueError(f"`side` must be at least 2, got {side}")
    if not kappa > 0:
        raise ValueError(f"`kappa` must be above 0, got {kappa}")
    if not lambda_ > 0:
        raise ValueError(f"`lambda_` must be above 0, got {lambda_}")
    couplings = (jnp.asarray(kappa, float), jnp.asarray(lambda_, float))
    return function_target(log_density, dim=side**2, scale=2.0, data=couplings, facts=_facts(side, kappa, lambda_))


def log_density(point: Float[Array, " sites"], kappa: Float[Array, ""], lambda_: Float[Array, ""]) -> Float[Array, ""]:
    """Minus the action of a field."""
    side = math.isqrt(point.shape[0])
    field = point.reshape(side, side)
    neighbours = jnp.roll(field, -1, axis=0) + jnp.roll(field, -1, axis=1)
    return (2.0 * kappa * field * neighbours - (1.0 - 2.0 * lambda_) * field**2 - lambda_ * field**4).sum()


def _facts(side: int, kappa: float, lambda_: float) -> Facts:
    square = (4.0 * kappa - 1.0 + 2.0 * lambda_) / (2.0 * lambda_)
    if not square > 0:
        return Facts()
    constant = jnp.full(side**2, math.sqrt(square))
    return Facts(
        modes=jnp.stack([-constant, constant]), mode_weights=jnp.array([0.5, 0.5]), responsibilities=_sign_of_mean
    )


def _sign_of_mean(point: Float[Array, " sites"]) -> Float[Array, " 2"]:
    return jax.nn.one_hot((point.mean() > 0.0).astype(int), 2)


ENTRIES = (
    Entry(
        name="phi4",
        build=phi4,
        summary="a scalar field on a periodic lattice, with two phases of exactly equal mass",
        reference="Nicoli, Anders, Funcke, Hartung, Jansen, Kessel, Nakajima, Stornati (2021): Estimation of "
        "thermodynamic observables in lattice field theories with deep generative models, Physical Review Letters 126",
    ),
)
