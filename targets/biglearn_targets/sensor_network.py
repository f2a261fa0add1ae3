"""Where are the sensors? Places from a few noisy distances: rings, reflections and foldings, several modes of each."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jaxtyping import Array, Bool, Float

from biglearn_sampler.bridges import NumpyroTarget, from_numpyro
from biglearn_sampler.catalogue import Entry

SENSORS = 8
ANCHORS = ((0.967, 0.683), (0.392, 0.187), (0.346, 0.511))
"""Places that are known; in `DISTANCES` they have the numbers 8, 9 and 10."""

DISTANCES = (
    *((0, 3, 0.2697), (0, 4, 0.3265), (0, 5, 0.3044), (0, 6, 0.4111), (0, 9, 0.1766), (0, 10, 0.2463)),
    *((1, 5, 0.2433), (2, 4, 0.3536), (2, 8, 0.3899), (3, 5, 0.3988), (3, 9, 0.256), (3, 10, 0.452)),
    *((4, 6, 0.1599), (4, 10, 0.1608), (5, 7, 0.5379), (5, 9, 0.1684), (6, 7, 0.0353), (6, 9, 0.4656)),
    *((6, 10, 0.2033), (7, 10, 0.1309)),
)
"""Two sensors and the distance that was measured between them. Drawn once from the model below, places uniform in the
unit square, by `numpy.random.default_rng(2)`, and rounded; kept here so that no version of a generator moves them."""

REACH = 0.3
"""Two sensors at a distance d see each other with probability exp(-d^2 / (2 REACH^2))."""

NOISE = 0.02
"""Standard deviation of a measured distance."""


def sensor_network() -> NumpyroTarget:
    """The posterior of the places of eight sensors in the plane, three more being known: 16 coordinates.

    Places are `N(1/2, 1/2^2)` in each coordinate. Sensors at a distance `d` see each other with probability
    `exp(-d^2 / (2 0.3^2))`, and then measure `N(d, 0.02^2)`; 20 of 52 pairs did. A sensor with one neighbour lies on a
    ring, one with two may be on either side, and pairs that do not see each other rule out some of it. `Z` is the
    evidence.

    Declared: the prior.
    """
    pairs = [(i, j) for j in range(SENSORS + len(ANCHORS)) for i in range(min(j, SENSORS))]
    measured = {(i, j): distance for i, j, distance in DISTANCES}
    return from_numpyro(
        _model,
        centre=0.5,
        scale=0.5,
        firsts=np.array([i for i, _ in pairs]),
        seconds=np.array([j for _, j in pairs]),
        distances=np.array([measured.get(pair, 0.0) for pair in pairs]),
        seen=np.array([pair in measured for pair in pairs]),
        anchors=np.array(ANCHORS),
    )


def _model(
    firsts: Array, seconds: Array, distances: Float[Array, " pairs"], seen: Bool[Array, " pairs"], anchors: Array
) -> None:
    places: Any = numpyro.sample("places", dist.Normal(0.5, 0.5).expand([SENSORS, 2]).to_event(2))
    everywhere = jnp.concatenate([places, anchors])
    squares = ((everywhere[firsts] - everywhere[seconds]) ** 2).sum(-1)
    exponents = squares / (2.0 * REACH**2)
    # log(1 - exp(-a)), which keeps its digits where sensors are close.
    numpyro.factor("seen", jnp.where(seen, -exponents, jnp.log(-jnp.expm1(-exponents))).sum())
    of_distances = dist.Normal(jnp.sqrt(squares), NOISE).log_prob(distances)
    numpyro.factor("distances", jnp.where(seen, of_distances, 0.0).sum())


ENTRIES = (
    Entry(
        name="sensor_network",
        build=sensor_network,
        summary="places of eight sensors in the plane from noisy distances, ambiguous in several ways",
        reference="Ihler, Fisher, Moses, Willsky (2005): Nonparametric belief propagation for self-localization of "
        "sensor networks, IEEE Journal on Selected Areas in Communications 23",
    ),
)
