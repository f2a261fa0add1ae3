"""Whatever is typed, and whatever stands in a settings file: a run, or one sentence; never a traceback."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biglearn_sampler.catalogue import Catalogue
from biglearn_sampler.cli import main
from biglearn_sampler.cli.session import Session
from biglearn_sampler.errors import RunFailed
from biglearn_sampler.runs.settings_problem import known_keys

PLANNED = "everything was checked, and a training would begin"
HEAVY = {
    "biglearn_sampler.runs.train": "train_as_planned",
    "biglearn_sampler.runs.compare": "_each",
    "biglearn_sampler.studies.sweep": "_pool",
}
"""Where a command stops checking and begins to work."""

OFTEN = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
TEXTS = st.text(st.characters(exclude_categories=()), max_size=10)
NAMES = st.sampled_from(
    "two_modes grid25 nuts joint paper page elbo two_modes:x none.py:model posteriordb:a/../b ../../x . runs".split()
)
KEYS = st.sampled_from([key for key, _ in known_keys()])
VALUES = st.sampled_from(
    "1 0 -1 1e400 nan inf true [] {} [1,2] joint sgd '' \"x\" 10000000000000000000000 0.5 2024-01-01".split()
)
ASSIGNMENTS = st.builds("{}={}".format, KEYS | NAMES | TEXTS, VALUES | NAMES | TEXTS) | TEXTS
WITH_VALUE = st.sampled_from(
    "--set -p --settings --seed --budget --minutes --components --baseline --with --seeds -n --draws --report "
    "--retries -j --plugin --block --only --labels".split()
)
OUT = st.sampled_from([["--out", place] for place in ("out", "a/b", "", "\0", "é" * 300, "study.toml", "out.npy")])
FLAGS = st.sampled_from("--help --quiet --resume --dry-run --json --trust --debug --strict -x --".split()).map(
    lambda flag: [flag]
)
OPTIONS = (
    st.tuples(WITH_VALUE, ASSIGNMENTS | NAMES | VALUES | TEXTS).map(list)
    | st.tuples(st.just("--set"), ASSIGNMENTS).map(list)
    | OUT
    | FLAGS
)
COMMANDS = st.sampled_from(
    "train train train compare sample evaluate report cite show plugins check sweep cluster nonsense".split()
)
PLACES = st.lists(NAMES | TEXTS | st.sampled_from(["study.toml", "target", "targets", "points.csv"]), max_size=2)
COMMAND_LINES = st.builds(
    lambda before, command, places, after: [*sum(before, []), command, *places, *sum(after, [])],
    st.lists(OPTIONS, max_size=1),
    COMMANDS,
    PLACES,
    st.lists(OPTIONS, max_size=4),
)
TOML = st.lists(st.builds("{} = {}".format, KEYS | TEXTS, VALUES | NAMES | TEXTS), max_size=4).map("\n".join)
FILES = st.one_of(TOML, TOML, TEXTS, st.builds("[{}]\n{}".format, KEYS | TEXTS, TOML)).map(
    lambda text: text.encode("utf-8", "surrogatepass")
) | st.binary(max_size=30)


@contextlib.contextmanager
def planned_only(folder: Path) -> Iterator[None]:
    """Commands stop where their work would begin; the plugins are loaded once for all of them."""

    def stop(*_, **__):
        raise RunFailed(PLANNED)

    catalogue = Catalogue()
    (folder / "study.toml").write_text('targets = ["two_modes"]\nmethods = ["nuts"]\nbudget = 5000\n')
    (folder / "points.csv").write_text("1,2\n3,4\n")
    with pytest.MonkeyPatch.context() as patch:
        for module, name in HEAVY.items():
            patch.setattr(import_module(module), name, stop)
        patch.setattr("biglearn_sampler.runs.plan.Plan.look", lambda plan: None)
        patch.setattr("biglearn_sampler.data.fit_data", stop)
        make = "biglearn_sampler.cli.session.make_catalogue"
        original = import_module("biglearn_sampler.cli.session").make_catalogue
        plain = Session().options
        patch.setattr(make, lambda options, where: catalogue if options == plain else original(options, where))
        patch.chdir(folder)
        yield


def called(arguments: list[str]) -> tuple[int, str]:
    """Exit status, and what was said."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        status = main(arguments)
    return status, said.getvalue()


def check(arguments: list[str]) -> None:
    status, said = called(arguments)
    assert status in (0, 1, 2), (arguments, status)
    if "--debug" not in arguments:
        # The last resort of the command line, for errors that nobody foresaw, advises --debug.
        assert "Traceback" not in said and "--debug for the traceback" not in said, (arguments, said)
    if status:
        assert said.strip(), arguments


def check_file(content: bytes) -> None:
    Path("fuzzed.toml").write_bytes(content)
    check(["train", "two_modes", "--settings", "fuzzed.toml"])
    check(["sweep", "fuzzed.toml", "--dry-run"])


@pytest.fixture(scope="module", autouse=True)
def _planned_only(tmp_path_factory):
    with planned_only(tmp_path_factory.mktemp("fuzz")):
        yield


@OFTEN
@given(COMMAND_LINES)
def test_any_command_line(arguments):
    check(arguments)


@OFTEN
@given(FILES)
def test_any_settings_file(content):
    check_file(content)


def test_the_check_can_fail_and_a_good_command_gets_as_far_as_its_work(monkeypatch):
    assert called(["train", "two_modes"]) == (1, f"error: {PLANNED}\n")
    assert os.path.exists("study.toml")
    monkeypatch.setattr(import_module("biglearn_sampler.runs.train"), "train_as_planned", lambda *_, **__: 1 / 0)
    with pytest.raises(AssertionError):
        check(["train", "two_modes"])
