"""The interface of an estimator: `log q` of a view of the target, up to a constant."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from biglearn_sampler.energy import Evaluations
from biglearn_sampler.mixture import Channel


class AbstractEstimator(ABC):
    """A source of `log q(y)` for `y = W x + b + sigma n`, `x ~ q`, with its price in evaluations.

    A subclass is registered as a pytree, so that the target's arrays are passed to compiled code.
    """

    source: ClassVar[str]
    """The name of the source in the run record."""

    @abstractmethod
    def log_density(self, channel: Channel, views: Float[Array, "count rows"]) -> Float[Array, " count"]:
        """`log q(y)` of many views, up to one constant, differentiable in the views.

        Where the density is zero or not finite, the value is at most `ZERO_DENSITY` and the gradient is zero.
        """

    @abstractmethod
    def price(self, count: int) -> Evaluations:
        """What one call with `count` views costs."""

    def setup_price(self) -> Evaluations:
        """What was spent once, when the estimator was made."""
        return Evaluations()

    def is_supported(self) -> Bool[Array, ""]:
        """Whether the source can be trusted now; a step on one that cannot is skipped, and this is counted."""
        return jnp.array(True)

    def admit(self, channel: Channel) -> Channel:
        """The channel that will be used in place of the drawn one; it may have more noise, never less.

        Both sides of the task use it, so that more noise changes the task and not its optimum.
        """
        return channel
