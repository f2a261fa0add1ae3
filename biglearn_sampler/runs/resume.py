"""A run that was interrupted goes on from its last checkpoint, as if there had been no pause."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from numbers import Real
from pathlib import Path
from typing import Any

from biglearn_sampler.bridges import build_target
from biglearn_sampler.catalogue import MADE_IN_PYTHON, Built, Catalogue, spec_of, versions_of_plugins
from biglearn_sampler.comparison.coverage_curve import evaluations_of
from biglearn_sampler.devices import ALONE, AbstractTeam
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.engine import EngineState
from biglearn_sampler.errors import RunFolderError, UserError
from biglearn_sampler.runs.checkpoint import Checkpoint, Origin, checkpoints_of
from biglearn_sampler.runs.folder import RunFolder
from biglearn_sampler.runs.folder_lock import only_here
from biglearn_sampler.runs.load import load, rebuilt_target
from biglearn_sampler.runs.plan import Plan, make_plan
from biglearn_sampler.runs.read_settings import read_settings
from biglearn_sampler.runs.record import changed_surroundings, entries_now, surroundings_record
from biglearn_sampler.runs.run import Run
from biglearn_sampler.runs.target_print import check_print, is_of
from biglearn_sampler.runs.train import Beginning, carry_out
from biglearn_sampler.runs.trainers import trainer_of
from biglearn_sampler.runs.trust import check_trusted
from biglearn_sampler.runs.watcher import Nobody, Watcher
from biglearn_sampler.seeds import checked_seed

logger = logging.getLogger(__name__)


def resume(
    folder: str | Path,
    *,
    target: AbstractTarget | str | None = None,
    budget: int | None = None,
    minutes: float | None = None,
    catalogue: Catalogue | None = None,
    watcher: Watcher | None = None,
    trusted: bool = False,
    devices: int | None = None,
    team: AbstractTeam = ALONE,
) -> Run:
    """Go on with a run that was interrupted, or that its budget stopped, and measure it.

    The result is that of a run without a pause, bit for bit with the same versions on the same machine. Settings and
    seed are those of the run. A run that has finished is loaded, and that it has is said.

    Arguments:
        folder: as `train` wrote it.
        target: the target, or its name, for runs on a function of your own; others are built again from the record.
        budget: evaluations of the energy and its gradient at most, from the beginning on, and no fewer than the newest
            checkpoint has spent; that of the run by default.
        minutes: of training, likewise.
        catalogue: of plugins; a fresh one by default.
        watcher: is told how the run goes.
        trusted: as of `load`.
        devices: on which it goes on, of each process; as many as before by default.
        team: the processes that take part in it from here on; this one leads.

    Raises:
        RunFolderError: the folder holds no run, another process trains into it, its target cannot be built again or is
            another one, or no checkpoint can be used.
        UserError: something that was asked for cannot be had.
        RunFailed: the run could not go on.

    Example:
        >>> import biglearn_sampler as bl
        >>> run = bl.resume("runs/funnel-001", budget=1_000_000)  # doctest: +SKIP
    """
    opened = RunFolder.existing(Path(folder))
    for name, given in (("budget", budget), ("minutes", minutes)):
        if given is not None and not (isinstance(given, Real) and given > 0):
            raise UserError(f"{name}: expected a number above zero, got {given!r}")
    catalogue = catalogue or Catalogue()
    with only_here(opened.path):
        record = opened.read_record()
        if target is None:
            check_trusted(record["target"], opened.path, trusted)
            if record["target"].get("distribution") == MADE_IN_PYTHON:
                rebuilt_target(record["target"], catalogue, opened.path, "resume")  # tells what to do
        finished = _why_finished(opened, record, budget, minutes)
        if finished is not None:
            logger.warning("the run in %s is finished: %s", opened.path, finished)
            return load(opened.path, target=target, catalogue=catalogue, trusted=trusted)
        given = {"budget.evaluations": budget, "budget.minutes": minutes, "devices.count": devices}
        plan = planned(opened, record, target, given, catalogue, team)
        trainer = trainer_of(plan)
        checkpoint = _usable(opened, record, Origin.of(plan, trainer.look.log_densities))
        if checkpoint is None:
            check_print(record, partial(is_of, target=plan.target.value), opened.path)
        elif budget is not None:
            _check_reaches(budget, opened, checkpoint)
        _check_plugins(record, plan, opened.path, goes_on=checkpoint is not None)
        _tell_surroundings(record, opened.path)
        beginning = Beginning(opened, _continued(record, plan, anew=checkpoint is None), checkpoint)
        return carry_out(plan, trainer, catalogue, watcher or Nobody(), beginning)


def _why_finished(
    opened: RunFolder, record: Mapping[str, Any], budget: int | None, minutes: float | None
) -> str | None:
    """What there is to say of a run that is over; `None` where there is something left to do."""
    if record.get("status") != "finished":
        return None
    figures = opened.read_json("metrics.json")
    how = figures.get("training_ended")
    if how is None:  # its figures were deleted; what is left of the run is measured again
        return None
    if how != "stopped":
        return f"its training ended by itself ({how}), and nothing is left to do"
    before = {name: limit for name, limit in record["settings"].get("budget", {}).items() if limit is not None}
    given = {"evaluations": budget, "minutes": minutes}
    spent = [name for name in figures.get("stopped_by") or before if not (given.get(name) or 0) > before.get(name, 0)]
    if spent:
        more = ", ".join(f"--{'budget EVALS' if name == 'evaluations' else 'minutes M'}" for name in spent)
        return f"its budget of {' and '.join(spent)} was spent; it goes on with more of it ({more})"
    return None


def planned(
    opened: RunFolder,
    record: Mapping[str, Any],
    target: AbstractTarget | str | None,
    given: Mapping[str, float | None],
    catalogue: Catalogue,
    team: AbstractTeam,
) -> Plan:
    """The plan of a record, with another budget or other devices where they are given."""
    built: Built[AbstractTarget] | Any = target
    if target is None:
        built = rebuilt_target(record["target"], catalogue, opened.path, "resume")
    elif isinstance(target, str):
        built = build_target(target, catalogue)
    changed = {name: value for name, value in given.items() if value is not None}
    # Where data lie is a parameter of the target already.
    settings = {name: value for name, value in record["settings"].items() if name != "data"}
    read = read_settings(settings, changed, catalogue)
    try:
        seed, baselines = checked_seed(record.get("seed")), _baselines(record)
    except (KeyError, TypeError, AttributeError, UserError) as error:
        raise opened.files.damaged("run.json", f"expected the record of a run ({error})") from error
    return make_plan(built, read, baselines, seed, catalogue, {}, team)


def _baselines(record: Mapping[str, Any]) -> list[Any]:
    """What the baselines of a record are built from."""
    specs = []
    for name, recorded in record.get("baselines", {}).items():
        if recorded["distribution"] == MADE_IN_PYTHON:
            logger.warning("the baseline %s was made in Python and is left out", name)
        else:
            specs.append(spec_of(recorded))
    return specs


def _usable(opened: RunFolder, record: Mapping[str, Any], origin: Origin) -> Checkpoint | None:
    """The newest checkpoint that can be used; `None` where the run had not come as far as writing one.

    Raises:
        RunFolderError: there are checkpoints and none can be used, or they are of another run.
    """
    files = checkpoints_of(opened)
    checkpoint, refused = files.newest()
    for reason in refused:
        logger.warning("%s", reason)
    if checkpoint is None:
        if refused:
            raise RunFolderError(
                f"no checkpoint in {files.folder} can be used: {refused[-1]}. Train anew, with another --out"
            )
        if record.get("status") == "finished":
            _tell_gone(record, opened)
        else:
            logger.warning("the run in %s had written no checkpoint, and begins anew", opened.path)
        return None
    difference = checkpoint.origin.difference(origin)
    if difference is not None:
        raise RunFolderError(
            f"the run in {opened.path} cannot go on: its checkpoint was made with another {difference}. Give what it "
            "was begun with, or train anew, with another --out"
        )
    return checkpoint


def _check_reaches(budget: int, opened: RunFolder, checkpoint: Checkpoint) -> None:
    """See that a budget reaches as far as the training has come: it cannot go on from less.

    Raises:
        UserError: it does not.
    """
    spent = _spent(opened, checkpoint)
    if budget < spent:
        raise UserError(
            f"budget: {budget:,} is too small; the training has spent {spent:,} evaluations by its newest checkpoint. "
            "Expected a budget above that, or none, which goes on with that of the run"
        )


def _spent(opened: RunFolder, checkpoint: Checkpoint) -> int:
    """Evaluations that a training had made by a checkpoint; of a scheduled one its history has them."""
    if isinstance(checkpoint.training, EngineState):
        return sum(evaluations.total for evaluations in checkpoint.training.books.spent.values())
    rows = opened.read_history()[: checkpoint.recorded.rows]
    return evaluations_of(rows[-1]) if rows else 0


def _tell_gone(record: Mapping[str, Any], opened: RunFolder) -> None:
    """Say of a run that was finished that it has to be trained again: it has no checkpoint.

    Raises:
        RunFolderError: it would be another run.
    """
    gone = "its figures are gone, and its checkpoints were removed when it had finished"
    if opened.files.has("metrics.json"):
        gone = "it was saved without a checkpoint"
    changed = changed_surroundings(record)
    if changed:
        raise RunFolderError(
            f"the run in {opened.path} was begun with {changed}, and cannot be trained again as it was: {gone}. "
            "`biglearn evaluate` measures its sampler"
        )
    logger.warning("the run in %s is trained again from the beginning: %s", opened.path, gone)


def _check_plugins(record: Mapping[str, Any], plan: Plan, path: Path, *, goes_on: bool) -> None:
    """See that the plugins on which a training depends are those with which it began.

    Those that only measure, draw or stand beside may be others, and that is said. The target is known by its energy.

    Raises:
        RunFolderError: the training goes on from a checkpoint, and they are not.
    """
    changed = _changed_plugins(record, (plan.scheduler, *plan.exploration))
    if changed and goes_on:
        raise RunFolderError(
            f"the run in {path} cannot go on: since it was begun these plugins have changed: {', '.join(changed)}. "
            "Bring their versions of then back, or train anew, with another --out"
        )
    changed += _changed_plugins(record, (*plan.metrics, *plan.reports, *plan.baselines.values()))
    if changed:
        logger.warning("since the run in %s was begun these plugins have changed: %s", path, ", ".join(changed))


def _changed_plugins(record: Mapping[str, Any], built: Sequence[Built[Any]]) -> list[str]:
    before = versions_of_plugins(record.get("entries", []))
    now = versions_of_plugins([each.record.to_json() for each in built])
    return [name for name, version in now.items() if before.get(name, version) != version]


def _tell_surroundings(record: Mapping[str, Any], path: Path) -> None:
    """Say where software or device have changed: they may round differently."""
    changed = changed_surroundings(record)
    if changed:
        logger.warning("the run in %s was begun with %s: it may not go on bit for bit", path, changed)


def _continued(record: Mapping[str, Any], plan: Plan, *, anew: bool) -> dict[str, Any]:
    """The record of a run that goes on; of one that begins anew nothing was computed with what there was before."""
    kept = {name: value for name, value in record.items() if name not in ("finished", "reason")}
    changed = plan.settings.model_dump(mode="json", include={"budget", "devices"})
    now = surroundings_record()
    surroundings = {name: now[name] for name in ("versions", "platform")}
    others = {name: value for name, value in surroundings.items() if value != record.get(name)}
    return {
        **kept,
        **({"target": plan.target.record.to_json(), **surroundings} if anew else {}),
        "status": "running",
        "settings": {**record["settings"], **changed},
        "entries": entries_now(record.get("entries", []), plan),
        "resumed": [*record.get("resumed", []), {"started": now["started"], **({} if anew else others)}],
    }
