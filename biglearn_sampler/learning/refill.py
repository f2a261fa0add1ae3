"""Filling the reservoir of a training between its chunks, on the host."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from biglearn_sampler.devices import ONE_DEVICE, Devices
from biglearn_sampler.energy import Evaluations, split_arrays
from biglearn_sampler.estimators import ReservoirEstimator
from biglearn_sampler.estimators.reservoir import noise_floor
from biglearn_sampler.importance import Reservoir, ReservoirQuality
from biglearn_sampler.learning.proposals import around, noise_levels, proposal
from biglearn_sampler.learning.step import Training
from biglearn_sampler.mixture import GaussianMixture, UnconstrainedMixture, constrain

FOUND_SHARE = 0.5
"""Of the points in the reservoir among all that is noised in the proposals; the rest is the noised sampler."""


class Batch(NamedTuple):
    """New points with the log densities of the target and of the law that drew them."""

    points: Float[Array, "count dim"]
    log_target: Float[Array, " count"]
    log_proposal: Float[Array, " count"]


def draw_batch(
    estimator: ReservoirEstimator, sampler: GaussianMixture, key: Key[Array, ""], devices: Devices = ONE_DEVICE
) -> Batch:
    """A refill of points from the mixture of proposals: as many evaluations of the energy.

    The level of the noise is random. The density is that of the proposals with this very level, by which the weights
    are exact for every level.

    Arguments:
        estimator: what is known so far; its points take part in the proposals once it has any.
        sampler: as it is now.
        key: for level and points.
        devices: on which the points are evaluated.
    """
    key_level, key_points = jax.random.split(key)
    target, level = estimator.target, noise_levels(key_level, ())
    found = around(estimator.points, level * target.scale)
    share = jnp.where(estimator.size > 0, FOUND_SHARE, 0.0)
    law = proposal(sampler, found, share, level, target.centre, target.scale)
    points = law.sample(key_points, estimator.sizes.refill)
    return Batch(points, devices.asked(jax.vmap(target.log_density))(points), law.log_density(points))


@dataclass(frozen=True)
class ReservoirReport:
    """The reservoir as it was in a chunk.

    Arguments:
        size: number of points.
        ess: their effective number.
        khat: of their weights; `None` where their tail is constant, or there is no weight.
        noise_floor: of a view with one row, in the coordinates of training; noise below it is widened to it.
        supported: whether tasks on the reservoir were worked on, or skipped.
    """

    size: int
    ess: float
    khat: float | None
    noise_floor: float
    supported: bool

    @classmethod
    def of(cls, quality: ReservoirQuality, estimator: ReservoirEstimator) -> ReservoirReport:
        """From the quality of the points and the estimator that was filled from them."""
        spread = jnp.sqrt((estimator.spread**2).mean())
        khat = quality.khat if quality.khat is not None and math.isfinite(quality.khat) else None
        floor = float(noise_floor(spread, estimator.size, rows=1))
        return cls(quality.count, quality.effective_size, khat, floor, bool(estimator.supported))


DrawBatch = Callable[[ReservoirEstimator, UnconstrainedMixture, Key[Array, ""]], Batch]


@dataclass(frozen=True, eq=False)
class Supply:
    """A reservoir, and all that is needed to fill it.

    Arguments:
        reservoir: the points so far.
        estimator: filled from them.
        draw: a batch from what is known and the sampler with the given parameters, compiled.
        key: of all batches.
        batches: number of batches so far.
    """

    reservoir: Reservoir
    estimator: ReservoirEstimator
    draw: DrawBatch
    key: Key[Array, ""]
    batches: int = 0

    @classmethod
    def of(
        cls, training: Training, parameters: UnconstrainedMixture, key: Key[Array, ""], devices: Devices = ONE_DEVICE
    ) -> Supply | None:
        """For the reservoir that the matchings of a training share; `None` if there is none.

        Arguments:
            training: at most one reservoir serves all its matchings.
            parameters: of any sampler of the training, for compilation.
            key: the same key gives the same points for the same samplers.
            devices: on which points are evaluated.
        """
        estimator = _reservoir_of(training)
        if estimator is None:
            return None
        reservoir = Reservoir.empty(estimator.sizes.capacity, estimator.target.dim)
        return cls(reservoir, estimator, _compiled_draw(estimator, parameters, key, devices), key)

    @property
    def evaluations(self) -> Evaluations:
        """What all batches cost."""
        return Evaluations(energy=self.batches * self.estimator.sizes.refill)

    @property
    def next_price(self) -> Evaluations:
        """What `renewed` will ask."""
        return Evaluations(energy=self._wanted * self.estimator.sizes.refill)

    @property
    def _wanted(self) -> int:
        """Batches of the next renewal."""
        return 1 if self.batches else _first_batches(self.estimator)

    @property
    def report(self) -> ReservoirReport:
        """What is told of the reservoir."""
        return ReservoirReport.of(self.reservoir.quality(), self.estimator)

    def continued(self, reservoir: Reservoir, batches: int) -> Supply:
        """With the points that so many batches had filled it with."""
        if not batches:
            return self  # nothing had been asked yet
        generator = self._generator(batches - 1)
        return replace(
            self, reservoir=reservoir, estimator=self.estimator.filled_from(reservoir, generator), batches=batches
        )

    def renewed(self, parameters: UnconstrainedMixture) -> Supply:
        """With a further batch, or filled to capacity if it was empty.

        Arguments:
            parameters: of the sampler as it is now, which takes part in the proposals.
        """
        return reduce(lambda supply, _: supply._with_batch(parameters), range(self._wanted), self)

    def _with_batch(self, parameters: UnconstrainedMixture) -> Supply:
        key_points, _ = self._keys(self.batches)
        batch = self.draw(self.estimator, parameters, key_points)
        reservoir = self.reservoir.add(*(np.asarray(part, float) for part in batch))
        return self.continued(reservoir, self.batches + 1)

    def _keys(self, batch: int) -> Key[Array, 2]:
        """For the points of a batch, and for the resampling after it."""
        return jax.random.split(jax.random.fold_in(self.key, batch))

    def _generator(self, batch: int) -> np.random.Generator:
        """Of the resampling after a batch."""
        return np.random.default_rng(np.asarray(jax.random.key_data(self._keys(batch)[1])).tolist())

    def into(self, training: Training) -> Training:
        """The training with the reservoir as it is now, in the place of the one before."""
        return replace(
            training,
            matchings=tuple(
                replace(matching, estimator=self.estimator) if _is_reservoir(matching.estimator) else matching
                for matching in training.matchings
            ),
        )


def first_price(training: Training) -> Evaluations:
    """What it takes to fill the reservoir of a training for the first time; nothing without one."""
    estimator = _reservoir_of(training)
    if estimator is None:
        return Evaluations()
    return Evaluations(energy=_first_batches(estimator) * estimator.sizes.refill)


def _reservoir_of(training: Training) -> ReservoirEstimator | None:
    """At most one serves all matchings."""
    estimators = (matching.estimator for matching in training.matchings)
    return next((estimator for estimator in estimators if isinstance(estimator, ReservoirEstimator)), None)


def _first_batches(estimator: ReservoirEstimator) -> int:
    """Batches that fill an empty reservoir."""
    return -(-estimator.sizes.capacity // estimator.sizes.refill)


def _is_reservoir(estimator: Any) -> bool:
    return isinstance(estimator, ReservoirEstimator)


def _compiled_draw(
    estimator: ReservoirEstimator, parameters: UnconstrainedMixture, key: Key[Array, ""], devices: Devices
) -> DrawBatch:
    arrays, rebuilt = split_arrays(estimator)

    def draw(arrays: list[Array], parameters: UnconstrainedMixture, key: Key[Array, ""]) -> Batch:
        return draw_batch(rebuilt(arrays), constrain(parameters), key, devices)

    everywhere = devices.everywhere
    jitted = jax.jit(draw, in_shardings=everywhere, out_shardings=everywhere, compiler_options=devices.compiler_options)
    compiled = jitted.lower(arrays, parameters, key).compile()
    compiled = devices.shared("reservoir", compiled, lambda: (arrays, parameters, key))
    return lambda estimator, parameters, key: compiled(split_arrays(estimator)[0], parameters, key)
