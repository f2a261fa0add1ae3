"""Inverses of many small triangular matrices at once."""

from __future__ import annotations

import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float

LARGEST_SOLVED = 32
"""Up to this size the solver for many matrices is quick; of larger ones it takes a slow step for every row."""

BLOCK = 8
"""Larger matrices are put together by matrix products, from blocks that are inverted row by row."""


def inverse_factors(factors: Float[Array, "*batch dim dim"]) -> Float[Array, "*batch dim dim"]:
    """`L^-1` of every lower-triangular `L` with a non-zero diagonal.

    The diagonal blocks are inverted all at once; then neighbours are joined,

        [[A, 0], [B, C]]^-1 = [[A^-1, 0], [-C^-1 B A^-1, C^-1]],

    until one block is left: few large products where a solver for each matrix would make many small steps.
    """
    dim = factors.shape[-1]
    if dim <= LARGEST_SOLVED:
        return _solved(factors)
    size = BLOCK
    while size < dim:
        size *= 2
    padded = jnp.broadcast_to(jnp.eye(size, dtype=factors.dtype), (*factors.shape[:-2], size, size))
    padded = padded.at[..., :dim, :dim].set(factors)
    inverse = _by_rows(_blocks(padded, BLOCK, 0))
    width = BLOCK
    while width < size:
        below = _blocks(padded, width, 1)[..., ::2, :, :]
        first, second = inverse[..., ::2, :, :], inverse[..., 1::2, :, :]
        joined = -second @ (below @ first)
        upper = jnp.concatenate([first, jnp.zeros_like(first)], -1)
        inverse = jnp.concatenate([upper, jnp.concatenate([joined, second], -1)], -2)
        width *= 2
    return inverse[..., 0, :dim, :dim]


def _blocks(
    matrix: Float[Array, "*batch size size"], width: int, below: int
) -> Float[Array, "*batch blocks width width"]:
    """The square blocks on the diagonal, or so many blocks below it."""
    count = matrix.shape[-1] // width
    rows = [
        matrix[..., (place + below) * width : (place + below + 1) * width, place * width : (place + 1) * width]
        for place in range(count - below)
    ]
    return jnp.stack(rows, -3)


def _solved(factors: Float[Array, "*batch width width"]) -> Float[Array, "*batch width width"]:
    if factors.shape[-1] == 1:
        return 1.0 / factors
    identity = jnp.broadcast_to(jnp.eye(factors.shape[-1], dtype=factors.dtype), factors.shape)
    return solve_triangular(factors, identity, lower=True)


def _by_rows(factors: Float[Array, "*batch width width"]) -> Float[Array, "*batch width width"]:
    """Forward substitution: row i is `(e_i - sum_{j<i} L_ij row_j) / L_ii`."""
    width = factors.shape[-1]
    identity = jnp.broadcast_to(jnp.eye(width, dtype=factors.dtype), factors.shape)
    rows: list[Array] = []
    for number in range(width):
        row = identity[..., number, :]
        if rows:
            row = row - (factors[..., number, :number, None] * jnp.stack(rows, -2)).sum(-2)
        rows.append(row / factors[..., number, number, None])
    return jnp.stack(rows, -2)
