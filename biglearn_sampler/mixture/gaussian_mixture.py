"""Gaussian mixtures with full covariances: sample, log density, channel, marginal, conditional, moments."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float, Int, Key
from numpy.typing import ArrayLike

from biglearn_sampler.catalogue.notebook import html_of
from biglearn_sampler.mixture.arguments import checked_count, checked_key, checked_point
from biglearn_sampler.mixture.channel import Channel
from biglearn_sampler.mixture.triangular import factors_of_roots, inverse_factors
from biglearn_sampler.precision import full_precision

LOG_TWO_PI = math.log(2.0 * math.pi)

ASYMMETRY = 1e-5
"""Of a covariance matrix beside its standard deviations, up to which it is rounding."""

LARGEST_GATHER, GATHER_BLOCK = 1 << 28, 1 << 24
"""Numbers of the factors of all draws that are held at once; those of a block, where there are more."""

LARGEST_TABLE, BLOCK, LEAST_BLOCK = 1 << 22, 1 << 18, 64
"""Numbers, one for every coordinate of every component at every point, that are held at once; those of a block, where
there are more; and its points at least, since all factors are read again for every block."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class GaussianMixture:
    """The sampler `p(x) = sum_k w_k N(x; mu_k, L_k L_k^T)`.

    It samples in one pass, has an exact normalised density, and is closed under every affine map, marginal
    and conditional: what big cooperative learning needs of a model (paper, remark 3.4).

    Arguments:
        log_weights: `log w_k`, normalised so that the weights sum to one.
        means: `mu_k`.
        factors: `L_k`, lower-triangular Cholesky factors of the covariances, with positive diagonals.

    Use `GaussianMixture.of` to make one from weights and covariances.
    """

    log_weights: Float[Array, " components"]
    means: Float[Array, "components dim"]
    factors: Float[Array, "components dim dim"]

    @classmethod
    def of(cls, means: ArrayLike, covariances: ArrayLike, weights: ArrayLike | None = None) -> GaussianMixture:
        """A mixture from arrays as people write them down.

        Arguments:
            means: shape `(components, dim)`.
            covariances: one number (isotropic, shared), shape `(dim, dim)` (shared) or
                `(components, dim, dim)`.
            weights: shape `(components,)`, positive; normalised here. Equal when left out.

        Raises:
            ValueError: the shapes do not fit, a mean is not finite, a covariance is not symmetric and positive
                definite, or a weight is not positive and finite.
        """
        # In NumPy: the checks are made once, and a compiled operation for each would take longer than all of them.
        centres, spread = np.asarray(means, float), np.asarray(covariances, float)
        if centres.ndim != 2:
            raise ValueError(f"means must have shape (components, dim), got {centres.shape}")
        components, dim = centres.shape
        if spread.ndim == 0:
            spread = spread * np.eye(dim)
        if spread.shape not in {(dim, dim), (components, dim, dim)}:
            raise ValueError(
                f"covariances must be a number or have shape {(dim, dim)} or {(components, dim, dim)}, "
                f"got {spread.shape}"
            )
        if not np.isfinite(centres).all():
            raise ValueError(f"means must be finite numbers, got {means}")
        shares = np.ones(components) if weights is None else np.asarray(weights, float)
        if shares.shape != (components,) or not ((shares > 0) & (shares < np.inf)).all():
            raise ValueError(f"weights must be {components} positive numbers, none infinite, got {weights}")
        factors = np.broadcast_to(_checked_factors(spread), (components, dim, dim))
        arrays = (np.log(shares / shares.sum()), centres, factors)
        return cls(*(jnp.asarray(array, float) for array in arrays))

    @property
    def components(self) -> int:
        """Number of components."""
        return self.means.shape[0]

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return self.means.shape[1]

    @property
    def weights(self) -> Float[Array, " components"]:
        """The weights `w_k`, which sum to one."""
        return jnp.exp(self.log_weights)

    @property
    @full_precision()
    def covariances(self) -> Float[Array, "components dim dim"]:
        """The covariances `L_k L_k^T`."""
        return self.factors @ self.factors.mT

    @full_precision()
    def component_log_densities(self, point: Float[Array, "*batch dim"]) -> Float[Array, "*batch components"]:
        """`log N(x; mu_k, L_k L_k^T)` of every component, without the weights.

        All points meet all components in one matrix product with the inverse factors, `L_k^-1 (x - m)` less
        `L_k^-1 (mu_k - m)`, around a middle `m` of the components: far from zero, two products with `m` in them would
        leave no digits between them.
        """
        inverse = inverse_factors(self.factors)
        middle = _middle(self, inverse)
        shift = jnp.einsum("kij,kj->ki", inverse, self.means - middle)
        return _log_normals(jnp.einsum("kij,...j->...ki", inverse, point - middle) - shift, inverse)

    @full_precision()
    def log_density(self, point: Float[Array, "*batch dim"]) -> Float[Array, "*batch"]:
        """`log p(x)`, normalised, of one point or of a batch of points.

        Many points are taken block by block: a table of all components at all of them could exceed any memory.
        """
        point = checked_point(point, self.dim)
        if point.size // self.dim * self.means.size <= LARGEST_TABLE:
            return logsumexp(self.log_weights + self.component_log_densities(point), axis=-1)
        return _log_density_in_blocks(self, point.reshape(-1, self.dim)).reshape(point.shape[:-1])

    @full_precision()
    def responsibilities(self, point: Float[Array, "*batch dim"]) -> Float[Array, "*batch components"]:
        """The probability `w_k N_k(x) / p(x)` that a point came from each component."""
        point = checked_point(point, self.dim)
        return jax.nn.softmax(self.log_weights + self.component_log_densities(point), axis=-1)

    @full_precision()
    def sample(self, key: Key[Array, ""] | int, count: int) -> Float[Array, "count dim"]:
        """`count` independent draws; the key may be a seed.

        Raises:
            ValueError: the key is none, or `count` is negative.
        """
        count = checked_count(count)
        key_component, key_noise = jax.random.split(checked_key(key))
        chosen = jax.random.categorical(key_component, self.log_weights, shape=(count,))
        noise = jax.random.normal(key_noise, (count, self.dim), self.means.dtype)
        if noise.size * self.dim <= LARGEST_GATHER:
            return self.means[chosen] + jnp.einsum("nij,nj->ni", self.factors[chosen], noise)

        def drawn(given: tuple[Int[Array, ""], Float[Array, " dim"]]) -> Float[Array, " dim"]:
            component, standard = given
            return self.means[component] + self.factors[component] @ standard

        return jax.lax.map(drawn, (chosen, noise), batch_size=max(GATHER_BLOCK // self.dim**2, 1))

    @full_precision()
    def stratified(self, key: Key[Array, ""] | int, count: int) -> Float[Array, "components count dim"]:
        """`count` draws from *every* component, differentiable in means and factors: `mu_k + L_k e`."""
        key, count = checked_key(key), checked_count(count)
        noise = jax.random.normal(key, (self.components, count, self.dim), self.means.dtype)
        return self.means[:, None] + jnp.einsum("kij,kmj->kmi", self.factors, noise)

    @full_precision()
    def through(self, channel: Channel) -> GaussianMixture:
        """The exact law of `y = W x + b + sigma n`: means `W mu_k + b`, covariances `W S_k W^T + sigma^2 I`.

        The channel must keep the law non-degenerate: `rows <= dim`, or noise above zero.
        """
        noise = channel.noise * jnp.eye(channel.rows, dtype=self.means.dtype)
        noises = jnp.broadcast_to(noise, (self.components, *noise.shape))
        factors = factors_of_roots(jnp.concatenate([channel.matrix @ self.factors, noises], -1))
        return GaussianMixture(self.log_weights, channel.mean(self.means), factors)

    def marginal(self, coordinates: Sequence[int]) -> GaussianMixture:
        """The law of the given coordinates, in the given order."""
        _check_coordinates(coordinates, self.dim)
        return self.through(Channel.of(jnp.eye(self.dim, dtype=self.means.dtype)[jnp.asarray(coordinates)]))

    def conditional(self, coordinates: Sequence[int], values: Float[Array, " given"]) -> GaussianMixture:
        """The law of the remaining coordinates, in ascending order, given the values of some.

        Arguments:
            coordinates: which coordinates are known; at least one, not all.
            values: their values, in the same order.

        Raises:
            ValueError: the coordinates repeat, do not exist or are all, or there are more or fewer values.
        """
        _check_coordinates(coordinates, self.dim)
        given = jnp.asarray(values, self.means.dtype)
        if given.shape != (len(coordinates),):
            raise ValueError(f"{len(coordinates)} coordinates need as many values, got shape {given.shape}")
        rest = [i for i in range(self.dim) if i not in set(coordinates)]
        if not rest:
            raise ValueError(f"at least one of the {self.dim} coordinates must stay unknown")
        order = jnp.asarray([*coordinates, *rest])
        reordered = self.through(Channel.of(jnp.eye(self.dim, dtype=self.means.dtype)[order]))
        return reordered.given_leading(given)

    @full_precision()
    def given_leading(self, values: Float[Array, " given"]) -> GaussianMixture:
        """The law of the trailing coordinates given the leading ones.

        With the known coordinates first, the Cholesky factor `[[A, 0], [B, C]]` holds the answer: the
        conditional mean is `m_T + B A^-1 (y_S - m_S)`, its factor is `C`, and the new weight is
        `w_k N(y_S; m_S, A A^T)`.
        """
        known = values.shape[0]
        inverse = inverse_factors(self.factors[:, :known, :known])
        standard = jnp.einsum("kij,kj->ki", inverse, values - self.means[:, :known])
        means = self.means[:, known:] + jnp.einsum("kij,kj->ki", self.factors[:, known:, :known], standard)
        evidence = self.log_weights + _log_normals(standard, inverse)
        return GaussianMixture(jax.nn.log_softmax(evidence), means, self.factors[:, known:, known:])

    @full_precision()
    def mean(self) -> Float[Array, " dim"]:
        """The mean of the whole mixture."""
        return self.weights @ self.means

    @full_precision()
    def covariance(self) -> Float[Array, "dim dim"]:
        """The covariance of the whole mixture: within components plus between them."""
        between = self.means - self.mean()
        within = jnp.einsum("k,kij->ij", self.weights, self.covariances)
        return within + jnp.einsum("k,ki,kj->ij", self.weights, between, between)

    def affine(self, centre: Float[Array, " dim"], scale: Float[Array, " dim"]) -> GaussianMixture:
        """The law of `centre + scale * x`, coordinate by coordinate, `scale > 0`."""
        return GaussianMixture(self.log_weights, centre + scale * self.means, scale[:, None] * self.factors)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return html_of(self)

    def to_numpyro(self) -> dist.MixtureSameFamily:
        """The same law as a NumPyro distribution, to use in a model."""
        components = dist.MultivariateNormal(self.means, scale_tril=self.factors)
        return dist.MixtureSameFamily(dist.Categorical(logits=self.log_weights), components)

    @classmethod
    def from_numpyro(cls, distribution: dist.Distribution) -> GaussianMixture:
        """The mixture that a NumPyro distribution describes.

        Arguments:
            distribution: a `MultivariateNormal`, or a `MixtureSameFamily` of `MultivariateNormal` components.

        Raises:
            ValueError: any other distribution, or a batch of mixtures.
        """
        normals: dist.Distribution
        weights: Any  # numpyro declares a lazy property here
        if isinstance(distribution, dist.MixtureSameFamily):
            normals, weights = distribution.component_distribution, distribution.mixing_distribution.probs
        else:
            normals, weights = distribution, 1.0
        if not isinstance(normals, dist.MultivariateNormal):
            raise ValueError(
                "expected a MultivariateNormal or a MixtureSameFamily of MultivariateNormal components, "
                f"got {type(normals).__name__}"
            )
        if distribution.batch_shape != ():
            raise ValueError(f"expected one mixture, got a batch of shape {distribution.batch_shape}")
        log_weights = jax.nn.log_softmax(jnp.log(jnp.atleast_1d(weights)))
        (dim,) = normals.event_shape
        means = jnp.broadcast_to(jnp.asarray(normals.loc), (len(log_weights), dim))
        factors = jnp.broadcast_to(jnp.asarray(normals.scale_tril), (len(log_weights), dim, dim))
        return cls(log_weights, means, factors)


@jax.jit
def _log_density_in_blocks(mixture: GaussianMixture, points: Float[Array, "count dim"]) -> Float[Array, " count"]:
    """`log p(x)` block by block, forth and, for gradients, once more on the way back."""
    inverse = inverse_factors(mixture.factors)
    middle = _middle(mixture, inverse)
    shift = jnp.einsum("kij,kj->ki", inverse, mixture.means - middle)
    at_mean = (
        mixture.log_weights
        + jnp.log(jnp.diagonal(inverse, axis1=-2, axis2=-1)).sum(-1)
        - 0.5 * mixture.dim * LOG_TWO_PI
    )

    # Whole blocks and not point by point: the gradient in the factors is then one product for each block.
    @jax.checkpoint
    def of_block(block: Float[Array, "size dim"]) -> Float[Array, " size"]:
        standard = jnp.einsum("kij,nj->kin", inverse, block - middle) - shift[..., None]
        return logsumexp(at_mean[:, None] - 0.5 * (standard**2).sum(1), axis=0)

    size = max(LEAST_BLOCK, BLOCK // mixture.means.size)
    whole = len(points) // size * size
    told = jax.lax.map(of_block, points[:whole].reshape(-1, size, mixture.dim)).reshape(-1)
    return told if whole == len(points) else jnp.concatenate([told, of_block(points[whole:])])


def _middle(mixture: GaussianMixture, inverse: Float[Array, "components dim dim"]) -> Float[Array, " dim"]:
    """`m_j = sum_k s_kj mu_kj`, with shares `s_kj` in proportion to `w_k max_i (L_k^-1)_ij^2`; of one mean, itself.

    Products around `m` are rounded by `|L_k^-1| |mu_k - m|`: the mean of its square is least there, at the narrow ones.
    """
    shares = jax.nn.softmax(mixture.log_weights[:, None] + 2.0 * jnp.log(jnp.abs(inverse).max(-2)), axis=0)
    return jax.lax.stop_gradient((shares * mixture.means).sum(0))


def _log_normals(
    standard: Float[Array, "*batch components dim"], inverse: Float[Array, "components dim dim"]
) -> Float[Array, "*batch components"]:
    """`log N(x; mu_k, L_k L_k^T)` of `L_k^-1 (x - mu_k)`."""
    log_determinant = jnp.log(jnp.diagonal(inverse, axis1=-2, axis2=-1)).sum(-1)
    return log_determinant - 0.5 * (standard**2).sum(-1) - 0.5 * standard.shape[-1] * LOG_TWO_PI


def _checked_factors(covariances: np.ndarray) -> np.ndarray:
    # The factorisation looks at the lower triangle only, so a wrong entry above it would pass unseen.
    if _are_symmetric(covariances):
        with contextlib.suppress(np.linalg.LinAlgError):
            return np.linalg.cholesky(covariances)
    raise ValueError("every covariance must be symmetric and positive definite")


def _are_symmetric(covariances: np.ndarray) -> bool:
    """Whether `|S_ij - S_ji|` is rounding beside `sqrt(S_ii S_jj)`, in any unit; not where a number is not finite."""
    variances = np.diagonal(covariances, axis1=-2, axis2=-1)
    if not np.isfinite(covariances).all() or not (variances > 0).all():
        return False
    deviations = np.sqrt(variances)
    allowed = ASYMMETRY * deviations[..., :, None] * deviations[..., None, :]
    return bool((np.abs(covariances - covariances.swapaxes(-1, -2)) <= allowed).all())


def _check_coordinates(coordinates: Sequence[int], dim: int) -> None:
    chosen = list(coordinates)
    if not chosen or len(set(chosen)) != len(chosen) or not all(0 <= i < dim for i in chosen):
        raise ValueError(f"coordinates must be distinct numbers from 0 to {dim - 1}, got {chosen}")
