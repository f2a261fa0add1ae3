"""The main job from Python: what a run holds, what it writes, what it says, and what stays when it breaks."""

from __future__ import annotations

import errno
import json
import logging
import math
import os
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import biglearn_sampler as bl
from biglearn_sampler.energy import Evaluations, Facts, function_target
from biglearn_sampler.errors import CatalogueError, RunFailed, RunFolderError, SettingsError, TargetError, UserError
from biglearn_sampler.evaluation import AbstractBaseline, AbstractMetric, BaselineResult, Draws, Measured
from biglearn_sampler.runs import AbstractReport
from biglearn_sampler.runs.evaluate import evaluate
from biglearn_sampler.runs.plan import make_plan
from biglearn_sampler.runs.read_settings import read_settings
from biglearn_sampler.runs.trainers import trainer_of
from biglearn_sampler.runs.watcher import Nobody
from biglearn_sampler.verdict import COVERED, Verdict

TINY = {
    "scheduler": "joint",
    "optimizer.name": "sgd",
    "training": {"steps": 20, "chunk": 5},
    "components": 4,
    "evaluation.draws": 200,
    "reports": [],
}
PROMISED = {
    "elbo",
    "log_z",
    "ess",
    "khat",
    "modes_covered",
    "modes_total",
    "mode_mass_tv",
    "kl_reverse",
    "energy_evaluations",
    "gradient_evaluations",
    "exact_channel_evaluations",
    "seconds_compile",
    "seconds_run",
}
VERDICT = Verdict.bare(COVERED, "Covered: by hand.")
METRICS = ["elbo", "mode_coverage", "odd_metric", "raises_too"]
# The function of that name hides the module.
TRAIN = import_module("biglearn_sampler.runs.train")
TRAINERS = import_module("biglearn_sampler.runs.trainers")
VERDICTS = import_module("biglearn_sampler.runs.verdict")
COUNTS = ("modes_covered", "modes_total", "energy_evaluations", "gradient_evaluations", "exact_channel_evaluations")


class Chain(AbstractBaseline):
    def run(self, target, start, key, budget=None):
        draws = Draws(np.asarray(start.points(key, 100), float), np.zeros(100), chains=2)
        notes: Any = {"rhat": math.nan, "seen": np.int64(3)}  # as a plugin's author writes it
        return BaselineResult(draws, Evaluations(gradient=7), 0.0, 0.0, notes)

    def least_budget(self, target):
        return 7


class Raises(Chain):
    def run(self, target, start, key, budget=None):
        raise RuntimeError("no\nchain")


class Odd(AbstractMetric):
    def compute(self, draws, target, key):
        return {"odd": Measured(math.nan, math.inf), "even": Measured(1.0, math.nan)}


class RaisesToo(AbstractMetric):
    def compute(self, draws, target, key):
        raise ZeroDivisionError("by hand")


class NoReport(AbstractReport):
    def write(self, run, folder):
        raise OSError("no paper")


class Plugin:
    """Metrics, reports and baselines that fail, and an observer that writes down what it is told."""

    def __init__(self):
        self.told = []

    @bl.hookimpl
    def biglearn_baselines(self):
        return [
            bl.Entry(name="chain", build=Chain, summary="for tests"),
            bl.Entry(name="raises", build=Raises, summary="for tests"),
        ]

    @bl.hookimpl
    def biglearn_metrics(self):
        return [
            bl.Entry(name="odd_metric", build=Odd, summary="for tests"),
            bl.Entry(name="raises_too", build=RaisesToo, summary="for tests"),
        ]

    @bl.hookimpl
    def biglearn_reports(self):
        return [bl.Entry(name="no_report", build=NoReport, summary="for tests")]

    @bl.hookimpl
    def biglearn_run_started(self, run):
        self.told.append(("started", run.name, run.folder, run.record["status"]))

    @bl.hookimpl
    def biglearn_chunk_finished(self, run, step, info):
        self.told.append(("chunk", step, info["gradient_evaluations"]))
        raise RuntimeError("an observer that fails")

    @bl.hookimpl
    def biglearn_run_finished(self, run):
        self.told.append(("finished", run.name, run.folder, run.record["status"]))


class Told(Nobody):
    def __init__(self):
        self.told = []

    def training_began(self, steps):
        self.told.append(steps)

    def chunk_finished(self, row):
        self.told.append(row["step"])

    def phase_began(self, text):
        self.told.append(text)


def interrupted_after(step: int, error: BaseException | None = None):
    """A watcher as the user who presses Ctrl-C."""

    class Impatient(Nobody):
        def chunk_finished(self, row):
            if row["step"] >= step:
                raise error or KeyboardInterrupt

    return Impatient()


def bowl(x):
    return -0.5 * jnp.sum(x**2)


@pytest.fixture(scope="module")
def bowl_target():
    """One target for all runs on a plain function."""
    return bl.target(bowl, dim=1, scale=2.0)


@pytest.fixture
def no_verdict(monkeypatch):
    """For runs of which the verdict is not looked at: it takes longer than the rest."""
    monkeypatch.setattr(TRAIN, "verdict_of", lambda *_: VERDICT)


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """One run with everything: a folder, observers, a watcher, and the record of what they were told."""
    plugin, watcher = Plugin(), Told()
    folder = tmp_path_factory.mktemp("runs") / "one"
    catalogue = bl.Catalogue(plugins={"tests": plugin})
    run = bl.train("two_modes", seed=3, settings=TINY, out=folder, catalogue=catalogue, watcher=watcher)
    return run, folder, plugin.told, watcher.told, catalogue


def arrays_of(mixture) -> list[bytes]:
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(mixture)]


def json_of(path: Path):
    """Strict JSON: NaN and infinities are refused."""
    return json.loads(path.read_text(), parse_constant=lambda text: pytest.fail(f"{text} in {path}"))


def leftovers(folder: Path) -> list[Path]:
    return list(folder.rglob("*.partial"))


# which training is made


def test_exact_channels_alone_are_used_by_the_default_scheduler():
    catalogue = bl.Catalogue()
    read = read_settings(None, {"channels": "exact"}, catalogue)
    sources = trainer_of(make_plan("two_modes", read, [], 0, catalogue, {})).sources
    assert set(sources) > {"joint", "transformed_conditional", "transformed_marginal", "noised"}
    assert {name for name, source in sources.items() if source == "exact channel"} == {
        name for name in sources if "marginal" in name or "noised" in name
    }


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"reservoir.capacity": 64}, r"reservoir: .* read it, as in .*\('joint', 'transformed_conditional'\) does"),
        (
            {"quadrature.nodes": 64, "scheduler": "joint"},
            r"quadrature: .* and no task of the scheduler \('joint'\) does",
        ),
        (
            {"quadrature.nodes": 64, "reservoir.refill": 64, "channels": "exact"},
            "quadrature and reservoir: only marginal and noised tasks read them, .* the closed form serves all tasks",
        ),
    ],
)
def test_settings_that_no_task_reads_are_refused(settings, told):
    with pytest.raises(SettingsError, match=told):
        bl.train("two_modes", settings=settings)


def test_a_setting_that_makes_the_training_a_scheduled_one_is_named(no_verdict, caplog):
    bl.train("two_modes", settings={**TINY, "metrics": []})
    (notice,) = [record.getMessage() for record in caplog.records]
    assert notice.startswith(
        "only a scheduled training knows scheduler, training.steps, training.chunk, optimizer.name"
    )
    caplog.clear()
    bl.train("two_modes", settings={**TINY, "metrics": [], "method": "scheduled"})
    assert not caplog.records


# what a run holds


def test_the_result_has_sampler_metrics_history_and_snapshots(seen):
    run, folder, *_ = seen
    assert (run.name, run.folder, run.target.dim) == ("biglearn_targets:two_modes", folder, 2)
    assert run.sampler.means.shape == (4, 2)
    assert [row["step"] for row in run.history] == [5, 10, 15, 20]
    assert [snapshot.step for snapshot in run.snapshots][0] == 0
    assert arrays_of(run.snapshots[-1].mixture) == arrays_of(run.sampler)
    points = run.sampler.sample(jax.random.key(0), 50)
    assert points.shape == (50, 2) and bool(jnp.isfinite(run.sampler.log_density(points)).all())


def test_metrics_have_all_that_is_promised_and_counts_are_whole_numbers(seen):
    run, folder, *_ = seen
    metrics = json_of(folder / "metrics.json")
    assert metrics == run.metrics
    assert set(metrics) >= PROMISED
    assert {name: type(metrics[name]) for name in COUNTS} == dict.fromkeys(COUNTS, int)
    assert metrics["modes_total"] == 2 and 0 <= metrics["modes_covered"] <= 2
    assert metrics["gradient_evaluations"] == 20 * 4 * 4
    assert all(metrics[name] is not None for name in PROMISED)
    assert metrics["seconds_compile"] > 0 and metrics["evaluation_draws"] == 250
    assert metrics["training_ended"] == "scheduled"


def test_every_run_has_a_verdict_that_is_no_part_of_its_costs(seen):
    run, *_ = seen
    verdict = run.metrics["verdict"]
    assert verdict["verdict"] in ("covered", "not covered", "cannot tell")
    assert verdict["sentence"].lower().startswith(verdict["verdict"]) and verdict["sentence"].endswith(".")
    assert verdict["evaluations"] > 1000 > run.metrics["gradient_evaluations"]


def test_the_record_tells_how_the_run_was_made(seen):
    run, folder, *_ = seen
    record = json_of(folder / "run.json")
    assert record == run.record
    assert (record["status"], record["seed"], record["settings"]["components"]) == ("finished", 3, 4)
    assert record["target"]["name"] == "biglearn_targets:two_modes"
    assert {entry["name"] for entry in record["entries"]} >= {
        "biglearn_targets:two_modes",
        "biglearn_schedulers:joint",
        "biglearn_tasks:noised",
        "biglearn_metrics:elbo",
    }
    assert all(entry["version"] for entry in record["entries"])
    assert {"biglearn-sampler", "jax", "numpy"} <= set(record["versions"])
    assert {"python", "system", "device"} <= set(record["platform"])
    assert record["started"] <= record["finished"]
    assert set(record["sources"]) == {"joint"}


def test_the_history_is_written_as_it_is_told(seen):
    run, folder, *_ = seen
    rows = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    assert rows == run.history
    assert [row["gradient_evaluations"] for row in rows] == [80, 160, 240, 320]
    assert all(math.isfinite(row["loss"]["joint"]) and row["modes_covered"] in (0, 1, 2) for row in rows)


def test_observers_are_told_and_one_that_raises_stops_nothing(seen):
    run, folder, told, *_ = seen
    assert told == [
        ("started", run.name, folder, "running"),
        *(("chunk", step, 16 * step) for step in (5, 10, 15, 20)),
        ("finished", run.name, folder, "finished"),
    ]


def test_the_watcher_is_told_in_order(seen):
    assert seen[3] == [20, 5, 10, 15, 20, "measuring", "looking for what was missed", "drawing"]


def test_load_gives_the_same_run(seen):
    run, folder, *_ = seen
    loaded = bl.load(folder)
    assert arrays_of(loaded.sampler) == arrays_of(run.sampler)
    assert (loaded.metrics, loaded.history, loaded.record) == (run.metrics, run.history, run.record)
    assert [snapshot.step for snapshot in loaded.snapshots] == [snapshot.step for snapshot in run.snapshots]
    point = jnp.zeros(2)
    assert float(loaded.target.log_density(point)) == float(run.target.log_density(point))


def test_evaluate_measures_fresh_draws_and_keeps_the_costs(seen):
    run, folder, _, _, catalogue = seen
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    one = evaluate(bl.load(folder), catalogue, draws=300, seed=1)
    assert one == evaluate(run, catalogue, draws=300, seed=1)
    assert one["evaluation_draws"] == 375 and one["elbo"] != run.metrics["elbo"]
    kept = ("gradient_evaluations", "training_ended", "verdict")
    assert {name: one[name] for name in kept} == {name: run.metrics[name] for name in kept}
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


def test_evaluate_refuses_settings_that_make_no_sense(seen):
    run, _, _, _, catalogue = seen
    broken = bl.Run(run.target, run.name, run.sampler, {}, [], [], {"settings": {"componets": 4}})
    with pytest.raises(RunFolderError, match="the settings in the record of the run cannot be used"):
        evaluate(broken, catalogue, draws=None, seed=1)


# the same again, with parts that fail


@pytest.fixture(scope="module")
def hindered(tmp_path_factory):
    """The same run with baselines, metrics, reports and a search for missed mass that fail."""
    folder = tmp_path_factory.mktemp("runs") / "hindered"
    with pytest.MonkeyPatch.context() as patch:
        lines = []
        patch.setattr(logging.getLogger("biglearn_sampler.runs"), "handlers", [LinesInto(lines)])
        patch.setattr(VERDICTS, "judge", no_judge)
        run = bl.train(
            "two_modes",
            seed=3,
            settings={**TINY, "metrics": METRICS, "reports": ["no_report"]},
            baselines=["chain", "raises", "chain"],
            out=folder,
            catalogue=bl.Catalogue(plugins={"tests": Plugin()}),
        )
    return run, folder, lines


def test_a_verdict_that_nobody_wants_asks_nothing():
    run = bl.train("two_modes", settings={**TINY, "verdict.evaluations": 0})
    assert run.metrics["verdict"]["verdict"] == "cannot tell"
    assert "verdict.evaluations is 0" in run.metrics["verdict"]["sentence"]
    assert "evaluations" not in run.metrics["verdict"]


def test_a_verdict_for_too_few_evaluations_is_refused_before_anything_is_trained(tmp_path):
    with pytest.raises(SettingsError, match=r"verdict.evaluations: 10 is too small; .* at least \d\d,\d{3}\. Give 0"):
        bl.train("two_modes", settings={**TINY, "verdict.evaluations": 10}, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def no_judge(*arguments):
    raise ZeroDivisionError("by\nhand")


class LinesInto(logging.Handler):
    def __init__(self, lines):
        super().__init__()
        self.lines = lines

    def emit(self, record):
        self.lines.append(record.getMessage())


def test_the_same_seed_gives_the_same_bits_whatever_runs_beside(seen, hindered):
    assert arrays_of(hindered[0].sampler) == arrays_of(seen[0].sampler)
    assert hindered[0].metrics["elbo"] == seen[0].metrics["elbo"]
    losses = [[row["loss"] for row in run.history] for run in (seen[0], hindered[0])]
    assert losses[0] == losses[1]


def test_baselines_of_one_name_are_kept_apart_and_one_that_fails_costs_a_line(hindered):
    run, folder, lines = hindered
    baselines = json_of(folder / "metrics.json")["baselines"]
    assert list(baselines) == ["chain_1", "raises", "chain_2"]
    assert baselines["raises"] == {"failed": "RuntimeError: no chain"}
    assert baselines["chain_1"]["gradient_evaluations"] == 7
    assert baselines["chain_1"]["notes"] == {"rhat": None, "seen": 3.0}
    assert baselines["chain_1"]["modes_total"] == 2 and baselines["chain_1"]["elbo"] is None
    # The same method on the same seed.
    assert baselines["chain_1"]["mode_mass_tv"] == baselines["chain_2"]["mode_mass_tv"]
    assert set(run.baselines) == {"chain_1", "chain_2"}
    assert "baseline raises failed: RuntimeError: no chain" in lines


def test_figures_that_cannot_be_had_are_null_with_a_reason(hindered):
    _, folder, lines = hindered
    metrics = json_of(folder / "metrics.json")
    for name, reason in {
        "odd": "not a finite number: nan",
        "raises_too": "the metric failed: ZeroDivisionError: by hand",
        "log_z": "no metric of this run gave it",
    }.items():
        assert (metrics[name], metrics["reasons"][name]) == (None, reason)
    assert metrics["even"] == 1.0 and "even" not in metrics["standard_errors"]
    assert set(metrics) >= PROMISED
    assert "metric tests:raises_too failed: ZeroDivisionError: by hand" in lines


def test_a_report_that_fails_costs_a_line(hindered):
    run, folder, lines = hindered
    assert run.record["status"] == "finished" == json_of(folder / "run.json")["status"]
    assert "report tests:no_report failed: OSError: no paper" in lines


class Plain(AbstractMetric):
    def compute(self, draws, target, key) -> Any:
        return {"plain": 1.0}


class Worded(AbstractMetric):
    def compute(self, draws, target, key):
        return {"worded": Measured("a")}  # pyright: ignore[reportArgumentType]


class OfNumpy(AbstractMetric):
    def compute(self, draws, target, key):
        return {"of_numpy": Measured(np.float32(2.0), jnp.ones(()))}  # pyright: ignore[reportArgumentType]


class Number(Chain):
    def run(self, target, start, key, budget=None) -> Any:
        return 3


class Short(Chain):
    def run(self, target, start, key, budget=None):
        return BaselineResult(Draws(np.zeros((10, 2)), np.zeros(9)), Evaluations(gradient=7), 0.0, 0.0)


class OnePath(AbstractReport):
    def write(self, run, folder) -> Any:
        return folder / "one.txt"


class WrongResults:
    @bl.hookimpl
    def biglearn_baselines(self):
        return [bl.Entry(name=kind.__name__.lower(), build=kind, summary="for tests") for kind in (Number, Short)]

    @bl.hookimpl
    def biglearn_metrics(self):
        kinds = (Plain, Worded, OfNumpy)
        return [bl.Entry(name=kind.__name__.lower(), build=kind, summary="for tests") for kind in kinds]

    @bl.hookimpl
    def biglearn_reports(self):
        return [bl.Entry(name="one_path", build=OnePath, summary="for tests")]


def test_wrong_results_of_plugins_cost_a_line_that_says_what_was_expected(
    no_verdict, tmp_path, caplog, unchecked_types
):
    settings = {**TINY, "metrics": ["plain", "worded", "ofnumpy"], "reports": ["one_path"]}
    catalogue = bl.Catalogue(plugins={"wrong": WrongResults()})
    folder = tmp_path / "run"
    bl.train("two_modes", settings=settings, baselines=["number", "short"], out=folder, catalogue=catalogue)
    metrics, told = json_of(folder / "metrics.json"), caplog.text
    plain = "TypeError: expected Measured figures by name, got 'plain': 1.0"
    worded = "TypeError: figure 'worded' is 'a'; expected a finite value, or Measured.missing(reason)"
    number = "TypeError: `run` must give a BaselineResult, got 3"
    short = "TypeError: draws.log_target must be the target's log density at every draw, 10 numbers, got shape (9,)"
    assert json_of(folder / "run.json")["status"] == "finished"
    assert metrics["plain"] is None and metrics["reasons"]["plain"] == f"the metric failed: {plain}"
    assert metrics["worded"] is None and metrics["reasons"]["worded"] == f"the metric failed: {worded}"
    assert (metrics["of_numpy"], metrics["standard_errors"]["of_numpy"]) == (2.0, 1.0)
    assert metrics["baselines"] == {"number": {"failed": number}, "short": {"failed": short}}
    assert f"metric wrong:plain failed: {plain}" in told and f"baseline number failed: {number}" in told
    assert "report wrong:one_path failed: TypeError: `write` must return a list of paths, got PosixPath(" in told


def test_a_verdict_that_fails_costs_a_line_and_says_nothing(hindered):
    run, _, lines = hindered
    assert run.metrics["verdict"] == {
        "verdict": "cannot tell",
        "sentence": "Cannot tell: the search for missed mass failed: ZeroDivisionError: by hand.",
    }
    assert "the verdict failed: ZeroDivisionError: by hand" in lines


# a function of one's own


@pytest.mark.usefixtures("no_verdict")
def test_a_function_is_a_target_and_its_run_is_loaded_with_it(bowl_target, tmp_path):
    run = bl.train(bowl_target, settings={**TINY, "metrics": ["elbo", "mode_coverage"]}, out=tmp_path / "run")
    assert run.name.endswith(":bowl")
    metrics = json_of(tmp_path / "run" / "metrics.json")
    assert metrics["modes_covered"] is None and metrics["kl_reverse"] is None
    assert metrics["reasons"]["modes_covered"] == "the modes of the target are not known"
    with pytest.raises(RunFolderError, match=r":bowl, was made in Python; load it with load\(folder, target=...\)$"):
        bl.load(tmp_path / "run")
    loaded = bl.load(tmp_path / "run", target=bowl_target)
    assert arrays_of(loaded.sampler) == arrays_of(run.sampler)


@pytest.mark.usefixtures("no_verdict")
def test_another_target_is_not_taken_for_that_of_a_run(bowl_target, tmp_path):
    run = bl.train(bowl_target, settings=TINY, out=tmp_path / "run")
    wider = function_target(bowl, dim=bowl_target.dim, scale=7.0)  # of the same energy, wherever it would look
    assert bl.load(tmp_path / "run", target=wider).target is wider
    other = function_target(lambda x: bowl(x) + 0.1 * x[0], dim=bowl_target.dim, scale=1.0)
    for folder in (tmp_path / "run", bl.save(run, tmp_path / "saved")):
        with pytest.raises(RunFolderError, match="is not the one of .*: their log densities at the same points"):
            bl.load(folder, target=other)
    record = json_of(tmp_path / "run" / "run.json")
    for damaged in ("x", {}, {"points": [["far"]], "log_densities": [0.0]}):
        (tmp_path / "run" / "run.json").write_text(json.dumps({**record, "target_print": damaged}))
        with pytest.raises(RunFolderError, match="the target cannot be compared with what .*run.json says"):
            bl.load(tmp_path / "run", target=wider)


# what breaks in the middle


@pytest.mark.slow
def test_modes_that_are_nowhere_at_some_draws_cost_no_run(no_verdict, tmp_path):
    """Outside all supports the share of every mode is zero by zero; JSON has no NaN. No verdict asks known modes."""

    def log_modes(x):
        return jnp.where(jnp.abs(x[0] - jnp.array([-2.0, 2.0])) < 1.0, 0.0, -jnp.inf)

    def shares(x):
        return jax.nn.softmax(log_modes(x))

    assert np.isnan(shares(jnp.zeros(1))).all()
    modes = jnp.array([[-2.0], [2.0]])
    facts = Facts(modes=modes, mode_weights=jnp.array([0.5, 0.5]), responsibilities=shares)
    target = function_target(lambda x: log_modes(x).max() - 0.1 * x[0] ** 2, dim=1, scale=2.0, facts=facts)
    run = bl.train(target, settings={**TINY, "metrics": []}, out=tmp_path / "run")
    assert run.history and all(0.0 <= row["mode_mass_tv"] <= 1.0 for row in run.history)


def test_an_interrupted_run_can_be_read(bowl_target, tmp_path, caplog):
    with pytest.raises(KeyboardInterrupt):
        bl.train(bowl_target, settings=TINY, out=tmp_path / "run", watcher=interrupted_after(10))
    assert f"the run is interrupted; as far as it came it is in {tmp_path / 'run'}" in caplog.text
    run = bl.load(tmp_path / "run", target=bowl_target)
    assert (run.record["status"], run.record["reason"], run.metrics) == ("interrupted", None, {})
    assert [row["step"] for row in run.history] == [5, 10]
    assert run.snapshots[-1].step == 10
    assert arrays_of(run.sampler) == arrays_of(run.snapshots[-1].mixture)
    assert not leftovers(tmp_path)


def test_a_full_disk_fails_the_run_and_what_was_written_can_be_read(bowl_target, tmp_path, monkeypatch):
    fsync, calls = os.fsync, []

    def full_after_run_json(descriptor):
        calls.append(descriptor)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr("os.fsync", full_after_run_json)
    with pytest.raises(RunFailed, match=r"sampler\.npz cannot be written: No space left on device\. What was written"):
        bl.train(bowl_target, settings=TINY, out=tmp_path / "run")
    assert json_of(tmp_path / "run" / "run.json")["status"] == "running"
    assert len((tmp_path / "run" / "history.jsonl").read_text().splitlines()) == 4
    assert not leftovers(tmp_path)


@pytest.mark.usefixtures("no_verdict")
def test_an_interrupted_baseline_costs_no_figures(bowl_target, tmp_path):
    class Endless(Chain):
        def run(self, target, start, key, budget=None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bl.train(bowl_target, settings={**TINY, "metrics": ["elbo"]}, baselines=[Endless()], out=tmp_path / "run")
    assert json_of(tmp_path / "run" / "run.json")["status"] == "interrupted"
    assert json_of(tmp_path / "run" / "metrics.json")["elbo"] is not None


@pytest.fixture
def no_training(monkeypatch):
    """Replaces the training by a failure, for tests of what is told."""

    def set_error(error: BaseException) -> None:
        def fail(*arguments, **options):
            raise error

        monkeypatch.setattr(TRAINERS, "Fitter", fail)
        monkeypatch.setattr(TRAINERS, "Engine", fail)

    return set_error


@pytest.mark.parametrize("settings", [TINY, None], ids=["scheduled", "adaptive"])
def test_an_unexpected_error_is_told_as_a_failed_run(settings, no_training, bowl_target, tmp_path):
    no_training(MemoryError("too\nmuch"))
    with pytest.raises(RunFailed, match="^the run failed: MemoryError: too much$"):
        bl.train(bowl_target, settings=settings, out=tmp_path / "run")
    record = json_of(tmp_path / "run" / "run.json")
    assert (record["status"], record["reason"]) == ("failed", "too\nmuch")
    with pytest.raises(RunFolderError, match="did not get as far as writing a sampler"):
        bl.load(tmp_path / "run", target=bowl_target)


def test_numbers_that_json_does_not_know_are_texts_in_the_record(no_training, tmp_path):
    class Wide:
        @bl.hookimpl
        def biglearn_targets(self):
            return [bl.Entry(name="wide", build=wide, summary="for tests")]

    def wide(width: Annotated[float, "any"] = math.inf):
        return bl.target(bowl, dim=1, scale=2.0)

    no_training(RuntimeError("stop"))
    catalogue = bl.Catalogue(plugins={"tests": Wide()})
    with pytest.raises(RunFailed):
        bl.train("wide", settings=TINY, out=tmp_path / "run", catalogue=catalogue)
    record = json_of(tmp_path / "run" / "run.json")
    assert record["target"]["parameters"] == {"width": "inf"}
    assert catalogue.build("target", "wide", record["target"]["parameters"]).record.parameters == {"width": math.inf}


# what is refused before anything is written


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        ({"target": "two_mode"}, CatalogueError, "there is no target 'two_mode'; did you mean 'two_modes'"),
        ({"target": 5}, CatalogueError, 'expected a name of kind "target"'),
        ({"target": bowl}, TargetError, r"a function becomes a target by target\(function, dim=2, scale=4.0\)"),
        ({"parameters": {"separatio": 1}}, CatalogueError, "did you mean 'separation'"),
        ({"parameters": {"separation": "abc"}}, CatalogueError, "parameter 'separation' must be float, got 'abc'"),
        ({"seed": -1}, UserError, "seed must be a whole number from 0 to 4294967295, got -1"),
        ({"seed": 2**32}, UserError, "seed must be a whole number"),
        ({"seed": True}, UserError, "seed must be a whole number"),
        ({"baselines": ["nutz"]}, CatalogueError, "there is no baseline 'nutz'; did you mean 'nuts'"),
        ({"baselines": "nutz"}, CatalogueError, "there is no baseline 'nutz'; did you mean 'nuts'"),
        ({"settings": {"training.stepss": 1}}, SettingsError, "did you mean 'training.steps'"),
        ({"settings": {"start.mean": [1, 2, 3]}}, SettingsError, "start.mean must be one number or 2 numbers, got 3"),
        ({"settings": {"start.covariance": [[1, 2], [3]]}}, SettingsError, "start.covariance must be a positive def"),
        ({"settings": {"start.covariance": [[1, 0.5], [0, 1]]}}, SettingsError, "start.covariance must be symmetric"),
        ({"settings": {"start.sd": 1, "start.covariance": [[1]]}}, SettingsError, "start.sd and start.covariance say"),
        ({"settings": {"start.mean": 1e19}}, SettingsError, r"start.mean: must be at most 1e\+18 "),
    ],
)
def test_what_is_refused_leaves_no_trace(change, error, told, tmp_path, unchecked_types):
    with pytest.raises(error, match=told):
        bl.train(**{"target": "two_modes", "out": tmp_path / "run", **change})
    assert not list(tmp_path.iterdir())


def test_a_folder_with_results_is_refused_before_training(seen, no_training):
    _, folder, *_ = seen
    no_training(AssertionError("it trained"))
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    with pytest.raises(RunFolderError, match="exists already and is not empty; give another --out, or remove it"):
        bl.train("two_modes", settings=TINY, out=folder)
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


@pytest.mark.parametrize(
    ("what", "options", "told"),
    [
        (bowl, {}, "a function needs its dimension and how far its mass may reach"),
        (bowl, {"dim": 2}, "a function needs its dimension"),
        (bowl, {"dim": 2, "scale": 1.0, "radius": 3}, "unknown arguments for a function: radius"),
        (bowl, {"dim": 2, "scale": 1.0, "center": 3}, "for a function: center; did you mean 'centre'?"),
        (bowl, {"dim": 0, "scale": 1.0}, "dim must be a whole number of at least 1, got 0"),
        (5, {"dim": 2, "scale": 1.0}, "a target is made from a name or from a function, got int"),
        ("two_modes", {"batched": True}, "batched, like, data and facts belong to a function; 'two_modes' is the name"),
    ],
)
def test_a_target_that_makes_no_sense_is_refused(what, options, told, unchecked_types):
    with pytest.raises(TargetError, match=told):
        bl.target(what, **options)


def test_no_argument_of_a_named_target_is_ignored():
    with pytest.raises(CatalogueError, match="has no parameter 'centre'"):
        bl.target("two_modes", centre=3.0)


def test_a_chunk_is_never_longer_than_the_training(bowl_target, monkeypatch):
    lengths = []
    monkeypatch.setattr(TRAINERS, "Fitter", lambda training, state, keys, chunk, devices: lengths.append(chunk))
    for training in ({"steps": 20, "chunk": 10**9}, {"steps": 2 * 10**9}, {"steps": 2000}):
        with pytest.raises(RunFailed):
            bl.train(bowl_target, settings={**TINY, "training": training})
    assert lengths == [20, 10_000, 20]
