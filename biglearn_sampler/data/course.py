"""The course of a fit: rounds of tasks, each followed by joint steps, until the tasks agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from biglearn_sampler.data.agenda import Visit, visits
from biglearn_sampler.data.draws import spots
from biglearn_sampler.data.matching import Matcher
from biglearn_sampler.data.maximise import NOTHING, Rules
from biglearn_sampler.data.missing import completed
from biglearn_sampler.data.options import DataOptions
from biglearn_sampler.data.parameters import Parameters
from biglearn_sampler.data.points import Points, variances
from biglearn_sampler.data.relocation import proposals
from biglearn_sampler.data.shrinkage import shrunk_if_better
from biglearn_sampler.tasks import AbstractLearningScheduler, AbstractScheduler

ROUND = 100
"""Steps of a round."""

SETTLING = 15
"""Joint steps after a round: enough to tell optima apart."""

SAME = 1e-3
"""Nats for each point within which two joint optima are one."""

PATIENCE = 3
"""Times the rounds of agreement without a better optimum: the tasks wander, and the best one is taken."""

CONVERGED, LAST = 1e-5, 300
"""Gain of a joint step below which the last stage ends, and its steps at most."""

JURY = 10
"""Minibatches that the points are worth on which joint optima are compared."""

EMPTY = 1.0
"""Points; a component that explains less is empty."""

ALMOST = 0.01
"""Share of a point that others may take from a component on it that is not told as empty."""


@dataclass(frozen=True)
class Outcome:
    """Where a course ended, in the coordinates of training.

    Arguments:
        parameters: of the mixture.
        log_likelihood: mean over all points, in nats and in the units of the data.
        reached: the same before weights and covariances were drawn together: what starts are compared by.
        history: one row for each round.
        counts: steps, sweeps, rounds, components revived and relocated, and whether they were drawn together.
        empty: components that explained less than one point, before weights were drawn together.
        agreed: whether the tasks agreed in the end.
        stopped: why they came to an end, in a sentence.
    """

    parameters: Parameters
    log_likelihood: float
    reached: float
    history: tuple[Mapping[str, Any], ...]
    counts: Mapping[str, int]
    empty: list[int]
    agreed: bool
    stopped: str


@dataclass(frozen=True)
class Place:
    """How far a course is.

    Arguments:
        parameters: where the tasks go on.
        best, value: the best joint optimum so far, and its log likelihood.
        agreed: rounds in a row that led back to it.
        idle: rounds since it was found.
        round, revived, relocated: counted so far.
        memory: of a scheduler that learns.
        history: so far.
    """

    parameters: Parameters
    best: Parameters
    value: float = -np.inf
    agreed: int = 0
    idle: int = 0
    round: int = 0
    revived: int = 0
    relocated: int = 0
    memory: Any = None
    history: tuple[Mapping[str, Any], ...] = field(default=())


class Course:
    """Learns one mixture from data.

    Arguments:
        points: the data.
        scheduler: draws the tasks.
        options: how.
        components: number of components.
        seed: of maps, minibatches and revived components.
    """

    def __init__(
        self, points: Points, scheduler: AbstractScheduler, options: DataOptions, components: int, seed: int
    ) -> None:
        self._points, self._scheduler, self._options = points, scheduler, options
        self._generator, self._key = np.random.default_rng([seed, 1]), jax.random.key(seed)
        self._joint_only = all(task.rows(points.dim) == points.dim for task in scheduler.tasks)
        variance = float(variances(points, options.coordinates).mean())
        self._rules = Rules(
            floor=options.floor * variance,
            prior=self._prior(components),
            spread=variance / components ** (2.0 / points.dim),
            smoothing=self._smoothing(components),
        )
        self._relocates = not self._joint_only if options.relocate is None else options.relocate
        self._needed = 1 if self._joint_only else options.agreement
        self._shrinks = not self._joint_only if options.shrink is None else options.shrink
        self._unit = _mean_log_volume(points)
        self._sweeps = 0
        size = options.minibatch
        self._jury = points if size is None else points.some(self._generator, JURY * size)
        self._judge = Matcher(self._jury, self._rules)
        self._place: Place | None = None

    def run(self, start: Parameters, watcher: Callable[[Mapping[str, Any], Parameters], None] | None) -> Outcome:
        """Rounds until the tasks agree, and joint steps without smoothing from the best optimum."""
        scheduler = self._scheduler
        memory = scheduler.begin() if isinstance(scheduler, AbstractLearningScheduler) else None
        place = Place(start, start, memory=memory)
        stopped = "one component has one optimum" if start.components == 1 else None
        while stopped is None:
            place, reached = self._round(place)
            self._place = place
            if watcher is not None:
                watcher(place.history[-1], reached.affine(self._points.centre, self._points.scale))
            place, stopped = self._verdict(place)
        return self._ended(place, stopped)

    def _round(self, place: Place) -> tuple[Place, Parameters]:
        """One round of tasks and the joint optimum that it led to."""
        first = place.round * ROUND
        count = min(ROUND, self._options.steps - first)
        agenda = visits(self._scheduler, place.memory, self._key, first, count, self._options.steps, self._points.dim)
        parameters, losses = place.parameters, []
        for visit in agenda:
            parameters, loss = self._visited(visit, parameters)
            losses.append(loss)
        parameters, revived = self._revived(parameters)
        reached, value = self._settled(parameters, self._judge)
        same, better = abs(value - place.value) <= SAME, value > place.value
        place = replace(
            place,
            parameters=parameters,
            best=reached if better else place.best,
            value=max(value, place.value),
            agreed=place.agreed + 1 if same else 0,
            idle=0 if better and not same else place.idle + 1,
            round=place.round + 1,
            revived=place.revived + revived,
            memory=self._learnt(place.memory, agenda, losses),
        )
        return replace(place, history=(*place.history, self._row(place, value, agenda, losses))), reached

    def _visited(self, visit: Visit, parameters: Parameters) -> tuple[Parameters, float]:
        self._sweeps += visit.steps
        matcher = self._matcher()
        if visit.matrix is None:
            return matcher.joint(parameters, visit.steps)
        return matcher.marginal(parameters, visit.matrix, visit.steps, self._generator)

    def _matcher(self) -> Matcher:
        """Of all points, or of a minibatch."""
        size = self._options.minibatch
        if size is None or size >= self._points.count:
            return self._judge
        drawn = self._points.some(self._generator, size)
        # What came before counts as much as a minibatch: components keep what the present rows do not show.
        return Matcher(drawn, self._rules, memory=drawn.mass)

    def _settled(self, parameters: Parameters, judge: Matcher) -> tuple[Parameters, float]:
        self._sweeps += SETTLING
        return judge.joint(parameters, SETTLING)

    def _verdict(self, place: Place) -> tuple[Place, str | None]:
        """Whether the tasks agree, or have wandered long enough; if so, one more way out is tried."""
        agreed, done = place.agreed >= self._needed, place.round * ROUND >= self._options.steps
        if agreed or place.idle >= PATIENCE * self._needed:
            moved = self._relocated(place, self._judge) if self._relocates else None
            if moved is not None and not done:
                return moved, None
            if agreed and moved is None:
                return place, f"the tasks agree: {place.agreed} rounds in a row led back to the same joint optimum"
            if moved is None:
                return place, f"the tasks wander: {place.idle} rounds led to no better joint optimum"
            place = moved
        if done:
            return place, f"all {self._options.steps:,} steps are done, and the tasks do not agree yet"
        return place, None

    def _relocated(self, place: Place, judge: Matcher) -> Place | None:
        """The place after the first relocation that leads to a better joint optimum; `None` if none does."""
        jury = self._jury
        points = completed(jury, place.best, self._generator) if jury.missing else jury
        for proposed in proposals(points, place.best, self._generator):
            reached, value = self._settled(proposed, judge)
            if value > place.value + SAME:
                return replace(
                    place,
                    parameters=reached,
                    best=reached,
                    value=value,
                    agreed=0,
                    idle=0,
                    relocated=place.relocated + 1,
                )
        return None

    def _revived(self, parameters: Parameters) -> tuple[Parameters, int]:
        """Empty components set down on random points, as wide as the others are on average."""
        places = _empty(parameters, self._rules.smoothing, self._jury.mass)
        if len(places) in (0, parameters.components):
            return parameters, 0
        found = spots(self._jury, self._generator, len(places))
        means, covariances = parameters.means.copy(), parameters.covariances.copy()
        # Drawn points may coincide, and then some components wait for the next round.
        chosen = places[: len(found)]
        means[chosen] = found
        covariances[chosen] = np.delete(parameters.covariances, places, 0).mean(0)
        weights = parameters.weights
        weights[chosen] = 1.0 / parameters.components
        return Parameters(np.log(weights / weights.sum()), means, covariances), len(chosen)

    def _unsmoothed(self, place: Place, rules: Rules) -> Place:
        """The place after relocations that lead to a better joint optimum without smoothing.

        Smoothed weights are nearly equal: of clusters of very unequal size the heavy one had two components, and two
        others shared one.
        """
        if not self._relocates or self._rules.smoothing == 0.0 or place.best.components == 1:
            return place
        judge = Matcher(self._jury, rules)
        best, value = self._settled(place.best, judge)
        moved = replace(place, best=best, value=value)
        for _ in range(best.components):
            place, moved = moved, self._relocated(moved, judge)
            if moved is None:
                break
        return place

    def _ended(self, place: Place, stopped: str) -> Outcome:
        rules = replace(self._rules, smoothing=0.0)
        matcher = Matcher(self._points, rules)
        place = self._unsmoothed(place, rules)
        fitted, reached = matcher.joint(place.best, LAST, CONVERGED)
        parameters, shrunk = fitted, False
        if self._shrinks:
            parameters, shrunk = shrunk_if_better(fitted, self._points, rules, self._generator)
        value = matcher.sums(parameters).log_likelihood / self._points.mass
        agreed = place.agreed >= self._needed or parameters.components == 1
        outcome = self._outcome(place, parameters, value, stopped, agreed=agreed, shrunk=shrunk)
        # Weights that are drawn together are no shares of the points any more.
        return replace(outcome, reached=reached - self._unit, empty=self._told_empty(fitted))

    def so_far(self) -> Outcome | None:
        """What a course that was interrupted had reached, for a sweep more; `None` before its first round."""
        place = self._place
        if place is None:
            return None
        best = place.best
        weights = np.maximum(best.shares(self._rules.smoothing), NOTHING)
        parameters = replace(best, log_weights=np.log(weights / weights.sum()))
        value = Matcher(self._points, self._rules).sums(parameters).log_likelihood / self._points.mass
        stopped = f"the best joint optimum of {place.round} rounds"
        return self._outcome(place, parameters, value, stopped, agreed=False, shrunk=False)

    def _outcome(
        self, place: Place, parameters: Parameters, value: float, stopped: str, *, agreed: bool, shrunk: bool
    ) -> Outcome:
        counts = {
            "steps": min(place.round * ROUND, self._options.steps),
            "sweeps": self._sweeps,
            "rounds": place.round,
            "revived": place.revived,
            "relocated": place.relocated,
            "shrunk": shrunk,
        }
        value, empty = value - self._unit, self._told_empty(parameters)
        return Outcome(parameters, value, value, place.history, counts, empty, agreed, stopped)

    def _told_empty(self, parameters: Parameters) -> list[int]:
        return np.flatnonzero(parameters.weights * self._points.mass < EMPTY - ALMOST).tolist()

    def _learnt(self, memory: Any, agenda: list[Visit], losses: list[float]) -> Any:
        if not isinstance(self._scheduler, AbstractLearningScheduler):
            return None
        steps = np.array([visit.steps for visit in agenda])
        tasks, told = np.array([visit.task for visit in agenda]), -np.array(losses)
        return self._scheduler.learn(
            memory,
            jnp.array(np.repeat(tasks, steps)),
            jnp.array(np.repeat(told, steps)),
            jnp.ones(int(steps.sum()), bool),
        )

    def _row(self, place: Place, value: float, agenda: list[Visit], losses: list[float]) -> dict[str, Any]:
        names = [task.name for task in self._scheduler.tasks]
        by_task: dict[str, list[float]] = {}
        for visit, loss in zip(agenda, losses, strict=True):
            by_task.setdefault(names[visit.task], []).append(-loss)
        return {
            "round": place.round,
            "steps": min(place.round * ROUND, self._options.steps),
            "log_likelihood": value - self._unit,
            "best": place.value - self._unit,
            "agreed": place.agreed,
            "revived": place.revived,
            "relocated": place.relocated,
            "loss": {name: float(np.mean(values)) for name, values in by_task.items()},
        }

    def _prior(self, components: int) -> float:
        if self._options.prior is not None:
            return self._options.prior
        return 0.0 if self._joint_only or components == 1 else 1.0

    def _smoothing(self, components: int) -> float:
        if self._options.smoothing is not None:
            return self._options.smoothing
        return 0.0 if self._joint_only else components**-0.5


def _empty(parameters: Parameters, smoothing: float, mass: float) -> np.ndarray:
    """Which components explain less than a point; their weights are smoothed ones."""
    return np.flatnonzero(parameters.shares(smoothing) * mass < EMPTY * (1.0 - 1e-6))


def _mean_log_volume(points: Points) -> float:
    """What the log likelihood of a point loses on the way to the units of the data, over what is observed."""
    if not points.missing:
        return float(np.log(points.scale).sum())
    total = 0.0
    for rows, weights in points.blocks():
        volumes = ~np.isnan(rows) @ np.log(points.scale)
        total += float(volumes.sum() if weights is None else volumes @ weights)
    return total / points.mass
