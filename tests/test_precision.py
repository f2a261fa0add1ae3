"""Products of matrices keep all their digits where the library asks for an energy, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

import biglearn_sampler as bl
from biglearn_sampler.mixture import unconstrain
from biglearn_sampler.precision import full_precision

QUICK = {"components": 2, "budget.evaluations": 3200, "reports": [], "evaluation.draws": 200}


def chosen() -> str | None:
    return jax.default_matmul_precision.value


@pytest.fixture
def seen() -> set[str | None]:
    return set()


@pytest.fixture
def target(seen: set[str | None]) -> bl.AbstractTarget:
    """Notes what was chosen whenever its energy is compiled."""
    matrix = jnp.array([[1.0, 0.5], [0.5, 1.0]])

    def log_density(x: jax.Array) -> jax.Array:
        seen.add(chosen())
        return -0.5 * x @ matrix @ x

    return bl.target(log_density, dim=2, scale=2.0)


@pytest.mark.slow
def test_a_training_compiles_its_energy_with_all_digits(
    target: bl.AbstractTarget, seen: set[str | None], tmp_path: Path
) -> None:
    seen.clear()
    run = bl.train(target, settings=QUICK)
    assert seen == {"highest"}
    run.posterior(20)
    bl.resample(run.sampler, target, jax.random.key(0), 20)
    bl.load(bl.save(run, tmp_path / "run"), target=target)
    assert seen == {"highest"}
    assert chosen() is None


@pytest.mark.slow
def test_so_does_a_comparison_with_its_baselines(target: bl.AbstractTarget, seen: set[str | None]) -> None:
    seen.clear()
    settings = {name: value for name, value in QUICK.items() if name != "budget.evaluations"}
    bl.compare(target, baselines=["nuts"], budget=4000, seeds=1, settings={**settings, "metrics": ["elbo"]})
    assert seen == {"highest"}


def test_what_the_user_chose_stays(target: bl.AbstractTarget, seen: set[str | None]) -> None:
    seen.clear()
    sampler = bl.GaussianMixture.of([[0.0, 0.0]], 1.0)
    with jax.default_matmul_precision("tensorfloat32"):
        bl.resample(sampler, target, jax.random.key(0), 20)
    assert seen == {"tensorfloat32"}


def natural_step(mixture: bl.GaussianMixture, points: jax.Array) -> jax.Array:
    """The means after a natural step, whose length is the first number of the points."""
    chain, parameters = bl.natural_gradient(), unconstrain(mixture)
    gradient = jax.tree.map(lambda leaf: leaf * points[0, 0], parameters)
    updates, _ = chain.update(gradient, chain.init(parameters), parameters)
    return updates.means  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    "method",
    [
        lambda mixture, points: mixture.log_density(points),
        lambda mixture, points: jax.grad(lambda x: mixture.log_density(x).sum())(points),
        lambda mixture, points: mixture.responsibilities(points),
        lambda mixture, points: mixture.component_log_densities(points),
        lambda mixture, points: mixture.sample(jax.random.key(0), 5),
        lambda mixture, points: mixture.stratified(jax.random.key(0), 5),
        lambda mixture, points: mixture.marginal([1]).factors,
        lambda mixture, points: mixture.conditional([1], points[0, :1]).means,
        lambda mixture, points: mixture.covariance(),
        lambda mixture, points: bl.FactoredMixture(((0, 1),), (mixture,)).expanded().log_density(points),
        natural_step,
    ],
)
def test_a_mixture_multiplies_with_all_digits(
    method: Callable[[bl.GaussianMixture, jax.Array], jax.Array],
) -> None:
    mixture = bl.GaussianMixture.of([[0.0, 1.0], [2.0, 3.0]], [[1.0, 0.3], [0.3, 1.0]])
    program = jax.jit(lambda points: method(mixture, points)).lower(jnp.ones((3, 2))).as_text()
    products = [line for line in program.splitlines() if "dot_general" in line]
    assert products
    assert all("precision = [HIGHEST, HIGHEST]" in line for line in products)


def test_it_ends_where_something_is_raised() -> None:
    with pytest.raises(ValueError, match="here"), full_precision():
        assert chosen() == "highest"
        raise ValueError("here")
    assert chosen() is None
