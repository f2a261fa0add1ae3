"""Factors of many small matrices at once, and their inverses.

Not by the routines of the linear-algebra library: for many matrices they share them out among the threads that compiled
code itself runs on, and two such calls at once can wait for each other for ever (seen with jax 0.10.2 on two cores).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

LARGEST_BY_ROWS = 32
"""Up to this size matrices are inverted row by row."""

BLOCK = 16
"""Larger matrices are put together from blocks of this size by matrix products."""


@jax.custom_jvp
def inverse_factors(factors: Float[Array, "*batch dim dim"]) -> Float[Array, "*batch dim dim"]:
    """`L^-1` of every lower-triangular `L` with a non-zero diagonal.

    By forward substitution, all matrices at once. Of large ones the diagonal blocks; then neighbours are joined,

        [[A, 0], [B, C]]^-1 = [[A^-1, 0], [-C^-1 B A^-1, C^-1]],

    until one block is left. Its derivative along `T` is `-L^-1 T L^-1`.
    """
    dim = factors.shape[-1]
    if dim <= LARGEST_BY_ROWS:
        return _by_rows(factors)
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


@inverse_factors.defjvp
def _inverse_jvp(
    primals: tuple[Float[Array, "*batch dim dim"]], tangents: tuple[Float[Array, "*batch dim dim"]]
) -> tuple[Float[Array, "*batch dim dim"], Float[Array, "*batch dim dim"]]:
    inverse = inverse_factors(*primals)
    return inverse, -inverse @ jnp.tril(tangents[0]) @ inverse


def _blocks(
    matrix: Float[Array, "*batch size size"], width: int, below: int
) -> Float[Array, "*batch blocks width width"]:
    """The square blocks on the diagonal, or so many blocks below it."""
    rows = [
        matrix[..., (place + below) * width : (place + below + 1) * width, place * width : (place + 1) * width]
        for place in range(matrix.shape[-1] // width - below)
    ]
    return jnp.stack(rows, -3)


def _by_rows(factors: Float[Array, "*batch dim dim"]) -> Float[Array, "*batch dim dim"]:
    """Row i is `(e_i - sum_{j<i} L_ij row_j) / L_ii`; rows that are still to come are zero."""
    identity = jnp.eye(factors.shape[-1], dtype=factors.dtype)

    def with_row(number: Int[Array, ""], inverse: Float[Array, "*batch dim dim"]) -> Float[Array, "*batch dim dim"]:
        mine = jax.lax.dynamic_index_in_dim(factors, number, -2, keepdims=False)
        pivot = jax.lax.dynamic_index_in_dim(mine, number, -1)
        row = (identity[number] - (mine[..., :, None] * inverse).sum(-2)) / pivot
        return jax.lax.dynamic_update_index_in_dim(inverse, row, number, factors.ndim - 2)

    return jax.lax.fori_loop(0, factors.shape[-1], with_row, jnp.zeros_like(factors))


@jax.custom_jvp
def cholesky_factors(covariances: Float[Array, "*batch dim dim"]) -> Float[Array, "*batch dim dim"]:
    """The lower-triangular `L` with `L L^T = S` of every symmetric positive definite `S`; NaN where it is not.

    Column by column, all matrices at once; large ones by the library. The derivative along `T` is
    `L Phi(L^-1 T L^-T)`, where `Phi` keeps the lower triangle and halves the diagonal.
    """
    dim = covariances.shape[-1]
    if dim > LARGEST_BY_ROWS:
        return jnp.linalg.cholesky(covariances)
    places = jnp.arange(dim)

    def with_column(
        number: Int[Array, ""], carry: tuple[Float[Array, "*batch dim dim"], Float[Array, "*batch dim dim"]]
    ) -> tuple[Float[Array, "*batch dim dim"], Float[Array, "*batch dim dim"]]:
        left, factors = carry
        column = jax.lax.dynamic_index_in_dim(left, number, -1, keepdims=False)
        pivot = jax.lax.dynamic_index_in_dim(column, number, -1)
        column = jnp.where(places >= number, column / jnp.sqrt(pivot), 0.0)
        factors = jax.lax.dynamic_update_index_in_dim(factors, column, number, factors.ndim - 1)
        return left - column[..., :, None] * column[..., None, :], factors

    return jax.lax.fori_loop(0, dim, with_column, (covariances, jnp.zeros_like(covariances)))[1]


@cholesky_factors.defjvp
def _cholesky_jvp(
    primals: tuple[Float[Array, "*batch dim dim"]], tangents: tuple[Float[Array, "*batch dim dim"]]
) -> tuple[Float[Array, "*batch dim dim"], Float[Array, "*batch dim dim"]]:
    factors = cholesky_factors(*primals)
    inverse = inverse_factors(factors)
    symmetric = 0.5 * (tangents[0] + tangents[0].mT)
    relative = inverse @ symmetric @ inverse.mT
    return factors, factors @ _lower_half(relative)


def _lower_half(symmetric: Float[Array, "*batch dim dim"]) -> Float[Array, "*batch dim dim"]:
    """`Phi`: the lower triangle, with the diagonal halved."""
    return jnp.tril(symmetric) * (1.0 - 0.5 * jnp.eye(symmetric.shape[-1], dtype=symmetric.dtype))


@jax.custom_jvp
def factors_of_roots(roots: Float[Array, "*batch rows columns"]) -> Float[Array, "*batch rows rows"]:
    """The lower-triangular `L` with `L L^T = M M^T` of every `M` with `rows <= columns`; NaN where rank is not full.

    The product is never made: it would square the condition of `M`, which single precision cannot hold where axes are
    1 : 3,000 or more. Row by row, a reflection from the right sends what is left of the row to its diagonal place
    (Householder); large ones by the library. Rows, and what is left of them, are in units of their largest entries,
    whose squares may be no floats. Along `T` the derivative is `L Phi(A + A^T)` with `A = L^-1 T (L^-1 M)^T` and `Phi`
    of `cholesky_factors`.
    """
    rows, columns = roots.shape[-2:]
    units = jnp.abs(roots).max(-1, keepdims=True)
    scaled = roots / units
    if rows > LARGEST_BY_ROWS:
        factors = jnp.linalg.qr(scaled.mT, mode="r").mT
    else:
        places = jnp.arange(columns)

        def with_row(
            number: Int[Array, ""], left: Float[Array, "*batch rows columns"]
        ) -> Float[Array, "*batch rows columns"]:
            row = jnp.where(places >= number, jax.lax.dynamic_index_in_dim(left, number, -2, keepdims=False), 0.0)
            row = row / jnp.abs(row).max(-1, keepdims=True)
            pivot = jax.lax.dynamic_index_in_dim(row, number, -1)
            length = jnp.sqrt((row**2).sum(-1, keepdims=True))
            mirror = jnp.where(places == number, pivot + jnp.where(pivot < 0, -length, length), row)
            mirror = mirror * jnp.sqrt(2.0 / (mirror**2).sum(-1, keepdims=True))
            return left - (left * mirror[..., None, :]).sum(-1, keepdims=True) * mirror[..., None, :]

        factors = jax.lax.fori_loop(0, rows, with_row, scaled)[..., :rows]
    diagonal = jnp.diagonal(factors, axis1=-2, axis2=-1)[..., None, :]
    signs = jnp.where(diagonal == 0.0, jnp.nan, jnp.where(diagonal < 0.0, -1.0, 1.0))
    return units * jnp.tril(factors * signs)


@factors_of_roots.defjvp
def _roots_jvp(
    primals: tuple[Float[Array, "*batch rows columns"]], tangents: tuple[Float[Array, "*batch rows columns"]]
) -> tuple[Float[Array, "*batch rows rows"], Float[Array, "*batch rows rows"]]:
    factors = factors_of_roots(*primals)
    inverse = inverse_factors(factors)
    half = inverse @ tangents[0] @ (inverse @ primals[0]).mT
    return factors, factors @ _lower_half(half + half.mT)
