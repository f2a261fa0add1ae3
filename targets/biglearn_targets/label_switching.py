"""The posterior of a mixture whose components have no names: every relabelling of a mode is a mode of equal mass."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from itertools import permutations
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float
from numpyro.distributions import biject_to, constraints
from scipy.stats import norm

from biglearn_sampler.bridges import NumpyroTarget, from_numpyro
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import Facts

GROUPS = ((-4.0, 0.8, 12), (0.0, 1.2, 18), (5.0, 1.0, 20))
"""Mean, deviation and size of the groups in the data."""

COMPONENTS = len(GROUPS)
MEAN_DEVIATION = 5.0
"""Of the prior of the means."""


def label_switching() -> NumpyroTarget:
    """The posterior of means, deviations and weights of three normal components, given 50 values: 8 coordinates.

    `means ~ N(0, 5^2)`, `deviations ~ LogNormal(0, 0.5)`, `weights ~ Dirichlet(2, 2, 2)`. The values are the quantiles
    `(i + 1/2) / n` of three normal groups, so that no generator of random numbers has a part in them. Nothing tells the
    components apart: the posterior stays as it is when they are exchanged. So each of the six orders of the means has
    mass 1/6, exactly, and the point of `facts.modes` in each is the law of the groups. `Z` is the evidence.

    Declared: centre and scale of the prior, of the weights 0 and 1.
    """
    # In the order of the names: deviations, means, weights.
    scale = np.array([0.5] * COMPONENTS + [MEAN_DEVIATION] * COMPONENTS + [1.0] * (COMPONENTS - 1))
    return replace(from_numpyro(_model, _values(), centre=0.0, scale=scale), known=_facts(jnp.zeros(()).dtype.name))


def _model(values: Float[Array, " values"]) -> None:
    means: Any = numpyro.sample("means", dist.Normal(0.0, MEAN_DEVIATION).expand([COMPONENTS]).to_event(1))
    deviations: Any = numpyro.sample("deviations", dist.LogNormal(0.0, 0.5).expand([COMPONENTS]).to_event(1))
    weights: Any = numpyro.sample("weights", dist.Dirichlet(jnp.full(COMPONENTS, 2.0)))
    of_components = jnp.log(weights) + dist.Normal(means, deviations).log_prob(values[:, None])
    numpyro.factor("values", logsumexp(of_components, axis=-1).sum())


def _values() -> Float[np.ndarray, " values"]:
    return np.concatenate([mean + sd * norm.ppf((np.arange(count) + 0.5) / count) for mean, sd, count in GROUPS])


@lru_cache(maxsize=2)
def _facts(precision: str) -> Facts:
    """One object for all of a precision, since compiled code is kept for equal facts only."""
    means, deviations, counts = (np.array(column) for column in zip(*GROUPS, strict=True))
    weights = counts / counts.sum()
    to_weights: Any = biject_to(constraints.simplex)
    modes = [
        np.concatenate([np.log(deviations[order]), means[order], to_weights.inv(jnp.asarray(weights[order]))])
        for order in map(list, permutations(range(COMPONENTS)))
    ]
    count = math.factorial(COMPONENTS)
    return Facts(
        modes=jnp.asarray(np.array(modes), precision),
        mode_weights=jnp.full(count, 1.0 / count, precision),
        responsibilities=_order_of_means,
    )


def _order_of_means(point: Float[Array, " 8"]) -> Float[Array, " 6"]:
    """One for the order that the means stand in, zero for the others."""
    ranks = jnp.argsort(jnp.argsort(point[COMPONENTS : 2 * COMPONENTS]))
    orders = np.array(list(permutations(range(COMPONENTS))))
    return jnp.all(ranks == orders, axis=1).astype(point.dtype)


ENTRIES = (
    Entry(
        name="label_switching",
        build=label_switching,
        summary="posterior of a mixture of three normal laws, with six modes of exactly equal mass",
        reference="Jasra, Holmes, Stephens (2005): Markov chain Monte Carlo methods and the label switching problem in "
        "Bayesian mixture modeling, Statistical Science 20",
    ),
)
