"""The main job: train a sampler on a target, measure it, and leave a record that can be traced."""

from __future__ import annotations

import logging
import shlex
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from biglearn_sampler.catalogue import Catalogue
from biglearn_sampler.catalogue.problems import told
from biglearn_sampler.compilation import collected_less, make_room
from biglearn_sampler.devices import ALONE, AbstractTeam
from biglearn_sampler.energy import Evaluations
from biglearn_sampler.errors import BiglearnError, Diverged, RunFailed, raised_on_host
from biglearn_sampler.evaluation import BaselineResult, Draws
from biglearn_sampler.evaluation.drawing import defended_draws_of
from biglearn_sampler.precision import full_precision
from biglearn_sampler.runs.checkpoint import Checkpoint, Origin, SavedTraining, checkpoints_of
from biglearn_sampler.runs.checkpointer import Checkpointer
from biglearn_sampler.runs.evaluate import baseline_figures, figures_of
from biglearn_sampler.runs.folder import RunFolder
from biglearn_sampler.runs.folder_lock import only_here
from biglearn_sampler.runs.method_specs import method_specs
from biglearn_sampler.runs.missing_mass import in_view_of_what_is_missing
from biglearn_sampler.runs.optimizer import advised
from biglearn_sampler.runs.plan import Plan, make_plan
from biglearn_sampler.runs.progress_figures import costs_of
from biglearn_sampler.runs.read_settings import ReadSettings, read_settings
from biglearn_sampler.runs.record import run_record
from biglearn_sampler.runs.recorder import ActiveRun, Recorder
from biglearn_sampler.runs.report import paths_problem
from biglearn_sampler.runs.run import Run
from biglearn_sampler.runs.shorthands import with_shorthands
from biglearn_sampler.runs.trainers import AbstractTrainer, trainer_of
from biglearn_sampler.runs.trust import needs_trust
from biglearn_sampler.runs.verdict import in_view_of_its_end, verdict_of
from biglearn_sampler.runs.watcher import Nobody, Watcher
from biglearn_sampler.seeds import checked_seed

logger = logging.getLogger(__name__)


def train(
    target: Any,
    *,
    seed: int = 0,
    budget: int | None = None,
    minutes: float | None = None,
    components: int | None = None,
    settings: str | Path | Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
    baselines: Sequence[Any] = (),
    out: str | Path | None = None,
    numbered: bool = False,
    catalogue: Catalogue | None = None,
    watcher: Watcher | None = None,
    team: AbstractTeam = ALONE,
) -> Run:
    """Train a Gaussian-mixture sampler on a target, and measure it.

    Arguments:
        target: a target, or the name of one in the catalogue, or a table with a name and parameters; or a NumPyro
            model in a file, as `"path/to/file.py:model"`.
        seed: the same seed gives the same run, bit for bit on one machine.
        budget: evaluations of the energy at most, short for the setting `budget.evaluations`.
        minutes: of training at most, short for `budget.minutes`.
        components: of the mixture, at most where the training is adaptive; short for the setting `components`.
        settings: the name of a preset, a TOML file, or a mapping with dotted keys such as `{"start.sd": 0.1}`.
        overrides: further dotted keys, which win.
        parameters: of the target, when it is named.
        baselines: names of baselines to run beside it, such as `"nuts"` or `"nuts(chains=8)"`.
        out: a folder to write the run into; nothing is written without one.
        numbered: whether `out` is only the beginning of a name, as in `out-001`, the next one that is free.
        catalogue: of plugins; a fresh one by default.
        watcher: is told how the run goes.
        team: the processes that take part in the training; this one leads, see `follow`.

    Raises:
        UserError: something that was asked for cannot be had; told before anything is written or trained.
        RunFailed: the run started and could not go on.

    Example:
        >>> import biglearn_sampler as bl
        >>> run = bl.train("two_modes", seed=0, settings={"training.steps": 200})
        >>> run.metrics["modes_total"]
        2
    """
    catalogue = catalogue or Catalogue()
    shorthands = {"budget": budget, "minutes": minutes, "components": components}
    read = read_settings(settings, with_shorthands(overrides or {}, settings, shorthands), catalogue)
    plan = make_plan(
        target, read, method_specs(baselines, catalogue), checked_seed(seed), catalogue, parameters or {}, team
    )
    if read.notice:
        logger.warning("%s", read.notice)
    return train_as_planned(plan, read, catalogue, watcher or Nobody(), out, numbered=numbered)


@dataclass(frozen=True)
class Beginning:
    """Where a run begins.

    Arguments:
        folder: of the run, if it has one.
        record: of the run that is about to start or to go on.
        checkpoint: from which it goes on; `None` for the beginning.
    """

    folder: RunFolder | None
    record: dict[str, Any]
    checkpoint: Checkpoint | None = None


def train_as_planned(
    plan: Plan,
    read: ReadSettings,
    catalogue: Catalogue,
    watcher: Watcher,
    out: str | Path | None = None,
    *,
    numbered: bool = False,
) -> Run:
    """Train and measure; see `train`."""
    trainer = trainer_of(plan)
    record = run_record(plan, trainer, read)
    folder = _new_folder(out, numbered)
    with nullcontext() if folder is None else only_here(folder.path):
        return carry_out(plan, trainer, catalogue, watcher, Beginning(folder, record))


@collected_less()
@full_precision()
def carry_out(
    plan: Plan, trainer: AbstractTrainer, catalogue: Catalogue, watcher: Watcher, beginning: Beginning
) -> Run:
    """Train and measure, from the beginning or from a checkpoint on, and leave a record whatever happens."""
    folder, record = beginning.folder, beginning.record
    make_room()
    try:
        run = _execute(plan, trainer, catalogue, watcher, beginning)
    except KeyboardInterrupt:
        _close(folder, record, "interrupted", None)
        raise
    except Exception as error:
        reason = told(error) if raised_on_host(error) else str(error) or told(error)
        _close(folder, record, "failed", reason, goes_on=not isinstance(error, Diverged))
        if isinstance(error, BiglearnError):
            raise
        cause = None if raised_on_host(error) else error  # a user's function: the text has all that helps
        raise RunFailed(f"the run failed: {told(error)}") from cause
    catalogue.notify("biglearn_run_finished", run=run)
    return run


def _new_folder(out: str | Path | None, numbered: bool) -> RunFolder | None:
    if out is None:
        return None
    return RunFolder.create_numbered(Path(out)) if numbered else RunFolder.create(Path(out))


def _execute(plan: Plan, trainer: AbstractTrainer, catalogue: Catalogue, watcher: Watcher, beginning: Beginning) -> Run:
    folder, record = beginning.folder, beginning.record
    if folder is not None:
        folder.write_json("run.json", record)
    active = ActiveRun(plan.target.record.name, record, folder.path if folder else None)
    catalogue.notify("biglearn_run_started", run=active)
    watcher.training_began(trainer.steps)
    recorder = Recorder(plan, active, catalogue, watcher, folder, trainer)
    metrics = _trained_and_judged(plan, trainer, recorder, beginning, watcher)
    plan.devices.team.dismiss()
    if folder is not None:
        # Already now: a baseline may take long and may be interrupted.
        folder.write_json("metrics.json", metrics)
    results = _run_baselines(plan, watcher, metrics)
    finished = {**record, "status": "finished", "finished": _now()}
    run = Run(
        target=plan.target.value,
        name=plan.target.record.name,
        sampler=recorder.sampler,
        metrics=metrics,
        history=recorder.history,
        snapshots=recorder.snapshots(),
        record=finished,
        baselines=results,
        folder=folder.path if folder else None,
    )
    if folder is not None:
        folder.write_json("metrics.json", metrics)
        watcher.phase_began("drawing")
        _write_reports(plan, run, folder)
        folder.write_json("run.json", finished)
        if metrics["training_ended"] != "stopped":
            checkpoints_of(folder).remove()
    return run


def _trained_and_judged(
    plan: Plan, trainer: AbstractTrainer, recorder: Recorder, beginning: Beginning, watcher: Watcher
) -> dict[str, Any]:
    """Train, measure and judge; where the verdict finds modes that are missing, the training goes on with them.

    Each verdict is made afresh. What earlier ones asked, and the draws that they saw, counts for the training then.
    """
    checkpointer = _checkpointer(plan, trainer, recorder, beginning)
    ended = _trained(trainer, recorder, beginning.folder, checkpointer, _saved(recorder, beginning))
    while True:
        look = len(recorder.verdicts)
        watcher.phase_began("measuring")
        draws, metrics = _metrics(plan, recorder, ended, trainer.probe_evaluations, _fresh(plan.keys.evaluation, look))
        watcher.phase_began("looking for what was missed")
        began = time.monotonic()
        verdict = verdict_of(plan, recorder.sampler, trainer.stepper, draws, _fresh(plan.keys.verdict, look))
        seconds = round(time.monotonic() - began, 3)
        verdict = in_view_of_its_end(verdict, ended, plan.settings.components)
        asked = verdict.asked.plus(Evaluations(energy=draws.evaluated))
        onward = trainer.onward(verdict.found, asked) if verdict.found else None
        if onward is None:
            judged = {"verdict": verdict.to_json(), "earlier_verdicts": recorder.verdicts, "seconds_verdict": seconds}
            figures = in_view_of_what_is_missing(metrics, verdict.missing_mass)
            return {**figures, **(trainer.limited() if verdict.found else {}), **judged}
        recorder.verdicts.append(verdict.to_json())
        watcher.phase_began("going on with what was missed")
        ended = _trained(trainer, recorder, beginning.folder, checkpointer, onward)


def _fresh(key: Key[Array, ""], look: int) -> Key[Array, ""]:
    """A key for every look."""
    return jax.random.fold_in(key, look) if look else key


def _checkpointer(
    plan: Plan, trainer: AbstractTrainer, recorder: Recorder, beginning: Beginning
) -> Checkpointer | None:
    if beginning.folder is None:
        return None
    origin = Origin.of(plan, trainer.look.log_densities)
    return Checkpointer(beginning.folder, plan.settings.checkpoint, origin, recorder)


def _saved(recorder: Recorder, beginning: Beginning) -> SavedTraining | None:
    """Where the training stood when it was cut short, with the record of it."""
    folder, checkpoint = beginning.folder, beginning.checkpoint
    if folder is None:
        return None
    if checkpoint is not None:
        recorder.go_on(checkpoint.recorded, folder.keep_history(checkpoint.recorded.rows))
        return checkpoint.training
    if folder.files.has("history.jsonl"):
        folder.keep_history(0)  # of a run that was killed before its first checkpoint
    return None


def _trained(
    trainer: AbstractTrainer,
    recorder: Recorder,
    folder: RunFolder | None,
    checkpointer: Checkpointer | None,
    saved: SavedTraining | None,
) -> dict[str, Any]:
    """Train, with checkpoints where there is a folder for them; gives what the trainer has to say."""
    if folder is None or checkpointer is None:
        return trainer.train(recorder, saved=saved)
    try:
        ended = trainer.train(recorder, checkpointer, saved)
    except Diverged:
        _write_sampler(folder, recorder)
        raise
    except BaseException:
        checkpointer.write_last()
        # The sampler as far as it came is worth having.
        if recorder.progress is not None:
            _write_sampler(folder, recorder)
        raise
    checkpointer.write_last()
    _write_sampler(folder, recorder)
    return ended


def _write_sampler(folder: RunFolder, recorder: Recorder) -> None:
    folder.write_mixture(recorder.sampler)
    folder.write_snapshots(recorder.snapshots())


def _metrics(
    plan: Plan, recorder: Recorder, ended: Mapping[str, Any], probed: int, key: Key[Array, ""]
) -> tuple[Draws, dict[str, Any]]:
    """Fresh draws of the sampler, and the content of `metrics.json` without baselines."""
    progress = recorder.progress
    assert progress is not None  # a training has at least one step
    if not all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(recorder.sampler)):
        raise RunFailed("the sampler is not finite; try a smaller optimizer.learning_rate")
    key_draws, key_metrics = jax.random.split(key)
    try:
        draws = defended_draws_of(recorder.sampler, plan.target.value, plan.settings.evaluation.draws, key_draws)
    except Diverged as error:
        raise Diverged(advised(str(error), plan.settings)) from error
    return draws, {
        **figures_of(draws, plan.target.value, plan.metrics, key_metrics),
        **costs_of(progress),
        **ended,
        # Asked of the energy outside the training: the look at the door, and the draws behind these figures.
        "probe_evaluations": probed,
        "evaluation_draws": draws.evaluated,
        "baselines": {},
    }


def _run_baselines(plan: Plan, watcher: Watcher, metrics: dict[str, Any]) -> dict[str, BaselineResult]:
    """Run every baseline, isolated from one another, and put their figures beside those of the sampler."""
    results = {}
    for name, baseline in plan.baselines.items():
        watcher.phase_began(f"baseline {name}")
        key_run, key_metrics = jax.random.split(plan.key_of_baseline(baseline))
        try:
            result = baseline.value.run(plan.target.value, plan.start, key_run)
            metrics["baselines"][name] = baseline_figures(result, plan.target.value, plan.metrics, key_metrics)
        except Exception as error:
            logger.warning("baseline %s failed: %s", name, told(error))
            metrics["baselines"][name] = {"failed": told(error)}
            continue
        results[name] = result
    return results


def _write_reports(plan: Plan, run: Run, folder: RunFolder) -> None:
    """Draw what the settings ask for; a report that fails costs a line and not the run."""
    for report in plan.reports:
        try:
            problem = paths_problem(report.value.write(run, folder.figures), folder.figures)
            if problem is not None:
                raise TypeError(f"`write` {problem}")
        except Exception as error:
            logger.warning("report %s failed: %s", report.record.name, told(error))


def _close(
    folder: RunFolder | None, record: Mapping[str, Any], status: str, reason: str | None, *, goes_on: bool = True
) -> None:
    """Say how the run ended, in `run.json` too if the disk still takes it, and whether it can go on."""
    if folder is None:
        return
    logger.warning("the run is %s; as far as it came it is in %s", status, folder.path)
    if goes_on and checkpoints_of(folder).names():
        trust = " --trust" if needs_trust(record["target"]) else ""
        logger.warning("`biglearn train --resume %s%s` goes on with the run", shlex.quote(str(folder.path)), trust)
    try:
        folder.write_json("run.json", {**record, "status": status, "finished": _now(), "reason": reason})
    except RunFailed as error:
        logger.warning("%s", error)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
