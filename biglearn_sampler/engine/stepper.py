"""The energy as the engine asks it: compiled once for every size of a few, and every answer booked."""

from __future__ import annotations

from copy import copy

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Key
from scipy.special import logsumexp

from biglearn_sampler.compilation import jit_quickly
from biglearn_sampler.devices import ONE_DEVICE, Devices
from biglearn_sampler.energy import AbstractTarget, Evaluations, split_arrays
from biglearn_sampler.engine.account import Account
from biglearn_sampler.engine.archive import Archive
from biglearn_sampler.engine.population import Population
from biglearn_sampler.engine.programs import programs_of
from biglearn_sampler.engine.rules import LEAST_STEPS, Rules
from biglearn_sampler.engine.shapes import on_device, padded, powers
from biglearn_sampler.engine.steps import Held, Pace, Seen, Trace, fresh_components
from biglearn_sampler.estimators.guard import ZERO_DENSITY
from biglearn_sampler.learning.component_sums import log_densities
from biglearn_sampler.mixture import inverse_factors

ASKED_AT_ONCE = 1 << 12
"""Points of which the energy is asked at once, a power of sixteen: it may need much memory for each."""

LEAST_SHARED = 64
"""Points of a step, below which past steps are no longer counted: they are too far in the past."""


class Stepper:
    """A target in the coordinates of training.

    Arguments:
        target: in the coordinates of training.
        rules: of the engine.
        account: where evaluations are booked.
        devices: on which points are shared out; the answers do not depend on them.
        name: of the target, where there are several in a training.
    """

    def __init__(
        self,
        target: AbstractTarget,
        rules: Rules,
        account: Account,
        devices: Devices = ONE_DEVICE,
        name: str = "target",
    ) -> None:
        self.dim, self.rules, self.account = target.dim, rules, account
        self.price_of_gradient = target.price_of_gradient
        self._arrays, _ = split_arrays(target)
        self._programs = programs_of(target, rules, devices, name)

    def on(self, target: AbstractTarget) -> Stepper:
        """The same compiled code for another target that differs in its arrays only."""
        other = copy(self)
        other._arrays, _ = split_arrays(target)
        return other

    def booking(self, account: Account) -> Stepper:
        """The same compiled code, with its answers booked elsewhere."""
        other = copy(self)
        other.account = account
        return other

    def under(self, rules: Rules) -> Stepper:
        """The same compiled code, under rules that differ in numbers of modes or points only."""
        other = copy(self)
        other.rules = rules
        return other

    def steps(
        self, population: Population, key: Key[Array, ""], pace: Pace, purpose: str, shared: int, fresh: int
    ) -> tuple[Population, Trace]:
        """A round of natural-gradient steps of the joint task on all components.

        Arguments:
            population: all of them learn.
            key: of the points.
            pace: rates; as floats, whole numbers too, or each of them is compiled for itself.
            purpose: under which evaluations are booked.
            shared: as many points are shared by all components, past steps included.
            fresh: points of every component in a step.
        """
        count = self.rules.round_steps
        pace = Pace(*map(float, pace))
        window = self._window(self._fresh(population.count, fresh), shared)
        mixture, trace = self._programs.joint(
            self._arrays, population.mixture(), key, pace, count=count, window=window, fresh=fresh
        )
        trace = self._booked(trace, self._fresh(population.count, fresh), purpose)
        return self._accepted(Population.of(mixture), population), trace

    def price(self, components: int, fresh: int) -> int:
        """Evaluations of a round of steps."""
        return self.rules.round_steps * self._fresh(components, fresh) * self.price_of_gradient.total

    @property
    def least_evaluations(self) -> int:
        """Evaluations of a round of exploration."""
        return self.rules.least_evaluations(self.price_of_gradient.total)

    def evaluations_of_round(self, kinds: int) -> int:
        """The same with proposals of so many kinds."""
        return self.rules.evaluations_of_round(kinds, self.price_of_gradient.total)

    def search(
        self,
        population: Population,
        archive: Archive,
        unmoved: Bool[np.ndarray, " components"],
        key: Key[Array, ""],
        purpose: str,
    ) -> tuple[Population, Trace, Seen]:
        """A round of steps in which every component looks for a mode by itself, past those that are known.

        Arguments:
            population: the searchers.
            archive: of known modes.
            unmoved: searchers that take no notice of known modes.
            key: of the points.
            purpose: under which evaluations are booked.
        """
        held = Held.of(archive, self.rules.most_held(self.dim))
        fresh = self._fresh(population.count, self.rules.fresh_points)
        window = self._window(fresh, self.rules.window_points)
        count = self.rules.round_steps
        mixture, trace, seen = self._programs.search(
            self._arrays, population.mixture(), held, unmoved, key, count=count, window=window
        )
        trace = self._booked(trace, fresh, purpose)
        seen = jax.tree.map(lambda leaf: np.asarray(leaf, float).reshape(-1, *leaf.shape[2:]), seen)
        return self._accepted(Population.of(mixture), population), trace, seen

    def log_density(self, points: Float[np.ndarray, "count dim"], purpose: str) -> Float[np.ndarray, " count"]:
        """`log q` at points, `-inf` where the density is zero."""
        values = np.concatenate([self._asked(points[block]) for block in powers(len(points), ASKED_AT_ONCE)])
        zero = values <= ZERO_DENSITY
        self.account.add(purpose, Evaluations(energy=len(points)), int(zero.sum()))
        return np.where(zero, -np.inf, values)

    def _asked(self, points: Float[np.ndarray, "count dim"]) -> Float[np.ndarray, " count"]:
        """What the energy says at points, all at once."""
        return np.asarray(self._programs.log_density(self._arrays, on_device(points)), float)

    def scores(self, points: Float[np.ndarray, "count dim"], purpose: str) -> Float[np.ndarray, "count dim"]:
        """`grad log q` at points."""
        self.account.add(purpose, self.price_of_gradient.times(len(points)))
        return np.asarray(self._programs.scores(self._arrays, on_device(points)), float)

    def _accepted(self, after: Population, before: Population) -> Population:
        """The components after a round; those that did not end with sound numbers stay as they were, and are counted.

        So do those that became too thin for the precision of the device to see their shape. Log weights are those of
        all components together, and so fall together.
        """
        resolved = after.resolved()
        if resolved.all():
            return after
        sound = after.sound() & (resolved | ~before.resolved())
        if sound.all():
            return after
        self.account.rejected += int((~sound).sum())
        if not np.isfinite(after.log_weights).all():
            return before
        return Population(
            np.where(sound[:, None], after.means, before.means),
            np.where(sound[:, None, None], after.factors, before.factors),
            after.log_weights,
        )

    def _booked(self, trace: Trace, fresh: int, purpose: str) -> Trace:
        """The trace on the host, once its evaluations are in the books."""
        trace = jax.tree.map(lambda leaf: np.asarray(leaf, float), trace)
        spent = self.price_of_gradient.times(len(trace.elbo) * fresh)
        self.account.add(purpose, spent, int(trace.zero_density.sum()))
        return trace

    def _fresh(self, components: int, each: int) -> int:
        """Points of a step."""
        return fresh_components(components, each) * max(each, 2)

    def _window(self, fresh: int, points: int) -> int:
        """Steps whose points are shared, the newest included; more where components draw by turns."""
        return int(np.clip(points // fresh, LEAST_STEPS, points // LEAST_SHARED))


@jit_quickly
def _component_log_densities(
    points: Float[Array, "count dim"],
    means: Float[Array, "components dim"],
    factors: Float[Array, "components dim dim"],
) -> Float[Array, "count components"]:
    return log_densities(points, means, inverse_factors(factors))


def log_density_of(population: Population, points: Float[np.ndarray, "count dim"]) -> Float[np.ndarray, " count"]:
    """`log p(x_i)` of all components together."""
    return np.asarray(logsumexp(component_log_densities(points, population) + population.log_weights, axis=1))


def component_log_densities(
    points: Float[np.ndarray, "count dim"], population: Population
) -> Float[np.ndarray, "count components"]:
    """`log N_k(x_i)`."""
    arrays = (points, population.means, population.factors)
    table = _component_log_densities(*(on_device(padded(array)) for array in arrays))
    return np.asarray(table, float)[: len(points), : population.count]
