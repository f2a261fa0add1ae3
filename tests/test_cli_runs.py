"""`biglearn train`, `sample` and `evaluate`: what they print, what they write, and their exit statuses."""

from __future__ import annotations

import errno
import gc
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import typer

from biglearn_sampler.cli import main
from biglearn_sampler.cli.run_tables import print_run_tables
from biglearn_sampler.cli.signals import HEARD, signals_heard
from biglearn_sampler.mixture import GaussianMixture
from biglearn_sampler.runs import load
from biglearn_sampler.runs.folder import RunFolder
from biglearn_sampler.runs.summary import sentences

ASSIGNMENTS = (
    *("scheduler=joint", "optimizer.name=sgd", "components=4", "evaluation.draws=200", "reports=[]"),
    'metrics=["elbo", "log_z", "mode_coverage"]',
)
TINY = [text for assignment in ASSIGNMENTS for text in ("--set", assignment)]
APP = import_module("biglearn_sampler.cli.app")
PROGRESS_BAR = import_module("biglearn_sampler.cli.progress_bar")
TRAINERS = import_module("biglearn_sampler.runs.trainers")
# A shell starts background jobs with SIGINT ignored, and every process below them inherits that.
HEARS_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
PROGRAM = [sys.executable, "-c", f"{HEARS_CTRL_C}; from biglearn_sampler.cli import program; program()"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    """An empty working directory, and no plugins from outside."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BIGLEARN_PLUGINS", raising=False)
    monkeypatch.delenv("BIGLEARN_BLOCK", raising=False)
    return tmp_path


@pytest.fixture
def call(capsys):
    """Runs the command line in this process, and gives status, output and errors."""

    def run(*arguments) -> tuple[int, str, str]:
        status = main([str(argument) for argument in arguments])
        return (status, *capsys.readouterr())

    return run


@pytest.fixture
def no_training(monkeypatch):
    """Replaces the training by an error."""

    def set_error(error: BaseException) -> None:
        def fail(*arguments, **options):
            raise error

        monkeypatch.setattr(TRAINERS, "Fitter", fail)
        monkeypatch.setattr(TRAINERS, "Engine", fail)

    return set_error


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, str, str]:
    """A run made by the command line in a process of its own, with what it printed."""
    place = tmp_path_factory.mktemp("trained")
    arguments = ["train", "two_modes", "-p", "separation=1.5", *TINY, "--set", "training.steps=20", "--seed", "7"]
    done = subprocess.run([*PROGRAM, *arguments], cwd=place, capture_output=True, text=True, check=True)
    return place / "runs" / "two_modes-001", done.stdout, done.stderr


# a run


def test_train_prints_the_figures_and_where_they_are(trained):
    folder, output, errors = trained
    figures = {line.split()[0]: line.split()[1:] for line in output.splitlines() if line}
    assert figures["figure"] == ["sampler"]
    assert figures["modes_total"] == ["2"] and "±" in figures["elbo"]
    assert figures["gradient_evaluations"] == ["320"]
    assert figures["x[1]"] and figures["quantity"]
    assert "known modes are covered" in output
    assert output.endswith("\nThe run is in runs/two_modes-001, its figures in runs/two_modes-001/figures.\n")
    told = re.findall(r"^\d+ s: ([^|\n]*\w)", errors, re.MULTILINE)
    assert told == ["compiling", "training", "measuring", "looking for what was missed", "drawing"]
    assert figures["verdict_evaluations"] == [f"{load(folder).metrics['verdict']['evaluations']:,}"]
    record = json.loads((folder / "run.json").read_text())
    assert record["seed"] == 7
    assert record["target"]["parameters"]["separation"] == 1.5
    assert record["settings"]["components"] == 4 and record["settings_source"] is None


def test_quiet_prints_the_folder_and_tells_the_verdict_beside_it(trained, call, monkeypatch):
    given = {}

    def loaded(target, **arguments):
        given.update(arguments, target=target)
        return load(trained[0])

    monkeypatch.setattr("biglearn_sampler.runs.train", loaded)
    sentence = load(trained[0]).metrics["verdict"]["sentence"]
    assert call("train", "biglearn_targets:two_modes", "--quiet") == (0, f"{trained[0]}\n", f"{sentence}\n")
    assert (given["target"], given["out"], given["numbered"]) == (
        "biglearn_targets:two_modes",
        Path("runs/two_modes"),
        True,
    )
    assert call("train", "two_modes", "--quiet", "--out", "mine")[0] == 0
    assert (given["out"], given["numbered"]) == (Path("mine"), False)


@pytest.mark.parametrize(("verdict", "status"), [("covered", 0), ("not covered", 3), ("cannot tell", 3), (None, 3)])
def test_another_verdict_than_the_required_one_has_status_3(verdict, status, trained, call, monkeypatch):
    run = load(trained[0])
    judged = {"verdict": {"verdict": verdict, "sentence": "So it is."}} if verdict else {}
    metrics = {name: figure for name, figure in run.metrics.items() if name != "verdict"} | judged
    monkeypatch.setattr("biglearn_sampler.runs.train", lambda *_, **__: replace(run, metrics=metrics))
    assert call("train", "two_modes")[0] == 0
    code, output, errors = call("train", "two_modes", "--require", "covered", "--quiet")
    assert (code, output) == (status, f"{trained[0]}\n")
    assert errors.startswith("So it is.\n" if verdict else "There is no verdict.\n")
    assert (f"the verdict is '{verdict}', and --require asks for 'covered'" in errors) == (status == 3)


def test_only_a_good_verdict_can_be_required(call, no_training):
    status, _, errors = call("train", "two_modes", "--require", "luck")
    assert status == 2 and "'luck' is not" in errors


def test_a_log_has_a_line_for_each_phase_and_one_now_and_then(monkeypatch, capsys):
    now = Mock(return_value=100.0)
    monkeypatch.setattr(PROGRESS_BAR, "monotonic", now)

    def chunk(phase: str, step: int) -> dict[str, Any]:
        return {"phase": phase, "step": step, "loss": {"elbo": 1.0}, "energy_evaluations": 7, "modes_covered": 2}

    with PROGRESS_BAR.progress(quiet=False) as watcher:
        watcher.training_began(None)
        for seconds, phase in enumerate(["search", "search", "settle", "settle"]):
            now.return_value = 101.0 + 6 * seconds
            watcher.chunk_finished(chunk(phase, seconds))
        now.return_value = 129.0
        watcher.chunk_finished({**chunk("settle", 9), "loss": {"elbo": None}})
        watcher.phase_began("baseline nuts")
    told = "loss elbo 1.000 | 7 evaluations | 2 modes"
    assert capsys.readouterr().err.splitlines() == [
        "0 s: compiling",
        f"1 s: search | step 0 | {told}",
        f"13 s: settle | step 2 | {told}",
        "29 s: settle | step 9 | 7 evaluations | 2 modes",
        "29 s: baseline nuts",
    ]
    with PROGRESS_BAR.progress(quiet=True) as watcher:
        watcher.phase_began("baseline nuts")
    assert capsys.readouterr().err == ""


def test_the_budget_says_what_comes_on_top(call):
    told = " ".join(call("train", "--help")[1].split())
    assert "the verdict (usually about 150,000 to 310,000) and the figures (20,000) come on top" in told


def test_sample_writes_the_same_draws_for_the_same_seed(trained, call, here):
    folder, *_ = trained
    status, output, errors = call("sample", folder, "-n", 1000, "--out", "x.npy", "--seed", 5)
    assert (status, output, errors) == (0, "1,000 draws of dimension 2 are in x.npy\n", "")
    draws = np.load("x.npy", allow_pickle=False)
    assert draws.shape == (1000, 2) and np.isfinite(draws).all()
    for name, seed in {"y.npy": 5, "z.npy": 6}.items():
        assert call("sample", folder, "-n", 1000, "--out", name, "--seed", seed)[0] == 0
    assert np.array_equal(draws, np.load("y.npy"))
    assert not np.array_equal(draws, np.load("z.npy"))


def test_evaluate_prints_fresh_figures_and_changes_nothing(trained, call):
    folder, *_ = trained
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    status, output, _ = call("evaluate", folder, "--draws", 300, "--json")
    figures = json.loads(output, parse_constant=lambda text: pytest.fail(text))
    assert status == 0 and figures["evaluation_draws"] == 375
    status, output, errors = call("evaluate", folder, "--draws", 300)
    assert (status, errors) == (0, "")
    assert f"{figures['elbo']:.4f}" in output and "known modes are covered" in output
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


# mistakes of the user


USER_ERRORS = {
    "no target": (["train"], "Missing argument 'TARGET'"),
    "near target": (["train", "grid52"], "error: there is no target 'grid52'; did you mean 'grid25'?"),
    "path as target": (["train", "../../x"], "error: there is no target '../../x'"),
    "no value": (["train", "two_modes", "-p", "foo"], "error: -p takes NAME=VALUE, got 'foo'"),
    "no name": (["train", "two_modes", "-p", "=3"], "error: -p takes NAME=VALUE, got '=3'"),
    "wrong type": (["train", "two_modes", "-p", "separation=abc"], "'separation' must be float, got 'abc'"),
    "no parameter": (["train", "two_modes", "-p", "side=3"], "has no parameter 'side'. It accepts: separation: float"),
    "twice": (["train", "two_modes", "-p", "separation=1", "-p", "separation=2"], "-p separation is given twice"),
    "set twice": (
        ["train", "two_modes", "--set", "components=1", "--set", " components=2"],
        "--set components is given",
    ),
    "set nothing": (["train", "two_modes", "--set", "components"], "error: --set takes KEY=VALUE, got 'components'"),
    "negative seed": (["train", "two_modes", "--seed", "-1"], "Invalid value for '--seed'"),
    "large seed": (["train", "two_modes", "--seed", 2**32], "Invalid value for '--seed'"),
    "word as seed": (["train", "two_modes", "--seed", "abc"], "Invalid value for '--seed'"),
    "no file": (
        ["train", "two_modes", "--settings", "no.toml"],
        "error: the settings file no.toml cannot be read: No su",
    ),
    "folder as file": (["train", "two_modes", "--settings", "dir.toml"], "dir.toml cannot be read: Is a directory"),
    "key twice": (["train", "two_modes", "--settings", "twice.toml"], "error: twice.toml is not valid TOML: "),
    "near preset": (["train", "two_modes", "--settings", "pape"], "did you mean 'paper'?"),
    "no steps": (["train", "two_modes", "--set", "training.steps=0"], "  training.steps: must be at least 1, got 0\n"),
    "unicode": (
        ["train", "two_modes", "--set", "ширина=3"],
        "  ширина: unknown key; the keys are: method, components, ",
    ),
    "baseline": (["train", "two_modes", "--baseline", "nutz"], "there is no baseline 'nutz'; did you mean 'nuts'?"),
    "out file": (["train", "two_modes", "--out", "file"], "error: the output folder file cannot be made: Not a direct"),
    "out full": (
        ["train", "two_modes", "--out", "full"],
        "error: the output folder full exists already and is not empty",
    ),
    "out nowhere": (["train", "two_modes", "--out", "/proc/x"], "error: the output folder /proc/x cannot be made: "),
    "no run": (
        ["sample", "nowhere", "-n", 3, "--out", "x.npy"],
        "error: nowhere does not exist; expected the folder of",
    ),
    "resume nothing": (["train", "--resume", "nowhere"], "error: nowhere does not exist; expected the folder of a run"),
    "resume and train": (
        ["train", "two_modes", "--resume", "full", "--seed", 3, "--set", "components=4"],
        "error: --resume goes on with the run as it was begun, so TARGET, --set, --seed cannot be given again; a",
    ),
    "no draws": (["sample", "full", "-n", 0, "--out", "x.npy"], "Invalid value for '-n'"),
    "too many draws": (["sample", "full", "-n", 10**12, "--out", "x.npy"], "Invalid value for '-n'"),
    "no npy": (
        ["sample", "full", "-n", 3, "--out", "x.csv"],
        "error: --out must be a file that ends in .npy, got x.csv",
    ),
    "no record": (["evaluate", "."], "error: . holds no run.json; expected the folder of a run, as `biglearn train` w"),
    "few draws": (["evaluate", ".", "--draws", 5], "Invalid value for '--draws'"),
    "many draws": (["evaluate", ".", "--draws", 10**12], "Invalid value for '--draws'"),
}


@pytest.mark.parametrize("case", USER_ERRORS)
def test_a_mistake_is_told_with_status_2_and_nothing_is_written(case, call, here, no_training):
    no_training(AssertionError("it trained"))
    (here / "dir.toml").mkdir()
    (here / "full").mkdir()
    (here / "twice.toml").write_text("components = 4\ncomponents = 5\n")
    (here / "full" / "kept").touch()
    (here / "file").touch()
    before = sorted(here.rglob("*"))
    arguments, told = USER_ERRORS[case]
    status, output, errors = call(*arguments)
    assert status == 2
    assert told in errors and "Traceback" not in errors
    assert output == ""
    assert sorted(here.rglob("*")) == before


def test_all_mistakes_in_settings_are_told_at_once(call, here):
    (here / "mine.toml").write_text("[training]\nstepss = 5\n\n[optimizer]\nname = 'adm'\n")
    status, _, errors = call("train", "two_modes", "--settings", "mine.toml", "--set", "components=0")
    assert status == 2
    assert errors.splitlines() == [
        "error: 3 problems in the settings:",
        "  mine.toml:2: training.stepss: unknown key; did you mean 'training.steps'?",
        "  mine.toml:5: optimizer.name: there is no optimiser 'adm'; expected 'natural' or an optimiser of optax such "
        "as 'sgd', 'adam' or 'adabelief'",
        "  components: must be at least 1, got 0",
    ]


def test_a_run_on_a_function_says_how_it_is_evaluated(trained, call, here):
    folder, *_ = trained
    record = json.loads((folder / "run.json").read_text())
    other = RunFolder.create(here / "other")
    other.write_json("run.json", {**record, "target": {**record["target"], "name": "gone:away"}})
    other.write_mixture(RunFolder.existing(folder).read_mixture())
    status, _, errors = call("evaluate", "other")
    assert status == 2
    assert "cannot be built again (there is no target 'gone:away'" in errors
    assert "load it with load(folder, target=...)" in errors
    assert call("sample", "other", "-n", 3, "--out", "x.npy")[0] == 0


def test_sample_replaces_no_file_and_leaves_no_half_one(trained, call, here, monkeypatch):
    folder, *_ = trained
    (here / "x.npy").write_text("precious")
    status, _, errors = call("sample", folder, "-n", 3, "--out", "x.npy")
    assert (status, errors) == (2, "error: x.npy exists already; give another --out, or remove it\n")
    assert (here / "x.npy").read_text() == "precious"
    status, _, errors = call("sample", folder, "-n", 3, "--out", "no/x.npy")
    assert (status, errors) == (2, "error: no/x.npy cannot be written: No such file or directory\n")

    def no_room(file, array):
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "save", no_room)
    status, _, errors = call("sample", folder, "-n", 3, "--out", "y.npy")
    assert (status, errors) == (1, "error: y.npy cannot be written: No space left on device\n")
    assert not (here / "y.npy").exists()


def test_sample_makes_no_file_before_there_are_draws(trained, call, here, monkeypatch):
    """A process that is killed while it draws leaves none that is in the way of the next one."""
    seen = []

    def no_memory(self, key, count):
        seen.append((here / "x.npy").exists())
        raise MemoryError("no room for the draws")

    monkeypatch.setattr(GaussianMixture, "sample", no_memory)
    status, _, errors = call("sample", trained[0], "-n", 3, "--out", "x.npy")
    assert status == 1 and "no room for the draws" in errors
    assert seen == [False] and not (here / "x.npy").exists()


def test_a_damaged_sampler_is_told(trained, call, here):
    damaged = here / "damaged"
    damaged.mkdir()
    for path in trained[0].iterdir():
        if path.is_file():
            (damaged / path.name).write_bytes(path.read_bytes()[:-100])
    status, _, errors = call("sample", "damaged", "-n", 3, "--out", "x.npy")
    assert status == 2
    assert errors.startswith("error: damaged/sampler.npz cannot be read: it is damaged, or no file of a run (")
    assert call("evaluate", "damaged")[0] == 2
    assert not (here / "x.npy").exists()


# runs that fail


def test_a_failed_run_has_status_1_and_a_traceback_with_debug_only(call, here, no_training):
    no_training(RuntimeError("the machine\nfell"))
    status, output, errors = call("train", "two_modes", *TINY, "--out", "one")
    assert (status, output) == (1, "")
    assert errors.endswith("error: the run failed: RuntimeError: the machine fell\n") and "Traceback" not in errors
    assert json.loads((here / "one" / "run.json").read_text())["status"] == "failed"
    status, _, errors = call("--debug", "train", "two_modes", *TINY, "--out", "two")
    assert status == 1 and "Traceback" in errors and "in fail" in errors


def test_ctrl_c_has_status_130_and_says_where_the_run_is(call, here, no_training, caplog):
    no_training(KeyboardInterrupt())
    status, output, errors = call("train", "two_modes", *TINY)
    assert (status, output) == (130, "") and "Traceback" not in errors
    assert "the run is interrupted; as far as it came it is in runs/two_modes-001" in caplog.text
    assert json.loads((here / "runs" / "two_modes-001" / "run.json").read_text())["status"] == "interrupted"


@pytest.fixture
def hears_ctrl_c():
    """Programs that are started in the background may ignore it, and so do the processes that they start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("hears_ctrl_c")
def test_both_signals_end_a_training_in_good_order(call, here, monkeypatch, caplog):
    """The first is heard by the program, which writes down where it stands; for the second nobody would wait."""
    before, heard = [signal.getsignal(number) for number in HEARD], []

    def end_the_process(*arguments, **options):
        signal.raise_signal(HEARD[len(heard)])

    monkeypatch.setattr(TRAINERS, "Fitter", end_the_process)
    for number, status in zip(HEARD, (130, 143), strict=True):
        assert call("train", "two_modes", *TINY)[0] == status
        heard.append(number)
        assert [signal.getsignal(each) for each in HEARD] == before
    for run in ("two_modes-001", "two_modes-002"):
        assert json.loads((here / "runs" / run / "run.json").read_text())["status"] == "interrupted"


class Sends:
    """Sends a signal when it is taken down, where Python ignores exceptions."""

    def __init__(self, number):
        self.number = number

    def __del__(self):
        signal.raise_signal(self.number)


@pytest.fixture
def sends_when_collected():
    """A signal at the next garbage collection, in a function that the collector calls as it does one of JAX."""

    def collected(phase, info):
        if left:
            signal.raise_signal(left.pop())

    left = []
    gc.callbacks.append(collected)
    yield left.append
    gc.callbacks.remove(collected)


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
@pytest.mark.usefixtures("hears_ctrl_c")
@pytest.mark.parametrize(("number", "status"), list(zip(HEARD, (130, 143), strict=True)))
def test_a_signal_that_comes_where_exceptions_are_ignored_is_heard_in_a_moment(number, status, sends_when_collected):
    """Otherwise it would be lost, and the next one end the process without a checkpoint."""

    def lose_in_collection():
        sends_when_collected(number)
        gc.collect()

    for lose in (lose_in_collection, lambda: Sends(number)):
        before = sys.unraisablehook
        with pytest.raises((KeyboardInterrupt, typer.Exit)) as ended, signals_heard():
            lose()
            time.sleep(30)
        assert getattr(ended.value, "exit_code", 130) == status
        assert sys.unraisablehook is before


def test_an_option_and_its_setting_that_differ_are_told(call):
    status, _, told = call("train", "two_modes", "--budget", 60_000, "--set", "budget.evaluations=200000")
    assert status == 2 and "budget=60000 is short for the setting budget.evaluations, which is given as" in told


def test_a_run_goes_on_by_its_folder(call, here, monkeypatch, caplog):
    """Without a checkpoint it begins anew, and ends as if it had never been interrupted."""
    with monkeypatch.context() as patch:
        patch.setattr(TRAINERS, "Fitter", Mock(side_effect=KeyboardInterrupt))
        assert call("train", "two_modes", *TINY, "--set", "training.steps=20", "--baseline", "nuts")[0] == 130
    record = json.loads((here / "runs" / "two_modes-001" / "run.json").read_text())
    given = {}

    def carried_out(plan, trainer, catalogue, watcher, beginning):
        given.update(plan=plan, beginning=beginning)
        raise SystemExit(0)

    monkeypatch.setattr(import_module("biglearn_sampler.runs.resume"), "carry_out", carried_out)
    assert call("train", "--resume", "runs/two_modes-001", "--budget", 5000)[0] == 0
    plan, beginning = given["plan"], given["beginning"]
    assert plan.target.record.to_json() == record["target"] and list(plan.baselines) == ["nuts"]
    assert beginning.record["settings"]["budget"]["evaluations"] == 5000
    assert plan.settings.training.steps == 20 and beginning.checkpoint is None


@pytest.mark.parametrize(("status", "left_at_once"), [(130, True), (143, True), (0, False), (1, False), (2, False)])
def test_an_ended_command_leaves_before_python_takes_down_what_still_computes(status, left_at_once, monkeypatch):
    class Left(BaseException):
        pass

    def leave(number: int) -> None:
        raise Left(number)

    monkeypatch.setattr(os, "_exit", leave)
    monkeypatch.setattr(APP, "main", lambda: status)
    with pytest.raises(Left if left_at_once else SystemExit) as ended:
        APP.program()
    assert ended.value.args == (status,)


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_a_signal_to_a_real_process_leaves_a_readable_run(call, here):
    arguments = ["train", "two_modes", *TINY, "--set", "training.steps=50_000_000", "--set", "training.chunk=200"]
    (here / "runs" / "two_modes-001").mkdir(parents=True)
    process = subprocess.Popen([*PROGRAM, *arguments], stderr=subprocess.PIPE, text=True)
    folder = here / "runs" / "two_modes-002"
    history, patience = folder / "history.jsonl", time.monotonic() + 120
    try:
        while not history.exists() and process.poll() is None and time.monotonic() < patience:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert "`biglearn train --resume runs/two_modes-002` goes on with the run\n" in errors
    assert (
        "the run is interrupted; as far as it came it is in runs/two_modes-002\n" in errors
        and "Traceback" not in errors
    )
    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "interrupted"
    last = json.loads(history.read_text().splitlines()[-1])
    # The signal may come after the sampler of a chunk was taken in and before its row was written.
    assert RunFolder.existing(folder).read_snapshots()[-1].step >= last["step"]
    assert call("sample", folder, "-n", 3, "--out", "x.npy")[0] == 0


def test_names_that_are_no_text_can_be_told(here):
    arguments = ["train", "two_modes", "--set", b"\xff=\xff", "--out", b"\xff"]
    done = subprocess.run([*map(os.fsencode, [*PROGRAM, *arguments])], capture_output=True)
    assert done.returncode == 2
    assert b"  ?: unknown key; the keys are: method, components, " in done.stderr


# tables and sentences


def test_tables_show_baselines_beside_the_sampler(capsys):
    figures = {"elbo": -1.5, "ess": None, "modes_covered": 2, "seconds_run": 12345.678, "notes": {"rhat": 1.0}}
    moments = {"moments": {"mu": {"mean": 0.25, "sd": 2.0, "mcse": None}}}
    baselines = {"nuts": {"ess": 0.5, **moments}, "broken": {"failed": "RuntimeError: no"}}
    print_run_tables({**figures, "standard_errors": {"elbo": 0.12}, **moments, "baselines": baselines})
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[:4] == [
        ["figure", "sampler", "nuts"],
        ["elbo", "-1.5000", "±", "0.12", "-"],
        ["ess", "-", "0.5000"],
        ["modes_covered", "2", "-"],
    ]
    assert ["seconds_run", "12,345.7", "-"] in lines
    assert ["mu", "0.2500", "-", "2", "0.2500", "-", "2"] in lines


def test_figures_in_small_units_have_digits(capsys):
    moments = {"x": {"mean": 3.00123e-6, "mcse": -2e-9, "sd": 0.00099999}, "y": {"mean": -0.0, "mcse": 0.25, "sd": 0.1}}
    print_run_tables({"elbo": -0.00001, "moments": moments, "seconds_run": 1.5})
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["elbo", "-1e-05"] in lines and ["y", "0", "0.2500", "0.1000"] in lines
    assert ["x", "3.001e-06", "-2e-09", "0.001"] in lines


@pytest.mark.parametrize(
    ("metrics", "told"),
    [
        ({"verdict": {"verdict": "not covered", "sentence": "Not covered: a half."}}, "Not covered: a half."),
        ({"modes_covered": 2, "modes_total": 2}, "All 2 known modes are covered."),
        (
            {"modes_covered": 1, "modes_total": 2, "ess": 0.99},
            "Collapsed: 1 of 2 known modes are covered, although ESS",
        ),
        ({"modes_covered": 1, "modes_total": 2, "ess": 0.1}, "Collapsed: 1 of 2 known modes are covered."),
        ({"khat": 0.9}, "k-hat is 0.90, above 0.7"),
        ({"exact_channel_evaluations": 1000}, "The training used 1,000 evaluations of the target's closed-form"),
        ({"zero_density_points": 3}, "3 points of the training had a log density that is not finite"),
        (
            {"task_steps": {"noised": 1000}, "skipped_steps": {"noised": 30, "joint": 0}},
            "30 of 1,000 steps on the task noised were skipped",
        ),
        ({"rejected_updates": 3}, "3 updates were not finite and were left out"),
        (
            {"rejected_updates": 3, "evaluations_by_source": {}},
            "3 updates were not finite or exploding and were left out; a smaller optimizer.learning_rate may help.",
        ),
        (
            {"rejected_updates": 188, "task_steps": {"joint": 150, "noised": 50}, "evaluations_by_source": {}},
            "Hardly trained: 188 of 200 updates were not finite or exploding and were left out. Try a",
        ),
        (
            {"rejected_updates": 20, "task_steps": {"joint": 200}, "evaluations_by_source": {}},
            "20 updates were not finite or exploding and were left out; a smaller",
        ),
        ({"baselines": {"nuts": {"failed": "RuntimeError: no"}}}, "Baseline nuts failed: RuntimeError: no."),
    ],
)
def test_sentences_say_what_the_figures_mean(metrics, told):
    (sentence,) = sentences(metrics)
    assert sentence.startswith(told)


def test_that_most_updates_were_left_out_comes_before_the_verdict():
    metrics = {"rejected_updates": 6, "task_steps": {"joint": 10}, "evaluations_by_source": {}}
    told = sentences({**metrics, "verdict": {"verdict": "covered", "sentence": "Covered: all of it."}})
    assert told[0].startswith("Hardly trained: 6 of 10") and told[1:] == ["Covered: all of it."]


def test_the_verdict_comes_first():
    verdict = {"verdict": "covered", "sentence": "Covered: all of it."}
    assert (
        sentences({"modes_covered": 2, "modes_total": 2, "khat": 0.9, "verdict": verdict})[0] == "Covered: all of it."
    )
