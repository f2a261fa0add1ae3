"""The law of a mixture whose components have heavy tails: a second proposal, beside which no weight explodes."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float

from biglearn_sampler.mixture.factored import FactoredMixture
from biglearn_sampler.mixture.gaussian_mixture import LOG_TWO_PI, GaussianMixture
from biglearn_sampler.mixture.mixture import Mixture
from biglearn_sampler.precision import full_precision

DEGREES = 3
"""Degrees of freedom of the tails: the farthest of four thousand draws lies some sixteen deviations away, no more."""


def heavy_tailed_draws(mixture: Mixture, generator: np.random.Generator, count: int) -> Float[np.ndarray, "count dim"]:
    """Draws of `h(x) = sum_k w_k t_3(x; mu_k, L_k L_k^T)`, the mixture with Student's t in place of each Gaussian.

    Of a product one factor has heavy tails, another one for each draw: `h(x) = p(x) mean_b h_b(x_b) / p_b(x_b)`. Were
    all of them heavy at once, hardly a draw would lie where one coordinate is far out and the others are not.

    On the host, where nothing has to be compiled for so few.
    """
    stretch = 1.0 / np.sqrt((generator.standard_normal((count, DEGREES)) ** 2).mean(-1))
    if isinstance(mixture, GaussianMixture):
        return _stretched(mixture, generator, stretch)
    points, heavy = np.empty((count, mixture.dim)), generator.integers(len(mixture.blocks), size=count)
    for number, (block, factor) in enumerate(zip(mixture.blocks, mixture.factors_of, strict=True)):
        points[:, block] = _stretched(factor, generator, np.where(heavy == number, stretch, 1.0))
    return points


def _stretched(
    mixture: GaussianMixture, generator: np.random.Generator, stretch: Float[np.ndarray, " count"]
) -> Float[np.ndarray, "count dim"]:
    """Draws `mu_k + s_i L_k e`, one for each `s_i`: it lies `s_i` times as far from the mean of its component."""
    weights = np.exp(np.asarray(mixture.log_weights, float))
    chosen = generator.choice(mixture.components, len(stretch), p=weights / weights.sum())
    points = stretch[:, None] * generator.standard_normal((len(stretch), mixture.dim))
    means, factors = np.asarray(mixture.means), np.asarray(mixture.factors)
    for number in np.unique(chosen):
        own = chosen == number
        points[own] = means[number] + points[own] @ factors[number].T
    return points


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
