"""Natural gradients by the closed-form Fisher metric of each component, as optax transformations.

They act on `UnconstrainedMixture` and can be chained with any others::

    optax.chain(natural_gradient(), clip_by_fisher_norm(1.0), optax.scale_by_learning_rate(0.1))
"""

from __future__ import annotations

from typing import cast

import jax
import jax.numpy as jnp
import optax
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float

from biglearn_sampler.mixture import UnconstrainedMixture, constrain

LARGEST_LOG_RATIO = 5.0
"""Bounds the step of a log weight, in units of the learning rate."""


def natural_gradient() -> optax.GradientTransformation:
    """Turn a plain gradient into the natural one of every component.

    The gradient of component k arrives multiplied by its weight `w_k`; divided by it, with `g` in `(mu, L)`:
    `d_mu = L L^T g_mu`, `d_L = L Phi(L^T g_L)`, where `Phi` keeps the lower triangle and halves the diagonal. The
    logits move by `r_k - sum_j w_j r_j`, which makes the update of the weights multiplicative.
    """

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


def clip_by_fisher_norm(radius: float) -> optax.GradientTransformation:
    """A trust region: scale the step of every component so that its length in the Fisher metric is at most `radius`.

    The squared length of a step `(d_mu, d_L)` is `|L^-1 d_mu|^2 + |A|_F^2 + |diag A|^2` with `A = L^-1 d_L`, twice
    the KL divergence that it moves the component by, to second order. Logits are not scaled. A step that is not
    finite becomes zero.

    Arguments:
        radius: above zero; 1 moves a mean by at most one standard deviation.
    """

    def update(
        updates: optax.Updates, state: optax.OptState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, optax.OptState]:
        step, parameters = _mixtures(updates, params)
        factors = constrain(parameters).factors
        diagonal = jnp.exp(parameters.log_diagonals)
        by_factor = jnp.tril(step.off_diagonals, -1) + _diagonal(diagonal * step.log_diagonals)
        both = jnp.concatenate([step.means[..., None], by_factor], -1)
        relative = solve_triangular(factors, both, lower=True)
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
    return cast(UnconstrainedMixture, updates), cast(UnconstrainedMixture, params)


def _diagonal(entries: Float[Array, "components dim"]) -> Float[Array, "components dim dim"]:
    return entries[..., None] * jnp.eye(entries.shape[-1], dtype=entries.dtype)


def _phi(matrix: Float[Array, "components dim dim"]) -> Float[Array, "components dim dim"]:
    dim = matrix.shape[-1]
    return jnp.tril(matrix) * (1.0 - 0.5 * jnp.eye(dim, dtype=matrix.dtype))
