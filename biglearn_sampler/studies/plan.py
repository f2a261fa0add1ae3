"""From a study to its jobs: everything is built once, and whatever is wrong is told before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jax

from biglearn_sampler.bridges import build_target
from biglearn_sampler.catalogue import Built, Catalogue, spec_of, versions_of_plugins
from biglearn_sampler.catalogue.problems import did_you_mean
from biglearn_sampler.comparison import OURS
from biglearn_sampler.errors import BiglearnError, SettingsError
from biglearn_sampler.runs.plan import Plan, make_plan
from biglearn_sampler.runs.read_settings import ReadSettings, read_settings
from biglearn_sampler.runs.trainers import unprobed_trainer
from biglearn_sampler.runs.trials import Scene, poor_baselines
from biglearn_sampler.studies.job import Cell, Job
from biglearn_sampler.studies.study import PRESET, Study, is_ours, label_of

SEEN_BY_BASELINES = ("start", "metrics", "requires")
"""Settings that matter to a baseline; all others are of our training."""


class _Planning:
    """One planning: what was built, by label, and what is wrong."""

    def __init__(self, study: Study, catalogue: Catalogue, problems: list[str]) -> None:
        self.study, self.catalogue, self.problems = study, catalogue, list(problems)

    def cells(self) -> list[Cell]:
        baselines = [spec for spec in self.study.methods if not is_ours(spec)]
        built = self._each("methods", baselines, self._baseline)
        methods = {label_of(spec): built.get(label_of(spec)) for spec in self.study.methods}
        settings = self._settings()
        targets = self._targets(settings)
        cells = []
        for spec in self.study.targets:
            title = label_of(spec)
            for name, read in settings.items():
                plan = self._plan(title, spec if read.settings.data else targets.get(title), name, read)
                if plan is not None:
                    self._look(plan, read, methods, f"target '{title}' with settings '{name}'")
                    cells += list(self._cells_of(plan, title, name, methods))
        # An error of one target, as a parameter out of range, comes again with all settings.
        self.problems = list(dict.fromkeys(self.problems))
        return cells

    def _targets(self, settings: Mapping[str, ReadSettings]) -> dict[str, Built[Any]]:
        """The targets of settings that do not say where data lie; with those that do, a target is built for each."""
        if settings and all(read.settings.data for read in settings.values()):
            return {}
        return self._each("targets", self.study.targets, lambda spec: build_target(spec, self.catalogue))

    def _each(self, key: str, specs: Any, build: Any) -> dict[str, Built[Any]]:
        """What could be built, by label; the same thing under two names is a mistake too."""
        built: dict[str, Built[Any]] = {}
        for spec in specs:
            try:
                made = build(spec)
            except BiglearnError as error:
                self.problems.append(f"{key}: {error}")
                continue
            same = [label for label, other in built.items() if other.record == made.record]
            if same and same[0] != label_of(spec):
                self.problems.append(f"{key}: '{same[0]}' and '{label_of(spec)}' are the same")
            built[label_of(spec)] = made
        return built

    def _baseline(self, spec: Any) -> Built[Any]:
        name = str(spec["name"] if isinstance(spec, Mapping) else spec)
        near = did_you_mean(name, [OURS, *(offer.entry.name for offer in self.catalogue.offers("baseline"))])
        if OURS in near:
            raise SettingsError(f"there is no method '{name}'{near}")
        return self.catalogue.build("baseline", spec)

    def _settings(self) -> dict[str, ReadSettings]:
        read: dict[str, ReadSettings] = {}
        for name, table in self.study.settings.items():
            values = {key: value for key, value in table.items() if key != PRESET}
            try:
                read[name] = self._read(table.get(PRESET), values)
            except SettingsError as error:
                self.problems.append(f"settings.{name}: {error}")
                continue
            for other in read:
                if other != name and read[other].settings == read[name].settings:
                    self.problems.append(f"settings: '{other}' and '{name}' are the same")
        return read

    def _read(self, preset: Any, values: Mapping[str, Any]) -> ReadSettings:
        if preset is not None and not isinstance(preset, str):
            raise SettingsError(f"{PRESET} must be the name of a preset or of a TOML file, got {preset!r}")
        read = read_settings(preset, values, self.catalogue)
        if self.study.budget is None:
            return read
        if read.settings.budget.evaluations is not None:
            raise SettingsError("budget.evaluations and the budget of the study say the same; give one of them")
        return read_settings(preset, {**values, "budget.evaluations": self.study.budget}, self.catalogue)

    def _plan(self, title: str, target: Any, name: str, read: ReadSettings) -> Plan | None:
        """The plan of a target, built or as written; none where it could not be built."""
        if target is None:
            return None
        try:
            return make_plan(target, read, (), 0, self.catalogue, {})
        except BiglearnError as error:
            self.problems.append(f"target '{title}' with settings '{name}': {error}")
            return None

    def _look(self, plan: Plan, read: ReadSettings, methods: Mapping[str, Built[Any] | None], where: str) -> None:
        """See that every method can work on the target, as far as that can be seen without asking the energy."""
        if OURS in methods:
            try:
                unprobed_trainer(plan)
            except BiglearnError as error:
                self.problems.append(f"{where}: {error}")
        baselines = {label: built for label, built in methods.items() if built is not None}
        scene = Scene(plan, read, baselines, self.study.budget, self.catalogue)
        for poor in poor_baselines(scene):
            self.problems.append(f"budget: {self.study.budget:,} is too small for {poor}, {where}")

    def _cells_of(
        self, plan: Plan, title: str, settings: str, methods: Mapping[str, Built[Any] | None]
    ) -> Iterator[Cell]:
        target = spec_of(plan.target.record.to_json())
        dumped = plan.settings.model_dump(mode="json")
        for method, built in methods.items():
            # The place of data stands in the target already.
            seen = {key: value for key, value in dumped.items() if key != "data"}
            if built is not None:
                seen = {key: seen[key] for key in SEEN_BY_BASELINES}
            for seed in self.study.seeds:
                job = Job(
                    title=title,
                    target=target,
                    method=method,
                    baseline=None if built is None else spec_of(built.record.to_json()),
                    settings=seen,
                    seed=seed,
                    budget=self.study.budget,
                    float64=bool(jax.config.read("jax_enable_x64")),
                    plugins=plugins_of(plan, built),
                )
                yield Cell(title, settings, method, seed, job)


def plugins_of(plan: Plan, baseline: Built[Any] | None) -> dict[str, str]:
    """The versions of the plugins on which the figures of a method depend: once one is another, its jobs are others."""
    own = [plan.scheduler, *plan.exploration] if baseline is None else [baseline]
    return versions_of_plugins([built.record.to_json() for built in (plan.target, *plan.metrics, *own)])


def plan_study(study: Study, catalogue: Catalogue, problems: list[str]) -> list[Cell]:
    """Every cell of a study, target by target, with its job.

    Arguments:
        study: as it was parsed.
        catalogue: where names are looked up.
        problems: what is wrong with the form of the study.

    Raises:
        SettingsError: everything that is wrong, the problems of the form among it.
    """
    planning = _Planning(study, catalogue, problems)
    cells = planning.cells()
    if planning.problems:
        count = f"{len(planning.problems)} problem{'s' if len(planning.problems) > 1 else ''} in the study"
        indented = [problem.replace("\n", "\n    ") for problem in planning.problems]
        raise SettingsError("\n  ".join([f"{count}:", *indented]))
    return cells
