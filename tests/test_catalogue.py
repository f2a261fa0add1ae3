"""Each way in which a plugin can be bad: it is told about with its name, and the good ones stay usable."""

import sys
from types import SimpleNamespace
from typing import Annotated, Any, ClassVar

import pytest

from biglearn_sampler.catalogue import KINDS, Catalogue, Entry, hookimpl
from biglearn_sampler.errors import CatalogueError


class Ring:
    kind: ClassVar[str] = "target"

    def __init__(self, radius: float = 1.0) -> None:
        self.radius = radius


def build_ring(radius: Annotated[float, "distance from the origin"] = 2.0) -> Ring:
    return Ring(radius)


def ring_entry(**changes: Any) -> Entry[Any]:
    return Entry(**{"name": "ring", "build": build_ring, "summary": "one ring", **changes})


def plugin(**hooks: Any) -> SimpleNamespace:
    return SimpleNamespace(**{name: hookimpl(hook) for name, hook in hooks.items()})


def offering(*entries: Any, hook: str = "biglearn_targets") -> SimpleNamespace:
    return plugin(**{hook: lambda: list(entries)})


def beside_a_good_one(bad: object) -> Catalogue:
    """A catalogue of a bad plugin and a good one, of which the good one is usable."""
    catalogue = Catalogue(plugins={"bad": bad, "good": offering(ring_entry())}, entry_points=False)
    assert isinstance(catalogue.build("target", "good:ring").value, Ring)
    return catalogue


def messages(catalogue: Catalogue) -> list[tuple[str, str]]:
    assert all(problem.plugin == "bad" for problem in catalogue.problems)
    return [(problem.stage, problem.message) for problem in catalogue.problems]


def test_a_good_plugin_has_no_problems():
    catalogue = Catalogue(plugins={"good": offering(ring_entry())}, entry_points=False)
    assert catalogue.problems == ()
    (record,) = catalogue.plugins
    assert (record.name, record.offers, record.problems) == ("good", {"target": ("ring",)}, ())


@pytest.mark.parametrize(
    ("kind", "hook"),
    [
        ("target", "biglearn_targets"),
        ("transformation", "biglearn_transformations"),
        ("task", "biglearn_tasks"),
        ("scheduler", "biglearn_schedulers"),
        ("baseline", "biglearn_baselines"),
        ("metric", "biglearn_metrics"),
        ("report", "biglearn_reports"),
        ("settings", "biglearn_settings"),
    ],
)
def test_every_kind_is_offered_by_its_hook(kind, hook):
    catalogue = Catalogue(plugins={"a": offering(ring_entry(), hook=hook)}, entry_points=False)
    assert KINDS[kind] == hook
    assert [offer.qualified_name for offer in catalogue.offers(kind)] == ["a:ring"]
    assert catalogue.plugins[0].offers == {kind: ("ring",)}


def test_problems_are_told_with_everything_that_identifies_the_plugin():
    catalogue = beside_a_good_one(plugin(biglearn_targets=lambda: None))
    (problem,) = catalogue.problems
    assert str(problem) == (
        "plugin 'bad' (in memory), hook: biglearn_targets returned None; it must return a list of Entry"
    )
    assert problem.to_json() == {
        "plugin": "bad",
        "distribution": "in memory",
        "stage": "hook",
        "message": "biglearn_targets returned None; it must return a list of Entry",
    }


# Rows of the table of what pluggy does by itself


def raise_value_error() -> None:
    raise ValueError("no rings today")


def test_a_hook_that_raises_loses_only_its_own_results():
    catalogue = beside_a_good_one(plugin(biglearn_targets=raise_value_error))
    assert messages(catalogue) == [("hook", "biglearn_targets raised ValueError: no rings today")]
    assert isinstance(catalogue.problems[0].cause, ValueError)


def test_a_generator_that_raises_is_blamed_on_its_plugin():
    def generate():
        yield ring_entry()
        raise ZeroDivisionError

    catalogue = beside_a_good_one(plugin(biglearn_targets=generate))
    assert messages(catalogue) == [("hook", "biglearn_targets raised ZeroDivisionError")]


def test_a_generator_that_ends_well_is_read():
    def generate():
        yield ring_entry()

    catalogue = Catalogue(plugins={"a": plugin(biglearn_targets=generate)}, entry_points=False)
    assert len(catalogue.offers("target")) == 1


def test_unknown_arguments_of_all_hooks_are_told_at_once():
    bad = plugin(biglearn_targets=lambda dim: [], biglearn_chunk_finished=lambda run, info, loss: None)
    assert messages(beside_a_good_one(bad)) == [
        (
            "registration",
            "hook 'biglearn_chunk_finished' has no argument 'loss'; its arguments: run, step, info",
        ),
        ("registration", "hook 'biglearn_targets' has no argument 'dim'; its arguments: none"),
    ]


def test_an_argument_with_a_default_is_the_plugins_own():
    bad = plugin(biglearn_targets=lambda count=1: [ring_entry()] * count)
    catalogue = Catalogue(plugins={"a": bad}, entry_points=False)
    assert catalogue.problems == ()


def test_a_misspelt_hook_is_told_and_the_others_stay():
    bad = plugin(biglearn_target=lambda: [], biglearn_metrics=lambda: [])
    assert messages(beside_a_good_one(bad)) == [
        ("registration", "unknown hook 'biglearn_target'; did you mean 'biglearn_targets'?")
    ]


def test_every_misspelt_hook_is_told():
    bad = plugin(biglearn_target=lambda: [], biglearn_metric=lambda: [], nothing_like_it=lambda: [])
    told = [message for _, message in messages(beside_a_good_one(bad))]
    assert told == [
        "unknown hook 'biglearn_metric'; did you mean 'biglearn_metrics'?",
        "unknown hook 'biglearn_target'; did you mean 'biglearn_targets'?",
        "unknown hook 'nothing_like_it'.",
    ]


def test_an_optional_hook_may_be_unknown():
    newer = SimpleNamespace(biglearn_from_the_future=hookimpl(optionalhook=True)(lambda: []))
    assert Catalogue(plugins={"a": newer}, entry_points=False).problems == ()


def test_a_hook_may_have_another_function_name():
    renamed = SimpleNamespace(my_targets=hookimpl(specname="biglearn_targets")(lambda: [ring_entry()]))
    assert len(Catalogue(plugins={"a": renamed}, entry_points=False).offers("target")) == 1


def test_order_follows_names_and_not_registration():
    first = {"a": offering(ring_entry(name="zeta")), "b": offering(ring_entry(name="alpha"))}
    for plugins in (first, dict(reversed(first.items()))):
        catalogue = Catalogue(plugins=plugins, entry_points=False)
        assert [offer.qualified_name for offer in catalogue.offers("target")] == ["b:alpha", "a:zeta"]
        assert [record.name for record in catalogue.plugins] == ["a", "b"]


# Registration


def test_a_wrapper_is_refused():
    def wrap():
        return (yield)

    bad = SimpleNamespace(biglearn_targets=hookimpl(wrapper=True)(wrap))
    ((stage, message),) = messages(beside_a_good_one(bad))
    assert stage == "registration"
    assert message.startswith("hook 'biglearn_targets' is a wrapper")


def test_a_hook_without_its_mark_is_told():
    bad = SimpleNamespace(biglearn_targets=lambda: [ring_entry()])
    assert messages(beside_a_good_one(bad)) == [
        ("registration", "'biglearn_targets' is not marked as a hook; put @hookimpl above it")
    ]


def test_a_plugin_without_hooks_is_told():
    ((stage, message),) = messages(beside_a_good_one(SimpleNamespace()))
    assert stage == "registration"
    assert message == "it has no hook; mark a function such as `biglearn_targets` with @hookimpl"


def test_the_same_object_twice_is_told():
    same = offering(ring_entry())
    catalogue = Catalogue(plugins={"a": same, "b": same}, entry_points=False)
    (problem,) = catalogue.problems
    assert problem.plugin == "b"
    assert problem.message == "it is the same object as plugin 'a', which is loaded"


def test_a_plugin_that_cannot_even_be_looked_at_is_contained():
    class Hostile:
        def __dir__(self):
            raise RuntimeError("do not look")

    assert messages(beside_a_good_one(Hostile())) == [("registration", "RuntimeError: do not look")]


# Results of hooks


@pytest.mark.parametrize(
    ("result", "told"),
    [
        (None, "returned None"),
        (3, "returned one int"),
        ("ring", "returned one str"),
        ({"ring": build_ring}, "returned one dict"),
        (ring_entry(), "returned one Entry"),
    ],
)
def test_a_hook_must_return_a_list(result, told):
    catalogue = beside_a_good_one(plugin(biglearn_targets=lambda: result))
    assert messages(catalogue) == [("hook", f"biglearn_targets {told}; it must return a list of Entry")]


def test_what_is_not_an_entry_is_told_and_the_entries_stay():
    catalogue = beside_a_good_one(offering("ring", ring_entry(name="other")))
    assert messages(catalogue) == [("entry", "biglearn_targets gave 'ring', which is not an Entry")]
    assert catalogue.find("target", "bad:other")


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("name", ["Ring", "2d_ring", "ring-2", "", "ring\n", "_ring", "rïng", 3, None])
def test_names_follow_the_pattern(name):
    catalogue = beside_a_good_one(offering(ring_entry(name=name)))
    ((stage, message),) = messages(catalogue)
    assert stage == "entry"
    assert message == (
        f"target '{name}': the name must be small letters, digits and underscores, beginning with a letter"
    )


@pytest.mark.usefixtures("unchecked_types")
def test_all_mistakes_of_an_entry_are_told_at_once():
    bad = ring_entry(build=3, summary="", reference=5)
    assert [message for _, message in messages(beside_a_good_one(offering(bad)))] == [
        "target 'ring': `build` must be a function, got 3",
        "target 'ring': `summary` must be one line of text, got ''",
        "target 'ring': `reference` must be text or None, got 5",
    ]


def test_an_argument_that_is_no_parameter_is_told():
    bad = beside_a_good_one(offering(ring_entry(argument="diameter")))
    expected = "target 'ring': `argument` must be the name of a parameter of `build`, got 'diameter'"
    assert messages(bad) == [("entry", expected)]


def test_a_name_twice_in_one_plugin_is_told():
    bad = offering(ring_entry(summary="first"), ring_entry(summary="second"))
    catalogue = beside_a_good_one(bad)
    assert messages(catalogue) == [("entry", "target 'ring' is offered twice; the first one is used")]
    assert catalogue.find("target", "bad:ring").entry.summary == "first"


def test_a_bad_signature_is_a_problem_of_the_entry():
    def build_bad(radius, *rest: Annotated[int, "more"], width: int = 3):
        return Ring()

    catalogue = beside_a_good_one(offering(ring_entry(build=build_bad)))
    assert messages(catalogue) == [
        ("entry", "target 'ring': parameter 'radius' has no default"),
        ("entry", "target 'ring': parameter 'radius' has no type"),
        ("entry", "target 'ring': parameter 'radius' has no help text; write Annotated[type, \"help\"]"),
        ("entry", "target 'ring': parameter 'rest' takes any number of values; every parameter needs a name"),
        ("entry", "target 'ring': parameter 'width' has no help text; write Annotated[type, \"help\"]"),
    ]


# Import, strictness, laziness


def test_what_leaves_python_at_import_does_not_take_the_host_along(tmp_path):
    (tmp_path / "leaves.py").write_text("import sys\nsys.exit('bye')\n")
    catalogue = Catalogue(files=[tmp_path / "leaves.py"], entry_points=False)
    (problem,) = catalogue.problems
    assert (problem.stage, problem.message) == ("import", "SystemExit: bye")


def test_an_interrupt_at_import_stops_the_host(tmp_path):
    (tmp_path / "interrupted.py").write_text("raise KeyboardInterrupt\n")
    before = set(sys.modules)
    with pytest.raises(KeyboardInterrupt):
        Catalogue(files=[tmp_path / "interrupted.py"], entry_points=False)
    assert not {name for name in set(sys.modules) - before if name.startswith("biglearn_plugin_file_")}


def test_a_file_that_fails_is_told_each_time(tmp_path):
    (tmp_path / "fails.py").write_text("raise ValueError('no')\n")
    for _ in range(2):
        (problem,) = Catalogue(files=[tmp_path / "fails.py"], entry_points=False).problems
        assert problem.message == "ValueError: no"


def test_strict_raises_all_problems_in_one_group():
    bad = {
        "one": plugin(biglearn_targets=raise_value_error),
        "two": plugin(biglearn_metrics=lambda: [3], no_hook=lambda: []),
    }
    with pytest.raises(ExceptionGroup) as raised:
        Catalogue(plugins=bad, entry_points=False, strict=True)
    assert [str(error) for error in raised.value.exceptions] == [
        "plugin 'two' (in memory), registration: unknown hook 'no_hook'.",
        "plugin 'one' (in memory), hook: biglearn_targets raised ValueError: no rings today",
        "plugin 'two' (in memory), entry: biglearn_metrics gave 3, which is not an Entry",
    ]
    assert all(isinstance(error, CatalogueError) for error in raised.value.exceptions)
    assert isinstance(raised.value.exceptions[1].__cause__, ValueError)


def test_strict_is_silent_when_all_is_well():
    assert Catalogue(plugins={"a": offering(ring_entry())}, entry_points=False, strict=True).problems == ()


def test_a_hook_is_called_once_and_only_when_its_kind_is_asked_for():
    calls: list[str] = []

    def targets():
        calls.append("targets")
        return [ring_entry()]

    def metrics():
        calls.append("metrics")
        return []

    lazy = plugin(biglearn_targets=targets, biglearn_metrics=metrics)
    catalogue = Catalogue(plugins={"a": lazy}, entry_points=False)
    assert (calls, catalogue.problems_met) == ([], ())
    catalogue.find("target", "ring")
    catalogue.offers("target")
    assert calls == ["targets"]
    assert catalogue.problems == ()
    assert calls == ["targets", "metrics"]


# Observers


class Recorder:
    def __init__(self) -> None:
        self.seen: list[Any] = []

    @hookimpl
    def biglearn_run_started(self, run: Any) -> None:
        self.seen.append(run)

    @hookimpl
    def biglearn_chunk_finished(self, step: int) -> None:
        self.seen.append(step)

    @hookimpl
    def biglearn_run_finished(self) -> None:
        self.seen.append("end")


def test_observers_are_told_with_the_arguments_that_they_take():
    recorder = Recorder()
    catalogue = Catalogue(plugins={"a": recorder}, entry_points=False)
    catalogue.notify("biglearn_run_started", run="a run")
    catalogue.notify("biglearn_chunk_finished", run="a run", step=200, info={"loss": 1.0})
    catalogue.notify("biglearn_run_finished", run="a run")
    assert recorder.seen == ["a run", 200, "end"]


def test_an_observer_that_raises_is_logged_once_and_the_others_are_told(caplog):
    def fail(step):
        raise ValueError(f"at step {step}")

    recorder = Recorder()
    plugins = {"a": plugin(biglearn_chunk_finished=fail), "b": recorder}
    catalogue = Catalogue(plugins=plugins, entry_points=False)
    (first,) = catalogue.notify("biglearn_chunk_finished", run=None, step=1, info=None)
    (second,) = catalogue.notify("biglearn_chunk_finished", run=None, step=2, info=None)
    assert first.message == "biglearn_chunk_finished raised ValueError: at step 1"
    assert second.message == "biglearn_chunk_finished raised ValueError: at step 2"
    assert recorder.seen == [1, 2]
    assert [record.getMessage() for record in caplog.records] == [f"{first}; the run goes on"]
    assert catalogue.problems_met == (first,)


def test_only_observers_are_notified_and_with_all_arguments():
    catalogue = Catalogue(entry_points=False)
    with pytest.raises(ValueError, match="expected one of the hooks .*, got 'biglearn_targets'"):
        catalogue.notify("biglearn_targets")
    with pytest.raises(TypeError, match="biglearn_chunk_finished takes run, step, info, got run"):
        catalogue.notify("biglearn_chunk_finished", run=None)
