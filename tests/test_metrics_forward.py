"""Metrics that look at exact draws with the sampler's density: EUBO, forward ESS, forward log Z."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biglearn_plugins.metrics import biglearn_metrics
from biglearn_sampler.energy import AbstractTarget, Facts, function_target
from biglearn_sampler.evaluation import Draws, Measured
from biglearn_sampler.evaluation.drawing import draws_of
from biglearn_sampler.mixture import GaussianMixture

METRICS = {entry.name: entry for entry in biglearn_metrics()}
FORWARD = ("eubo", "ess_forward", "log_z_forward")
MEANS = np.array([[-4.0, 0.0], [4.0, 0.0], [0.0, 5.0]])
MASSES = [0.5, 0.3, 0.2]
MIXTURE = GaussianMixture.of(MEANS, 0.5, MASSES)
WIDE = GaussianMixture.of(MEANS, 0.8, MASSES)
ONE_MODE = GaussianMixture.of(MEANS[:1], 0.5)
CONSTANT = 2.5
RATIO = 0.5 / 0.8


def times_exp(constant: float, **known) -> AbstractTarget:
    """The mixture times `exp(constant)`, with exact draws."""
    facts = Facts(sample=MIXTURE.sample, **known)
    return function_target(lambda point: MIXTURE.log_density(point) + constant, dim=2, scale=8.0, facts=facts)


TARGET = times_exp(CONSTANT, log_z=CONSTANT)
WITHOUT_Z = times_exp(CONSTANT)
_log_density = jax.jit(GaussianMixture.log_density)


def density(sampler: GaussianMixture, points: np.ndarray) -> np.ndarray:
    return np.asarray(_log_density(sampler, jnp.asarray(points, float)), float)


def sampled(sampler: GaussianMixture) -> Draws:
    points = np.asarray(sampler.sample(jax.random.key(1), 4000), float)
    return Draws(
        points, density(MIXTURE, points) + CONSTANT, density(sampler, points), log_sampler_at=partial(density, sampler)
    )


def measure(name: str, draws: Draws, target: AbstractTarget = TARGET, seed: int = 0, **given) -> dict[str, Measured]:
    return METRICS[name].build(**given).compute(draws, target, jax.random.key(seed))


def numbers(figure: Measured) -> tuple[float, float]:
    assert figure.value is not None and figure.standard_error is not None, figure
    return figure.value, figure.standard_error


def test_draws_of_a_sampler_know_its_density_at_other_points():
    draws = draws_of(WIDE, TARGET, 200, jax.random.key(3))
    assert draws.log_sampler_at is not None
    assert draws.log_sampler_at(draws.points) == pytest.approx(draws.log_sampler, abs=1e-5)
    assert draws.log_sampler_at(MEANS) == pytest.approx(density(WIDE, MEANS), abs=1e-5)


def test_an_exact_sampler_is_ideal():
    exact = sampled(MIXTURE)
    assert measure("eubo", exact)["eubo"].value == pytest.approx(CONSTANT, abs=1e-5)
    assert measure("eubo", exact)["kl_forward"].value == pytest.approx(0.0, abs=1e-5)
    assert measure("ess_forward", exact)["ess_forward"].value == pytest.approx(1.0, abs=1e-5)
    found = measure("log_z_forward", exact)
    assert found["log_z_forward"].value == pytest.approx(CONSTANT, abs=1e-5)
    assert found["log_z_gap"].value == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_eubo_of_a_wide_sampler(seed):
    value, error = numbers(measure("eubo", sampled(WIDE), seed=seed)["kl_forward"])
    # KL of two coordinates of variance 0.5 from 0.8; the log ratio has the variance (r - 1)^2.
    assert value == pytest.approx(RATIO - 1.0 - np.log(RATIO), abs=4 * error)
    assert error == pytest.approx((1.0 - RATIO) / np.sqrt(4000), rel=0.15)


@pytest.mark.parametrize("target", [TARGET, WITHOUT_Z], ids=["Z known", "Z unknown"])
def test_forward_ess_of_a_wide_sampler(target):
    value, error = numbers(measure("ess_forward", sampled(WIDE), target, exact=40_000)["ess_forward"])
    # The same fraction as from the sampler's own draws: sqrt(r (2 - r)) for each coordinate.
    assert value == pytest.approx(RATIO * (2.0 - RATIO), abs=4 * error)
    assert 0.0 < error < 0.003


def test_the_error_of_forward_ess_without_log_z_is_its_spread():
    """Both means are of the same draws: the errors of a sampler that is nearly right nearly cancel."""
    near = sampled(GaussianMixture.of(MEANS, 0.55, [0.5, 0.3, 0.2]))
    found = [
        numbers(measure("ess_forward", near, WITHOUT_Z, seed=seed, exact=2000)["ess_forward"]) for seed in range(24)
    ]
    spread = np.std([value for value, _ in found], ddof=1)
    # The spread of 24 numbers is known to 15 %.
    assert 0.5 < np.mean([error for _, error in found]) / spread < 1.9


def test_forward_ess_agrees_with_the_reverse_one():
    wide = sampled(WIDE)
    value, error = numbers(measure("ess_forward", wide)["ess_forward"])
    reverse, reverse_error = numbers(measure("ess", wide)["ess"])
    assert value == pytest.approx(reverse, abs=4 * np.hypot(error, reverse_error))


def test_a_missed_mode_costs_without_a_limit():
    one = sampled(ONE_MODE)
    assert (measure("ess", one)["ess"].value or 0) > 0.99
    found = measure("ess_forward", one)["ess_forward"]
    assert found.value is not None and found.value < 1e-6
    assert found.reason is not None and "neither the value nor its error" in found.reason
    # Half of the mass lies about |x - y|^2 / (2 variance) = 64 and 41 nats away.
    assert (measure("eubo", one)["kl_forward"].value or 0) > 20.0


@pytest.mark.parametrize("seed", range(3))
def test_forward_log_z_is_right_where_the_reverse_one_is_too_low(seed):
    found = measure("log_z_forward", sampled(ONE_MODE), seed=seed)
    value, error = numbers(found["log_z_forward_error"])
    assert value == pytest.approx(0.0, abs=4 * error)
    gap, error = numbers(found["log_z_gap"])
    assert gap == pytest.approx(np.log(2.0), abs=4 * error)
    value, error = numbers(measure("log_z_forward", sampled(WIDE), seed=seed)["log_z_forward"])
    assert value == pytest.approx(CONSTANT, abs=4 * error)


def test_mass_where_the_target_has_none_raises_forward_log_z():
    beside = GaussianMixture.of(np.array([*MEANS, [20.0, 20.0]]), 0.5, [0.4, 0.24, 0.16, 0.2])
    found = measure("log_z_forward", sampled(beside))
    assert found["log_z_forward_error"].value == pytest.approx(-np.log(0.8), abs=1e-3)


@pytest.mark.parametrize(
    ("name", "figure"), [("eubo", "eubo"), ("ess_forward", "ess_forward"), ("log_z_forward", "log_z_forward")]
)
def test_standard_errors_are_the_spread_of_repeated_estimates(name, figure):
    wide = sampled(WIDE)
    found = [numbers(measure(name, wide, seed=seed, exact=300)[figure]) for seed in range(40)]
    values, errors = np.array(found).T
    assert errors.mean() == pytest.approx(values.std(ddof=1), rel=0.35)


def test_standard_error_of_ess_is_the_spread_of_repeated_estimates():
    every = sampled(WIDE)
    assert every.log_sampler is not None
    parts = np.arange(4000).reshape(40, 100)
    found = [
        numbers(measure("ess", Draws(every.points[part], every.log_target[part], every.log_sampler[part]))["ess"])
        for part in parts
    ]
    values, errors = np.array(found).T
    assert errors.mean() == pytest.approx(values.std(ddof=1), rel=0.35)


def test_a_density_of_zero_is_told():
    def cut(points: np.ndarray) -> np.ndarray:
        return np.where(points[:, 0] > 2.0, -np.inf, density(WIDE, points))

    draws = replace(sampled(WIDE), log_sampler_at=cut)
    beyond = int((np.asarray(MIXTURE.sample(jax.random.key(0), 4000))[:, 0] > 2.0).sum())
    reason = f"the method's density is zero at {beyond} of 4000 exact draws"
    assert measure("eubo", draws)["kl_forward"] == Measured.missing(f"{reason}, so that the bound is inf")
    assert measure("ess_forward", draws)["ess_forward"] == Measured(0.0, reason=reason)
    # A third of the mass that the estimate does not see: 1 / Z is too small by 0.3.
    value, error = numbers(measure("log_z_forward", draws)["log_z_forward_error"])
    assert value == pytest.approx(-np.log(0.7), abs=4 * error)
    nowhere = replace(draws, log_sampler_at=lambda points: np.full(len(points), -np.inf))
    reason = "the method's density is zero at all exact draws"
    assert measure("log_z_forward", nowhere)["log_z_forward"] == Measured.missing(reason)


@pytest.mark.parametrize("name", FORWARD)
def test_what_is_missing_is_told(name):
    wide = sampled(WIDE)
    bare = function_target(lambda point: -0.5 * jnp.sum(point**2), dim=2, scale=3.0)
    weights = np.full(4000, 1 / 4000)
    for draws, target, reason in (
        (wide, bare, "exact draws of the target are not known"),
        (replace(wide, log_sampler_at=None), TARGET, "the method has no density that can be evaluated at exact draws"),
        (
            replace(wide, weights=weights),
            TARGET,
            "the draws have weights of their own, so they do not follow the method's density",
        ),
    ):
        assert set(measure(name, draws, target).values()) == {Measured.missing(reason)}
    with pytest.raises(ValueError, match="exact must be at least 25, got 3"):
        METRICS[name].build(exact=3)


def test_unknown_z_leaves_no_divergence():
    found = measure("eubo", sampled(WIDE), WITHOUT_Z)
    assert found["kl_forward"] == Measured.missing("log Z of the target is not known")
    assert found["eubo"].value is not None
    assert measure("log_z_forward", sampled(WIDE), WITHOUT_Z)["log_z_forward_error"].value is None
