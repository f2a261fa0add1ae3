"""NumPyro models with discrete latent sites, which are summed out."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from jaxtyping import Array
from numpyro.contrib.control_flow import scan

import biglearn_sampler as bl
from biglearn_sampler.bridges import discrete_sites, from_numpyro
from biglearn_sampler.errors import TargetError

pytest.importorskip("funsor")

OBSERVED = jnp.array([-2.0, -1.8, 2.2, 1.9, 2.5, 0.1])


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def two_groups(observed: Array, sums: bool) -> None:
    share: Any = numpyro.sample("share", dist.Beta(2.0, 2.0))
    means: Any = numpyro.sample("means", dist.Normal(0.0, 3.0).expand([2]).to_event(1))
    numpyro.deterministic("gap", means[1] - means[0])
    with numpyro.plate("points", len(observed)):
        if sums:
            groups = dist.CategoricalProbs(jnp.stack([1.0 - share, share]))
            numpyro.sample("x", dist.MixtureSameFamily(groups, dist.Normal(means, 0.5)), obs=observed)
        else:
            group: Any = numpyro.sample("group", dist.Bernoulli(share))
            numpyro.deterministic("mean", means[group])
            numpyro.sample("x", dist.Normal(means[group], 0.5), obs=observed)


def chain(observed: Array) -> None:
    stay: Any = numpyro.sample("stay", dist.Beta(5.0, 1.0).expand([2]).to_event(1))
    means: Any = numpyro.sample("means", dist.Normal(0.0, 3.0).expand([2]).to_event(1))

    def step(before: Array, value: Array) -> tuple[Array, None]:
        state: Any = numpyro.sample("state", dist.Bernoulli(jnp.where(before == 0, 1.0 - stay[0], stay[1])))
        numpyro.sample("x", dist.Normal(means[state], 0.5), obs=value)
        return state, None

    scan(step, 0, observed)


def test_discrete_sites_are_summed_out() -> None:
    summed = from_numpyro(two_groups, OBSERVED, sums=False)
    by_hand = from_numpyro(two_groups, OBSERVED, sums=True)
    points = jnp.asarray(np.random.default_rng(0).normal(size=(20, 3)))
    densities = [jax.vmap(target.log_density)(points) for target in (summed, by_hand)]
    np.testing.assert_allclose(*densities, rtol=1e-10)
    slopes = [jax.jit(jax.grad(target.log_density))(points[0]) for target in (summed, by_hand)]
    np.testing.assert_allclose(*slopes, rtol=1e-8)
    np.testing.assert_array_equal(summed.scale, by_hand.scale)


def test_of_a_hidden_chain_all_paths_are_summed() -> None:
    target = from_numpyro(chain, OBSERVED)
    point = jnp.array([0.3, -0.4, 1.0, 0.2])
    values = jax.jit(target.quantities)(point)
    stay, means = np.asarray(values["stay"]), np.asarray(values["means"])
    paths = []
    for path in product([0, 1], repeat=len(OBSERVED)):
        move = [stay[1] if before else 1.0 - stay[0] for before in (0, *path[:-1])]
        states = [np.log(one if state else 1.0 - one) for one, state in zip(move, path, strict=True)]
        paths.append(sum(states) + float(dist.Normal(means[list(path)], 0.5).log_prob(OBSERVED).sum()))
    prior = dist.Beta(5.0, 1.0).log_prob(stay).sum() + dist.Normal(0.0, 3.0).log_prob(means).sum()
    expected = np.logaddexp.reduce(paths) + float(prior) + np.log(stay * (1.0 - stay)).sum()
    assert float(jax.jit(target.log_density)(point)) == pytest.approx(expected, rel=1e-10)


def test_what_depends_on_a_discrete_site_is_no_quantity() -> None:
    target = from_numpyro(two_groups, OBSERVED, sums=False)
    assert set(target.quantities(jnp.zeros(3))) == {"share", "means", "gap"}
    assert list(target.observed()) == ["x"]


@pytest.mark.slow
def test_a_training_on_it_finds_both_ways_to_name_the_groups() -> None:
    run = bl.train(from_numpyro(two_groups, OBSERVED, sums=False), budget=40_000)
    gaps = np.asarray(run.posterior(2000, seed=0)["gap"])
    # The law is the same under exchange of the groups; four errors of a share of a half.
    assert np.mean(gaps > 0.0) == pytest.approx(0.5, abs=4.0 * 0.5 / np.sqrt(2000) + 0.05)


def without_a_plate(observed: Array) -> None:
    share: Any = numpyro.sample("share", dist.Beta(2.0, 2.0))
    group: Any = numpyro.sample("group", dist.Bernoulli(share).expand([len(observed)]))
    numpyro.sample("x", dist.Normal(group, 0.5), obs=observed)


def counted(observed: Array) -> None:
    rate: Any = numpyro.sample("rate", dist.Gamma(2.0, 2.0))
    count: Any = numpyro.sample("count", dist.Poisson(rate))
    numpyro.sample("x", dist.Normal(count, 0.5).expand([len(observed)]).to_event(1), obs=observed)


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (without_a_plate, "cannot be summed out: ValueError: Missing a plate statement .* needs a numpyro.plate"),
        (counted, "latent site 'count' is discrete, and NumPyro cannot enumerate the values of a Poisson"),
    ],
)
def test_what_cannot_be_summed_out_is_refused(model: Any, told: str) -> None:
    with pytest.raises(TargetError, match=told):
        from_numpyro(model, OBSERVED)


def test_without_funsor_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discrete_sites, "find_spec", lambda name: None)
    with pytest.raises(TargetError, match=r"latent site 'group' is discrete.*biglearn-sampler\[discrete\]"):
        from_numpyro(two_groups, OBSERVED, sums=False)
