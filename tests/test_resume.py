"""Runs that were interrupted go on as if there had been no pause, bit for bit; and what is told where they cannot."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import biglearn_sampler as bl
from biglearn_sampler.energy import Evaluations, MixtureTarget
from biglearn_sampler.engine.archive import Mode
from biglearn_sampler.errors import RunFailed, RunFolderError, UserError
from biglearn_sampler.mixture import GaussianMixture
from biglearn_sampler.runs.evaluate import evaluate
from biglearn_sampler.runs.folder import RunFolder
from biglearn_sampler.runs.summary import sentences
from biglearn_sampler.runs.watcher import Nobody
from biglearn_sampler.verdict import COVERED, NOT_COVERED, Verdict

TRAIN = import_module("biglearn_sampler.runs.train")
QUICK: dict[str, Any] = {"metrics": ["elbo"], "evaluation.draws": 200, "reports": []}
EVERY_UNIT = {"checkpoint.steps": 1}
ADAPTIVE = {
    **QUICK,
    **EVERY_UNIT,
    "components": 10,
    "budget.evaluations": 80_000,
    "exploration.tasks": ["conditional"],  # others take time to compile
}
SCHEDULED = {
    **QUICK,
    **EVERY_UNIT,
    "components": 4,
    "training": {"steps": 40, "chunk": 5},
    "reservoir": {"capacity": 64, "refill": 16, "resampled": 16},
    "optimizer": {"name": "adam", "learning_rate": 0.05},
    "scheduler": {"name": "bandit", "tasks": ["joint", "noised"]},
}
VOLATILE = {"seconds", "seconds_run", "seconds_compile", "seconds_verdict"}


def bent(x: jax.Array) -> jax.Array:
    """No small mixture, so that all phases of an adaptive training come."""
    return -0.5 * x[0] ** 2 - 8.0 * (x[1] - x[0] ** 2) ** 2


RIDGE = bl.target(bent, dim=2, scale=2.0)


@pytest.fixture(autouse=True)
def no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes longer than the rest, and comes after all that is tested here."""
    monkeypatch.setattr(TRAIN, "verdict_of", lambda *_: Verdict.bare(COVERED, "By hand."))


class Impatient(Nobody):
    """A watcher as the user who presses Ctrl-C, or as something that breaks, after so many chunks."""

    def __init__(self, chunks: int, error: BaseException) -> None:
        self.left, self.error = chunks, error

    def chunk_finished(self, row: Any) -> None:
        self.left -= 1
        if not self.left:
            raise self.error


class Early(Nobody):
    """One who gives up before the training has begun."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def training_began(self, steps: int | None) -> None:
        raise self.error


def interrupted(folder: Path, settings: Any, chunks: int, target: Any = RIDGE, seed: int = 0) -> None:
    with pytest.raises(KeyboardInterrupt):
        bl.train(target, seed=seed, settings=settings, out=folder, watcher=Impatient(chunks, KeyboardInterrupt()))


def left_behind(folder: Path) -> dict[str, Any]:
    """All that a run leaves, without what the clock says."""
    files = RunFolder.existing(folder)
    rows = [{name: value for name, value in row.items() if name not in VOLATILE} for row in files.read_history()]
    metrics = {name: value for name, value in files.read_json("metrics.json").items() if name not in VOLATILE}
    arrays = {name: (folder / name).read_bytes() for name in ("sampler.npz", "snapshots.npz")}
    return {"rows": rows, "metrics": metrics, **arrays}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What runs without a pause leave behind."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TRAIN, "verdict_of", lambda *_: Verdict.bare(COVERED, "By hand."))
        left = {}
        for name, settings in {"adaptive": ADAPTIVE, "scheduled": SCHEDULED}.items():
            folder = tmp_path_factory.mktemp("whole") / name
            bl.train(RIDGE, settings=settings, out=folder)
            left[name] = left_behind(folder)
        yield left


# the same bits


@pytest.mark.parametrize("chunks", [1, 6])
def test_a_scheduled_run_goes_on_bit_for_bit(chunks: int, whole: dict[str, Any], tmp_path: Path) -> None:
    """Optimiser, reservoir, the memory of the scheduler, history, snapshots and accounts included."""
    folder = tmp_path / "run"
    interrupted(folder, SCHEDULED, chunks)
    assert len(list((folder / "checkpoints").iterdir())) <= 2
    run = bl.resume(folder, target=RIDGE)
    assert left_behind(folder) == whole["scheduled"]
    assert run.record["status"] == "finished" and len(run.record["resumed"]) == 1
    assert run.metrics["seconds_run"] > 0
    assert not (folder / "checkpoints").exists()  # nothing is left to go on with


def test_an_adaptive_run_goes_on_bit_for_bit_wherever_it_was_interrupted(whole: dict[str, Any], tmp_path: Path) -> None:
    """In every phase, several times in one run: in the search, while it settles, and in the refinement."""
    folder = tmp_path / "run"
    phases = [row["phase"] for row in whole["adaptive"]["rows"]]
    assert {"search", "settle", "refine", "polish"} == set(phases)
    moves = [move for row in whole["adaptive"]["rows"] for move in row["moves"]]
    assert {move["move"] for move in moves} >= {"found", "split", "copied", "fresh", "moved", "restored"}
    first = phases.index("settle")
    interrupted(folder, ADAPTIVE, first)
    for chunks in (2, phases.index("refine") - first + 3):
        with pytest.raises(KeyboardInterrupt):
            bl.resume(folder, target=RIDGE, watcher=Impatient(chunks, KeyboardInterrupt()))
    run = bl.resume(folder, target=RIDGE)
    assert left_behind(folder) == whole["adaptive"]
    assert len(run.record["resumed"]) == 3


@pytest.mark.slow
def test_a_run_goes_on_with_what_its_verdict_finds_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Uninterrupted, and interrupted after the verdict; what the verdict asked counts for the training then."""
    needle, width, asked = np.full(2, 3.0), 1.5e-3, Evaluations(energy=1000)
    looks: list[bytes] = []

    def finds_the_needle(plan: Any, sampler: Any, stepper: Any, draws: Any, key: Any) -> Verdict:
        looks.append(np.asarray(jax.random.key_data(key)).tobytes())
        if float(sampler.log_density(jnp.asarray(2.0 * needle))) > 0.0:
            return Verdict.bare(COVERED, "By hand.")
        none = (np.zeros((0, 2)), np.zeros(0))
        mode = Mode(needle, width * np.eye(2), float(np.log(0.5)), *none)
        return Verdict(NOT_COVERED, "By hand.", 0.5, None, [], {"new_modes": 1}, asked, (mode,))

    law = GaussianMixture.of(np.array([[0.0, 0.0], [6.0, 6.0]]), np.array([np.eye(2), 9e-6 * np.eye(2)]), [0.5, 0.5])
    target, settings = MixtureTarget.of(law, scale=2.0), {**QUICK, "metrics": ["elbo", "mode_coverage"]}
    monkeypatch.setattr(TRAIN, "verdict_of", finds_the_needle)
    run = bl.train(target, settings=settings, out=tmp_path / "whole")
    assert run.metrics["modes_covered"] == 2 and run.metrics["verdict"]["verdict"] == COVERED
    (earlier,) = run.metrics["earlier_verdicts"]
    assert earlier["verdict"] == NOT_COVERED and earlier["evaluations"] == 1000
    assert run.metrics["evaluations_by_purpose"]["missed"] == 1000 + 200  # the draws behind the first figures too
    assert any("The training went on with what it had found" in sentence for sentence in sentences(run.metrics))
    assert len(set(looks)) == 2  # every look is made afresh

    chunks = sum("missed" in row["evaluations_by_purpose"] for row in run.history)
    folder = tmp_path / "paused"
    interrupted(folder, settings, len(run.history) - chunks + 2, target)
    bl.resume(folder, target=target)
    assert left_behind(folder) == left_behind(tmp_path / "whole")

    # A budget that has no room for what the verdict asked stops a training that had settled.
    enough = run.metrics["energy_evaluations"] + run.metrics["gradient_evaluations"]
    spent = sum(run.history[-chunks - 1]["evaluations_by_purpose"].values())
    poor = {**settings, "budget.evaluations": spent + 600}
    stopped = bl.train(target, settings=poor, out=tmp_path / "poor")
    assert stopped.metrics["modes_covered"] == 1
    assert (stopped.metrics["training_ended"], stopped.metrics["stopped_by"]) == ("stopped", ["evaluations"])
    bl.resume(tmp_path / "poor", target=target, budget=2 * enough)
    assert left_behind(tmp_path / "poor") == left_behind(tmp_path / "whole")


@pytest.mark.slow
def test_a_refined_run_goes_on_with_what_its_verdict_finds_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted while it is refined anew."""
    none = (np.zeros((0, 2)), np.zeros(0))
    mode = Mode(np.array([1.0, 4.0]), 0.1 * np.eye(2), 0.0, *none)
    told = Verdict(NOT_COVERED, "By hand.", 0.5, None, [], {"new_modes": 1}, Evaluations(energy=1000), (mode,))
    looks: dict[str, int] = {}

    def finds_once(plan: Any, *_: Any) -> Verdict:
        looks[now] = looks.get(now, 0) + 1
        return told if looks[now] == 1 else Verdict.bare(COVERED, "By hand.")

    settings = {name: value for name, value in ADAPTIVE.items() if name != "budget.evaluations"}
    monkeypatch.setattr(TRAIN, "verdict_of", finds_once)
    now = "whole"
    run = bl.train(RIDGE, settings=settings, out=tmp_path / now)
    assert looks[now] == 2 and run.metrics["training_ended"] == "refined"
    assert run.metrics["evaluations_by_purpose"]["missed"] == 1000 + 200

    now, onward = "paused", sum("missed" in row["evaluations_by_purpose"] for row in run.history)
    assert onward > 15
    interrupted(tmp_path / now, settings, len(run.history) - onward + 7)
    bl.resume(tmp_path / now, target=RIDGE)
    assert left_behind(tmp_path / "paused") == left_behind(tmp_path / "whole")


def test_a_stopped_run_goes_on_under_a_larger_budget(whole: dict[str, Any], tmp_path: Path, caplog: Any) -> None:
    """To the bits that it would have had with that budget from the beginning."""
    folder = tmp_path / "run"
    small = {**ADAPTIVE, "budget.evaluations": 12_000}
    stopped = bl.train(RIDGE, settings=small, out=folder)
    assert stopped.metrics["training_ended"] == "stopped"
    before = left_behind(folder)
    for budget in (None, 12_000, 5_000):
        assert bl.resume(folder, target=RIDGE, budget=budget).metrics == stopped.metrics
    assert bl.resume(folder, target=RIDGE, minutes=60.0).metrics == stopped.metrics
    assert "its budget of evaluations was spent; it goes on with more of it (--budget EVALS)" in caplog.text
    assert left_behind(folder) == before
    run = bl.resume(folder, target=RIDGE, budget=80_000)
    assert left_behind(folder) == whole["adaptive"]
    assert run.record["settings"]["budget"]["evaluations"] == 80_000


@pytest.mark.slow
def test_a_run_that_its_time_ended_goes_on_with_more_time_and_loses_nothing(tmp_path: Path, caplog: Any) -> None:
    folder = tmp_path / "run"
    stopped = bl.train(RIDGE, settings=SCHEDULED, minutes=1e-9, out=folder)
    assert stopped.metrics["training_ended"] == "stopped" and len(stopped.history) == 1
    assert bl.resume(folder, target=RIDGE, budget=10**9).metrics == stopped.metrics
    assert "its budget of minutes was spent; it goes on with more of it (--minutes M)" in caplog.text
    # With too little more it stands where it stood.
    assert len(bl.resume(folder, target=RIDGE, minutes=2e-9).history) == 1
    assert bl.resume(folder, target=RIDGE, minutes=60.0).metrics["training_ended"] == "scheduled"


@pytest.mark.slow
def test_a_scheduled_run_goes_no_chunk_beyond_a_smaller_budget(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    interrupted(folder, SCHEDULED, chunks=3)
    run = bl.resume(folder, target=RIDGE, budget=16_600)
    assert run.metrics["training_ended"] == "stopped"
    assert run.metrics["energy_evaluations"] + run.metrics["gradient_evaluations"] <= 16_600
    rows = RunFolder.existing(folder).read_history()
    assert len(rows) == len({row["step"] for row in rows}) == 2  # as they stood in the checkpoint
    assert bl.resume(folder, target=RIDGE, budget=100_000).metrics["training_ended"] == "scheduled"


@pytest.mark.slow
def test_figures_never_stand_beside_another_sampler(tmp_path: Path) -> None:
    """A stopped run that goes on has none until it is measured again; what is refused at the door costs none."""
    folder = tmp_path / "run"
    stopped = bl.train(RIDGE, settings={**ADAPTIVE, "budget.evaluations": 12_000}, out=folder)
    with pytest.raises(RunFolderError, match="another target"):
        bl.resume(folder, target=bl.target(steeper, dim=2, scale=2.0), budget=80_000)
    with pytest.raises(KeyboardInterrupt):
        bl.resume(folder, target=RIDGE, budget=80_000, watcher=Early(KeyboardInterrupt()))
    assert bl.load(folder, target=RIDGE).metrics == stopped.metrics
    with pytest.raises(KeyboardInterrupt):
        bl.resume(folder, target=RIDGE, budget=80_000, watcher=Impatient(2, KeyboardInterrupt()))
    check_too_small_a_budget(folder)
    run = bl.load(folder, target=RIDGE)
    assert not run.metrics
    figures = evaluate(run, bl.Catalogue(), draws=200, seed=0)
    assert figures["elbo"] is not None and not {"verdict", "energy_evaluations"} & set(figures)
    assert not sentences(figures)


def test_ctrl_c_in_the_measuring_tells_how_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    def impatient(*_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(TRAIN, "verdict_of", impatient)
        bl.train(RIDGE, settings=SCHEDULED, out=tmp_path / "my run")
    assert f"`biglearn train --resume '{tmp_path / 'my run'}'` goes on with the run" in caplog.text


@pytest.mark.parametrize("limit", [{"budget": 0}, {"budget": -5}, {"minutes": 0.0}, {"minutes": float("nan")}])
def test_a_budget_of_nothing_is_refused(limit: Any, folder: Path) -> None:
    with pytest.raises(UserError, match="expected a number above zero, got"):
        bl.resume(folder, target=RIDGE, **limit)


def test_a_budget_below_what_was_spent_is_refused(folder: Path) -> None:
    check_too_small_a_budget(folder)


def check_too_small_a_budget(folder: Path) -> None:
    """It would end at once, beyond that budget and without the rows behind the checkpoint; nothing is written."""
    row = RunFolder.existing(folder).read_history()[-2]  # the last one was made in the unit that was cut short
    spent = sum(value for name, value in row.items() if name.endswith("_evaluations"))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    told = f"budget: {spent - 1:,} is too small; the training has spent {spent:,} .* Expected a budget above that, or"
    with pytest.raises(UserError, match=told):
        bl.resume(folder, target=RIDGE, budget=spent - 1)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_budget_that_is_no_number_is_refused(unchecked_types: None, folder: Path) -> None:
    with pytest.raises(UserError, match="budget: expected a number above zero, got '70000'"):
        bl.resume(folder, target=RIDGE, budget="70000")  # pyright: ignore[reportArgumentType]


def test_a_run_without_a_checkpoint_begins_anew(whole: dict[str, Any], tmp_path: Path, caplog: Any) -> None:
    """As after a kill in the first minutes: what it leaves then is what it has always left."""
    folder = tmp_path / "run"
    interrupted(folder, SCHEDULED, 3)
    for path in (folder / "checkpoints").iterdir():
        path.unlink()
    bl.resume(folder, target=RIDGE)
    assert left_behind(folder) == whole["scheduled"]
    assert f"the run in {folder} had written no checkpoint, and begins anew" in caplog.text


def test_a_finished_run_says_so_and_stays_as_it_is(tmp_path: Path, caplog: Any) -> None:
    folder = tmp_path / "run"
    run = bl.train(RIDGE, settings=SCHEDULED, out=folder)
    before = left_behind(folder)
    again = bl.resume(folder, target=RIDGE, budget=10**9)
    assert f"the run in {folder} is finished: its training ended by itself (scheduled), and nothing is" in caplog.text
    assert again.metrics == run.metrics and left_behind(folder) == before
    # Without its figures it is trained again, but not by other versions.
    (folder / "metrics.json").unlink()
    record = (folder / "run.json").read_text()
    (folder / "run.json").write_text(record.replace('"jax": "', '"jax": "0.0.'))
    with pytest.raises(RunFolderError, match=r"was begun with jax 0.0.*cannot be trained again.*`biglearn evaluate`"):
        bl.resume(folder, target=RIDGE)
    (folder / "run.json").write_text(record)
    assert bl.resume(folder, target=RIDGE).metrics["training_ended"] == "scheduled"
    assert left_behind(folder) == before
    assert "is trained again from the beginning: its figures are gone" in caplog.text


# what cannot go on


@pytest.fixture(scope="module")
def paused(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was interrupted and has two checkpoints."""
    folder = tmp_path_factory.mktemp("paused") / "run"
    interrupted(folder, SCHEDULED, 4)
    assert len(list((folder / "checkpoints").iterdir())) == 2
    return folder


@pytest.fixture
def folder(paused: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(paused, tmp_path / "run"))


def test_a_damaged_checkpoint_is_told_and_the_one_before_is_used(
    folder: Path, whole: dict[str, Any], caplog: Any
) -> None:
    newest = sorted((folder / "checkpoints").iterdir())[-1]
    newest.write_bytes(newest.read_bytes()[:-1])
    bl.resume(folder, target=RIDGE)
    assert f"{newest} cannot be used: it was cut off or changed: its checksum is wrong" in caplog.text
    assert left_behind(folder) == whole["scheduled"]


def test_without_a_usable_checkpoint_there_is_one_sentence(folder: Path) -> None:
    for path in (folder / "checkpoints").iterdir():
        path.write_bytes(b"biglearn checkpoint 999\n")
    told = (
        r"no checkpoint in .* can be used: .*000\d+\.checkpoint cannot be used: it is a checkpoint of version 999, and"
    )
    with pytest.raises(RunFolderError, match=told):
        bl.resume(folder, target=RIDGE)


def steeper(x: jax.Array) -> jax.Array:
    return 2.0 * bent(x)


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (bl.target(bent, dim=3, scale=2.0), r"another target \(its dimension, centre or scale\)"),
        (bl.target(bent, dim=2, scale=3.0), r"another target \(its dimension, centre or scale\)"),
        (bl.target(steeper, dim=2, scale=2.0), r"another target \(its energy at the same points\)"),
    ],
    ids=["dimension", "scale", "energy"],
)
def test_another_target_is_refused(target: Any, told: str, folder: Path) -> None:
    with pytest.raises(RunFolderError, match=f"the run in .* cannot go on: its checkpoint was made with {told}"):
        bl.resume(folder, target=target)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seed": 1}, "another target|another seed"),
        ({"settings": {"components": 5}}, "another settings"),
        ({"seed": "x"}, "seed must be a whole number"),
        ({"versions": {"jax": "0.0"}}, None),
    ],
)
def test_a_record_that_was_changed_is_told(change: Any, told: str | None, folder: Path, caplog: Any) -> None:
    record = json.loads((folder / "run.json").read_text())
    changed = {**record, **change}
    if "settings" in change:
        changed["settings"] = {**record["settings"], **change["settings"]}
    (folder / "run.json").write_text(json.dumps(changed))
    if told is None:
        bl.resume(folder, target=RIDGE)
        assert "it may not go on bit for bit" in caplog.text and "jax 0.0 (now " in caplog.text
        return
    with pytest.raises(RunFolderError, match=told):
        bl.resume(folder, target=RIDGE)


def test_a_target_made_in_python_is_asked_for(folder: Path) -> None:
    with pytest.raises(RunFolderError, match=r"was made in Python; give it to resume\(folder, target=...\)$"):
        bl.resume(folder)
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**record, "status": "finished"}))
    with pytest.raises(RunFolderError, match=r"was made in Python; give it to resume\(folder, target=...\)$"):
        bl.resume(folder)


def test_two_processes_never_train_into_one_folder(folder: Path) -> None:
    from biglearn_sampler.runs.folder_lock import only_here

    with only_here(folder), pytest.raises(RunFolderError, match="another process is writing into"):
        bl.resume(folder, target=RIDGE)


# a full disk


def test_a_full_disk_costs_checkpoints_and_not_the_run(
    whole: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    replace = os.replace

    def full(source: Any, target: Any) -> None:
        if str(target).endswith(".checkpoint"):
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    bl.train(RIDGE, settings=SCHEDULED, out=tmp_path / "run")
    assert left_behind(tmp_path / "run") == whole["scheduled"]
    assert "no checkpoint was written: " in caplog.text and "No space left on device" in caplog.text
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.slow
def test_a_run_that_failed_on_a_full_disk_goes_on(whole: dict[str, Any], tmp_path: Path) -> None:
    """A row that was cut off in the middle is made again."""
    folder = tmp_path / "run"
    with pytest.raises(RunFailed):
        full = RunFailed("history.jsonl cannot be written: No space left on device")
        bl.train(RIDGE, settings=SCHEDULED, out=folder, watcher=Impatient(4, full))
    with (folder / "history.jsonl").open("a") as file:
        file.write('{"step": 25, "gradient_eva')
    bl.resume(folder, target=RIDGE)
    assert left_behind(folder) == whole["scheduled"]


# divergence


@pytest.mark.parametrize("rate", [3.0, 1e18])
def test_a_training_that_diverges_ends_with_the_sampler_of_before(rate: float, tmp_path: Path) -> None:
    """Updates that are not finite or explode are left out; where no other come, the training ends with a sentence."""
    broken = {**QUICK, "components": 2, "scheduler": "joint", "training": {"steps": 2000, "chunk": 100}}
    broken["optimizer"] = {"name": "sgd", "learning_rate": rate, "decay": "constant"}
    with pytest.raises(RunFailed, match="the training diverged: .* try a smaller optimizer.learning_rate"):
        bl.train(RIDGE, settings=broken, out=tmp_path / "run")
    run = bl.load(tmp_path / "run", target=RIDGE)
    assert not (tmp_path / "run" / "checkpoints").exists()
    assert run.record["status"] == "failed" and "diverged" in run.record["reason"]
    # Of a region of scale 2; without the limit the first rate led 2,746 away.
    assert farthest(run) < 20.0


def test_a_training_that_goes_astray_ends_with_the_sampler_of_before(tmp_path: Path) -> None:
    """No single update of the natural gradient explodes where the density only grows."""
    growing = bl.target(lambda x: 0.1 * jnp.sum(x**2), dim=2, scale=2.0)
    astray = {**QUICK, "components": 2, "scheduler": "joint", "training": {"steps": 2000, "chunk": 10}}
    with pytest.raises(
        RunFailed, match=r"diverged: after [\d,]+ steps the components grew or went to \de\+\d\d declared"
    ):
        bl.train(growing, settings={**astray, "optimizer.learning_rate": 0.5}, out=tmp_path / "run")
    assert farthest(bl.load(tmp_path / "run", target=growing)) < 2e5


def test_an_optimiser_of_optax_that_leaves_needles_is_named_before_the_energy() -> None:
    needles = {**QUICK, "components": 8, "scheduler": "joint", "training.steps": 200, "optimizer.name": "sgd"}
    told = (
        r"^lower optimizer.learning_rate \(now 0.1\), or use optimizer.name=natural: with 'sgd' the sampler has .* thin"
    )
    with pytest.raises(RunFailed, match=told):
        bl.train("grid25", settings=needles)


def farthest(run: bl.Run) -> float:
    """How far means and axes of a sampler reach."""
    assert isinstance(run.sampler, GaussianMixture)
    return max(float(abs(np.asarray(each)).max()) for each in (run.sampler.means, run.sampler.factors))


# kills


RIDGE_PLUGIN = """
import biglearn_sampler as bl

def ridge():
    return bl.target(lambda x: -0.5 * x[0] ** 2 - 8.0 * (x[1] - x[0] ** 2) ** 2, dim=2, scale=2.0)

@bl.hookimpl
def biglearn_targets():
    return [bl.Entry(name="ridge", build=ridge, summary="for tests")]
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="kills a process")
@pytest.mark.parametrize("rows", [1, 12, 40])
def test_a_run_that_is_killed_goes_on_bit_for_bit(rows: int, tmp_path: Path) -> None:
    """With `kill -9`, once its history has so many rows; `benchmarks/reliability.py` does it at random moments."""
    (tmp_path / "biglearn_plugin.py").write_text(RIDGE_PLUGIN)
    options = ["components=8", "reports=[]", "metrics=['elbo']", "evaluation.draws=200", "checkpoint.minutes=0.001"]
    sets = [text for option in options for text in ("--set", option)]
    program = [sys.executable, "-c", "from biglearn_sampler.cli import main; raise SystemExit(main())"]

    def run(*arguments: str) -> None:
        subprocess.run([*program, "train", *arguments], cwd=tmp_path, check=True, capture_output=True)

    run("ridge", *sets, "--out", "whole")
    process = subprocess.Popen([*program, "train", "ridge", *sets, "--out", "killed"], cwd=tmp_path)
    history = tmp_path / "killed" / "history.jsonl"
    while process.poll() is None and (not history.exists() or history.read_text().count("\n") < rows):
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -9
    run("--resume", "killed")
    assert left_behind(tmp_path / "killed") == left_behind(tmp_path / "whole")
