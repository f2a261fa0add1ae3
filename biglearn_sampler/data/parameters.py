"""A Gaussian mixture as EM moves it: weights, means and covariances in NumPy, in double precision."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from biglearn_sampler.mixture import GaussianMixture

ROUNDING = 0.01
"""Share of a standard deviation that the rounding of a mean may cost."""


@dataclass(frozen=True)
class Parameters:
    """The mixture `sum_k w_k N(mu_k, S_k)`, in NumPy.

    EM is two matrix products for each sweep, and its data have any number of rows: NumPy needs no compilation for each
    shape, and double precision keeps `E[x x^T] - E[x] E[x]^T` sound.

    Arguments:
        log_weights: `log w_k`, normalised.
        means: `mu_k`.
        covariances: `S_k`, symmetric and positive definite.
    """

    log_weights: Float[np.ndarray, " components"]
    means: Float[np.ndarray, "components dim"]
    covariances: Float[np.ndarray, "components dim dim"]

    @property
    def components(self) -> int:
        """Number of components."""
        return self.means.shape[0]

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return self.means.shape[1]

    @property
    def weights(self) -> Float[np.ndarray, " components"]:
        """The weights `w_k`."""
        return np.exp(self.log_weights)

    def shares(self, smoothing: float) -> Float[np.ndarray, " components"]:
        """The shares of mass that became the weights `w_k` when these were smoothed.

            s_k = (1 + K alpha) w_k - alpha,   not below zero, and normalised

        Arguments:
            smoothing: `alpha`, not negative; zero for weights that were not smoothed.
        """
        shares = np.maximum(self.weights * (1.0 + self.components * smoothing) - smoothing, 0.0)
        return shares / shares.sum()

    def through(self, matrix: Float[np.ndarray, "rows dim"]) -> Parameters:
        """The law of `y = W x`: means `W mu_k`, covariances `W S_k W^T`."""
        return Parameters(self.log_weights, self.means @ matrix.T, matrix @ self.covariances @ matrix.T)

    def affine(self, centre: Float[np.ndarray, " dim"], scale: Float[np.ndarray, " dim"]) -> Parameters:
        """The law of `centre + scale * x`, coordinate by coordinate."""
        covariances = self.covariances * scale[:, None] * scale
        return Parameters(self.log_weights, centre + scale * self.means, covariances)

    def draws(
        self, chosen: Int[np.ndarray, " count"], generator: np.random.Generator | np.random.RandomState
    ) -> Float[np.ndarray, "count dim"]:
        """A draw of a component for each of these numbers of components, in double precision.

        Arguments:
            chosen: the number of the component behind each draw.
            generator: draws.
        """
        rows = generator.standard_normal((len(chosen), self.dim))
        factors = np.linalg.cholesky(self.covariances)
        for number in np.unique(chosen):
            own = chosen == number
            rows[own] = self.means[number] + rows[own] @ factors[number].T
        return rows

    def rounded(self) -> GaussianMixture:
        """The same law in the floats of the device, without a word about what is lost: see `to_mixture`."""
        return GaussianMixture.of(self.means, self.covariances, np.maximum(self.weights, np.finfo(float).tiny))

    def to_mixture(self) -> GaussianMixture:
        """The same law as the mixture that the rest of the package samples from and measures.

        That one has the floats of the device; columns so far from zero that these are too coarse are warned of.
        """
        mixture = self.rounded()
        _warn_of_rounding(self.means, self.covariances, mixture.means.dtype)
        return mixture


def _warn_of_rounding(means: np.ndarray, covariances: np.ndarray, device: np.dtype) -> None:
    deviations = np.sqrt(np.diagonal(covariances, axis1=-2, axis2=-1))
    steps = np.abs(means) * np.finfo(device).eps
    worst, column = np.unravel_index(np.argmax(steps / deviations), steps.shape)
    if steps[worst, column] > ROUNDING * deviations[worst, column]:
        warnings.warn(
            f"column {column} is near {means[worst, column]:.3g} with a standard deviation of "
            f"{deviations[worst, column]:.3g}, and {device} there has steps of {steps[worst, column]:.2g}: draws and "
            "densities of the mixture are rounded; subtract a constant from it before the fit, or let JAX "
            "compute with 64 bits (JAX_ENABLE_X64=1)",
            UserWarning,
            stacklevel=3,
        )


def free_parameters(components: int, dim: int) -> int:
    """How many numbers such a mixture has to learn: means, covariances, and weights that sum to one."""
    return components * (dim + dim * (dim + 1) // 2 + 1) - 1
