"""Whatever is given as settings: a SettingsError for the user, or settings that JSON can hold."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biglearn_sampler.catalogue import Catalogue
from biglearn_sampler.errors import SettingsError
from biglearn_sampler.runs.read_settings import read_settings
from biglearn_sampler.runs.settings import Settings
from biglearn_sampler.runs.settings_problem import known_keys

CATALOGUE = Catalogue()
BELOW = ["training", "start", "scheduler.name", "scheduler.tasks", "optimizer.options.b1"]
KEYS = st.sampled_from([*(key for key, _ in known_keys()), *BELOW])
WORDS = st.sampled_from("paper uniform joint elbo adam sgd natural name int tuple cosine".split())
# With surrogates, as bytes that are no text arrive from the command line.
TEXTS = st.text(st.characters(exclude_categories=()), max_size=12)
NUMBERS = st.integers() | st.floats() | st.integers(-2, 300)
SCALARS = st.none() | st.booleans() | NUMBERS | WORDS | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | TEXTS, inner, max_size=3),
    max_leaves=6,
)
ANY_KEY = KEYS | WORDS | TEXTS
OFTEN = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def check(source, overrides) -> None:
    try:
        found = read_settings(source, overrides, CATALOGUE).settings
    except SettingsError as error:
        assert "problem" in str(error).splitlines()[0]
        return
    dumped = found.model_dump(mode="json")
    # As texts, because NaN is not equal to itself.
    assert repr(Settings.model_validate(dumped).model_dump(mode="json")) == repr(dumped)
    assert found.training.steps >= 1 and (found.components is None or found.components >= 1)
    assert found.method in ("adaptive", "scheduled") and found.scheduled_components >= 1
    assert repr(read_settings(dumped, {}, CATALOGUE).settings.model_dump(mode="json")) == repr(dumped)


@OFTEN
@given(st.dictionaries(ANY_KEY, VALUES, max_size=4))
def test_any_mapping(source):
    check(source, {})


@OFTEN
@given(st.dictionaries(ANY_KEY, VALUES.map(lambda value: json.dumps(value)) | SCALARS.map(str), max_size=4))
def test_any_assignments(overrides):
    check(None, overrides)


@settings(OFTEN, max_examples=20)
@given(KEYS, TEXTS)
def test_any_text_for_a_known_key(key, text):
    check("paper", {key: text})


def test_the_check_itself_can_fail(monkeypatch):
    monkeypatch.setattr("biglearn_sampler.runs.read_settings.merge", lambda values, overrides: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        check({}, {})
