"""Gaussians on a grid of any size: the mixture of `grid25` in general, and the ways to make it less regular."""

from __future__ import annotations

from itertools import product
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Float

from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import MixtureTarget
from biglearn_sampler.mixture import GaussianMixture

LARGEST = 4096
"""So many components at most."""


def grid(
    side: Annotated[int, "number of components along each axis, at least 1"] = 5,
    dim: Annotated[int, "number of coordinates, at least 1; there are side^dim components, at most 4096"] = 2,
    spacing: Annotated[float, "distance between neighbours, above 0"] = 2.0,
    variance: Annotated[float, "variance of each component in every direction, above 0"] = 0.05,
    weights: Annotated[
        tuple[float, ...] | None, "one positive number for each component, last axis changing fastest; equal by default"
    ] = None,
    weight_ratio: Annotated[
        float, "largest weight over smallest, at least 1: weights in equal ratios, in an order by seed"
    ] = 1.0,
    jitter: Annotated[float, "standard deviation of what each mean is moved by in every direction, at least 0"] = 0.0,
    rotation: Annotated[
        float | Literal["random"], "degrees in each plane of coordinates (1, 2), (3, 4), ...; or a turn by seed"
    ] = 0.0,
    seed: Annotated[int, "of the order of weights, of the jitter and of the random rotation, at least 0"] = 0,
    scale: Annotated[float | None, "declared scale, above 0; by default the half-width of the upright grid"] = None,
) -> MixtureTarget:
    """`side^dim` components with covariance `variance * I` on a grid around 0; with defaults, `grid25`.

    Means are first moved by the jitter, then turned about 0. Draws come from NumPy's generator, whose legacy stream is
    frozen, one stream for each use: another jitter does not change the order of weights.

    Declared: centre 0, scale `spacing (side - 1) / 2`, as `grid25` has it; for a single component three deviations.

    Raises:
        ValueError: a parameter is out of its range, there are more than 4096 components or another number of weights
            than of components, both `weights` and `weight_ratio` are given, or one coordinate is to be turned.
    """
    _check(side, dim, spacing, variance, weight_ratio, jitter, seed)
    count = side**dim
    if weights is not None and weight_ratio != 1:
        raise ValueError(f"give `weights` or `weight_ratio`, got both ({len(weights)} weights and {weight_ratio})")
    upright = spacing * (np.array(list(product(range(side), repeat=dim))) - 0.5 * (side - 1))
    moved = upright + jitter * _stream(seed, 1).normal(size=(count, dim))
    half_width = 0.5 * spacing * (side - 1) or 3.0 * variance**0.5
    declared = half_width if scale is None else scale
    if not declared > 0:
        raise ValueError(f"`scale` must be above 0, got {scale}")
    masses = _masses(count, weights, weight_ratio, seed)
    mixture = GaussianMixture.of(moved @ _turn(dim, rotation, seed).T, variance, masses)
    return MixtureTarget.of(mixture, scale=declared)


def _check(side: int, dim: int, spacing: float, variance: float, weight_ratio: float, jitter: float, seed: int) -> None:
    for name, value, least in (("side", side, 1), ("dim", dim, 1), ("weight_ratio", weight_ratio, 1.0)):
        if not value >= least:
            raise ValueError(f"`{name}` must be at least {least:g}, got {value}")
    for name, value in (("spacing", spacing), ("variance", variance)):
        if not value > 0:
            raise ValueError(f"`{name}` must be above 0, got {value}")
    for name, value in (("jitter", jitter), ("seed", seed)):
        if not value >= 0:
            raise ValueError(f"`{name}` must be at least 0, got {value}")
    # The logarithm first: the power of two large numbers would not end.
    if dim * np.log(side) > np.log(LARGEST + 0.5):
        raise ValueError(f"`side`^`dim` must be at most {LARGEST}, got {side}^{dim}")


def _masses(
    count: int, weights: tuple[float, ...] | None, weight_ratio: float, seed: int
) -> Float[np.ndarray, " components"]:
    if weights is None:
        falling = weight_ratio ** -np.linspace(0.0, 1.0, count)
        chosen = falling[_stream(seed, 0).permutation(count)]
    else:
        chosen = np.array(weights, float)
        if chosen.shape != (count,) or not (chosen > 0).all() or not np.isfinite(chosen).all():
            raise ValueError(f"`weights` must be {count} positive numbers, got {weights}")
    return chosen / chosen.sum()


def _turn(dim: int, rotation: float | Literal["random"], seed: int) -> Float[np.ndarray, "dim dim"]:
    """The matrix that turns the means."""
    if rotation == "random":
        matrix, triangle = np.linalg.qr(_stream(seed, 2).normal(size=(dim, dim)))
        # With a positive diagonal the factorisation is unique, and the turn is uniform.
        return matrix * np.sign(np.diagonal(triangle))
    if rotation and dim == 1:
        raise ValueError(f"`rotation` needs at least 2 coordinates, got {rotation} with `dim` = 1")
    cosine, sine = np.cos(np.deg2rad(rotation)), np.sin(np.deg2rad(rotation))
    matrix = np.eye(dim)
    for first in range(0, dim - 1, 2):
        matrix[first : first + 2, first : first + 2] = [[cosine, -sine], [sine, cosine]]
    return matrix


def _stream(seed: int, use: int) -> np.random.RandomState:
    return np.random.RandomState([seed, use])


ENTRIES = (
    Entry(
        name="grid",
        build=grid,
        summary="Gaussians on a grid of any side, spacing and dimension, with unequal weights, jitter and rotation",
        reference="Big Cooperative Learning to Conquer Local Optima",
    ),
)
