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

    Of two components in all there is no other one: both are made one, and that one is made two again.

    The idea is that of Ueda, Nakano, Ghahramani and Hinton (2000), *SMEM algorithm for mixture models*. Twins share
    their responsibilities; whether a component hides two clusters is seen by matching its own marginal along its
    longest axis with two normal laws.

    Arguments:
        points: complete ones.
        parameters: where all tasks agree.
        generator: chooses the points that are looked at.
    """
    if parameters.components < 2:
        return
    rows, shares, counted = _looked_at(points.some(generator, LOOKED_AT), parameters)
    if parameters.components == 2:
        one = merged(parameters, (0, 1))
        yield split(one, 0, halved(rows, counted.sum(1, keepdims=True), one))
        return
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


def _looked_at(points: Points, parameters: Parameters) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The rows, the responsibilities for each, and the same times its weight."""
    lines, found = coefficients(parameters).T, []
    for rows, weights in points.blocks():
        shares, _ = responsibilities(features(rows), lines)
        found.append((rows, shares, shares if weights is None else shares * weights[:, None]))
    rows, shares, counted = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return rows, shares, counted


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
    one, two = merged(parameters, pair), split(parameters, wide, halves)
    weights, means, covariances = parameters.weights, parameters.means.copy(), parameters.covariances.copy()
    for place, source, origin in ((pair[0], one, 0), (wide, two, 0), (pair[1], two, 1)):
        weights[place] = source.weights[origin]
        means[place], covariances[place] = source.means[origin], source.covariances[origin]
    return Parameters(np.log(weights), means, covariances)


def merged(parameters: Parameters, pair: tuple[int, int]) -> Parameters:
    """Two components as one, with the moments of both."""
    chosen = list(pair)
    weights, means = parameters.weights[chosen], parameters.means[chosen]
    share = weights[:, None] / weights.sum()
    centre = (share * means).sum(0)
    apart = means - centre
    covariance = (share[:, :, None] * parameters.covariances[chosen]).sum(0) + (share * apart).T @ apart
    return Parameters(np.log(weights.sum(keepdims=True)), centre[None], covariance[None])


def split(parameters: Parameters, wide: int, halves: Halves) -> Parameters:
    """The two halves of a component."""
    axis = halves.axes[wide]
    narrowed = (halves.variances[:, wide] - 1.0)[:, None, None] * np.outer(axis, axis)
    return Parameters(
        np.log(parameters.weights[wide] * halves.shares[:, wide]),
        parameters.means[wide] + halves.means[:, wide, None] * axis,
        parameters.covariances[wide] + narrowed,
    )


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
