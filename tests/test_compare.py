"""Comparisons: equal budgets, isolated trials, results that can be traced, and going on after an interruption."""

from __future__ import annotations

import csv
import inspect
import json
import math
import shutil
import signal
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import jax
import numpy as np
import pytest

import biglearn_sampler as bl
from biglearn_sampler.cli import main
from biglearn_sampler.cli.compare_commands import compare as compare_command
from biglearn_sampler.cli.method_names import methods_named
from biglearn_sampler.comparison import Comparison, CoveragePoint, Trial
from biglearn_sampler.comparison.aggregate import aggregate
from biglearn_sampler.comparison.citations import citations_of
from biglearn_sampler.comparison.coverage_curve import curve_of_baseline, curve_of_training
from biglearn_sampler.comparison.sentences import sentences_of
from biglearn_sampler.comparison.standing import agreement_with_ours, standing_of
from biglearn_sampler.comparison.table import table_of
from biglearn_sampler.comparison.trial import thinned
from biglearn_sampler.energy import Evaluations
from biglearn_sampler.errors import MissingPackage, RunFolderError, UserError
from biglearn_sampler.evaluation import AbstractBaseline, BaselineResult, Draws, result_problem
from biglearn_sampler.runs.folder_lock import only_here
from biglearn_sampler.runs.gather import comparison_of, gathered
from biglearn_sampler.runs.method_specs import method_specs
from biglearn_sampler.verdict import CANNOT_TELL, Verdict

TRAIN = import_module("biglearn_sampler.runs.train")
TINY = {
    "scheduler": "joint",
    "optimizer.name": "sgd",
    "training.steps": 10,
    "components": 4,
    "evaluation.draws": 200,
    "metrics": ["elbo", "log_z", "mode_coverage", "chain_diagnostics"],
    "compare.reports": ["rows"],
}
VERDICT = Verdict.bare(CANNOT_TELL, "Cannot tell: nobody looked.")
BUDGET = 2_000


@dataclass(frozen=True)
class Exact(AbstractBaseline):
    """Independent draws that go to the mode on the right with some probability, told as chains."""

    right: float = 0.5
    fails_on: int | None = None

    def least_budget(self, target) -> int:
        return 100

    def run(self, target, start, key, budget=None) -> BaselineResult:
        self.check_budget(target, budget)
        seed = int(jax.random.randint(key, (), 0, 2**30))
        if self.fails_on is not None:
            raise RuntimeError("the computer is <b>tired</b>")
        random = np.random.default_rng(seed)
        modes = np.asarray(target.facts.modes, float)
        chosen = (random.random(400) < self.right).astype(int)
        points = modes[chosen] + 0.1 * random.normal(size=(400, 2))
        draws = Draws(points, np.zeros(400), chains=4)
        assert budget is not None
        return BaselineResult(draws, Evaluations(gradient=budget), 0.1, 0.2, warmup=Evaluations(gradient=500))


class Plugin:
    """Baselines and a report for these tests; one of them needs a package."""

    def __init__(self, installed: bool = False) -> None:
        self.installed = installed

    @bl.hookimpl
    def biglearn_baselines(self):
        def fair():
            return Exact()

        def one_sided():
            return Exact(right=1.0)

        def tired():
            return Exact(fails_on=0)

        def absent():
            if self.installed:
                return Exact()
            raise MissingPackage("absent needs Nothing, which is not installed; run `pip install 'nothing'`")

        return [
            bl.Entry(name=build.__name__, build=build, summary="a method") for build in (fair, one_sided, tired, absent)
        ]

    @bl.hookimpl
    def biglearn_reports(self):
        return [bl.Entry(name="rows", build=Rows, summary="counts the trials")]


class Rows(bl.AbstractReport):
    """Writes how many trials there are."""

    def write(self, run, folder):
        return []

    def write_comparison(self, comparison, folder):
        (folder / "rows.txt").write_text(str(len(comparison.trials)))
        return [folder / "rows.txt"]


def points_of(trial: Trial) -> np.ndarray:
    assert trial.draws is not None
    return trial.draws.points


@pytest.fixture(scope="module")
def catalogue():
    return bl.Catalogue(plugins={"tests": Plugin()})


@pytest.fixture(scope="module")
def compared(tmp_path_factory, catalogue):
    """One comparison with a good method, a blind one, one that fails and one without its package."""
    folder = tmp_path_factory.mktemp("comparisons") / "one"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TRAIN, "verdict_of", lambda *_: VERDICT)
        return bl.compare(
            "two_modes",
            baselines=["fair", "one_sided", "tired", "absent"],
            budget=BUDGET,
            seeds=2,
            settings=TINY,
            out=folder,
            catalogue=catalogue,
        )


# what a comparison holds


def test_every_method_has_a_trial_for_every_seed(compared):
    assert compared.methods == ["biglearn", "fair", "one_sided", "tired", "absent"]
    assert [(trial.method, trial.seed) for trial in compared.trials] == [
        (method, seed) for seed in (0, 1) for method in compared.methods
    ]
    assert compared.record["status"] == "finished" and compared.record["seeds"] == [0, 1]


def test_budgets_are_equal(compared):
    for trial in compared.finished("fair"):
        assert trial.evaluations == BUDGET == compared.budget
    for trial in compared.finished("biglearn"):
        assert 0 < trial.evaluations <= BUDGET


def test_a_trial_that_fails_is_a_reason_and_not_the_end(compared):
    assert [trial.failed for trial in compared.failures("tired")] == ["RuntimeError: the computer is <b>tired</b>"] * 2
    assert "pip install 'nothing'" in compared.failures("absent")[0].failed
    assert len(compared.finished("one_sided")) == 2
    told = sentences_of(compared)
    assert "tired failed on 2 seeds: RuntimeError: the computer is <b>tired</b>." in told


def test_a_method_with_one_mode_is_told_from_a_right_one(compared):
    right, wrong = (compared.figure(method, "mode_mass_tv") for method in ("fair", "one_sided"))
    # The modes weigh a half each: 400 exact draws are off by 0.02 on average.
    assert right.most < 0.1 and wrong.least == pytest.approx(0.5, abs=1e-6)
    assert compared.figure("one_sided", "modes_covered").most == 1
    assert any(
        "one_sided: R-hat is at most 1.01 where modes are missing on" in sentence for sentence in sentences_of(compared)
    )
    assert not any(
        "fair: R-hat is at most 1.01 where modes are missing on" in sentence for sentence in sentences_of(compared)
    )


@pytest.mark.slow
def test_a_trial_is_the_same_whatever_stands_beside_it(compared, catalogue, monkeypatch):
    monkeypatch.setattr(TRAIN, "verdict_of", lambda *_: VERDICT)
    alone = bl.compare(
        "two_modes", baselines=["one_sided", "fair"], budget=BUDGET, seeds=[1], settings=TINY, catalogue=catalogue
    )
    assert alone.folder is None
    for method in ("biglearn", "fair"):
        again, before = alone.trial(method, 1), compared.trial(method, 1)
        assert np.array_equal(points_of(again), points_of(before))
        assert again.figures["mode_mass_tv"] == before.figures["mode_mass_tv"]
    ask = {"seed": 1, "settings": TINY, "catalogue": catalogue}
    beside = bl.train("two_modes", baselines=["one_sided", "fair"], **ask).metrics["baselines"]
    for named in ("fair", {"name": "fair"}, "tests:fair"):
        assert bl.train("two_modes", baselines=[named], **ask).metrics["baselines"]["fair"] == beside["fair"]


# on disk


def test_results_hold_every_figure_strictly_as_json(compared):
    text = (compared.folder / "results.json").read_text()
    results = json.loads(text, parse_constant=lambda constant: pytest.fail(constant))
    assert len(results["trials"]) == 10
    assert results["trials"][1]["mode_mass_tv"] == compared.trial("fair", 0).figures["mode_mass_tv"]
    assert results["means"]["fair"]["evaluations"]["mean"] == BUDGET
    assert results["sentences"] == sentences_of(compared)


def test_the_table_has_one_row_for_every_trial(compared):
    with (compared.folder / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["method"], row["seed"]) for row in rows] == [(each.method, str(each.seed)) for each in compared.trials]
    assert float(rows[1]["mode_mass_tv_se"]) == compared.trial("fair", 0).standard_error("mode_mass_tv")
    assert rows[3]["failed"].startswith("RuntimeError") and rows[3]["mode_mass_tv"] == ""
    assert (compared.folder / "rows.txt").read_text() == "10"


def test_another_target_is_not_taken_for_that_of_a_comparison(compared, catalogue):
    known = bl.load_comparison(compared.folder, catalogue=catalogue).target
    assert bl.load_comparison(compared.folder, target=known, catalogue=catalogue).target is known
    with pytest.raises(RunFolderError, match="is not the one of .*: their log densities at the same points"):
        bl.load_comparison(compared.folder, target=bl.affine(known, 2.0), catalogue=catalogue)


def test_a_comparison_comes_back_from_its_folder(compared, catalogue):
    again = bl.load_comparison(compared.folder, catalogue=catalogue)
    assert (again.methods, again.name, again.record) == (compared.methods, compared.name, compared.record)
    for before, after in zip(compared.trials, again.trials, strict=True):
        assert (before.figures, before.failed) == (after.figures, after.failed)
        assert list(before.curve) == list(after.curve)
        if before.draws is not None and after.draws is not None:
            assert np.array_equal(before.draws.points, after.draws.points)
            assert before.draws.chains == after.draws.chains
        assert (before.draws is None) == (after.draws is None) == (before.failed is not None)
    assert table_of(again) == table_of(compared)


def test_a_comparison_goes_on_where_it_was_interrupted(tmp_path, catalogue, compared, monkeypatch):
    monkeypatch.setattr(TRAIN, "verdict_of", lambda *_: VERDICT)
    ask = {"baselines": ["fair", "tired"], "budget": BUDGET, "settings": TINY, "catalogue": catalogue}
    folder = tmp_path / "cut"

    class Interrupting:
        def trial_began(self, method, seed, number, total):
            if number == 4:
                raise KeyboardInterrupt

        def trial_finished(self, trial):
            pass

    with pytest.raises(KeyboardInterrupt):
        bl.compare("two_modes", **ask, seeds=2, out=folder, watcher=Interrupting())
    assert json.loads((folder / "comparison.json").read_text())["status"] == "interrupted"
    assert [trial.method for trial in bl.load_comparison(folder, catalogue=catalogue).trials] == [
        "biglearn",
        "fair",
        "tired",
    ]
    stamp = (folder / "trials" / "fair-0.json").stat().st_mtime_ns

    ran = []

    class Telling:
        def trial_began(self, method, seed, number, total):
            pass

        def trial_finished(self, trial):
            ran.append((trial.method, trial.seed))

    whole = bl.compare("two_modes", **ask, seeds=2, out=folder, resume=True, watcher=Telling())
    assert len(ran) == len(whole.trials) == 6
    assert (folder / "trials" / "fair-0.json").stat().st_mtime_ns == stamp
    # As if it had never been interrupted.
    assert whole.trial("biglearn", 1).figures["elbo"] == compared.trial("biglearn", 1).figures["elbo"]
    assert json.loads((folder / "comparison.json").read_text())["status"] == "finished"

    with pytest.raises(
        RunFolderError, match="was begun with another budget and another settings; resume it with the same"
    ):
        bl.compare("two_modes", **{**ask, "budget": BUDGET + 1}, out=folder, resume=True)
    with pytest.raises(RunFolderError, match="exists already and is not empty"):
        bl.compare("two_modes", **ask, out=folder)


def test_going_on_loses_no_finished_seed_and_runs_damaged_trials_again(tmp_path, catalogue, monkeypatch, caplog):
    monkeypatch.setattr(TRAIN, "verdict_of", lambda *_: VERDICT)
    ask = {"baselines": ["fair"], "budget": BUDGET, "settings": TINY, "out": tmp_path / "seeds", "catalogue": catalogue}
    first = bl.compare("two_modes", **ask, seeds=2)
    again = bl.compare("two_modes", **ask, seeds=[0, 2], resume=True)
    assert "trials are finished stay in the comparison: 1" in caplog.text
    assert again.record["seeds"] == [0, 1, 2] and len(again.trials) == 6
    rows = list(csv.DictReader((tmp_path / "seeds" / "results.csv").read_text().splitlines()))
    assert [row["seed"] for row in rows if row["method"] == "fair"] == ["0", "1", "2"]

    (tmp_path / "seeds" / "trials" / "fair-1.json").write_text("")
    (tmp_path / "seeds" / "trials" / "fair-2.json").write_text("damaged")
    with pytest.raises(RunFolderError, match=r"fair-2.json cannot be read: .*--resume runs this trial again"):
        bl.load_comparison(tmp_path / "seeds", catalogue=catalogue)
    whole = bl.compare("two_modes", **ask, seeds=2, resume=True)
    assert "fair-2.json cannot be read" in caplog.text and "; the trial is run again" in caplog.text
    # Of seed 2 our own trial is finished, so that it stays.
    assert whole.record["seeds"] == [0, 1, 2]
    assert whole.trial("fair", 1).figures["mode_mass_tv"] == first.trial("fair", 1).figures["mode_mass_tv"]
    assert bl.load_comparison(tmp_path / "seeds", catalogue=catalogue).trial("fair", 2).failed is None


@pytest.mark.slow
def test_another_energy_of_the_same_name_is_not_gone_on_with(tmp_path, catalogue, monkeypatch, caplog):
    """Targets made in Python have no parameters to tell them apart."""
    monkeypatch.setattr(TRAIN, "verdict_of", lambda *_: VERDICT)
    ask: dict[str, Any] = {"baselines": [], "budget": BUDGET, "seeds": 1, "settings": {**TINY, "metrics": []}}
    ask |= {"out": tmp_path / "one", "catalogue": catalogue}

    def target(power: int, scale: float = 1.0):
        return bl.target(lambda x: -(x[0] ** power), dim=1, scale=scale)

    bl.compare(target(2), **ask)
    for other in (target(4), target(2, scale=2.0)):
        with pytest.raises(RunFolderError, match="begun with another target .its region, or its energy at the same"):
            bl.compare(other, **ask, resume=True)
    again = bl.compare(target(2), **{**ask, "seeds": [1]}, resume=True)
    assert again.record["seeds"] == [0, 1]

    record = json.loads((tmp_path / "one" / "comparison.json").read_text())
    (tmp_path / "one" / "comparison.json").write_text(json.dumps({**record, "versions": {"jax": "0.1"}}))
    bl.compare(target(2), **ask, resume=True)
    assert "was begun with" in caplog.text and "jax 0.1 (now" in caplog.text
    doubled = {**record["platform"], "float64": not record["platform"]["float64"]}
    (tmp_path / "one" / "comparison.json").write_text(json.dumps({**record, "platform": doubled}))
    with pytest.raises(RunFolderError, match="begun with another precision of numbers"):
        bl.compare(target(2), **ask, resume=True)
    (tmp_path / "one" / "comparison.json").write_text(json.dumps({**record, "target_print": {"centre": "x"}}))
    with pytest.raises(RunFolderError, match="begun with another target"):
        bl.compare(target(2), **ask, resume=True)


METRIC = """
import biglearn_sampler as bl


class Constant(bl.AbstractMetric):
    def compute(self, draws, target, key):
        return {"constant": bl.Measured(1.0)}


@bl.hookimpl
def biglearn_metrics():
    return [bl.Entry(name="constant", build=Constant, summary="says one")]
"""


@pytest.mark.slow
def test_a_metric_that_was_edited_is_not_gone_on_with_and_an_upgrade_is(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(TRAIN, "verdict_of", lambda *_: VERDICT)
    file, record = tmp_path / "metric.py", tmp_path / "one" / "comparison.json"
    file.write_text(METRIC)
    ask: dict[str, Any] = {"baselines": ["fair", "nuts"], "budget": BUDGET, "seeds": 1}
    ask |= {"out": tmp_path / "one", "settings": {**TINY, "metrics": ["constant"]}}
    bl.compare("two_modes", **ask, catalogue=bl.Catalogue(plugins={"tests": Plugin()}, files=[file]))
    text = json.loads(record.read_text())
    for built in (text["target"], text["methods"]["nuts"]):
        built["version"] = "0.0.1"
    record.write_text(json.dumps({**text, "versions": {"biglearn-sampler": "0.0.1"}}))
    bl.compare("two_modes", **ask, resume=True, catalogue=bl.Catalogue(plugins={"tests": Plugin()}, files=[file]))
    assert "was begun with biglearn-sampler 0.0.1 (now" in caplog.text
    file.write_text(METRIC.replace("1.0", "2.0"))
    with pytest.raises(RunFolderError, match="begun with another version, or content of the file, of .*constant"):
        bl.compare("two_modes", **ask, resume=True, catalogue=bl.Catalogue(plugins={"tests": Plugin()}, files=[file]))


def test_one_process_at_a_time_writes_into_a_comparison(tmp_path, catalogue, monkeypatch):
    monkeypatch.setattr(TRAIN, "verdict_of", lambda *_: VERDICT)
    ask: dict[str, Any] = {"baselines": [], "budget": BUDGET, "seeds": 1, "settings": TINY, "catalogue": catalogue}
    bl.compare("two_modes", **ask, out=tmp_path / "one")
    with only_here(tmp_path / "one"), pytest.raises(RunFolderError, match="another process is writing into"):
        bl.compare("two_modes", **ask, out=tmp_path / "one", resume=True)


def test_a_method_whose_package_came_later_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(TRAIN, "verdict_of", lambda *_: VERDICT)
    ask = {"baselines": ["absent", "fair"], "budget": BUDGET, "seeds": 1, "settings": TINY, "out": tmp_path / "later"}
    first = bl.compare("two_modes", **ask, catalogue=bl.Catalogue(plugins={"tests": Plugin()}))
    assert [trial.method for trial in first.trials if trial.failed] == ["absent"]
    installed = bl.Catalogue(plugins={"tests": Plugin(installed=True)})
    second = bl.compare("two_modes", **ask, resume=True, catalogue=installed)
    assert sorted(second.methods) == ["absent", "biglearn", "fair"] and not second.failures("absent")
    with pytest.raises(RunFolderError, match="begun with another list of methods"):
        bl.compare("two_modes", **{**ask, "baselines": ["fair"]}, resume=True, catalogue=installed)


def test_a_record_that_names_files_elsewhere_is_refused(compared, catalogue, tmp_path):
    record = {**compared.record, "methods": {"../../elsewhere": None}}
    (tmp_path / "comparison.json").write_text(json.dumps(record))
    with pytest.raises(RunFolderError, match="expected plain names of methods"):
        bl.load_comparison(tmp_path, catalogue=catalogue)


def test_a_damaged_trial_is_told(compared, catalogue, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(compared.folder, copy)
    (copy / "trials" / "fair-0.npz").write_bytes(b"PK nonsense")
    with pytest.raises(RunFolderError, match=r"fair-0.npz cannot be read: it is damaged"):
        bl.load_comparison(copy, catalogue=catalogue)
    (copy / "trials" / "fair-0.json").write_text('{"figures": 3}')
    with pytest.raises(RunFolderError, match=r"fair-0.json cannot be read: expected a trial"):
        bl.load_comparison(copy, catalogue=catalogue)
    with pytest.raises(RunFolderError, match="holds no comparison.json; expected the folder of a comparison"):
        bl.load_comparison(tmp_path, catalogue=catalogue)


# at the door


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"baselines": ["nutts"]}, "there is no baseline 'nutts'; did you mean 'nuts'"),
        ({"baselines": [{"name": "nuts", "chain": 2}]}, "chain"),
        ({"budget": 90, "baselines": ["fair"]}, r"too small for fair \(at least 100\); give a larger one, or leave"),
        ({"seeds": 0}, "seeds must be a number of at least 1, or a list of seeds, got 0"),
        ({"seeds": [1, 1]}, "seeds must be different"),
        ({"seeds": 20240101}, r"at most 100,000 of them, got 20,240,101; one seed is given as a list, \[20240101\]"),
        ({"seeds": [-1]}, "seed must be a whole number from 0"),
        ({"resume": True}, "say which: give its folder as --out"),
        ({"baselines": {"chains": 8}}, r"a baseline as a table has its name in it, as in \{'name': 'nuts', .* got"),
        ({"baselines": 3}, r"baselines must be a list of names such as 'nuts' or 'nuts\(chains=8\)', got 3"),
        ({"baselines": ["nuts(chains"]}, r"is written NAME or NAME\(parameter=value,...\), got 'nuts\(chains'"),
        ({"baselines": ["nuts(chain=8)"]}, "chain"),
        (
            {"overrides": {"budget.evaluations": 60_000}},
            "budget.evaluations is 60,000 in the settings, and the comparison has a budget of 2,000 for every method",
        ),
        ({"budget": "20000"}, "budget must be a whole number of evaluations, such as 1_000_000, got '20000'"),
        ({"budget": None}, "budget must be a whole number of evaluations, such as 1_000_000, got None"),
        ({"budget": 1000.5}, "budget must be a whole number of evaluations"),
    ],
)
def test_what_cannot_be_had_is_told_at_once(arguments, told, catalogue, unchecked_types):
    ask = {"budget": BUDGET, "baselines": ["fair"], "seeds": 1, **arguments}
    with pytest.raises(UserError, match=told):
        bl.compare("two_modes", settings=TINY, catalogue=catalogue, **ask)


# curves, draws, tables


def test_the_curve_of_chains_is_what_their_draws_until_then_cover():
    target = bl.Catalogue().build("target", "two_modes").value
    modes = np.asarray(target.facts.modes, float)
    # Two chains: the first half of each on the left, the second half on the right.
    points = np.concatenate([np.repeat(modes, 50, axis=0)] * 2)
    result = BaselineResult(
        Draws(points, np.zeros(200), chains=2), Evaluations(gradient=1_100), 0, 0, warmup=Evaluations(energy=100)
    )
    curve = curve_of_baseline(result, target.facts)
    assert [point.evaluations for point in curve] == sorted(point.evaluations for point in curve)
    assert curve[0] == pytest.approx((110, 1, 0.5), abs=1e-4)
    assert curve[-1] == pytest.approx((1_100, 2, 0.0), abs=1e-4)
    half = [point for point in curve if point.evaluations <= 600]
    assert half[-1].modes_covered == 1
    alone = replace(result, draws=replace(result.draws, chains=None, weights=np.eye(200)[0]))
    (end,) = curve_of_baseline(alone, target.facts)
    assert end == pytest.approx((1_100, 1, 0.5), abs=1e-4)
    assert curve_of_baseline(result, bl.Facts()) == []


SOUND = BaselineResult(Draws(np.zeros((4, 2)), np.zeros(4), weights=np.full(4, 0.25)), Evaluations(energy=4), 0.1, 0.2)


@pytest.mark.parametrize(
    ("changes", "of_draws", "problem"),
    [
        ({"seconds_run": math.nan}, {}, "seconds_run must be a finite number"),
        ({"evaluations": Evaluations(energy=cast(int, 1.5))}, {}, "evaluations must be whole numbers"),
        ({"warmup": Evaluations(energy=-1)}, {}, "evaluations must be whole numbers"),
        ({}, {"points": np.full((4, 2), np.nan)}, "and 4 of 4 are not"),
        ({}, {"weights": np.full(3, 1 / 3)}, "got shape (3,)"),
        ({}, {"weights": np.full(4, -0.25)}, "lie from -0.25 to -0.25 and sum to -1"),
        ({}, {"weights": np.zeros(4)}, "and sum to 0"),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_what_cannot_be_measured_of_a_baseline_is_told(changes: dict[str, Any], of_draws: dict[str, Any], problem: str):
    assert result_problem(SOUND, 2) is None
    assert problem in str(result_problem(replace(SOUND, **changes, draws=replace(SOUND.draws, **of_draws)), 2))


def test_whole_numbers_of_numpy_are_counts_and_become_json():
    counted = replace(SOUND, evaluations=Evaluations(energy=cast(int, np.int64(4))))
    assert result_problem(counted, 2) is None
    target = bl.Catalogue().build("target", "two_modes").value
    (end,) = json.loads(json.dumps(curve_of_baseline(counted, target.facts)))
    assert end[0] == 4


@pytest.mark.slow
def test_a_trial_that_cannot_be_written_is_a_row_with_its_reason(tmp_path, catalogue, monkeypatch):
    def figures(*_: Any) -> dict[str, Any]:
        return {"odd": np.int64(1), "energy_evaluations": 1, "gradient_evaluations": 0}

    monkeypatch.setattr("biglearn_sampler.runs.trials.baseline_figures", figures)
    settings = {"training.steps": 2, "components": 2, "verdict.evaluations": 0, "compare.reports": []}
    comparison = bl.compare(
        "two_modes",
        baselines=["fair"],
        budget=20_000,
        seeds=1,
        settings=settings,
        out=tmp_path / "it",
        catalogue=catalogue,
    )
    (row,) = [trial for trial in comparison.trials if trial.method == "fair"]
    assert row.failed is not None and "its figures cannot be written: TypeError" in row.failed
    assert "cannot be written" in (tmp_path / "it" / "results.csv").read_text()


def test_no_baseline_has_the_name_of_our_sampler():
    class Ours:
        @bl.hookimpl
        def biglearn_baselines(self):
            return [bl.Entry(name="biglearn", build=lambda: Exact(), summary="a method")]

    catalogue = bl.Catalogue(plugins={"ours": Ours()})
    for attempt in (bl.train, partial(bl.compare, budget=20_000)):
        with pytest.raises(UserError, match="a baseline cannot be called 'biglearn'"):
            attempt("two_modes", baselines=["biglearn"], catalogue=catalogue)


def test_the_curve_of_a_training_skips_rows_without_modes_and_ends_at_its_figures():
    rows = [
        {"energy_evaluations": 10 * i, "gradient_evaluations": i, "modes_covered": i, "mode_mass_tv": 0.1}
        for i in range(3)
    ]
    unknown = {**rows[0], "modes_covered": None}
    assert curve_of_training(rows, unknown) == [CoveragePoint(11 * i, i, 0.1) for i in range(3)]
    assert curve_of_training([unknown], {}) == []
    figures = {**rows[2], "mode_mass_tv": 0.01}
    assert curve_of_training(rows, figures) == [(0, 0, 0.1), (11, 1, 0.1), (22, 2, 0.01)]


@pytest.mark.parametrize("chains", [None, 3])
def test_thinned_draws_are_spread_over_the_whole(chains):
    draws = Draws(np.arange(300.0)[:, None], np.zeros(300), chains=chains, weights=np.full(300, 1 / 300))
    few = thinned(draws, 30)
    assert few.count == 30 and few.chains == chains
    assert few.points.min() == 0 and few.points.max() == 299
    assert few.shares.sum() == pytest.approx(1.0)
    assert np.ptp(few.points.reshape(chains or 1, -1), axis=1).min() >= 99
    assert thinned(few, 30).count == 30


def test_an_aggregate_has_the_error_of_its_mean():
    trials = [
        Trial("a", seed, {"elbo": value, "standard_errors": {"elbo": 0.5}})
        for seed, value in enumerate((1.0, 2.0, 6.0))
    ]
    three, one = aggregate("elbo", trials), aggregate("elbo", trials[:1])
    assert three is not None and one is not None
    assert (three.mean, three.least, three.most, three.count) == (3.0, 1.0, 6.0, 3)
    assert three.standard_error == pytest.approx(math.sqrt(7.0 / 3.0))
    assert one.standard_error == 0.5
    assert aggregate("khat", trials) is None


def comparing(**figures: list[dict[str, Any]]) -> Comparison:
    """Methods with these figures, one dict for each seed."""
    costs = {"energy_evaluations": 0, "gradient_evaluations": 1_000}
    trials = [
        Trial(name, seed, {**costs, **each}) for name, found in figures.items() for seed, each in enumerate(found)
    ]
    return Comparison(bl.Catalogue().build("target", "two_modes").value, "it", trials, {})


def test_our_sampler_is_told_beside_the_best_of_the_others():
    def masses(*off: float) -> list[dict[str, Any]]:
        return [{"mode_mass_tv": each} for each in off]

    def log_z(*off: float) -> list[dict[str, Any]]:
        return [{"log_z_error": each} for each in off]

    ours, good, poor = masses(0.010, 0.012), masses(0.012, 0.014), masses(0.5, 0.502)
    assert standing_of(comparing(biglearn=ours, poor=poor)) == [
        "Masses of the modes: biglearn is off by 0.011 on average after 1,000 evaluations, the best of the others, "
        "poor, by 0.501 after 1,000."
    ]
    (told,) = standing_of(comparing(biglearn=ours, poor=poor, good=good))
    assert "the others, good, by 0.013 after 1,000; no difference that these seeds could show." in told
    (told,) = standing_of(comparing(biglearn=log_z(-0.2, 0.1), good=log_z(0.1, 0.05), poor=log_z(0.01, 0.3)))
    assert "log Z: biglearn is off by 0.150 on average after" in told and "good, by 0.075 after" in told
    # Errors that cancel on average are no small errors.
    (told,) = standing_of(comparing(biglearn=log_z(0.01, -0.01, 0.012), wild=log_z(0.9, -0.8, 0.85)))
    assert "wild, by 0.850" in told and "no difference" not in told
    # Of two seeds each, 2.6 standard errors are chance in more than one of ten cases.
    (told,) = standing_of(comparing(biglearn=log_z(0.1, 0.3), good=log_z(0.44, 0.56)))
    assert "no difference that these seeds could show" in told
    alone = [{"log_z_error": off, "standard_errors": {"log_z_error": 0.01}} for off in (0.1, 0.2)]
    (told,) = standing_of(comparing(biglearn=alone[:1], good=alone[1:]))
    assert "no difference" not in told
    assert standing_of(comparing(biglearn=ours)) == standing_of(comparing(good=ours, poor=poor)) == []


def test_without_known_modes_the_means_are_compared():
    def moments(mean: float | None) -> list[dict[str, Any]]:
        return [{"moments": {"x": {"mean": mean, "mcse": 0.1}, "y": {"mean": 0.0, "mcse": 0.0}}}] * 2

    compared = comparing(biglearn=moments(1.0), near=moments(1.2), far=moments(3.0), lost=moments(None))
    # The error of a difference of two means over two seeds is 0.1.
    assert agreement_with_ours(compared, "near") == ["all means within 2.0 Monte Carlo errors of biglearn's"]
    assert agreement_with_ours(compared, "far") == ["its mean of x 20 Monte Carlo errors from biglearn's"]
    assert agreement_with_ours(compared, "lost") == agreement_with_ours(compared, "biglearn") == []
    (told,) = standing_of(compared)
    assert told.startswith("Means of far lie further from those of biglearn than their Monte Carlo errors: one side")


def test_a_seed_that_misses_a_mode_does_not_hide_behind_one_with_large_errors():
    def moments(*pairs: tuple[float, float]) -> list[dict[str, Any]]:
        return [{"moments": {"x": {"mean": mean, "mcse": error}}} for mean, error in pairs]

    compared = comparing(biglearn=moments((0.0, 0.01), (0.0, 0.01)), nuts=moments((0.1, 10.0), (0.5, 0.01)))
    assert agreement_with_ours(compared, "nuts") == ["its mean of x 35 Monte Carlo errors from biglearn's on seed 1"]
    (told,) = standing_of(compared)
    assert told.startswith("Means of nuts on seed 1 lie further from those of biglearn")


def test_the_furthest_of_many_means_is_far_by_chance():
    def moments(mean: float, count: int) -> list[dict[str, Any]]:
        others = {f"x[{number}]": {"mean": 0.0, "mcse": 0.1} for number in range(1, count)}
        return [{"moments": {"x[0]": {"mean": mean, "mcse": 0.1}, **others}}]

    # 4.4 errors: one in 90,000 cases for one quantity, one in 60 for 1,600.
    few, many = (comparing(biglearn=moments(0.0, n), other=moments(0.44 * 2**0.5, n)) for n in (1, 1600))
    assert agreement_with_ours(few, "other") == ["its mean of x[0] 4 Monte Carlo errors from biglearn's"]
    assert agreement_with_ours(many, "other") == ["all means within 4.4 Monte Carlo errors of biglearn's"]
    assert standing_of(few) and not standing_of(many)


def test_closed_form_channels_count_and_are_told():
    costs = {"energy_evaluations": 10, "gradient_evaluations": 100, "exact_channel_evaluations": 5_000}
    trial = Trial("biglearn", 0, costs)
    assert trial.evaluations == 5_110
    row = {**costs, "modes_covered": 1, "mode_mass_tv": 0.5}
    assert [point.evaluations for point in curve_of_training([row], {})] == [5_110]
    told = sentences_of(Comparison(bl.Catalogue().build("target", "two_modes").value, "it", [trial], {}))
    assert any("5,000 of its evaluations are of the target's closed-form channels" in each for each in told)
    assert not any("closed-form" in each for each in sentences_of(comparing(biglearn=[{}])))


def test_the_text_table_shows_ranges_errors_and_gaps(compared):
    headings, rows = table_of(compared)
    cells = {row[0]: dict(zip(headings, row, strict=True)) for row in rows}
    assert cells["fair"]["evaluations"] == "2,000" and cells["fair"]["modes"] == "2 of 2"
    assert cells["tired"]["seeds"] == "0 (2 failed)" and cells["tired"]["modes"] == "-"
    assert "±" in cells["fair"]["mass TV"] and cells["fair"]["ELBO"] == "-"


def test_citations_name_the_sources_of_all_that_was_used(compared):
    cited = dict(citations_of([compared.record]))
    assert "Big Cooperative Learning" in cited["big cooperative learning"]
    assert "Clopper & Pearson" in cited["mode_coverage"]
    older = {"versions": {"biglearn-sampler": "0.0.9"}}
    assert cited["biglearn-sampler"].endswith(f"version {bl.__version__}")
    assert dict(citations_of([older]))["biglearn-sampler"].endswith("version 0.0.9")
    assert len(citations_of([compared.record] * 2)) == len(citations_of([compared.record]))


# runs side by side


@pytest.fixture(scope="module")
def alone(tmp_path_factory, catalogue):
    """The folder of one run."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TRAIN, "verdict_of", lambda *_: VERDICT)
        bl.train("two_modes", settings={**TINY, "reports": []}, out=folder, catalogue=catalogue)
    return folder


def test_runs_become_a_comparison(tmp_path, catalogue, monkeypatch):
    monkeypatch.setattr(TRAIN, "verdict_of", lambda *_: VERDICT)
    quick = {**TINY, "reports": []}
    folders = [tmp_path / str(seed) for seed in range(2)]
    for seed, folder in enumerate(folders):
        bl.train("two_modes", seed=seed, settings=quick, baselines=["tired"], out=folder, catalogue=catalogue)
    both = gathered(folders, catalogue)
    assert both.methods == ["biglearn", "tired"] and both.record["seeds"] == [0, 1]
    assert len(both.finished("biglearn")) == 2 and len(both.failures("tired")) == 2
    assert both.finished("biglearn")[0].curve and both.finished("biglearn")[0].draws is not None
    same = gathered([folders[0], folders[0]], catalogue)
    assert same.methods[0] == "0 (1)" and same.methods[2] == "0 (2)"
    # Unlike runs are no seeds of one method, and what differs is told of each.
    first, second = (bl.load(folder, catalogue=catalogue) for folder in folders)
    for part, other in (("baselines", {}), ("versions", {**second.record["versions"], "jax": "0.1"})):
        unlike = comparison_of([first, replace(second, record={**second.record, part: other})])
        assert unlike.methods == ["0", "tired beside 0", "1", "tired beside 1"]
    assert unlike.record["versions"]["jax"] == {"0, seed 0": first.record["versions"]["jax"], "1, seed 1": "0.1"}
    assert unlike.record["versions"]["numpy"] == first.record["versions"]["numpy"]
    assert unlike.record["settings"] == first.record["settings"]
    other = bl.train(
        bl.target(lambda x: -(x[0] ** 2), dim=1, scale=1.0), settings={**quick, "metrics": []}, catalogue=catalogue
    )
    with pytest.raises(UserError, match="the runs are on different targets"):
        comparison_of([bl.load(folders[0], catalogue=catalogue), other])
    run = bl.load(folders[0], catalogue=catalogue)
    for changes, told in (
        ({"name": "x:funnel"}, "targets, .*two_modes and x:funnel; make"),
        ({"parameters": {"dim": 5}}, "targets, .*two_modes with .*dim=None and with .*dim=5; make"),
        ({"distribution": "file a.py", "version": "2"}, "two_modes with version .* and with version 2 of file a.py;"),
    ):
        changed = {**run.record, "target": {**run.record["target"], **changes}}
        with pytest.raises(UserError, match=told):
            comparison_of([run, replace(run, record=changed)])
    (folders[1] / "metrics.json").unlink()
    with pytest.raises(RunFolderError, match="has no figures, metrics.json: it did not finish, or the file"):
        gathered(folders, catalogue)


@pytest.mark.parametrize(
    ("name", "changes", "told"),
    [
        ("run.json", {"seed": None}, r"expected the record of a run \(seed must be a whole number from 0 to .*None\)"),
        ("run.json", {"seed": "x"}, r"expected the record of a run \(seed must be a whole number"),
        (
            "metrics.json",
            {"energy_evaluations": None},
            "expected the figures of a run, with energy_evaluations and gra",
        ),
        ("metrics.json", {"baselines": {"nuts": {"elbo": 1.0}}}, "expected the figures of a run"),
        ("metrics.json", {"baselines": [1]}, "expected the figures of a run"),
    ],
)
def test_a_run_of_which_something_is_missing_is_told(name, changes, told, alone, tmp_path, catalogue):
    folder = shutil.copytree(alone, tmp_path / "run")
    content = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps({**content, **changes}))
    with pytest.raises(RunFolderError, match=rf"{name} cannot be read: {told}"):
        gathered([folder], catalogue)


def test_trials_go_to_arviz(compared):
    arviz = pytest.importorskip("arviz")
    chains = compared.to_arviz("fair", seed=1)
    assert chains["posterior"].sizes["chain"] == 4 and chains["posterior"].sizes["draw"] == 100
    assert float(arviz.rhat(chains)["x"].max()) < 1.1
    ours = compared.to_arviz("biglearn")
    assert ours["posterior"].sizes["chain"] == 1 and ours["posterior"].attrs["resampled"] == 1
    with pytest.raises(UserError, match="there is no finished trial of 'tired'; the methods are: biglearn, fair"):
        compared.to_arviz("tired")


# the command line


@pytest.fixture
def call(capsys, tmp_path, monkeypatch):
    """Runs a command in an empty folder; gives its status and what it printed."""
    monkeypatch.chdir(tmp_path)

    def called(*arguments):
        status = main([str(argument) for argument in arguments])
        return (status, *capsys.readouterr())

    return called


@pytest.mark.parametrize(
    ("texts", "specs"),
    [
        (None, None),
        (["nuts,hmc"], [{"name": "nuts"}, {"name": "hmc"}]),
        (["nuts(chains=8, warmup=10),hmc", "hmc"], [{"name": "nuts", "chains": "8", "warmup": "10"}, {"name": "hmc"}]),
        (["tests:fair"], [{"name": "tests:fair"}]),
    ],
)
def test_methods_are_named_with_commas_and_parameters(texts, specs, catalogue):
    assert methods_named(texts, catalogue) == specs


@pytest.mark.parametrize(
    ("given", "specs"),
    [
        ("nuts", ["nuts"]),
        ({"name": "nuts", "chains": 8}, [{"name": "nuts", "chains": 8}]),
        (["nuts(chains=8, warmup=10), hmc", "sa"], [{"name": "nuts", "chains": "8", "warmup": "10"}, "hmc", "sa"]),
        (["tests:fair"], ["tests:fair"]),
    ],
)
def test_baselines_are_written_in_python_as_on_the_command_line(given, specs, catalogue):
    assert method_specs(given, catalogue) == specs
    assert len(method_specs("all", catalogue)) == len(catalogue.offers("baseline"))


def test_all_means_every_baseline(catalogue):
    named = methods_named(["all"], catalogue) or []
    assert {spec["name"] for spec in named} == {offer.entry.name for offer in catalogue.offers("baseline")}
    assert methods_named(["all,fair"], catalogue) == named
    twice = bl.Catalogue(plugins={"tests": Plugin(), "others": Plugin()})
    assert {"tests:fair", "others:fair"} <= {spec["name"] for spec in methods_named(["all"], twice) or []}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nuts(chains", r"is written NAME or NAME\(parameter=value,...\), got 'nuts\(chains'"),
        ("nuts(chains)", r"is written NAME or NAME\(parameter=value,...\), got 'nuts\(chains\)'"),
        (",", "--with takes names of baselines"),
    ],
)
def test_a_method_that_cannot_be_read_is_told(text, told, catalogue):
    with pytest.raises(UserError, match=told):
        methods_named([text], catalogue)


def test_compare_prints_the_table_and_what_it_says(call, monkeypatch, compared):
    given = {}

    def comparing(target, **arguments):
        given.update(arguments, target=target)
        return compared

    monkeypatch.setattr("biglearn_sampler.runs.compare", comparing)
    status, output, errors = call("compare", "a:two_modes", "--with", "nuts(chains=2)", "--budget", 5000, "--seeds", 4)
    assert status == 0 and errors == ""
    assert output.startswith("method     seeds") and sentences_of(compared)[0] in output
    assert output.endswith(f"The comparison is in {compared.folder}.\n")
    assert (given["target"], given["budget"], given["seeds"]) == ("a:two_modes", 5000, 4)
    assert given["baselines"] == [{"name": "nuts", "chains": "2"}]
    assert (str(given["out"]), given["numbered"], given["resume"]) == ("runs/two_modes-compared", True, False)
    assert call("compare", "two_modes", "--out", "mine", "--resume", "--quiet") == (0, f"{compared.folder}\n", "")
    assert (str(given["out"]), given["numbered"], given["resume"], given["baselines"]) == ("mine", False, True, None)


def test_the_command_line_says_the_defaults_of_the_function():
    of_command, of_function = (inspect.signature(each).parameters for each in (compare_command, bl.compare))
    assert [of_command[name].default for name in ("budget", "seeds")] == [
        of_function[name].default for name in ("budget", "seeds")
    ]


def test_sigterm_ends_a_comparison_in_good_order(call, monkeypatch, tmp_path, caplog):
    """With the trials that are over, and a record that says so."""

    def trial(scene, method, seed):
        if seed == 1:
            signal.raise_signal(signal.SIGTERM)
        return Trial(method, seed, {"energy_evaluations": 0, "gradient_evaluations": 1})

    monkeypatch.setattr(import_module("biglearn_sampler.runs.compare"), "run_trial", trial)
    assert call("compare", "two_modes", "--with", "nuts", "--out", "my own")[0] == 143
    assert "2 trials are in my own; the same command with --out 'my own' --resume goes on" in caplog.text
    assert sorted(path.name for path in (tmp_path / "my own" / "trials").glob("*.json")) == [
        "biglearn-0.json",
        "nuts-0.json",
    ]
    assert json.loads((tmp_path / "my own" / "comparison.json").read_text())["status"] == "interrupted"


def test_a_comparison_that_is_interrupted_while_its_page_is_drawn_says_so_and_goes_on(call, monkeypatch, tmp_path):
    module = import_module("biglearn_sampler.runs.compare")
    report = module._report

    def trial(scene, method, seed):
        return Trial(method, seed, {"energy_evaluations": 0, "gradient_evaluations": 1})

    monkeypatch.setattr(module, "run_trial", trial)
    monkeypatch.setattr(module, "_report", lambda *_: signal.raise_signal(signal.SIGTERM))
    asked = ("compare", "two_modes", "--with", "nuts", "--out", "mine", "--seeds", 1)
    assert call(*asked)[0] == 143
    record = tmp_path / "mine" / "comparison.json"
    assert json.loads(record.read_text())["status"] == "interrupted"
    monkeypatch.setattr(module, "_report", report)
    assert call(*asked, "--resume")[0] == 0
    assert json.loads(record.read_text())["status"] == "finished"


def test_resuming_needs_a_folder(call):
    status, _, errors = call("compare", "two_modes", "--resume")
    assert status == 2 and "say which: give its folder as --out" in errors


def test_report_and_cite_read_folders(call, compared, tmp_path, monkeypatch):
    names, mistaken = [], []

    def write_comparison(_: Comparison, folder: Path) -> list[Any]:
        for name in names:
            (folder / name).write_text("a page")
        return mistaken or [folder / name for name in names]

    built = SimpleNamespace(value=SimpleNamespace(write_comparison=write_comparison), record=None)
    monkeypatch.setattr(bl.Catalogue, "build", _building(bl.Catalogue.build, built))
    status, _, errors = call("report", compared.folder, "--out", "none/of/this")
    assert status == 2 and "is about single runs, not about comparisons" in errors
    assert not (tmp_path / "none").exists() and call("report", compared.folder)[0] == 2
    assert compared.folder.is_dir()
    names.append("report.html")
    assert call("report", compared.folder, "--out", "new/place") == (0, "new/place/report.html\n", "")
    assert (tmp_path / "new" / "place").is_dir()
    for number, mistake in enumerate(("abc", [Path("elsewhere")])):
        mistaken[:] = mistake
        status, _, errors = call("report", compared.folder, "--out", f"newer-{number}")
        assert status == 1 and "expected a Path inside the folder" in errors
    mistaken.clear()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "report.html").write_text("a thesis")
    status, _, errors = call("report", compared.folder, "--out", "mine")
    assert status == 2 and "mine exists already and is not empty" in errors
    assert (tmp_path / "mine" / "report.html").read_text() == "a thesis"
    assert call("report", compared.folder, "--out", compared.folder)[0] == 0
    status, _, errors = call("report", compared.folder, compared.folder)
    assert status == 2 and "say where it shall be, with --out DIR" in errors
    status, _, errors = call("report", "nowhere")
    assert status == 2 and "nowhere does not exist; expected the folder of a run" in errors
    status, output, _ = call("cite", compared.folder)
    assert status == 0 and "mode_coverage: Clopper & Pearson" in output
    package, theory = call("cite")[1].splitlines()[:2]
    assert package == f"biglearn-sampler: a plugin-based energy sampler toolkit, version {bl.__version__}"
    assert theory.startswith("big cooperative learning: ")


def _building(build, report):
    """`Catalogue.build` with a report of the test."""
    return lambda self, kind, *rest: report if kind == "report" else build(self, kind, *rest)
