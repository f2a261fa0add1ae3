"""Natural-gradient variational inference with a growing Gaussian mixture, the nearest relative of our sampler."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import jax
import numpy as np
from jaxtyping import Array, Float, Int, Key
from scipy.special import logsumexp, softmax

from biglearn_plugins.baselines.gmmvi.adaptation import (
    ALLOWANCES,
    first_components,
    with_new_component,
    without_idle_components,
)
from biglearn_plugins.baselines.gmmvi.components import Components
from biglearn_plugins.baselines.gmmvi.samples import Database, Samples, joined
from biglearn_plugins.baselines.gmmvi.state import State, iterated
from biglearn_plugins.baselines.oracle import Oracle
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.errors import RunFailed
from biglearn_sampler.evaluation import AbstractBaseline, BaselineResult, Draws
from biglearn_sampler.learning.start import StartRegion

BATCH = 4096
"""Points at which a mixture is evaluated at once."""

COST_OF_ZERO = 10.0
"""A point of density zero counts as if it lay so many nats below the lowest that is known."""


@dataclass(frozen=True)
class Gmmvi(AbstractBaseline):
    """A Gaussian mixture trained by GMMVI in the variant that its authors call SAMTRON.

    Every iteration draws from every component; moves each along the natural gradient of `E_k[log p~ - log q]`, by
    Stein's lemma, as far as a trust region allows that grows with success; and then moves the weights likewise. Every
    now and then a component is added where the mixture explains a known point worst, and idle ones are deleted.

    The arithmetic of the mixture is double precision on the host, so that no growth compiles anything; the target is
    asked in batches. The start region is that of the first components, mean and covariance. `evaluations` counts a
    gradient for every point of the training and an energy for each of the draws. `notes` has `components` and
    `iterations`. One difference from the published code: reused points are weighed by the density of the mixture of
    the one iteration that drew them, not of all iterations. An edge where the density drops to zero has no gradient,
    and Stein's lemma does not see it.

    Arguments:
        samples: points that every component shall be worth in an iteration, at least 2.
        reuse: how many times as many earlier points are used again; fresh ones fill up what these are not worth.
        iterations: without a budget.
        draws: from the trained mixture.
        first: components at the beginning.
        most: components at most.
        bound: of the divergence of a component's first step.
        add_every: iterations between new components.
        window: iterations over which an idle component must have been idle.

    Reference: Arenz, Dahlinger, Ye, Volpp & Neumann, TMLR (2023).
    """

    samples: int = 300
    reuse: float = 0.0
    iterations: int = 900
    draws: int = 2000
    first: int = 1
    most: int = 150
    bound: float = 0.1
    add_every: int = 30
    window: int = 100

    def least_budget(self, target: AbstractTarget) -> int:
        return self._kept + self.first * self.samples * target.price_of_gradient.total

    def run(
        self, target: AbstractTarget, start: StartRegion, key: Key[Array, ""], budget: int | None = None
    ) -> BaselineResult:
        self.check_budget(target, budget)
        random = np.random.default_rng(np.asarray(jax.random.key_data(key)))
        oracle = Oracle(target, self.samples)
        began = time.perf_counter()
        state, iterations = _trained(self, oracle, start, random, None if budget is None else budget - self._kept)
        warmup = oracle.evaluations
        points = oracle.rounded(state.components.sample(random, self.draws))
        log_sampler_at = partial(_log_sampler, state.components)
        return BaselineResult(
            draws=Draws(points, oracle.log_density(points), log_sampler_at(points), log_sampler_at=log_sampler_at),
            evaluations=oracle.evaluations,
            seconds_compile=oracle.seconds_compile,
            seconds_run=time.perf_counter() - began,
            notes={"components": float(state.components.count), "iterations": float(iterations)},
            warmup=warmup,
        )

    @property
    def reused_each(self) -> int:
        """Earlier points that are used again, for each component."""
        return int(self.reuse * self.samples)

    @property
    def _kept(self) -> int:
        """Evaluations of the draws, in whole batches."""
        return -(-self.draws // self.samples) * self.samples


def _log_sampler(components: Components, points: Float[np.ndarray, "count dim"]) -> Float[np.ndarray, " count"]:
    """The log density of the mixture at any points."""
    batches = np.array_split(np.asarray(points, float), 1 + len(points) // BATCH)
    return np.concatenate([components.log_density(components.log_densities(batch)) for batch in batches])


def _trained(
    settings: Gmmvi, oracle: Oracle, start: StartRegion, random: np.random.Generator, budget: int | None
) -> tuple[State, int]:
    """The state after the last iteration that the budget allows, and the number of iterations."""
    mean, region = np.asarray(start.mean, float), np.asarray(start.factor, float)
    components = first_components(mean, region, settings.first, random)
    state, database = State.of(components, settings.bound, settings.window), Database()
    iteration = 0
    while budget is not None or iteration < settings.iterations:
        if iteration and iteration % settings.add_every == 0 and state.components.count < settings.most:
            allowance = ALLOWANCES[(iteration // settings.add_every - 1) % len(ALLOWANCES)]
            state = with_new_component(state, database, region, allowance, settings.bound, random)
        reused, reused_densities = _reused(settings, state.components, database)
        counts = _fresh_counts(settings, reused, reused_densities)
        if budget is not None and oracle.cost_of_gradients(int(counts.sum())) > budget - oracle.evaluations.total:
            break
        fresh, densities = _drawn(oracle, state.components, counts, random)
        database = database.joined_by(fresh, (state.components.count + 1) * settings.reused_each)
        samples = joined([*reused, fresh])
        state = iterated(state, samples, np.concatenate([reused_densities, densities], axis=1))
        state = without_idle_components(state)
        iteration += 1
    return state, iteration


def _reused(
    settings: Gmmvi, components: Components, database: Database
) -> tuple[list[Samples], Float[np.ndarray, "components count"]]:
    """Earlier points that are used again, with the log densities of the components there."""
    reused = database.newest(components.count * settings.reused_each)
    if not reused:
        return [], np.empty((components.count, 0))
    return reused, components.log_densities(joined(reused).points)


def _fresh_counts(
    settings: Gmmvi, reused: list[Samples], densities: Float[np.ndarray, "components count"]
) -> Int[np.ndarray, " components"]:
    """How many points every component draws: what earlier ones are not worth to it, in whole batches together."""
    worth = np.zeros(len(densities))
    if reused:
        shares = softmax(densities - joined(reused).log_proposal, axis=1)
        worth = 1.0 / (shares**2).sum(1)
    counts = np.maximum(settings.samples - np.floor(worth).astype(int), 1)
    further = -counts.sum() % settings.samples
    each, rest = divmod(further, len(counts))
    return counts + each + (np.arange(len(counts)) < rest)


def _drawn(
    oracle: Oracle, components: Components, counts: Int[np.ndarray, " components"], random: np.random.Generator
) -> tuple[Samples, Float[np.ndarray, "components count"]]:
    """Fresh points with what the target says, and the log densities of the components there.

    Raises:
        RunFailed: the density is zero at all of them.
    """
    points = oracle.rounded(components.draw(random, counts))
    log_target, gradients = oracle.with_gradient(points)
    positive = np.isfinite(log_target)
    if not positive.any():
        raise RunFailed(
            f"gmmvi: none of {len(points)} points has positive density; declare a centre and a scale where the "
            "density is positive"
        )
    log_target = np.where(positive, log_target, log_target[positive].min() - COST_OF_ZERO)
    densities = components.log_densities(points)
    log_proposal = np.asarray(logsumexp(np.log(counts / counts.sum())[:, None] + densities, axis=0))
    return Samples(points, log_target, gradients, log_proposal), densities


def gmmvi(
    samples: Annotated[int, "points that a component is worth in every iteration, at least 2"] = 300,
    reuse: Annotated[float, "how many times as many earlier points are used again, at least 0"] = 0.0,
    iterations: Annotated[int, "without a budget, at least 1"] = 900,
    draws: Annotated[int, "from the trained mixture, at least 2"] = 2000,
    first: Annotated[int, "components at the beginning, at least 1"] = 1,
    most: Annotated[int, "components at most, at least `first`"] = 150,
    bound: Annotated[float, "divergence of a component's first step, above 0"] = 0.1,
    add_every: Annotated[int, "iterations between new components, at least 1"] = 30,
    window: Annotated[int, "iterations over which a component must be idle to be deleted, at least 2"] = 100,
) -> Gmmvi:
    """The baseline.

    Raises:
        ValueError: a parameter is out of range.
    """
    least = {"samples": 2, "reuse": 0, "iterations": 1, "draws": 2, "first": 1, "add_every": 1, "window": 2}
    given = locals()
    for name, smallest in least.items():
        if not given[name] >= smallest:
            raise ValueError(f"{name} must be at least {smallest}, got {given[name]}")
    if most < first:
        raise ValueError(f"most must be at least first = {first}, got {most}")
    if not bound > 0:
        raise ValueError(f"bound must be above 0, got {bound}")
    return Gmmvi(samples, reuse, iterations, draws, first, most, bound, add_every, window)


ENTRY = Entry(
    name="gmmvi",
    build=gmmvi,
    summary="a growing Gaussian mixture by natural gradients and trust regions (GMMVI, SAMTRON)",
    reference="Arenz, Dahlinger, Ye, Volpp & Neumann: A unified perspective on natural gradient variational inference "
    "with Gaussian mixture models, Transactions on Machine Learning Research (2023)",
)
