"""The largest natural-gradient steps that stay within a given divergence."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp, softmax

from biglearn_plugins.baselines.gmmvi.components import NEGLIGIBLE, Components
from biglearn_plugins.baselines.gmmvi.samples import Samples

SMALLEST_STEP = np.exp(-80.0)
"""The published search begins here; the largest is 1, a full natural-gradient step."""

BISECTIONS = 50
"""They bring the logarithm of a step within 1e-13."""


def moved(
    components: Components,
    samples: Samples,
    pulls: Float[np.ndarray, "count dim"],
    shares: Float[np.ndarray, "components count"],
    bounds: Float[np.ndarray, " components"],
) -> Components:
    """Every component after its own step.

    By Stein's lemma the natural gradient of `E_o[r]` is made of `g = sum_i omega_i grad r(x_i)` and
    `H = sym sum_i omega_i S^-1 (x_i - mu) grad r(x_i)^T`. A step `s` changes the natural parameters linearly,

        S'^-1 = S^-1 - s H,   mu' = mu + s S' g.

    In coordinates in which `N_o` is standard normal and `M = -L^T H L` has the eigenvalues `m_d`, with `u = L^T g`
    along its eigenvectors, both are diagonal, and

        KL(N' || N) = 1/2 sum_d [log(1 + s m_d) + 1 / (1 + s m_d) - 1 + (s u_d / (1 + s m_d))^2]

    grows with `s`. The step is the largest up to 1 for which it stays within the component's bound.

    Arguments:
        components: all of them.
        samples: the points.
        pulls: `grad r(x_i) = grad log p~(x_i) - grad log q(x_i)`.
        shares: `omega_ki`, self-normalised importance weights of the points for every component.
        bounds: of the divergence, for every component.
    """
    curvature, pull = _whitened(components, samples, pulls, shares)
    usable = np.asarray(np.isfinite(curvature).all((1, 2)) & np.isfinite(pull).all(1))
    # What cannot be followed keeps its component: a step along nothing goes nowhere.
    curvature, pull = np.where(usable[:, None, None], curvature, 0.0), np.where(usable[:, None], pull, 0.0)
    eigenvalues, eigenvectors = np.linalg.eigh(curvature)
    pull = np.einsum("kij,ki->kj", eigenvectors, pull)
    steps = largest(lambda step: _divergence(step, eigenvalues, pull), bounds)[:, None]
    precisions = 1.0 + steps * eigenvalues
    frames = components.factors @ eigenvectors
    means = components.means + np.einsum("kij,kj->ki", frames, steps * pull / precisions)
    return Components(components.log_weights, means, _triangular(frames / np.sqrt(precisions)[:, None, :]))


def weighed(
    log_weights: Float[np.ndarray, " components"], rewards: Float[np.ndarray, " components"], bound: float
) -> Float[np.ndarray, " components"]:
    """Weights after their step: `w' ~ w exp(s R)` with the largest `s <= 1` for which `KL(w' || w)` is in its bound."""

    def divergence(step: Float[np.ndarray, " one"]) -> Float[np.ndarray, " one"]:
        changed = log_weights + step * rewards
        changed = changed - logsumexp(changed)
        return np.array([np.sum(np.exp(changed) * (changed - log_weights))])

    changed = log_weights + largest(divergence, np.array([bound])) * rewards
    return changed - logsumexp(changed)


def largest(
    divergence: Callable[[np.ndarray], np.ndarray], bounds: Float[np.ndarray, " count"]
) -> Float[np.ndarray, " count"]:
    """For every bound the largest step, at most 1, whose divergence stays within it; all by the same bisections.

    Arguments:
        divergence: of one step for each bound; it grows with the step, and may be infinite.
        bounds: above zero.
    """
    low, high = np.full(len(bounds), np.log(SMALLEST_STEP)), np.zeros(len(bounds))
    full = divergence(np.ones(len(bounds))) <= bounds
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        within = divergence(np.exp(middle)) <= bounds
        low, high = np.where(within, middle, low), np.where(within, high, middle)
    return np.where(full, 1.0, np.exp(low))


def importance_shares(
    densities: Float[np.ndarray, "components count"], samples: Samples
) -> Float[np.ndarray, "components count"]:
    """`omega_ki ~ N_k(x_i) / b(x_i)`, summing to one over the points of every component."""
    return softmax(densities - samples.log_proposal, axis=1)


def _whitened(
    components: Components,
    samples: Samples,
    pulls: Float[np.ndarray, "count dim"],
    shares: Float[np.ndarray, "components count"],
) -> tuple[Float[np.ndarray, "components dim dim"], Float[np.ndarray, "components dim"]]:
    """`M = -L^T H L` and `L^T g`, component by component, over the points that count there."""
    curvature, pull = np.empty_like(components.factors), np.empty_like(components.means)
    for number, weights in enumerate(shares):
        near = np.flatnonzero(weights > NEGLIGIBLE)
        standard = (samples.points[near] - components.means[number]) @ components.inverses[number].T
        pulled = weights[near, None] * (pulls[near] @ components.factors[number])
        outer = standard.T @ pulled
        curvature[number], pull[number] = -0.5 * (outer + outer.T), pulled.sum(0)
    return curvature, pull


def _divergence(
    steps: Float[np.ndarray, " components"],
    eigenvalues: Float[np.ndarray, "components dim"],
    pull: Float[np.ndarray, "components dim"],
) -> Float[np.ndarray, " components"]:
    """`KL(N' || N)`, infinite where a covariance would not be positive."""
    precisions = 1.0 + steps[:, None] * eigenvalues
    positive = precisions > 0
    precisions = np.where(positive, precisions, 1.0)
    terms = np.log(precisions) + 1.0 / precisions - 1.0 + (steps[:, None] * pull / precisions) ** 2
    return np.where(positive.all(1), 0.5 * terms.sum(1), np.inf)


def _triangular(frames: Float[np.ndarray, "components dim dim"]) -> Float[np.ndarray, "components dim dim"]:
    """The Cholesky factors of `A A^T`, by a QR decomposition of `A^T`, which cannot fail."""
    upper = np.asarray(np.linalg.qr(frames.mT, mode="r"))
    signs = np.sign(np.diagonal(upper, axis1=-2, axis2=-1))
    return (upper * signs[..., None]).mT
