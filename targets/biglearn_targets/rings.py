"""Three concentric rings, for which a Gaussian mixture is never exact."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import Facts, FunctionTarget, function_target
from biglearn_targets.grid import Grid, draws_on_line

EDGE = 4.5 * math.pi
FLOOR = 1.001
"""The published constant: it keeps the valleys between the rings at a density of 0.001."""

# integral 2 pi r exp(log_density(r)) dr by scipy.integrate.quad, piece by piece between the bounds below and
# the edge, to a relative error of 1e-12; the tests compute it again.
LOG_Z = 6.692279578290
RING_BOUNDS = (math.pi, 3.0 * math.pi)
RING_MASSES = (0.022912278, 0.308002040, 0.669085682)

RADIUS_GRID = Grid(0.0, EDGE + 18.0, 8192)
"""Beyond it lies a mass of 1e-8."""

NEAR_ZERO = 1e-12
"""The gradient of a square root is infinite at zero; below this square the radius counts as constant."""


def rings() -> FunctionTarget:
    """Rings of radius 0, `2 pi` and `4 pi` in the plane.

    `log_density(x) = log(cos r + 1.001)` for `r = |x| <= 4.5 pi`, and `4.5 pi - r` beyond. The modes are the
    rings themselves, parted at the radii `pi` and `3 pi`; the points given for them lie on the first axis.

    Exact draws have the radial density `r exp(log_density(r))`. The published sampler leaves out the factor
    `r`, the Jacobian of polar coordinates, and so draws from another density (masses .195, .389, .416).

    Declared: centre 0, scale 10, roughly the outer radius.
    """
    return function_target(log_density, dim=2, scale=10.0, facts=_facts())


def log_density(point: Float[Array, " 2"]) -> Float[Array, ""]:
    """`log(cos r + 1.001)` inside `4.5 pi`, falling as `-r` outside."""
    radius = jnp.sqrt(jnp.maximum((point**2).sum(), NEAR_ZERO))
    return jnp.where(radius <= EDGE, jnp.log(jnp.cos(radius) + FLOOR), EDGE - radius)


def _facts() -> Facts:
    return Facts(
        log_z=LOG_Z,
        modes=jnp.array([[0.0, 0.0], [2.0 * math.pi, 0.0], [4.0 * math.pi, 0.0]]),
        mode_weights=jnp.array(RING_MASSES),
        responsibilities=_ring_of,
        sample=_sample,
    )


def _ring_of(point: Float[Array, " 2"]) -> Float[Array, " 3"]:
    ring = jnp.searchsorted(jnp.array(RING_BOUNDS), jnp.hypot(point[0], point[1]))
    return jax.nn.one_hot(ring, len(RING_MASSES))


def _sample(key: Key[Array, ""], count: int) -> Float[Array, "count 2"]:
    key_radius, key_angle = jax.random.split(key)
    radii = RADIUS_GRID.midpoints
    masses = radii * np.where(radii <= EDGE, np.cos(radii) + FLOOR, np.exp(EDGE - radii))
    radius = draws_on_line(key_radius, count, RADIUS_GRID, masses)
    angle = jax.random.uniform(key_angle, (count,), maxval=2.0 * math.pi)
    return radius[:, None] * jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=-1)


ENTRIES = (
    Entry(
        name="rings",
        build=rings,
        summary="three concentric rings with unequal masses",
        reference="Blessing, Jia, Esslinger, Vargas, Neumann (2024): Beyond ELBOs, ICML",
    ),
)
