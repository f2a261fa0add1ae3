"""Types that a parameter may have, values that they accept, texts that they read, and signatures."""

import enum
import functools
import math
from typing import Annotated, Any, ClassVar, Literal, Optional

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biglearn_sampler.catalogue import use
from biglearn_sampler.catalogue.parameters import parameters_of
from biglearn_sampler.catalogue.problems import told
from biglearn_sampler.catalogue.values import (
    WrongValue,
    check_value,
    parse_text,
    shown,
    type_mistake,
    type_text,
)

Matrix = tuple[tuple[float, ...], ...]


class Colour(str, enum.Enum):  # noqa: UP042
    red = "r"


class Scheduler:
    kind: ClassVar[str] = "scheduler"


class Unheard:
    kind: ClassVar[str] = "unheard_of"


def named(kind: str, value: Any) -> Any:
    return (kind, value)


# Values


@pytest.mark.parametrize(
    ("value", "annotation", "accepted"),
    [
        (3, int, 3),
        (numpy.int64(3), int, 3),
        (3, float, 3.0),
        (2.5, float, 2.5),
        (numpy.float32(2.5), float, 2.5),
        (math.inf, float, math.inf),
        (True, bool, True),
        ("a", str, "a"),
        (Colour.red, str, "r"),
        (None, int | None, None),
        (None, Optional[int], None),  # noqa: UP045
        (3, float | int, 3),
        (True, int | bool, True),
        ("b", Literal["a", "b"], "b"),
        (2, Literal[1, 2], 2),
        ([1, 2], tuple[float, ...], (1.0, 2.0)),
        ((), tuple[int, ...], ()),
        ((1, "a"), tuple[int, str], (1, "a")),
        ([[1, 0], [0, 1]], Matrix, ((1.0, 0.0), (0.0, 1.0))),
        ("uniform", Scheduler, ("scheduler", "uniform")),
        (None, Scheduler | None, None),
        (["a", "b"], tuple[Scheduler, ...], (("scheduler", "a"), ("scheduler", "b"))),
    ],
)
def test_accepted_values(value, annotation, accepted):
    result = check_value(value, annotation, named)
    assert (result, type(result)) == (accepted, type(accepted))


@pytest.mark.parametrize(
    ("value", "annotation", "message"),
    [
        ("abc", int, "must be int, got 'abc'"),
        (True, int, "must be int, got True"),
        (True, float, "must be float, got True"),
        (2.0, int, "must be int, got 2.0"),
        (2**53 + 1, float, "must be float, got 9007199254740993"),
        (10**400, float, "must be float, got 1000"),
        (1, bool, "must be bool, got 1"),
        (None, int, "must be int, got None"),
        (3, str, "must be str, got 3"),
        ("c", Literal["a", "b"], "must be 'a' | 'b', got 'c'"),
        (True, Literal[1, 2], "must be 1 | 2, got True"),
        ("x", int | None, "must be int | None, got 'x'"),
        ([1, "a"], tuple[float, ...], "must be tuple[float, ...], got [1, 'a']"),
        ((1, 2), tuple[int], "must be tuple[int], got (1, 2)"),
        (3, tuple[int, ...], "must be tuple[int, ...], got 3"),
        ("12", tuple[int, ...], "must be tuple[int, ...], got '12'"),
        (None, Scheduler, "must be scheduler, got None"),
    ],
)
def test_refused_values(value, annotation, message):
    with pytest.raises(WrongValue) as raised:
        check_value(value, annotation, named)
    assert str(raised.value).startswith(message)


def test_a_value_is_shown_in_one_short_line():
    assert shown("a" * 100) == f"'{'a' * 76}..."
    assert shown([1, 2]) == "[1, 2]"
    assert "\n" not in shown(numpy.eye(3))


# Texts


@pytest.mark.parametrize(
    ("text", "annotation", "value"),
    [
        ("2.5", float, 2.5),
        ("1e-3", float, 0.001),
        ("3", int, 3),
        ("3", int | float, 3),
        ("3", str, "3"),
        ("3", int | str, 3),
        ("three", int | str, "three"),
        ("true", bool, True),
        ("False", bool, False),
        ("1", bool, "1"),
        ("none", int | None, None),
        ("None", str | None, None),
        ("none", Literal["none", "all"] | None, "none"),
        ("2", Literal[1, 2], 2),
        ("1,2, 3", tuple[float, ...], (1.0, 2.0, 3.0)),
        ("", tuple[float, ...], ()),
        ("[1, 2]", tuple[float, ...], [1, 2]),
        ("1,a", tuple[int, str], (1, "a")),
        ("[[1, 0], [0, 1]]", Matrix, [[1, 0], [0, 1]]),
        ("1,2", Matrix, "1,2"),
        ("[1", tuple[int, ...], "[1"),
        ("2.5", int, "2.5"),
        ("uniform", Scheduler, "uniform"),
        ("none", Scheduler | None, None),
        ('{"name": "uniform"}', Scheduler, {"name": "uniform"}),
        ("a,b", tuple[Scheduler, ...], ("a", "b")),
    ],
)
def test_texts(text, annotation, value):
    parsed = parse_text(text, annotation)
    assert (parsed, type(parsed)) == (value, type(value))


@given(st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False), st.none()))
def test_what_is_printed_is_read_back(value):
    annotation = type(value) | None
    parsed = parse_text(str(value), annotation)
    assert (check_value(parsed, annotation, named), type(parsed)) == (value, type(value))


@given(st.lists(st.floats(allow_nan=False)))
def test_printed_tuples_are_read_back(values):
    assert parse_text(",".join(map(str, values)), tuple[float, ...]) == tuple(values)


# Types


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (int | None, "int | None"),
        (Literal["a", "b"] | None, "'a' | 'b' | None"),
        (Matrix, "tuple[tuple[float, ...], ...]"),
        (tuple[Scheduler, ...], "tuple[scheduler, ...]"),
        (Annotated[float, "help"], "float"),
        (Optional[Annotated[int, "help"]], "int | None"),  # noqa: UP045
    ],
)
def test_types_are_good_and_read_well(annotation, text):
    assert type_mistake(annotation) is None
    assert type_text(annotation) == text


ALLOWED = (
    "allowed are bool, int, float, str, Literal, None, tuples of them with their item types, and classes with a `kind`"
)


@pytest.mark.parametrize(
    ("annotation", "mistake"),
    [
        (list[int], f"has type list; {ALLOWED}"),
        (dict, f"has type dict; {ALLOWED}"),
        (tuple, f"has type tuple; {ALLOWED}"),
        (tuple[complex, ...], f"has type complex; {ALLOWED}"),
        (Any, f"has type Any; {ALLOWED}"),
        (Literal[b"x", "y"], "has the choice b'x'; allowed are texts, numbers, true, false and None"),
        (int | list, f"has type list; {ALLOWED}"),
        (Unheard, "has a class of the unknown kind 'unheard_of'"),
        (Scheduler | str, "has type scheduler | str; an entry can be joined with None only"),
    ],
)
def test_other_types_are_told(annotation, mistake):
    assert type_mistake(annotation) == mistake


def test_values_that_cannot_tell_what_they_are_are_shown_by_their_type():
    class Mute:
        def __repr__(self) -> str:
            raise RuntimeError("no repr")

    class Silent(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no str")

    assert shown(Mute()) == "an object of type Mute"
    assert told(Silent()) == "Silent"


# Signatures


def good(
    dim: Annotated[int, "dimension"] = 2,
    *,
    scheduler: Annotated[Scheduler, "picks"] = use("uniform", weight=1.0),
) -> None: ...


class Built:
    def __init__(self, dim: Annotated[int, "dimension"] = 2) -> None: ...

    def __call__(self, size: Annotated[int, "size"] = 3) -> None: ...


def test_a_signature_is_the_schema():
    (dim, scheduler), mistakes = parameters_of(good)
    assert mistakes == ()
    assert (dim.name, dim.annotation, dim.default, dim.help) == ("dim", int, 2, "dimension")
    assert str(dim) == "dim: int = 2"
    assert str(scheduler) == "scheduler: scheduler = use('uniform', weight=1.0)"


@pytest.mark.parametrize(
    ("build", "names"),
    [
        (Built, ["dim"]),
        (Built(), ["size"]),
        (functools.partial(good, dim=5), ["dim", "scheduler"]),
        (lambda: None, []),
        (object, []),
    ],
)
def test_anything_that_can_be_called_may_build(build, names):
    parameters, mistakes = parameters_of(build)
    assert mistakes == ()
    assert [parameter.name for parameter in parameters] == names


def no_default(dim: Annotated[int, "dimension"]) -> None: ...
def no_type(dim=2) -> None: ...
def no_help(dim: int = 2) -> None: ...
def empty_help(dim: Annotated[int, " "] = 2) -> None: ...
def positional(dim: Annotated[int, "dimension"] = 2, /) -> None: ...
def any_keyword(**dim: Annotated[int, "dimension"]) -> None: ...
def wrong_default(dim: Annotated[int, "dimension"] = 2.5) -> None: ...  # pyright: ignore[reportArgumentType]
def text_default(dim: Annotated[int, "dimension"] = "2") -> None: ...  # pyright: ignore[reportArgumentType]
def wrong_type(dim: Annotated[list, "dimension"] = []) -> None: ...  # noqa: B006
def built_default(dim: Annotated[Scheduler, "picks"] = 3) -> None: ...  # pyright: ignore[reportArgumentType]
def reserved(name: Annotated[str, "a name"] = "x") -> None: ...


MUST_BE_USED = 'it must be scheduler as use("name", ...)'
HELP = 'has no help text; write Annotated[type, "help"]'


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (no_default, ["parameter 'dim' has no default"]),
        (no_type, ["parameter 'dim' has no type", f"parameter 'dim' {HELP}"]),
        (no_help, [f"parameter 'dim' {HELP}"]),
        (empty_help, [f"parameter 'dim' {HELP}"]),
        (positional, ["parameter 'dim' is positional only; parameters are passed by name"]),
        (any_keyword, ["parameter 'dim' takes any number of values; every parameter needs a name"]),
        (wrong_default, ["parameter 'dim' has a wrong default: it must be int, got 2.5"]),
        (text_default, ["parameter 'dim' has a wrong default: it must be int, got '2'"]),
        (wrong_type, [f"parameter 'dim' has type list; {ALLOWED}"]),
        (
            built_default,
            [f"parameter 'dim' has a wrong default: {MUST_BE_USED}, got 3"],
        ),
        (reserved, ["parameter 'name' has a name that is kept for the entry's own; call it otherwise"]),
    ],
)
def test_mistakes_in_a_signature(build, told):
    assert parameters_of(build)[1] == tuple(told)


def test_annotations_as_text_are_resolved():
    scope: dict[str, Any] = {"Annotated": Annotated, "Scheduler": Scheduler, "use": use}
    exec("def build(picks: 'Annotated[Scheduler, \"help\"]' = use('uniform')): ...", scope)
    (parameter,), mistakes = parameters_of(scope["build"])
    assert (parameter.annotation, mistakes) == (Scheduler, ())


def test_annotations_that_cannot_be_resolved_are_told():
    scope: dict[str, Any] = {}
    exec("def build(dim: 'Missing[int]' = 2): ...", scope)
    _, (mistake,) = parameters_of(scope["build"])
    assert mistake == "the signature of `build` cannot be read: NameError: name 'Missing' is not defined"
