"""Where an expectation under a standard normal law is taken: a quadrature, or random points."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from biglearn_sampler.estimators.grid import regular_grid

HALF_WIDTH = 6.0
"""Of a quadrature, in standard deviations."""


class Nodes(NamedTuple):
    """Points `e` with weights that sum to one.

    Arguments:
        points: in units of the standard deviation; perhaps many sets of points, with the same weights.
        weights: of the points.
    """

    points: Float[Array, "... nodes dim"]
    weights: Float[Array, "... nodes"]


def quadrature(nodes: int, dim: int) -> Nodes:
    """The trapezoidal rule, whose error falls exponentially with the number of nodes a side for a smooth function."""
    points, _ = regular_grid(dim, nodes, jnp.asarray(HALF_WIDTH))
    return Nodes(points, jax.nn.softmax(-0.5 * (points**2).sum(-1)))


def monte_carlo(key: Key[Array, ""], shape: tuple[int, ...]) -> Nodes:
    """Independent draws of equal weight, of shape `(*sets, nodes, dim)`."""
    return Nodes(jax.random.normal(key, shape), jnp.full(shape[-2], 1.0 / shape[-2]))
