"""The expectation step: responsibilities, and the weighted sums that the maximisation step needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from biglearn_sampler.data.features import coefficients, features
from biglearn_sampler.data.parameters import Parameters

Block = tuple[Float[np.ndarray, "count features"], Float[np.ndarray, " count"] | None]
"""Features of some points, and their weights; without weights every point counts once."""


@dataclass(frozen=True)
class Sums:
    """Sums over points, weighted by what each component is responsible for.

    Arguments:
        mass: `n_k = sum_n r_nk`.
        first: `sum_n r_nk x_n`.
        second: `sum_n r_nk x_n x_n^T`.
        log_likelihood: `sum_n log p(x_n)`.
    """

    mass: Float[np.ndarray, " components"]
    first: Float[np.ndarray, "components dim"]
    second: Float[np.ndarray, "components dim dim"]
    log_likelihood: float

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.mass + other.mass,
            self.first + other.first,
            self.second + other.second,
            self.log_likelihood + other.log_likelihood,
        )

    @classmethod
    def expected(cls, parameters: Parameters, mass: float, smoothing: float = 0.0) -> Sums:
        """What so much data from the mixture itself would give: the memory of a fit on minibatches.

        Arguments:
            parameters: of the mixture.
            mass: of the data.
            smoothing: of its weights, which is taken back: the data would be smoothed once more.
        """
        masses = mass * parameters.shares(smoothing)
        outer = parameters.means[:, :, None] * parameters.means[:, None, :]
        second = masses[:, None, None] * (parameters.covariances + outer)
        return cls(masses, masses[:, None] * parameters.means, second, 0.0)


def sums_over(blocks: Iterable[Block], parameters: Parameters) -> Sums:
    """One expectation step over all points."""
    lines = coefficients(parameters).T
    total, log_likelihood = np.zeros(lines.T.shape), 0.0
    for rows, weights in blocks:
        shares, log_densities = responsibilities(rows, lines)
        if weights is not None:
            shares *= weights[:, None]
            log_densities = log_densities * weights
        total += shares.T @ rows
        log_likelihood += float(log_densities.sum())
    return unpacked(total, parameters.dim, log_likelihood)


def responsibilities(
    rows: Float[np.ndarray, "count features"], lines: Float[np.ndarray, "features components"]
) -> tuple[Float[np.ndarray, "count components"], Float[np.ndarray, " count"]]:
    """`w_k N_k(x) / p(x)` of every component, and `log p(x)`.

    Arguments:
        rows: what `features` gives.
        lines: what `coefficients` gives, transposed.
    """
    return normalised(rows @ lines)


def normalised(
    scores: Float[np.ndarray, "count components"],
) -> tuple[Float[np.ndarray, "count components"], Float[np.ndarray, " count"]]:
    """Responsibilities and `log p(x)` from `log w_k + log N_k(x)`, in whose place the responsibilities are written."""
    highest = scores.max(1)
    scores -= highest[:, None]
    np.exp(scores, out=scores)
    totals = scores.sum(1)
    scores /= totals[:, None]
    return scores, highest + np.log(totals)


def log_densities(points: Float[np.ndarray, "count dim"], parameters: Parameters) -> Float[np.ndarray, " count"]:
    """`log p(x)` of every point."""
    return responsibilities(features(points), coefficients(parameters).T)[1]


def unpacked(total: Float[np.ndarray, "components features"], dim: int, log_likelihood: float) -> Sums:
    """Sums of features as sums of points and of their products."""
    second = np.empty((len(total), dim, dim))
    rows, columns = np.triu_indices(dim)
    second[:, rows, columns] = second[:, columns, rows] = total[:, dim + 1 :]
    return Sums(total[:, 0].copy(), total[:, 1 : dim + 1], second, log_likelihood)
