"""Reading settings: presets, TOML files, mappings, overrides, and everything that can be wrong with them at once."""

from __future__ import annotations

import json
import re
import tomllib
from importlib import import_module
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import biglearn_sampler as bl
from biglearn_sampler.catalogue import Catalogue, Entry, hookimpl
from biglearn_sampler.errors import SettingsError
from biglearn_sampler.runs.merge_settings import SECTIONS, as_toml
from biglearn_sampler.runs.read_settings import ReadSettings, read_settings
from biglearn_sampler.runs.settings import Settings
from biglearn_sampler.runs.settings_problem import known_keys, line_of
from biglearn_sampler.runs.shorthands import with_shorthands
from biglearn_sampler.verdict import COVERED, Verdict

TRAIN = import_module("biglearn_sampler.runs.train")  # the function of that name hides the module
PRESET = {
    "components": 7,
    "scheduler": {"name": "bi_level", "scheduler": {"name": "uniform", "tasks": ["joint"]}, "inner_steps": 5},
    "training": {"steps": 30},
}


class Presets:
    """A plugin with one preset that has a table as its scheduler, and one that is wrong."""

    @hookimpl
    def biglearn_settings(self):
        return [
            Entry(name="mine", build=lambda: PRESET, summary="for tests"),
            Entry(name="wrong", build=lambda: {"training": {"stepss": 3}}, summary="for tests"),
        ]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue(plugins={"presets": Presets()})


@pytest.fixture
def read(catalogue):
    def from_source(source=None, **overrides) -> Settings:
        return read_settings(source, overrides, catalogue).settings

    return from_source


@pytest.fixture
def refused(catalogue):
    """The lines of the error, without the one that counts them."""

    def from_source(source=None, **overrides) -> list[str]:
        with pytest.raises(SettingsError) as caught:
            read_settings(source, overrides, catalogue)
        first, *lines = str(caught.value).split("\n  ")
        assert first == f"{len(lines)} problem{'s' if len(lines) > 1 else ''} in the settings:"
        return lines

    return from_source


@pytest.fixture
def toml(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "run.toml"
        path.write_text(text)
        return path

    return write


# where settings come from


def test_only_a_comparison_needs_the_baselines_that_it_has_by_default():
    catalogue = Catalogue(block={"biglearn_baselines"})
    assert read_settings(None, {}, catalogue).settings == Settings()
    with pytest.raises(SettingsError, match=r"compare\.baselines\.0: there is no baseline 'nuts'"):
        read_settings(None, {}, catalogue, comparing=True)
    with pytest.raises(SettingsError, match=r"compare\.baselines\.0: there is no baseline 'hmc'"):
        read_settings({"compare.baselines": ["hmc"]}, {}, catalogue)


def test_nothing_given_means_the_defaults(catalogue):
    assert read_settings(None, {}, catalogue) == ReadSettings(Settings(), None, None)


def test_a_preset_comes_with_its_name_and_its_record(catalogue):
    found = read_settings("paper", {}, catalogue)
    assert (found.settings.components, found.settings.training.steps) == (25, 200_000)
    assert found.settings.optimizer.decay == "constant"
    assert found.source == "paper"
    assert found.record is not None and found.record.name == "biglearn_settings:paper"


@pytest.mark.parametrize("kind", [str, Path])
def test_a_file_is_given_as_text_or_as_path(kind, toml, catalogue):
    path = toml('components = 3\ntraining.steps = 1e5\n[start]\nmean = [1, 2.5]\n[[metrics]]\nname = "ess"\n')
    found = read_settings(kind(path), {}, catalogue)
    assert found.settings.components == 3
    assert found.settings.training.steps == 100_000
    assert found.settings.start.mean == (1.0, 2.5)
    assert found.settings.metrics == ({"name": "ess"},)
    assert (found.source, found.record) == (str(path), None)


def test_an_empty_file_means_the_defaults(read, toml):
    assert read(toml("")) == Settings()


def test_a_mapping_may_mix_tables_and_dotted_keys(read):
    found = read({"training": {"steps": 5}, "training.points": 2, "start": {"mean": 1}, "optimizer.options": {}})
    assert (found.training.steps, found.training.points, found.start.mean) == (5, 2, 1.0)


def test_numbers_and_arrays_of_numpy_and_jax_are_numbers(read):
    found = read({"components": np.int64(3), "start.mean": np.array([1.0, 2.0]), "start.sd": jnp.float32(0.5)})
    assert (found.components, found.start.mean, found.start.sd) == (3, (1.0, 2.0), 0.5)
    json.dumps(found.model_dump(mode="json"), allow_nan=False)


def test_the_callers_mapping_stays_as_it_is(read):
    given = {"scheduler": {"name": "bi_level"}, "training": {"steps": 5}}
    read(given, **{"scheduler.inner_steps": "3", "training.points": "2"})
    assert given == {"scheduler": {"name": "bi_level"}, "training": {"steps": 5}}
    assert read("mine", **{"scheduler.inner_steps": "3"}).scheduler["inner_steps"] == 3
    assert PRESET["scheduler"]["inner_steps"] == 5


# which method is meant


@pytest.mark.parametrize(
    ("given", "method"),
    [
        ({}, "adaptive"),
        ({"components": 7, "start.mean": 1, "budget.minutes": 2, "evaluation.draws": 100}, "adaptive"),
        ({"channels": "energy"}, "adaptive"),
        ({"method": "auto", "exploration.tasks": ["noised"]}, "adaptive"),
        ({"channels": "exact"}, "scheduled"),
        ({"scheduler": "joint"}, "scheduled"),
        ({"training.steps": 5}, "scheduled"),
        ({"optimizer.name": "adam"}, "scheduled"),
        ({"weights.learn": False}, "scheduled"),
        ({"quadrature.nodes": 64}, "scheduled"),
        ({"reservoir.refill": 64}, "scheduled"),
        ({"method": "scheduled"}, "scheduled"),
    ],
)
def test_a_setting_that_only_a_schedule_knows_means_a_schedule(given, method, read):
    assert read(given).method == method
    assert read({}, **given).method == method


def test_closed_forms_that_are_allowed_are_used_unless_a_scheduler_is_named(read):
    tasks = read({"channels": "exact"}).scheduler["tasks"]
    assert {"joint", "marginal", "transformed_marginal", "conditional", "noised"} < set(tasks)
    assert read({"channels": "exact", "method": "scheduled"}).scheduler["tasks"] == tasks
    assert read({"channels": "exact", "scheduler": "joint"}).scheduler == "joint"
    assert read("paper").scheduler == "paper"
    assert read({"training.steps": 5}).scheduler == Settings().scheduler


@pytest.mark.parametrize(
    ("source", "overrides", "named"),
    [
        (None, {}, ()),
        (None, {"components": 3}, ()),
        (None, {"training.chunk": "5"}, ("training.chunk",)),
        (
            {"training": {"chunk": 5, "points": 2}},
            {"channels": "exact"},
            ("channels", "training.chunk", "training.points"),
        ),
        (None, {"scheduler": "bi_level", "scheduler.inner_steps": "3"}, ("scheduler",)),
        (None, {"training.chunk": "5", "method": "scheduled"}, ()),
        ("all_metrics", {"optimizer.name": "adam"}, ("optimizer.name",)),
        ("paper", {"training.steps": "7"}, ()),
    ],
)
def test_what_made_the_training_a_scheduled_one_is_known_where_nobody_asked_for_it(source, overrides, named, catalogue):
    found = read_settings(source, overrides, catalogue)
    assert found.switched_by == named
    assert (found.notice is None) == (not named)


def test_the_notice_names_the_settings_and_what_they_mean(catalogue):
    assert read_settings(None, {"training.chunk": "5", "training.steps": 7000}, catalogue).notice == (
        "only a scheduled training knows training.chunk, training.steps, so this one makes 7,000 steps on the tasks of "
        "a scheduler; without them the training is adaptive"
    )


def test_a_preset_means_a_schedule(read):
    assert read("paper").method == "scheduled"


@pytest.mark.parametrize("given", [{"components": 9}, {"components": 9, "training.steps": 7}])
def test_the_settings_in_a_record_mean_what_they_meant(given, read):
    found = read(given)
    again = read(json.loads(json.dumps(found.model_dump(mode="json"))))
    assert again.model_dump(mode="json") == found.model_dump(mode="json")


def test_an_adaptive_training_refuses_what_it_would_not_look_at(refused):
    text = "belongs to method = 'scheduled'; an adaptive training decides it by itself"
    assert refused({"method": "adaptive", "training.steps": 5, "channels": "exact", "components": 4}) == [
        f"channels: {text}",
        f"training: {text}",
    ]


def test_components_may_be_left_to_the_training(read):
    assert read().components is None and read({"components": None}).components is None
    assert read("paper").scheduled_components == 25 and read({"training.steps": 5}).scheduled_components == 64


# what overrides what


def test_overrides_win_and_leave_the_rest(read):
    found = read({"training.steps": 5, "training.points": 6}, **{"training.steps": "7"})
    assert (found.training.steps, found.training.points) == (7, 6)


def test_a_table_laid_over_a_section_leaves_the_rest_of_it(read):
    assert read("paper", optimizer={"name": "adam"}).optimizer.decay == "constant"


def test_a_name_replaces_the_table_of_an_entry(read):
    assert read("mine", scheduler="joint").scheduler == "joint"


def test_a_table_replaces_the_table_of_an_entry(read):
    assert read("mine", scheduler={"name": "uniform"}).scheduler == {"name": "uniform"}


def test_a_name_and_then_a_parameter_make_a_table(read):
    found = read(None, **{"scheduler": "bi_level", "scheduler.inner_steps": "3"})
    assert found.scheduler == {"name": "bi_level", "inner_steps": 3}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("1e-3", 1e-3),
        ("true", True),
        ("[1, 2]", [1, 2]),
        ("'5'", "5"),
        ("paper", "paper"),
        ("5\nfoo = 3", "5\nfoo = 3"),
        ("", ""),
        ("9" * 5000, "9" * 5000),
        ("[" * 5000, "[" * 5000),
    ],
)
def test_a_text_is_the_toml_value_that_it_spells_or_itself(text, value):
    assert as_toml(text) == value and type(as_toml(text)) is type(value)


# what is wrong


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("training.steps", 0, "training.steps: must be at least 1, got 0"),
        ("training.steps", 10**12, f"training.steps: must be at most {2**31 - 1}, got {10**12}"),
        ("components", True, "components: must be a whole number, got True"),
        ("components", "4", "components: must be a whole number, got '4'"),
        ("components", 4.5, "components: must be a whole number, got 4.5"),
        ("method", "random", "method: must be 'auto', 'adaptive' or 'scheduled', got 'random'"),
        ("budget.evaluations", 0, "budget.evaluations: must be at least 1, got 0"),
        ("budget.minutes", -1, "budget.minutes: must be above 0, got -1"),
        ("budget.hours", 1, "budget.hours: unknown key; "),
        (
            "exploration.tasks",
            ["joint", "marginale"],
            "exploration.tasks.1: there is no task 'marginale'; did you mean",
        ),
        ("weights.learn", 1, "weights.learn: must be true or false, got 1"),
        ("weights.after", 1.5, "weights.after: must be at most 1, got 1.5"),
        ("start.sd", -1.0, "start.sd: must be above 0 or a list in brackets, got -1.0"),
        ("start.mean", "-5,3", "start.mean: must be a number or a list in brackets, got '-5,3'"),
        ("start.mean", [1, "a"], "start.mean.1: must be a number, got 'a'"),
        ("start.mean", float("nan"), "start.mean: must be a finite number or a list in brackets, got nan"),
        ("optimizer.decay", "linear", "optimizer.decay: must be 'constant' or 'cosine', got 'linear'"),
        ("optimizer.learning_rate", float("inf"), "optimizer.learning_rate: must be a finite number, got inf"),
        ("metrics", "elbo", "metrics: must be a list in brackets, got 'elbo'"),
        ("metrics", ["elbo", 5], "metrics.1: must be a text or a table, got 5"),
        ("metrics", ["elbo", "essss"], "metrics.1: there is no metric 'essss'; did you mean 'ess'?"),
        ("scheduler", 5, "scheduler: must be a text or a table, got 5"),
        ("scheduler", "bi_leve", "scheduler: there is no scheduler 'bi_leve'; did you mean 'bi_level'?"),
        ("training", 5, "training: must be a table, got 5"),
        ("components", ["x"] * 999, "components: must be a whole number, got ['x', 'x', "),
        ("stepss", 5, "stepss: unknown key; did you mean 'training.steps'?"),
        ("training.stepss", 5, "training.stepss: unknown key; did you mean 'training.steps'?"),
        ("training.steps.more", 5, "training.steps: must be a whole number, got {'more': 5}"),
        # Names of branches of pydantic's unions are keys like any other.
        ("tuple", 3, "tuple: unknown key; the keys are: method, components, budget.evaluations, "),
        ("training.str", 3, "training.str: unknown key; "),
        ("", 3, ": unknown key; the keys are: method, "),
        ("ключ", 3, "ключ: unknown key; the keys are: method, "),
        ("optimizer.name", "adm", "optimizer.name: there is no optimiser 'adm'; expected 'natural' or an optimiser"),
        ("optimizer.name", "lbfgs", "optimizer: 'lbfgs' cannot be used with the options {}: TypeError: "),
        ("optimizer.options", {"beta": 1}, "optimizer.options: 'natural' does not take beta; it takes trust_radius"),
        ("optimizer.options", {"a": float("nan")}, "optimizer.options.a: must be true or false or a whole number or "),
        ("requires", ["no-such-thing>=1"], "requires: 'no-such-thing' is not installed; run `pip install "),
        ("requires", ["numpy>=999"], "requires: 'numpy>=999' is needed, "),
        ("requires", ["what is this"], "requires: 'what is this' is no requirement such as 'biglearn-lj>=0.2': "),
    ],
)
def test_one_wrong_setting_is_told_with_what_came_and_what_to_do(key, value, told, refused):
    (line,) = refused({key: value})
    assert line.startswith(told)
    assert len(line) < 700


def test_a_key_that_is_no_text_is_told(refused, unchecked_types):
    assert refused({3: 4}) == ["3: a key must be a text"]


def test_a_parameter_of_no_table_is_told(refused):
    assert refused({"components": 4, "components.more": 5}) == [
        "components.more: 'components' is no table, so it has no 'more'"
    ]


def test_all_problems_are_told_at_once(refused, unchecked_types):
    lines = refused(
        {"training.stepss": 5, "optimizer": {"name": "adm"}, "requires": ["no-such-thing"], 5: 5},
        **{"training.points": "0", "reports": '["strip"]', "scheduler": "{name = 'uniform', taskss = 3}"},
    )
    assert [line.partition(":")[0] for line in lines] == [
        "5",
        "training.points",
        "training.stepss",
        "scheduler",
        "reports.0",
        "requires",
        "optimizer.name",
    ]
    assert "did you mean 'tasks'?" in lines[3]


def test_a_part_replaced_by_its_default_raises_no_second_complaint(refused):
    assert refused({"optimizer": {"name": 5, "options": {"b1": 0.9}}}) == ["optimizer.name: must be a text, got 5"]


def test_problems_in_a_file_are_told_in_its_order_with_their_lines(refused, toml):
    path = toml(
        "# a comment = 1\n"
        "[optimizer]  # another\n"
        'name = "adm"\n'
        "\n"
        "[start]\n"
        "covariance = [\n"
        "  [1, 0],\n"
        '  [0, "x"],\n'
        "]\n"
        "meann = 1\n"
        "[training]\n"
        '"points" = 0\n'
        "[[metrics]]\n"
        'name = "essss"\n'
        "[scheduler]\n"
        'name = "joint"\n'
        "weight = 3\n"
    )
    lines = refused(path)
    assert [line.removeprefix(f"{path}:").split(": ")[:2] for line in lines] == [
        ["3", "optimizer.name"],
        ["6", "start.covariance.1.1"],
        ["10", "start.meann"],
        ["12", "training.points"],
        ["13", "metrics.0"],
        ["15", "scheduler"],
    ]


def test_an_override_is_not_blamed_on_the_file(refused, toml):
    path = toml("components = 0\n[training]\nsteps = 5\n")
    assert refused(path, **{"training.steps": "0", "training.stepss": "1"}) == [
        f"{path}:1: components: must be at least 1, got 0",
        "training.steps: must be at least 1, got 0",
        "training.stepss: unknown key; did you mean 'training.steps'?",
    ]


def test_a_wrong_preset_is_told_too(refused):
    assert refused("wrong") == ["training.stepss: unknown key; did you mean 'training.steps'?"]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("nofile.toml", r"^the settings file nofile\.toml cannot be read: No such file or directory$"),
        ("nul\0.toml", "cannot be read: embedded null byte"),
        (Path("."), r"^the settings file \. cannot be read: Is a directory$"),
        ("pape", "did you mean 'paper'.*\n.*a settings file is given with its ending, as in 'mine.toml'"),
        ("../../etc/passwd", "There are: all_metrics, mine, paper, transformed, wrong\n"),
        ("", "a settings file is given with its ending"),
    ],
)
def test_a_source_that_is_not_there_is_told(source, told, catalogue, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=told):
        read_settings(source, {}, catalogue)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"components = 4\ncomponents = 5\n", r"is not valid TOML: .* \(at line 2, column 15\)"),
        (b"components 4", r"is not valid TOML: .* \(at line 1, "),
        (b"components = \xff", "cannot be read: it is no UTF-8 text"),
        (b"components = " + b"9" * 5000, "is not valid TOML: Exceeds the limit"),
        (b"components = " + b"[" * 5000, "is not valid TOML: maximum recursion depth"),
        (b"\x00", "is not valid TOML"),
    ],
)
def test_a_file_that_is_no_toml_is_told(content, told, catalogue, tmp_path):
    path = tmp_path / "x.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=told):
        read_settings(path, {}, catalogue)


def test_another_type_of_source_is_told(catalogue, unchecked_types):
    with pytest.raises(SettingsError, match="must be the name of a preset, a TOML file or a mapping, got int"):
        read_settings(5, {}, catalogue)  # pyright: ignore[reportArgumentType]


# the settings themselves


def test_every_key_has_a_description_and_a_section_of_known_keys():
    keys = dict(known_keys())
    assert all(field.description for field in keys.values())
    assert {key.partition(".")[0] for key in keys if "." in key} == SECTIONS


def test_settings_survive_json_and_their_own_reading(read):
    found = read("paper", **{"start.mean": "[-5, 3]"})
    assert read(json.loads(json.dumps(found.model_dump(mode="json")))) == found


@pytest.mark.parametrize("key", ["a", "b.c", "t.x", "t.'y'", "u.v.w", "t.none", "nowhere"])
def test_the_line_of_a_key_is_where_toml_reads_it(key):
    text = "a = 1\nb.c = 2\n[t]\nx = 3\n'y' = 4\n[u.v]\nw = 5\n"
    tomllib.loads(text)
    expected = {"a": 1, "b.c": 2, "t.x": 4, "t.'y'": 5, "u.v.w": 7, "t.none": 3, "nowhere": 1}
    assert line_of(text, key.replace("'", "").split(".")) == expected[key]


@pytest.mark.parametrize("settings", [None, "mine", {"components": 9, "budget": {"minutes": 2}}])
def test_shorthands_are_settings_and_win_over_presets(settings, catalogue):
    given = {"budget": 1000, "minutes": 2.0, "components": 9}
    read = read_settings(settings, with_shorthands({"start.sd": 2.0}, settings, given), catalogue).settings
    assert (read.budget.evaluations, read.budget.minutes, read.components, read.start.sd) == (1000, 2.0, 9, 2.0)
    assert with_shorthands({}, settings, dict.fromkeys(given)) == {}


def test_a_shorthand_and_another_setting_are_refused():
    told = "budget=1000 is short for the setting budget.evaluations, which is given as 2000 too; give one of them"
    for settings, overrides in [({"budget.evaluations": 2000}, {}), (None, {"budget": {"evaluations": 2000}})]:
        with pytest.raises(SettingsError, match=re.escape(told)):
            bl.train("two_modes", budget=1000, settings=settings, overrides=overrides)


@pytest.mark.slow
def test_a_training_is_given_a_budget_as_an_argument(monkeypatch):
    # It takes longer than the rest, and nothing of it is looked at.
    monkeypatch.setattr(TRAIN, "verdict_of", lambda *_: Verdict.bare(COVERED, "By hand."))
    few = {"reports": [], "metrics": [], "training.steps": 10, "scheduler": "joint", "evaluation.draws": 100}
    run = bl.train("two_modes", budget=20_000, minutes=3, components=3, settings=few)
    assert run.record["settings"]["budget"] == {"evaluations": 20_000, "minutes": 3}
    assert run.record["settings"]["components"] == 3
