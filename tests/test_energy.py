"""Targets as users make them: functions, mixtures, whitened coordinates, and what a first look refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

import biglearn_sampler as bl
from biglearn_sampler.energy import (
    AbstractTarget,
    Evaluations,
    Facts,
    MixtureTarget,
    Whitened,
    function_target,
    look,
    probe,
)
from biglearn_sampler.energy.probe import FURTHER, PROBES
from biglearn_sampler.errors import TargetError
from biglearn_sampler.mixture import Channel, GaussianMixture

ANGLE = 0.6
ROTATION = np.array([[np.cos(ANGLE), -np.sin(ANGLE)], [np.sin(ANGLE), np.cos(ANGLE)]])
POINTS = np.random.default_rng(0).normal(size=(20, 2))


@pytest.fixture(autouse=True, scope="module")
def double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def half_square(point: jax.Array) -> jax.Array:
    return -0.5 * (point**2).sum()


def lopsided() -> MixtureTarget:
    """Two unequal Gaussians with full covariances, in a region with its own centre and scale."""
    covariances = [[[0.5, 0.2], [0.2, 0.4]], [[1.0, -0.3], [-0.3, 0.6]]]
    mixture = GaussianMixture.of([[-1.0, 0.5], [2.0, 1.0]], covariances, [0.7, 0.3])
    return MixtureTarget(mixture, jnp.array([0.5, 1.0]), jnp.array([2.0, 3.0]))


def plane(centre: jax.Array, half_width: float, nodes: int = 301) -> tuple[np.ndarray, float]:
    """Nodes of the trapezoidal rule and the area of a cell."""
    unit = np.linspace(-half_width, half_width, nodes)
    points = np.stack(np.meshgrid(unit, unit, indexing="ij"), axis=-1).reshape(-1, 2)
    return np.asarray(centre) + points, (2.0 * half_width / (nodes - 1)) ** 2


@jax.jit
def log_densities(target: AbstractTarget, points: jax.Array) -> jax.Array:
    return jax.vmap(target.log_density)(points)


@jax.jit
def channel_log_densities(target: AbstractTarget, channel: Channel, views: jax.Array) -> jax.Array:
    return jax.vmap(lambda view: target.channel_log_density(channel, view))(views)


def log_integral(target: AbstractTarget, half_width: float) -> float:
    points, area = plane(target.centre, half_width)
    return float(np.log(np.exp(log_densities(target, points)).sum() * area))


def channel_by_quadrature(target: AbstractTarget, channel: Channel, views: np.ndarray, half_width: float) -> np.ndarray:
    """`log integral q(x) N(y; W x + b, sigma^2 I) dx` at every view `y`."""
    points, area = plane(target.centre, half_width)
    density = np.exp(log_densities(target, points))
    seen = points @ np.asarray(channel.matrix).T + np.asarray(channel.offset)
    return np.log([(density * norm.pdf(view - seen, scale=channel.noise).prod(axis=-1)).sum() * area for view in views])


# ------------------------------------------------------------------------------------------------------------
# Functions
# ------------------------------------------------------------------------------------------------------------


def test_a_function_is_a_target() -> None:
    target = function_target(half_square, dim=3, scale=2.0, centre=[1.0, 2.0, 3.0])
    assert target.dim == 3 and not target.has_exact_channels
    np.testing.assert_array_equal(target.scale, [2.0, 2.0, 2.0])
    np.testing.assert_array_equal(target.centre, [1.0, 2.0, 3.0])
    assert float(target.log_density(jnp.ones(3))) == -1.5
    np.testing.assert_array_equal(target.quantities(jnp.ones(3))["x"], jnp.ones(3))
    assert target.facts.log_z is None


def test_a_function_of_many_points_becomes_a_function_of_one() -> None:
    target = function_target(lambda points: -(points**2).sum(-1), dim=2, scale=1.0, batched=True)
    assert float(target.log_density(jnp.array([1.0, 2.0]))) == -5.0
    np.testing.assert_allclose(log_densities(target, POINTS), -(POINTS**2).sum(-1))


def test_data_are_inputs_of_compiled_code() -> None:
    def log_density(point: jax.Array, observed: jax.Array) -> jax.Array:
        return -0.5 * ((observed - point) ** 2).sum()

    def evaluate(target: AbstractTarget, point: jax.Array) -> jax.Array:
        return target.log_density(point)

    first = function_target(log_density, dim=2, scale=1.0, data=(jnp.asarray(POINTS),))
    second = function_target(log_density, dim=2, scale=1.0, data=(jnp.asarray(POINTS + 1.0),))
    assert jax.make_jaxpr(evaluate)(first, jnp.zeros(2)).consts == []
    compiled = jax.jit(evaluate)
    expected = -0.5 * ((POINTS + 1.0) ** 2).sum()
    assert float(compiled(first, jnp.zeros(2))) != float(compiled(second, jnp.zeros(2))) == pytest.approx(expected)
    assert compiled._cache_size() == 1  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("function", "settings", "told"),
    [
        ("energy", {}, "a target needs a function of one point, got str"),
        (half_square, {"dim": 0}, "dim must be a whole number of at least 1, got 0"),
        (half_square, {"dim": 2.0}, "dim must be a whole number of at least 1, got 2.0"),
        (half_square, {"dim": True}, "dim must be a whole number of at least 1, got True"),
        (half_square, {"scale": 0.0}, "scale must be positive, got 0.0"),
        (half_square, {"scale": [1.0, 2.0, 3.0]}, r"scale must be one number or 2 numbers, got shape \(3,\)"),
        (half_square, {"centre": float("nan")}, "centre must be finite, got nan"),
        (
            half_square,
            {"centre": [[1.0, 2.0]]},
            r"centre must be one number or 2 numbers, got shape \(1, 2\)",
        ),
    ],
)
def test_mistakes_in_a_function_target_are_told(function: Any, settings: dict[str, Any], told: str) -> None:
    with pytest.raises(TargetError, match=told):
        function_target(function, **{"dim": 2, "scale": 1.0, **settings})


def test_a_target_describes_itself() -> None:
    target = function_target(half_square, dim=2, scale=[1.0, 2.5], facts=Facts(log_z=float(np.log(2 * np.pi))))
    assert target.describe() == {
        "dimension": "2",
        "declared centre": "0",
        "declared scale": "(1, 2.5)",
        "quantities": "x (2)",
        "log Z": "1.83788",
        "modes": "unknown",
        "mode masses": "unknown",
        "exact draws": "no",
        "exact channels": "no",
    }
    assert function_target(half_square, dim=8, scale=np.arange(1, 9)).describe()["declared scale"] == (
        "(1, 2, 3, 4, 5, 6, ...)"
    )


@pytest.mark.usefixtures("unchecked_types")
def test_modes_are_known_together_or_not_at_all() -> None:
    with pytest.raises(ValueError, match="known together or not at all"):
        Facts(modes=jnp.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"2 modes need as many mode_weights, got shape \(3,\)"):
        Facts(modes=jnp.zeros((2, 2)), mode_weights=jnp.ones(3) / 3, responsibilities=lambda point: point)


def named_bowl(parameters: Any) -> jax.Array:
    return -0.5 * (parameters["mu"] ** 2).sum() - 2.0 * parameters["tau"] ** 2


LIKE = {"tau": 0, "mu": np.zeros((2, 2)), "nothing": None}


def test_a_function_of_a_dict_is_a_target() -> None:
    target = bl.target(named_bowl, like=LIKE, scale={"mu": 2.0, "tau": 3.0, "nothing": None}, centre=1.0)
    assert target.dim == 5
    np.testing.assert_array_equal(target.scale, [2.0, 2.0, 2.0, 2.0, 3.0])
    np.testing.assert_array_equal(target.centre, np.ones(5))
    point = jnp.arange(1.0, 6.0)
    assert float(target.log_density(point)) == -15.0 - 50.0
    np.testing.assert_array_equal(jax.jit(jax.grad(target.log_density))(point), [-1.0, -2.0, -3.0, -4.0, -20.0])
    quantities = target.quantities(point)
    assert list(quantities) == ["mu", "tau"] and quantities["tau"].shape == ()
    np.testing.assert_array_equal(quantities["mu"], [[1.0, 2.0], [3.0, 4.0]])


def test_a_batched_function_of_a_pytree_is_a_target() -> None:
    def summed(parameters: Any) -> jax.Array:
        (slopes,), rest = parameters["net"], parameters["rest"]
        assert slopes.shape == (1, 3) and rest.shape == (1,)
        return -(slopes**2).sum(-1) - rest**2

    like = {"net": (jax.ShapeDtypeStruct((3,), jnp.float32),), "rest": 0.0}
    target = bl.target(summed, like=like, scale=1.0, batched=True)
    assert float(jax.vmap(target.log_density)(jnp.ones((2, 4)))[1]) == -4.0
    assert set(target.quantities(jnp.ones(4))) == {"net.0", "rest"}


def test_a_bare_array_has_the_name_of_a_point() -> None:
    target = bl.target(lambda x: -(x**2).sum(), like=np.zeros((2, 3)), scale=np.ones((2, 3)))
    assert target.quantities(jnp.ones(6))["x"].shape == (2, 3) and target.scale.shape == (6,)


@pytest.mark.parametrize(
    ("further", "text"),
    [
        ({"like": {"a": "text"}}, "like: 'a' must be a real number or an array of those, got str"),
        ({"like": {"a": 1j}}, "like: 'a' must be a real number or an array of those, got complex"),
        ({"like": {}}, "like must hold at least one number"),
        ({"like": {"a": 0.0}, "dim": 2}, "like has 1 numbers and dim is 2; leave dim out"),
        ({"like": {"a": 0.0}, "scale": {"b": 1.0}}, "scale must be one number, or name the same as like: a"),
        ({"like": {"a": np.zeros(2)}, "scale": {"a": [1.0, 2.0, 3.0]}}, r"scale must be one number, or name the same"),
        (
            {"like": {"a": np.zeros(2)}, "scale": {"a": np.ones(3)}},
            r"scale of 'a' must be one number or of shape \(2,\)",
        ),
        ({"like": {"a": np.zeros(2)}, "scale": {"a": -1.0}}, "scale must be positive"),
        ({}, "or like={'mu': 0.0} in place of dim if it takes a dict of arrays"),
    ],
)
def test_a_like_that_makes_no_sense_is_refused(further: dict[str, Any], text: str) -> None:
    with pytest.raises(TargetError, match=text):
        bl.target(named_bowl, **{"scale": 1.0, **further})


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (
            lambda x: -(x**2).sum(),
            r"must have shape \(1,\), got shape \(\); it sums over the batch, or takes one point",
        ),
        (
            lambda x: -(x**2),
            r"points of shape \(1, 2\) must have shape \(1,\), got shape \(1, 2\); sum over the last axis",
        ),
        (lambda x: -(x**2).sum(0), r"must have shape \(1,\), got shape \(2,\)"),
        (lambda x: (-(x**2).sum(-1),), r"must have shape \(1,\), got tuple"),
    ],
)
def test_a_function_that_is_not_batched_as_it_says_is_refused(function: Callable[..., Any], text: str) -> None:
    with pytest.raises(TargetError, match=text):
        probe(function_target(function, dim=2, scale=1.0, batched=True), jnp.asarray(POINTS))


# ------------------------------------------------------------------------------------------------------------
# Channels and whitened coordinates
# ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", (1, 2))
def test_an_exact_channel_is_the_integral_over_all_points(rows: int) -> None:
    target = lopsided()
    channel = Channel(jnp.asarray(ROTATION[:rows]), jnp.array([0.3, -0.1])[:rows], jnp.asarray(0.5))
    views = np.array([[0.0, 0.0], [1.5, -0.5], [-1.0, 2.0]])[:, :rows]
    expected = channel_by_quadrature(target, channel, views, half_width=9.0)
    np.testing.assert_allclose(channel_log_densities(target, channel, views), expected, atol=1e-8)


def test_a_target_without_closed_form_says_so() -> None:
    target = function_target(half_square, dim=2, scale=1.0)
    with pytest.raises(NotImplementedError, match="FunctionTarget has no closed form of its channels"):
        target.channel_log_density(Channel.of(jnp.eye(2)), jnp.zeros(2))


def test_a_mixture_knows_everything_about_itself() -> None:
    target = lopsided()
    facts = target.facts
    assert facts.sample is not None and facts.responsibilities is not None and facts.mode_weights is not None
    assert log_integral(target, half_width=9.0) == pytest.approx(0.0, abs=1e-9) and facts.log_z == 0.0
    shares = np.asarray(jax.vmap(facts.responsibilities)(facts.sample(jax.random.key(0), 20_000)))
    error = shares.std(0) / np.sqrt(len(shares))
    assert (np.abs(shares.mean(0) - np.asarray(facts.mode_weights)) < 5.0 * error).all()


def test_whitened_coordinates_keep_the_integral() -> None:
    original = function_target(half_square, dim=2, scale=[2.0, 3.0], centre=[0.5, 1.0])
    whitened = Whitened(original)
    assert log_integral(whitened, half_width=5.0) == pytest.approx(np.log(2.0 * np.pi), abs=1e-8)
    np.testing.assert_array_equal(whitened.centre, jnp.zeros(2))
    np.testing.assert_array_equal(whitened.scale, jnp.ones(2))
    expected = original.log_density(jnp.array([2.5, 4.0])) + jnp.log(6.0)
    assert float(whitened.log_density(jnp.ones(2))) == pytest.approx(float(expected))
    assert whitened.facts.log_z is None and not whitened.has_exact_channels


def test_whitened_channels_are_the_integral_over_whitened_points() -> None:
    whitened = Whitened(lopsided())
    channel = Channel(jnp.asarray(ROTATION[:1]), jnp.array([0.2]), jnp.asarray(0.3))
    views = np.array([[-1.0], [0.0], [0.8]])
    expected = channel_by_quadrature(whitened, channel, views, half_width=6.0)
    np.testing.assert_allclose(channel_log_densities(whitened, channel, views), expected, atol=1e-8)


# ------------------------------------------------------------------------------------------------------------
# The first look
# ------------------------------------------------------------------------------------------------------------


def raises(point: jax.Array) -> jax.Array:
    raise RuntimeError("no energy today")


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("function", "told"),
    [
        (lambda x: jnp.sqrt(-1.0 - x[0] ** 2), "is NaN at all 20 points of the start region"),
        (lambda x: jnp.where(x[0] < 1e9, -jnp.inf, 0.0), "is -inf at all 20 points of the start region"),
        (lambda x: jnp.where(x[0] > 0.0, jnp.inf, 0.0), r"is \+inf at \(.*\); expected a number or -inf"),
        (lambda x: -(x**2), r"of one point of shape \(2,\) must be a scalar, got shape \(2,\); sum over"),
        (lambda x: (x[0], x[1]), "must return one number, got tuple"),
        (lambda x: jnp.floor(x[0]).astype(int), "must be a real floating-point number, got dtype int64"),
        (lambda x: x[0] + 1j, "must be a real floating-point number, got dtype complex128"),
        (raises, r"raised at a point of shape \(2,\): RuntimeError: no energy today"),
        (
            lambda x: np.exp(x[0]),
            "TracerArrayConversionError: .* written with jax.numpy .* with NumPy is made a target by from_numpy",
        ),
        (lambda x: -(x[:, 0] ** 2), r"IndexError: .* a function of many points needs batched=True"),
        (
            lambda x: 0.0 * jnp.sqrt(jnp.abs(x - x)).sum(),
            "the gradient of the log density is not finite anywhere",
        ),
    ],
)
def test_what_cannot_be_trained_on_is_refused(function: Callable[..., Any], told: str) -> None:
    with pytest.raises(TargetError, match=told):
        probe(function_target(function, dim=2, scale=1.0), jnp.asarray(POINTS))


def test_where_like_says_what_a_function_takes_its_names_are_told() -> None:
    target = function_target(lambda d: -(d["mux"] ** 2), like={"mu": np.zeros(3), "tau": 0.0}, scale=3.0)
    told = r"raised at one point as in like: KeyError: 'mux'\. .* which has 'mu' of shape \(3,\), 'tau' of shape \(\);"
    with pytest.raises(TargetError, match=told):
        probe(target, jnp.zeros((2, 4)))


def test_a_log_density_without_gradient_is_refused() -> None:
    def through_numpy(point: jax.Array) -> jax.Array:
        form = jax.ShapeDtypeStruct((), point.dtype)
        return jax.pure_callback(lambda x: -np.sum(x**2), form, point, vmap_method="sequential")

    with pytest.raises(TargetError, match="the gradient of the log density cannot be had: ValueError: Pure callbacks"):
        probe(function_target(through_numpy, dim=2, scale=1.0), jnp.asarray(POINTS))


@pytest.mark.parametrize(
    "function",
    [
        half_square,
        lambda x: jnp.where(x[0] > 0.0, half_square(x), -jnp.inf),
        lambda x: jnp.where(x[0] > 0.0, half_square(x), jnp.nan),
    ],
    ids=["everywhere finite", "zero in a half-plane", "NaN in a half-plane"],
)
def test_a_density_that_is_positive_somewhere_is_accepted(function: Callable[..., Any]) -> None:
    probe(function_target(function, dim=2, scale=1.0), jnp.asarray(POINTS))


def test_hard_walls_that_shut_out_a_few_points_are_looked_behind() -> None:
    def box(point: jax.Array) -> jax.Array:
        return jnp.where(jnp.all(jnp.abs(point - 2.0) < 0.5), 0.0, -jnp.inf)

    def draw(count: int) -> jax.Array:
        return 3.0 * jax.random.normal(jax.random.key(0), (count, 4))

    target = function_target(box, dim=4, scale=3.0)
    assert not np.isfinite(jax.vmap(box)(draw(PROBES))).any()
    told = look(target, draw)
    assert 0 < len(told.log_densities) < PROBES and not told.log_densities.any()
    assert (told.evaluations, told.searched) == (PROBES + len(told.log_densities), FURTHER - PROBES)
    assert (abs(told.points - 2.0) < 0.5).all()
    half = look(function_target(lambda x: jnp.where(x[0] > 0.0, 0.0, -jnp.inf), dim=4, scale=3.0), draw)
    inside = int((half.points[:, 0] > 0.0).sum())
    assert (half.dense_first[:inside, 0] > 0.0).all() and not half.searched
    np.testing.assert_array_equal(np.sort(half.dense_first, axis=0), np.sort(np.asarray(draw(PROBES), float), axis=0))
    with pytest.raises(TargetError, match="-inf at all 16384 points"):
        look(function_target(lambda x: -jnp.inf * jnp.ones_like(x).sum(), dim=4, scale=3.0), draw)
    with pytest.raises(TargetError, match="NaN at all 64 points"):
        look(function_target(lambda x: jnp.nan * x.sum(), dim=4, scale=3.0), draw)


def test_evaluations_add_up() -> None:
    some = Evaluations(energy=1, gradient=2)
    assert some.plus(Evaluations(gradient=3, exact_channel=4)).times(2) == Evaluations(2, 10, 8)
    assert some.to_json() == {
        "energy_evaluations": 1,
        "gradient_evaluations": 2,
        "exact_channel_evaluations": 0,
    }
