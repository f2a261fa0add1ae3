"""Points as rows of monomials, so that all log densities are one matrix product, and all sums for EM another."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from biglearn_sampler.data.parameters import Parameters
from biglearn_sampler.mixture import LOG_TWO_PI


def feature_count(dim: int) -> int:
    """Number of monomials of degree two at most."""
    return 1 + dim + dim * (dim + 1) // 2


def features(points: Float[np.ndarray, "count dim"]) -> Float[np.ndarray, "count features"]:
    """`1`, all `x_i`, and all `x_i x_j` with `i <= j`, of every point.

    Points should be centred and scaled: the squares of large offsets would cost digits.
    """
    count, dim = points.shape
    out = np.empty((count, feature_count(dim)))
    out[:, 0] = 1.0
    out[:, 1 : dim + 1] = points
    start = dim + 1
    for first in range(dim):
        stop = start + dim - first
        np.multiply(points[:, first:], points[:, first, None], out=out[:, start:stop])
        start = stop
    return out


def coefficients(parameters: Parameters) -> Float[np.ndarray, "components features"]:
    """What turns features into `log w_k + log N(x; mu_k, S_k)`.

        log w_k - (d log 2 pi + log |S_k| + mu_k^T P_k mu_k) / 2  +  (P_k mu_k)^T x  -  x^T P_k x / 2,   P_k = S_k^-1

    Raises:
        numpy.linalg.LinAlgError: a covariance is not positive definite.
    """
    dim = parameters.dim
    factors = np.linalg.cholesky(parameters.covariances)
    precisions = np.linalg.inv(parameters.covariances)
    linear = np.einsum("kij,kj->ki", precisions, parameters.means)
    log_volumes = np.log(np.diagonal(factors, axis1=-2, axis2=-1)).sum(-1)
    constants = parameters.log_weights - log_volumes - 0.5 * (dim * LOG_TWO_PI + (linear * parameters.means).sum(-1))
    rows, columns = np.triu_indices(dim)
    squares = precisions[:, rows, columns] * np.where(rows == columns, -0.5, -1.0)
    return np.concatenate([constants[:, None], linear, squares], 1)
