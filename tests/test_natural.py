"""Natural gradients against the Fisher matrix itself, and the trust region against the divergence that it bounds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jaxtyping import Array, Float

import biglearn_sampler as bl
from biglearn_sampler.learning import clip_by_fisher_norm, natural_gradient
from biglearn_sampler.learning.natural import scale_by_sample_size
from biglearn_sampler.mixture import GaussianMixture, UnconstrainedMixture, constrain, unconstrain


def gaussian(dim: int, seed: int = 0) -> UnconstrainedMixture:
    """One component with a full covariance."""
    random = np.random.default_rng(seed)
    root = 0.5 * random.normal(size=(dim, dim))
    return unconstrain(GaussianMixture.of(random.normal(size=(1, dim)), root @ root.T + 0.5 * np.eye(dim)))


def divergence(first: UnconstrainedMixture, second: UnconstrainedMixture) -> Float[Array, ""]:
    """`KL[N_1 || N_2]` of the first components, in closed form."""
    mine, other = constrain(first), constrain(second)
    relative = jnp.linalg.solve(other.factors[0], mine.factors[0])
    shift = jnp.linalg.solve(other.factors[0], mine.means[0] - other.means[0])
    logarithms = jnp.log(jnp.abs(jnp.diagonal(relative))).sum()
    return 0.5 * ((relative**2).sum() + (shift**2).sum() - mine.dim) - logarithms


def flat(parameters: UnconstrainedMixture) -> Float[Array, " coordinates"]:
    """Mean, logarithms of the diagonal, and the entries below it, of one component."""
    rows, columns = np.tril_indices(parameters.means.shape[-1], -1)
    return jnp.concatenate(
        [parameters.means[0], parameters.log_diagonals[0], parameters.off_diagonals[0, rows, columns]]
    )


def unflat(coordinates: Float[Array, " coordinates"], dim: int) -> UnconstrainedMixture:
    rows, columns = np.tril_indices(dim, -1)
    below = jnp.zeros((1, dim, dim)).at[0, rows, columns].set(coordinates[2 * dim :])
    return UnconstrainedMixture(jnp.zeros(1), coordinates[None, :dim], coordinates[None, dim : 2 * dim], below)


def random_gradient(parameters: UnconstrainedMixture, size: float = 1.0) -> UnconstrainedMixture:
    dim = parameters.means.shape[-1]
    values = np.random.default_rng(1).normal(size=flat(parameters).shape) * size
    return unflat(jnp.asarray(values, float), dim)


def naturally(gradient: UnconstrainedMixture, parameters: UnconstrainedMixture) -> UnconstrainedMixture:
    return natural_step(natural_gradient(), gradient, parameters)


def moved_by(step: Any, parameters: UnconstrainedMixture) -> UnconstrainedMixture:
    moved = optax.apply_updates(parameters, step)
    assert isinstance(moved, UnconstrainedMixture)
    return moved


def natural_step(
    transformation: optax.GradientTransformation, gradient: UnconstrainedMixture, parameters: UnconstrainedMixture
) -> UnconstrainedMixture:
    @jax.jit
    def update(gradient: UnconstrainedMixture, parameters: UnconstrainedMixture) -> optax.Updates:
        return transformation.update(gradient, transformation.init(parameters), parameters)[0]

    told = update(gradient, parameters)
    assert isinstance(told, UnconstrainedMixture)
    return told


@pytest.mark.parametrize("dim", [1, 2, 3, 4])
def test_the_natural_gradient_solves_the_system_of_the_fisher_matrix(dim: int) -> None:
    """The Fisher matrix is the Hessian of the divergence where it vanishes."""
    parameters = gaussian(dim)
    gradient = random_gradient(parameters)

    @jax.jit
    def solved(here: Float[Array, " c"], gradient: Float[Array, " c"]) -> Float[Array, " c"]:
        fisher = jax.hessian(lambda there: divergence(unflat(here, dim), unflat(there, dim)))(here)
        return jnp.linalg.solve(fisher, gradient)

    expected = solved(flat(parameters), flat(gradient))
    np.testing.assert_allclose(flat(naturally(gradient, parameters)), expected, rtol=2e-3, atol=2e-3)


def test_the_gradient_of_a_component_is_taken_per_weight() -> None:
    """In a mixture the gradient of a component arrives multiplied by its weight."""
    alone = gaussian(2)
    gradient = random_gradient(alone)._replace(logits=jnp.ones(1))
    pair = jax.tree.map(lambda leaf: jnp.concatenate([leaf, leaf]), alone)._replace(
        logits=jnp.log(jnp.array([0.2, 0.8]))
    )
    weighted = jax.tree.map(lambda leaf: jnp.concatenate([0.2 * leaf, 0.8 * leaf]), gradient)
    expected = jax.tree.map(lambda leaf: jnp.concatenate([leaf, leaf]), naturally(gradient, alone))
    for leaf, wanted in zip(naturally(weighted, pair), expected, strict=True):
        np.testing.assert_allclose(leaf, wanted, rtol=1e-5)


def test_logits_move_by_the_centred_signal_and_no_further_than_five() -> None:
    parameters = unconstrain(GaussianMixture.of([[0.0], [1.0], [2.0]], 1.0, [0.5, 0.3, 0.2]))
    signal = jnp.array([0.4, -0.3, 90.0])
    gradient = jax.grad(lambda logits: jax.nn.softmax(logits) @ signal)(parameters.logits)
    moved = naturally(jax.tree.map(jnp.zeros_like, parameters)._replace(logits=gradient), parameters).logits
    centred = signal - jnp.array([0.5, 0.3, 0.2]) @ signal
    np.testing.assert_allclose(moved, np.clip(centred, -5.0, 5.0), rtol=1e-4)


def test_a_component_without_weight_gets_a_finite_step() -> None:
    parameters = unconstrain(GaussianMixture.of([[0.0], [1.0]], 1.0))._replace(logits=jnp.array([0.0, -200.0]))
    gradient = jax.tree.map(jnp.zeros_like, parameters)
    assert all(np.isfinite(leaf).all() for leaf in naturally(gradient, parameters))


@pytest.mark.parametrize("dim", [1, 3])
@pytest.mark.parametrize("radius", [0.03, 0.1])
def test_a_clipped_step_moves_the_divergence_by_half_the_squared_radius(dim: int, radius: float) -> None:
    parameters = gaussian(dim)
    step = natural_step(clip_by_fisher_norm(radius), random_gradient(parameters, 9.0), parameters)
    moved = divergence(parameters, moved_by(step, parameters))
    np.testing.assert_allclose(moved, radius**2 / 2, rtol=3 * radius + 1e-3)


def test_a_step_below_the_diagonal_is_measured_like_any_other() -> None:
    """There the Fisher metric is half as steep as on the diagonal."""
    parameters = gaussian(2)
    wide = UnconstrainedMixture(
        jnp.zeros(1), jnp.zeros((1, 2)), jnp.zeros((1, 2)), jnp.zeros((1, 2, 2)).at[0, 1, 0].set(9)
    )
    step = natural_step(clip_by_fisher_norm(0.1), wide, parameters)
    np.testing.assert_allclose(divergence(parameters, moved_by(step, parameters)), 0.005, rtol=0.05)


def test_clipping_keeps_the_direction_and_leaves_short_steps_alone() -> None:
    parameters = gaussian(3)
    gradient = random_gradient(parameters, 9.0)._replace(logits=jnp.ones(1))
    clipped = natural_step(clip_by_fisher_norm(0.1), gradient, parameters)
    ratios = np.asarray(flat(clipped) / flat(gradient))
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e-5)
    assert 0 < ratios[0] < 0.1 and clipped.logits == 1.0
    short = jax.tree.map(lambda leaf: 1e-4 * leaf, gradient)
    np.testing.assert_array_equal(flat(natural_step(clip_by_fisher_norm(1.0), short, parameters)), flat(short))


def test_a_gradient_so_steep_that_its_square_overflows_is_clipped_and_not_dropped() -> None:
    """As near the core of a Lennard-Jones potential."""
    parameters = gaussian(2)
    steep = random_gradient(parameters, 1e25)
    step = natural_step(clip_by_fisher_norm(0.1), steep, parameters)
    expected = natural_step(clip_by_fisher_norm(0.1), random_gradient(parameters, 1e3), parameters)
    np.testing.assert_allclose(flat(step), flat(expected), rtol=1e-4)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_only_the_component_whose_step_is_not_finite_stands_still(bad: float) -> None:
    parameters = unconstrain(GaussianMixture.of([[0.0, 0.0], [1.0, 1.0]], 1.0))
    step = jax.tree.map(lambda leaf: jnp.full_like(leaf, 0.01), parameters)._replace(logits=jnp.array([bad, 0.5]))
    clipped = natural_step(clip_by_fisher_norm(1.0), step._replace(means=step.means.at[0, 0].set(bad)), parameters)
    assert all((np.asarray(leaf)[0] == 0).all() for leaf in clipped)
    np.testing.assert_allclose(clipped.means[1], 0.01, rtol=1e-6)
    assert clipped.logits[1] == 0.5


# what few points cannot tell


def relative(step: UnconstrainedMixture, parameters: UnconstrainedMixture) -> np.ndarray:
    """`L^-1 d_L` of every component."""
    diagonal = jnp.exp(parameters.log_diagonals)
    by_factor = jnp.tril(step.off_diagonals, -1) + (diagonal * step.log_diagonals)[..., None] * jnp.eye(3)
    return np.linalg.solve(np.asarray(constrain(parameters).factors, float), np.asarray(by_factor, float))


@pytest.mark.parametrize(("effective", "share"), [(1.0, 0.5), (0.6, 1 / 3), (3.0, 1.0), (500.0, 1.0)])
def test_the_size_of_a_component_moves_as_before_and_its_shape_by_the_share(effective: float, share: float) -> None:
    """With n effective points in three dimensions the share is `min(1, 2 n / (n + 3))`."""
    parameters = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), gaussian(3), gaussian(3, seed=4))
    step = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *(random_gradient(gaussian(3)) for _ in range(2)))
    step = step._replace(log_diagonals=step.log_diagonals * jnp.array([[1.0], [-2.0]]))
    transformation = scale_by_sample_size()
    sizes = jnp.array([effective, 3.0])
    told, _ = jax.jit(transformation.update)(step, transformation.init(parameters), parameters, effective_size=sizes)
    assert isinstance(told, UnconstrainedMixture)
    np.testing.assert_array_equal(told.means, step.means)
    np.testing.assert_array_equal(told.logits, step.logits)
    before, after = relative(step, parameters), relative(told, parameters)
    np.testing.assert_allclose(np.trace(after, axis1=1, axis2=2), np.trace(before, axis1=1, axis2=2), rtol=1e-4)
    growth = (np.trace(before, axis1=1, axis2=2) / 3)[:, None, None] * np.eye(3)
    shares = np.array([share, 1.0])[:, None, None]
    np.testing.assert_allclose(after, growth + shares * (before - growth), rtol=1e-3, atol=1e-4)


def test_a_component_that_only_grows_is_left_alone_by_any_sample_size() -> None:
    parameters = gaussian(3)
    factors = constrain(parameters).factors
    step = UnconstrainedMixture(jnp.zeros(1), jnp.ones((1, 3)), jnp.full((1, 3), 0.3), 0.3 * jnp.tril(factors, -1))
    told, _ = scale_by_sample_size().update(step, optax.EmptyState(), parameters, effective_size=jnp.array([0.01]))
    for leaf, wanted in zip(jax.tree.leaves(told), step, strict=True):
        np.testing.assert_allclose(leaf, wanted, rtol=1e-5, atol=1e-7)


def test_in_one_dimension_there_is_no_shape_to_slow_down() -> None:
    parameters = gaussian(1)
    step = random_gradient(parameters)
    told, _ = scale_by_sample_size().update(step, optax.EmptyState(), parameters, effective_size=jnp.array([0.01]))
    for leaf, wanted in zip(jax.tree.leaves(told), step, strict=True):
        np.testing.assert_allclose(leaf, wanted, rtol=1e-6)


def test_a_chain_of_optax_passes_the_sample_size_on_and_needs_it() -> None:
    """Outside our trainer: with extra arguments, and with optimisers that take none."""
    parameters, gradient = gaussian(3), random_gradient(gaussian(3))
    optimizer = optax.chain(natural_gradient(), scale_by_sample_size(), optax.scale_by_learning_rate(0.1))
    state = optimizer.init(parameters)
    told, _ = jax.jit(optimizer.update)(gradient, state, parameters, effective_size=jnp.array([1.0]))
    natural = naturally(gradient, parameters)
    slowed, _ = scale_by_sample_size().update(natural, state, parameters, effective_size=jnp.array([1.0]))
    for leaf, wanted in zip(jax.tree.leaves(told), jax.tree.leaves(slowed), strict=True):
        np.testing.assert_allclose(leaf, -0.1 * wanted, rtol=1e-5)
    with pytest.raises(TypeError, match="effective_size"):
        optimizer.update(gradient, state, parameters)


def test_a_chain_with_optax_fits_a_gaussian_to_a_gaussian() -> None:
    target, start = gaussian(3, seed=5), gaussian(3)
    optimizer = optax.chain(natural_gradient(), clip_by_fisher_norm(1.0), optax.scale_by_learning_rate(0.3))

    @jax.jit
    def fitted(parameters: UnconstrainedMixture) -> UnconstrainedMixture:
        def step(carry: tuple[UnconstrainedMixture, Any], _: None) -> tuple[tuple[UnconstrainedMixture, Any], None]:
            parameters, state = carry
            updates, state = optimizer.update(jax.grad(divergence)(parameters, target), state, parameters)
            return (moved_by(updates, parameters), state), None

        return jax.lax.scan(step, (parameters, optimizer.init(parameters)), None, 60)[0][0]

    assert divergence(start, target) > 0.5
    assert divergence(fitted(start), target) < 1e-5


@pytest.mark.parametrize("make", [natural_gradient, lambda: clip_by_fisher_norm(1.0)])
def test_the_parameters_are_needed(make: Callable[[], optax.GradientTransformation]) -> None:
    parameters = gaussian(2)
    with pytest.raises(ValueError, match=r"needs the parameters: optimizer.update\(updates, state, params\)"):
        make().update(parameters, make().init(parameters))


@pytest.mark.parametrize("make", [natural_gradient, scale_by_sample_size, lambda: clip_by_fisher_norm(1.0)])
@pytest.mark.parametrize("wrong", [constrain(gaussian(2)), {"means": jnp.ones(2)}, jnp.ones(3)], ids=type)
def test_what_is_no_unconstrained_mixture_is_refused(make: Callable[[], Any], wrong: Any) -> None:
    points = {"effective_size": jnp.ones(1)} if make is scale_by_sample_size else {}
    with pytest.raises(TypeError, match=rf"`bl.unconstrain\(mixture\)` gives, .*; got {type(wrong).__name__}, and"):
        make().update(wrong, make().init(wrong), wrong, **points)


@pytest.mark.parametrize("radius", [0.0, -1.0, float("nan"), jnp.zeros(())])
def test_a_radius_that_is_not_above_zero_is_refused_where_it_is_known(radius: Any) -> None:
    with pytest.raises(ValueError, match="`radius` must be above 0, got"):
        clip_by_fisher_norm(radius)


def test_the_example_of_the_readme_fits_the_points(capsys: pytest.CaptureFixture[str]) -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    (code,) = [
        part.split("```")[0] for part in readme.split("```python")[1:] if "natural_gradient" in part.split("```")[0]
    ]
    told: dict[str, Any] = {}
    exec(code, told)
    np.testing.assert_allclose(bl.constrain(told["parameters"]).mean(), told["points"].mean(0), atol=0.02)
    assert capsys.readouterr().out.startswith("[")


@pytest.mark.slow
def test_natural_steps_commute_with_a_change_of_units() -> None:
    """A step, then new units, is new units, then a step: also when the step is clipped."""
    target, start = gaussian(3, seed=5), gaussian(3)
    centre, scale = jnp.array([5.0, -1.0, 0.0]), jnp.array([100.0, 1.0, 0.01])

    def in_new_units(parameters: UnconstrainedMixture) -> UnconstrainedMixture:
        return unconstrain(constrain(parameters).affine(centre, scale))

    def stepped(parameters: UnconstrainedMixture, target: UnconstrainedMixture, radius: float) -> UnconstrainedMixture:
        optimizer = optax.chain(natural_gradient(), optax.scale_by_learning_rate(0.2), clip_by_fisher_norm(radius))
        step = natural_step(optimizer, jax.grad(divergence)(parameters, target), parameters)
        return moved_by(step, parameters)

    for radius in (0.1, 10.0):
        there = stepped(in_new_units(start), in_new_units(target), radius)
        here = in_new_units(stepped(start, target, radius))
        for leaf, wanted in zip(there, here, strict=True):
            np.testing.assert_allclose(leaf, wanted, rtol=1e-3, atol=1e-5)
