"""What learning from data gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from biglearn_sampler.data.features import coefficients, features
from biglearn_sampler.data.masks import unmasked
from biglearn_sampler.data.missing import observed_shares
from biglearn_sampler.data.parameters import Parameters
from biglearn_sampler.data.points import block_rows
from biglearn_sampler.data.sums import responsibilities
from biglearn_sampler.errors import DataError
from biglearn_sampler.mixture import GaussianMixture
from biglearn_sampler.precision import full_precision


@dataclass(frozen=True)
class DataFit:
    """A mixture that was learnt from data, in the units of the data.

    Arguments:
        parameters: weights, means and covariances in double precision.
        history: one row for each round of tasks: steps so far, log likelihood of each point at the joint optimum that
            the round led to, the best one so far, rounds in agreement, components revived and relocated, and the loss
            of every task.
        metrics: `log_likelihood` (mean over the points, in nats), `bic`, `aic`, `steps`, `sweeps` (of all starts,
            without the closing joint steps), `starts` (what each of them reached), `rounds`, `revived`, `relocated`,
            `shrunk`, `empty` (components that explained less than one point before weights were drawn together),
            `agreed`, `stopped` (a sentence), `warned` (a sentence on columns with outliers, or `None`) and `seconds`.
        missing: whether points may have NaN.
        origin, units: mean and scale of the columns while learning; likelihoods are computed there, so that columns far
            from zero cost no digits.
    """

    parameters: Parameters
    history: tuple[Mapping[str, Any], ...]
    metrics: Mapping[str, Any]
    missing: bool
    origin: Float[np.ndarray, " dim"]
    units: Float[np.ndarray, " dim"]

    @cached_property
    def mixture(self) -> GaussianMixture:
        """The mixture, to sample from, to marginalise and to condition."""
        return self.parameters.to_mixture()

    @full_precision()
    def responsibilities(self, points: ArrayLike) -> Float[np.ndarray, "count components"]:
        """The probability that each point came from each component."""
        return np.concatenate([shares for shares, _ in self._looked_at(points)])

    @full_precision()
    def log_densities(self, points: ArrayLike) -> Float[np.ndarray, " count"]:
        """`log p(x)` of every point; with missing values that of the observed coordinates."""
        return np.concatenate([values for _, values in self._looked_at(points)])

    @full_precision()
    def labels(self, points: ArrayLike) -> Int[np.ndarray, " count"]:
        """The component that most probably gave each point."""
        return np.concatenate([shares.argmax(1) for shares, _ in self._looked_at(points)])

    def _looked_at(self, points: ArrayLike) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Responsibilities and log densities, block by block: the points may be mapped from a disk."""
        rows = unmasked(np.asanyarray(points))
        if rows.ndim != 2 or rows.shape[1] != self.parameters.dim:
            raise DataError(f"expected points of shape (count, {self.parameters.dim}), got {rows.shape}")
        inner = self.parameters.affine(-self.origin / self.units, 1.0 / self.units)
        size = block_rows(self.parameters.dim)
        for start in range(0, max(len(rows), 1), size):
            yield self._block(np.asarray(rows[start : start + size], float), inner, start)

    def _block(self, rows: np.ndarray, inner: Parameters, first: int) -> tuple[np.ndarray, np.ndarray]:
        if np.isinf(rows).any():
            raise DataError("the points have infinite values; every value must be a finite number")
        absent = np.isnan(rows)
        if absent.any() and not self.missing:
            raise DataError("the points have NaN, and the mixture was fitted without missing=True")
        with np.errstate(over="ignore", invalid="ignore"):  # told below
            places = (rows - self.origin) / self.units
            if absent.any():
                shares, values = observed_shares(places, inner)
            else:
                shares, values = responsibilities(features(places), coefficients(inner).T)
        _check_densities(values, first)
        return shares, values - ~absent @ np.log(self.units)


class FitInterrupted(KeyboardInterrupt):
    """Ctrl-C, or SIGTERM where that is heard, in a fit that had been through a round.

    Arguments:
        fit: the best joint optimum so far, as a finished fit gives it.
        ending: what interrupted it.
    """

    def __init__(self, fit: DataFit, ending: KeyboardInterrupt) -> None:
        self.fit, self.ending = fit, ending


def _check_densities(values: np.ndarray, first: int) -> None:
    """See that all points have densities; squares of distances may be beyond the largest number.

    Arguments:
        values: log densities.
        first: number of the first point.
    """
    if not np.isfinite(values).all():
        row = first + int(np.isfinite(values).argmin())
        raise DataError(
            f"row {row} has values that are too large to be squared, and so no density; correct it, or leave it out"
        )
