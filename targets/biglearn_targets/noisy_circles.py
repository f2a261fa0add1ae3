"""Noisy circles: points on concentric circles plus normal noise, a data set that here is a density."""

from __future__ import annotations

import math
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import i0e, logsumexp
from jaxtyping import Array, Float, Key

from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import Facts, FunctionTarget, function_target

NEAR_ZERO = 1e-12
"""The gradient of a square root is infinite at zero; below this square the radius counts as constant."""


def noisy_circles(
    radii: Annotated[tuple[float, ...], "radius of each circle, at least 0"] = (0.5, 1.0),
    deviation: Annotated[float, "standard deviation of the noise in every direction, above 0"] = 0.05,
    weights: Annotated[tuple[float, ...] | None, "one positive number for each circle; equal by default"] = None,
) -> FunctionTarget:
    """The law of `x = R_k (cos a, sin a) + s n` with circle `k` by its weight, `a` uniform and `n ~ N(0, I)`.

    `log_density(x) = log sum_k w_k exp(-(|x| - R_k)^2 / (2 s^2)) J(|x| R_k / s^2) / (2 pi s^2)`, where `J(t) =
    exp(-t) I_0(t)` with the Bessel function `I_0`: the angle is integrated out in closed form, and the density is
    normalised. Unlike in `gaussian_rings`, masses are the weights, whatever the radii, and exact draws are the
    definition itself. The modes are the circles; the points given for them lie on the first axis.

    Declared: centre 0, scale the largest radius, or the deviation if that is larger.

    Raises:
        ValueError: there is no circle, a radius is negative, the deviation or a weight is not positive, or there is
            another number of weights than of circles.
    """
    if not radii or not all(0 <= radius < math.inf for radius in radii):
        raise ValueError(f"`radii` must be at least one number, none below 0, got {radii}")
    if not deviation > 0:
        raise ValueError(f"`deviation` must be above 0, got {deviation}")
    masses = np.ones(len(radii)) if weights is None else np.array(weights, float)
    if masses.shape != (len(radii),) or not (masses > 0).all() or not np.isfinite(masses).all():
        raise ValueError(f"`weights` must be {len(radii)} positive numbers, one for each of `radii`, got {weights}")
    normalised = jnp.asarray(masses / masses.sum(), float)
    data = (jnp.asarray(radii, float), jnp.asarray(deviation, float), normalised)
    scale = max(*radii, deviation)
    return function_target(log_density, dim=2, scale=scale, data=data, facts=_facts(*data))


def log_density(
    point: Float[Array, " 2"],
    radii: Float[Array, " circles"],
    deviation: Float[Array, ""],
    weights: Float[Array, " circles"],
) -> Float[Array, ""]:
    """The sum of all circles, normalised."""
    return logsumexp(_logarithms(point, radii, deviation, weights))


def _logarithms(
    point: Float[Array, " 2"],
    radii: Float[Array, " circles"],
    deviation: Float[Array, ""],
    weights: Float[Array, " circles"],
) -> Float[Array, " circles"]:
    radius = jnp.sqrt(jnp.maximum((point**2).sum(), NEAR_ZERO))
    profile = -0.5 * ((radius - radii) / deviation) ** 2 + jnp.log(i0e(radius * radii / deviation**2))
    return jnp.log(weights) - jnp.log(2.0 * math.pi * deviation**2) + profile


def _facts(radii: Float[Array, " circles"], deviation: Float[Array, ""], weights: Float[Array, " circles"]) -> Facts:
    def responsibilities(point: Float[Array, " 2"]) -> Float[Array, " circles"]:
        return jax.nn.softmax(_logarithms(point, radii, deviation, weights))

    def sample(key: Key[Array, ""], count: int) -> Float[Array, "count 2"]:
        key_circle, key_angle, key_noise = jax.random.split(key, 3)
        radius = radii[jax.random.choice(key_circle, len(radii), (count,), p=weights)][:, None]
        angle = jax.random.uniform(key_angle, (count,), maxval=2.0 * math.pi)
        noise = jax.random.normal(key_noise, (count, 2))
        return radius * jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=-1) + deviation * noise

    return Facts(
        log_z=0.0,
        modes=jnp.stack([radii, jnp.zeros_like(radii)], axis=-1),
        mode_weights=weights,
        responsibilities=responsibilities,
        sample=sample,
    )


ENTRIES = (
    Entry(
        name="noisy_circles",
        build=noisy_circles,
        summary="concentric circles with normal noise: the data set of two circles as a density",
        reference="Pedregosa and others (2011): Scikit-learn: machine learning in Python, Journal of Machine Learning "
        "Research 12 (the data set `make_circles`)",
    ),
)
