"""Mixtures of Student-t laws with two degrees of freedom: no variance exists, so no Gaussian mixture has such tails.

Two benchmarks share the name. The components of GMMVI are multivariate t laws, elliptical and correlated; those of
Beyond ELBOs are products of univariate t laws, whose tails run along the axes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float, Key

from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import Facts, FunctionTarget, function_target
from biglearn_targets.published import PINNED_DIMS, table, uniform_of_old_jax

FREEDOM = 2.0
"""Degrees of freedom. The shortcuts below hold for 2 only: a chi-squared variable is twice an exponential one."""

SCALE = 10.0

STM_SEED = 5
"""Of our draw from the recipe of GMMVI, by NumPy's generator, whose legacy stream is frozen."""

MOS_COMPONENTS = 10
MOS_HALF_WIDTH = 10.0

Noise: TypeAlias = Callable[[Key[Array, ""], Array], Array]
"""Centred draws, shape `(count, dim)`, given the component of each."""


def stm20() -> FunctionTarget:
    """Ten components of `multivariate_mixture` in 20 dimensions, with locations `U(-20, 20)`."""
    return multivariate_mixture(20, components=10, half_width=20.0)


def stm300() -> FunctionTarget:
    """Twenty components of `multivariate_mixture` in 300 dimensions, with locations `U(-25, 25)`.

    No entry, since the conformance suite would need as long for it as for all others of this gallery together: each
    evaluation multiplies by twenty matrices of 300 x 300. Pass the object itself where a target is asked for.
    """
    return multivariate_mixture(300, components=20, half_width=25.0)


def multivariate_mixture(dim: int, *, components: int, half_width: float) -> FunctionTarget:
    """Equal multivariate t components with scale matrices `(A^T A + I)^-1`, `A_ij ~ 0.1 dim N(0, 1)`.

    `log t(x) = c + log |F| - (2 + dim) / 2 log(1 + |F^T (x - m)|^2 / 2)`, where `F F^T = A^T A + I` is the precision.

    The recipe is published, the draw is ours.

    Declared: centre 0, scale 10, near the deviations of the locations, 11.5 and 14.4.
    """
    random = np.random.RandomState(STM_SEED)
    locations = random.uniform(-half_width, half_width, (components, dim))
    spread = 0.1 * dim * random.normal(0.0, 1.0, (components, dim, dim))
    factors = np.linalg.cholesky(spread.mT @ spread + np.eye(dim))
    inverse = jnp.asarray(np.linalg.inv(factors), float)

    def noise(key: Key[Array, ""], chosen: Array) -> Array:
        key_normal, key_tail = jax.random.split(key)
        count = len(chosen)
        standard = jax.random.normal(key_normal, (count, dim)) * _stretch(key_tail, (count, 1))
        return _rows_times_chosen(standard, inverse, chosen)

    return _mixture(multivariate_log_densities, locations, noise, jnp.asarray(factors, float))


def mos10(
    dim: Annotated[int, "number of coordinates, at least 1"] = 2,
) -> FunctionTarget:
    """Ten equal components, each a product of univariate t laws of scale 1, in any dimension.

    The locations are `U(-10, 10)` from seed 0 of JAX 0.4.28, as published. For 2 and 50 dimensions they are kept in a
    file.

    Declared: centre 0, scale 10.

    Raises:
        ValueError: `dim` is below 1, or this JAX cannot draw the locations of that dimension as published.
    """
    if dim < 1:
        raise ValueError(f"`dim` must be at least 1, got {dim}")
    pinned = dim in PINNED_DIMS
    locations = table(f"mos10_{dim}") if pinned else uniform_of_old_jax(MOS_COMPONENTS, dim, MOS_HALF_WIDTH)

    def noise(key: Key[Array, ""], chosen: Array) -> Array:
        key_normal, key_tail = jax.random.split(key)
        shape = (len(chosen), dim)
        return jax.random.normal(key_normal, shape) * _stretch(key_tail, shape)

    return _mixture(product_log_densities, locations, noise)


def multivariate_log_densities(
    point: Float[Array, " dim"], locations: Float[Array, "components dim"], factors: Float[Array, "components dim dim"]
) -> Float[Array, " components"]:
    """`log t` of every multivariate component, normalised; `factors` are those of the precisions."""
    dim = point.shape[0]
    power = 0.5 * (FREEDOM + dim)
    constant = math.lgamma(power) - math.lgamma(0.5 * FREEDOM) - 0.5 * dim * math.log(FREEDOM * math.pi)
    standard = jnp.einsum("kji,kj->ki", factors, point - locations)
    log_determinants = jnp.log(jnp.diagonal(factors, axis1=-2, axis2=-1)).sum(-1)
    return constant + log_determinants - power * jnp.log1p((standard**2).sum(-1) / FREEDOM)


def product_log_densities(
    point: Float[Array, " dim"], locations: Float[Array, "components dim"]
) -> Float[Array, " components"]:
    """`log t` of every product component, normalised: `t(x) = (2 + x^2)^-3/2` in each coordinate."""
    return -1.5 * jnp.log(2.0 + (point - locations) ** 2).sum(-1)


def _mixture(
    log_densities: Callable[..., Array], locations: Float[np.ndarray, "components dim"], noise: Noise, *more: Array
) -> FunctionTarget:
    """Equal components; `log_densities(point, locations, *more)` are those of all of them."""
    components, dim = locations.shape
    data = (jnp.asarray(locations, float), *more)

    def log_density(point: Float[Array, " dim"], *data: Array) -> Float[Array, ""]:
        return logsumexp(log_densities(point, *data)) - math.log(components)

    def responsibilities(point: Float[Array, " dim"]) -> Float[Array, " components"]:
        return jax.nn.softmax(log_densities(point, *data))

    def sample(key: Key[Array, ""], count: int) -> Float[Array, "count dim"]:
        key_component, key_noise = jax.random.split(key)
        chosen = jax.random.randint(key_component, (count,), 0, components)
        return data[0][chosen] + noise(key_noise, chosen)

    facts = Facts(
        log_z=0.0,
        modes=data[0],
        mode_weights=jnp.full(components, 1.0 / components),
        responsibilities=responsibilities,
        sample=sample,
    )
    return function_target(log_density, dim=dim, scale=SCALE, data=data, facts=facts)


def _stretch(key: Key[Array, ""], shape: tuple[int, ...]) -> Array:
    """`sqrt(2 / chi^2)`: what turns normal noise into t noise. With two degrees of freedom, `chi^2 / 2 ~ Exp(1)`."""
    exponential = jax.random.exponential(key, shape)
    # Exactly 0 is drawn once in millions of times, and would lie infinitely far out.
    return jax.lax.rsqrt(jnp.maximum(exponential, jnp.finfo(exponential.dtype).eps))


def _rows_times_chosen(
    rows: Float[Array, "count dim"], matrices: Float[Array, "components dim dim"], chosen: Array
) -> Float[Array, "count dim"]:
    """Each row times the matrix of its component, without a copy of a matrix for every row."""

    def add(total: Array, each: tuple[Array, Array]) -> tuple[Array, None]:
        component, matrix = each
        return total + jnp.where((chosen == component)[:, None], rows @ matrix, 0.0), None

    numbered = (jnp.arange(len(matrices)), matrices)
    return jax.lax.scan(add, jnp.zeros_like(rows), numbered)[0]


GMMVI = (
    "Arenz, Dahlinger, Ye, Volpp, Neumann (2023): A unified perspective on natural gradient variational inference "
    "with Gaussian mixture models, Transactions on Machine Learning Research"
)

ENTRIES = (
    Entry(
        name="stm20",
        build=stm20,
        summary="10 multivariate Student-t laws with heavy tails in 20 dimensions",
        reference=GMMVI,
    ),
    Entry(
        name="mos10",
        build=mos10,
        summary="10 products of univariate Student-t laws with heavy tails, in any dimension",
        reference="Blessing, Jia, Esslinger, Vargas, Neumann (2024): Beyond ELBOs, ICML",
    ),
)
