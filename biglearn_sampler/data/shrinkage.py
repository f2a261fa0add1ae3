"""Weights and covariances drawn together as far as their differences are noise."""

from __future__ import annotations

import numpy as np

from biglearn_sampler.data.draws import held_out
from biglearn_sampler.data.matching import Matcher
from biglearn_sampler.data.maximise import Rules
from biglearn_sampler.data.parameters import Parameters
from biglearn_sampler.data.points import Points

FOLDS = 5
"""One of so many rows is held out when it is asked whether drawing together predicts better."""

STEPS = 20
"""Joint steps on the other rows, in which the mixture forgets those that are held out."""


LOOKED_AT = 2**16
"""Points on which that is asked, at most."""


def shrunk_if_better(
    parameters: Parameters, points: Points, rules: Rules, generator: np.random.Generator
) -> tuple[Parameters, bool]:
    """The mixture `shrunk` if that predicts better what it was not fitted to, and whether it does."""
    sample = points.some(generator, LOOKED_AT).counted()
    out = held_out(sample, generator, 1.0 / FOLDS)
    if parameters.components == 1 or out.all() or not out.any():
        return parameters, False
    rest, judge = sample.chosen(np.flatnonzero(~out)), Matcher(sample.chosen(np.flatnonzero(out)), rules)
    fitted, _ = Matcher(rest, rules).joint(parameters, STEPS)
    better = judge.sums(shrunk(fitted, rest.mass)).log_likelihood > judge.sums(fitted).log_likelihood
    return (shrunk(parameters, points.mass) if better else parameters), better


def shrunk(parameters: Parameters, mass: float) -> Parameters:
    """The mixture that is expected to predict better, from `mass` points.

    Weights move towards equal ones and covariances towards their mean, by the share of the squared differences that
    noise of estimation alone would make (James and Stein; Ledoit and Wolf 2004):

        lambda = min(1, noise / observed)

    Where components are alike they are made alike; where they differ beyond noise, nothing changes to speak of.
    """
    weights, covariances = _weights(parameters.weights, mass), _covariances(parameters, mass)
    return Parameters(np.log(weights), parameters.means, covariances)


def _weights(weights: np.ndarray, mass: float) -> np.ndarray:
    """Noise of a share: `w (1 - w) / N`."""
    equal = 1.0 / len(weights)
    portion = _portion((weights * (1.0 - weights)).sum() / mass, ((weights - equal) ** 2).sum())
    return (1.0 - portion) * weights + portion * equal


def _covariances(parameters: Parameters, mass: float) -> np.ndarray:
    """Noise of a covariance from `n_k` points, in units of the mean covariance: `(tr(S)^2 + tr(S^2)) / n_k`."""
    weights, covariances = parameters.weights, parameters.covariances
    pooled = np.einsum("k,kij->ij", weights, covariances)
    inverse = np.linalg.inv(np.linalg.cholesky(pooled))
    units = inverse @ covariances @ inverse.T
    traces, squares = np.trace(units, axis1=1, axis2=2), (units**2).sum((1, 2))
    differences = ((units - np.eye(parameters.dim)) ** 2).sum((1, 2))
    portion = _portion((traces**2 + squares).sum(), (mass * weights * differences).sum())
    return (1.0 - portion) * covariances + portion * pooled


def _portion(noise: float, observed: float) -> float:
    return float(min(1.0, noise / observed)) if observed > 0 else 1.0
