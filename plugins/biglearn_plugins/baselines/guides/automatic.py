"""NumPyro's automatic guides, trained by the reparametrised ELBO with Adam."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key, PyTree
from numpyro import handlers
from numpyro.infer import SVI, Trace_ELBO
from numpyro.infer.autoguide import AutoContinuous

from biglearn_plugins.baselines.guides.guide import AbstractGuide
from biglearn_plugins.baselines.guides.model import LogDensity, model, nothing


@dataclass(frozen=True)
class AbstractAutomatic(AbstractGuide):
    """A guide of NumPyro over the whole space.

    The learning rate falls to zero as a cosine, so that the last parameters are an average.

    Arguments:
        samples: of the ELBO in every step.
        learning_rate: of the first step, in deviations of the start region.
    """

    samples: int
    learning_rate: float

    @abstractmethod
    def automatic(self, dim: int) -> AutoContinuous:
        """NumPyro's guide, not set up yet."""

    def gradients(self) -> int:
        return self.samples

    def trained(self, log_density: LogDensity, dim: int, key: Key[Array, ""], steps: Int[Array, ""]) -> PyTree:
        rate = optax.cosine_decay_schedule(self.learning_rate, 1)
        optimizer = optax.adam(lambda count: rate(count / steps))
        svi = SVI(partial(model, dim=dim), self.automatic(dim), optimizer, Trace_ELBO(self.samples))

        def step(_: Int[Array, ""], state: Any) -> Any:
            # A step to what is not finite is not taken; the next one has other samples.
            return svi.stable_update(state, log_density)[0]

        return svi.get_params(jax.lax.fori_loop(0, steps, step, svi.init(key, nothing)))

    def sample(
        self, parameters: PyTree, dim: int, key: Key[Array, ""], count: int
    ) -> tuple[Float[Array, "count dim"], Float[Array, " count"]]:
        law = self._law(parameters, dim)
        points, between = law.sample_with_intermediates(key, (count,))
        return points, law.log_prob(points, between) if between else law.log_prob(points)

    def log_density(self, parameters: PyTree, points: Float[Array, "count dim"]) -> Float[Array, " count"]:
        return self._law(parameters, points.shape[1]).log_prob(points)

    def _law(self, parameters: PyTree, dim: int) -> Any:
        guide = self.automatic(dim)
        with handlers.block(), handlers.seed(rng_seed=0):
            guide(nothing)
        return guide.get_posterior(parameters)


def check_training(samples: int, learning_rate: float, steps: int, draws: int) -> None:
    """See that a guide can be trained.

    Raises:
        ValueError: a parameter is out of range.
    """
    if samples < 1 or steps < 1 or draws < 2:
        raise ValueError(
            "samples and steps must be at least 1 and draws at least 2, "
            f"got samples={samples}, steps={steps}, draws={draws}"
        )
    if not 0.0 < learning_rate < jnp.inf:
        raise ValueError(f"learning_rate must be above 0, got {learning_rate}")
