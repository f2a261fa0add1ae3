"""Many wells: independent double wells side by side, so that the modes double with every two coordinates."""

from __future__ import annotations

from itertools import product
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import Facts, FunctionTarget, function_target
from biglearn_targets.double_well import LEFT_MASS, LEFT_WELL, LOG_Z, RIGHT_WELL, WELL_GRID
from biglearn_targets.grid import draws_on_line

LARGEST_LIST = 64
"""So many modes are listed at most."""


def many_well(
    dim: Annotated[int, "number of coordinates, even and at least 2"] = 32,
) -> FunctionTarget:
    """`log_density = sum 0.5 d_i + 6 d_i^2 - d_i^4 - v_i^2 / 2` over `dim / 2` pairs `(d_i, v_i)` of neighbours.

    Each pair is a `double_well` with mass 0.1557 where `d < 0` and 0.8443 where `d > 0`. The modes are the
    `2^(dim / 2)` combinations of these; they are listed up to 12 dimensions, first wells changing slowest.

    Declared: centre 0, scale 1.5.

    Raises:
        ValueError: `dim` is odd or below 2.
    """
    if dim < 2 or dim % 2:
        raise ValueError(f"`dim` must be even and at least 2, got {dim}")
    return function_target(log_density, dim=dim, scale=1.5, facts=_facts(dim // 2))


def log_density(point: Float[Array, " dim"]) -> Float[Array, ""]:
    """The sum over all pairs, unnormalised."""
    deep, flat = point[::2], point[1::2]
    return (0.5 * deep + 6.0 * deep**2 - deep**4 - 0.5 * flat**2).sum()


def _facts(wells: int) -> Facts:
    def sample(key: Key[Array, ""], count: int) -> Float[Array, "count dim"]:
        key_deep, key_flat = jax.random.split(key)
        middle = WELL_GRID.midpoints
        masses = np.exp(0.5 * middle + 6.0 * middle**2 - middle**4)
        deep = draws_on_line(key_deep, count * wells, WELL_GRID, masses).reshape(count, wells)
        flat = jax.random.normal(key_flat, (count, wells))
        return jnp.stack([deep, flat], axis=-1).reshape(count, 2 * wells)

    if 2**wells > LARGEST_LIST:
        return Facts(log_z=wells * LOG_Z, sample=sample)
    sides = np.array(list(product((0, 1), repeat=wells)))
    modes = np.stack([np.where(sides, RIGHT_WELL, LEFT_WELL), np.zeros(sides.shape)], axis=-1)
    return Facts(
        log_z=wells * LOG_Z,
        modes=jnp.asarray(modes.reshape(len(sides), 2 * wells), float),
        mode_weights=jnp.asarray(np.where(sides, 1.0 - LEFT_MASS, LEFT_MASS).prod(axis=1), float),
        responsibilities=_combination_of,
        sample=sample,
    )


def _combination_of(point: Float[Array, " dim"]) -> Float[Array, " modes"]:
    """A one where the sides of all wells, read as a binary number with the first well in front, say."""
    is_right = point[::2] > 0.0
    places = 2 ** jnp.arange(len(is_right))[::-1]
    return jax.nn.one_hot((is_right * places).sum(), 2 ** len(is_right))


ENTRIES = (
    Entry(
        name="many_well",
        build=many_well,
        summary="independent double wells: 65,536 modes in 32 dimensions",
        reference="Midgley, Stimper, Simm, Schölkopf, Hernández-Lobato (2023): Flow annealed importance "
        "sampling bootstrap, ICLR",
    ),
)
