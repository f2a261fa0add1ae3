"""From a name to a built object: finding, checking all parameters at once, nested entries, records."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Annotated, Any, ClassVar

import pytest

from biglearn_sampler.catalogue import Catalogue, Entry, EntryRecord, hookimpl, use
from biglearn_sampler.catalogue.building import NOTHING
from biglearn_sampler.errors import CatalogueError, TargetError


@dataclass(frozen=True)
class Funnel:
    kind: ClassVar[str] = "target"
    dim: int
    scale: float


@dataclass(frozen=True)
class Uniform:
    kind: ClassVar[str] = "scheduler"
    weight: float


@dataclass(frozen=True)
class Nested:
    kind: ClassVar[str] = "scheduler"
    inner: Any
    others: tuple[Any, ...]


def funnel(
    dim: Annotated[int, "number of coordinates, at least 2"] = 10,
    scale: Annotated[float, "standard deviation of the neck"] = 3.0,
) -> Funnel:
    if dim < 2:
        raise ValueError(f"`dim` must be at least 2, got {dim}")
    return Funnel(dim, scale)


def uniform(weight: Annotated[float, "weight of the task"] = 1.0) -> Uniform:
    return Uniform(weight)


def nested(
    inner: Annotated[Uniform, "picks the task"] = use("uniform", weight=2),
    others: Annotated[tuple[Uniform, ...], "picked in between"] = (use("uniform"),),
    last: Annotated[Uniform | None, "picks the last task"] = None,
) -> Nested:
    return Nested(inner, (*others, last) if last else others)


def endless(inner: Annotated[Uniform, "itself"] = use("endless")) -> Nested:
    return Nested(inner, ())


def quick(steps: Annotated[int, "training steps"] = 200) -> dict[str, int]:
    return {"steps": steps}


def plugin(**entries: list[Entry[Any]]) -> SimpleNamespace:
    def hook(offered: list[Entry[Any]]):
        return hookimpl(lambda: offered)

    return SimpleNamespace(**{f"biglearn_{plural}": hook(offered) for plural, offered in entries.items()})


FUNNEL = Entry(name="funnel", build=funnel, summary="Neal's funnel", reference="Neal (2003)")
SCHEDULERS = [
    Entry(name="uniform", build=uniform, summary="all tasks alike"),
    Entry(name="nested", build=nested, summary="schedulers in schedulers"),
    Entry(name="endless", build=endless, summary="itself in itself"),
]


@pytest.fixture
def catalogue() -> Catalogue:
    quick_entry = Entry(name="quick", build=quick, summary="a first look")
    good = plugin(targets=[FUNNEL], schedulers=SCHEDULERS, settings=[quick_entry])
    made = Catalogue(plugins={"a": good}, entry_points=False)
    assert made.problems == ()
    return made


def told(catalogue: Catalogue, kind: str, spec: Any, parameters: Mapping[str, Any] = NOTHING) -> list[str]:
    """Lines of the error that building raises; checking raises as well."""
    with pytest.raises(CatalogueError) as raised:
        catalogue.build(kind, spec, parameters)
    with pytest.raises(CatalogueError):
        catalogue.check(kind, spec, parameters)
    return str(raised.value).splitlines()


# Finding


def test_bare_and_qualified_names_find_the_same(catalogue):
    assert catalogue.find("target", "funnel") is catalogue.find("target", "a:funnel")


def test_an_ambiguous_name_is_told_with_the_qualified_ones():
    two = {"b": plugin(targets=[FUNNEL]), "a": plugin(targets=[FUNNEL])}
    catalogue = Catalogue(plugins=two, entry_points=False)
    assert catalogue.problems == ()
    assert told(catalogue, "target", "funnel") == [
        "target 'funnel' is offered by 2 plugins; ask for one of: a:funnel, b:funnel"
    ]
    assert catalogue.build("target", "b:funnel").record.name == "b:funnel"


def test_an_unknown_name_is_told_with_the_near_one(catalogue):
    assert told(catalogue, "target", "funel") == ["there is no target 'funel'; did you mean 'funnel'?"]
    assert told(catalogue, "target", "a:funel") == ["there is no target 'a:funel'; did you mean 'a:funnel'?"]
    assert told(catalogue, "scheduler", "zzz") == ["there is no scheduler 'zzz'. There are: endless, nested, uniform"]
    assert told(catalogue, "metric", "zzz") == ["there is no metric 'zzz'. There are: none"]


def test_an_unknown_name_is_told_with_the_plugins_that_failed():
    failing = SimpleNamespace(biglearn_targets=hookimpl(lambda: 1 / 0))
    catalogue = Catalogue(plugins={"a": failing}, entry_points=False)
    assert told(catalogue, "target", "funnel") == [
        "there is no target 'funnel'. There are: none",
        "  plugin 'a' (in memory), hook: biglearn_targets raised ZeroDivisionError: division by zero",
    ]


def test_an_unknown_kind_is_told(catalogue):
    with pytest.raises(CatalogueError, match="there is no kind 'targt'; did you mean 'target'"):
        catalogue.offers("targt")


# Parameters


def test_parameters_come_from_spec_and_call_and_the_call_goes_first(catalogue):
    spec = {"name": "funnel", "dim": 3, "scale": 1}
    assert catalogue.build("target", spec, {"dim": 4}).value == Funnel(4, 1.0)
    assert catalogue.build("target", use("funnel", dim=5)).value == Funnel(5, 3.0)


def test_texts_are_read_by_the_declared_types(catalogue):
    built = catalogue.build("target", "funnel", {"dim": "3", "scale": "2.5"}).value
    assert built == Funnel(3, 2.5)
    assert (type(built.dim), type(built.scale)) == (int, float)


def test_a_wrong_value_is_told(catalogue):
    assert told(catalogue, "target", {"name": "funnel", "dim": "abc"}) == [
        "a:funnel: parameter 'dim' must be int, got 'abc'"
    ]


def test_an_unknown_parameter_is_told_with_the_near_one_and_all_others(catalogue):
    accepted = "It accepts: dim: int = 10, scale: float = 3.0"
    assert told(catalogue, "target", "funnel", {"scal": 1.0}) == [
        f"a:funnel has no parameter 'scal'; did you mean 'scale'? {accepted}"
    ]
    assert told(catalogue, "target", "funnel", {"zzz": 1.0}) == [f"a:funnel has no parameter 'zzz'. {accepted}"]


def test_all_wrong_parameters_are_told_at_once_also_of_nested_entries(catalogue):
    spec = {
        "name": "nested",
        "inner": {"name": "uniform", "weight": "x", "wait": 1},
        "others": "unifrm",
        "n": 1,
    }
    assert told(catalogue, "scheduler", spec) == [
        "a:nested has no parameter 'n'. It accepts: inner: scheduler = use('uniform', weight=2), "
        "others: tuple[scheduler, ...] = (use('uniform'),), last: scheduler | None = None",
        "a:nested: parameter 'inner': a:uniform has no parameter 'wait'; did you mean 'weight'? "
        "It accepts: weight: float = 1.0",
        "a:uniform: parameter 'weight' must be float, got 'x'",
        "a:nested: parameter 'others': there is no scheduler 'unifrm'; did you mean 'uniform'?",
    ]


@pytest.mark.parametrize("spec", [3, None, {"nam": "funnel"}, {"name": 3}, ["funnel"], Uniform(1.0)])
def test_a_spec_of_another_form_is_told(catalogue, spec):
    (message,) = told(catalogue, "target", spec)
    assert message.startswith('expected a name of kind "target" or {"name": ..., parameters}, got ')


# Nested entries


def test_defaults_are_built(catalogue):
    assert catalogue.build("scheduler", "nested").value == Nested(Uniform(2.0), (Uniform(1.0),))


@pytest.mark.parametrize(
    ("inner", "built"),
    [
        ("uniform", Uniform(1.0)),
        ("a:uniform", Uniform(1.0)),
        ({"name": "uniform", "weight": 5}, Uniform(5.0)),
        ('{"name": "uniform", "weight": 5}', Uniform(5.0)),
        (use("uniform", weight=6), Uniform(6.0)),
        (Uniform(7.0), Uniform(7.0)),
        ({"name": "nested", "others": []}, Nested(Uniform(2.0), ())),
    ],
)
def test_a_nested_entry_is_a_name_a_mapping_a_use_or_an_object(catalogue, inner, built):
    spec = {"name": "nested", "inner": inner, "others": ()}
    assert catalogue.build("scheduler", spec).value == Nested(built, ())


def test_tuples_of_entries(catalogue):
    listed = ["uniform", {"name": "uniform", "weight": 2}]
    for others in (listed, json.dumps(listed)):
        built = catalogue.build("scheduler", {"name": "nested", "others": others, "last": "uniform"}).value
        assert built.others == (Uniform(1.0), Uniform(2.0), Uniform(1.0))
    assert len(catalogue.build("scheduler", "nested", {"others": "uniform,uniform"}).value.others) == 2


def test_what_was_built_can_be_given_and_keeps_its_record(catalogue):
    built = catalogue.build("scheduler", "uniform", {"weight": 9})
    outer = catalogue.build("scheduler", "nested", {"inner": built})
    assert outer.value.inner is built.value
    assert outer.record.parameters["inner"] is built.record
    assert catalogue.build("scheduler", built) is built


def test_an_object_of_another_kind_is_refused(catalogue):
    (message,) = told(catalogue, "scheduler", "nested", {"inner": Funnel(2, 1.0)})
    assert message.startswith("a:nested: parameter 'inner': expected a name of kind \"scheduler\" or ")


def test_defaults_in_a_circle_are_told(catalogue):
    assert told(catalogue, "scheduler", "endless") == [
        "a:endless: parameter 'inner': by its defaults, a:endless uses a:endless without end"
    ]
    inner = {"name": "endless", "inner": {"name": "endless", "inner": "uniform"}}
    assert catalogue.build("scheduler", inner).value.inner.inner == Uniform(1.0)


# Building


def build_with(action: Any) -> list[str]:
    """What is told when `build` acts so."""
    entry = Entry(name="ring", build=action, summary="a ring")
    catalogue = Catalogue(plugins={"a": plugin(targets=[entry])}, entry_points=False)
    with pytest.raises(CatalogueError) as raised:
        catalogue.build("target", "ring")
    return [str(raised.value), type(raised.value.__cause__).__name__]


def raising(error: BaseException) -> Any:
    def build() -> Funnel:
        raise error

    return build


def test_errors_of_build_get_the_name_in_front(catalogue):
    with pytest.raises(CatalogueError) as raised:
        catalogue.build("target", "funnel", {"dim": 1})
    assert str(raised.value) == "a:funnel: `dim` must be at least 2, got 1"
    assert isinstance(raised.value.__cause__, ValueError)
    assert build_with(raising(TargetError("not finite"))) == ["a:ring: not finite", "TargetError"]
    assert build_with(raising(KeyError("x"))) == ["a:ring: build raised KeyError: 'x'", "KeyError"]
    assert build_with(raising(SystemExit(3))) == ["a:ring: build raised SystemExit: 3", "SystemExit"]


def test_an_interrupt_while_building_stops_the_host():
    entry = Entry(name="ring", build=raising(KeyboardInterrupt()), summary="a ring")
    catalogue = Catalogue(plugins={"a": plugin(targets=[entry])}, entry_points=False)
    with pytest.raises(KeyboardInterrupt):
        catalogue.build("target", "ring")


@pytest.mark.parametrize("value", [None, 3, Uniform(1.0), Funnel])
def test_build_must_give_its_kind(value):
    message, _ = build_with(lambda: value)
    assert message.startswith("a:ring: build must give something of kind 'target', got ")


def test_a_preset_must_be_a_mapping(catalogue):
    assert catalogue.build("settings", "quick", {"steps": 3}).value == {"steps": 3}
    wrong = Entry(name="wrong", build=lambda: [1], summary="a list")
    other = Catalogue(plugins={"a": plugin(settings=[wrong])}, entry_points=False)
    with pytest.raises(CatalogueError, match=r"a:wrong: build must give something of kind 'settings', got \[1\]"):
        other.build("settings", "wrong")


# Records


def test_the_record_holds_everything_and_is_json(catalogue):
    record = catalogue.build("target", "funnel", {"dim": 2}).record
    assert record == EntryRecord(
        kind="target",
        name="a:funnel",
        parameters={"dim": 2, "scale": 3.0},
        distribution="in memory",
        version=None,
        reference="Neal (2003)",
    )
    assert json.loads(json.dumps(record.to_json())) == {
        "kind": "target",
        "name": "a:funnel",
        "parameters": {"dim": 2, "scale": 3.0},
        "distribution": "in memory",
        "version": None,
        "reference": "Neal (2003)",
    }


def test_nested_entries_are_records_in_the_record(catalogue):
    record = catalogue.build("scheduler", "nested", {"last": Uniform(4.0)}).record
    assert isinstance(record.parameters["inner"], EntryRecord)
    document = json.loads(json.dumps(record.to_json()))["parameters"]
    assert document["inner"]["name"] == "a:uniform"
    assert document["inner"]["parameters"] == {"weight": 2.0}
    assert document["others"][0]["parameters"] == {"weight": 1.0}
    assert document["last"]["name"].endswith(":Uniform")
    assert document["last"]["distribution"] == "an object made in Python"


def test_one_parameter_may_stand_behind_a_colon():
    entry = Entry(name="funnel", build=funnel, summary="Neal's funnel", argument="dim")
    catalogue = Catalogue(plugins={"a": plugin(targets=[entry])}, entry_points=False)
    for name in ("funnel:4", "a:funnel:4"):
        built = catalogue.build("target", name, {"scale": 2})
        assert built.value == Funnel(4, 2.0)
        # The record says it as a parameter, so that it can be built again.
        assert (built.record.name, built.record.parameters) == ("a:funnel", {"dim": 4, "scale": 2.0})
    with pytest.raises(CatalogueError, match="a:funnel: 'dim' is given behind the colon and as a parameter too"):
        catalogue.build("target", "funnel:4", {"dim": 5})
    with pytest.raises(CatalogueError, match="a:funnel: parameter 'dim' must be int, got 'four'"):
        catalogue.build("target", "funnel:four")
    plain = Catalogue(plugins={"a": plugin(targets=[FUNNEL])}, entry_points=False)
    with pytest.raises(CatalogueError, match="there is no target 'funnel:4'"):
        plain.build("target", "funnel:4")
