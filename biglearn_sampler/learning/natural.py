"""Natural gradients by the closed-form Fisher metric of each component, as optax transformations.

They act on `UnconstrainedMixture`, which `unconstrain` makes of a mixture, and can be chained with any others::

    optax.chain(natural_gradient(), clip_by_fisher_norm(1.0), optax.scale_by_learning_rate(0.1))
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.core import Tracer
from jaxtyping import Array, Float

from biglearn_sampler.mixture import UnconstrainedMixture, constrain, inverse_factors
from biglearn_sampler.precision import full_precision

LARGEST_LOG_RATIO = 5.0
"""Bounds the step of a log weight, in units of the learning rate."""


def natural_gradient() -> optax.GradientTransformation:
    """Turn a plain gradient into the natural one of every component.

    The gradient of component k arrives multiplied by its weight `w_k`; divided by it, with `g` in `(mu, L)`:
    `d_mu = L L^T g_mu`, `d_L = L Phi(L^T g_L)`, where `Phi` keeps the lower triangle and halves the diagonal. The
    logits move by `r_k - sum_j w_j r_j`, which makes the update of the weights multiplicative.
    """

    @full_precision()
    def update(
        updates: optax.Updates, state: optax.OptState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, optax.OptState]:
        gradient, parameters = _mixtures(updates, params)
        mixture = constrain(parameters)
        weights = mixture.weights
        share = jnp.maximum(weights, jnp.finfo(weights.dtype).tiny)[:, None]
        factors = mixture.factors
        diagonal = jnp.exp(parameters.log_diagonals)
        by_mean = jnp.einsum("kji,kj->ki", factors, gradient.means / share)
        by_factor = jnp.tril(gradient.off_diagonals, -1) + _diagonal(gradient.log_diagonals / diagonal)
        relative = _phi(factors.mT @ (by_factor / share[..., None]))
        natural = UnconstrainedMixture(
            logits=jnp.clip(gradient.logits / share[:, 0], -LARGEST_LOG_RATIO, LARGEST_LOG_RATIO),
            means=jnp.einsum("kij,kj->ki", factors, by_mean),
            log_diagonals=jnp.diagonal(relative, axis1=-2, axis2=-1),
            off_diagonals=jnp.tril(factors @ relative, -1),
        )
        return natural, state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def scale_by_sample_size() -> optax.GradientTransformationExtraArgs:
    """Slow down what few points cannot tell: the shape of a component, but not its size.

    A natural step of a factor is `L A` with a lower triangle `A`; its trace says how the component as a whole should
    shrink or grow, the rest how its axes should differ. With `n` effective points the trace is estimated well from
    the first one on, while the noise of the rest is `dim / n`: the rest is scaled by `min(1, 2 n / (n + dim))`, which
    is 1 from `n = dim` on. One learning rate then serves every dimension.

    `update` takes a keyword argument `effective_size` of shape `(components,)`, the effective number of points behind
    the gradient of each component (`1 / sum_i w_i^2` for normalised importance weights `w_i`).
    """

    def update(
        updates: optax.Updates,
        state: optax.OptState,
        params: optax.Params | None = None,
        *,
        effective_size: Float[Array, " components"],
        **_: Any,
    ) -> tuple[optax.Updates, optax.OptState]:
        step, parameters = _mixtures(updates, params)
        dim = step.means.shape[-1]
        share = jnp.minimum(1.0, 2.0 * effective_size / (effective_size + dim))[:, None]
        growth = step.log_diagonals.mean(-1, keepdims=True)
        log_diagonals = growth + share * (step.log_diagonals - growth)
        # With A = c I the strict lower triangle of L A is c times that of L.
        common = growth[..., None] * parameters.off_diagonals
        off_diagonals = common + share[..., None] * (step.off_diagonals - common)
        return step._replace(log_diagonals=log_diagonals, off_diagonals=off_diagonals), state

    return optax.GradientTransformationExtraArgs(
        lambda params: optax.EmptyState(),
        update,  # pyright: ignore[reportArgumentType]: the keyword is required
    )


def clip_by_fisher_norm(radius: float | Float[Array, ""]) -> optax.GradientTransformation:
    """A trust region: scale the step of every component so that its length in the Fisher metric is at most `radius`.

    The squared length of a step `(d_mu, d_L)` is `|L^-1 d_mu|^2 + |A|_F^2 + |diag A|^2` with `A = L^-1 d_L`, twice
    the KL divergence that it moves the component by, to second order. Logits are not scaled. A step that is not
    finite becomes zero.

    Arguments:
        radius: above zero; 1 moves a mean by at most one standard deviation.

    Raises:
        ValueError: the radius is known already, and is not above zero.
    """
    if not isinstance(radius, Tracer) and not (np.asarray(radius) > 0).all():
        raise ValueError(f"`radius` must be above 0, got {radius}")

    def update(
        updates: optax.Updates, state: optax.OptState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, optax.OptState]:
        step, parameters = _mixtures(updates, params)
        factors = constrain(parameters).factors
        diagonal = jnp.exp(parameters.log_diagonals)
        by_factor = jnp.tril(step.off_diagonals, -1) + _diagonal(diagonal * step.log_diagonals)
        both = jnp.concatenate([step.means[..., None], by_factor], -1)
        relative = inverse_factors(factors) @ both
        largest = jnp.abs(relative).max((-2, -1)) + 1e-30
        squares = (relative / largest[..., None, None]) ** 2  # the square of a steep gradient would overflow
        trace = jnp.diagonal(squares[..., 1:], axis1=-2, axis2=-1).sum(-1)
        length = largest * jnp.sqrt(squares.sum((-2, -1)) + trace)
        ratio = jnp.where(jnp.isfinite(length), jnp.minimum(1.0, radius / (length + 1e-30)), 0.0)

        def scaled(leaf: Float[Array, "components ..."]) -> Float[Array, "components ..."]:
            broad = ratio.reshape(ratio.shape + (1,) * (leaf.ndim - 1))
            return jnp.where(broad > 0, broad * leaf, 0.0)

        clipped = jax.tree.map(scaled, step)
        return clipped._replace(logits=jnp.where(jnp.isfinite(step.logits), step.logits, 0.0)), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def _mixtures(updates: optax.Updates, params: optax.Params | None) -> tuple[UnconstrainedMixture, UnconstrainedMixture]:
    if params is None:
        raise ValueError("this transformation needs the parameters: optimizer.update(updates, state, params)")
    if not isinstance(updates, UnconstrainedMixture) or not isinstance(params, UnconstrainedMixture):
        raise TypeError(
            "this transformation needs the parameters that `bl.unconstrain(mixture)` gives, and a gradient in them; "
            f"got {type(params).__name__}, and a gradient in {type(updates).__name__}"
        )
    return updates, params


def _diagonal(entries: Float[Array, "components dim"]) -> Float[Array, "components dim dim"]:
    return entries[..., None] * jnp.eye(entries.shape[-1], dtype=entries.dtype)


def _phi(matrix: Float[Array, "components dim dim"]) -> Float[Array, "components dim dim"]:
    dim = matrix.shape[-1]
    return jnp.tril(matrix) * (1.0 - 0.5 * jnp.eye(dim, dtype=matrix.dtype))
