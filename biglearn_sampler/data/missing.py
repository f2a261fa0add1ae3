"""Missing values by marginalising: every row is matched in the coordinates that it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from jaxtyping import Float, Int

from biglearn_sampler.data.features import coefficients, features
from biglearn_sampler.data.parameters import Parameters
from biglearn_sampler.data.patterns import Group, groups
from biglearn_sampler.data.points import ObservedPart, Points
from biglearn_sampler.data.sums import Sums, normalised, unpacked

PIECE_BYTES = 2**20
"""Covariances of all components under as many patterns as take no more are computed in one call: they stay near the
processor."""


@dataclass(frozen=True)
class Regressions:
    """All coordinates given the observed ones, under several patterns of what is observed.

        E[x | x_O, k] = mu_k + A_k (x_O - mu_k,O)

    Arguments:
        observed: the law of the observed coordinates, under every pattern one after another.
        here: `mu_k,O`.
        lift: `A_k = S_k[:, O] S_k[O, O]^-1`.
        rest: the covariance of all coordinates given the observed ones; zero in their rows and columns.
    """

    observed: Parameters
    here: Float[np.ndarray, "patterns components observed"]
    lift: Float[np.ndarray, "patterns components dim observed"]
    rest: Float[np.ndarray, "patterns components dim dim"]


def regressions(parameters: Parameters, places: Int[np.ndarray, "patterns observed"]) -> Regressions:
    """The regressions of all coordinates on some, for several choices of these."""
    observed = _observed(parameters, places)
    patterns, count = places.shape
    inside = observed.covariances.reshape(patterns, parameters.components, count, count)
    across = parameters.covariances[:, places].swapaxes(0, 1)
    lift = np.linalg.solve(inside, across).mT
    rest = parameters.covariances - lift @ across
    return Regressions(observed, observed.means.reshape(patterns, parameters.components, count), lift, rest)


def observed_sums(points: Points, parameters: Parameters) -> Sums:
    """The expectation step with missing values, by the law of what is observed.

    A row counts by `p(x_O)`; its missing coordinates enter by their conditional means and covariances, as in
    Ghahramani and Jordan (1994), *Supervised learning from incomplete data via an EM approach*.
    """
    total, most = Sums.expected(parameters, 0.0), _patterns_at_once(parameters)
    for part in chain.from_iterable(points.observed):
        for few, span in part.group.pieces(most):
            law = regressions(parameters, few.places)
            weights = None if part.weights is None else part.weights[span]
            total = total + _completed(_sums(few, part.features[span], weights, law.observed), law, parameters)
    return total


def observed_shares(
    rows: Float[np.ndarray, "count dim"], parameters: Parameters
) -> tuple[Float[np.ndarray, "count components"], Float[np.ndarray, " count"]]:
    """Responsibilities, and the log density of what is observed, of rows that may have NaN."""
    shares, log_densities = np.empty((len(rows), parameters.components)), np.empty(len(rows))
    most = _patterns_at_once(parameters)
    for group in groups(rows):
        for few, _ in group.pieces(most):
            seen = features(few.values(rows))
            shares[few.rows], log_densities[few.rows] = _shares(few, seen, _observed(parameters, few.places))
    return shares, log_densities


def completed(points: Points, parameters: Parameters, generator: np.random.Generator) -> Points:
    """The points with every missing value drawn from the mixture, given the row's other values.

    A random projection needs all coordinates of a row; this lets it see rows that have some of them.
    """
    blocks = zip(points.blocks(), points.observed, strict=True)
    rows = np.concatenate([_filled(block, parts, parameters, generator) for (block, _), parts in blocks])
    return Points(rows, points.weights, np.zeros(points.dim), np.ones(points.dim))


def _patterns_at_once(parameters: Parameters) -> int:
    return max(1, PIECE_BYTES // parameters.covariances.nbytes)


def _observed(parameters: Parameters, places: Int[np.ndarray, "patterns observed"]) -> Parameters:
    """The components in the coordinates of the first pattern, then in those of the second, and so on."""
    (patterns, count), log_weights = places.shape, np.tile(parameters.log_weights, len(places))
    means = parameters.means[:, places].swapaxes(0, 1)
    covariances = parameters.covariances[:, places[:, :, None], places[:, None, :]].swapaxes(0, 1)
    stacked = patterns * parameters.components
    return Parameters(log_weights, means.reshape(stacked, count), covariances.reshape(stacked, count, count))


def _shares(
    group: Group, seen: Float[np.ndarray, "rows features"], observed: Parameters
) -> tuple[Float[np.ndarray, "rows components"], Float[np.ndarray, " rows"]]:
    """Responsibilities and log densities of the rows of a group, of which `seen` has the features."""
    lines = coefficients(observed).reshape(len(group.places), -1, seen.shape[1]).mT
    scores = np.empty((len(seen), lines.shape[2]))
    for line, span in zip(lines, group.spans(), strict=True):
        np.matmul(seen[span], line, out=scores[span])
    return normalised(scores)


def _sums(
    group: Group, seen: Float[np.ndarray, "rows features"], weights: np.ndarray | None, observed: Parameters
) -> Sums:
    """Sums over observed coordinates, under every pattern one after another."""
    shares, log_densities = _shares(group, seen, observed)
    if weights is not None:
        shares *= weights[:, None]
        log_densities = log_densities * weights
    totals = np.concatenate([shares[span].T @ seen[span] for span in group.spans()])
    return unpacked(totals, observed.dim, float(log_densities.sum()))


def _completed(seen: Sums, law: Regressions, parameters: Parameters) -> Sums:
    """Sums over observed coordinates, under every pattern one after another, as sums over all coordinates."""
    here, means, lift = law.here, parameters.means, law.lift
    mass, first = seen.mass.reshape(here.shape[:2]), seen.first.reshape(here.shape)
    shift = first - mass[:, :, None] * here
    cross = first[..., :, None] * here[..., None, :]
    about = seen.second.reshape(*here.shape, -1) - cross - cross.mT
    about += (mass[:, :, None] * here)[..., :, None] * here[..., None, :]
    moved = (lift @ shift[..., None])[..., 0].sum(0)
    total = mass.sum(0)
    outer = moved[:, :, None] * means[:, None, :]
    around = total[:, None, None] * means[:, :, None] * means[:, None, :]
    inside = (lift @ about @ lift.mT + mass[:, :, None, None] * law.rest).sum(0)
    return Sums(total, total[:, None] * means + moved, inside + outer + outer.mT + around, seen.log_likelihood)


def _filled(
    block: Float[np.ndarray, "rows dim"],
    parts: Sequence[ObservedPart],
    parameters: Parameters,
    generator: np.random.Generator,
) -> Float[np.ndarray, "rows dim"]:
    """A block with every missing value drawn."""
    chance, noise = _drawn(block, [part.group for part in parts], generator)
    out, most = block.copy(), _patterns_at_once(parameters)
    for part in parts:
        for few, span in part.group.pieces(most):
            if few.places.shape[1] < parameters.dim:
                rows = few.rows
                drawn = _completions(few, part.features[span], parameters, chance[rows], noise[rows])
                out[rows] = np.where(np.isnan(block[rows]), drawn, block[rows])
    return out


def _drawn(
    block: np.ndarray, parts: Sequence[Group], generator: np.random.Generator
) -> tuple[Float[np.ndarray, "rows 1"], Float[np.ndarray, "rows dim"]]:
    """What chooses the component of each row, and its noise; drawn pattern by pattern in the order of the block."""
    chance, noise = np.zeros((len(block), 1)), np.zeros(block.shape)
    rows_of = {
        int(kind): group.rows[span]
        for group in parts
        if group.places.shape[1] < block.shape[1]
        for kind, span in zip(group.kinds, group.spans(), strict=True)
    }
    for _, rows in sorted(rows_of.items()):
        chance[rows] = generator.random((len(rows), 1))
        noise[rows] = generator.standard_normal((len(rows), block.shape[1]))
    return chance, noise


def _completions(
    group: Group,
    seen: Float[np.ndarray, "rows features"],
    parameters: Parameters,
    chance: np.ndarray,
    noise: np.ndarray,
) -> Float[np.ndarray, "rows dim"]:
    """All coordinates of rows, given those that they have."""
    law = regressions(parameters, group.places)
    shares, _ = _shares(group, seen, law.observed)
    chosen = (shares.cumsum(1) < chance).sum(1).clip(max=parameters.components - 1)
    cells, cell_of = np.unique(group.pattern_of_row() * parameters.components + chosen, return_inverse=True)
    patterns, components = np.divmod(cells, parameters.components)
    values, vectors = np.linalg.eigh(law.rest[patterns, components])
    roots = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    shift = seen[:, 1 : group.places.shape[1] + 1] - law.here[patterns, components][cell_of]
    moved = np.einsum("ndo,no->nd", law.lift[patterns, components][cell_of], shift)
    return parameters.means[chosen] + moved + np.einsum("nij,nj->ni", roots[cell_of], noise)
