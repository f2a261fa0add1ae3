"""The joint task of components that learn alone, each from its own points."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from biglearn_sampler.estimators.guard import ZERO_DENSITY
from biglearn_sampler.learning.cliffs import ZERO_DENSITY_NATS
from biglearn_sampler.learning.component_sums import TINY, curvature_at_rest, plain_gradient, small_exp
from biglearn_sampler.learning.shared_points import LARGEST_LOG_RATIO
from biglearn_sampler.learning.window import SharedEstimate, Window, by_component
from biglearn_sampler.mixture import LOG_TWO_PI, GaussianMixture, inverse_factors


def estimate_apart(
    mixture: GaussianMixture, window: Window, newest: Int[Array, ""], unmoved: Bool[Array, " components"]
) -> tuple[SharedEstimate, Window]:
    """What `estimate_alone` gives when no component comes near a point of another one, without looking whether it does.

    In many dimensions components meet in no more than a mode; then this is the same, for a fraction of the work:
    component k weighs its own points by `N_k(x_i) / (N_k(x_i) + b_i(x_i))`, with `b_i` itself at the time of drawing.

    Arguments:
        mixture: the searchers.
        window: with the newest points put in; in every step those of one component stand together.
        newest: their place.
        unmoved: components that feel every point, whatever its force.
    """
    components, dim = mixture.means.shape
    points = by_component(window.points, components)
    log_target, scores, force = (
        by_component(leaf, components) for leaf in (window.log_target, window.scores, window.force)
    )
    inverse = inverse_factors(mixture.factors)
    standard = (points - mixture.means[:, None]) @ inverse.mT
    log_determinant = jnp.log(jnp.diagonal(inverse, axis1=-2, axis2=-1)).sum(-1)
    log_component = (log_determinant - 0.5 * dim * LOG_TWO_PI)[:, None] - 0.5 * (standard**2).sum(-1)
    steps = window.points.shape[0]
    by_step = log_component.reshape(components, steps, -1).swapaxes(0, 1).reshape(steps, -1)
    log_drawn = window.log_drawn.at[newest].set(by_step[newest])
    share = small_exp(log_component - jnp.logaddexp(log_component, by_component(log_drawn, components)))
    share = jnp.nan_to_num(share / (share.sum(-1, keepdims=True) + TINY))
    effective_size = 1.0 / ((share**2).sum(-1) + TINY)

    dense = log_target > ZERO_DENSITY
    density = (share * dense).sum(-1)
    ratio = log_component - jnp.maximum(log_target, -LARGEST_LOG_RATIO)
    ratios = (share * jnp.where(dense, ratio, 0.0)).sum(-1) / (density + TINY)
    ratios = jnp.where(density > TINY, ratios, LARGEST_LOG_RATIO) + ZERO_DENSITY_NATS * (1.0 - density)
    force = jnp.where(dense, force, 1.0)
    free = (share * force).sum(-1)
    offset = (share[..., None] * standard).sum(1)
    share = share * jnp.maximum(force, unmoved[:, None])
    zero = share * ~dense
    lost = zero - share * zero.sum(-1, keepdims=True) / (share.sum(-1, keepdims=True) + TINY)
    # Of `N_k` itself the score is `-L^-T z`; what lies beyond a cliff pushes by its score.
    pulled = (share * dense)[..., None] * (-standard - scores @ mixture.factors)
    pushed = ZERO_DENSITY_NATS * lost[..., None] * standard
    by_mean = jnp.einsum("kij,ki->kj", inverse, (pulled + pushed).sum(1))
    curvature = curvature_at_rest(standard.mT @ pulled, offset, pulled.sum(1)) + standard.mT @ pushed
    gradient = plain_gradient(mixture, inverse, by_mean, curvature, jnp.zeros_like(ratios))
    return SharedEstimate(gradient, effective_size, -ratios.min(), jnp.zeros(()), ratios, free), window._replace(
        log_drawn=log_drawn
    )
