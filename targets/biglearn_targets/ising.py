"""A continuous relaxation of the Ising model: a Gaussian around every pattern of spins, so that all of it is known."""

from __future__ import annotations

import math
from functools import lru_cache, partial
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import Facts, FunctionTarget, function_target
from biglearn_targets.grid import DRAWS_AT_ONCE

CRITICAL_BETA = 0.5 * math.log1p(math.sqrt(2.0))
"""Of the infinite lattice, 0.4407; above it the spins agree over any distance."""

LARGEST_SIDE_DRAWN = 10
"""The transfer matrix has `2^side` rows."""


def ising(
    side: Annotated[int, "length of the lattice, at least 3; the dimension is its square"] = 8,
    beta: Annotated[float, "inverse temperature, above 0 and at most 2"] = 0.5,
    diagonal: Annotated[float, "above 4; the larger, the nearer the coordinates stay to -1 and 1"] = 5.0,
) -> FunctionTarget:
    """`log_density(x) = -x.Wx / 2 + sum_i log(2 cosh((Wx)_i))` with `W = beta (J + diagonal I)` on a periodic square.

    `J` has a 1 for every two neighbours. This is the law of `x = s + W^(-1/2) n` without the factor of its integral,
    where `n ~ N(0, I)` and the spins `s_i` = +-1 have the Ising law `exp(beta sum_<ij> s_i s_j)`, each pair of
    neighbours once. So

    `log Z = side^2 / 2 (log(2 pi) + beta diagonal) - log det(W) / 2 + log Z_Ising(beta)`,

    with the determinant in closed form by waves, and `Z_Ising` by the formula of Kaufman. Exact draws up to a side of
    10 take the spins row by row from the transfer matrix, as exact as single precision.

    `x` and `-x` have the same density. Where `beta` is above the critical 0.4407, the two constant fields of highest
    density stand for two modes: the half-spaces of positive and of negative mean, each with exactly half of the mass.

    Declared: centre 0, scale 1.5, a little more than a spin.

    Raises:
        ValueError: a parameter is out of its range. With a side of 2 both neighbours on a line would be the same one.
    """
    if side < 3:
        raise ValueError(f"`side` must be at least 3, got {side}")
    if not 0 < beta <= 2:
        raise ValueError(f"`beta` must be above 0 and at most 2, got {beta}")
    if not 4 < diagonal < math.inf:
        raise ValueError(f"`diagonal` must be above 4, where `W` is positive definite, got {diagonal}")
    data = (jnp.asarray(beta, float), jnp.asarray(diagonal, float))
    return function_target(log_density, dim=side**2, scale=1.5, data=data, facts=_facts(side, beta, diagonal))


def log_density(point: Float[Array, " sites"], beta: Float[Array, ""], diagonal: Float[Array, ""]) -> Float[Array, ""]:
    """Of a field, row by row; unnormalised."""
    side = math.isqrt(point.shape[0])
    field = point.reshape(side, side)
    neighbours = sum(jnp.roll(field, step, axis) for step in (-1, 1) for axis in (0, 1))
    coupled = beta * (neighbours + diagonal * field)
    return (-0.5 * field * coupled + jnp.logaddexp(coupled, -coupled)).sum()


def log_partition(side: int, beta: float) -> float:
    """`log Z_Ising` of a periodic square, by the formula of Kaufman (1949).

    `2 Z = (2 sinh 2b)^(n^2 / 2) (prod 2 cosh(n g_odd / 2) + prod 2 sinh(n g_odd / 2) + prod 2 cosh(n g_even / 2) +
    prod 2 sinh(n g_even / 2))` with `cosh g_l = cosh 2b coth 2b - cos(pi l / n)` for `l < 2 n`; only `g_0 = 2 b +
    log tanh b` has a sign.
    """
    waves = np.arange(1, 2 * side)
    positive = np.arccosh(np.cosh(2 * beta) / np.tanh(2 * beta) - np.cos(np.pi * waves / side))
    angles = 0.5 * side * np.concatenate([[2 * beta + np.log(np.tanh(beta))], positive])
    # 2 cosh a and 2 sinh a as e^|a| (1 +- e^(-2 |a|)), the sign of a apart.
    sizes = np.abs(angles)
    log_cosh = sizes + np.log1p(np.exp(-2 * sizes))
    with np.errstate(divide="ignore"):  # at the critical temperature g_0 is 0, and so is its product
        log_sinh = sizes + np.log(-np.expm1(-2 * sizes))
    logarithms = [log_cosh[1::2].sum(), log_sinh[1::2].sum(), log_cosh[::2].sum(), log_sinh[::2].sum()]
    largest = max(logarithms)
    terms = np.array([1.0, 1.0, 1.0, np.sign(angles[0])]) @ np.exp(np.array(logarithms) - largest)
    return float(0.5 * side**2 * np.log(2 * np.sinh(2 * beta)) + largest + np.log(0.5 * terms))


def _eigenvalues(side: int, beta: float, diagonal: float) -> Float[np.ndarray, "side side"]:
    """Of `W`, one for each wave."""
    cosines = 2.0 * np.cos(2.0 * np.pi * np.arange(side) / side)
    return beta * (diagonal + cosines[:, None] + cosines)


def _facts(side: int, beta: float, diagonal: float) -> Facts:
    eigenvalues = _eigenvalues(side, beta, diagonal)
    gaussian = 0.5 * (side**2 * (math.log(2.0 * math.pi) + beta * diagonal) - np.log(eigenvalues).sum())

    def sample(key: Key[Array, ""], count: int) -> Float[Array, "count sites"]:
        key_spins, key_noise = jax.random.split(key)
        noise = jnp.fft.fft2(jax.random.normal(key_noise, (count, side, side)))
        blurred = jnp.fft.ifft2(noise / jnp.sqrt(jnp.asarray(eigenvalues, float))).real
        rows, powers = (jnp.asarray(table, float) for table in _transfer(side, beta))
        return (_spins(key_spins, count, rows, powers) + blurred).reshape(count, side**2)

    magnetised = beta > CRITICAL_BETA
    height = _height(float(eigenvalues[0, 0])) if magnetised else 0.0
    constant = jnp.full(side**2, height)
    return Facts(
        log_z=float(gaussian) + log_partition(side, beta),
        modes=jnp.stack([-constant, constant]) if magnetised else None,
        mode_weights=jnp.array([0.5, 0.5]) if magnetised else None,
        responsibilities=_sign_of_mean if magnetised else None,
        sample=sample if side <= LARGEST_SIDE_DRAWN else None,
    )


def _height(eigenvalue: float) -> float:
    """The positive solution of `x = tanh(eigenvalue x)`: a constant field without gradient."""
    height = 1.0
    for _ in range(200):
        height = math.tanh(eigenvalue * height)
    return height


def _sign_of_mean(point: Float[Array, " sites"]) -> Float[Array, " 2"]:
    return jax.nn.one_hot((point.mean() > 0.0).astype(int), 2)


class _Transfer(NamedTuple):
    """Rows of spins, and the powers `T^1, ..., T^side` of their transfer matrix, each up to a factor."""

    rows: Float[np.ndarray, "states side"]
    powers: Float[np.ndarray, "side states states"]


@lru_cache(maxsize=2)
def _transfer(side: int, beta: float) -> _Transfer:
    """`log T_ab = beta (a.b + (ring(a) + ring(b)) / 2)`, where `ring(a) = sum_i a_i a_(i+1)`; the trace of `T^side` is
    `Z_Ising`."""
    rows = 2.0 * ((np.arange(2**side)[:, None] >> np.arange(side)) & 1) - 1.0
    rings = (rows * np.roll(rows, -1, axis=1)).sum(1)
    logarithms = beta * (rows @ rows.T + 0.5 * (rings[:, None] + rings))
    transfer = np.exp(logarithms - logarithms.max())
    powers = [transfer]
    for _ in range(side - 1):
        following = powers[-1] @ transfer
        powers.append(following / following.max())
    return _Transfer(rows, np.stack(powers))


@partial(jax.jit, static_argnames="count")
def _spins(
    key: Key[Array, ""],
    count: int,
    rows: Float[Array, "states side"],
    powers: Float[Array, "side states states"],
) -> Float[Array, "count side side"]:
    """The first row from the diagonal of `T^side`; row `k + 1` given row `k` and the first, which closes the ring."""
    side = len(powers)

    def one_field(key: Key[Array, ""]) -> Float[Array, "side side"]:
        keys = jax.random.split(key, side)
        first = _choose(keys[0], jnp.diagonal(powers[-1]))

        def one_row(before: Array, each: tuple[Array, Array]) -> tuple[Array, Array]:
            key, rest = each
            state = _choose(key, powers[0][before] * rest[:, first])
            return state, state

        _, others = jax.lax.scan(one_row, first, (keys[1:], powers[-2::-1]))
        return rows[jnp.concatenate([first[None], others])]

    return jax.lax.map(one_field, jax.random.split(key, count), batch_size=DRAWS_AT_ONCE)


def _choose(key: Key[Array, ""], masses: Float[Array, " states"]) -> Array:
    """One state by its mass. For many fields at once, a product of matrices is the quickest cumulative sum."""
    total = masses @ jnp.triu(jnp.ones((len(masses), len(masses))))
    return (total <= jax.random.uniform(key) * total[-1]).sum()


ENTRIES = (
    Entry(
        name="ising",
        build=ising,
        summary="the Ising model on a periodic lattice, made continuous by a Gaussian around every pattern of spins",
        reference="Zhang, Sutton, Storkey, Ghahramani (2012): Continuous relaxations for discrete Hamiltonian Monte "
        "Carlo, NeurIPS",
    ),
)
