"""Metrics of the masses of modes: binomial intervals, divergence, entropy, weighted draws, and what chains miss."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import binom, binomtest

from biglearn_plugins.metrics import biglearn_metrics
from biglearn_sampler.energy import AbstractTarget, MixtureTarget, function_target
from biglearn_sampler.evaluation import Draws, Measured
from biglearn_sampler.evaluation.importance import draw_weights, moments
from biglearn_sampler.mixture import GaussianMixture
from biglearn_sampler.runs.summary import sentences

METRICS = {entry.name: entry for entry in biglearn_metrics()}
MEANS = np.array([[-6.0, 0.0], [6.0, 0.0], [0.0, 8.0]])
MASSES = np.array([0.5, 0.3, 0.2])
MIXTURE = GaussianMixture.of(MEANS, 0.5, MASSES)
TARGET = MixtureTarget.of(MIXTURE, scale=8.0)
EQUAL = MixtureTarget.of(GaussianMixture.of(MEANS, 0.5), scale=8.0)


def measure(name: str, draws: Draws, target: AbstractTarget = TARGET) -> dict[str, Measured]:
    return METRICS[name].build().compute(draws, target, jax.random.key(0))


def value_of(figure: Measured) -> float:
    assert figure.value is not None, figure.reason
    return figure.value


def sampled(masses, count: int = 2000, seed: int = 1) -> Draws:
    points = GaussianMixture.of(MEANS, 0.5, masses).sample(jax.random.key(seed), count)
    return Draws(np.asarray(points, float), np.zeros(count))


def in_modes(counts) -> Draws:
    points = np.repeat(MEANS, counts, axis=0)
    return Draws(points, np.zeros(len(points)))


# --- binomial intervals


@pytest.mark.parametrize("found", [0, 1, 3, 8, 20])
def test_the_interval_is_that_of_clopper_and_pearson(found):
    """One mode in twenty is to be covered by two hundred draws."""
    masses = np.array([0.5, 0.45, 0.05])
    target = MixtureTarget.of(GaussianMixture.of(MEANS, 0.01, masses), scale=8.0)
    figures = measure("mode_coverage", in_modes([100, 100 - found, found]), target)
    ends = binomtest(found, 200).proportion_ci(0.95, method="exact")
    for name, end in {"low": ends.low, "high": ends.high}.items():
        assert figures[f"modes_covered_{name}"].value == 2 + (end >= 0.1 * 0.05), name
    assert figures["modes_covered"].value == 2 + (found >= 1)


def test_chains_that_stay_leave_wide_intervals():
    stuck = replace(in_modes([500, 500, 0]), chains=4)
    figures = measure("mode_coverage", stuck)
    # Four chains that each stay in a mode are worth about four draws; they may have missed the third by chance.
    assert figures["modes_covered"].value == 2
    assert figures["modes_covered_high"].value == 3
    assert measure("mode_coverage", in_modes([500, 500, 0]))["modes_covered_high"].value == 2


def test_chains_that_stay_tell_no_error_and_have_the_floor_of_as_few_draws():
    """Where every visited mode has too much mass the distance never changes, and its own count says nothing."""
    stuck = replace(in_modes([1000, 1000, 0]), chains=4)
    halves = MixtureTarget.of(GaussianMixture.of(MEANS, 0.5, [0.4, 0.3, 0.3]), scale=8.0)
    figures = measure("mode_coverage", stuck, halves)
    assert value_of(figures["mode_mass_tv"]) == pytest.approx(0.3, abs=1e-6)
    assert figures["mode_mass_tv"].standard_error is None
    laws = {mass: binom(4, mass) for mass in (0.4, 0.3)}
    off = {mass: law.expect(lambda count, mass=mass: abs(count / 4 - mass)) for mass, law in laws.items()}
    of_four = 0.5 * (off[0.4] + 2 * off[0.3])
    assert value_of(figures["mode_mass_tv_floor"]) == pytest.approx(of_four, rel=1e-6)
    alone = replace(in_modes([1, 0, 0]), chains=1)
    assert value_of(measure("mode_coverage", alone, halves)["mode_mass_tv_floor"]) == pytest.approx(1.0 - 0.34)
    assert value_of(measure("energy_histogram", stuck, halves)["energy_tv_floor"]) > 0.1


def test_draws_of_one_family_are_worth_one():
    draws = in_modes([400, 400, 200])
    alone = replace(draws, families=np.arange(1000))
    pairs = replace(draws, families=np.arange(1000) // 2)
    assert (draws.worth, alone.worth, pairs.worth) == pytest.approx((1000, 1000, 500))
    figures = [measure("mode_coverage", each) for each in (draws, alone, pairs)]
    errors = [figure["mode_mass_tv"].standard_error for figure in figures]
    assert errors[0] == pytest.approx(errors[1]) and errors[2] == pytest.approx(np.sqrt(2.0) * errors[0], rel=1e-2)
    floors = [value_of(figure["mode_mass_tv_floor"]) for figure in figures]
    assert floors[2] == pytest.approx(np.sqrt(2.0) * floors[0], rel=1e-2)
    values = {"x": draws.points[:, 0]}
    single, double = (moments(values, each)["x"]["mcse"] for each in (draws, pairs))
    assert single is not None and double == pytest.approx(np.sqrt(2.0) * single, rel=1e-2)


def test_weights_of_a_methods_own_set_the_masses_right():
    wrong = sampled([0.2, 0.3, 0.5])
    assert value_of(measure("mode_coverage", wrong)["mode_mass_tv"]) > 0.25
    modes = np.abs(wrong.points[:, None] - MEANS).sum(axis=2).argmin(axis=1)
    weights = (MASSES / [0.2, 0.3, 0.5])[modes]
    weighted = replace(wrong, weights=weights / weights.sum())
    count = 1.0 / float((weighted.shares**2).sum())
    for name, figure in (("mode_coverage", "mode_mass_tv"), ("mode_mass_kl", "mode_mass_kl")):
        found = measure(name, weighted)
        assert value_of(found[figure]) < 5 * value_of(found[f"{figure}_floor"])
    # The floor is that of 1 / sum w^2 draws.
    floor = measure("mode_mass_kl", weighted)["mode_mass_kl_floor"]
    assert floor.value == pytest.approx(2 / (2 * count)) and count < 1500


def test_draws_with_weights_keep_them_although_there_is_a_density():
    draws = Draws(np.array([[0.0], [1.0]]), np.zeros(2), np.array([0.0, 3.0]), weights=np.array([0.25, 0.75]))
    assert draw_weights(draws).tolist() == [0.25, 0.75]
    assert moments({"x": draws.points[:, 0]}, draws)["x"]["mean"] == 0.75
    reason = "the draws have weights of their own, so they do not follow the method's density"
    for name in ("elbo", "log_z", "ess", "khat"):
        found = measure(name, replace(draws, points=np.zeros((2, 2))))
        found.pop("zero_density_draws", None)
        assert set(found.values()) == {Measured.missing(reason)}


# --- divergence of masses


@pytest.mark.parametrize("seed", range(3))
def test_divergence_of_wrong_masses(seed):
    wrong = np.array([0.2, 0.4, 0.4])
    found = measure("mode_mass_kl", sampled(wrong, seed=seed))["mode_mass_kl"]
    assert found.standard_error is not None
    assert found.value == pytest.approx(float(wrong @ np.log(wrong / MASSES)), abs=4 * found.standard_error)


def test_divergence_of_a_missed_mode_is_finite():
    assert measure("mode_mass_kl", in_modes([50, 0, 0]))["mode_mass_kl"].value == pytest.approx(np.log(2.0))


def test_standard_error_of_the_divergence_is_its_spread():
    found = [measure("mode_mass_kl", sampled([0.2, 0.4, 0.4], 200, seed))["mode_mass_kl"] for seed in range(40)]
    spread = np.std([value_of(each) for each in found], ddof=1)
    assert np.mean([each.standard_error or 0.0 for each in found]) == pytest.approx(spread, rel=0.3)


@pytest.mark.parametrize(("name", "target"), [("mode_mass_kl", TARGET), ("entropic_coverage", EQUAL)])
def test_floors_are_the_average_and_the_spread_of_exact_draws(name, target):
    masses = np.asarray(target.mixture.weights, float)
    found = [measure(name, sampled(masses, 200, seed), target) for seed in range(64)]
    values = np.array([value_of(each[name]) for each in found])
    floor = found[0][f"{name}_floor"]
    assert floor.standard_error == pytest.approx(values.std(ddof=1), rel=0.5)
    assert floor.value == pytest.approx(values.mean(), abs=4 * values.std(ddof=1) / 8)


# --- entropic coverage


def test_entropy_of_equal_modes():
    assert measure("entropic_coverage", in_modes([70, 70, 70]), EQUAL)["entropic_coverage"].value == pytest.approx(1.0)
    assert measure("entropic_coverage", in_modes([70, 0, 0]), EQUAL)["entropic_coverage"].value == pytest.approx(0.0)
    half = measure("entropic_coverage", in_modes([70, 70, 0]), EQUAL)["entropic_coverage"].value
    assert half == pytest.approx(np.log(2.0) / np.log(3.0))


@pytest.mark.parametrize("seed", range(3))
def test_entropy_of_wrong_masses_within_its_error(seed):
    found = measure("entropic_coverage", sampled(MASSES, seed=seed), EQUAL)["entropic_coverage"]
    assert found.standard_error is not None
    assert found.value == pytest.approx(float(-MASSES @ np.log(MASSES)) / np.log(3.0), abs=4 * found.standard_error)


def test_entropy_has_no_meaning_for_unequal_modes():
    reason = "the modes have unequal masses; mode_mass_kl serves there instead"
    assert set(measure("entropic_coverage", sampled(MASSES)).values()) == {Measured.missing(reason)}
    single = MixtureTarget.of(GaussianMixture.of(MEANS[:1], 0.5), scale=8.0)
    assert measure("entropic_coverage", sampled(MASSES), single)["entropic_coverage"] == Measured.missing(
        "the target has one mode only"
    )


@pytest.mark.parametrize("name", ["mode_mass_kl", "entropic_coverage"])
def test_unknown_modes_have_no_masses(name):
    bare = function_target(lambda point: -0.5 * jnp.sum(point**2), dim=2, scale=3.0)
    assert set(measure(name, sampled(MASSES), bare).values()) == {
        Measured.missing("the modes of the target are not known")
    }


# --- chains that agree on too few modes


def test_chains_that_agree_say_how_many_modes_they_visited():
    points = sampled([0.6, 0.4, 1e-12]).points
    found = measure("chain_diagnostics", Draws(points, np.zeros(2000), chains=4))["rhat_max"]
    assert found.value is not None and found.value < 1.01
    assert found.reason == "R-hat 1.00, 2 of 3 modes: R-hat cannot see the others"
    every = measure("chain_diagnostics", Draws(sampled(MASSES).points, np.zeros(2000), chains=4))["rhat_max"]
    assert every.reason is None


def test_the_summary_says_it_of_every_baseline():
    figures = {"rhat_max": 1.004, "modes_covered": 2, "modes_total": 25}
    found = sentences({"baselines": {"nuts": figures, "other": {**figures, "rhat_max": 1.7}, "third": {}}})
    assert found == [
        "Baseline nuts: R-hat 1.00, 2 of 25 modes: R-hat cannot see a mode that no chain visits.",
        "Baseline other: R-hat 1.70, 2 of 25 modes.",
    ]


def test_one_family_tells_no_error():
    draws = in_modes([400, 400, 200])
    weights = np.random.default_rng(0).random(1000)
    kin = replace(draws, families=np.zeros(1000, int), weights=weights / weights.sum())
    assert measure("mode_coverage", kin)["mode_mass_tv"].standard_error is None
    assert moments({"x": draws.points[:, 0]}, kin)["x"]["mcse"] is None
    # Of two, each is off by half of their distance.
    two = replace(draws, families=(np.arange(1000) >= 500).astype(int))
    found = moments({"x": (np.arange(1000) >= 500).astype(float)}, two)["x"]
    assert found["mcse"] == pytest.approx(0.5)
