"""The joint task with points that all components share: every evaluation serves every component near it.

An alternative to `Matching`, where a component learns from its own draws only. Points of the last few steps stay in
use, by importance weights that are bounded, so that a component that was moved cannot blow up.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax.scipy.special import logsumexp
from jaxtyping import Array, Bool, Float, Int

from biglearn_sampler.estimators.guard import ZERO_DENSITY
from biglearn_sampler.learning.cliffs import ZERO_DENSITY_NATS, with_cliffs
from biglearn_sampler.learning.component_sums import (
    TINY,
    curvature_at_rest,
    log_densities,
    mixture_score,
    offsets,
    plain_gradient,
    small_exp,
    standardised,
    sums,
)
from biglearn_sampler.learning.window import SharedEstimate, Window
from biglearn_sampler.mixture import GaussianMixture, inverse_factors

LARGEST_LOG_RATIO = 1e8
"""Bounds `log p - log q`, so that a point of hardly any density stays finite in sums."""

LARGEST_DEVIATION = 1e4
"""Bounds `log p - log q` in its variance."""


def estimate(mixture: GaussianMixture, window: Window, newest: Int[Array, ""]) -> tuple[SharedEstimate, Window]:
    """The gradient of the joint task from all points of a window, and the window with `log_drawn` filled in.

    With `b` the equal-weight mixture now and `b_i` the one that drew `x_i`, component k weighs point i by
    `omega_ik = N_k(x_i) / (b(x_i) + b_i(x_i))`, normalised over i: at most `components` times the mean. With
    `G_i = grad log p(x_i) - grad log q(x_i)` (path derivative) and `z_ik = L_k^-1 (x_i - mu_k)`,

        mean:    L_k^T sum_i omega_ik G_i
        factor:  A_k = sym(L_k^T sum_i omega_ik G_i z_ik^T), Stein's form of E_k[L^T Hess(log p - log q) L]
        weight:  r_k = sum_i omega_ik (log p - log q)(x_i)

    No Hessian is asked for, and no gradient passes through the density of the mixture. A point of density zero
    (`o_i = 1`) has no gradient; it costs `c` nats more than the mean of the others, and score functions see that:

        mean:    c sum_i omega_ik (o_i - sum_j omega_jk o_j) z_ik
        factor:  c sum_i omega_ik (o_i - sum_j omega_jk o_j) z_ik z_ik^T

    Arguments:
        mixture: as it is now.
        window: with the newest points put in.
        newest: their place.
    """
    dim = mixture.means.shape[-1]
    points = window.points.reshape(-1, dim)
    log_target, scores = window.log_target.reshape(-1), window.scores.reshape(-1, dim)
    inverse = inverse_factors(mixture.factors)
    log_component = log_densities(points, mixture.means, inverse)
    share, effective_size, window = _shares(log_component, window, newest)

    dense = log_target > ZERO_DENSITY
    joint = log_component + mixture.log_weights
    log_sampler = logsumexp(joint, -1)
    responsibility = small_exp(joint - log_sampler[:, None])
    pull = jnp.where(dense[:, None], mixture_score(responsibility, points, mixture.means, inverse) - scores, 0.0)
    ratio = jnp.clip(log_sampler - log_target, -LARGEST_LOG_RATIO, LARGEST_LOG_RATIO)
    by_mean, outer, figures = sums(share, points, pull, mixture.means, dense, jnp.where(dense, ratio, 0.0))
    curvature = inverse @ outer @ mixture.factors
    by_mean, curvature = with_cliffs(by_mean, curvature, share, points, dense, mixture.means, inverse)

    density, ratios = figures.T
    # A component without any density costs what the worst one does.
    mean = jnp.where(density > TINY, ratios / (density + TINY), -jnp.inf)
    mean = jnp.where(density > TINY, mean, jnp.where(density.max() > TINY, mean.max(), 0.0))
    ratios = mean + ZERO_DENSITY_NATS * (1.0 - density)
    elbo = -(mixture.weights * ratios).sum()
    deviation = jnp.where(dense, jnp.clip(ratio, -LARGEST_DEVIATION, LARGEST_DEVIATION) + elbo, ZERO_DENSITY_NATS)
    variance = (share @ mixture.weights) @ deviation**2
    gradient = plain_gradient(mixture, inverse, by_mean, curvature, ratios + elbo)
    return SharedEstimate(gradient, effective_size, elbo, variance, ratios, jnp.ones_like(ratios)), window


def estimate_alone(
    mixture: GaussianMixture, window: Window, newest: Int[Array, ""], unmoved: Bool[Array, " components"]
) -> tuple[SharedEstimate, Window]:
    """The same for components that learn alone: component k minimises `KL[N_k || q]`, without regard to the others.

    Many searchers then fall into the modes of the target independently of one another, and `-ratios` is the log mass
    that each accounts for by itself. A point with force zero pulls nobody but those that take no notice of it: so
    modes that are known already let searchers pass. They share points as above, since a point is as good for one as
    for another. What a pull on all points alike adds to a curvature is taken off, see `curvature_at_rest`.

    Arguments:
        mixture: the searchers; weights do not matter.
        window: with the newest points put in, each with its force.
        newest: their place.
        unmoved: components that feel every point, whatever its force.
    """
    dim = mixture.means.shape[-1]
    points = window.points.reshape(-1, dim)
    log_target, scores = window.log_target.reshape(-1), window.scores.reshape(-1, dim)
    inverse = inverse_factors(mixture.factors)
    standard, log_component = standardised(points, mixture.means, inverse)
    share, effective_size, window = _shares(log_component, window, newest)
    dense = log_target > ZERO_DENSITY
    force = jnp.where(dense, window.force.reshape(-1), 1.0)
    density, free = (share.T @ jnp.stack([dense, force], 1)).T
    ratio = log_component - jnp.maximum(log_target, -LARGEST_LOG_RATIO)[:, None]
    ratios = (share * jnp.where(dense[:, None], ratio, 0.0)).sum(0) / (density + TINY)
    ratios = jnp.where(density > TINY, ratios, LARGEST_LOG_RATIO) + ZERO_DENSITY_NATS * (1.0 - density)

    offset = jnp.einsum("kij,kj->ki", inverse, offsets(share, points, mixture.means))
    share = share * jnp.maximum(force[:, None], unmoved)
    with_density = share * dense[:, None]
    weighed = with_density.T[..., None] * standard
    by_score, outer, _ = sums(with_density, points, scores, mixture.means)
    by_mean = -jnp.einsum("kij,ki->kj", inverse, weighed.sum(1)) - by_score
    along = jnp.einsum("kji,kj->ki", mixture.factors, by_mean)
    curvature = curvature_at_rest(-inverse @ outer @ mixture.factors - weighed.mT @ standard, offset, along)
    by_mean, curvature = with_cliffs(by_mean, curvature, share, points, dense, mixture.means, inverse)
    gradient = plain_gradient(mixture, inverse, by_mean, curvature, jnp.zeros_like(ratios))
    return SharedEstimate(gradient, effective_size, -ratios.min(), jnp.zeros(()), ratios, free), window


def _shares(
    log_component: Float[Array, "count components"], window: Window, newest: Int[Array, ""]
) -> tuple[Float[Array, "count components"], Float[Array, " components"], Window]:
    """The weights `omega_ik`, the effective number of points of each component, and the window with `log_drawn`."""
    components = log_component.shape[-1]
    log_equal = logsumexp(log_component, -1) - jnp.log(components)
    log_drawn = window.log_drawn.at[newest].set(log_equal.reshape(window.log_drawn.shape)[newest])
    share = small_exp(log_component - jnp.logaddexp(log_equal, log_drawn.reshape(-1))[:, None])
    share = jnp.nan_to_num(share / (share.sum(0) + TINY))
    return share, 1.0 / ((share**2).sum(0) + TINY), window._replace(log_drawn=log_drawn)
