"""The maximisation step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from biglearn_sampler.data.floors import floor_eigenvalues
from biglearn_sampler.data.parameters import Parameters
from biglearn_sampler.data.sums import Sums

NOTHING = 1e-9
"""Share of all mass below which a component has no mean of its own and keeps the one that it had."""


@dataclass(frozen=True)
class Rules:
    """What holds in every maximisation step.

    Arguments:
        floor: the smallest eigenvalue of a covariance, in the coordinates of training.
        prior: points that every component has seen beforehand, at its mean and as widely spread as `spread` says. Few
            of them change nothing where there are many points, and keep a handful of points from being a cluster of
            their own that explains nothing else.
        spread: `v`, the variance of these points in every coordinate.
        smoothing: `alpha`, what is added to every share before the weights are normalised: with `1 / K` they are half
            way to equal weights. Components then keep weight enough to be drawn elsewhere.
    """

    floor: float
    prior: float = 0.0
    spread: float = 1.0
    smoothing: float = 0.0


def maximise(sums: Sums, before: Parameters, rules: Rules) -> Parameters:
    """Weights `(n_k / N + alpha) / (1 + K alpha)`, means, and covariances `(n_k S_k + m v I) / (n_k + m)`.

    `S_k` is the covariance of what a component is responsible for, and `m` the points of the prior.

    A component that is responsible for nothing keeps its mean and covariance.
    """
    shares = sums.mass / sums.mass.sum()
    kept = shares < NOTHING
    mass = np.where(kept, 1.0, sums.mass)
    means = np.where(kept[:, None], before.means, sums.first / mass[:, None])
    spread = sums.second / mass[:, None, None] - means[:, :, None] * means[:, None, :]
    prior = rules.prior * rules.spread * np.eye(before.dim)
    wider = (mass[:, None, None] * spread + prior) / (mass[:, None, None] + rules.prior)
    covariances = np.where(kept[:, None, None], before.covariances, wider)
    weights = np.maximum(shares + rules.smoothing, NOTHING)
    return Parameters(np.log(weights / weights.sum()), means, floor_eigenvalues(covariances, rules.floor))
