"""Gradients from shared points against autodiff on many fresh points, and matrix products against direct formulas."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Bool, Float

from biglearn_sampler.estimators.guard import ZERO_DENSITY
from biglearn_sampler.learning import component_sums, shared_points
from biglearn_sampler.learning.cliffs import ZERO_DENSITY_NATS
from biglearn_sampler.learning.component_sums import curvature_at_rest, log_densities
from biglearn_sampler.learning.points_apart import estimate_apart
from biglearn_sampler.learning.shared_points import estimate, estimate_alone
from biglearn_sampler.learning.window import SharedEstimate, Window
from biglearn_sampler.mixture import GaussianMixture, UnconstrainedMixture, constrain, inverse_factors, unconstrain

TARGET = GaussianMixture.of(
    [[-1.2, 0.3], [1.0, -0.8], [0.4, 1.5]],
    np.array([[[0.8, 0.2], [0.2, 0.5]], [[0.4, -0.1], [-0.1, 0.9]], [[0.6, 0.0], [0.0, 0.6]]]),
    [0.5, 0.3, 0.2],
)
SAMPLER = GaussianMixture.of(
    [[-0.8, 0.0], [1.3, 0.4]], np.array([[[0.7, 0.1], [0.1, 0.9]], [[1.1, -0.3], [-0.3, 0.6]]]), [0.65, 0.35]
)
PARAMETERS = unconstrain(SAMPLER)

STEPS, FRESH, REPEATS = 4, 64, 400
"""A window of four steps with 64 points of every component each; so many windows tell the error of one."""

ERRORS = 4.5
"""Standard errors that the mean over all windows may be off, for each of two dozen numbers."""


def full_window(mixture: GaussianMixture, key: Array, force: float = 1.0) -> Window:
    """A window whose steps were all drawn from one mixture, with every place filled in."""
    window = Window.empty(STEPS, 2 * FRESH, 2)
    for place, key_step in enumerate(jax.random.split(key, STEPS)):
        points = mixture.stratified(key_step, FRESH).reshape(-1, 2)
        values, scores = jax.vmap(jax.value_and_grad(TARGET.log_density))(points)
        window = window.put(jnp.asarray(place), points, values, scores, jnp.full(2 * FRESH, force))
        _, window = estimate(mixture, window, jnp.asarray(place))
    return window


def repeated(one: Callable[[Array], SharedEstimate]) -> SharedEstimate:
    """What many independent windows say, each leaf with a leading axis."""
    return jax.jit(partial(jax.lax.map, one))(jax.random.split(jax.random.key(3), REPEATS))


def exact_joint(parameters: UnconstrainedMixture) -> Float[Array, ""]:
    """`KL[p || q]` by the trapezoidal rule on a fine grid: differentiable, and without noise."""
    side = jnp.linspace(-7.0, 7.0, 281)
    grid = jnp.stack(jnp.meshgrid(side, side, indexing="ij"), -1).reshape(-1, 2)
    mine = constrain(parameters).log_density(grid)
    return (jnp.exp(mine) * (mine - TARGET.log_density(grid))).sum() * (side[1] - side[0]) ** 2


def exact_alone(parameters: UnconstrainedMixture) -> Float[Array, ""]:
    """`sum_k w_k KL[N_k || q]`, the weights held."""
    weights = jax.lax.stop_gradient(constrain(parameters).weights)
    equal = parameters._replace(logits=jnp.zeros(1))
    alone = [
        exact_joint(jax.tree.map(lambda leaf, at=at: leaf[at : at + 1], equal._replace(logits=jnp.zeros(2))))
        for at in range(2)
    ]
    return (weights * jnp.stack(alone)).sum()


def assert_unbiased(told: UnconstrainedMixture, expected: UnconstrainedMixture, bias: float) -> None:
    """The mean over windows is what is expected, to within its own error and a bias of order one over points."""
    for name, many, wanted in zip(UnconstrainedMixture._fields, told, expected, strict=True):
        values = np.asarray(many)
        error = values.std(0) / np.sqrt(REPEATS)
        assert (error < 0.02).all()  # the comparison says something
        np.testing.assert_array_less(np.abs(values.mean(0) - np.asarray(wanted)), ERRORS * error + bias, name)


def below_diagonal(gradient: UnconstrainedMixture) -> UnconstrainedMixture:
    return gradient._replace(off_diagonals=jnp.tril(gradient.off_diagonals, -1))


def test_the_joint_gradient_is_that_of_quadrature() -> None:
    def one(key: Array) -> SharedEstimate:
        return estimate(SAMPLER, full_window(SAMPLER, key), jnp.asarray(STEPS - 1))[0]

    told = repeated(one)
    value, gradient = jax.jit(jax.value_and_grad(exact_joint))(PARAMETERS)
    # Self-normalised weights of 512 points have a bias of about 1 / 512 of the spread of what is averaged.
    assert_unbiased(told.gradient, below_diagonal(gradient), bias=0.004)
    assert abs(float(told.elbo.mean()) + float(value)) < 0.004 + ERRORS * float(told.elbo.std()) / REPEATS**0.5


@pytest.mark.slow
def test_the_gradient_of_components_alone_is_that_of_quadrature() -> None:
    def one(key: Array) -> SharedEstimate:
        window = full_window(SAMPLER, key)
        return estimate_alone(SAMPLER, window, jnp.asarray(STEPS - 1), jnp.zeros(2, bool))[0]

    told = repeated(one)
    gradient = jax.jit(jax.grad(exact_alone))(PARAMETERS)
    assert_unbiased(told.gradient, below_diagonal(gradient), bias=0.004)
    assert not np.asarray(told.gradient.logits).any()


def moved_window(key: Array) -> tuple[Window, Float[Array, "steps fresh"]]:
    """Three steps of a sampler that has moved since, and one of the present one; with what drew them."""
    before = SAMPLER.affine(jnp.array([0.4, -0.2]), jnp.array([1.2, 0.8]))
    window = full_window(before, key)
    points = SAMPLER.stratified(jax.random.fold_in(key, 1), FRESH).reshape(-1, 2)
    values, scores = jax.vmap(jax.value_and_grad(TARGET.log_density))(points)
    window = window.put(jnp.asarray(0), points, values, scores)
    equal = [
        jax.scipy.special.logsumexp(law.component_log_densities(window.points), -1) - jnp.log(2)
        for law in (before, SAMPLER)
    ]
    return window, equal[0].at[0].set(equal[1][0])


@pytest.mark.slow
def test_points_of_a_sampler_that_moved_are_weighed_as_the_docstring_says() -> None:
    """Every formula of `estimate` written out point by point, in double precision."""
    window, log_drawn = jax.jit(moved_window)(jax.random.key(0))
    told, after = jax.jit(estimate)(SAMPLER, window, jnp.asarray(0))
    np.testing.assert_allclose(after.log_drawn, log_drawn, rtol=1e-4, atol=1e-4)
    points = np.asarray(window.points, float).reshape(-1, 2)
    log_component = np.asarray(jax.jit(SAMPLER.component_log_densities)(points), float)
    weights = np.array([0.65, 0.35])
    log_ratio = np.logaddexp(*(log_component + np.log(weights)).T) - np.asarray(window.log_target, float).reshape(-1)
    pull = np.asarray(jax.jit(jax.vmap(jax.grad(SAMPLER.log_density)))(points), float)
    pull = pull - np.asarray(window.scores, float).reshape(-1, 2)
    ratios, spread = np.zeros(2), np.zeros(2)
    omega = (
        np.exp(log_component)
        / (0.5 * np.exp(log_component).sum(1) + np.exp(np.asarray(log_drawn, float).reshape(-1)))[:, None]
    )
    omega /= omega.sum(0)
    for k in range(2):
        mean, factor = np.asarray(SAMPLER.means[k], float), np.asarray(SAMPLER.factors[k], float)
        standard = np.linalg.solve(factor, (points - mean).T).T
        relative = factor.T @ np.einsum("n,ni,nj->ij", omega[:, k], pull, standard)
        by_factor = weights[k] * np.linalg.solve(factor.T, 0.5 * (relative + relative.T))
        ratios[k] = omega[:, k] @ log_ratio
        spread[k] = omega[:, k] @ log_ratio**2
        np.testing.assert_allclose(told.gradient.means[k], weights[k] * omega[:, k] @ pull, atol=1e-5)
        np.testing.assert_allclose(told.gradient.off_diagonals[k], np.tril(by_factor, -1), atol=1e-5)
        np.testing.assert_allclose(
            told.gradient.log_diagonals[k], np.diag(by_factor) * np.diag(factor), rtol=1e-3, atol=1e-5
        )
    elbo = -(weights @ ratios)
    np.testing.assert_allclose(told.ratios, ratios, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(told.gradient.logits, weights * (ratios + elbo), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(told.elbo, elbo, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(told.variance, weights @ spread - elbo**2, rtol=1e-3)
    np.testing.assert_allclose(told.effective_size, 1 / (omega**2).sum(0), rtol=1e-3)


def test_at_the_target_the_gradient_and_the_variance_vanish_on_any_points() -> None:
    """The path derivative is zero at every single point, not only on average."""

    def one(key: Array) -> SharedEstimate:
        window = Window.empty(2, 3 * 8, 2)
        points = TARGET.stratified(key, 8).reshape(-1, 2)
        values, scores = jax.vmap(jax.value_and_grad(TARGET.log_density))(points)
        return estimate(TARGET, window.put(jnp.asarray(1), points, values, scores), jnp.asarray(1))[0]

    told = jax.jit(one)(jax.random.key(0))
    for leaf in told.gradient:
        np.testing.assert_allclose(leaf, 0.0, atol=2e-5)  # scores are of order 5, in 32 bits
    assert abs(float(told.elbo)) < 1e-5 and 0 <= float(told.variance) < 1e-9


def test_a_gaussian_alone_at_a_gaussian_target_stays() -> None:
    law = GaussianMixture.of([[1.0, -2.0]], [[0.5, 0.2], [0.2, 0.3]])

    @jax.jit
    def one(key: Array) -> SharedEstimate:
        points = law.stratified(key, 64).reshape(-1, 2)
        values, scores = jax.vmap(jax.value_and_grad(law.log_density))(points + 0.0)
        window = Window.empty(1, 64, 2).put(jnp.asarray(0), points, values + 3.0, scores)
        return estimate_alone(law, window, jnp.asarray(0), jnp.zeros(1, bool))[0]

    told = one(jax.random.key(0))
    for leaf in told.gradient:
        np.testing.assert_allclose(leaf, 0.0, atol=1e-5)
    assert float(told.ratios[0]) == pytest.approx(-3.0, abs=1e-5)  # minus the log mass of the target


@pytest.mark.parametrize("alone", [False, True])
def test_a_cliff_pushes_back_as_the_mass_beyond_it_does(alone: bool) -> None:
    """A Gaussian that is its target but for a cliff at `x_0 = c`: what is left is `nats * P(x_0 > c)`."""
    law, cliff = GaussianMixture.of([[0.0, 0.0]], [[0.25, 0.0], [0.0, 1.0]]), 0.4

    def one(key: Array) -> SharedEstimate:
        points = law.stratified(key, 512).reshape(-1, 2)
        values, scores = jax.vmap(jax.value_and_grad(law.log_density))(points)
        beyond = points[:, 0] > cliff
        values, scores = jnp.where(beyond, ZERO_DENSITY, values), jnp.where(beyond[:, None], 0.0, scores)
        window = Window.empty(1, 512, 2).put(jnp.asarray(0), points, values, scores)
        if alone:
            return estimate_alone(law, window, jnp.asarray(0), jnp.zeros(1, bool))[0]
        return estimate(law, window, jnp.asarray(0))[0]

    told = repeated(one)
    density = np.exp(-0.5 * 0.8**2) / np.sqrt(2 * np.pi)
    expected = UnconstrainedMixture(
        logits=jnp.zeros(1),
        means=ZERO_DENSITY_NATS * density * jnp.array([[2.0, 0.0]]),
        log_diagonals=ZERO_DENSITY_NATS * density * jnp.array([[0.8, 0.0]]),
        off_diagonals=jnp.zeros((1, 2, 2)),
    )
    for name, many, wanted in zip(UnconstrainedMixture._fields, told.gradient, expected, strict=True):
        values = np.asarray(many)
        error = values.std(0) / REPEATS**0.5
        np.testing.assert_array_less(np.abs(values.mean(0) - wanted), ERRORS * error + 0.03, name)
    assert float(told.ratios.mean()) == pytest.approx(ZERO_DENSITY_NATS * 0.2119, rel=0.02)


def test_components_that_never_meet_learn_the_same_apart_as_alone() -> None:
    """Far from one another, with points from two steps before they moved, with known modes and with density zero."""
    now = GaussianMixture.of(40.0 * np.eye(4)[:, :3], np.stack([0.5 * np.eye(3) + 0.2] * 4))
    before = now.affine(jnp.full(3, 0.1), jnp.full(3, 1.1))
    unmoved = jnp.array([True, False, False, True])

    @jax.jit
    def both() -> tuple[SharedEstimate, SharedEstimate]:
        windows, told = [Window.empty(3, 16, 3)] * 2, []
        for place, mixture in enumerate((before, before, now)):
            points = mixture.stratified(jax.random.key(place), 4).reshape(-1, 3)
            values, scores = jax.vmap(jax.value_and_grad(lambda x: -jnp.abs(x).sum() - 0.1 * x @ x))(points)
            zero = points[:, 0] % 1.0 < 0.2
            values, scores = jnp.where(zero, ZERO_DENSITY, values), jnp.where(zero[:, None], 0.0, scores)
            force = (jax.random.uniform(jax.random.key(9 + place), (16,)) < 0.7).astype(float)
            put = [window.put(jnp.asarray(place), points, values, scores, force) for window in windows]
            estimators = (estimate_alone, estimate_apart)
            told = [one(mixture, w, jnp.asarray(place), unmoved) for one, w in zip(estimators, put, strict=True)]
            windows = [window for _, window in told]
        return told[0][0], told[1][0]

    alone, apart = both()
    for name, one, other in zip(SharedEstimate._fields, alone, apart, strict=True):
        for left, right in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-3, atol=1e-3, err_msg=name)


# weights and forces


@pytest.mark.slow
def test_a_weight_is_at_most_the_number_of_components_times_the_mean_of_its_law() -> None:
    """Points that a wide component drew carry no component away, wherever they lie."""
    components = 5
    means = np.array([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0], [-50.0, 0.0], [0.1, 0.1]])
    mixture = GaussianMixture.of(means, np.array([1.0, 1e-4, 1.0, 1.0, 1e-4])[:, None, None] * np.eye(2))
    window = Window.empty(3, components * 4, 2)
    log_target = jnp.zeros(components * 4)

    @jax.jit
    def filled(window: Window, key: Array) -> tuple[SharedEstimate, Window, Float[Array, "count components"]]:
        told = None
        for place, key_step in enumerate(jax.random.split(key, 3)):
            points = mixture.stratified(key_step, 4).reshape(-1, 2)
            told, window = estimate(
                mixture, window.put(jnp.asarray(place), points, log_target, 0 * points), jnp.asarray(place)
            )
        log_component = mixture.component_log_densities(window.points.reshape(-1, 2))
        share, _, _ = shared_points._shares(log_component, window, jnp.asarray(2))
        assert told is not None
        return told, window, share

    told, window, share = filled(window, jax.random.key(1))
    np.testing.assert_allclose(np.asarray(share).sum(0), 1.0, rtol=1e-5)
    log_equal = np.asarray(jax.scipy.special.logsumexp(mixture.component_log_densities(window.points), -1))
    log_equal = (log_equal - np.log(components)).reshape(-1)
    bound = components * np.exp(log_equal - np.logaddexp(log_equal, np.asarray(window.log_drawn).reshape(-1)))
    raw = np.exp(np.asarray(mixture.component_log_densities(window.points.reshape(-1, 2))))
    omega = raw / (np.exp(log_equal) + np.exp(np.asarray(window.log_drawn).reshape(-1)))[:, None]
    assert (omega <= bound[:, None] * (1 + 1e-4)).all() and (bound <= components).all()
    np.testing.assert_allclose(share, omega / omega.sum(0), rtol=2e-3, atol=1e-6)
    assert (np.asarray(told.effective_size) <= 12 * components).all() and (np.asarray(told.effective_size) >= 3).all()


@pytest.mark.slow
def test_places_that_were_never_filled_count_for_nothing() -> None:
    points = SAMPLER.stratified(jax.random.key(0), 8).reshape(-1, 2)
    values, scores = jax.jit(jax.vmap(jax.value_and_grad(TARGET.log_density)))(points)
    told = [
        jax.jit(estimate)(
            SAMPLER, Window.empty(steps, 16, 2).put(jnp.asarray(0), points, values, scores), jnp.asarray(0)
        )[0]
        for steps in (1, 5)
    ]
    for one, other in zip(jax.tree.leaves(told[0]), jax.tree.leaves(told[1]), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@jax.jit
def without_and_with_force(still: Bool[Array, " 2"], key: Array) -> tuple[SharedEstimate, SharedEstimate]:
    newest = jnp.asarray(STEPS - 1)
    return (
        estimate_alone(SAMPLER, full_window(SAMPLER, key, force=0.0), newest, still)[0],
        estimate_alone(SAMPLER, full_window(SAMPLER, key), newest, still)[0],
    )


@pytest.mark.parametrize("unmoved", [pytest.param(False, marks=pytest.mark.slow), True])
def test_points_without_force_pull_nobody_but_those_that_take_no_notice(unmoved: bool) -> None:
    without, with_force = without_and_with_force(jnp.array([False, unmoved]), jax.random.key(0))
    np.testing.assert_allclose(without.free, 0.0)
    np.testing.assert_allclose(with_force.free, 1.0, rtol=1e-5)
    np.testing.assert_allclose(without.ratios, with_force.ratios)
    for mine, theirs in zip(without.gradient, with_force.gradient, strict=True):
        assert not np.asarray(mine)[0].any()
        np.testing.assert_allclose(mine[1], theirs[1] * unmoved, rtol=1e-6)


@pytest.mark.parametrize("alone", [False, True])
def test_a_point_of_zero_density_leaves_everything_finite(alone: bool) -> None:
    points = SAMPLER.stratified(jax.random.key(0), 8).reshape(-1, 2)
    values, scores = jax.jit(jax.vmap(jax.value_and_grad(TARGET.log_density)))(points)
    values, scores = values.at[3].set(-1e30), scores.at[3].set(0.0)
    window = Window.empty(1, 16, 2).put(jnp.asarray(0), points, values, scores)
    if alone:
        told, _ = jax.jit(estimate_alone)(SAMPLER, window, jnp.asarray(0), jnp.zeros(2, bool))
    else:
        told, _ = jax.jit(estimate)(SAMPLER, window, jnp.asarray(0))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(told))


# matrix products


def many(components: int, dim: int, width: float, shift: float, seed: int = 0) -> dict[str, np.ndarray]:
    """Components with full factors near a far place, points around them, all in double precision."""
    random = np.random.default_rng(seed)
    factors = width * (np.tril(0.3 * random.normal(size=(components, dim, dim)), -1) + np.eye(dim))
    means = shift + random.normal(size=(components, dim))
    chosen = random.integers(components, size=200)
    points = means[chosen] + 1.5 * np.einsum("nij,nj->ni", factors[chosen], random.normal(size=(200, dim)))
    return {"points": points, "means": means, "factors": factors}


def in_32_bits(given: dict[str, np.ndarray]) -> tuple[Array, Array, Array]:
    single = {name: jnp.asarray(array, jnp.float32) for name, array in given.items()}
    return single["points"], single["means"], inverse_factors(single["factors"])


def direct(given: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """`L_k^-1 (x_i - mu_k)` and `log N_k(x_i)` of the numbers as 32 bits hold them, in double precision."""
    points, means, factors = (np.asarray(array, np.float32).astype(float) for array in given.values())
    standard = np.stack([np.linalg.solve(f, (points - m).T).T for m, f in zip(means, factors, strict=True)])
    log_determinant = np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(-1)
    dim = points.shape[1]
    log_density = -0.5 * (standard**2).sum(-1) - log_determinant[:, None] - 0.5 * dim * np.log(2 * np.pi)
    return standard, log_density.T


CASES = {
    "one dimension": (6, 1, 0.5, 0.0),
    "plain": (6, 3, 0.5, 0.0),
    "ten dimensions": (5, 10, 1.0, 2.0),
    "narrow": (6, 3, 1e-3, 0.0),
    "narrow and far": (6, 3, 1e-2, 1000.0),
}


def rounding(given: dict[str, np.ndarray]) -> float:
    """Of `L_k^-1 (x - mu_k)` in 32 bits, where points are told from the middle of all means: `eps |x - m| |L^-1|`."""
    spread = np.abs(given["points"] - given["means"].mean(0)).max()
    far = np.abs(given["points"]).max()
    inverse = np.abs(np.linalg.inv(given["factors"])).max()
    return float(1.2e-7 * (4.0 * spread * given["points"].shape[1] + far) * inverse)


@pytest.mark.parametrize("case", CASES)
def test_log_densities_are_the_direct_formula(case: str) -> None:
    given = many(*CASES[case])
    standard, expected = direct(given)
    told = np.asarray(jax.jit(log_densities)(*in_32_bits(given)), float)
    # An error e of a standardised coordinate z moves the log density by z e + e^2 / 2.
    size = np.sqrt((standard**2).sum(-1)).T
    allowed = size * rounding(given) * 2 + rounding(given) ** 2 + 1e-5 * (1 + np.abs(expected))
    near = size < 6
    assert near.sum() >= 200
    assert (np.abs(told - expected) <= allowed).all(), np.abs(told - expected)[near].max()


@pytest.mark.parametrize("case", CASES)
def test_standardised_points_keep_their_digits_where_components_are_narrow(case: str) -> None:
    given = many(*CASES[case])
    standard, expected = direct(given)
    mine, log_density = jax.jit(component_sums.standardised)(*in_32_bits(given))
    # The difference is exact in 32 bits for near points, so what is left is the rounding of the product.
    np.testing.assert_allclose(mine, standard, rtol=2e-4, atol=2e-4)
    near = (standard**2).sum(-1).T < 36
    np.testing.assert_allclose(np.asarray(log_density)[near], expected[near], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("case", CASES)
def test_the_score_of_the_mixture_is_that_of_autodiff(case: str) -> None:
    given = many(*CASES[case])
    points, means, inverse = in_32_bits(given)
    components = len(means)
    standard, log_component = direct(given)
    joint = log_component - np.log(components)
    responsibility = np.exp(joint - np.logaddexp.reduce(joint, axis=1)[:, None])
    precise = np.linalg.inv(np.asarray(given["factors"], np.float32).astype(float))
    expected = -np.einsum("nk,kji,knj->ni", responsibility, precise, standard)
    told = jax.jit(component_sums.mixture_score)(jnp.asarray(responsibility, jnp.float32), points, means, inverse)
    allowed = 8 * rounding(given) * np.abs(precise).max() * points.shape[1] + 1e-4 * (1 + np.abs(expected).max())
    np.testing.assert_allclose(told, expected, rtol=1e-3, atol=allowed)


@pytest.mark.parametrize("case", CASES)
def test_the_outer_products_are_the_direct_sum(case: str) -> None:
    given = many(*CASES[case])
    points, means, _ = in_32_bits(given)
    random = np.random.default_rng(1)
    share = random.dirichlet(np.ones(len(points)), size=len(means)).T
    pulls = random.normal(size=points.shape)
    difference = np.asarray(points, float)[:, None] - np.asarray(means, float)
    expected = np.einsum("nk,nki,nj->kij", share, difference, pulls)
    arrays = (jnp.asarray(array, jnp.float32) for array in (share, points, pulls, means, pulls[:, 0]))
    # The sum runs over numbers of the size of the spread of all points, and so does its rounding.
    spread = float(np.abs(np.asarray(points, float) - np.asarray(means, float).mean(0)).max())
    told = jax.jit(component_sums.sums)(*arrays)
    np.testing.assert_allclose(told.pulls, share.T @ pulls, atol=1e-5)
    np.testing.assert_allclose(told.figures[:, 0], share.T @ pulls[:, 0], atol=1e-5)
    np.testing.assert_allclose(told.outer, expected, atol=1e-5 * spread + 1e-6, rtol=1e-4)


@pytest.mark.parametrize("size", [64, 128])
def test_in_blocks_of_points_the_sums_and_scores_are_the_same(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    given = many(*CASES["ten dimensions"])
    points, means, inverse = in_32_bits(given)
    random = np.random.default_rng(1)
    share = jnp.asarray(random.dirichlet(np.ones(len(points)), size=len(means)).T, jnp.float32)
    pulls = jnp.asarray(random.normal(size=points.shape), jnp.float32)

    def told() -> tuple[component_sums.Sums, Array]:
        # Functions of their own, so that neither finds the other compiled.
        summed = jax.jit(lambda *arrays: component_sums.sums(*arrays))
        score = jax.jit(lambda *arrays: component_sums.mixture_score(*arrays))
        figures = points[:, 0] > 2.0, pulls[:, 0]
        return summed(share, points, pulls, means, *figures), score(share, points, means, inverse)

    whole = told()
    monkeypatch.setattr(component_sums, "LARGEST_TABLE", 1)
    monkeypatch.setattr(component_sums, "BLOCK", size * points.shape[1] ** 2)
    assert component_sums.points_at_once(*points.shape) == size
    for mine, expected in zip(jax.tree.leaves(told()), jax.tree.leaves(whole), strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("count", "dim"), [(2048, 100), (2048, 300), (512, 1000), (40, 5000)])
def test_tables_of_all_pairs_of_coordinates_are_bounded(count: int, dim: int) -> None:
    held = component_sums.points_at_once(count, dim)
    assert (held == count) == (dim == 100 or count == 40)
    assert held * dim**2 <= component_sums.largest_table(count, dim) <= max(1 << 25, 64 * dim**2)


def test_inverse_factors_invert() -> None:
    for dim in (1, 4):
        factors = np.asarray(many(3, dim, 0.5, 0.0)["factors"], np.float32)
        product = np.asarray(inverse_factors(jnp.asarray(factors))) @ factors
        np.testing.assert_allclose(product, np.broadcast_to(np.eye(dim), (3, dim, dim)), atol=1e-5)


def test_a_common_pull_is_taken_off_the_curvature_far_away_and_not_at_rest() -> None:
    """Points off their mean in a constant pull: that is no curvature."""
    offset, pull = jnp.array([[0.3, -0.2]]), jnp.array([[3.0, -4.0]])
    curvature = offset[:, :, None] * pull[:, None, :]
    np.testing.assert_allclose(curvature_at_rest(curvature, offset, pull), curvature / 26.0, rtol=1e-5)
    np.testing.assert_allclose(curvature_at_rest(curvature, offset, 0.0 * pull), curvature)
    assert np.isfinite(curvature_at_rest(curvature, offset, 1e25 * pull)).all()
