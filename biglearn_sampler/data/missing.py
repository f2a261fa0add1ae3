"""Missing values by marginalising: every row is matched in the coordinates that it has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from biglearn_sampler.data.features import coefficients, features
from biglearn_sampler.data.parameters import Parameters
from biglearn_sampler.data.points import Points
from biglearn_sampler.data.sums import Sums, responsibilities, sums_over


@dataclass(frozen=True)
class Regression:
    """All coordinates given the observed ones, in every component: `E[x | x_O, k] = mu_k + A_k (x_O - mu_k,O)`.

    Arguments:
        observed: the law of the observed coordinates.
        means: `mu_k`.
        lift: `A_k = S_k[:, O] S_k[O, O]^-1`.
        rest: the covariance of all coordinates given the observed ones; zero in their rows and columns.
    """

    observed: Parameters
    means: Float[np.ndarray, "components dim"]
    lift: Float[np.ndarray, "components dim observed"]
    rest: Float[np.ndarray, "components dim dim"]


def regression(parameters: Parameters, places: Int[np.ndarray, " observed"]) -> Regression:
    """The regression of all coordinates on some."""
    observed = parameters.through(np.eye(parameters.dim)[places])
    across = parameters.covariances[:, places, :]
    lift = np.linalg.solve(observed.covariances, across).mT
    rest = parameters.covariances - lift @ across
    return Regression(observed, parameters.means, lift, rest)


def observed_sums(points: Points, parameters: Parameters) -> Sums:
    """The expectation step with missing values, by the law of what is observed.

    A row counts by `p(x_O)`; its missing coordinates enter by their conditional means and covariances, as in
    Ghahramani and Jordan (1994), *Supervised learning from incomplete data via an EM approach*.
    """
    total = Sums.expected(parameters, 0.0)
    for block, weights in points.blocks():
        for rows, places in _patterns(block):
            law = regression(parameters, places)
            part = block[np.ix_(rows, places)]
            seen = sums_over([(features(part), None if weights is None else weights[rows])], law.observed)
            total = total + _completed(seen, law)
    return total


def observed_shares(
    rows: Float[np.ndarray, "count dim"], parameters: Parameters
) -> tuple[Float[np.ndarray, "count components"], Float[np.ndarray, " count"]]:
    """Responsibilities, and the log density of what is observed, of rows that may have NaN."""
    shares, log_densities = np.empty((len(rows), parameters.components)), np.empty(len(rows))
    for chosen, places in _patterns(rows):
        law = parameters.through(np.eye(parameters.dim)[places])
        seen = features(rows[np.ix_(chosen, places)])
        shares[chosen], log_densities[chosen] = responsibilities(seen, coefficients(law).T)
    return shares, log_densities


def completed(points: Points, parameters: Parameters, generator: np.random.Generator) -> Points:
    """The points with every missing value drawn from the mixture, given the row's other values.

    A random projection needs all coordinates of a row; this lets it see rows that have some of them.
    """
    rows = np.concatenate([_drawn(block, parameters, generator) for block, _ in points.blocks()])
    return Points(rows, points.weights, np.zeros(points.dim), np.ones(points.dim))


def _completed(seen: Sums, law: Regression) -> Sums:
    """Sums over observed coordinates as sums over all of them."""
    here, mass = law.observed.means, seen.mass[:, None]
    shift = seen.first - mass * here
    cross = seen.first[:, :, None] * here[:, None, :]
    about = seen.second - cross - cross.mT + mass[:, :, None] * here[:, :, None] * here[:, None, :]
    moved = np.einsum("kdo,ko->kd", law.lift, shift)
    outer = moved[:, :, None] * law.means[:, None, :]
    around = law.means[:, :, None] * law.means[:, None, :] + law.rest
    second = law.lift @ about @ law.lift.mT + outer + outer.mT + mass[:, :, None] * around
    return Sums(seen.mass, mass * law.means + moved, second, seen.log_likelihood)


def _drawn(block: np.ndarray, parameters: Parameters, generator: np.random.Generator) -> np.ndarray:
    out = block.copy()
    for rows, places in _patterns(block):
        if len(places) == parameters.dim:
            continue
        law = regression(parameters, places)
        part = block[np.ix_(rows, places)]
        shares, _ = responsibilities(features(part), coefficients(law.observed).T)
        chosen = (shares.cumsum(1) < generator.random((len(rows), 1))).sum(1).clip(max=parameters.components - 1)
        mean = law.means[chosen] + np.einsum("ndo,no->nd", law.lift[chosen], part - law.observed.means[chosen])
        values, vectors = np.linalg.eigh(law.rest)
        roots = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
        noise = np.einsum("nij,nj->ni", roots[chosen], generator.standard_normal(mean.shape))
        absent = np.setdiff1d(np.arange(parameters.dim), places)
        out[np.ix_(rows, absent)] = (mean + noise)[:, absent]
    return out


def _patterns(
    block: Float[np.ndarray, "rows dim"],
) -> Iterator[tuple[Int[np.ndarray, " chosen"], Int[np.ndarray, " observed"]]]:
    """Rows with the same coordinates observed, and which these are."""
    absent: Bool[np.ndarray, "rows dim"] = np.isnan(block)
    if not len(block):
        return
    kinds, kind_of = np.unique(absent, axis=0, return_inverse=True)
    for number, kind in enumerate(kinds):
        yield np.flatnonzero(kind_of.reshape(-1) == number), np.flatnonzero(~kind)
