"""A mixture of Gaussians whose components repel each other, trained by NumPyro's SteinVI."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar

import jax
import jax.numpy as jnp
import numpyro
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float, Int, Key, PyTree
from numpyro import distributions as dist
from numpyro.contrib.einstein import RBFKernel, SteinVI
from numpyro.optim import Adagrad

from biglearn_plugins.baselines.guides.automatic import check_training
from biglearn_plugins.baselines.guides.guide import AbstractGuide, Guided
from biglearn_plugins.baselines.guides.model import SITE, LogDensity, model, nothing
from biglearn_sampler.catalogue import Entry

CENTRE, LOG_WIDTH = "centre", "log_width"
"""The names of the parameters of every component."""


@dataclass(frozen=True)
class SteinMixture(AbstractGuide):
    """Gaussians with diagonal covariances and equal weights, whose parameters are the particles of SteinVI.

    NumPyro draws anew for every pair of particles, so a step costs `particles^2 samples` gradients.

    Arguments:
        particles: components of the mixture.
        samples: of the ELBO, for each pair of particles.
        learning_rate: of Adagrad.
    """

    particles: int
    samples: int
    learning_rate: float
    name: ClassVar[str] = "stein_vi"

    def gradients(self) -> int:
        return self.particles**2 * self.samples

    def trained(self, log_density: LogDensity, dim: int, key: Key[Array, ""], steps: Int[Array, ""]) -> PyTree:
        inference = self._inference(dim)

        def step(_: Int[Array, ""], state: Any) -> Any:
            return _where_finite(inference.update(state, log_density)[0], state)

        return inference.get_params(jax.lax.fori_loop(0, steps, step, inference.init(key, nothing)))

    def sample(
        self, parameters: PyTree, dim: int, key: Key[Array, ""], count: int
    ) -> tuple[Float[Array, "count dim"], Float[Array, " count"]]:
        key_component, key_noise = jax.random.split(key)
        means, widths = parameters[CENTRE], jnp.exp(parameters[LOG_WIDTH])
        chosen = jax.random.randint(key_component, (count,), 0, self.particles)
        points = means[chosen] + widths[chosen] * jax.random.normal(key_noise, (count, dim), means.dtype)
        return points, self.log_density(parameters, points)

    def log_density(self, parameters: PyTree, points: Float[Array, "count dim"]) -> Float[Array, " count"]:
        components = dist.Normal(parameters[CENTRE], jnp.exp(parameters[LOG_WIDTH])).to_event(1)
        return logsumexp(components.log_prob(points[:, None]), axis=1) - jnp.log(self.particles)

    def check_dimension(self, dim: int) -> None:
        """Any will do."""

    def _inference(self, dim: int) -> SteinVI:
        settings = (Adagrad(self.learning_rate), RBFKernel(), self.particles, self.samples)
        return SteinVI(partial(model, dim=dim), partial(_component, dim=dim), *settings)


def _component(log_density: LogDensity, dim: int) -> None:
    """One Gaussian, at first somewhere in the start region and as wide as it.

    The logarithm of the width is the parameter: NumPyro 0.22 applies the transformation of a constrained parameter
    twice where it scores the mixture, so that automatic guides shrink without end.
    """
    centre: Any = numpyro.param(CENTRE, partial(jax.random.normal, shape=(dim,)))
    width = jnp.exp(jnp.asarray(numpyro.param(LOG_WIDTH, jnp.zeros(dim))))
    numpyro.sample(SITE, dist.Normal(centre, width).to_event(1))


def _where_finite(new: Any, old: Any) -> Any:
    """The new state with the old optimiser where the new one has anything that is not finite."""
    leaves = [jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(new.optim_state)]
    is_finite = jnp.stack(leaves).all()
    kept = jax.tree.map(lambda one, other: jnp.where(is_finite, one, other), new.optim_state, old.optim_state)
    return new._replace(optim_state=kept)


def stein_vi(
    particles: Annotated[int, "components of the mixture, at least 2"] = 10,
    samples: Annotated[int, "of the ELBO, for each pair of components, at least 1"] = 1,
    learning_rate: Annotated[float, "of Adagrad, above 0"] = 0.1,
    steps: Annotated[int, "without a budget, at least 1"] = 3000,
    draws: Annotated[int, "from the trained mixture, at least 2"] = 2000,
) -> Guided:
    """The baseline.

    Raises:
        ValueError: a parameter is out of range.
    """
    check_training(samples, learning_rate, steps, draws)
    if particles < 2:
        raise ValueError(f"particles must be at least 2, got {particles}")
    return Guided(SteinMixture(particles, samples, learning_rate), steps, draws)


ENTRY = Entry(
    name="stein_vi",
    build=stein_vi,
    summary="a mixture of Gaussians whose components repel each other (NumPyro's SteinVI)",
    reference="Rønning, Nalisnick, Ley, Smyth & Hamelryck: ELBOing Stein, arXiv:2410.22948 (2024); Wang & Liu, "
    "ICML (2019)",
)
