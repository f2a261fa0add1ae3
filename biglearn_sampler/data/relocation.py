"""Out of a place where all tasks agree: twins are merged, and the component that hides two clusters is split."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from biglearn_sampler.data.features import coefficients, features
from biglearn_sampler.data.parameters import Parameters
from biglearn_sampler.data.points import Points
from biglearn_sampler.data.sums import responsibilities

LOOKED_AT = 8192
"""Points that decide which moves are proposed."""

RANKS = 3
"""Pairs of twins, and components to split, that are proposed."""

STEPS = 20
"""EM steps for the two halves of every component along its longest axis."""

APART = 0.8
"""Where the halves start, in standard deviations; the variance of each is what is left of one."""


class Halves(NamedTuple):
    """Every component along its longest axis as two normal laws, in its own standard deviations.

    Arguments:
        axes: `sqrt(lambda_k) v_k`, the longest axis of each.
        shares, means, variances: of the two halves.
        gains: what two halves explain better than one, in nats for each point of the data.
    """

    axes: Float[np.ndarray, "components dim"]
    shares: Float[np.ndarray, "2 components"]
    means: Float[np.ndarray, "2 components"]
    variances: Float[np.ndarray, "2 components"]
    gains: Float[np.ndarray, " components"]


def proposals(points: Points, parameters: Parameters, generator: np.random.Generator) -> Iterator[Parameters]:
    """Mixtures with two twins made one and another component made two, the most promising first.

    The idea is that of Ueda, Nakano, Ghahramani and Hinton (2000), *SMEM algorithm for mixture models*. Twins share
    their responsibilities; whether a component hides two clusters is seen by matching its own marginal along its
    longest axis with two normal laws.

    Arguments:
        points: complete ones.
        parameters: where all tasks agree.
        generator: chooses the points that are looked at.
    """
    if parameters.components < 3:
        return
    rows, weights = next(points.some(generator, LOOKED_AT).blocks())
    shares, _ = responsibilities(features(rows), coefficients(parameters).T)
    counted = shares if weights is None else shares * weights[:, None]
    halves = halved(rows, counted, parameters)
    ranks = sorted(product(range(RANKS), range(RANKS)), key=sum)
    twins = _twins(shares, counted)
    for pair_rank, split_rank in ranks[: 2 * RANKS]:
        if pair_rank >= len(twins):
            continue
        pair = twins[pair_rank]
        wide = [place for place in np.argsort(-halves.gains) if place not in pair]
        if split_rank < len(wide):
            yield relocated(parameters, pair, int(wide[split_rank]), halves)


def halved(
    rows: Float[np.ndarray, "count dim"], shares: Float[np.ndarray, "count components"], parameters: Parameters
) -> Halves:
    """Two halves of every component, by weighted EM along its longest axis."""
    values, vectors = np.linalg.eigh(parameters.covariances)
    lengths, directions = np.sqrt(values[:, -1]), vectors[:, :, -1]
    places = (rows @ directions.T - (directions * parameters.means).sum(1)) / lengths
    mass = np.maximum(shares.sum(0), np.finfo(float).tiny)
    part = np.full((2, parameters.components), 0.5)
    means = np.array([[-APART], [APART]]) * np.ones(parameters.components)
    variances = np.full_like(part, 1.0 - APART**2)
    gains = np.zeros(parameters.components)
    for _ in range(STEPS):
        squares = (places[None] - means[:, None]) ** 2 / variances[:, None]
        scores = np.log(part / np.sqrt(variances))[:, None] - 0.5 * squares
        totals = np.logaddexp(scores[0], scores[1])
        gains = (shares * (totals + 0.5 * places**2)).sum(0) / shares.sum()
        belongs = np.exp(scores - totals) * shares
        counts = np.maximum(belongs.sum(1), 1e-6 * mass)
        part = counts / counts.sum(0)
        means = (belongs * places).sum(1) / counts
        # No half is narrower than a hundredth of the whole: a single point would look like a cluster.
        variances = np.maximum((belongs * (places - means[:, None]) ** 2).sum(1) / counts, 1e-2)
    return Halves(lengths[:, None] * directions, part, means, variances, gains)


def relocated(parameters: Parameters, pair: tuple[int, int], wide: int, halves: Halves) -> Parameters:
    """One twin takes over from both, the other one becomes a half of a wide component."""
    weights, means, covariances = parameters.weights, parameters.means.copy(), parameters.covariances.copy()
    first, second = pair
    both = weights[first] + weights[second]
    share = weights[[first, second], None] / both
    centre = (share * means[[first, second]]).sum(0)
    apart = means[[first, second]] - centre
    within = (share[:, :, None] * covariances[[first, second]]).sum(0)
    covariances[first] = within + (share * apart).T @ apart
    means[first], weights[first] = centre, both
    axis, whole, middle, spread = halves.axes[wide], weights[wide], means[wide].copy(), covariances[wide].copy()
    for half, place in enumerate((wide, second)):
        means[place] = middle + halves.means[half, wide] * axis
        covariances[place] = spread + (halves.variances[half, wide] - 1.0) * np.outer(axis, axis)
        weights[place] = whole * halves.shares[half, wide]
    return Parameters(np.log(weights), means, covariances)


def _twins(
    shares: Float[np.ndarray, "count components"], counted: Float[np.ndarray, "count components"]
) -> list[tuple[int, int]]:
    """Pairs of components that are responsible for the same points, the most alike first.

    Arguments:
        shares: responsibilities for each point.
        counted: the same times the weight of the point.
    """
    overlap = shares.T @ counted
    lengths = np.sqrt(np.maximum(np.diagonal(overlap), np.finfo(float).tiny))
    alike = np.triu(overlap / lengths / lengths[:, None], 1)
    order = np.argsort(-alike, axis=None)[:RANKS]
    pairs = [np.unravel_index(place, alike.shape) for place in order]
    return [(int(first), int(second)) for first, second in pairs if first < second]
