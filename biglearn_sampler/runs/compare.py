"""The proof: our sampler and baselines on one target, at the same budget, over several seeds."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from numbers import Integral
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from biglearn_sampler.catalogue import MADE_IN_PYTHON, Built, Catalogue, versions_of_plugins, without_versions
from biglearn_sampler.catalogue.problems import told
from biglearn_sampler.comparison import Comparison, Trial
from biglearn_sampler.errors import MissingPackage, RunFolderError, UserError
from biglearn_sampler.evaluation import AbstractBaseline
from biglearn_sampler.runs.comparison_folder import ComparisonFolder
from biglearn_sampler.runs.folder_lock import only_here
from biglearn_sampler.runs.method_specs import method_specs
from biglearn_sampler.runs.plan import MOST_SEEDS, by_bare_name, make_plan
from biglearn_sampler.runs.read_settings import read_settings
from biglearn_sampler.runs.record import changed_surroundings, comparison_record
from biglearn_sampler.runs.report import paths_problem
from biglearn_sampler.runs.target_print import is_same
from biglearn_sampler.runs.trainers import trainer_of
from biglearn_sampler.runs.trials import Scene, poor_baselines, run_trial
from biglearn_sampler.seeds import checked_seed

logger = logging.getLogger(__name__)

BUDGET = 1_000_000
"""Evaluations of energy and gradient for each trial, where the user says nothing."""

SEEDS = 3
"""Seeds, where the user says nothing."""

FIXED = ("target", "budget", "settings")
"""What a comparison that goes on must share with what is on disk, beside the methods; seeds may be added."""


@runtime_checkable
class ComparisonWatcher(Protocol):
    """Is told how a comparison goes; whatever it does, the comparison stays the same."""

    def trial_began(self, method: str, seed: int, number: int, total: int) -> None:
        """A trial is about to run, the `number`-th of `total`, counted from 1."""

    def trial_finished(self, trial: Trial) -> None:
        """A trial is over, or was read from disk."""


def compare(
    target: Any,
    *,
    baselines: Sequence[Any] | Mapping[str, Any] | None = None,
    budget: int = BUDGET,
    seeds: int | Sequence[int] = SEEDS,
    settings: str | Path | Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    numbered: bool = False,
    resume: bool = False,
    catalogue: Catalogue | None = None,
    watcher: ComparisonWatcher | None = None,
) -> Comparison:
    """Put our sampler beside baselines on a target, at the same budget of evaluations, over several seeds.

    Every trial begins in the same region and may spend `budget` evaluations of the energy and its gradient, together;
    our sampler ends earlier when it is done. A trial that fails is a trial with a reason, and the others go on.

    Arguments:
        target, settings, overrides, parameters: as of `train`; metrics and reports are those of the settings.
        baselines: names, also with parameters as in `"nuts(chains=8)"`, or tables such as
            `{"name": "nuts", "chains": 8}`; those of the setting `compare.baselines` by default, of which one without
            its package is a row that says so.
        budget: evaluations for each trial.
        seeds: how many, from 0, or which.
        out: a folder to write into, trial by trial; nothing is written without one.
        numbered: whether `out` is only the beginning of a name, as in `out-001`, the next one that is free.
        resume: whether `out` holds an interrupted comparison, to go on with. Finished trials are kept, also those of
            other seeds; those that failed or whose files are damaged are run again.
        catalogue: of plugins; a fresh one by default.
        watcher: is told how it goes.

    Raises:
        UserError: something that was asked for cannot be had, such as an unknown method, or a budget that is too small
            for one, with the least that it needs.

    Example:
        >>> import biglearn_sampler as bl
        >>> beside = bl.compare("two_modes", baselines=["nuts"], budget=60_000, seeds=1)
        >>> beside.methods
        ['biglearn', 'nuts']
    """
    catalogue = catalogue or Catalogue()
    chosen, budget = _seeds(seeds), _whole(budget)
    own = read_settings(settings, overrides or {}, catalogue, comparing=True).settings.budget.evaluations
    if own not in (None, budget):
        raise UserError(
            f"budget.evaluations is {own:,} in the settings, and the comparison has a budget of {budget:,} for every "
            "method; leave the setting out, and give the number as the budget (--budget EVALS)"
        )
    limited = {**(overrides or {}), "budget.evaluations": budget}
    read = read_settings(settings, limited, catalogue, comparing=True)
    plan = make_plan(target, read, (), chosen[0], catalogue, parameters or {})
    if read.notice:
        logger.warning("%s", read.notice)
    specs = plan.settings.compare.baselines if baselines is None else baselines
    scene = Scene(plan, read, _built(specs, catalogue), budget, catalogue)
    trainer_of(plan)  # looks at the energy, and refuses what cannot be trained
    poor = poor_baselines(scene)
    if poor:
        raise UserError(
            f"a budget of {budget:,} evaluations is too small for {', '.join(poor)}; give a larger one, or leave "
            "these out"
        )
    records = {name: built.record if isinstance(built, Built) else None for name, built in scene.baselines.items()}
    record = comparison_record(plan, read, records, budget, chosen)
    folder, earlier = _opened(out, numbered, resume, record)
    known = list(dict.fromkeys([*earlier, *chosen]))
    finished = [] if folder is None else folder.finished_trials(scene.methods, known)
    record["seeds"] = _with_finished(known, chosen, finished)
    trials: list[Trial] = []
    with nullcontext() if folder is None else only_here(folder.path):
        try:
            for trial in _each(scene, folder, finished, watcher or _NobodyWatches(), record):
                trials.append(trial)
            return _concluded(scene, trials, record, folder)
        except KeyboardInterrupt:
            if folder is not None:
                _interrupted(folder, record, len(trials))
            raise


def _seeds(seeds: int | Sequence[int]) -> list[int]:
    listed = range(int(seeds)) if isinstance(seeds, Integral) and not isinstance(seeds, bool) else seeds
    if isinstance(listed, range) and len(listed) > MOST_SEEDS:
        raise UserError(f"seeds: at most {MOST_SEEDS:,} of them, got {seeds:,}; one seed is given as a list, [{seeds}]")
    if isinstance(listed, bool) or not isinstance(listed, Sequence) or not len(listed):
        raise UserError(f"seeds must be a number of at least 1, or a list of seeds, got {seeds!r}")
    chosen = [checked_seed(seed) for seed in listed]
    if len(set(chosen)) < len(chosen):
        raise UserError(f"seeds must be different, got {chosen}")
    return chosen


def _whole(budget: Any) -> Any:
    """A budget; its range is checked with the settings."""
    if isinstance(budget, bool) or not isinstance(budget, (Integral, float)) or budget % 1:
        raise UserError(f"budget must be a whole number of evaluations, such as 1_000_000, got {budget!r}")
    return int(budget)


def _built(specs: Any, catalogue: Catalogue) -> dict[str, Built[AbstractBaseline] | str]:
    """The baselines by name; for one whose package is missing, how to get it.

    Raises:
        CatalogueError: an unknown name, or wrong parameters.
        UserError: something that is neither a name nor a table nor a baseline.
    """
    built, missing = [], {}
    for spec in method_specs(specs, catalogue):
        try:
            built.append(catalogue.build("baseline", spec))
        except MissingPackage as error:
            name = str(spec["name"] if isinstance(spec, Mapping) else spec)
            missing[name.split(":")[-1]] = str(error)
    return {**by_bare_name(built), **missing}


def _opened(
    out: str | Path | None, numbered: bool, resume: bool, record: Mapping[str, Any]
) -> tuple[ComparisonFolder | None, list[int]]:
    """The folder, and the seeds that it was begun with."""
    if not resume:
        return (None if out is None else ComparisonFolder.create(Path(out), numbered=numbered)), []
    if out is None:
        raise UserError("to resume a comparison, say which: give its folder as --out")
    folder = ComparisonFolder.existing(Path(out))
    before = folder.read_record()
    _check_same(before, record, folder.path)
    return folder, before["seeds"]


def _with_finished(known: Sequence[int], chosen: Sequence[int], finished: Sequence[Trial]) -> list[int]:
    """The seeds that were asked for now, and of the earlier ones those that have a finished trial: none is lost."""
    kept = [seed for seed in known if seed not in chosen and any(trial.seed == seed for trial in finished)]
    if kept:
        logger.warning("seeds of which trials are finished stay in the comparison: %s", ", ".join(map(str, kept)))
    return [seed for seed in known if seed in chosen or seed in kept]


def _check_same(before: Mapping[str, Any], now: Mapping[str, Any], path: Path) -> None:
    """See that a comparison goes on as it began.

    Raises:
        RunFolderError: with what differs.
    """
    differing = [name for name in FIXED if without_versions(before.get(name)) != without_versions(now[name])]
    if (before.get("platform") or {}).get("float64", now["platform"]["float64"]) != now["platform"]["float64"]:
        differing.append("precision of numbers")
    elif "target" not in differing and not _is_same_target(before, now):
        differing.append("target (its region, or its energy at the same points)")
    earlier, methods = before["methods"], now["methods"]
    # One without its package has no record; it gets one when the package is there, and goes on then.
    known = [name for name in methods if earlier.get(name) is not None and methods[name] is not None]
    if set(earlier) != set(methods) or any(
        without_versions(earlier[name]) != without_versions(methods[name]) for name in known
    ):
        differing.append("list of methods")
    plugins, plugins_now = versions_of_plugins(before.get("entries")), versions_of_plugins(now["entries"])
    changed = [name for name, version in plugins_now.items() if plugins.get(name, version) != version]
    if changed and not differing:
        differing.append(f"version, or content of the file, of {', '.join(changed)}")
    if differing:
        raise RunFolderError(
            f"the comparison in {path} was begun with another {' and another '.join(differing)}; resume it with the "
            "same command, or give another --out"
        )
    software = changed_surroundings(before)
    if software:
        logger.warning("the comparison in %s was begun with %s; trials from now on may differ in that", path, software)
    unknown = [name for name in known if methods[name]["distribution"] == MADE_IN_PYTHON]
    if unknown:
        logger.warning(
            "the comparison in %s was begun with %s made in Python; see that their parameters are the same",
            path,
            ", ".join(unknown),
        )


def _is_same_target(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """As far as the record of an earlier version tells."""
    printed = before.get("target_print")
    try:
        return printed is None or is_same(printed, now["target_print"])
    except (KeyError, TypeError, ValueError):  # a damaged record tells of no target
        return False


def _each(
    scene: Scene,
    folder: ComparisonFolder | None,
    finished: Sequence[Trial],
    watcher: ComparisonWatcher,
    record: Mapping[str, Any],
) -> Iterator[Trial]:
    """All trials, seed by seed, so that every method has a row early."""
    if folder is not None:
        folder.write_record(record)
    known = {(trial.method, trial.seed): trial for trial in finished}
    places = [(method, seed) for seed in record["seeds"] for method in scene.methods]
    for number, (method, seed) in enumerate(places, start=1):
        watcher.trial_began(method, seed, number, len(places))
        trial = known.get((method, seed)) or run_trial(scene, method, seed)
        if folder is not None and (method, seed) not in known:
            trial = _written(folder, trial)
        yield trial
        watcher.trial_finished(trial)


def _written(folder: ComparisonFolder, trial: Trial) -> Trial:
    """The trial in its folder; if a plugin's figures are no JSON, that is its reason, and the others go on."""
    try:
        folder.write_trial(trial)
    except (TypeError, ValueError) as error:
        trial = Trial(trial.method, trial.seed, {}, failed=f"its figures cannot be written: {told(error)}")
        logger.warning("%s failed on seed %d: %s", trial.method, trial.seed, trial.failed)
        folder.write_trial(trial)
    return trial


def _interrupted(folder: ComparisonFolder, record: Mapping[str, Any], count: int) -> None:
    """Say so, in the folder and to the user."""
    folder.write_record({**record, "status": "interrupted", "finished": _now()})
    logger.warning(
        "%d trials are in %s; the same command with --out %s --resume goes on",
        count,
        folder.path,
        shlex.quote(str(folder.path)),
    )


def _concluded(
    scene: Scene, trials: Sequence[Trial], record: Mapping[str, Any], folder: ComparisonFolder | None
) -> Comparison:
    """The comparison, with its results and reports written."""
    finished = {**record, "status": "finished", "finished": _now()}
    path = None if folder is None else folder.path
    comparison = Comparison(scene.plan.target.value, scene.plan.target.record.name, trials, finished, path)
    if folder is not None:
        folder.write_results(comparison)
        for spec in scene.plan.settings.compare.reports:
            _report(scene.catalogue, spec, comparison, folder.path)
        folder.write_record(finished)
    return comparison


def _report(catalogue: Catalogue, spec: Any, comparison: Comparison, folder: Path) -> None:
    """Let a report write about a comparison; one that fails costs a line and not the comparison."""
    try:
        problem = paths_problem(catalogue.build("report", spec).value.write_comparison(comparison, folder), folder)
        if problem is not None:
            raise TypeError(f"`write_comparison` {problem}")
    except Exception as error:
        logger.warning("report %s failed: %s", spec, told(error))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class _NobodyWatches:
    def trial_began(self, method: str, seed: int, number: int, total: int) -> None:
        """Ignored."""

    def trial_finished(self, trial: Trial) -> None:
        """Ignored."""
