"""Runs that go on where something has changed since they began: plugins, target, software, machine."""

import json
import logging
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import biglearn_sampler as bl
from biglearn_sampler.catalogue import Catalogue
from biglearn_sampler.errors import RunFolderError
from biglearn_sampler.runs.folder import RunFolder
from biglearn_sampler.runs.watcher import Nobody
from biglearn_sampler.verdict import COVERED, Verdict

SETTINGS = {
    "metrics": ["elbo"],
    "evaluation.draws": 200,
    "reports": [],
    "components": 4,
    "training": {"steps": 20, "chunk": 5},
    "checkpoint.steps": 1,
}

PLUGIN = """
from dataclasses import dataclass
from typing import Annotated

import jax
import jax.numpy as jnp
import biglearn_sampler as bl

PERIOD = 4


@dataclass(frozen=True)
class Turns(bl.AbstractScheduler):
    first: bl.Task
    second: bl.Task

    @property
    def tasks(self):
        return (self.first, self.second)

    def draw(self, key, step, steps):
        task = jnp.where((step + 1) % PERIOD == 0, 1, 0)
        return bl.TaskDraw(task=task, key=jax.random.fold_in(key, step), progress=jnp.asarray(step, float) / steps)


def turns(
    first: Annotated[bl.Task, "at first"] = bl.use("joint"), second: Annotated[bl.Task, "then"] = bl.use("conditional")
) -> bl.AbstractScheduler:
    return Turns(first, second)


class Count(bl.AbstractMetric):
    def compute(self, draws, target, key):
        return {"count": bl.Measured(float(draws.count))}


@bl.hookimpl
def biglearn_schedulers():
    return [bl.Entry(name="turns", build=turns, summary="two tasks in turns")]
"""


@pytest.fixture(autouse=True)
def no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes longer than the rest, and comes after all that is tested here."""
    train = import_module("biglearn_sampler.runs.train")
    monkeypatch.setattr(train, "verdict_of", lambda *_: Verdict.bare(COVERED, "By hand."))


class Impatient(Nobody):
    """A watcher that interrupts the training after two chunks."""

    chunks = 0

    def chunk_finished(self, row: Any) -> None:
        self.chunks += 1
        if self.chunks == 2:
            raise KeyboardInterrupt


def interrupted(folder: Path, target: Any = "two_modes", **options: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        bl.train(target, out=folder, watcher=Impatient(), **{"settings": SETTINGS, **options})


def without_checkpoints(folder: Path) -> None:
    """As a kill before the first of them leaves it."""
    for path in (folder / "checkpoints").iterdir():
        path.unlink()


def record_of(folder: Path) -> dict[str, Any]:
    return RunFolder.existing(folder).read_record()


@pytest.mark.slow
def test_a_training_does_not_go_on_with_another_scheduler(tmp_path: Path, caplog: Any) -> None:
    file, folder = tmp_path / "mine.py", tmp_path / "run"
    file.write_text(PLUGIN)
    settings = {**SETTINGS, "scheduler": "turns"}
    interrupted(folder, settings=settings, catalogue=Catalogue(files=[file]))
    (before,) = [entry["version"] for entry in record_of(folder)["entries"] if entry["name"].endswith(":turns")]
    file.write_text(PLUGIN.replace("PERIOD = 4", "PERIOD = 2"))
    edited = Catalogue(files=[file])
    with pytest.raises(RunFolderError, match="cannot go on: since it was begun these plugins have changed: .*turns"):
        bl.resume(folder, catalogue=edited)
    # What begins anew may: the record then names what made it.
    without_checkpoints(folder)
    run = bl.resume(folder, catalogue=edited)
    assert run.metrics["task_steps"] == {"joint": 10, "conditional": 10}
    (after,) = [entry["version"] for entry in run.record["entries"] if entry["name"].endswith(":turns")]
    assert after != before and "these plugins have changed" in caplog.text


@pytest.mark.slow
def test_plugins_that_only_measure_may_change(tmp_path: Path, caplog: Any) -> None:
    file, folder = tmp_path / "mine.py", tmp_path / "run"
    plugin = PLUGIN.replace("biglearn_schedulers", "biglearn_metrics").replace(
        'name="turns", build=turns', 'name="count", build=Count'
    )
    file.write_text(plugin)
    interrupted(folder, settings={**SETTINGS, "metrics": ["count"]}, catalogue=Catalogue(files=[file]))
    file.write_text(plugin.replace("draws.count)", "draws.count) + 1.0"))
    with caplog.at_level(logging.WARNING):
        run = bl.resume(folder, catalogue=Catalogue(files=[file]))
    assert run.metrics["count"] == 201.0 and "these plugins have changed: mine:count" in caplog.text


@pytest.mark.parametrize("other", ["rings", bl.target(lambda x: -0.5 * (x**2).sum(), dim=2, scale=3.0)])
def test_what_begins_anew_begins_with_the_same_target(other: Any, tmp_path: Path) -> None:
    """Else the folder would say that the draws of one are those of another."""
    folder = tmp_path / "run"
    interrupted(folder, bl.target(lambda x: -0.5 * (x**2).sum(), dim=2, scale=2.0))
    without_checkpoints(folder)
    with pytest.raises(RunFolderError, match="is not the one of .*, or their regions, differ; give that one"):
        bl.resume(folder, target=other)


def changed(folder: Path) -> None:
    """The record of a folder, as software and machine of long ago would have written it."""
    record = json.loads((folder / "run.json").read_text())
    record["versions"]["jax"], record["platform"]["device_kind"] = "0.0", "abacus"
    (folder / "run.json").write_text(json.dumps(record))


@pytest.mark.slow
def test_the_record_names_what_made_the_figures(tmp_path: Path, caplog: Any) -> None:
    folder = tmp_path / "run"
    interrupted(folder)
    changed(folder)
    record = bl.resume(folder).record
    assert "was begun with jax 0.0 (now " in caplog.text and "device abacus (now " in caplog.text
    # What was computed before the pause was computed there.
    assert (record["versions"]["jax"], record["platform"]["device_kind"]) == ("0.0", "abacus")
    (resumed,) = record["resumed"]
    assert resumed["versions"]["jax"] != "0.0" and resumed["platform"]["device_kind"] != "abacus"

    folder = tmp_path / "anew"
    interrupted(folder)
    without_checkpoints(folder)
    changed(folder)
    record = bl.resume(folder).record
    assert record["versions"]["jax"] != "0.0" and record["platform"]["device_kind"] != "abacus"
    assert list(record["resumed"][0]) == ["started"]


@pytest.mark.slow
def test_a_stopped_run_that_was_saved_begins_anew_and_says_why(tmp_path: Path, caplog: Any) -> None:
    stopped = bl.train("two_modes", budget=8000, settings={"metrics": ["elbo"], "evaluation.draws": 200, "reports": []})
    folder = bl.save(stopped, tmp_path / "run")
    again = bl.resume(folder, budget=9000)
    assert "is trained again from the beginning: it was saved without a checkpoint" in caplog.text
    assert again.metrics["training_ended"] == "stopped"
