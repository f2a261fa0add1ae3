"""What `biglearn show settings` says of every setting is what reading one does."""

from __future__ import annotations

import json

import pytest

from biglearn_sampler.catalogue import Catalogue
from biglearn_sampler.cli import main
from biglearn_sampler.errors import SettingsError
from biglearn_sampler.runs.read_settings import read_settings
from biglearn_sampler.runs.settings_problem import known_keys
from biglearn_sampler.runs.settings_reference import SettingRow, settings_reference

CATALOGUE = Catalogue()
ROWS = {row.key: row for row in settings_reference()}


def test_every_key_is_there_once_with_what_it_is_for() -> None:
    assert [row.key for row in settings_reference()] == list(ROWS)
    assert set(ROWS) == {key for key, _ in known_keys()}
    assert all(row.description and row.takes for row in ROWS.values())


@pytest.mark.parametrize("key", [key for key, row in ROWS.items() if row.default != "-"])
def test_the_default_that_is_told_changes_nothing(key: str) -> None:
    told = json.loads(ROWS[key].default)
    method = {"method": read_settings({key: told}, {}, CATALOGUE).settings.method}
    given, left = (read_settings(each, {}, CATALOGUE).settings for each in ({**method, key: told}, method))
    assert given.model_dump(mode="json") == left.model_dump(mode="json")


@pytest.mark.parametrize(
    ("key", "takes"),
    [
        ("components", "whole number from 1 to 1,000,000"),
        ("start.sd", "number above 0 or list of numbers above 0"),
        ("start.covariance", "list of (list of numbers)"),
        ("channels", '"energy" or "exact"'),
        ("weights.learn", "true or false"),
        ("weights.after", "number from 0 to 1"),
    ],
)
def test_what_a_setting_takes_is_told_in_words(key: str, takes: str) -> None:
    assert ROWS[key].takes == takes


@pytest.mark.parametrize("key", [key for key, row in ROWS.items() if " from " in row.takes])
def test_the_ends_of_a_range_are_taken_and_what_lies_beyond_is_not(key: str) -> None:
    low, high = (float(end.replace(",", "")) for end in ROWS[key].takes.split(" from ")[1].split(" to "))
    for value in (low, high):
        read_settings({key: value}, {}, CATALOGUE)
    for value in (low - 1, high * 2 + 1):
        with pytest.raises(SettingsError, match=key):
            read_settings({key: value}, {}, CATALOGUE)


def test_the_command_lists_presets_and_keys_and_tells_one_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "settings"]) == 0
    listed = capsys.readouterr().out
    assert listed.startswith("preset ") and "\nkey  " in listed
    assert all(f"\n{key} " in listed for key in ROWS)
    assert main(["show", "setting", "training.steps"]) == 0
    assert (
        capsys.readouterr().out.splitlines()[1].startswith("training.steps  whole number from 1 to 2,147,483,647  2000")
    )
    assert main(["show", "settings", "optimizer", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["keys"]
    assert [SettingRow(**row) for row in told] == [row for row in ROWS.values() if row.key.startswith("optimizer.")]
    assert main(["show", "settings", "paper"]) == 0
    assert capsys.readouterr().out.startswith("settings biglearn_settings:paper")
