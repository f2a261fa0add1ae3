"""The law of a mixture whose components have heavy tails: a second proposal, beside which no weight explodes."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float, Key

from biglearn_sampler.mixture.factored import FactoredMixture
from biglearn_sampler.mixture.gaussian_mixture import LOG_TWO_PI, GaussianMixture
from biglearn_sampler.mixture.mixture import Mixture
from biglearn_sampler.precision import full_precision

DEGREES = 3
"""Degrees of freedom of the tails: the farthest of four thousand draws lies some sixteen deviations away, no more."""


@full_precision()
def heavy_tailed_draws(mixture: Mixture, key: Key[Array, ""], count: int) -> Float[Array, "count dim"]:
    """Draws of `h(x) = sum_k w_k t_3(x; mu_k, L_k L_k^T)`, the mixture with Student's t in place of each Gaussian.

    Of a product one factor has heavy tails, another one for each draw: `h(x) = p(x) mean_b h_b(x_b) / p_b(x_b)`. Were
    all of them heavy at once, hardly a draw would lie where one coordinate is far out and the others are not.
    """
    key_points, key_stretch, key_factor = jax.random.split(key, 3)
    stretch = 1.0 / jnp.sqrt((jax.random.normal(key_stretch, (count, DEGREES)) ** 2).mean(-1))
    if isinstance(mixture, GaussianMixture):
        return mixture.stretched(key_points, stretch)
    heavy = jax.random.randint(key_factor, (count,), 0, len(mixture.blocks))
    return mixture.stretched(key_points, jnp.where(jnp.arange(len(mixture.blocks))[:, None] == heavy, stretch, 1.0))


@full_precision()
def log_densities_beside(mixture: Mixture, point: Float[Array, " dim"]) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """`log p(x)` of a mixture, and `log h(x)` of the law with heavy tails, at one point."""
    if isinstance(mixture, FactoredMixture):
        pairs = [
            _pair(factor, point[np.array(block)])
            for block, factor in zip(mixture.blocks, mixture.factors_of, strict=True)
        ]
        own, heavy = (jnp.stack(parts) for parts in zip(*pairs, strict=True))
        return own.sum(), own.sum() + logsumexp(heavy - own) - math.log(len(pairs))
    return _pair(mixture, point)


def _pair(mixture: GaussianMixture, point: Float[Array, " dim"]) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Both log densities of one mixture.

    With `d^2 = |L_k^-1 (x - mu_k)|^2`: `log t_nu = log N(mu_k) + c - (nu + D) / 2 log(1 + d^2 / nu)`, where
    `c = log Gamma((nu + D) / 2) - log Gamma(nu / 2) - D / 2 log(nu / 2)`.
    """
    normals, dim = mixture.component_log_densities(point), mixture.dim
    determinants = jnp.log(jnp.diagonal(mixture.factors, axis1=-2, axis2=-1)).sum(-1)
    at_means = -determinants - 0.5 * dim * LOG_TWO_PI
    distances = jnp.maximum(2.0 * (at_means - normals), 0.0)
    constant = math.lgamma(0.5 * (DEGREES + dim)) - math.lgamma(0.5 * DEGREES) - 0.5 * dim * math.log(0.5 * DEGREES)
    students = at_means + constant - 0.5 * (DEGREES + dim) * jnp.log1p(distances / DEGREES)
    return logsumexp(mixture.log_weights + normals), logsumexp(mixture.log_weights + students)
