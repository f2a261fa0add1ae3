"""Baselines that are guides with a density: trained by so many steps, then drawn from."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree

from biglearn_plugins.baselines.guides.model import LogDensity
from biglearn_plugins.baselines.standardised import Standardised, log_stretch, standard_points
from biglearn_sampler.energy import AbstractTarget, Evaluations
from biglearn_sampler.errors import RunFailed
from biglearn_sampler.estimators.guard import ZERO_DENSITY, guarded
from biglearn_sampler.evaluation import AbstractBaseline, BaselineResult, Draws
from biglearn_sampler.learning.start import StartRegion

QUICK_TO_COMPILE = {"xla_backend_optimization_level": 1}
"""Half the time, and steps are none the slower."""

LEAST_STEPS = 10
"""A budget allows so many at least."""


class AbstractGuide(ABC):
    """A law with a density that learns; a frozen dataclass of settings.

    Everything is in the coordinates of `Standardised`.
    """

    name: ClassVar[str]

    @abstractmethod
    def gradients(self) -> int:
        """Gradients of the target that one step computes."""

    @abstractmethod
    def trained(self, log_density: LogDensity, dim: int, key: Key[Array, ""], steps: Int[Array, ""]) -> PyTree:
        """The parameters after so many steps, inside compiled code."""

    @abstractmethod
    def sample(
        self, parameters: PyTree, dim: int, key: Key[Array, ""], count: int
    ) -> tuple[Float[Array, "count dim"], Float[Array, " count"]]:
        """Draws with the log density of the guide there."""

    @abstractmethod
    def log_density(self, parameters: PyTree, points: Float[Array, "count dim"]) -> Float[Array, " count"]:
        """The log density of the guide at any points."""

    @abstractmethod
    def check_dimension(self, dim: int) -> None:
        """See that the guide can be used.

        Raises:
            UserError: it cannot.
        """


class Fitted(NamedTuple):
    """A trained guide, with draws in the target's own units."""

    parameters: PyTree
    points: Float[Array, "count dim"]
    log_target: Float[Array, " count"]
    log_sampler: Float[Array, " count"]


@dataclass(frozen=True)
class Guided(AbstractBaseline):
    """A guide that begins at the start region and ends where the ELBO is high, and independent draws from it.

    All steps are one compiled loop, for any number of them; the target's arrays are not compiled in. `evaluations`
    counts a gradient for every sample of every step and an energy for each of the draws; setting up the guide costs
    nothing. An edge where the density drops to zero has no gradient, and the ELBO's does not see it. `notes` has
    `steps`.

    Arguments:
        guide: what is trained.
        steps: without a budget.
        draws: from the trained guide.
    """

    guide: AbstractGuide
    steps: int
    draws: int

    def least_budget(self, target: AbstractTarget) -> int:
        return self.draws + LEAST_STEPS * self._price(target).total

    def run(
        self, target: AbstractTarget, start: StartRegion, key: Key[Array, ""], budget: int | None = None
    ) -> BaselineResult:
        self.guide.check_dimension(target.dim)
        self.check_budget(target, budget)
        price = self._price(target)
        steps = self.steps if budget is None else (budget - self.draws) // price.total
        # Flat, since `lower` rebuilds every object among its arguments with descriptions in place of arrays.
        arrays, form = jax.tree.flatten(Standardised.of(target, start))
        began = time.perf_counter()
        compiled = _fitted.lower(self.guide, self.draws, form, arrays, key, jnp.asarray(steps)).compile()
        ready = time.perf_counter()
        fitted = jax.device_get(compiled(arrays, key, jnp.asarray(steps)))
        self._check_density(fitted)
        return BaselineResult(
            draws=self._draws(fitted, start),
            evaluations=price.times(steps).plus(Evaluations(energy=self.draws)),
            seconds_compile=ready - began,
            seconds_run=time.perf_counter() - ready,
            notes={"steps": float(steps)},
            warmup=price.times(steps),
        )

    def _price(self, target: AbstractTarget) -> Evaluations:
        return target.price_of_gradient.times(self.guide.gradients())

    def _check_density(self, fitted: Fitted) -> None:
        if not np.isfinite(fitted.points).all():
            raise RunFailed(f"{self.guide.name}: the guide diverged; take more samples or a smaller learning rate")
        if not (fitted.log_target > ZERO_DENSITY).any():
            raise RunFailed(
                f"{self.guide.name}: none of {self.draws} draws has positive density; declare a centre and a scale "
                "where the density is positive"
            )

    def _draws(self, fitted: Fitted, start: StartRegion) -> Draws:
        log_target = np.asarray(fitted.log_target, float)
        return Draws(
            np.asarray(fitted.points, float),
            np.where(log_target <= ZERO_DENSITY, -np.inf, log_target),
            np.asarray(fitted.log_sampler, float),
            log_sampler_at=partial(_log_sampler, self.guide, fitted.parameters, start),
        )


# Compiled once for each guide and form of target, whatever the number of steps.
@partial(jax.jit, static_argnums=(0, 1, 2), compiler_options=QUICK_TO_COMPILE)
def _fitted(
    guide: AbstractGuide, draws: int, form: Any, arrays: list[Array], key: Key[Array, ""], steps: Int[Array, ""]
) -> Fitted:
    """The guide after its training, with draws.

    Arguments:
        guide: what to train.
        draws: how many.
        form, arrays: the standardised target as `jax.tree.flatten` gives it.
        key: of training and draws.
        steps: of the training.
    """
    space: Standardised = jax.tree.unflatten(form, arrays)
    dim = space.mean.shape[0]
    key_train, key_draw = jax.random.split(key)
    parameters = guide.trained(space.log_density, dim, key_train, steps)
    standard, log_density = guide.sample(parameters, dim, key_draw, draws)
    points = jax.vmap(space.point)(standard)
    return Fitted(parameters, points, jax.vmap(guarded(space.target))(points), log_density - space.log_stretch)


def _log_sampler(
    guide: AbstractGuide, parameters: PyTree, start: StartRegion, points: Float[np.ndarray, "points dim"]
) -> Float[np.ndarray, " points"]:
    """The normalised log density of a trained guide, in the target's own units."""
    standard = jnp.asarray(standard_points(start, points), start.mean.dtype)
    return np.asarray(_log_density(guide, parameters, standard), float) - log_stretch(start)


@partial(jax.jit, static_argnums=0)
def _log_density(guide: AbstractGuide, parameters: PyTree, points: Float[Array, "count dim"]) -> Float[Array, " count"]:
    return guide.log_density(parameters, points)
