"""The joint task with points that all components share: every evaluation serves every component near it.

An alternative to `Matching`, where a component learns from its own draws only. Points of the last few steps stay in
use, by importance weights that are bounded, so that a component that was moved cannot blow up.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp
from jaxtyping import Array, Bool, Float, Int

from biglearn_sampler.estimators.guard import ZERO_DENSITY
from biglearn_sampler.mixture import LOG_TWO_PI, GaussianMixture, UnconstrainedMixture, inverse_factors

NEVER_DRAWN = 1e30
"""Log density of the law behind the empty places of a window: their weight is zero."""

LARGEST_LOG_RATIO = 1e8
"""Bounds `log p - log q`, so that a point of hardly any density stays finite in sums."""

LARGEST_DEVIATION = 1e4
"""Bounds `log p - log q` in its variance."""

ZERO_DENSITY_NATS = 10.0
"""What a point of density zero costs, beyond the mean of `log p - log q` where there is density.

The divergence of a Gaussian from a law that is zero somewhere is infinite. With a bounded cost an isolated hole does no
harm, and the mass that a component loses over a cliff is weighed against what it covers on this side.
"""

NEGLIGIBLE = -30.0
"""Logarithm of a weight that has no effect in 32 bits."""

TINY = 1e-30
"""Keeps quotients of vanishing sums finite."""


class Window(NamedTuple):
    """The points of the last steps, in a ring.

    Arguments:
        points: `x_i`.
        log_target: `log q(x_i)`.
        scores: `grad log q(x_i)`.
        log_drawn: log density, at the time of drawing, of the equal-weight mixture that drew the point.
        force: what share of its pull a point exerts when components learn alone; see `estimate_alone`.
    """

    points: Float[Array, "steps fresh dim"]
    log_target: Float[Array, "steps fresh"]
    scores: Float[Array, "steps fresh dim"]
    log_drawn: Float[Array, "steps fresh"]
    force: Float[Array, "steps fresh"]

    @classmethod
    def empty(cls, steps: int, fresh: int, dim: int) -> Window:
        """A window without points."""
        return cls(
            jnp.zeros((steps, fresh, dim)),
            jnp.zeros((steps, fresh)),
            jnp.zeros((steps, fresh, dim)),
            jnp.full((steps, fresh), NEVER_DRAWN),
            jnp.ones((steps, fresh)),
        )

    def put(
        self,
        place: Int[Array, ""],
        points: Float[Array, "fresh dim"],
        log_target: Float[Array, " fresh"],
        scores: Float[Array, "fresh dim"],
        force: Float[Array, " fresh"] | float = 1.0,
    ) -> Window:
        """The window with fresh points in one place; `log_drawn` is filled in by the estimate."""
        return self._replace(
            points=self.points.at[place].set(points),
            log_target=self.log_target.at[place].set(log_target),
            scores=self.scores.at[place].set(scores),
            force=self.force.at[place].set(force),
        )


class SharedEstimate(NamedTuple):
    """What all points together say of the joint task.

    Arguments:
        gradient: of `KL[p || q]` in the parameters, component k's multiplied by its weight, as `Matching` gives it.
        effective_size: effective number of points behind each component.
        elbo: `E_p[log q - log p]`, with the bounded cost of points of density zero.
        variance: `Var_p[log q - log p]`, likewise; zero at the optimum.
        ratios: `E_k[log p - log q]` under every component, likewise; of components that learn alone,
            `E_k[log N_k - log q]`.
        free: share of the points of every component that exert their force; 1 where all do.
    """

    gradient: UnconstrainedMixture
    effective_size: Float[Array, " components"]
    elbo: Float[Array, ""]
    variance: Float[Array, ""]
    ratios: Float[Array, " components"]
    free: Float[Array, " components"]


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
    density = share.T @ dense.astype(points.dtype)
    joint = log_component + mixture.log_weights
    log_sampler = logsumexp(joint, -1)
    responsibility = _exp(joint - log_sampler[:, None])
    pull = jnp.where(dense[:, None], _score(responsibility, points, mixture.means, inverse) - scores, 0.0)
    by_mean = share.T @ pull
    curvature = inverse @ _outer(share, points, pull, mixture.means, by_mean) @ mixture.factors
    by_mean, curvature = _with_cliffs(by_mean, curvature, share, points, dense, mixture.means, inverse)

    ratio = jnp.clip(log_sampler - log_target, -LARGEST_LOG_RATIO, LARGEST_LOG_RATIO)
    ratios = share.T @ jnp.where(dense, ratio, 0.0)
    # A component without any density costs what the worst one does.
    mean = jnp.where(density > TINY, ratios / (density + TINY), -jnp.inf)
    mean = jnp.where(density > TINY, mean, jnp.where(density.max() > TINY, mean.max(), 0.0))
    ratios = mean + ZERO_DENSITY_NATS * (1.0 - density)
    elbo = -(mixture.weights * ratios).sum()
    deviation = jnp.where(dense, jnp.clip(ratio, -LARGEST_DEVIATION, LARGEST_DEVIATION) + elbo, ZERO_DENSITY_NATS)
    variance = (mixture.weights * (share.T @ deviation**2)).sum()
    gradient = _plain_gradient(mixture, inverse, by_mean, curvature, ratios + elbo)
    return SharedEstimate(gradient, effective_size, elbo, variance, ratios, jnp.ones_like(ratios)), window


def estimate_alone(
    mixture: GaussianMixture, window: Window, newest: Int[Array, ""], unmoved: Bool[Array, " components"]
) -> tuple[SharedEstimate, Window]:
    """The same for components that learn alone: component k minimises `KL[N_k || q]`, without regard to the others.

    Many searchers then fall into the modes of the target independently of one another, and `-ratios` is the log mass
    that each accounts for by itself. A point with force zero pulls nobody but those that take no notice of it: so
    modes that are known already let searchers pass. They share points as above, since a point is as good for one as
    for another.

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
    standard, log_component = _standardised(points, mixture.means, inverse)
    share, effective_size, window = _shares(log_component, window, newest)
    dense = log_target > ZERO_DENSITY
    density = share.T @ dense.astype(points.dtype)
    ratio = log_component - jnp.maximum(log_target, -LARGEST_LOG_RATIO)[:, None]
    ratios = (share * jnp.where(dense[:, None], ratio, 0.0)).sum(0) / (density + TINY)
    ratios = jnp.where(density > TINY, ratios, LARGEST_LOG_RATIO) + ZERO_DENSITY_NATS * (1.0 - density)

    force = jnp.where(dense, window.force.reshape(-1), 1.0)
    free = share.T @ force
    share = share * jnp.maximum(force[:, None], unmoved)
    with_density = share * dense[:, None]
    weighed = with_density.T[..., None] * standard
    by_score = with_density.T @ scores
    by_mean = -jnp.einsum("kij,ki->kj", inverse, weighed.sum(1)) - by_score
    by_target = inverse @ _outer(with_density, points, scores, mixture.means, by_score) @ mixture.factors
    curvature = -by_target - weighed.mT @ standard
    by_mean, curvature = _with_cliffs(by_mean, curvature, share, points, dense, mixture.means, inverse)
    gradient = _plain_gradient(mixture, inverse, by_mean, curvature, jnp.zeros_like(ratios))
    return SharedEstimate(gradient, effective_size, -ratios.min(), jnp.zeros(()), ratios, free), window


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
    points = _own(window.points, components)
    log_target, scores, force = (_own(leaf, components) for leaf in (window.log_target, window.scores, window.force))
    inverse = inverse_factors(mixture.factors)
    standard = (points - mixture.means[:, None]) @ inverse.mT
    log_determinant = jnp.log(jnp.diagonal(inverse, axis1=-2, axis2=-1)).sum(-1)
    log_component = (log_determinant - 0.5 * dim * LOG_TWO_PI)[:, None] - 0.5 * (standard**2).sum(-1)
    steps = window.points.shape[0]
    by_step = log_component.reshape(components, steps, -1).swapaxes(0, 1).reshape(steps, -1)
    log_drawn = window.log_drawn.at[newest].set(by_step[newest])
    share = _exp(log_component - jnp.logaddexp(log_component, _own(log_drawn, components)))
    share = jnp.nan_to_num(share / (share.sum(-1, keepdims=True) + TINY))
    effective_size = 1.0 / ((share**2).sum(-1) + TINY)

    dense = log_target > ZERO_DENSITY
    density = (share * dense).sum(-1)
    ratio = log_component - jnp.maximum(log_target, -LARGEST_LOG_RATIO)
    ratios = (share * jnp.where(dense, ratio, 0.0)).sum(-1) / (density + TINY)
    ratios = jnp.where(density > TINY, ratios, LARGEST_LOG_RATIO) + ZERO_DENSITY_NATS * (1.0 - density)
    force = jnp.where(dense, force, 1.0)
    free = (share * force).sum(-1)
    share = share * jnp.maximum(force, unmoved[:, None])
    zero = share * ~dense
    lost = zero - share * zero.sum(-1, keepdims=True) / (share.sum(-1, keepdims=True) + TINY)
    # Of `N_k` itself the score is `-L^-T z`; what lies beyond a cliff pushes by its score.
    pulled = (share * dense)[..., None] * (-standard - scores @ mixture.factors) + ZERO_DENSITY_NATS * (
        lost[..., None] * standard
    )
    by_mean = jnp.einsum("kij,ki->kj", inverse, pulled.sum(1))
    gradient = _plain_gradient(mixture, inverse, by_mean, standard.mT @ pulled, jnp.zeros_like(ratios))
    return SharedEstimate(gradient, effective_size, -ratios.min(), jnp.zeros(()), ratios, free), window._replace(
        log_drawn=log_drawn
    )


def _own(leaf: Float[Array, "steps fresh *rest"], components: int) -> Float[Array, "components points *rest"]:
    """The points of every component, of all steps."""
    rest = leaf.shape[2:]
    return leaf.reshape(len(leaf), components, -1, *rest).swapaxes(0, 1).reshape(components, -1, *rest)


def _with_cliffs(
    by_mean: Float[Array, "components dim"],
    curvature: Float[Array, "components dim dim"],
    share: Float[Array, "count components"],
    points: Float[Array, "count dim"],
    dense: Bool[Array, " count"],
    means: Float[Array, "components dim"],
    inverse: Float[Array, "components dim dim"],
) -> tuple[Float[Array, "components dim"], Float[Array, "components dim dim"]]:
    """Both gradients with what points of density zero add; of those there are mostly none, and then nothing is done."""

    def pushed_back() -> tuple[Float[Array, "components dim"], Float[Array, "components dim dim"]]:
        zero = ~dense[:, None]
        # Less its mean: the same on average, and nothing at all for a component that has no density anywhere.
        lost = share * (zero - (share * zero).sum(0) / (share.sum(0) + TINY))
        middle = means.mean(0)
        first = lost.T @ (points - middle)
        second = _outer(lost, points, points - middle, means, first) - first[:, :, None] * (means - middle)[:, None]
        standard = jnp.einsum("kij,kj->ki", inverse, first)
        spread = inverse @ second @ inverse.mT
        pushed = by_mean + ZERO_DENSITY_NATS * jnp.einsum("kji,kj->ki", inverse, standard)
        return pushed, curvature + ZERO_DENSITY_NATS * spread

    return jax.lax.cond(dense.all(), lambda: (by_mean, curvature), pushed_back)


def _shares(
    log_component: Float[Array, "count components"], window: Window, newest: Int[Array, ""]
) -> tuple[Float[Array, "count components"], Float[Array, " components"], Window]:
    """The weights `omega_ik`, the effective number of points of each component, and the window with `log_drawn`."""
    components = log_component.shape[-1]
    log_equal = logsumexp(log_component, -1) - jnp.log(components)
    log_drawn = window.log_drawn.at[newest].set(log_equal.reshape(window.log_drawn.shape)[newest])
    share = _exp(log_component - jnp.logaddexp(log_equal, log_drawn.reshape(-1))[:, None])
    share = jnp.nan_to_num(share / (share.sum(0) + TINY))
    return share, 1.0 / ((share**2).sum(0) + TINY), window._replace(log_drawn=log_drawn)


def _exp(exponent: Float[Array, ...]) -> Float[Array, ...]:
    """`exp`, zero below `NEGLIGIBLE`: numbers too small for full precision would slow matrix products down tenfold."""
    return jnp.where(exponent < NEGLIGIBLE, 0.0, jnp.exp(jnp.maximum(exponent, NEGLIGIBLE)))


def _standardised(
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

    squares = jax.lax.fori_loop(0, dim, add_square, jnp.zeros((len(points), len(means)), points.dtype))
    log_determinant = jnp.log(jnp.diagonal(inverse, axis1=-2, axis2=-1)).sum(-1)
    return log_determinant - 0.5 * dim * LOG_TWO_PI - 0.5 * squares


def _score(
    responsibility: Float[Array, "count components"],
    points: Float[Array, "count dim"],
    means: Float[Array, "components dim"],
    inverse: Float[Array, "components dim dim"],
) -> Float[Array, "count dim"]:
    """`grad log p(x_i) = sum_k r_ik S_k^-1 (mu_k - x_i)`, with the precisions mixed before they meet the point."""
    dim = points.shape[-1]
    middle = means.mean(0)
    precision = inverse.mT @ inverse
    pulls = jnp.einsum("kij,kj->ki", precision, means - middle)
    mixed = (responsibility @ precision.reshape(-1, dim * dim)).reshape(-1, dim, dim)
    return responsibility @ pulls - jnp.einsum("nij,nj->ni", mixed, points - middle)


def _outer(
    share: Float[Array, "count components"],
    points: Float[Array, "count dim"],
    pulls: Float[Array, "count dim"],
    means: Float[Array, "components dim"],
    by_mean: Float[Array, "components dim"],
) -> Float[Array, "components dim dim"]:
    """`sum_i omega_ik (x_i - mu_k) G_i^T` for all components by one large matrix product; `by_mean` is the sum of G."""
    dim = points.shape[-1]
    middle = means.mean(0)
    products = ((points - middle)[:, :, None] * pulls[:, None, :]).reshape(-1, dim * dim)
    return (share.T @ products).reshape(-1, dim, dim) - (means - middle)[:, :, None] * by_mean[:, None, :]


def _plain_gradient(
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
