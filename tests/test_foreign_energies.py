"""Energies of PyTorch and of Stan, as the examples make them, against the same densities in jax."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

from biglearn_sampler.energy import probe
from biglearn_sampler.estimators.guard import guarded

EXAMPLES = str(Path(__file__).parent.parent / "examples")
POINTS = np.random.default_rng(0).normal(size=(6, 2))


@pytest.fixture(autouse=True)
def examples_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def test_an_energy_of_pytorch_is_that_of_its_twin() -> None:
    pytest.importorskip("torch")
    target = import_module("torch_energy").target

    def twin(x: jax.Array) -> jax.Array:
        centres = jnp.array([[-3.0, 0.0], [3.0, 1.0], [0.0, -3.0]])
        return jax.nn.logsumexp(jnp.log(jnp.array([0.5, 0.3, 0.2])) - 2.0 * ((x - centres) ** 2).sum(-1))

    probe(target, jnp.asarray(POINTS))
    found = jax.jit(jax.vmap(jax.value_and_grad(guarded(target.log_density))))(jnp.asarray(POINTS))
    expected = jax.vmap(jax.value_and_grad(twin))(jnp.asarray(POINTS))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-10)


@pytest.mark.slow
def test_an_energy_of_stan_is_that_of_its_twin() -> None:
    """Up to a constant, since a Stan program with `~` drops those."""
    pytest.importorskip("stan")
    example = import_module("stan_energy")
    seen = jnp.asarray(example.DATA["y"])

    def twin(u: jax.Array) -> jax.Array:
        location, deviation = u[0], jnp.exp(u[1])
        prior = dist.Normal(0.0, 10.0).log_prob(location) + dist.HalfCauchy(5.0).log_prob(deviation) + u[1]
        return prior + dist.Normal(location, deviation).log_prob(seen).sum()

    points = jnp.asarray(POINTS * [10.0, 1.0] + [5.0, 2.0])
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=example.load) as process:
        target = example.stan_target(process)
        probe(target, points)
        values, scores = jax.jit(jax.vmap(jax.value_and_grad(guarded(target.log_density))))(points)
        quantities = jax.jit(jax.vmap(target.quantities))(points)
    expected, slopes = jax.vmap(jax.value_and_grad(twin))(points)
    np.testing.assert_allclose(values - values[0], expected - expected[0], atol=1e-8)
    np.testing.assert_allclose(scores, slopes, atol=1e-8)
    np.testing.assert_allclose(quantities["deviation"], np.exp(points[:, 1]), rtol=1e-10)
    np.testing.assert_allclose(quantities["location"], points[:, 0], rtol=1e-10)
