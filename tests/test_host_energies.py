"""Energies on the host: NumPy functions, with or without a gradient, and what is said of bad ones."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import biglearn_sampler as bl
from biglearn_sampler.energy import Evaluations, HostTarget, Whitened, from_numpy, probe, probe_evaluations
from biglearn_sampler.errors import RunFailed, SettingsError, TargetError
from biglearn_sampler.estimators.guard import ZERO_DENSITY, guarded
from biglearn_sampler.testing import conformance
from biglearn_sampler.verdict import COVERED, Verdict

CENTRES = np.array([[-2.0, 0.0, 1.0], [2.0, 1.0, 0.0]])
WEIGHTS = np.array([0.3, 0.7])
POINTS = np.random.default_rng(0).normal(size=(40, 3))


def parts(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two Gaussians of deviation 0.7 in three dimensions: log density and its gradient."""
    difference = (x[:, None] - CENTRES) / 0.7
    logs = np.log(WEIGHTS) - 0.5 * (difference**2).sum(-1)
    value = np.logaddexp.reduce(logs, axis=1)
    return value, -(np.exp(logs - value[:, None])[..., None] * difference).sum(1) / 0.7


def twin(x: jax.Array) -> jax.Array:
    """The same in jax."""
    return jax.nn.logsumexp(jnp.log(WEIGHTS) - 0.5 * (((x - CENTRES) / 0.7) ** 2).sum(-1))


class Counted:
    """A NumPy function that remembers the shapes that it was asked for."""

    def __init__(self, function: Callable[[np.ndarray], Any]) -> None:
        self.function, self.shapes = function, []

    def __call__(self, x: np.ndarray) -> Any:
        self.shapes.append(x.shape)
        return self.function(x)

    @property
    def points(self) -> int:
        return sum(shape[0] for shape in self.shapes)


def value(x: np.ndarray) -> np.ndarray:
    return parts(x)[0]


KINDS = {
    "both": partial(from_numpy, value, value_and_gradient=parts),
    "gradient": partial(from_numpy, value, gradient=lambda x: parts(x)[1]),
    "differences": partial(from_numpy, value),
}


@pytest.fixture
def in_double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


# ------------------------------------------------------------------------------------------------------------
# Inside compiled code
# ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_value_and_gradient_are_those_of_the_same_function_in_jax(kind: str, in_double: None) -> None:
    target = KINDS[kind](dim=3, scale=2.0, centre=0.5)
    values, gradients = jax.jit(jax.vmap(jax.value_and_grad(Whitened(target).log_density)))(jnp.asarray(POINTS))
    other = Whitened(bl.target(twin, dim=3, scale=2.0, centre=0.5))
    expected = jax.vmap(jax.value_and_grad(other.log_density))(jnp.asarray(POINTS))
    np.testing.assert_allclose(values, expected[0], rtol=1e-12)
    # Of central differences over h = 5e-7 scales the rounding is eps / h.
    np.testing.assert_allclose(gradients, expected[1], atol=1e-7 if kind == "differences" else 1e-12)


def test_single_precision_is_kept_and_the_host_computes_in_double() -> None:
    asked = Counted(value)
    target = from_numpy(asked, dim=3, scale=2.0)
    seen = []
    target_of_seen = from_numpy(lambda x: seen.append(x.dtype) or value(x), dim=3, scale=2.0)
    assert target.log_density(jnp.ones(3)).dtype == jnp.float32
    target_of_seen.log_density(jnp.ones(3)).block_until_ready()
    assert seen == [np.float64]


def test_a_batch_is_one_call_however_deep_the_maps() -> None:
    both = Counted(parts)
    target = from_numpy(Counted(value), value_and_gradient=both, dim=3, scale=2.0)
    deep = jax.jit(jax.vmap(jax.vmap(jax.value_and_grad(guarded(target.log_density)))))
    values, gradients = deep(jnp.asarray(POINTS.reshape(5, 8, 3), jnp.float32))
    assert both.shapes == [(40, 3)] and target.function.shapes == []  # pyright: ignore[reportFunctionMemberAccess]
    np.testing.assert_allclose(np.reshape(values, -1), parts(POINTS)[0], rtol=1e-5)
    np.testing.assert_allclose(np.reshape(gradients, (-1, 3)), parts(POINTS)[1], atol=1e-4)


def test_inside_scan_and_forward_mode() -> None:
    target = KINDS["both"](dim=3, scale=2.0)

    @jax.jit
    def climbed(x: jax.Array) -> jax.Array:
        return jax.lax.scan(lambda x, _: (x + 0.1 * jax.grad(target.log_density)(x), None), x, length=5)[0]

    x = POINTS[0]
    for _ in range(5):
        x = x + 0.1 * parts(x[None])[1][0]
    np.testing.assert_allclose(climbed(jnp.asarray(POINTS[0], jnp.float32)), x, rtol=1e-4)
    slope = jax.jvp(target.log_density, (jnp.ones(3),), (jnp.array([1.0, 0.0, 0.0]),))[1]
    np.testing.assert_allclose(slope, parts(np.ones((1, 3)))[1][0, 0], rtol=1e-5)


@pytest.mark.parametrize("kind", ["both", "differences"])
def test_the_conformance_suite_takes_host_energies(kind: str) -> None:
    checked = []
    plugin = SimpleNamespace(__name__="author")
    build = partial(KINDS[kind], dim=3, scale=2.0, quantities=lambda x: {"first": x[:, 0], "rest": np.exp(x[:, 1:])})
    plugin.biglearn_targets = bl.hookimpl(lambda: [bl.Entry(name="mine", build=lambda: build(), summary="by NumPy")])
    _, test_entries = conformance(plugin)
    (mark,) = test_entries.pytestmark  # pyright: ignore[reportFunctionMemberAccess]
    for case in mark.args[1]:
        try:
            test_entries(*case.values)
            checked.append(case.id.split("/")[-1])
        except pytest.skip.Exception:
            continue
    assert {"precision", "differentiable", "vectorised", "compiled", "pure", "quantities"} <= set(checked)


# ------------------------------------------------------------------------------------------------------------
# Without a gradient
# ------------------------------------------------------------------------------------------------------------


def test_a_gradient_by_differences_costs_so_many_evaluations() -> None:
    asked = Counted(value)
    target = from_numpy(asked, dim=3, scale=2.0)
    jax.jit(jax.vmap(jax.value_and_grad(target.log_density)))(jnp.asarray(POINTS))[0].block_until_ready()
    assert target.price_of_gradient == Evaluations(energy=7) == Whitened(target).price_of_gradient
    assert asked.points == 40 * 7 and KINDS["both"](dim=3, scale=1.0).price_of_gradient == Evaluations(gradient=1)


def test_differences_do_not_depend_on_the_size_of_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    host = from_numpy(value, dim=3, scale=2.0).host
    _, whole = host.both(POINTS)
    monkeypatch.setattr("biglearn_sampler.energy.host_function.MOST_AT_ONCE", 64)
    np.testing.assert_array_equal(host.both(POINTS)[1], whole)


def test_differences_at_the_edge_of_the_density_take_the_side_that_has_some() -> None:
    def half(x: np.ndarray) -> np.ndarray:
        return np.where(x[:, 0] < 0, -np.inf, -3.0 * x[:, 0] - x[:, 1] ** 2)

    found = from_numpy(half, dim=2, scale=1.0).host.both(np.array([[0.0, 1.0], [1e-8, 0.5], [2.0, -1.0]]))[1]
    np.testing.assert_allclose(found, [[-3.0, -2.0], [-3.0, -1.0], [-3.0, 2.0]], rtol=1e-5)
    alone = from_numpy(lambda x: np.where(np.abs(x[:, 0]) > 0, -np.inf, 1.0), dim=1, scale=1.0)
    guarded_value, gradient = jax.value_and_grad(guarded(alone.log_density))(jnp.zeros(1))
    assert float(guarded_value) == 1.0 and float(gradient[0]) == 0.0


def test_an_energy_in_single_precision_gets_longer_differences() -> None:
    single = from_numpy(lambda x: value(x).astype(np.float32) - np.float32(100.0), dim=3, scale=2.0)
    found = single.host.both(POINTS)[1]
    # Half of the short steps would be lost in the rounding of a hundred, 8e-6; now it is divided by 3.4e-3.
    np.testing.assert_allclose(found, parts(POINTS)[1], atol=0.01)


# ------------------------------------------------------------------------------------------------------------
# At the door
# ------------------------------------------------------------------------------------------------------------


def refused(target: HostTarget) -> str:
    with pytest.raises(TargetError) as caught:
        probe(target, jnp.asarray(POINTS, jnp.float32))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def raising(x: np.ndarray) -> np.ndarray:
    raise ValueError("no such\npotential")


def drifting() -> Callable[[np.ndarray], np.ndarray]:
    generator = np.random.default_rng(3)
    return lambda x: value(x) + generator.normal(size=len(x))


BAD = {
    "raises": (
        raising,
        {},
        "the log density raised at points of shape (40, 3): ValueError: no such potential (line",
    ),
    "scalar": (
        lambda x: -(x**2).sum(),
        {},
        "must have shape (40,), got (); it sums over the batch, or takes one point",
    ),
    "column": (lambda x: -(x**2).sum(-1, keepdims=True), {}, "must have shape (40,), got (40, 1); reshape it"),
    "over_points": (lambda x: -(x**2).sum(0), {}, "must have shape (40,), got (3,); one point stands in each row"),
    "complex": (lambda x: value(x) + 0j, {}, "must be real numbers, got ndarray of dtype complex128"),
    "text": (lambda x: "high", {}, "must be real numbers, got str of dtype <U4"),
    "ragged": (lambda x: [[1.0], [1.0, 2.0]], {}, "the log density must be a NumPy array, got list"),
    "nan": (lambda x: np.full(len(x), np.nan), {}, "the log density is NaN at all 40 points of the start region"),
    "infinite": (lambda x: np.full(len(x), np.inf), {}, "the log density is +inf at ("),
    "mixed": (lambda x: value(x - x.mean(0)), {}, "among 5; expected one number for a point, whenever it is asked"),
    "random": (drifting(), {"gradient": lambda x: parts(x)[1]}, "and for random numbers"),
    "sign": (value, {"gradient": lambda x: -parts(x)[1]}, "check its sign and the order of its columns, or leave it"),
    "columns": (value, {"gradient": lambda x: parts(x)[1][:, ::-1]}, "and differences of the log density give"),
    "flat_gradient": (value, {"gradient": lambda x: parts(x)[1][0]}, "the gradient of points of shape (40, 3) must"),
    "one_array": (value, {"value_and_gradient": value}, "value_and_gradient must return two arrays, got ndarray"),
    "steps": (lambda x: np.round(value(x)), {}, "of 40 points, while its values differ; expected a smooth"),
    "rough": (
        lambda x: value(x) + 1e-5 * np.sin(1e7 * x.sum(-1)),
        {},
        "too rough to be differentiated by differences: along coordinate",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_function_is_refused_with_what_to_do(name: str) -> None:
    function, further, expected = BAD[name]
    assert expected in refused(from_numpy(function, dim=3, scale=2.0, **further))


def test_what_a_look_costs() -> None:
    for kind, each in (("both", 1), ("differences", 7)):
        asked = Counted(value)
        further: dict[str, Any] = {} if kind == "differences" else {"value_and_gradient": Counted(parts)}
        target = from_numpy(asked, dim=3, scale=2.0, **further)
        probe(target, jnp.asarray(POINTS, jnp.float32))
        spent = asked.points + sum(function.points for function in further.values())
        assert spent == probe_evaluations(target, 40) == 40 * each + 5 * 7


def test_arguments_that_make_no_sense(unchecked_types: None) -> None:
    for further, expected in (
        ({"gradient": 3}, "gradient must be a function of points of shape (count, dim), got 3"),
        ({"gradient": parts, "value_and_gradient": parts}, "give gradient or value_and_gradient, not both"),
        ({"dim": 0}, "dim must be a whole number of at least 1, got 0"),
        ({"scale": -1.0}, "scale must be positive"),
        ({"quantities": lambda x: x}, "quantities must return a dict from names to arrays"),
        ({"quantities": lambda x: {"mean": x.mean()}}, "the quantity 'mean' of points of shape (1, 3) must have shape"),
    ):
        with pytest.raises(TargetError) as caught:
            from_numpy(value, **{"dim": 3, "scale": 1.0, **further})
        assert expected in str(caught.value)


# ------------------------------------------------------------------------------------------------------------
# Trained on
# ------------------------------------------------------------------------------------------------------------

TRAIN = import_module("biglearn_sampler.runs.train")
QUICK: dict[str, Any] = {"metrics": ("elbo", "ess"), "evaluation.draws": 500}
STEPS = {"training.steps": 30, "components": 4, "scheduler": "joint"}


@pytest.fixture
def no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes most of the time of a short run."""
    monkeypatch.setattr(TRAIN, "verdict_of", lambda *_: Verdict.bare(COVERED, "By hand."))


def told_and_asked(kind: str, settings: dict[str, Any]) -> tuple[bl.Run, int, int]:
    """A run, the evaluations that it tells of, and those that were made."""
    asked, both = Counted(value), Counted(parts)
    further: dict[str, Any] = {"value_and_gradient": both} if kind == "both" else {}
    run = bl.train(from_numpy(asked, dim=3, scale=3.0, **further), settings=QUICK | settings)
    metrics = run.metrics
    told = metrics["energy_evaluations"] + metrics["gradient_evaluations"] + metrics["probe_evaluations"]
    told += metrics["evaluation_draws"] + metrics["verdict"].get("evaluations", 0)
    return run, told, asked.points + both.points


def test_every_evaluation_of_a_scheduled_training_is_counted(no_verdict: None) -> None:
    run, told, asked = told_and_asked("both", STEPS)
    assert told == asked and run.metrics["gradient_evaluations"] > 0


def test_a_budget_holds_what_differences_cost() -> None:
    with pytest.raises(SettingsError, match="18,000 is too small; expected at least 18,704"):
        told_and_asked("differences", {"budget.evaluations": 18_000})


@pytest.mark.slow
def test_every_evaluation_of_an_adaptive_training_is_counted_and_held_against_the_budget(no_verdict: None) -> None:
    run, told, asked = told_and_asked("differences", {"budget.evaluations": 40_000})
    assert told == asked and 18_048 < run.metrics["energy_evaluations"] <= 40_000


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["both", "differences"])
def test_a_mixture_is_found_with_and_without_gradients_and_all_is_counted(kind: str) -> None:
    run, told, asked = told_and_asked(kind, {"evaluation.draws": 4000})
    log_z = 1.5 * np.log(2 * np.pi * 0.49)
    assert told == asked and abs(run.metrics["elbo"] - log_z) < 1e-3
    assert run.metrics["verdict"]["verdict"] == "covered"
    draws = np.asarray(run.sampler.sample(jax.random.key(0), 4000))
    assert abs((draws[:, 0] < 0).mean() - 0.3) < 4 * np.sqrt(0.21 / 4000)


@pytest.mark.slow
def test_points_without_density_are_counted_and_do_no_harm(no_verdict: None) -> None:
    def holed(x: np.ndarray) -> np.ndarray:
        return np.where(np.abs(x).sum(-1) % 1.0 < 0.02, np.nan, np.log(-np.minimum(x[:, 0], 0.0)) - (x**2).sum(-1))

    run = bl.train(from_numpy(holed, dim=2, scale=1.0), settings=QUICK | STEPS | {"training.steps": 100})
    assert run.metrics["zero_density_points"] > 3
    assert (np.asarray(run.sampler.sample(jax.random.key(0), 500))[:, 0] < 0.0).mean() > 0.8


def test_an_energy_that_fails_on_the_way_ends_the_run_with_one_sentence(
    caplog: pytest.LogCaptureFixture, tmp_path: Any
) -> None:
    def fails_later(x: np.ndarray) -> np.ndarray:
        if len(asked.shapes) > 20:
            raise OSError("the simulator is gone")
        return value(x)

    asked = Counted(fails_later)
    with caplog.at_level(logging.ERROR), pytest.raises(RunFailed) as caught:
        bl.train(from_numpy(asked, dim=3, scale=2.0), settings=QUICK | STEPS, out=tmp_path / "run")
    expected = "the log density raised at points of shape ("
    assert str(caught.value).startswith(f"the run failed: {expected}") and "\n" not in str(caught.value)
    assert "OSError: the simulator is gone (line " in str(caught.value)
    assert caught.value.__cause__ is None and not [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert expected in (tmp_path / "run" / "run.json").read_text()


def test_quantities_come_under_their_names_and_in_their_units(no_verdict: None) -> None:
    def named(x: np.ndarray) -> dict[str, np.ndarray]:
        return {"deviation": np.exp(x[:, 0]), "effect": x[:, 1:]}

    def bowl(x: np.ndarray) -> np.ndarray:
        return -0.5 * (x**2).sum(-1)

    target = from_numpy(bowl, gradient=lambda x: -x, dim=3, scale=1.0, quantities=named)
    run = bl.train(target, settings=QUICK | STEPS | {"training.steps": 100, "evaluation.draws": 4000})
    moments = run.metrics["moments"]
    assert list(moments) == ["deviation", "effect[0]", "effect[1]"]
    assert abs(moments["deviation"]["mean"] - np.exp(0.5)) < 4 * moments["deviation"]["mcse"]
    assert run.name.endswith("<locals>.bowl")


def test_zero_density_stands_for_nan() -> None:
    target = from_numpy(
        lambda x: np.where(x[:, 0] > 0, np.nan, value(x)), gradient=lambda x: parts(x)[1], dim=3, scale=1.0
    )
    found, gradient = jax.value_and_grad(guarded(target.log_density))(jnp.ones(3))
    assert float(found) == np.float32(ZERO_DENSITY) and not np.asarray(gradient).any()
