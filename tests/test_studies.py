"""Studies: refused at the door with everything that is wrong, isolated jobs, and nothing run twice."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from threading import Thread
from unittest.mock import Mock

import numpy as np
import pytest

import biglearn_sampler as bl
from biglearn_sampler.catalogue import Recipe, versions_of_plugins
from biglearn_sampler.cli import main
from biglearn_sampler.comparison import Trial
from biglearn_sampler.errors import MissingPackage, RunFolderError, SettingsError, UserError
from biglearn_sampler.evaluation import Draws
from biglearn_sampler.runs.folder_lock import only_here
from biglearn_sampler.studies import sweep
from biglearn_sampler.studies.folder import _as_parquet
from biglearn_sampler.studies.job import Cell, Job
from biglearn_sampler.studies.plan import plan_study
from biglearn_sampler.studies.process import Process
from biglearn_sampler.studies.processes import Outcome, Processes
from biglearn_sampler.studies.results import StudyResults
from biglearn_sampler.studies.study import label_of, parse_study
from biglearn_sampler.studies.surroundings import Surroundings
from biglearn_sampler.studies.sweep import planned
from biglearn_sampler.studies.work import _restore_environment, _scene, work

SWEEP = import_module("biglearn_sampler.studies.sweep")
PROCESS = import_module("biglearn_sampler.studies.process")
EXAMPLE = Path(__file__).parent.parent / "examples" / "study.toml"

PLUGIN = """
import os, signal, time
from pathlib import Path
import numpy as np
import biglearn_sampler as bl


class Method(bl.AbstractBaseline):
    def __init__(self, act):
        self.act = act

    def least_budget(self, target):
        return 100

    def run(self, target, start, key, budget=None):
        print("this must not come between the answers")
        self.act()
        points = np.asarray(target.facts.modes, float)[[0, 1] * 50]
        spent = bl.Evaluations(gradient=budget)
        return bl.BaselineResult(bl.Draws(points, np.zeros(100)), spent, 0.0, 0.0)


def fair():
    return Method(lambda: None)


def tired():
    def act():
        raise RuntimeError("the computer is <b>tired</b>")
    return Method(act)


def killed():
    return Method(lambda: os.kill(os.getpid(), signal.SIGKILL))


def napping():
    def act():
        Path(os.environ["NAPS"], str(time.time_ns())).touch()
        time.sleep(3.0)
    return Method(act)


@bl.hookimpl
def biglearn_baselines():
    return [bl.Entry(name=build.__name__, build=build, summary="a method") for build in (fair, tired, killed, napping)]
"""

SLEEPING = "import os, pathlib, time; pathlib.Path(os.environ['SLEEPING'], str(os.getpid())).touch(); time.sleep(60)"


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    file = tmp_path_factory.mktemp("plugins") / "methods.py"
    file.write_text(PLUGIN)
    return bl.Catalogue(files=[file])


def problems_of(text: str) -> list[str]:
    return parse_study(tomllib.loads(text))[1]


# what is written down


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "targets: expected a list of targets"),
        ("target = ['funnel']", "unknown key 'target'; did you mean 'targets'?"),
        ("targets = 'funnel'", "targets: must be a list in brackets, got 'funnel'"),
        ("targets = []", "targets: the list is empty; a study needs one at least"),
        ("targets = [3]", "targets.0: must be a name, or a table with a name and parameters, got 3"),
        ("targets = ['a', 'a']", "targets: 'a' stands there twice"),
        ("targets = ['a']\nmethods = []", "methods: the list is empty"),
        ("targets = ['a']\nmethods = [{name = 'biglearn', k = 3}]", "'biglearn' takes no parameters; give it settings"),
        ("targets = ['a']\nseeds = []", "seeds: must be a number of at least 1, or a list of seeds, got []"),
        ("targets = ['a']\nseeds = 0", "seeds: must be a number of at least 1"),
        ("targets = ['a']\nseeds = 20240101", "at most 100,000 of them, got 20,240,101; one seed is written seeds = ["),
        ("targets = ['a']\nseeds = [1, 1]", "seeds: 1 stands there twice"),
        ("targets = ['a']\nseeds = [-1]", "seeds: seed must be a whole number from 0"),
        ("targets = ['a']\nbudget = true", "budget: must be a whole number of at least 1, got True"),
        ("targets = ['a']\nsettings = 'paper'", "settings: must be tables by name"),
        ("targets = ['a']\nsettings.paper = 'paper'", "settings.paper: must be a table"),
        ("targets = ['a']\n[settings]", "settings: there is none"),
    ],
)
def test_a_study_without_form_is_refused(text, told):
    assert any(told in problem for problem in problems_of(text)), problems_of(text)


def test_a_study_with_form_has_no_problem():
    assert problems_of(EXAMPLE.read_text()) == []
    assert label_of({"name": "nuts", "chains": 2, "dense": True}) == "nuts(chains=2,dense=true)"


def test_everything_that_is_wrong_is_told_at_once(catalogue):
    study = {
        "targets": ["funnell", "two_modes", {"name": "funnel", "dim": 1}],
        "methods": ["biglearn", "biglern", "fair", "nuts", "biglearn_baselines:nuts", {"name": "nuts", "chain": 2}],
        "settings": {"a": {"componentz": 3}, "b": {}, "c": {"preset": "papers"}, "d": {}, "e": {"start.sd": [1, 2, 3]}},
        "seeds": [0, 0],
        "budget": 90,
    }
    with pytest.raises(SettingsError) as raised:
        planned(study, catalogue)
    text = str(raised.value)
    for told in (
        "problems in the study:",
        "seeds: 0 stands there twice",
        "there is no target 'funnell'; did you mean 'funnel'?",
        "methods: there is no method 'biglern'; did you mean 'biglearn'?",
        "methods: 'nuts' and 'biglearn_baselines:nuts' are the same",
        "funnel: `dim` must be at least 2",
        "has no parameter 'chain'; did you mean 'chains'?",
        "settings.a: 1 problem in the settings:\n      componentz: unknown key; did you mean 'components'?",
        "settings.c: there is no preset 'papers'; did you mean 'paper'?",
        "settings: 'b' and 'd' are the same",
        "target 'two_modes' with settings 'e': start.sd",
        "budget: 90 is too small for fair (at least 100), target 'two_modes'",
        "budget.evaluations: 90 is too small; expected at least",
    ):
        assert told in text, text


def test_a_file_that_is_no_study_is_refused(tmp_path, capsys):
    (tmp_path / "study.toml").write_text("targets = [")
    assert main(["sweep", str(tmp_path / "study.toml")]) == 2
    assert "is no valid TOML" in capsys.readouterr().err
    assert main(["sweep", str(tmp_path / "none.toml")]) == 2
    assert "cannot be read: No such file" in capsys.readouterr().err


# the jobs


def test_baselines_run_once_for_settings_that_they_do_not_see(capsys):
    assert main(["sweep", str(EXAMPLE), "--dry-run"]) == 0
    heading, *rows, _, total = capsys.readouterr().out.splitlines()
    jobs = [row.split()[0] for row in rows]
    answers = {row.split()[0]: row.split(maxsplit=1)[1] for row in rows}
    assert heading.split() == ["job", "settings"] and total == "30 jobs for 36 combinations"
    assert sorted(answers.values()) == ["default"] * 6 + ["default, few"] * 6 + ["few"] * 6 + ["measured"] * 12
    ours = [name for name in jobs if "-biglearn-" in name]
    # Two targets and three seeds; of the three settings a baseline looks at the metrics only.
    assert len(set(jobs)) == len(jobs) == 2 * 3 * (3 + 2) and len(ours) == 2 * 3 * 3


def job(**changes) -> Job:
    named = Job("../../etc/x.py:model", {"name": "two_modes"}, "fair", {"name": "fair"}, {}, 0, 1_000, False)
    return replace(named, **changes)


def test_a_name_is_a_file_name_and_tells_one_content_from_another():
    assert job().name.startswith("etc_x_py_model-fair-0-") and "/" not in job().name and ".." not in job().name
    changes = [{"budget": 1}, {"seed": 1}, {"settings": {"a": 1}}, {"target": {"name": "funnel"}}, {"float64": True}]
    changes += [{"plugins": {"x:y": "1"}}, {"plugins": {"x:y": "2"}}]
    assert len({job().name, *(job(**change).name for change in changes)}) == 1 + len(changes)
    assert job(title="y").name.rpartition("-")[2] == job().name.rpartition("-")[2]


# how jobs are run, without processes


def finished(which: Job, failed: str | None = None) -> Outcome:
    draws = None if failed else Draws(np.zeros((2, 2)), np.zeros(2))
    figures = {} if failed else {"elbo": 0.5, "energy_evaluations": 0, "gradient_evaluations": 7}
    return Outcome(Trial(which.method, which.seed, figures, (), draws, failed), "here", 0.1)


@pytest.fixture
def pretended(monkeypatch):
    """Jobs that are only pretended: the list of those that were run, and what the next ones do."""
    ran, failing = [], []

    class Pretended:
        def submit(self, which):
            ran.append(which.name)
            outcome: Future[Outcome] = Future()
            reason = failing.pop(0) if failing else None
            if isinstance(reason, BaseException):
                outcome.set_exception(reason)
            else:
                outcome.set_result(finished(which, reason))
            return outcome

    @contextmanager
    def pool(*_):
        yield Pretended()

    monkeypatch.setattr(SWEEP, "_pool", pool)
    return ran, failing


STUDY = {"targets": ["two_modes"], "methods": ["fair", "tired"], "seeds": 2, "budget": 1_000}


def test_a_failed_job_is_tried_again_and_then_told(pretended, catalogue):
    ran, failing = pretended
    failing += ["killed", "killed", None, RuntimeError("no workers")]
    results = sweep({**STUDY, "methods": ["fair"], "seeds": 1}, retries=1, catalogue=catalogue)
    assert len(ran) == 2 and list(results.failures.values()) == ["killed"]
    assert results.rows[0]["attempts"] == 2 and results.rows[0]["failed"] == "killed"
    results = sweep({**STUDY, "methods": ["fair"]}, retries=0, catalogue=catalogue)
    assert list(results.failures.values()) == ["nobody could run it: RuntimeError: no workers"]
    assert results.trial("two_modes", "fair", 0).failed is None
    with pytest.raises(UserError, match="retries must be a whole number from 0"):
        sweep(STUDY, retries=-1, catalogue=catalogue)


def test_finished_jobs_are_not_run_again(pretended, catalogue, tmp_path):
    ran, failing = pretended
    folder = tmp_path / "study"

    class Interrupting:
        def jobs_known(self, total, finished):
            pass

        def job_finished(self, job, outcome):
            if len(list((folder / "jobs").glob("*.json"))) == 2:
                raise KeyboardInterrupt

    failing += ["tired"]
    with pytest.raises(KeyboardInterrupt):
        sweep(STUDY, out=folder, catalogue=catalogue, watcher=Interrupting())
    assert json.loads((folder / "study.json").read_text())["status"] == "interrupted"
    assert len((folder / "results.csv").read_text().splitlines()) == 3
    kept = {file.stem for file in (folder / "jobs").glob("*.npz")}
    ran.clear()
    results = sweep({**STUDY, "seeds": 3}, out=folder, resume=True, catalogue=catalogue)
    # The one that failed, those that were missing, and those that the study has grown by.
    assert len(ran) == 5 and not kept & set(ran) and not results.failures
    rows = list(csv.DictReader((folder / "results.csv").read_text().splitlines()))
    assert [(row["method"], row["seed"], row["evaluations"], row["host"]) for row in rows] == [
        (method, str(seed), "7", "here") for method in ("fair", "tired") for seed in range(3)
    ]
    assert json.loads((folder / "study.json").read_text())["status"] == "finished"

    record = json.loads((folder / "study.json").read_text())
    (folder / "study.json").write_text(json.dumps({**record, "versions": {**record["versions"], "jax": "0.1"}}))
    with pytest.raises(RunFolderError, match=r"here is jax [\d.]+ in place of 0.1; install those again, or give"):
        sweep(STUDY, out=folder, resume=True, catalogue=catalogue)
    with pytest.raises(RunFolderError, match="exists already and is not empty"):
        sweep(STUDY, out=folder, catalogue=catalogue)
    with pytest.raises(RunFolderError, match=r"holds no study.json; expected the folder of a study"):
        sweep(STUDY, out=tmp_path, resume=True, catalogue=catalogue)


def test_a_study_without_a_row_has_no_table(pretended, catalogue, tmp_path, monkeypatch):
    """And a job that did not fail has no reason, in whatever the table is written."""
    folder = tmp_path / "study"
    with monkeypatch.context() as interrupted:
        interrupted.setattr(SWEEP, "_outcomes", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            sweep(STUDY, out=folder, catalogue=catalogue)
    assert not list(folder.glob("results.*"))
    results = sweep(STUDY, out=folder, resume=True, catalogue=catalogue)
    assert [row["failed"] for row in results.rows] == [None] * 4
    assert (folder / "results.csv").read_text().splitlines()[1].startswith("two_modes,default,fair,0,,7,")


def test_a_study_that_has_become_smaller_says_what_it_leaves_out(pretended, catalogue, tmp_path, caplog):
    study, folder = {**STUDY, "methods": ["fair"]}, tmp_path / "study"
    sweep({**study, "seeds": 3}, out=folder, catalogue=catalogue)
    assert "that lie in" not in caplog.text
    assert len(sweep({**study, "seeds": 1}, out=folder, resume=True, catalogue=catalogue).rows) == 1
    assert "2 jobs that lie in" in caplog.text and "are not of this study as it is now" in caplog.text


def test_numbers_of_numpy_may_stand_in_a_study(pretended, catalogue, tmp_path):
    study = {
        **STUDY,
        "targets": [{"name": "funnel", "dim": np.int64(3)}],
        "settings": {"a": {"components": np.int64(3)}},
    }
    sweep({**study, "methods": ["fair"]}, out=tmp_path / "study", catalogue=catalogue)
    assert json.loads((tmp_path / "study" / "study.json").read_text())["study"]["targets"][0]["dim"] == 3


def test_another_version_of_a_plugin_is_another_job():
    inner = {"name": "theirs:map", "parameters": {}, "distribution": "their-package", "version": "2.1"}
    ours = {"name": "ours:task", "parameters": {"map": inner}, "distribution": "biglearn-sampler", "version": "0.1.0"}
    loose = {"name": "module:thing", "parameters": {}, "distribution": "an object made in Python", "version": None}
    assert versions_of_plugins([ours, loose]) == {"theirs:map": "2.1"}


def test_one_process_at_a_time_runs_a_study(pretended, catalogue, tmp_path):
    folder = tmp_path / "study"
    sweep(STUDY, out=folder, catalogue=catalogue)
    with only_here(folder), pytest.raises(RunFolderError, match="another process is writing into"):
        sweep(STUDY, out=folder, resume=True, catalogue=catalogue)


def test_the_table_says_how_trainings_ended():
    verdicts = [{"verdict": "covered", "missing_mass": 0.0}, {"verdict": "not covered", "missing_mass": 0.25}]
    cut_short = {"training_ended": "stopped", "stopped_by": ["evaluations", "seconds"]}
    figures = [{"training_ended": "converged", "verdict": verdicts[0]}, {**cut_short, "verdict": verdicts[1]}, {}]
    jobs = [job(method=method, seed=seed) for method, seed in (("biglearn", 0), ("biglearn", 1), ("fair", 0))]
    cells = [Cell("two_modes", "default", each.method, each.seed, each) for each in jobs]
    outcomes = {
        each.name: Outcome(Trial(each.method, each.seed, {"elbo": 0.5, **found}), "here", 0.1)
        for each, found in zip(jobs, figures, strict=True)
    }
    names = ("verdict", "training_ended", "stopped_by", "missing_mass")
    assert [[row[name] for name in names] for row in StudyResults(cells, outcomes).rows] == [
        ["covered", "converged", None, 0.0],
        ["not covered", "stopped", "evaluations, seconds", 0.25],
        [None, None, None, None],
    ]
    headings, rows = StudyResults(cells, outcomes).table()
    assert headings[-1] == "verdict" and [row[-1] for row in rows] == ["1 covered, 1 not covered", "-"]
    headings, rows = StudyResults(cells[:1], outcomes).table()
    assert [row[-1] for row in rows] == ["covered"]
    assert "verdict" not in StudyResults(cells[2:], outcomes).table()[0]


def test_damaged_jobs_are_run_again(pretended, catalogue, tmp_path, caplog):
    ran, _ = pretended
    folder = tmp_path / "study"
    sweep(STUDY, out=folder, catalogue=catalogue)
    broken, lost, gone = list(ran)[:3]
    (folder / "jobs" / f"{broken}.json").write_text('{"figures": 3}')
    (folder / "jobs" / f"{lost}.npz").unlink()
    (folder / "jobs" / f"{gone}.json").unlink()
    ran.clear()
    results = sweep(STUDY, out=folder, resume=True, catalogue=catalogue)
    assert sorted(ran) == sorted([broken, lost, gone]) and not results.failures
    told = [record.getMessage() for record in caplog.records if "the job is run again" in record.getMessage()]
    assert len(told) == 2 and f"{broken}.json cannot be read: expected a trial, with its figures" in told[0]


def test_what_is_told_of_a_study_can_be_copied(pretended, tmp_path, monkeypatch, capsys, caplog):
    """With its folder, quoted for a shell where it must be."""
    ran, failing = pretended
    (tmp_path / "my study.toml").write_text('targets = ["two_modes"]\nmethods = ["nuts"]\nseeds = 1\nbudget = 20_000\n')
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", "my study.toml", "--resume"]) == 2
    assert "to resume a study, say which: give its folder as --out" in capsys.readouterr().err
    failing += ["nuts"]
    assert main(["sweep", "my study.toml", "--quiet"]) == 1
    errors = capsys.readouterr().err
    assert "1 of 1 jobs failed; --out 'runs/my study-001' --resume tries them again" in errors
    monkeypatch.setattr(SWEEP, "_outcomes", Mock(side_effect=KeyboardInterrupt))
    assert main(["sweep", "my study.toml", "--out", "runs/my study-001", "--resume", "--quiet"]) == 130
    assert "the same command with --out 'runs/my study-001' --resume goes on" in caplog.text


@pytest.mark.slow
def test_jobs_of_an_edited_file_are_run_again(pretended, tmp_path):
    ran, _ = pretended
    model, plugin = tmp_path / "model.py", tmp_path / "methods.py"
    model.write_text("import numpyro.distributions as dist\nline = dist.Normal(0.0, 1.0)\n")
    plugin.write_text(PLUGIN)
    study = {"targets": ["two_modes", f"{model}:line"], "methods": ["fair", "nuts"], "budget": 100_000}

    def swept(**how):
        ran.clear()
        sweep(study, out=tmp_path / "study", catalogue=bl.Catalogue(files=[plugin]), **how)
        return sorted(name.split("-0-")[0] for name in ran)

    assert len(swept()) == 4 and not swept(resume=True)
    plugin.write_text(PLUGIN + "# edited")
    assert [name.endswith("-fair") for name in swept(resume=True)] == [True, True]
    model.write_text(model.read_text().replace("1.0", "2.0"))
    assert [name.rpartition("-")[0].endswith("model_py_line") for name in swept(resume=True)] == [True, True]
    assert not swept(resume=True)


def test_a_study_that_nobody_can_run_leaves_no_folder(catalogue, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingPackage, match="a cluster needs Dask"):
        sweep(STUDY, out=tmp_path / "study", scheduler="tcp://127.0.0.1:1", catalogue=catalogue)
    assert not (tmp_path / "study").exists()


def test_how_many_jobs_a_cluster_runs_is_up_to_its_workers(tmp_path, monkeypatch, capsys):
    told = r"processes and scheduler exclude each other: .* how many jobs run at once \(dask worker --nthreads\)"
    with pytest.raises(UserError, match=told):
        sweep(STUDY, processes=2, scheduler="tcp://127.0.0.1:1")
    (tmp_path / "study.toml").write_text('targets = ["two_modes"]\nmethods = ["nuts"]\n')
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", "study.toml", "-j", "2", "--scheduler", "tcp://127.0.0.1:1", "--out", "study"]) == 2
    assert "how many jobs run at once" in " ".join(capsys.readouterr().err.split()) and not Path("study").exists()


def test_plugins_in_memory_are_refused():
    with pytest.raises(UserError, match="cannot see the plugin 'mine' in the memory of this one; put it into a file"):
        sweep({"targets": ["two_modes"]}, catalogue=bl.Catalogue(plugins={"mine": type("Mine", (), {})()}))


@pytest.mark.slow
def test_a_file_that_was_edited_meanwhile_gives_a_reason(tmp_path):
    model, plugin = tmp_path / "model.py", tmp_path / "methods.py"
    model.write_text("import numpyro.distributions as dist\nline = dist.Normal(0.0, 1.0)\n")
    plugin.write_text(PLUGIN)
    study, problems = parse_study({"targets": [f"{model}:line"], "methods": ["fair"], "budget": 1_000})
    (cell,) = plan_study(study, bl.Catalogue(files=[plugin]), problems)
    here = Surroundings.here(Recipe(files=(str(plugin),)))
    assert "is not the one that the study" not in str(work(cell.job, here).failed)
    for file in (model, plugin):
        before = file.read_text()
        file.write_text(before + "# edited\n")
        _scene.cache_clear()
        failed = work(cell.job, here).failed
        assert failed is not None and "is not the one that the study was planned with" in failed
        file.write_text(before)


def test_a_study_says_where_data_lie(tmp_path):
    target = {"name": "posteriordb", "posterior": "nobody-nowhere"}
    study, problems = parse_study({"targets": [target], "settings": {"here": {"data.posteriordb": str(tmp_path)}}})
    # It is looked for there, and not found.
    with pytest.raises(SettingsError, match=str(tmp_path)):
        plan_study(study, bl.Catalogue(), problems)


def test_a_dry_run_sees_that_a_verdict_cannot_be_had():
    study, problems = parse_study({"targets": ["two_modes"], "settings": {"poor": {"verdict.evaluations": 10}}})
    with pytest.raises(SettingsError, match="verdict.evaluations: 10 is too small"):
        plan_study(study, bl.Catalogue(), problems)


def test_a_machine_with_other_versions_gives_a_reason():
    elsewhere = Surroundings(Recipe(), (("python", "3.1"), ("jax", "0.1")))
    failed = work(job(), elsewhere).failed
    assert failed is not None and "in place of 3.1" in failed and "install the same" in failed


# processes


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("import os; os._exit(3)", "its process ended with status 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "signal 11, SIGSEGV (a crash of compiled code)"),
        ("import sys; sys.stdout.buffer.write(b'\\x80\\x04half'); sys.stdout.flush()", "ended with status 0"),
    ],
)
def test_how_a_process_died_is_its_reason(monkeypatch, program, told):
    monkeypatch.setattr(PROCESS, "COMMAND", (sys.executable, "-c", program))
    trial, alive = Process(Surroundings.here(Recipe())).run(job())
    assert not alive and trial.failed is not None and told in trial.failed


def test_a_process_imports_nothing_of_the_working_directory(monkeypatch, tmp_path):
    for name in ("queue", "random", "biglearn_sampler"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('this is no module of Python')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    process = Process(Surroundings(Recipe(), (("python", "3.1"),)))
    trial, alive = process.run(job())
    process.close()
    assert alive and trial.failed is not None and "in place of 3.1" in trial.failed


def test_a_process_has_the_module_path_of_the_script(monkeypatch, tmp_path):
    (tmp_path / "found_by_a_script.py").write_text("raise SystemExit(7)")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    monkeypatch.setattr(PROCESS, "COMMAND", (*PROCESS.COMMAND[:2], "-c", "import found_by_a_script"))
    trial, _ = Process(Surroundings.here(Recipe())).run(job())
    assert trial.failed == "its process ended with status 7"


@pytest.mark.parametrize("path", [None, "elsewhere"])
def test_programs_of_a_job_have_the_environment_of_the_study(monkeypatch, path):
    monkeypatch.setenv("PYTHONPATH", "what this process needed")
    _restore_environment(path)
    assert os.environ.get("PYTHONPATH") == path


def test_processes_can_be_stopped_in_the_middle_of_a_job(monkeypatch):
    monkeypatch.setattr(PROCESS, "COMMAND", (sys.executable, "-c", "import time; time.sleep(60)"))
    processes = Processes(Surroundings.here(Recipe()))
    from threading import Timer

    timer = Timer(0.3, processes.stop)
    timer.start()
    began = time.monotonic()
    failed = processes.run(job()).trial.failed
    processes.close()
    assert failed is not None and "SIGKILL" in failed and time.monotonic() - began < 30


def test_a_process_is_killed_once_its_job_is_unwanted(monkeypatch):
    monkeypatch.setattr(PROCESS, "COMMAND", (sys.executable, "-c", "import time; time.sleep(60)"))
    monkeypatch.setattr("biglearn_sampler.studies.processes.INTERVAL", 0.05)
    processes = Processes(Surroundings.here(Recipe()))
    looks = iter([False, False, True])
    began = time.monotonic()
    failed = processes.run(job(), unwanted=lambda: next(looks)).trial.failed
    processes.close()
    assert failed is not None and "SIGKILL" in failed and time.monotonic() - began < 30


def test_a_table_comes_back_from_parquet(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [
        {"target": "two_modes", "elbo": -0.5, "modes": 2, "seconds": 1, "failed": None, "settings.start": 1.5},
        {"target": "funnel", "elbo": None, "seconds": 2.5, "failed": "<b>no</b>", "settings.start": "here"},
    ]
    file = tmp_path / "results.parquet"
    file.write_bytes(_as_parquet(rows))
    assert parquet.read_table(file).to_pylist() == [
        {**rows[0], "seconds": 1.0, "settings.start": "1.5"},
        {**rows[1], "modes": None},
    ]


def test_a_column_without_values_has_a_type(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "results.parquet"
    file.write_bytes(_as_parquet([{"failed": None, "missing_mass": None}]))
    table = parquet.read_table(file)
    assert table.to_pylist() == [{"failed": None, "missing_mass": None}]
    assert [str(column.type) for column in table.schema] == ["string", "double"]


def test_a_study_in_processes(catalogue, tmp_path):
    """The one that is killed, and the one that raises, cost nothing but themselves."""
    study = {
        **STUDY,
        "methods": ["killed", "fair", "tired"],
        "seeds": 1,
        "settings": {"few": {"metrics": ["mode_coverage"]}},
    }
    results = sweep(study, out=tmp_path / "study", processes=1, catalogue=catalogue)
    reasons = [results.trial("two_modes", method, 0).failed for method in ("killed", "fair", "tired")]
    assert reasons == [
        "its process was killed by signal 9, SIGKILL (by hand, or for want of memory)",
        None,
        "RuntimeError: the computer is <b>tired</b>",
    ]
    # As `compare` has it, and whatever was printed.
    fair = results.trial("two_modes", "fair", 0)
    assert fair.evaluations == 1_000 and fair.figures["modes_covered"] == 2


@pytest.mark.slow
def test_a_job_gives_what_train_gives(tmp_path):
    tiny = {"scheduler": "joint", "training.steps": 50, "components": 4, "evaluation.draws": 500, "metrics": ["elbo"]}
    results = sweep({"targets": ["two_modes"], "seeds": [3], "settings": {"tiny": tiny}}, processes=1)
    figures = results.trial("two_modes", "biglearn", 3).figures
    trained = bl.train("two_modes", seed=3, settings=tiny).metrics
    assert {name: value for name, value in figures.items() if not name.startswith("seconds")} == {
        name: value for name, value in trained.items() if not name.startswith("seconds") and name != "baselines"
    }


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_study_on_a_cluster(catalogue):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        results = sweep(
            {**STUDY, "methods": ["killed", "fair"]}, scheduler=cluster.scheduler_address, catalogue=catalogue
        )
    assert [bool(row["failed"]) for row in results.rows] == [True, True, False, False]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_worker_that_is_killed_loses_its_current_job_only(catalogue, monkeypatch, tmp_path):
    distributed = pytest.importorskip("distributed")
    naps = tmp_path / "naps"
    naps.mkdir()
    monkeypatch.setenv("NAPS", str(naps))
    with distributed.LocalCluster(n_workers=0, dashboard_address=None) as cluster:
        command = [sys.executable, "-m", "distributed.cli.dask_worker", cluster.scheduler_address]
        command += ["--nthreads", "1", "--no-nanny", "--no-dashboard"]
        workers = [subprocess.Popen(command, cwd=tmp_path, start_new_session=True) for _ in range(2)]

        def kill_one_at_work() -> None:
            while len(list(naps.iterdir())) < 2:
                time.sleep(0.1)
            os.killpg(workers[0].pid, signal.SIGKILL)

        killer = Thread(target=kill_one_at_work)
        killer.start()
        try:
            study = {**STUDY, "methods": ["napping"], "seeds": 4}
            results = sweep(study, scheduler=cluster.scheduler_address, catalogue=catalogue)
            killer.join()
            assert workers[0].wait(10) == -signal.SIGKILL
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()
    assert [row["failed"] for row in results.rows] == [None] * 4
    # The job that was cut off was run once more, by the other one.
    assert len(list(naps.iterdir())) == 5


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_jobs_of_a_study_that_is_interrupted_end_on_the_workers(catalogue, monkeypatch, tmp_path):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setenv("SLEEPING", str(tmp_path))
    monkeypatch.setattr(PROCESS, "COMMAND", (sys.executable, "-c", SLEEPING))

    class Interrupting:
        def jobs_known(self, total, finished):
            Thread(target=interrupt, daemon=True).start()

        def job_finished(self, job, outcome):
            pass

    def interrupt():
        while not list(tmp_path.iterdir()):
            time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)

    here = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(**here) as cluster:
        with pytest.raises(KeyboardInterrupt):
            sweep(STUDY, scheduler=cluster.scheduler_address, catalogue=catalogue, watcher=Interrupting())
        (process,) = [int(file.name) for file in tmp_path.iterdir()]
        with pytest.raises(ProcessLookupError):
            for _ in range(200):
                os.kill(process, 0)
                time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_scheduler_that_is_not_there(catalogue, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("biglearn_sampler.studies.pools.PATIENCE", 0.5)
    with pytest.raises(UserError, match=r"no Dask scheduler answers at tcp://127.0.0.1:1 .*`dask scheduler`"):
        sweep(STUDY, scheduler="tcp://127.0.0.1:1", catalogue=catalogue)
