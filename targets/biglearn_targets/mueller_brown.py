"""The Müller-Brown surface: three curved wells joined by narrow passes."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import Facts, FunctionTarget, function_target
from biglearn_targets.grid import Grid, draws_on_plane

TERMS = (
    # A, a, b, c, x0, y0 of A exp(a (x - x0)^2 + b (x - x0)(y - y0) + c (y - y0)^2)
    (-200.0, -1.0, 0.0, -10.0, 1.0, 0.0),
    (-100.0, -1.0, 0.0, -10.0, 0.0, 0.5),
    (-170.0, -6.5, 11.0, -6.5, -0.5, 1.5),
    (15.0, 0.7, 0.6, 0.7, -1.0, 1.0),
)

MINIMA = ((-0.5582, 1.4417), (0.6235, 0.0280), (-0.0500, 0.4667))
"""Where the gradient is zero, to four digits; the potential there is -146.70, -108.17 and -80.77."""

GRIDS = (Grid(-4.0, 4.0, 1024), Grid(-4.0, 5.0, 1152))
"""At `beta` = 0.01 the border has 2e-12 of the peak's density; at 0.5 a cell is 0.35 deviations wide."""


def mueller_brown(
    beta: Annotated[float, "inverse temperature, from 0.01 to 0.5"] = 0.05,
) -> FunctionTarget:
    """`log_density(x, y) = -beta V(x, y)` on the whole plane.

    `V = sum_k A_k exp(a_k (x - x_k)^2 + b_k (x - x_k)(y - y_k) + c_k (y - y_k)^2)`. Three terms are bounded;
    in the fourth `A = 15` stands before a positive definite form, so `V` grows without bound in every
    direction, and the density is proper without any wall. It is `-inf` where that term overflows. On the box
    `[-2.5, 2] x [-1.5, 3]` used elsewhere `log Z` is 5.36608 at `beta` = 0.05; on the plane it is 5.36613.

    The modes are the regions nearest to the three minima. `log Z`, the masses of the modes and the draws come
    from the midpoint rule on a grid of 1024 x 1152 cells, computed when the target is built.

    Declared: centre 0, scale 1.5, the half-width of the region.

    Raises:
        ValueError: `beta` is outside of what the grid can resolve.
    """
    if not 0.01 <= beta <= 0.5:
        raise ValueError(f"`beta` must be from 0.01 to 0.5, got {beta}")
    return function_target(log_density, dim=2, scale=1.5, data=(jnp.asarray(beta),), facts=_facts(beta))


def log_density(point: Float[Array, " 2"], beta: Float[Array, ""]) -> Float[Array, ""]:
    """`-beta V(x, y)`."""
    return -beta * potential(point)


def potential(point: Float[Array, " 2"]) -> Float[Array, ""]:
    """`V(x, y)`."""
    height, a, b, c, x0, y0 = jnp.array(TERMS).T
    x, y = point[0] - x0, point[1] - y0
    return (height * jnp.exp(a * x**2 + b * x * y + c * y**2)).sum()


class _Table(NamedTuple):
    """The density on the grid: its logarithmic peak, the cells relative to it, and their regions."""

    log_peak: float
    masses: Float[np.ndarray, "rows columns"]
    regions: Float[np.ndarray, "rows columns 3"]


@lru_cache(maxsize=4)
def _table(beta: float) -> _Table:
    points = jnp.asarray(np.stack(np.meshgrid(*(grid.midpoints for grid in GRIDS), indexing="ij"), axis=-1))
    values = -beta * np.asarray(jax.vmap(jax.vmap(potential))(points), np.float64)
    log_peak = values.max()
    regions = jax.vmap(jax.vmap(_nearest_minimum))(points)
    return _Table(float(log_peak), np.exp(values - log_peak), np.asarray(regions))


def _facts(beta: float) -> Facts:
    table = _table(beta)
    cell = GRIDS[0].width * GRIDS[1].width
    masses = np.einsum("ij,ijk->k", table.masses, table.regions)

    def sample(key: Key[Array, ""], count: int) -> Float[Array, "count 2"]:
        return draws_on_plane(key, count, GRIDS, table.masses)

    return Facts(
        log_z=table.log_peak + float(np.log(masses.sum() * cell)),
        modes=jnp.array(MINIMA),
        mode_weights=jnp.asarray(masses / masses.sum(), float),
        responsibilities=_nearest_minimum,
        sample=sample,
    )


def _nearest_minimum(point: Float[Array, " 2"]) -> Float[Array, " 3"]:
    distances = ((point - jnp.array(MINIMA)) ** 2).sum(-1)
    return jax.nn.one_hot(jnp.argmin(distances), len(MINIMA))


ENTRIES = (
    Entry(
        name="mueller_brown",
        build=mueller_brown,
        summary="three curved wells joined by narrow passes",
        reference="Müller, Brown (1979): Location of saddle points and minimum energy paths by a constrained "
        "simplex optimization procedure, Theoretica Chimica Acta 53",
    ),
)
