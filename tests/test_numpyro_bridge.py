"""NumPyro models and distributions as targets, against NumPyro's own potential and against quadrature."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from jax.flatten_util import ravel_pytree
from numpyro.infer.util import initialize_model, potential_energy
from scipy.stats import norm

from biglearn_sampler.bridges import NumpyroTarget, from_numpyro
from biglearn_sampler.bridges.observed_data import TrustedData
from biglearn_sampler.energy import AbstractTarget, MixtureTarget
from biglearn_sampler.errors import TargetError
from biglearn_sampler.mixture import FactoredMixture, GaussianMixture

FEATURES = np.random.default_rng(0).normal(size=(40, 2))
OBSERVED = FEATURES @ np.array([1.0, -2.0]) + 0.5 * np.random.default_rng(1).normal(size=40)


@pytest.fixture(autouse=True, scope="module")
def double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def regression_target() -> NumpyroTarget:
    return from_numpyro(regression, FEATURES, observed=OBSERVED)


def regression(features: jax.Array, observed: jax.Array | None = None) -> None:
    """A scale (positive), shares (on a simplex) and slopes, in an order that is not alphabetical."""
    noise = numpyro.sample("tau", dist.HalfNormal(2.0))
    shares: Any = numpyro.sample("shares", dist.Dirichlet(jnp.ones(3)))
    slopes = numpyro.sample("b", dist.Normal(0.0, 1.0).expand([2]).to_event(1))
    mean = numpyro.deterministic("mean", features @ slopes + shares[0])
    numpyro.sample("y", dist.Normal(mean, noise), obs=observed)


@jax.jit
def log_density(target: AbstractTarget, point: jax.Array) -> jax.Array:
    return target.log_density(point)


@jax.jit
def log_densities(target: AbstractTarget, points: jax.Array) -> jax.Array:
    return jax.vmap(target.log_density)(points)


# ------------------------------------------------------------------------------------------------------------
# Models
# ------------------------------------------------------------------------------------------------------------


def test_the_energy_is_the_potential_of_numpyro(regression_target: NumpyroTarget) -> None:
    model = initialize_model(
        jax.random.key(0),
        regression,
        model_args=(FEATURES,),
        model_kwargs={"observed": OBSERVED},
        validate_grad=False,
    )
    _, unravel = ravel_pytree(model.param_info.z)
    points = np.random.default_rng(2).normal(size=(5, 5))
    potential = jax.jit(jax.vmap(jax.value_and_grad(lambda point: model.potential_fn(unravel(point)))))
    energies, gradients = potential(points)
    np.testing.assert_allclose(log_densities(regression_target, points), -energies, rtol=1e-10)
    scores = jax.jit(jax.vmap(jax.grad(regression_target.log_density)))(points)
    np.testing.assert_allclose(scores, -gradients, rtol=1e-8)


def test_coordinates_follow_the_names_in_alphabetical_order(regression_target: NumpyroTarget) -> None:
    assert regression_target.dim == 5
    point = jnp.array([0.1, 0.2, 0.3, 0.4, 0.5])
    unconstrained = regression_target.unravel(point)
    assert list(unconstrained) == ["b", "shares", "tau"]
    np.testing.assert_array_equal(unconstrained["b"], [0.1, 0.2])
    np.testing.assert_array_equal(unconstrained["shares"], [0.3, 0.4])
    np.testing.assert_array_equal(unconstrained["tau"], 0.5)


def test_quantities_have_the_names_and_units_of_the_model(regression_target: NumpyroTarget) -> None:
    points = np.random.default_rng(2).normal(size=(4, 5))
    quantities = jax.jit(jax.vmap(regression_target.quantities))(points)
    shapes = {name: values.shape for name, values in quantities.items()}
    assert shapes == {"b": (4, 2), "shares": (4, 3), "tau": (4,), "mean": (4, 40)}
    np.testing.assert_array_equal(quantities["b"], points[:, :2])
    np.testing.assert_allclose(quantities["tau"], np.exp(points[:, 4]))
    np.testing.assert_allclose(quantities["shares"].sum(-1), 1.0)
    expected = points[:, :2] @ FEATURES.T + np.asarray(quantities["shares"])[:, :1]
    np.testing.assert_allclose(quantities["mean"], expected)


def test_data_are_inputs_of_compiled_code(regression_target: NumpyroTarget) -> None:
    def evaluate(target: NumpyroTarget, point: jax.Array) -> jax.Array:
        return target.log_density(point)

    point = jnp.zeros(5)
    program = jax.make_jaxpr(evaluate)(regression_target, point)
    assert all(np.size(constant) <= 3 for constant in program.consts)
    other = from_numpyro(regression, FEATURES, observed=OBSERVED + 1.0, centre=0.0, scale=1.0)
    compiled = jax.jit(evaluate)
    assert float(compiled(regression_target, point)) != float(compiled(other, point))
    assert compiled._cache_size() == 1  # pyright: ignore[reportAttributeAccessIssue]


def test_sound_data_are_not_compared_with_the_support_again(regression_target: NumpyroTarget) -> None:
    def by_hand(observed: jax.Array, point: jax.Array) -> Any:
        sites = regression_target.unravel(point)
        return -potential_energy(regression, (jnp.asarray(FEATURES),), {"observed": observed}, sites)

    point, observed = jnp.full(5, 0.3), jnp.asarray(OBSERVED)
    # Where a value of the data is outside the support, the program selects minus infinity.
    selection = re.compile(r"f64\[40\] = select_n")
    assert selection.search(str(jax.make_jaxpr(by_hand)(observed, point)))
    ours = jax.make_jaxpr(lambda target, point: target.log_density(point))(regression_target, point)
    assert not selection.search(str(ours))
    assert float(log_density(regression_target, point)) == pytest.approx(float(by_hand(observed, point)), rel=1e-12)


@pytest.mark.parametrize(
    ("observed", "of", "expected"),
    [
        (-1.0, lambda place: dist.HalfNormal(jnp.exp(place)), -np.inf),
        (np.nan, lambda place: dist.Normal(place, 1.0), -np.inf),
        (1.5, lambda place: dist.Uniform(place, 1.0 + place), -np.inf),
        (0.5, lambda place: dist.Uniform(place, 1.0 + place), norm.logpdf(0.0)),
        (
            np.array([1.0, 2.0]),
            lambda place: dist.LogNormal(place, 1.0),
            norm.logpdf([0.0, *np.log([1, 2])]).sum() - np.log(2),
        ),
    ],
)
def test_data_outside_the_support_have_density_zero(observed: Any, of: Callable[[Any], Any], expected: float) -> None:
    def model(data: Any) -> None:
        numpyro.sample("y", of(numpyro.sample("place", dist.Normal(0.0, 1.0))), obs=data)

    target = from_numpyro(model, jnp.asarray(observed))
    assert float(log_density(target, jnp.zeros(1))) == pytest.approx(expected)


def test_log_probabilities_that_a_model_computes_itself_are_checked_as_before() -> None:
    def model(data: Any) -> None:
        place = numpyro.sample("place", dist.Normal(0.0, 1.0))
        numpyro.factor("bound", dist.Uniform(-1.0, 1.0).log_prob(place))
        numpyro.sample("y", dist.Normal(place, 1.0), obs=data)

    target = from_numpyro(model, jnp.zeros(3))
    assert isinstance(target.model, TrustedData) and "y" in target.model.sites
    assert float(log_density(target, jnp.array([2.0]))) == -np.inf
    assert np.isfinite(log_density(target, jnp.array([0.5])))


def test_sizes_and_other_plain_arguments_stay_what_they_are() -> None:
    def model(size: int, name: str, *, data: dict[str, Any], mask: Any = None) -> None:
        effects = numpyro.sample(name, dist.Normal(jnp.zeros(size), data["width"]))
        numpyro.sample("y", dist.Normal(effects, data["errors"]), obs=data["y"])

    data = {"y": np.arange(3.0), "errors": np.ones(3), "width": 2.0}
    target = from_numpyro(model, 3, "effects", data=data, centre=0.0, scale=1.0)
    expected = norm.logpdf(np.zeros(3), scale=2.0).sum() + norm.logpdf(np.arange(3.0)).sum()
    assert float(log_density(target, jnp.zeros(3))) == pytest.approx(expected)
    assert [array.shape for array in jax.tree.leaves(target.arguments)] == [(3,), (3,)]


def test_the_default_region_is_that_of_the_prior() -> None:
    def model(observed: jax.Array) -> None:
        place = numpyro.sample("a", dist.Normal(100.0, 5.0))
        spread = numpyro.sample("b", dist.LogNormal(1.0, 2.0))
        with numpyro.plate("free", 2):
            rate = numpyro.sample("c", dist.ImproperUniform(dist.constraints.positive, (), ()))
            numpyro.sample("wait", dist.Exponential(rate), obs=1.0)
        numpyro.sample("y", dist.Normal(place, spread), obs=observed)

    target = from_numpyro(model, np.full(50, 3.0))
    # The median of 2,000 normal draws has a standard error of 1.2533 sigma / sqrt(2000) = 0.028 sigma.
    np.testing.assert_allclose(target.centre, [100.0, 1.0, 0.0, 0.0], atol=5 * 0.028 * 5.0)
    np.testing.assert_allclose(target.scale, [5.0, 2.0, 1.0, 1.0], rtol=0.15)
    np.testing.assert_array_equal(target.centre[2:], 0.0)
    np.testing.assert_array_equal(target.scale[2:], 1.0)
    again = from_numpyro(model, np.full(50, -3.0))
    np.testing.assert_array_equal(target.scale, again.scale)


def test_an_improper_prior_of_several_has_all_its_coordinates() -> None:
    def model(y: Any) -> None:
        prior = dist.ImproperUniform(dist.constraints.real, (), ())
        numpyro.sample("y", dist.Normal(numpyro.sample("b", prior, sample_shape=(3,)), 1.0), obs=y)

    target = from_numpyro(model, jnp.array([1.0, 5.0, 9.0]), scale=10.0)
    assert target.dim == 3
    assert np.shape(np.asarray(target.law_of(GaussianMixture.of(np.zeros((1, 3)), 1.0)).sample(jax.random.key(0)))) == (
        3,
    )
    np.testing.assert_allclose(jax.grad(target.log_density)(jnp.array([1.0, 5.0, 9.0])), 0.0, atol=1e-6)


def test_whole_numbers_that_do_not_fit_are_told() -> None:
    def model(exposure: Any) -> None:
        numpyro.sample("x", dist.Normal(0.0, exposure))

    with (
        jax.enable_x64(False),
        pytest.raises(TargetError, match=r"whole numbers beyond int32, up to 3000000000; pass them as floats"),
    ):
        from_numpyro(model, np.array(3_000_000_000))
    assert from_numpyro(model, np.array(3_000_000)).dim == 1


@pytest.mark.parametrize(("distribution", "known"), [(dist.Gamma(0.05, 0.05), False), (dist.Gamma(2.0, 1.0), True)])
def test_draws_that_round_to_the_edge_of_the_support_are_no_exact_ones(distribution: Any, known: bool) -> None:
    with jax.enable_x64(False):
        facts = from_numpyro(distribution).facts
    assert (facts.sample is not None) is known and facts.log_z == 0.0


def test_the_region_can_be_declared() -> None:
    target = from_numpyro(regression, FEATURES, observed=OBSERVED, scale=3.0, centre=np.arange(5.0))
    np.testing.assert_array_equal(target.scale, np.full(5, 3.0))
    np.testing.assert_array_equal(target.centre, np.arange(5.0))
    with pytest.raises(TargetError, match=r"scale must be one number or 5 numbers, got shape \(2,\)"):
        from_numpyro(regression, FEATURES, observed=OBSERVED, scale=[1.0, 2.0], centre=0.0)


def test_observed_sites_may_be_discrete() -> None:
    def coin(heads: int, flips: int) -> None:
        fairness = numpyro.sample("fairness", dist.Beta(2.0, 2.0))
        numpyro.sample("heads", dist.Binomial(flips, fairness), obs=heads)

    target = from_numpyro(coin, 7, flips=10, centre=0.0, scale=1.0)
    points = np.linspace(-12.0, 12.0, 2001)[:, None]
    evidence = np.exp(log_densities(target, points)).sum() * 24.0 / 2000
    # The beta-binomial law: C(10, 7) B(9, 5) / B(2, 2) = 120 * (8! 4! / 13!) * 6.
    assert evidence == pytest.approx(120 * 6 * 40320 * 24 / 6227020800, rel=1e-9)
    assert target.dim == 1


# ------------------------------------------------------------------------------------------------------------
# Distributions
# ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "distribution",
    [
        lambda: dist.Gamma(2.0, 3.0),
        lambda: dist.Uniform(-1.0, jnp.asarray(2.0)),
        lambda: dist.Beta(2.0, 1.5),
        lambda: dist.StudentT(5.0, 1.0, 0.5),
    ],
    ids=["positive", "interval", "unit interval", "real"],
)
def test_one_constrained_coordinate_integrates_to_one(distribution: Callable[[], dist.Distribution]) -> None:
    target = from_numpyro(distribution(), centre=0.0, scale=1.0)
    assert target.dim == 1 and target.facts.log_z == 0.0
    nodes = np.linspace(-40.0, 40.0, 8001)[:, None]
    integral = np.exp(log_densities(target, nodes)).sum() * 0.01
    # The t law alone has tails: 3e-8 of it lies beyond.
    assert integral == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    "distribution",
    [lambda: dist.Dirichlet(jnp.array([2.0, 3.0, 1.5])), lambda: dist.Gamma(2.0, 1.0).expand([2])],
    ids=["simplex", "a batch of two"],
)
def test_two_constrained_coordinates_integrate_to_one(distribution: Callable[[], dist.Distribution]) -> None:
    target = from_numpyro(distribution(), centre=0.0, scale=1.0)
    assert target.dim == 2
    nodes = np.linspace(-18.0, 18.0, 361)
    points = np.stack(np.meshgrid(nodes, nodes, indexing="ij"), axis=-1).reshape(-1, 2)
    assert np.exp(log_densities(target, points)).sum() * 0.01 == pytest.approx(1.0, abs=1e-6)


def test_draws_of_a_distribution_have_its_constrained_moments() -> None:
    target = from_numpyro(dist.Dirichlet(jnp.array([2.0, 3.0, 1.5])), centre=0.0, scale=1.0)
    assert target.facts.sample is not None
    draws = jax.jit(target.facts.sample, static_argnums=1)(jax.random.key(0), 20_000)
    assert draws.shape == (20_000, 2)
    shares = np.asarray(jax.jit(jax.vmap(target.quantities))(draws)["x"])
    errors = shares.std(0) / np.sqrt(len(shares))
    assert (np.abs(shares.mean(0) - np.array([2.0, 3.0, 1.5]) / 6.5) < 5.0 * errors).all()


@pytest.mark.parametrize(
    ("support", "shape"),
    [
        (dist.constraints.real, ()),
        (dist.constraints.real_vector, (2,)),
        (dist.constraints.positive, ()),
        (dist.constraints.ordered_vector, (2,)),
    ],
    ids=["real", "vector", "positive", "ordered"],
)
def test_improper_priors_are_fine_where_the_data_make_up_for_them(support: Any, shape: tuple[int, ...]) -> None:
    def model(places_of_data: jax.Array) -> None:
        places = numpyro.sample("places", dist.ImproperUniform(support, (), shape))
        numpyro.sample("y", dist.Normal(places, 1.0), obs=places_of_data)

    # Far from the centre, so that the density rises for a long while first.
    target = from_numpyro(model, jnp.array([3000.0, 9000.0]) if shape else jnp.array(3000.0))
    assert float(target.centre[0]) == 0.0 and float(target.scale[0]) == 1.0
    assert target.facts.log_z is None and target.facts.sample is None


def test_where_one_place_switches_the_data_off_others_are_looked_at() -> None:
    """At `z = 0` the likelihood of the non-centred form does not contain `tau`, and is flat along it."""

    def schools(effects: jax.Array, errors: jax.Array) -> None:
        mean = numpyro.sample("mu", dist.Normal(0.0, 5.0))
        tau = numpyro.sample("tau", dist.ImproperUniform(dist.constraints.positive, (), ()))
        standard = numpyro.sample("z", dist.Normal(0.0, 1.0).expand([8]))
        numpyro.sample("y", dist.Normal(mean + tau * standard, errors), obs=effects)

    effects = jnp.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
    errors = jnp.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])
    assert from_numpyro(schools, effects, errors, centre=0.0).dim == 10


def test_a_masked_prior_is_fine_where_the_data_make_up_for_it() -> None:
    def model(y: jax.Array) -> None:
        numpyro.sample("y", dist.Normal(numpyro.sample("x", dist.Normal(0.0, 1.0).mask(False)), 1.0), obs=y)

    target = from_numpyro(model, jnp.array([3.0, 5.0]))
    values = [float(log_density(target, jnp.array([x]))) for x in (4.0, 5.0)]
    assert values[1] - values[0] == pytest.approx(-1.0, abs=1e-5)


def test_a_mask_that_hides_nothing_is_none() -> None:
    target = from_numpyro(dist.Normal(0.0, 1.0).expand([2]).mask(True))
    assert target.facts.log_z == 0.0 and target.dim == 2


def test_scale_and_centre_of_a_model_are_not_those_of_the_region() -> None:
    def model(y: jax.Array, scale: float = 1.0) -> None:
        numpyro.sample("y", dist.Normal(numpyro.sample("x", dist.Normal(0.0, 10.0)), scale), obs=y)

    data = jnp.array([1.0, 2.0, 3.0])
    for wrong in ({"scale": 10.0}, {"y": data, "scale": 10.0}):
        with pytest.raises(TargetError, match="the model has an argument 'scale' of its own; give it by position"):
            from_numpyro(model, **wrong)
    wide = from_numpyro(model, data, 10.0, scale=3.0)
    assert wide.scale.tolist() == [3.0]
    expected = dist.Normal(0.0, 10.0).log_prob(2.0) + dist.Normal(2.0, 10.0).log_prob(data).sum()
    assert float(log_density(wide, jnp.array([2.0]))) == pytest.approx(float(expected), rel=1e-5)
    assert from_numpyro(model, data, centre=1.0).centre.tolist() == [1.0]


def test_a_gaussian_mixture_knows_its_channels() -> None:
    components = dist.MultivariateNormal(jnp.array([[-1.0, 0.0], [1.0, 2.0]]), 0.1 * jnp.eye(2))
    distribution = dist.MixtureSameFamily(dist.Categorical(jnp.array([0.3, 0.7])), components)
    target = from_numpyro(distribution, centre=0.0, scale=3.0)
    assert isinstance(target, MixtureTarget) and target.has_exact_channels
    np.testing.assert_array_equal(target.scale, [3.0, 3.0])
    point = jnp.array([0.2, 0.1])
    assert float(log_density(target, point)) == pytest.approx(float(distribution.log_prob(point)))


# ------------------------------------------------------------------------------------------------------------
# And back: a sampler as a distribution
# ------------------------------------------------------------------------------------------------------------


SUPPORTS = {
    "real": lambda: dist.Normal(1.0, 2.0),
    "simplex": lambda: dist.Dirichlet(jnp.array([2.0, 3.0, 1.5])),
    "positive": lambda: dist.Gamma(2.0, 3.0),
    "interval": lambda: dist.Uniform(-1.0, jnp.asarray(2.0)),
    "a batch": lambda: dist.Gamma(2.0, 1.0).expand([2, 2]),
    "correlations": lambda: dist.LKJCholesky(3, 2.0),
}


@pytest.mark.parametrize(
    "distribution",
    [pytest.param(law, id=name, marks=[pytest.mark.slow] * (name == "correlations")) for name, law in SUPPORTS.items()],
)
def test_a_sampler_is_a_distribution_on_the_support(distribution: Callable[[], dist.Distribution]) -> None:
    prior: Any = distribution()
    target = from_numpyro(prior, centre=0.0, scale=1.0)
    sampler = GaussianMixture.of(np.stack([np.full(target.dim, -0.5), np.full(target.dim, 0.4)]), 0.3, [0.4, 0.6])
    law = target.law_of(sampler)
    shape = prior.batch_shape + prior.event_shape
    assert law.event_shape == shape and law.batch_shape == ()
    transform = dist.biject_to(prior.support)

    # The change of variables, with NumPyro's determinant of the map from points to values.
    @jax.jit
    def both(point: jax.Array) -> tuple[Any, ...]:
        unconstrained = point.reshape(transform.inverse_shape(shape))
        value = transform(unconstrained)
        volume = jnp.sum(transform.log_abs_det_jacobian(unconstrained, value))
        return law.log_prob(value), sampler.log_density(point) - volume, value, target.quantities(point)["x"]

    found, expected, value, quantity = both(jnp.linspace(-0.7, 0.6, target.dim))
    assert float(found) == pytest.approx(float(expected), rel=1e-6, abs=1e-6)
    np.testing.assert_allclose(quantity, value)
    values = jax.jit(lambda key: law.sample(key, (5,)))(jax.random.key(0))
    assert np.asarray(prior.support(values)).all()


def test_a_sampler_is_the_prior_of_another_model() -> None:
    first = from_numpyro(SUPPORTS["simplex"](), centre=0.0, scale=1.0)
    sampler = GaussianMixture.of(np.zeros((1, first.dim)), 0.5)
    law = first.law_of(sampler)

    def model(observed: float) -> None:
        value = numpyro.sample("again", law)
        numpyro.sample("y", dist.Normal(jnp.sum(value**2 * value), 1.0), obs=observed)

    second = from_numpyro(model, 0.7, centre=0.0, scale=1.0)
    assert second.dim == first.dim

    @jax.jit
    def both(point: jax.Array) -> tuple[Any, ...]:
        return second.log_density(point), sampler.log_density(point), second.quantities(point)["again"]

    found, prior, value = both(jnp.linspace(-0.7, 0.6, first.dim))
    assert float(found) == pytest.approx(float(prior) + norm.logpdf(0.7, float((value**3).sum())), abs=1e-5)


def test_a_product_of_mixtures_is_a_distribution_too() -> None:
    factors = tuple(GaussianMixture.of([[place], [-place]], 0.2, [0.3, 0.7]) for place in (1.0, 2.0))
    sampler = FactoredMixture(((1,), (0,)), factors)
    target = from_numpyro(dist.Gamma(2.0, 1.0).expand([2]), centre=0.0, scale=1.0)
    law = target.law_of(sampler)

    @jax.jit
    def both(key: jax.Array) -> tuple[Any, ...]:
        values = law.sample(key, (4,))
        return values, law.log_prob(values), sampler.log_density(jnp.log(values)) - jnp.log(values).sum(-1)

    values, found, expected = both(jax.random.key(0))
    assert values.shape == (4, 2) and bool((values > 0).all())
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_with_several_sites_the_law_is_that_of_points(regression_target: NumpyroTarget) -> None:
    sampler = GaussianMixture.of(np.zeros((1, 5)), 1.0)
    assert regression_target.law_of(sampler).event_shape == (5,)


def test_observed_values_have_the_names_of_the_model(regression_target: NumpyroTarget) -> None:
    observed = regression_target.observed()
    assert list(observed) == ["y"]
    np.testing.assert_array_equal(observed["y"], OBSERVED)


# ------------------------------------------------------------------------------------------------------------
# Mistakes
# ------------------------------------------------------------------------------------------------------------


def with_discrete_latent() -> None:
    group = numpyro.sample("group", dist.Bernoulli(0.3))
    numpyro.sample("y", dist.Normal(group, 1.0), obs=0.5)


def with_everything_observed() -> None:
    numpyro.sample("y", dist.Normal(0.0, 1.0), obs=0.5)


def with_parameter() -> None:
    width = numpyro.param("width", 1.0, constraint=dist.constraints.positive)
    numpyro.sample("x", dist.Normal(0.0, width))


def with_subsampling() -> None:
    place = numpyro.sample("x", dist.Normal(0.0, 1.0))
    with numpyro.plate("rows", 10, subsample_size=4):
        numpyro.sample("y", dist.Normal(place, 1.0), obs=0.5)


def with_flat_slope() -> None:
    slope = numpyro.sample("slope", dist.ImproperUniform(dist.constraints.real, (), ()))
    # Data that a line separates: the likelihood rises for ever, to one.
    numpyro.sample("y", dist.Bernoulli(logits=slope * jnp.array([-1.0, 1.0])), obs=jnp.array([0, 1]))


def with_missing_values() -> None:
    observed, seen = jnp.array([1.0, 2.0, 0.0]), jnp.array([True, True, False])
    place = numpyro.sample("x", dist.Normal(0.0, 1.0))
    numpyro.sample("y", dist.Normal(place, 1.0).expand([3]), obs=observed, obs_mask=seen)


def with_column() -> None:
    place = numpyro.sample("x", dist.Normal(0.0, 1.0))
    numpyro.sample("y", dist.Normal(place * jnp.ones(4), 1.0), obs=jnp.ones((4, 1)))


def with_wrong_event() -> None:
    place = numpyro.sample("x", dist.Normal(0.0, 1.0))
    numpyro.sample("y", dist.MultivariateNormal(place * jnp.ones(3), jnp.eye(3)), obs=jnp.ones((5, 2)))


def with_wrong_sum() -> None:
    place = numpyro.sample("x", dist.Normal(jnp.zeros(3), 1.0))
    numpyro.sample("y", dist.Normal(place + jnp.ones(4), 1.0), obs=jnp.ones(4))


def with_argument(features: jax.Array) -> None:
    numpyro.sample("x", dist.Normal(features, 1.0))


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("model", "told"),
    [
        (
            with_discrete_latent,
            "latent site 'group' is discrete; a target needs continuous coordinates, and here are none",
        ),
        (dist.Poisson(3.0), "latent site 'x' is discrete"),
        (
            dist.ProjectedNormal(jnp.ones(3)),
            "latent site 'x' lives on Sphere.*cannot map to unconstrained coordinates",
        ),
        (with_everything_observed, "the model has no latent site: every sample statement is observed"),
        (with_parameter, "site 'width' is a numpyro.param, which has no prior"),
        (with_subsampling, "plate 'rows' sees 4 of 10 elements at a time, so the energy would be random"),
        (
            dist.ImproperUniform(dist.constraints.positive, (), (2,)),
            "latent site 'x' has an improper prior, and the data do not make up for it: .*no finite integral",
        ),
        (with_flat_slope, "latent site 'slope' has an improper prior, and the data do not make up for it"),
        (with_missing_values, "latent site 'y_unobserved' is masked, .*Make a site of what is not masked alone"),
        (
            dist.Normal(0.0, 1.0).expand([2]).mask(False),
            "latent site 'x' is masked, and the data do not make up for it",
        ),
        (with_column, r"observed site 'y' has values of shape \(4, 1\) and a distribution of batch shape \(4,\)"),
        (
            with_wrong_event,
            r"observed site 'y' has values of shape \(5, 2\) .* batch shape \(\) and event shape \(3,\)",
        ),
        (with_wrong_sum, "the model cannot be called with its data: .*shapes of data and of distributions must fit"),
        (with_argument, "the model cannot be called with its data: TypeError: .*missing 1 required positional"),
        (3.0, r"needs a NumPyro model \(a function\) or a distribution, got float"),
    ],
)
def test_what_is_no_target_is_refused(model: Any, told: str) -> None:
    with pytest.raises(TargetError, match=told):
        from_numpyro(model)


def test_arguments_that_do_not_fit_are_refused() -> None:
    class Frame:
        __hash__ = None  # pyright: ignore[reportAssignmentType]

    with pytest.raises(TargetError, match="takes arrays, numbers, texts and containers of those, got Frame; pass its"):
        from_numpyro(regression, Frame())
    with pytest.raises(TargetError, match="a distribution takes no further arguments; only a model does"):
        from_numpyro(dist.Normal(0.0, 1.0), 3.0)  # pyright: ignore[reportArgumentType, reportCallIssue]
