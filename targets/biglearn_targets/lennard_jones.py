"""Lennard-Jones clusters: particles in space that attract each other and cannot overlap, held together by a spring."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import jax.numpy as jnp
from jaxtyping import Array, Float

from biglearn_sampler.catalogue import Entry
from biglearn_targets.particles import ParticleTarget, particle_target, sum_over_pairs

SPACE = 3

CLOSEST_SQUARE = 0.36
"""Below the distance 0.6, where a pair has the energy 416, the energy goes on linearly in the squared distance."""

RADIUS_OF_ONE = 0.553
"""Of a ball as large as the share of one sphere of diameter 1 in their densest packing: `(1 / (8 * 0.7405))^(1/3)`."""

Pairs: TypeAlias = Annotated[
    Literal["twice", "once"], "how often a pair counts: twice as in iDEM, once as in EACF and Beyond ELBOs"
]


def lj13(pairs: Pairs = "twice") -> ParticleTarget:
    """Thirteen particles, 36 coordinates: see `lennard_jones`. The deepest minimum is an icosahedron."""
    return lennard_jones(13, pairs)


def lj55(pairs: Pairs = "twice") -> ParticleTarget:
    """Fifty-five particles, 162 coordinates: see `lennard_jones`. The deepest minimum has icosahedral shells."""
    return lennard_jones(55, pairs)


def lennard_jones(particles: int, pairs: Literal["twice", "once"]) -> ParticleTarget:
    """`log_density = -c sum_{i<j} (d_ij^-12 - 2 d_ij^-6) - sum_i |x_i - mean|^2 / 2` of particles in space.

    One pair alone rests at the distance 1. The published code of iDEM sums over ordered pairs, so that `c = 2`; that of
    EACF and Beyond ELBOs has `c = 1`, a temperature twice as high. The code of iDEM adds 1e-6 to squared distances,
    which is left out here.

    The centre of mass is taken out: see `ParticleTarget`; the integral over all positions is `particles^(3/2) Z` for
    each unit of volume that the centre of mass has. Turning, mirroring or exchanging particles changes nothing. `Z`
    and the masses of the many minima are unknown.

    Below the distance 0.6 the energy of a pair is continued linearly in `d^2` with the same slope, so that energy and
    gradient are bounded also in single precision; a pair so near has less than e^-400 of its largest density.

    Declared: centre 0, scale the radius of a ball of densely packed spheres of diameter 1: 1.3 for 13, 2.1 for 55.
    """
    factor = jnp.asarray(2.0 if pairs == "twice" else 1.0)
    radius = RADIUS_OF_ONE * particles ** (1.0 / SPACE)
    return particle_target(log_density, particles=particles, space=SPACE, radius=radius, data=(factor,))


def log_density(positions: Float[Array, "particles 3"], factor: Float[Array, ""]) -> Float[Array, ""]:
    """Minus the energy of positions around their centre of mass."""
    return -factor * sum_over_pairs(pair_energy, positions) - 0.5 * (positions**2).sum()


def pair_energy(square: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """`d^-12 - 2 d^-6` of a squared distance, and its tangent below the closest one."""
    sixth = jnp.maximum(square, CLOSEST_SQUARE) ** -3
    slope = -6.0 * (CLOSEST_SQUARE**-7 - CLOSEST_SQUARE**-4)
    return sixth**2 - 2.0 * sixth + slope * jnp.minimum(square - CLOSEST_SQUARE, 0.0)


REFERENCE = (
    "Köhler, Klein, Noé (2020): Equivariant flows: exact likelihood generative learning for symmetric densities, ICML"
)

ENTRIES = (
    Entry(
        name="lj13",
        build=lj13,
        summary="a cluster of 13 Lennard-Jones particles in space, centre of mass removed",
        reference=REFERENCE,
    ),
    Entry(
        name="lj55",
        build=lj55,
        summary="a cluster of 55 Lennard-Jones particles in space, centre of mass removed",
        reference="Klein, Krämer, Noé (2023): Equivariant flow matching, NeurIPS",
    ),
)
