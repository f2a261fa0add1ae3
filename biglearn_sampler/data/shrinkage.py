"""Weights and covariances drawn together as far as that predicts better what a mixture was not fitted to."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from biglearn_sampler.data.draws import folds
from biglearn_sampler.data.matching import Matcher
from biglearn_sampler.data.maximise import Rules
from biglearn_sampler.data.parameters import Parameters
from biglearn_sampler.data.points import Points

FOLDS = 5
"""Parts of the points; each is held out once when it is asked which pull predicts best."""

STEPS = 20
"""Joint steps on the other parts, in which the mixture forgets the one that is held out."""

LOOKED_AT = 2**16
"""Points on which that is asked, at most."""


class Pull(NamedTuple):
    """What covariances are drawn to, and how strongly: as if every component had seen so many more points of that kind.

    Arguments:
        together: points that are spread as the components are on average; infinitely many give all one covariance.
        axes: points that are spread as the component itself, without correlations.
    """

    together: float = 0.0
    axes: float = 0.0


PULLS = (
    Pull(),
    *(Pull(together=count) for count in (1.0, 3.0, 10.0, 30.0, 100.0, np.inf)),
    *(Pull(axes=count) for count in (1.0, 3.0, 10.0, 30.0, 100.0)),
)
"""Which pulls are tried, from none on: of two that predict equally well the first is taken."""


def shrunk_if_better(
    parameters: Parameters, points: Points, rules: Rules, generator: np.random.Generator
) -> tuple[Parameters, bool]:
    """The mixture under the pull that predicts best what it was not fitted to, and whether there is one."""
    if parameters.components == 1:
        return parameters, False
    sample = points.some(generator, LOOKED_AT).counted()
    part = folds(sample, generator, FOLDS)
    gains = np.sum([_predicted(parameters, sample, part == each, rules) for each in np.unique(part)], axis=0)
    best = PULLS[int(np.argmax(gains))]
    return shrunk(parameters, points.mass, best), best != Pull()


def _predicted(parameters: Parameters, points: Points, out: np.ndarray, rules: Rules) -> np.ndarray:
    """The log likelihood of the rows that are held out, under every pull of what is fitted to the others."""
    if out.all():
        return np.zeros(len(PULLS))
    rest, judge = points.chosen(np.flatnonzero(~out)), Matcher(points.chosen(np.flatnonzero(out)), rules)
    fitted, _ = Matcher(rest, rules).joint(parameters, STEPS)
    return np.array([judge.sums(shrunk(fitted, rest.mass, pull)).log_likelihood for pull in PULLS])


def shrunk(parameters: Parameters, mass: float, pull: Pull) -> Parameters:
    """A mixture that was fitted to `mass` points, under a pull.

    With `n_k = N w_k`, the mean covariance `S = sum_k w_k S_k` and the points `m` and `a` of the pull:

        T_k = (n_k S_k + m S) / (n_k + m),    S'_k = ((n_k + m) T_k + a diag T_k) / (n_k + m + a)

    the step from quadratic discriminants to linear and to naive ones (after Friedman 1989, *Regularized discriminant
    analysis*). Weights move towards equal ones by the share of their squared differences that noise of estimation alone
    would make. Without a pull nothing moves.
    """
    if pull == Pull():
        return parameters
    weights, covariances = parameters.weights, parameters.covariances
    seen = mass * weights
    mean = np.einsum("k,kij->ij", weights, covariances)
    covariances = _between(covariances, mean, seen, pull.together)
    covariances = _between(covariances, covariances * np.eye(parameters.dim), seen + pull.together, pull.axes)
    return Parameters(np.log(_weights(weights, mass)), parameters.means, covariances)


def _between(covariances: np.ndarray, others: np.ndarray, seen: np.ndarray, added: float) -> np.ndarray:
    """Covariances from some points, and from some that are added and spread otherwise."""
    portion = (1.0 / (1.0 + seen / added) if added else np.zeros_like(seen))[:, None, None]
    return (1.0 - portion) * covariances + portion * others


def _weights(weights: np.ndarray, mass: float) -> np.ndarray:
    """Drawn to equal ones by `noise / observed` (James and Stein); the noise of a share is `w (1 - w) / N`."""
    equal = 1.0 / len(weights)
    noise, observed = (weights * (1.0 - weights)).sum() / mass, ((weights - equal) ** 2).sum()
    portion = min(1.0, noise / observed) if observed > 0 else 1.0
    return (1.0 - portion) * weights + portion * equal
