"""The two ways to train, as the run sees them: on a fixed schedule, or adaptively."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from biglearn_sampler.engine import Account, Budget, Engine, EngineProgress, Rules, Stepper
from biglearn_sampler.errors import SettingsError, TaskError
from biglearn_sampler.learning import Progress, Training, fit
from biglearn_sampler.mixture import GaussianMixture
from biglearn_sampler.runs.plan import Plan

TrainingProgress = Progress | EngineProgress


class AbstractTrainer(ABC):
    """One training of a plan; everything that could be wrong was told when it was made."""

    steps: int | None
    """Number of steps, if it is known before."""

    chunks: int | None
    """Number of times that a listener will be told, if it is known before."""

    first: GaussianMixture
    """The mixture before the training, in the target's own units."""

    stepper: Stepper | None = None
    """Compiled code that a look back at the sampler can use again, once the training is over."""

    @property
    @abstractmethod
    def sources(self) -> dict[str, str]:
        """For every task, where the target's side comes from."""

    @abstractmethod
    def train(self, listener: Any) -> dict[str, Any]:
        """Train, telling the listener of progress; gives further figures for `metrics.json`."""


class ScheduledTrainer(AbstractTrainer):
    """A fixed number of steps on the tasks of a scheduler."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        try:
            self._training: Training = plan.training()
        except TaskError as error:
            raise TaskError(f"target '{plan.target.record.name}': {error}") from error
        self.steps = plan.settings.training.steps
        self.chunks = -(-self.steps // plan.chunk)
        self.first = plan.start.mixture(plan.keys.start, plan.settings.scheduled_components)

    @property
    def sources(self) -> dict[str, str]:
        names = self._training.task_names
        return dict(zip(names, (matching.estimator.source for matching in self._training.matchings), strict=True))

    def train(self, listener: Any) -> dict[str, Any]:
        state = self._plan.begin(self._training)
        limited = _Limited(listener, Account(_budget(self._plan)))
        try:
            fit(self._training, state, self._plan.train_keys(), self._plan.chunk, limited)
        except _BudgetSpent:
            return {"training_ended": "stopped"}
        return {"training_ended": "scheduled"}


class AdaptiveTrainer(AbstractTrainer):
    """The engine: explore, settle, and split into factors or refine where the target asks for it."""

    def __init__(self, plan: Plan) -> None:
        settings = plan.settings
        self._plan = plan
        self._rules = Rules(most_components=settings.components)
        self.steps = self.chunks = None
        self.first = plan.start.mixture(plan.keys.start, self._rules.searchers)
        self._budget = _budget(plan)
        least = self._rules.least_evaluations(plan.target.value.price_of_gradient.total)
        if self._budget.evaluations is not None and self._budget.evaluations < least:
            raise SettingsError(
                f"budget.evaluations: {self._budget.evaluations:,} is too small; expected at least {least:,}, "
                "what one round of exploration asks"
            )
        self._rules.check_memory(plan.target.value.dim)

    @property
    def sources(self) -> dict[str, str]:
        return {"joint": "energy", **{task.name: "energy" for task in self._plan.exploration_tasks}}

    def train(self, listener: Any) -> dict[str, Any]:
        plan = self._plan
        account = Account(self._budget)
        start = plan.start.points(plan.keys.start, self._rules.searchers)
        width = plan.start.width
        if plan.settings.coordinates == "whitened":
            start = (start - plan.target.value.centre) / plan.target.value.scale
            width = width / plan.target.value.scale
        engine = Engine(
            plan.target_of_training(),
            np.asarray(start, float),
            np.asarray(width, float),
            plan.exploration_tasks,
            self._rules,
            account,
            listener,
        )
        self.stepper = engine.stepper
        outcome = engine.run(jax.random.fold_in(plan.keys.training, 0))
        return {
            "training_ended": outcome.how,
            "modes_found": outcome.modes,
            "components": outcome.mixture.components,
        }


def trainer_of(plan: Plan) -> AbstractTrainer:
    """The trainer that the settings ask for, with the energy looked at and everything checked.

    Raises:
        UserError: something cannot be had; told before anything is written or trained.
    """
    plan.probe()
    return AdaptiveTrainer(plan) if plan.settings.method == "adaptive" else ScheduledTrainer(plan)


class _BudgetSpent(Exception):  # noqa: N818
    """Ends a scheduled training."""


class _Limited:
    """A listener that ends the training when the budget is spent."""

    def __init__(self, listener: Callable[[Progress], None], account: Account) -> None:
        self._listener, self._account = listener, account

    def __call__(self, progress: Progress) -> None:
        self._listener(progress)
        self._account.spent = {"training": progress.evaluations}
        if not self._account.allows(1):
            raise _BudgetSpent


def _budget(plan: Plan) -> Budget:
    return Budget(plan.settings.budget.evaluations, plan.settings.budget.minutes)
