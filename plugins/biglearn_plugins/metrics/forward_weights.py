"""The log importance weights of a method at exact draws of the target; shared by the forward metrics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Array, Float, Key

from biglearn_plugins.metrics.exact_draws import exact_draws
from biglearn_plugins.metrics.khat import heavy_tail
from biglearn_plugins.metrics.log_weights import OWN_WEIGHTS
from biglearn_plugins.metrics.target_energies import log_densities
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.evaluation import Draws
from biglearn_sampler.importance import resolution_of, rounding_of

NO_DENSITY_ELSEWHERE = "the method has no density that can be evaluated at exact draws"
FEWEST_EXACT = 25
"""Of exact draws: below, an average over them has no error to speak of."""


@dataclass(frozen=True, eq=False)
class ForwardWeights:
    """What the forward metrics look at, with the target's unnormalised density `q` and the method's density `p`.

    Arguments:
        log_weights: `log q(x) - log p(x)` at exact draws `x ~ q / Z`; `+inf` where the method's density is zero.
        log_target: `log q(x)`.
        log_sampler: `log p(x)`.
    """

    log_weights: Float[np.ndarray, " count"]
    log_target: Float[np.ndarray, " count"]
    log_sampler: Float[np.ndarray, " count"]

    @property
    def rounding(self) -> float:
        """By how much log weights may be off together."""
        return max(rounding_of(self.log_target), rounding_of(self.log_sampler))

    @property
    def beyond(self) -> str | None:
        """A sentence if the method's density is zero at some of the exact draws."""
        lost = int(np.count_nonzero(np.isposinf(self.log_weights)))
        return f"the method's density is zero at {lost} of {len(self.log_weights)} exact draws" if lost else None

    @property
    def tail_warning(self) -> str | None:
        """A sentence if the mean of the weights cannot be relied on."""
        return heavy_tail(self.log_weights, resolution_of(self.log_target))


def forward_weights(draws: Draws, target: AbstractTarget, key: Key[Array, ""], count: int) -> ForwardWeights | str:
    """The weights at exact draws, or the reason why there are none."""
    if draws.weights is not None:
        return OWN_WEIGHTS
    if draws.log_sampler_at is None:
        return NO_DENSITY_ELSEWHERE
    points = exact_draws(target, key, count)
    if isinstance(points, str):
        return points
    log_target, log_sampler = log_densities(target, points), np.asarray(draws.log_sampler_at(points), float)
    log_sampler = np.where(np.isfinite(log_sampler), log_sampler, -np.inf)
    return ForwardWeights(log_target - log_sampler, log_target, log_sampler)


def check_exact(exact: int) -> None:
    """See that the number of exact draws suffices.

    Raises:
        ValueError: it does not.
    """
    if exact < FEWEST_EXACT:
        raise ValueError(f"exact must be at least {FEWEST_EXACT}, got {exact}")
