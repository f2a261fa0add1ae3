"""Draws of a run in the model's own names, with and without resampling, and as an ArviZ object."""

from __future__ import annotations

import logging
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from scipy import stats

from biglearn_sampler.bridges import from_numpyro
from biglearn_sampler.energy import AbstractTarget, MixtureTarget, function_target
from biglearn_sampler.errors import UserError
from biglearn_sampler.evaluation.arviz import arviz_of
from biglearn_sampler.mixture import GaussianMixture
from biglearn_sampler.runs import Run

OBSERVED = np.array([1.0, 2.0, 0.5])
EXACT = GaussianMixture.of([[-2.0, 0.0], [2.0, 1.0]], 0.3, [0.3, 0.7])
COUNT = 4000


def model(observed: Any) -> None:
    spread = numpyro.sample("spread", dist.LogNormal(0.0, 1.0))
    effects: Any = numpyro.sample("effects", dist.Normal(0.0, 1.0).expand([2]).to_event(1))
    numpyro.deterministic("sum", effects[0] + effects[1])
    numpyro.sample("y", dist.Normal(effects[0], spread), obs=observed)


def run_of(target: AbstractTarget, sampler: GaussianMixture) -> Run:
    return Run(target, "made here", sampler, metrics={}, history=[], snapshots=[], record={})


@pytest.fixture(scope="module")
def of_model() -> Run:
    target = from_numpyro(model, OBSERVED, centre=0.0, scale=1.0)
    return run_of(target, GaussianMixture.of(np.zeros((1, 3)), 1.0))


def test_every_site_has_its_name_and_its_units(of_model: Run) -> None:
    drawn = of_model.posterior(50, seed=3)
    shapes = {name: values.shape for name, values in drawn.items()}
    assert shapes == {"effects": (50, 2), "spread": (50,), "sum": (50,)}
    assert (drawn["spread"] > 0).all()
    np.testing.assert_allclose(drawn["sum"], drawn["effects"].sum(1), rtol=1e-6)
    again, other = of_model.posterior(50, seed=3), of_model.posterior(50, seed=4)
    np.testing.assert_array_equal(drawn["sum"], again["sum"])
    assert not np.array_equal(drawn["sum"], other["sum"])


def test_resampling_costs_nothing_where_the_sampler_is_right() -> None:
    run = run_of(MixtureTarget.of(EXACT, scale=4.0), EXACT)
    drawn = run.posterior(COUNT)
    assert list(drawn) == ["x"] and drawn["x"].shape == (COUNT, 2)
    # Weights that differ by rounding only take a draw once, or now and then twice.
    assert len(np.unique(drawn["x"], axis=0)) > 0.99 * COUNT
    # In random order: the first half has the masses of the second.
    halves = (drawn["x"][:, 0] > 0).reshape(2, -1).mean(1)
    np.testing.assert_allclose(halves, 0.7, atol=5 * np.sqrt(0.21 / (COUNT / 2)))


def test_resampling_gives_modes_their_true_masses() -> None:
    equal = GaussianMixture.of(EXACT.means, 0.3)
    run = run_of(MixtureTarget.of(EXACT, scale=4.0), equal)
    # The weights are 0.6 and 1.4; an error of a mass among so many draws has about the deviation of independent ones.
    tolerance = 5 * np.sqrt(0.25 / COUNT)
    assert (run.posterior(COUNT)["x"][:, 0] > 0).mean() == pytest.approx(0.7, abs=tolerance)
    assert (run.posterior(COUNT, resample=False)["x"][:, 0] > 0).mean() == pytest.approx(0.5, abs=tolerance)


def test_few_draws_are_taken_from_many() -> None:
    uneven = GaussianMixture.of(EXACT.means, 0.3, [0.9, 0.1])
    run = run_of(MixtureTarget.of(EXACT, scale=4.0), uneven)
    found = np.concatenate([run.posterior(200, seed)["x"][:, 0] > 0 for seed in range(4)])
    # The weights of 1,000 draws know the mass to 0.02, those of 200 to 0.05; the choice adds sqrt(0.21 / 800).
    assert found.mean() == pytest.approx(0.7, abs=4 * np.hypot(0.02 / 2, np.sqrt(0.21 / 800)))


def test_a_poor_sampler_is_told(caplog: pytest.LogCaptureFixture) -> None:
    narrow = GaussianMixture.of(EXACT.means, 0.02)
    with caplog.at_level(logging.WARNING):
        run_of(MixtureTarget.of(EXACT, scale=4.0), narrow).posterior(COUNT)
    assert "above 0.7: the resampled draws rest on a few candidates and repeat them" in caplog.text


def test_tails_that_the_sampler_lacks_are_there() -> None:
    student = function_target(lambda x: -1.5 * jnp.log1p(0.5 * x[0] ** 2), dim=1, scale=3.0)
    run = run_of(student, GaussianMixture.of([[0.0]], 1.5))
    far = [(np.abs(run.posterior(COUNT, resample=resample)["x"]) > 6.0).mean() for resample in (True, False)]
    # A share of 0.0267 of Student's t with two degrees of freedom; the weights are bounded, by five and a half.
    assert far[0] == pytest.approx(2.0 * stats.t(2).sf(6.0), abs=5 * np.sqrt(5.5 * 0.0267 / COUNT)) and far[1] < 1e-3


def test_density_zero_everywhere_is_an_error() -> None:
    nowhere = function_target(lambda x: jnp.where(x[0] > 1e6, -x[0], -jnp.inf), dim=2, scale=1.0)
    run = run_of(nowhere, EXACT)
    with pytest.raises(UserError, match="density zero at all 1250 candidates.*resample=False"):
        run.posterior(10)
    assert run.posterior(10, resample=False)["x"].shape == (10, 2)


@pytest.mark.parametrize("count", [0, -1, 2.5, True])
@pytest.mark.usefixtures("unchecked_types")
def test_the_number_of_draws_is_checked(of_model: Run, count: Any) -> None:
    with pytest.raises(UserError, match="must be a whole number of at least 1, got"):
        of_model.posterior(count)


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "1"])
@pytest.mark.usefixtures("unchecked_types")
def test_the_seed_of_draws_is_checked(of_model: Run, seed: Any) -> None:
    with pytest.raises(UserError, match="seed must be a whole number from 0 to 4294967295, got"):
        of_model.posterior(10, seed)


@pytest.mark.slow
def test_the_sampler_of_a_distribution_is_a_distribution_on_its_support() -> None:
    target = from_numpyro(dist.Gamma(2.0, 1.0), centre=0.0, scale=1.0)
    law = run_of(target, GaussianMixture.of([[0.2]], 0.5)).to_numpyro()
    # A normal law of the logarithm: the log-normal one.
    expected = dist.LogNormal(0.2, np.sqrt(0.5)).log_prob(1.7)
    assert np.asarray(law.log_prob(jnp.array(1.7))) == pytest.approx(np.asarray(expected), rel=1e-5)


# ArviZ


@pytest.mark.parametrize(("version", "name"), [("0.23.4", "a/mu"), ("1.3.0", "a.mu")])
def test_a_slash_in_a_name_is_a_dot_where_groups_are_paths(
    version: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`numpyro.handlers.scope` puts slashes into names."""
    seen: list[Any] = []

    def from_dict(*groups: Any, **named: Any) -> dict[str, Any]:
        seen.append(groups[0] if groups else named)
        return {"posterior": SimpleNamespace(attrs={})}

    monkeypatch.setitem(sys.modules, "arviz", SimpleNamespace(__version__=version, from_dict=from_dict))
    arviz_of({"a/mu": np.zeros((1, 2))}, {"b/y": np.zeros(3)}, {})
    assert list(seen[0]["posterior"]) == [name] and len(seen[0]["observed_data"]) == 1


def test_arviz_reads_the_draws(of_model: Run) -> None:
    arviz: Any = pytest.importorskip("arviz")
    data = of_model.to_arviz(200, seed=1)
    drawn = of_model.posterior(200, seed=1)
    groups = set(data.groups()) if int(arviz.__version__.split(".")[0]) < 1 else set(data.children)
    assert groups == {"posterior", "observed_data"}
    for name, values in drawn.items():
        np.testing.assert_array_equal(data["posterior"][name].values, values[None])
        assert data["posterior"][name].dims[:2] == ("chain", "draw")
    np.testing.assert_array_equal(data["observed_data"]["y"].values, OBSERVED)
    assert data["posterior"].attrs["inference_library"] == "biglearn_sampler" and data["posterior"].attrs["resampled"]
    table = arviz.summary(data, round_to="none")
    np.testing.assert_allclose(table.loc["sum", "mean"], drawn["sum"].mean(), rtol=1e-6)


@pytest.mark.parametrize("version", ["0.23.4", "1.3.0"])
def test_each_arviz_is_called_in_its_own_way(of_model: Run, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def from_dict(*args: Any, **kwargs: Any) -> Any:
        calls.append((args, kwargs))
        return {"posterior": SimpleNamespace(attrs={})}

    fake = ModuleType("arviz")
    fake.__version__ = version  # pyright: ignore[reportAttributeAccessIssue]
    fake.from_dict = from_dict  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "arviz", fake)
    of_model.to_arviz(20)
    (args, kwargs), *others = calls
    groups = kwargs if version.startswith("0") else args[0]
    assert not others and set(groups) == {"posterior", "observed_data"}
    assert bool(args) != bool(kwargs) and groups["posterior"]["effects"].shape == (1, 20, 2)


def test_without_arviz_the_extra_is_named(of_model: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "arviz", None)
    with pytest.raises(UserError, match=r"pip install 'biglearn-sampler\[arviz\]'"):
        of_model.to_arviz(20)
