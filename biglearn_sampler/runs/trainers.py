"""The two ways to train, as the run sees them: on a fixed schedule, or adaptively."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from biglearn_sampler.energy import Evaluations, Look
from biglearn_sampler.engine import (
    Account,
    Budget,
    Engine,
    EngineProgress,
    EngineState,
    Outcome,
    Rules,
    Stepper,
    compiled_for,
    kinds_of_proposals,
)
from biglearn_sampler.engine.account import Books
from biglearn_sampler.engine.archive import Mode
from biglearn_sampler.errors import Diverged, SettingsError, TaskError
from biglearn_sampler.learning import FitState, Fitter, LossTrend, Progress, SavedFit, Training, least_evaluations
from biglearn_sampler.mixture import GaussianMixture
from biglearn_sampler.precision import full_precision
from biglearn_sampler.runs.plan import Plan, agreement
from biglearn_sampler.runs.verdict import check_limit

TrainingProgress = Progress | EngineProgress

Reached = Callable[[Any], None]
"""Is told of every state between two units of work from which the training can go on, under a larger budget too."""

HOPELESS = 200
"""Updates in a row that were not finite or exploding, after which a training ends."""


UNBOUNDED = 1e5
"""Declared scales, and times as far as it began, beyond which a sampler has gone astray."""


def _nobody(_: Any) -> None:
    """Nobody wants to know."""


class AbstractTrainer(ABC):
    """One training of a plan; everything that could be wrong was told when it was made."""

    steps: int | None
    """Number of steps, if it is known before."""

    chunks: int | None
    """Number of times that a listener will be told, if it is known before."""

    look = Look(np.zeros((0, 0)), np.zeros(0), 0)
    """What a look at the energy gave."""

    @property
    def probe_evaluations(self) -> int:
        """What it took to look at the energy, where the training does not count it as its own."""
        return self.look.evaluations + self.look.searched

    stepper: Stepper | None = None
    """Compiled code that a look back at the sampler can use again, once the training is over."""

    @property
    @abstractmethod
    def first(self) -> GaussianMixture:
        """The mixture before the training, in the target's own units."""

    @property
    @abstractmethod
    def sources(self) -> dict[str, str]:
        """For every task, where the target's side comes from."""

    @abstractmethod
    def train(
        self, listener: Any, reached: Reached = _nobody, saved: EngineState | SavedFit | None = None
    ) -> dict[str, Any]:
        """Train, telling the listener of progress; gives further figures for `metrics.json`.

        Arguments:
            listener: is told of progress.
            reached: is told of states from which the training can go on.
            saved: such a state, as it was kept; the training goes on from there, as if there had been no pause.

        Raises:
            ValueError: the state belongs to another training.
        """

    def onward(self, found: Sequence[Mode], asked: Evaluations) -> EngineState | None:
        """From where the training, which has ended, can go on with modes that it missed; `None` if it cannot.

        Arguments:
            found: the modes.
            asked: evaluations that it took to find them.
        """
        return None

    def limited(self) -> Mapping[str, Any]:
        """What there is to say of a training that only its budget kept from going `onward`."""
        return {}

    @abstractmethod
    def compiled(self) -> None:
        """Have ready what the training computes, in a process that follows another one."""


class ScheduledTrainer(AbstractTrainer):
    """A fixed number of steps on the tasks of a scheduler."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        try:
            self._training: Training = plan.training()
        except TaskError as error:
            raise TaskError(f"target '{plan.target.record.name}': {error}") from error
        self._region = self._training.matchings[0].centre, self._training.matchings[0].scale
        self.steps = plan.settings.training.steps
        self.chunks = -(-self.steps // plan.chunk)
        least = least_evaluations(self._training, plan.settings.scheduled_components, plan.chunk)
        budget = plan.settings.budget.evaluations
        if budget is not None and budget < least:
            raise SettingsError(
                f"budget.evaluations: {budget:,} is too small; expected at least {least:,}, what the first chunk of "
                "steps may ask (a smaller training.chunk asks less)"
            )

    @property
    def first(self) -> GaussianMixture:
        return self._plan.start.mixture(self._plan.keys.start, self._plan.settings.scheduled_components)

    @property
    def sources(self) -> dict[str, str]:
        names = self._training.task_names
        return dict(zip(names, (matching.estimator.source for matching in self._training.matchings), strict=True))

    def train(
        self, listener: Any, reached: Reached = _nobody, saved: EngineState | SavedFit | None = None
    ) -> dict[str, Any]:
        if isinstance(saved, EngineState):
            raise ValueError("it is of an adaptive training, and this one is scheduled")
        plan = self._plan
        seconds = 0.0 if saved is None else saved.seconds_compile + saved.seconds_run
        account = Account.continued(_budget(plan), Books(seconds=seconds))
        fitter = self._fitter()
        state = fitter.begin() if saved is None else fitter.continued(saved)
        if saved is not None:
            progress = fitter.progress(state)
            account.spent = {"training": progress.evaluations}
            if not account.allows(fitter.most_of_chunk(state)):
                listener.stands_at(progress)
                return _stopped(account)
        bound = UNBOUNDED * max(1.0, self._reach(fitter.progress(fitter.begin()).mixture))
        while True:
            reached(state)
            state = fitter.advance(state)
            progress = fitter.progress(state)
            _check_hopeful(state, progress, self._reach(progress.mixture), bound)
            listener(progress)
            account.spent = {"training": progress.evaluations}
            trends = fitter.trends(state)
            if plan.settings.training.stop == "converged" and _have_settled(trends):
                evidence = {name: asdict(trend) for name, trend in trends.items() if trend is not None}
                return {"training_ended": "converged", "convergence": evidence}
            if fitter.has_ended(state):
                return {"training_ended": "scheduled"}
            if not account.allows(fitter.most_of_chunk(state)):
                reached(state)
                return _stopped(account)

    def compiled(self) -> None:
        self._fitter()

    def _reach(self, mixture: GaussianMixture) -> float:
        """How far a mixture goes from the middle of the declared region, in declared scales."""
        centre, scale = (np.asarray(each, float) for each in self._region)
        means, factors = np.asarray(mixture.means, float), np.asarray(mixture.factors, float)
        return float(max((np.abs(means - centre) / scale).max(), (np.abs(factors) / scale[:, None]).max()))

    def _fitter(self) -> Fitter:
        plan = self._plan
        return Fitter(self._training, plan.begin(self._training), plan.train_keys(), plan.chunk, plan.devices)


class AdaptiveTrainer(AbstractTrainer):
    """The engine: explore, settle, and split into factors or refine where the target asks for it."""

    @property
    def probe_evaluations(self) -> int:
        """Without what it took to find the inside of hard walls, where the searchers begin."""
        return self.look.evaluations

    def __init__(self, plan: Plan) -> None:
        settings = plan.settings
        self._plan = plan
        self._rules = Rules(most_components=settings.components)
        self.steps = self.chunks = None
        self._budget = _budget(plan)
        # One engine: what it has compiled serves a training that goes on.
        self._engine: Engine | None = None
        self._ended: EngineState | None = None
        self._limited: dict[str, Any] = {}
        kinds = len(kinds_of_proposals(plan.target.value.dim, plan.exploration_tasks))
        least = self._rules.evaluations_of_round(kinds, plan.target.value.price_of_gradient.total)
        if self._budget.evaluations is not None and self._budget.evaluations < least:
            raise SettingsError(
                f"budget.evaluations: {self._budget.evaluations:,} is too small; expected at least {least:,}, "
                "what one round of exploration asks"
            )
        self._rules.check_memory(plan.target.value.dim, plan.devices)

    @property
    def first(self) -> GaussianMixture:
        mixture = self._plan.start.mixture(self._plan.keys.start, self._rules.searchers)
        return replace(mixture, means=jnp.asarray(self._start()))

    @property
    def sources(self) -> dict[str, str]:
        return {"joint": "energy", **{task.name: "energy" for task in self._plan.exploration_tasks}}

    def train(
        self, listener: Any, reached: Reached = _nobody, saved: EngineState | SavedFit | None = None
    ) -> dict[str, Any]:
        if isinstance(saved, SavedFit):
            raise ValueError("it is of a scheduled training, and this one is adaptive")
        if self._engine is None:
            # What it took to find where there is a density at all, inside hard walls, is part of the training.
            searched = {"start": Evaluations(energy=self.look.searched)} if self.look.searched else {}
            account = Account.continued(self._budget, Books(searched) if saved is None else saved.books)
            self._engine = self._new_engine(account, listener)
        engine = self._engine
        # Other processes take no part in a look back.
        self.stepper = engine.stepper if self._plan.devices.team.size == 1 else None
        state = engine.begin(jax.random.fold_in(self._plan.keys.training, 0)) if saved is None else saved
        while not state.ended:
            # Where the budget has had its way there is nothing that a larger one could go on from.
            if not engine.account.limited:
                reached(state)
            state = engine.advance(state)
        self._ended = state
        outcome = state.stage
        assert isinstance(outcome, Outcome)
        return {
            **(_stopped(engine.account) if outcome.how == "stopped" else {"training_ended": outcome.how}),
            "components_found": outcome.modes,
            "components": outcome.mixture.components,
            "convergence": dict(outcome.grounds),
        }

    def onward(self, found: Sequence[Mode], asked: Evaluations) -> EngineState | None:
        if self._engine is None or self._ended is None:
            return None
        account = self._engine.account
        before, account.limited_by = account.limited_by, set()
        state = self._engine.go_on(self._ended, found, asked)
        self._limited = _stopped(account) if account.limited else {}
        account.limited_by |= before
        return state

    def limited(self) -> Mapping[str, Any]:
        return self._limited

    def _new_engine(self, account: Account, listener: Any) -> Engine:
        plan = self._plan
        start, width = self._start(), plan.start.width
        if plan.settings.coordinates == "whitened":
            # In NumPy, which gives the same digits and compiles nothing.
            centre, scale = np.asarray(plan.target.value.centre), np.asarray(plan.target.value.scale)
            start, width = (start - centre) / scale, np.asarray(width) / scale
        return Engine(
            plan.target_of_training(),
            np.asarray(start, float),
            np.asarray(width, float),
            plan.exploration_tasks,
            self._rules,
            account,
            listener,
            plan.devices,
        )

    def _start(self) -> Float[np.ndarray, "searchers dim"]:
        """Points of the start region, first of all those at which the look at the energy met a density."""
        count = self._rules.searchers
        points = np.asarray(self._plan.start.points(self._plan.keys.start, count))
        looked_at = self.look.dense_first.reshape(-1, points.shape[1]).astype(points.dtype)
        return np.concatenate([looked_at, points])[:count]

    def compiled(self) -> None:
        compiled_for(self._plan.target_of_training(), self._rules, self._plan.devices)


@full_precision()
def trainer_of(plan: Plan) -> AbstractTrainer:
    """The trainer that the settings ask for, with the energy looked at and everything checked, in all processes alike.

    Raises:
        UserError: something cannot be had; told before anything is written or trained.
    """
    look = plan.look()
    trainer = unprobed_trainer(plan)
    trainer.look = look
    plan.devices.team.agree(agreement(plan))
    plan.devices.acquaint()
    return trainer


def unprobed_trainer(plan: Plan) -> AbstractTrainer:
    """The trainer that the settings ask for, with everything checked but the energy itself.

    Raises:
        UserError: something cannot be had.
    """
    check_limit(plan)
    return AdaptiveTrainer(plan) if plan.settings.method == "adaptive" else ScheduledTrainer(plan)


def _stopped(account: Account) -> dict[str, Any]:
    """What there is to say of a training that its budget ended."""
    return {"training_ended": "stopped", "stopped_by": sorted(account.limited_by)}


def _have_settled(trends: Mapping[str, LossTrend | None]) -> bool:
    """Whether no loss falls any more."""
    return all(trend is not None and not trend.falls for trend in trends.values())


def _check_hopeful(state: FitState, progress: Progress, reach: float, bound: float) -> None:
    """See that a training still makes progress.

    Arguments:
        state, progress: after a chunk.
        reach: how far the sampler goes, in declared scales.
        bound: how far it may go.

    Raises:
        Diverged: the sampler is not finite or has gone astray, or no update is fit to be made any more.
    """
    if not all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(progress.mixture)):
        what = f"after {progress.step:,} steps the sampler is not finite"
    elif not reach < bound:
        what = f"after {progress.step:,} steps the components grew or went to {reach:.0e} declared scales"
    elif state.tally.rejected_in_a_row >= HOPELESS:
        what = f"the last {state.tally.rejected_in_a_row:,} updates were not finite or exploding and were left out"
    else:
        return
    raise Diverged(
        f"the training diverged: {what}. The sampler of before is kept; try a smaller optimizer.learning_rate, or more "
        "training.points"
    )


def _budget(plan: Plan) -> Budget:
    return Budget(plan.settings.budget.evaluations, plan.settings.budget.minutes)
