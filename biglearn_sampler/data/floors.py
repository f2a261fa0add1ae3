"""Covariances that stay invertible."""

from __future__ import annotations

import contextlib

import numpy as np
from jaxtyping import Float


def floor_eigenvalues(
    covariances: Float[np.ndarray, "components dim dim"], floor: float
) -> Float[np.ndarray, "components dim dim"]:
    """The covariances with no eigenvalue below a floor; the very same array where none is.

    Arguments:
        covariances: symmetric, perhaps with eigenvalues below zero.
        floor: the smallest eigenvalue that is left as it is, above zero.
    """
    # A factorisation that succeeds costs a tenth of the eigenvalues.
    with contextlib.suppress(np.linalg.LinAlgError):
        np.linalg.cholesky(covariances - floor * np.eye(covariances.shape[-1]))
        return covariances
    values, vectors = np.linalg.eigh(covariances)
    floored = (vectors * np.maximum(values, floor)[:, None, :]) @ vectors.mT
    return 0.5 * (floored + floored.mT)
