"""Densities of many components at many points, and sums over points for every component, by large matrix products."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped

from biglearn_sampler.mixture import LOG_TWO_PI, GaussianMixture, UnconstrainedMixture

NEGLIGIBLE = -30.0
"""Logarithm of a weight that has no effect in 32 bits."""

LONG = 1e6
"""From here on the length of a pull makes no difference; the square of a longer one could overflow."""

LARGEST_TABLE, BLOCK, LEAST_BLOCK = 1 << 25, 1 << 24, 64
"""Numbers, one for every pair of coordinates at every point, that are held at once; those of a block, where there are
more; and its points at least, since the sums of all components are read and written for every block."""

TINY = 1e-30
"""Keeps quotients of vanishing sums finite."""


def small_exp(exponent: Float[Array, ...]) -> Float[Array, ...]:
    """`exp`, zero below `NEGLIGIBLE`: numbers too small for full precision would slow matrix products down tenfold."""
    return jnp.where(exponent < NEGLIGIBLE, 0.0, jnp.exp(jnp.maximum(exponent, NEGLIGIBLE)))


def standardised(
    points: Float[Array, "count dim"],
    means: Float[Array, "components dim"],
    inverse: Float[Array, "components dim dim"],
) -> tuple[Float[Array, "components count dim"], Float[Array, "count components"]]:
    """`L_k^-1 (x_i - mu_k)`, component by component, and `log N_k(x_i)`.

    The difference comes first: for a narrow component far from the origin, the difference of two products would have
    no digits left.
    """
    dim = means.shape[-1]
    standard = (points - means[:, None]) @ inverse.mT
    log_determinant = jnp.log(jnp.diagonal(inverse, axis1=-2, axis2=-1)).sum(-1)
    constant = log_determinant - 0.5 * dim * LOG_TWO_PI
    return standard, (constant[:, None] - 0.5 * (standard**2).sum(-1)).T


def log_densities(
    points: Float[Array, "count dim"],
    means: Float[Array, "components dim"],
    inverse: Float[Array, "components dim dim"],
) -> Float[Array, "count components"]:
    """`log N_k(x_i)` by one thin matrix product for each coordinate; nothing of size `count components dim` is held."""
    dim = means.shape[-1]
    middle = means.mean(0)
    shift = jnp.einsum("kij,kj->ki", inverse, means - middle)
    rows = jnp.concatenate([inverse, -shift[..., None]], -1).transpose(1, 2, 0)
    extended = jnp.concatenate([points - middle, jnp.ones((len(points), 1), points.dtype)], 1)

    def add_square(row: Int[Array, ""], squares: Float[Array, "count components"]) -> Float[Array, "count components"]:
        return squares + jnp.square(extended @ rows[row])

    squares = jnp.zeros((len(points), len(means)), points.dtype)
    squares = jax.lax.fori_loop(0, dim, add_square, squares, unroll=min(dim, 2))
    log_determinant = jnp.log(jnp.diagonal(inverse, axis1=-2, axis2=-1)).sum(-1)
    return log_determinant - 0.5 * dim * LOG_TWO_PI - 0.5 * squares


def mixture_score(
    responsibility: Float[Array, "count components"],
    points: Float[Array, "count dim"],
    means: Float[Array, "components dim"],
    inverse: Float[Array, "components dim dim"],
) -> Float[Array, "count dim"]:
    """`grad log p(x_i) = sum_k r_ik S_k^-1 (mu_k - x_i)`, with the precisions mixed before they meet the point."""
    count, dim = points.shape
    middle = means.mean(0)
    precision = inverse.mT @ inverse
    pulls = jnp.einsum("kij,kj->ki", precision, means - middle)

    def pulled(given: tuple[Float[Array, "size components"], Float[Array, "size dim"]]) -> Float[Array, "size dim"]:
        share, away = given
        mixed = (share @ precision.reshape(-1, dim * dim)).reshape(-1, dim, dim)
        return jnp.einsum("nij,nj->ni", mixed, away)

    given = (responsibility, points - middle)
    size = points_at_once(count, dim)
    if size == count:
        return responsibility @ pulls - pulled(given)
    blocks = jax.lax.map(pulled, jax.tree.map(lambda rows: _blocks(rows, size), given))
    return responsibility @ pulls - blocks.reshape(-1, dim)[:count]


def offsets(
    share: Float[Array, "count components"], points: Float[Array, "count dim"], means: Float[Array, "components dim"]
) -> Float[Array, "components dim"]:
    """`sum_i omega_ik (x_i - mu_k)`: how far the mean of the weighed points is from that of their component."""
    middle = means.mean(0)
    columns = jnp.concatenate([points - middle, jnp.ones((len(points), 1), points.dtype)], 1)
    summed, total = jnp.split(share.T @ columns, [points.shape[-1]], axis=1)
    return summed - total * (means - middle)


def curvature_at_rest(
    curvature: Float[Array, "components dim dim"],
    offset: Float[Array, "components dim"],
    pull: Float[Array, "components dim"],
) -> Float[Array, "components dim dim"]:
    """Stein's form of a curvature, `sum_i omega_ik z_ik g_ik^T`, less what a pull on all points alike adds to it.

    `E_k[z] = 0`, but the weighed mean `c` of a few points is not zero, and far from a mode, where the pull `g` is long
    and nearly the same everywhere, `c g^T` drowns the rest: components that had taken the shape of the mode hardly
    moved. It is taken off by the share `|g|^2 / (1 + |g|^2)`: wholly far away, and not at rest, where it would only
    cost points.

    Arguments:
        curvature: with `z_ik = L_k^-1 (x_i - mu_k)` and `g_ik = L_k^T G_i`.
        offset: `c_k = sum_i omega_ik z_ik`.
        pull: `sum_i omega_ik g_ik`.
    """
    length = jnp.minimum(jnp.linalg.norm(pull, axis=-1, keepdims=True), LONG)
    return curvature - offset[:, :, None] * (pull * length**2 / (1.0 + length**2))[:, None, :]


class Sums(NamedTuple):
    """Sums over points for every component; see `sums`."""

    pulls: Float[Array, "components dim"]
    outer: Float[Array, "components dim dim"]
    figures: Float[Array, "components figures"]


def sums(
    share: Float[Array, "count components"],
    points: Float[Array, "count dim"],
    pulls: Float[Array, "count dim"],
    means: Float[Array, "components dim"],
    *figures: Float[Array, " count"] | Bool[Array, " count"],
) -> Sums:
    """`sum_i omega_ik G_i`, `sum_i omega_ik (x_i - mu_k) G_i^T` and the sums of further figures of every point.

    All by one large matrix product: many small ones would each turn the table of weights around. In so many dimensions
    that its table exceeds `LARGEST_TABLE`, by one for each block of points.
    """
    count, dim = points.shape
    middle = means.mean(0)

    def summed(given: tuple[Array, ...]) -> Float[Array, "components columns"]:
        share, away, pulls, *figures = given
        products = (away[:, :, None] * pulls[:, None, :]).reshape(-1, dim * dim)
        return share.T @ jnp.concatenate([products, pulls, *(figure[:, None] for figure in figures)], 1)

    given = (share, points - middle, pulls, *figures)
    size = points_at_once(count, dim)
    if size == count:
        table = summed(given)
    else:
        blocks = tuple(_blocks(rows, size) for rows in given)
        nothing = jnp.zeros((len(means), dim * dim + dim + len(figures)), share.dtype)
        table, _ = jax.lax.scan(lambda total, block: (total + summed(block), None), nothing, blocks)
    outer, pulled, further = jnp.split(table, [dim * dim, dim * dim + dim], axis=1)
    outer = outer.reshape(-1, dim, dim) - (means - middle)[:, :, None] * pulled[:, None, :]
    return Sums(pulled, outer, further)


def points_at_once(count: int, dim: int) -> int:
    """Of so many points those of which tables of a number for every pair of coordinates are held at once."""
    if count * dim**2 <= LARGEST_TABLE:
        return count
    return min(count, max(LEAST_BLOCK, BLOCK // dim**2))


def largest_table(count: int, dim: int) -> int:
    """Numbers of a table of a number for every pair of coordinates, at all that are held at once of so many points."""
    return min(count * dim**2, max(LARGEST_TABLE, LEAST_BLOCK * dim**2))


def _blocks(rows: Shaped[Array, "count ..."], size: int) -> Shaped[Array, "blocks size ..."]:
    """The rows in blocks of so many; the last is filled up with zeros."""
    more = -len(rows) % size
    filled = jnp.concatenate([rows, jnp.zeros((more, *rows.shape[1:]), rows.dtype)])
    return filled.reshape(-1, size, *rows.shape[1:])


def plain_gradient(
    mixture: GaussianMixture,
    inverse: Float[Array, "components dim dim"],
    by_mean: Float[Array, "components dim"],
    curvature: Float[Array, "components dim dim"],
    excess: Float[Array, " components"],
) -> UnconstrainedMixture:
    """The gradient in the unconstrained parameters, so that any optax transformation can follow.

    The natural gradient asks for `sym(A)` with `A = curvature^T`; `L^-T sym(A)` is the plain gradient behind it.
    """
    weights = mixture.weights
    symmetric = 0.5 * (curvature + curvature.mT)
    by_factor = inverse.mT @ symmetric * weights[:, None, None]
    diagonal = jnp.diagonal(mixture.factors, axis1=-2, axis2=-1)
    return UnconstrainedMixture(
        logits=weights * excess,
        means=by_mean * weights[:, None],
        log_diagonals=jnp.diagonal(by_factor, axis1=-2, axis2=-1) * diagonal,
        off_diagonals=jnp.tril(by_factor, -1),
    )
