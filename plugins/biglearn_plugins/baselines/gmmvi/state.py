"""What is carried from iteration to iteration, and one iteration."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import softmax

from biglearn_plugins.baselines.gmmvi.components import Components
from biglearn_plugins.baselines.gmmvi.samples import Samples
from biglearn_plugins.baselines.gmmvi.trust_region import importance_shares, moved, weighed

GROWTH, DECAY = 1.15, 0.85
"""Of a bound after an iteration that was better than the one before, and after one that was not."""

SMALLEST_BOUND, LARGEST_BOUND = 1e-3, 1.0
"""Of the divergence of a component's step."""

WEIGHT_BOUND, SMALLEST_WEIGHT_BOUND, LARGEST_WEIGHT_BOUND = 0.1, 1e-5, 4.0
"""Of the divergence of the step of the weights: the first, the least and the most."""

LOG_SMALLEST_WEIGHT = np.log(1e-30)


@dataclass(frozen=True, eq=False)
class State:
    """The mixture, and what is remembered of every component.

    Arguments:
        components: the mixture.
        bounds: of the divergence of every component's step.
        weight_bound: of the divergence of the step of the weights.
        elbo: estimate of the last iteration.
        rewards: `log w_k + E_k[log p~ - log q]` after the last iterations, newest last.
        prominences: of the last iterations, the larger of a component's weight and of what its reward deserves.
        ages: updates of every component.
    """

    components: Components
    bounds: Float[np.ndarray, " components"]
    weight_bound: float
    elbo: float
    rewards: Float[np.ndarray, "components window"]
    prominences: Float[np.ndarray, "components window"]
    ages: Int[np.ndarray, " components"]

    @classmethod
    def of(cls, components: Components, bound: float, window: int) -> State:
        """At the beginning.

        Arguments:
            components: the first ones.
            bound: of the first steps.
            window: iterations remembered, at least 2.
        """
        nothing = np.zeros((components.count, window))
        bounds, ages = np.full(components.count, bound), np.zeros(components.count, int)
        return cls(components, bounds, WEIGHT_BOUND, -np.inf, nothing, nothing, ages)

    def only(self, kept: Bool[np.ndarray, " components"]) -> State:
        """Without the components that are not kept."""
        mine = (self.bounds, self.rewards, self.prominences, self.ages)
        bounds, rewards, prominences, ages = (array[kept] for array in mine)
        return replace(
            self,
            components=self.components.only(kept),
            bounds=bounds,
            rewards=rewards,
            prominences=prominences,
            ages=ages,
        )

    def joined_by(self, components: Components, bound: float) -> State:
        """With one more component, the last of `components`, whose first step has the given bound."""
        row = np.zeros((1, self.rewards.shape[1]))
        return replace(
            self,
            components=components,
            bounds=np.append(self.bounds, bound),
            rewards=np.concatenate([self.rewards, row]),
            prominences=np.concatenate([self.prominences, row]),
            ages=np.append(self.ages, 0),
        )


def iterated(state: State, samples: Samples, densities: Float[np.ndarray, "components count"]) -> State:
    """One step of every component, and then one of the weights, on the same points.

    Arguments:
        state: before.
        samples: points that were drawn from these components, and earlier ones.
        densities: `log N_k(x_i)` of the components before the step.
    """
    before = state.components
    bounds = _adapted_bounds(state)
    pulls = samples.gradients - before.score(samples.points, densities)
    after = moved(before, samples, pulls, importance_shares(densities, samples), bounds)
    densities = after.log_densities(samples.points)
    gains = samples.log_target - after.log_density(densities)
    gain = importance_shares(densities, samples) @ gains
    elbo = float(np.exp(after.log_weights) @ gain)
    weight_bound = state.weight_bound * (GROWTH if elbo > state.elbo else DECAY)
    weight_bound = float(np.clip(weight_bound, SMALLEST_WEIGHT_BOUND, LARGEST_WEIGHT_BOUND))
    log_weights = np.maximum(weighed(after.log_weights, gain, weight_bound), LOG_SMALLEST_WEIGHT)
    rewards = after.log_weights + gain
    after = after.weighing(log_weights)
    prominence = np.maximum(np.exp(after.log_weights), softmax(rewards))
    return State(
        components=after,
        bounds=bounds,
        weight_bound=weight_bound,
        elbo=elbo,
        rewards=_remembered(state.rewards, rewards),
        prominences=_remembered(state.prominences, prominence),
        ages=state.ages + 1,
    )


def _adapted_bounds(state: State) -> Float[np.ndarray, " components"]:
    """Larger where the last iteration improved the reward; as they are for components that are too young to tell."""
    better = state.rewards[:, -1] > state.rewards[:, -2]
    changed = np.where(better, np.minimum(GROWTH * state.bounds, LARGEST_BOUND), DECAY * state.bounds)
    return np.where(state.ages >= 2, np.maximum(changed, SMALLEST_BOUND), state.bounds)


def _remembered(
    history: Float[np.ndarray, "components window"], newest: Float[np.ndarray, " components"]
) -> Float[np.ndarray, "components window"]:
    return np.concatenate([history[:, 1:], newest[:, None]], axis=1)
