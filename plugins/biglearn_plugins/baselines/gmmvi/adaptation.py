"""When components come and go."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from biglearn_plugins.baselines.gmmvi.components import LOG_TWO_PI, Components
from biglearn_plugins.baselines.gmmvi.samples import Database
from biglearn_plugins.baselines.gmmvi.state import State

ALLOWANCES = (5000.0, 1000.0, 500.0, 200.0, 100.0, 50.0)
"""Taken in turn. Large ones look for density wherever it is, small ones for holes of the mixture."""

LOG_FIRST_WEIGHT = np.log(1e-29)

ENOUGH_IMPROVEMENT = 0.4
"""Of the reward over the window, as a share of what it lacked: a component that improves more is left alone."""

UNIMPORTANT = 1e-6
"""A component whose weight, and whose deserved weight, stayed below over the whole window may go."""


def with_new_component(
    state: State,
    database: Database,
    region: Float[np.ndarray, "dim dim"],
    allowance: float,
    bound: float,
    random: np.random.Generator,
) -> State:
    """With one more component, at that known point which the mixture explains worst,

        x = argmax log p~(x) - max(max_j log q(x_j) - allowance, log q(x)).

    Its covariance is the region's, scaled to an entropy between that of the region and the mean one of the components.

    Arguments:
        state: before.
        database: of points where the target was asked.
        region: a factor of the covariance of the start region.
        allowance: how much lower than anywhere else the mixture may be at a point.
        bound: of the first step.
        random: chooses among known points, and where between the two entropies.
    """
    (points, log_target), components = database.candidates(random), state.components
    log_mixture = components.log_density(components.log_densities(points))
    mean = points[np.argmax(log_target - np.maximum(log_mixture.max() - allowance, log_mixture))]
    share = random.uniform()
    widest = np.linalg.slogdet(region)[1] + 0.5 * len(mean) * (1.0 + LOG_TWO_PI)
    wanted = share * float(np.exp(components.log_weights) @ components.entropies) + (1.0 - share) * widest
    factor = region * np.exp((wanted - widest) / len(mean))
    return state.joined_by(components.joined_by(LOG_FIRST_WEIGHT, mean, factor), bound)


def without_idle_components(state: State) -> State:
    """Without those that are old, have not become better for a whole window, and never counted in it."""
    kept = ~idle(state)
    # The best one is never without weight.
    return state if kept.all() else state.only(kept)


def idle(state: State) -> Bool[np.ndarray, " components"]:
    """Which components are old, no longer improve, and had no weight over the whole window."""
    window = state.rewards.shape[1]
    half, deviation = max(window // 3, 1), window / 8
    places = np.arange(-half, half + 1)
    kernel = np.exp(-0.5 * (places / deviation) ** 2)
    length = min(len(kernel), window)
    kernel = kernel[:length] / kernel[:length].sum()
    best = state.rewards[:, -1].max()
    old, current = (state.rewards[:, :length] - best) @ kernel, (state.rewards[:, -length:] - best) @ kernel
    improvement = (current - old) / np.maximum(np.abs(old), np.finfo(float).tiny)
    unimportant = state.prominences.max(1) < UNIMPORTANT
    return (state.ages >= window) & (improvement <= ENOUGH_IMPROVEMENT) & unimportant


def first_components(
    mean: Float[np.ndarray, " dim"],
    region: Float[np.ndarray, "dim dim"],
    count: int,
    random: np.random.Generator,
) -> Components:
    """Equal components as wide as the start region, at points of it; a single one in its middle."""
    away = random.standard_normal((count, len(mean))) if count > 1 else np.zeros((1, len(mean)))
    factors = np.broadcast_to(region, (count, *region.shape))
    return Components(np.full(count, -np.log(count)), mean + away @ region.T, factors)
