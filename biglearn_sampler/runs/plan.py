"""A run before it starts: names turned into objects, everything checked at the door."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
from jaxtyping import Array, Key

from biglearn_sampler.bridges import build_target
from biglearn_sampler.catalogue import Built, Catalogue
from biglearn_sampler.comparison import OURS
from biglearn_sampler.devices import ALONE, AbstractTeam, Devices
from biglearn_sampler.energy import AbstractTarget, Look, Whitened, look
from biglearn_sampler.errors import SettingsError, TargetError, UserError
from biglearn_sampler.estimators import ReservoirSizes, choose_estimators
from biglearn_sampler.evaluation import AbstractBaseline, AbstractMetric
from biglearn_sampler.learning import Matching, StartRegion, Training, TrainKeys, TrainState
from biglearn_sampler.mixture import Mixture, unconstrain
from biglearn_sampler.precision import full_precision
from biglearn_sampler.runs.optimizer import optimizer_of
from biglearn_sampler.runs.read_settings import ReadSettings
from biglearn_sampler.runs.report import AbstractReport
from biglearn_sampler.runs.settings import WITHOUT_EFFECT, Settings
from biglearn_sampler.runs.start import start_region
from biglearn_sampler.tasks import AbstractScheduler, Task

MOST_SEEDS = 100_000
"""Of a comparison or a study: a number of seeds beyond it is meant as a seed."""

CHUNKS = 100
"""Meetings with the host in a training whose settings name no chunk length."""

INTEGRALS = ("quadrature", "reservoir")
"""Settings of what estimates integrals over the target."""

LONGEST_CHUNK = 10_000
"""By default: what is drawn for a chunk is held in memory, and Ctrl-C is heard between two chunks."""


@dataclass(frozen=True)
class RunKeys:
    """Independent keys for the parts of a run, all from its seed.

    Adding a baseline or a metric leaves the training as it was, since each part has a key of its own.
    """

    start: Key[Array, ""]
    training: Key[Array, ""]
    evaluation: Key[Array, ""]
    baselines: Key[Array, ""]
    verdict: Key[Array, ""]

    @classmethod
    def of(cls, seed: int) -> RunKeys:
        """The keys of a seed."""
        return cls(*jax.random.split(jax.random.key(seed), 5))


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything that a run needs, built and checked.

    Arguments:
        target: in its own units.
        settings: complete.
        start: the region in the target's own units.
        scheduler: of a scheduled training.
        exploration: tasks that propose where to look, in an adaptive training and for the verdict on any.
        metrics, reports, baselines: built from the catalogue.
        seed: of the whole run.
        devices: on which the training computes.
    """

    target: Built[AbstractTarget]
    settings: Settings
    start: StartRegion
    scheduler: Built[AbstractScheduler]
    exploration: Sequence[Built[Task]]
    metrics: Sequence[Built[AbstractMetric]]
    reports: Sequence[Built[AbstractReport]]
    baselines: Mapping[str, Built[AbstractBaseline]]
    seed: int
    devices: Devices

    @property
    def keys(self) -> RunKeys:
        """The keys of the seed."""
        return RunKeys.of(self.seed)

    def key_of_baseline(self, baseline: Built[AbstractBaseline]) -> Key[Array, ""]:
        """By its name, so that its draws are the same alone, beside others, in a comparison and in a study."""
        name = _bare_name(baseline).encode()
        return jax.random.fold_in(self.keys.baselines, zlib.crc32(name))

    @property
    def exploration_tasks(self) -> tuple[Task, ...]:
        """The tasks of the exploration themselves."""
        return tuple(built.value for built in self.exploration)

    @property
    def chunk(self) -> int:
        """Steps between two meetings with the host."""
        training = self.settings.training
        by_default = min(-(-training.steps // CHUNKS), LONGEST_CHUNK)
        return min(training.chunk or by_default, training.steps)

    def training(self) -> Training:
        """The training, in its coordinates.

        Raises:
            TaskError: the target cannot do a task of the scheduler.
            SettingsError: there is no such optimiser.
        """
        settings, scheduler = self.settings, self.scheduler.value
        target = self.target_of_training()
        quadrature, sizes = settings.quadrature, ReservoirSizes(**settings.reservoir.model_dump())
        estimators = choose_estimators(
            scheduler.tasks, target, settings.channels, quadrature.nodes, quadrature.extent, sizes
        )
        matchings = tuple(
            Matching(task, estimator, target.centre, target.scale, settings.training.points, self.devices)
            for task, estimator in zip(scheduler.tasks, estimators, strict=True)
        )
        steps = settings.training.steps
        return Training(
            matchings=matchings,
            scheduler=scheduler,
            optimizer=optimizer_of(settings.optimizer, steps),
            steps=steps,
            weights_from=round(settings.weights.after * steps) if settings.weights.learn else steps,
        )

    def begin(self, training: Training) -> TrainState:
        """The state before the first step."""
        mixture = self.start.mixture(self.keys.start, self.settings.scheduled_components)
        if self.settings.coordinates == "whitened":
            scale = 1.0 / self.target.value.scale
            mixture = mixture.affine(-self.target.value.centre * scale, scale)
        return training.begin(unconstrain(mixture))

    def train_keys(self) -> TrainKeys:
        """The keys of the training."""
        return TrainKeys.of(self.keys.training)

    def in_own_units(self, mixture: Mixture) -> Mixture:
        """A mixture of the training, in the target's own units."""
        if self.settings.coordinates == "raw":
            return mixture
        return mixture.affine(self.target.value.centre, self.target.value.scale)

    def look(self) -> Look:
        """A look at the energy at points of the start region.

        Raises:
            TargetError: it cannot be trained on.
        """
        try:
            return look(self.target.value, partial(self.start.points, self.keys.start))
        except TargetError as error:
            raise TargetError(f"target '{self.target.record.name}': {error}") from error

    def target_of_training(self) -> AbstractTarget:
        """The target in the coordinates of training."""
        return Whitened(self.target.value) if self.settings.coordinates == "whitened" else self.target.value


def agreement(plan: Plan) -> dict[str, Any]:
    """What must be the same in all processes of a run, as JSON has it."""
    settings = plan.settings.model_dump(mode="json", exclude=set(WITHOUT_EFFECT))
    return {
        "the target": plan.target.record.to_json(),
        **{f"the setting {key}": value for key, value in settings.items()},
        "the seed": plan.seed,
    }


@full_precision()
def make_plan(
    target: Any,
    read: ReadSettings,
    baselines: Sequence[Any],
    seed: int,
    catalogue: Catalogue,
    parameters: Mapping[str, Any],
    team: AbstractTeam = ALONE,
) -> Plan:
    """Turn names into objects.

    Arguments:
        target: a name, a model in a file as `file.py:model`, a table with name and parameters, or a target.
        read: the settings.
        baselines: names, tables or baselines.
        seed: of the whole run.
        catalogue: where names are looked up.
        parameters: of the target.
        team: the processes that take part in the training.
    """
    if callable(target) and not isinstance(target, AbstractTarget):
        raise TargetError("a function becomes a target by target(function, dim=2, scale=4.0); train on that")
    if isinstance(baselines, str):
        baselines = [baselines]
    settings = read.settings
    built_target = _built_target(target, catalogue, _with_data(target, parameters, settings.data))
    scheduler = catalogue.build("scheduler", settings.scheduler)
    _check_read(settings, scheduler.value.tasks)
    return Plan(
        target=built_target,
        settings=settings,
        start=start_region(settings.start, built_target.value),
        scheduler=scheduler,
        exploration=[catalogue.build("task", spec) for spec in settings.exploration.tasks],
        metrics=[catalogue.build("metric", spec) for spec in settings.metrics],
        reports=[catalogue.build("report", spec) for spec in settings.reports],
        baselines=by_bare_name([catalogue.build("baseline", spec) for spec in baselines]),
        seed=seed,
        devices=Devices.of(settings.devices.count, settings.devices.components, team),
    )


def _check_read(settings: Settings, tasks: Sequence[Task]) -> None:
    """See that settings of integrals are given only where a task may need one.

    Raises:
        SettingsError: nothing would read them.
    """
    given = [key for key in INTEGRALS if getattr(settings, key) != Settings.model_fields[key].default]
    served = settings.channels == "exact"
    if settings.method == "adaptive" or not given or (not served and any(task.integrates for task in tasks)):
        return
    why = "with channels=exact the closed form serves all tasks"
    if not served:
        why = f"no task of the scheduler ({', '.join(repr(task.name) for task in tasks)}) does"
    raise SettingsError(
        f"{' and '.join(given)}: only marginal and noised tasks read {'it' if len(given) == 1 else 'them'}, as in "
        f"scheduler={{name='uniform', tasks=['joint', 'noised']}}, and {why}"
    )


def _with_data(target: Any, parameters: Mapping[str, Any], data: Mapping[str, str]) -> Mapping[str, Any]:
    """The parameters of a named target, those included that say where its data lie.

    Places are made absolute, so that the record leads to them from any folder.
    """
    if data and not isinstance(target, (str, Mapping)):
        raise SettingsError(
            f"data.{next(iter(data))} belongs to a target that is named, and this one was made in Python"
        )
    for name in data:
        if name in parameters:
            raise SettingsError(f"data.{name} and the parameter {name} of the target say the same; give one of them")
    return {**parameters, **{name: str(Path(place).expanduser().absolute()) for name, place in data.items()}}


def _built_target(target: Any, catalogue: Catalogue, parameters: Mapping[str, Any]) -> Built[AbstractTarget]:
    built = build_target(target, catalogue, parameters)
    if not isinstance(target, AbstractTarget):
        return built
    # Otherwise all functions would share the name of one class.
    return Built(built.value, replace(built.record, name=target.source_name))


def by_bare_name(baselines: Sequence[Built[AbstractBaseline]]) -> dict[str, Built[AbstractBaseline]]:
    """Baselines by their bare names; those that share one are told apart by a number.

    Raises:
        UserError: one has the name of our sampler.
    """
    names = [_bare_name(built) for built in baselines]
    if OURS in names:
        raise UserError(f"a baseline cannot be called '{OURS}', the name of our own sampler")
    return {
        name if names.count(name) == 1 else f"{name}_{names[: position + 1].count(name)}": built
        for position, (name, built) in enumerate(zip(names, baselines, strict=True))
    }


def _bare_name(built: Built[AbstractBaseline]) -> str:
    return built.record.name.split(":")[-1]
