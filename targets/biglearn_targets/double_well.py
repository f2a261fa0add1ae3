"""A double well with unequal depths: the building block of the many-well targets."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import Facts, FunctionTarget, function_target
from biglearn_targets.grid import Grid, draws_on_line

# ln of integral exp(0.5 x + 6 x^2 - x^4) dx = 11784.50926513, by scipy.integrate.quad to a relative error of
# 1e-13, plus 0.5 ln(2 pi); the mass left of 0 in the same way. The tests compute both again.
LOG_Z = 10.293479707074
LEFT_MASS = 0.155692903789

# The two outer roots of 0.5 + 12 x - 4 x^3, by numpy.roots.
LEFT_WELL, RIGHT_WELL = -1.71082904, 1.75251986

WELL_GRID = Grid(-3.2, 3.2, 8192)
"""Beyond it lies a mass below 1e-20."""


def double_well() -> FunctionTarget:
    """`log_density(x, y) = 0.5 x + 6 x^2 - x^4 - y^2 / 2`: two wells in `x`, a normal law in `y`.

    The modes are the half-planes `x < 0` (mass 0.1557) and `x > 0` (mass 0.8443).

    Declared: centre 0, scale 2, the half-width of the region.
    """
    facts = Facts(
        log_z=LOG_Z,
        modes=jnp.array([[LEFT_WELL, 0.0], [RIGHT_WELL, 0.0]]),
        mode_weights=jnp.array([LEFT_MASS, 1.0 - LEFT_MASS]),
        responsibilities=_side_of,
        sample=_sample,
    )
    return function_target(log_density, dim=2, scale=2.0, facts=facts)


def log_density(point: Float[Array, " 2"]) -> Float[Array, ""]:
    """The log density of both coordinates, unnormalised."""
    x, y = point
    return 0.5 * x + 6.0 * x**2 - x**4 - 0.5 * y**2


def _side_of(point: Float[Array, " 2"]) -> Float[Array, " 2"]:
    return jax.nn.one_hot((point[0] > 0.0).astype(int), 2)


def _sample(key: Key[Array, ""], count: int) -> Float[Array, "count 2"]:
    key_x, key_y = jax.random.split(key)
    middle = WELL_GRID.midpoints
    masses = np.exp(0.5 * middle + 6.0 * middle**2 - middle**4)
    x = draws_on_line(key_x, count, WELL_GRID, masses)
    return jnp.stack([x, jax.random.normal(key_y, (count,))], axis=-1)


ENTRIES = (
    Entry(
        name="double_well",
        build=double_well,
        summary="two wells of unequal depth in the plane",
        reference="Midgley, Stimper, Simm, Schölkopf, Hernández-Lobato (2023): Flow annealed importance "
        "sampling bootstrap, ICLR",
    ),
)
