"""DW4: four particles in the plane that like two distances, known up to the last digit of its integral."""

from __future__ import annotations

import math
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from scipy.interpolate import CubicSpline

from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import Facts
from biglearn_targets.grid import Grid, draws_by_quantiles, quantiles
from biglearn_targets.particles import ParticleTarget, coordinates_of, particle_target, sum_over_pairs
from biglearn_targets.rejection import draws_by_rejection

PARTICLES, SPACE = 4, 2

QUARTIC, QUADRATIC, OFFSET = 0.9, -4.0, 4.0
"""`V(d) = 0.9 (d - 4)^4 - 4 (d - 4)^2`: a barrier of height 4.44 at the distance 4, wells at 2.51 and 5.49."""

DEEPEST = -(QUADRATIC**2) / (4.0 * QUARTIC)
"""`V` in both wells."""

# With particle 1 at 0, particle 2 at (r, 0), w = exp(-V) and f_r(x) = w(|x|) w(|x - (r, 0)|):
# Z = 2 pi / 4 integral r w(r) f_r(x_3) f_r(x_4) w(|x_3 - x_4|) dx_3 dx_4 dr, where 4 = particles^(space / 2) comes from
# differences for coordinates. The inner integral is a convolution; the trapezoidal rule gives 14 digits with steps of
# 0.1. The tests compute it again.
LOG_Z = 29.667232232904

DISTANCE_GRID = Grid(0.0, 8.0, 8192)
"""Beyond it lies a mass below e^-150."""

PROPOSED_AT_ONCE, TRIED_AT_ONCE = 65_536, 4_096
"""Of rejection, in its outer and in its inner loop."""

NEAR_ZERO = 1e-12
"""The gradient of a square root is infinite at zero; below this square the distance counts as constant."""


def dw4() -> ParticleTarget:
    """`log_density = -sum_{i<j} (0.9 (d_ij - 4)^4 - 4 (d_ij - 4)^2)` of four particles in the plane, in 6 coordinates.

    Each pair counts once, without a factor of 1/2, as in the published code. The centre of mass is taken out: see
    `ParticleTarget`; the integral over all 8 coordinates is `4 Z` for each unit of area that the centre of mass has.
    Turning, mirroring or exchanging particles changes nothing. The modes are not enumerated.

    `log Z` is a quadrature. Exact draws take the distance of two particles from its marginal law without the sixth
    pair, place the other two beside them by rejection, and are accepted by the sixth pair; one of 8 is.

    Declared: centre 0, scale 4, the distance in the middle.
    """
    facts = Facts(log_z=LOG_Z, sample=_sample)
    return particle_target(log_density, particles=PARTICLES, space=SPACE, radius=OFFSET, facts=facts)


def log_density(positions: Float[Array, "4 2"]) -> Float[Array, ""]:
    """Minus the energy of all six pairs."""
    return -sum_over_pairs(pair_energy, positions)


def pair_energy(square: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """`V(d)` of a squared distance."""
    beyond = jnp.sqrt(jnp.maximum(square, NEAR_ZERO)) - OFFSET
    return QUARTIC * beyond**4 + QUADRATIC * beyond**2


@partial(jax.jit, static_argnames="count")
def _sample(key: Key[Array, ""], count: int) -> Float[Array, "count 6"]:
    return draws_by_rejection(key, count, (PARTICLES - 1) * SPACE, _propose)


def _propose(key: Key[Array, ""]) -> tuple[Float[Array, "proposed 6"], Array]:
    """All of the density but the last pair: `r w(r) f_r(x_3) f_r(x_4)`; the pair decides what is accepted."""
    key_first, key_others, key_pair = jax.random.split(key, 3)
    first = draws_by_quantiles(key_first, (PROPOSED_AT_ONCE,), _first_pair())
    three, four = _beside_both(key_others, jnp.tile(first, 2)).reshape(2, PROPOSED_AT_ONCE, SPACE)
    one, two = jnp.zeros_like(three), jnp.stack([first, jnp.zeros_like(first)], axis=-1)
    # Turned by any angle, since the first two lie on an axis.
    key_pair, key_angle = jax.random.split(key_pair)
    angle = jax.random.uniform(key_angle, (PROPOSED_AT_ONCE, 1), maxval=2.0 * math.pi)
    positions = jnp.stack([one, two, three, four], axis=1)
    turned = jnp.cos(angle)[..., None] * positions + jnp.sin(angle)[..., None] * _quarter_turn(positions)
    return coordinates_of(turned), _accepted(key_pair, three - four)


def _beside_both(key: Key[Array, ""], distances: Float[Array, " count"]) -> Float[Array, "count 2"]:
    """Points with the density `f_r`, one for each distance `r`, by rejection until the last has one."""

    def unfinished(state: tuple[Array, Array, Array, Array]) -> Array:
        return (state[1] < count).any()

    def one_round(state: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        number, tried, begun, points = state
        key_place, key_accept = jax.random.split(jax.random.fold_in(key, number))
        places = _around_one(key_place)
        second = jnp.stack([distances[tried], jnp.zeros(TRIED_AT_ONCE)], axis=-1)
        done = _accepted(key_accept, places - second)
        points = points.at[jnp.where(done, tried, count)].set(places, mode="drop")
        # Whoever is done makes room for the next; numbers beyond the last are nobody.
        following = jnp.where(done, begun + jnp.cumsum(done) - 1, tried)
        return number + 1, following, begun + done.sum(), points

    count = len(distances)
    start = (jnp.asarray(0), jnp.arange(TRIED_AT_ONCE), jnp.asarray(TRIED_AT_ONCE), jnp.zeros((count, SPACE)))
    return jax.lax.while_loop(unfinished, one_round, start)[3]


def _around_one(key: Key[Array, ""]) -> Float[Array, "tried 2"]:
    """Points with the density `w(|x|)`."""
    key_distance, key_angle = jax.random.split(key)
    distance = draws_by_quantiles(key_distance, (TRIED_AT_ONCE,), _one_pair())
    angle = jax.random.uniform(key_angle, (TRIED_AT_ONCE,), maxval=2.0 * math.pi)
    return distance[:, None] * jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=-1)


def _accepted(key: Key[Array, ""], differences: Float[Array, "count 2"]) -> Array:
    """True as often as `w / max w` says."""
    above = pair_energy((differences**2).sum(-1)) - DEEPEST
    return jax.random.exponential(key, above.shape) >= above


def _quarter_turn(positions: Float[Array, "*count 2"]) -> Float[Array, "*count 2"]:
    return jnp.stack([-positions[..., 1], positions[..., 0]], axis=-1)


@lru_cache(maxsize=1)
def _one_pair() -> Float[np.ndarray, " quantiles"]:
    """Quantiles of `d w(d)`."""
    middle = DISTANCE_GRID.midpoints
    return quantiles(DISTANCE_GRID, middle * _weight(middle))


@lru_cache(maxsize=1)
def _first_pair() -> Float[np.ndarray, " quantiles"]:
    """Quantiles of `r w(r) (integral f_r(x) dx)^2`; the integral is smooth in `r` and taken at 401 of them."""
    coarse = np.linspace(DISTANCE_GRID.lower, DISTANCE_GRID.upper, 401)
    line = np.arange(-75, 76) * 0.1
    x, y = np.meshgrid(line, line[line >= 0.0], indexing="ij")
    both_sides = np.where(y > 0.0, 2.0, 1.0) * _weight(np.hypot(x, y))
    logarithms = np.log([(both_sides * _weight(np.hypot(x - distance, y))).sum() for distance in coarse])
    middle = DISTANCE_GRID.midpoints
    squares = np.exp(2.0 * CubicSpline(coarse, logarithms - logarithms.max())(middle))
    return quantiles(DISTANCE_GRID, middle * _weight(middle) * squares)


def _weight(distance: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """`w = exp(-V)`."""
    return np.exp(-QUARTIC * (distance - OFFSET) ** 4 - QUADRATIC * (distance - OFFSET) ** 2)


ENTRIES = (
    Entry(
        name="dw4",
        build=dw4,
        summary="four particles in the plane with a double well for each distance, centre of mass removed",
        reference="Köhler, Klein, Noé (2020): Equivariant flows: exact likelihood generative learning for symmetric "
        "densities, ICML",
    ),
)
