"""Every built-in metric: ideal on exact draws within its own error, and not fooled by a wrong sampler."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biglearn_plugins.metrics import biglearn_metrics
from biglearn_sampler.catalogue import Built, Catalogue
from biglearn_sampler.energy import AbstractTarget, Facts, MixtureTarget, function_target
from biglearn_sampler.errors import Diverged
from biglearn_sampler.evaluation import AbstractMetric, Draws, Measured, figures_problem
from biglearn_sampler.evaluation.drawing import draws_of
from biglearn_sampler.evaluation.importance import moments
from biglearn_sampler.mixture import GaussianMixture
from biglearn_sampler.runs.evaluate import figures_of
from biglearn_sampler.runs.summary import sentences

METRICS = {entry.name: entry for entry in biglearn_metrics()}
KEY = jax.random.key(0)
MEANS = np.array([[-4.0, 0.0], [4.0, 0.0], [0.0, 5.0]])
MIXTURE = GaussianMixture.of(MEANS, 0.5, [0.5, 0.3, 0.2])
TARGET = MixtureTarget.of(MIXTURE, scale=8.0)
ONE_MODE = GaussianMixture.of(MEANS[:1], 0.5)
WIDE = GaussianMixture.of(MEANS, 0.8, [0.5, 0.3, 0.2])
NAMELESS = function_target(lambda point: -0.5 * jnp.sum(point**2), dim=2, scale=3.0)


def measure(name: str, draws: Draws, target: AbstractTarget = TARGET, **parameters) -> dict[str, Measured]:
    return METRICS[name].build(**parameters).compute(draws, target, KEY)


def value_of(figure: Measured) -> float:
    assert figure.value is not None, figure.reason
    return figure.value


def error_of(figure: Measured) -> float:
    assert figure.standard_error is not None
    return figure.standard_error


def sampled(sampler: GaussianMixture, target: AbstractTarget = TARGET) -> Draws:
    points = sampler.sample(jax.random.key(1), 4000)
    log_target = np.asarray(jax.jit(jax.vmap(target.log_density))(points), float)
    return Draws(np.asarray(points), log_target, np.asarray(sampler.log_density(points), float))


def chains_of(points: np.ndarray, chains: int = 4) -> Draws:
    return Draws(points, np.zeros(len(points)), chains=chains)


def times_exp(constant: float) -> AbstractTarget:
    """The mixture times `exp(constant)`, with log Z known."""
    return function_target(
        lambda point: MIXTURE.log_density(point) + constant, dim=2, scale=8.0, facts=Facts(log_z=constant)
    )


EXACT = sampled(MIXTURE)
STUCK = Draws(EXACT.points[:8], np.full(8, -np.inf), np.zeros(8))


# --- elbo


def test_elbo_of_the_exact_sampler_is_log_z():
    target = times_exp(2.5)
    found = measure("elbo", sampled(MIXTURE, target), target)
    assert found["elbo"].value == pytest.approx(2.5, abs=1e-5)
    assert found["kl_reverse"].value == pytest.approx(0.0, abs=1e-5)
    assert found["zero_density_draws"].value == 0.0


def test_elbo_sees_a_wrong_sampler_within_its_error():
    found = measure("elbo", sampled(ONE_MODE))["kl_reverse"]
    # KL of the first mode from the mixture is log 2 as long as the modes do not overlap.
    assert found.value == pytest.approx(np.log(2.0), abs=5 * error_of(found) + 1e-3)
    wide = measure("elbo", sampled(WIDE))["kl_reverse"]
    # Two coordinates, variance 0.8 for 0.5: KL = r - 1 - log r with r = 1.6.
    assert wide.value == pytest.approx(0.6 - np.log(1.6), abs=5 * error_of(wide))
    # The variance of a log ratio is (r - 1)^2 for each pair of coordinates.
    assert error_of(wide) == pytest.approx(0.6 / np.sqrt(4000), rel=0.1)


def test_a_draw_of_density_zero_leaves_no_elbo():
    log_target = EXACT.log_target.copy()
    log_target[:3] = -np.inf
    found = measure("elbo", Draws(EXACT.points, log_target, EXACT.log_sampler))
    assert found["elbo"] == Measured.missing("3 of 4000 draws have target density zero, so that the bound is -inf")
    assert found["kl_reverse"].value is None
    assert found["zero_density_draws"].value == 3.0


def test_divergence_needs_log_z():
    found = measure("elbo", sampled(ONE_MODE, NAMELESS), NAMELESS)
    assert found["kl_reverse"] == Measured.missing("log Z of the target is not known")
    assert found["elbo"].value is not None


# --- log_z


def test_log_z_is_found_within_its_error():
    target = times_exp(-3.0)
    found = measure("log_z", sampled(WIDE, target), target)
    error = error_of(found["log_z"])
    assert 0.0 < error < 0.05
    assert found["log_z"].value == pytest.approx(-3.0, abs=4 * error)
    assert found["log_z_error"].value == pytest.approx(value_of(found["log_z"]) + 3.0)


def test_standard_error_of_log_z_is_the_spread_of_repeated_estimates():
    every = sampled(WIDE)
    assert every.log_sampler is not None
    found = []
    for part in np.arange(every.count).reshape(40, 100):
        draws = Draws(every.points[part], every.log_target[part], every.log_sampler[part])
        found.append(measure("log_z", draws)["log_z"])
    spread = np.std([value_of(each) for each in found])
    assert np.mean([error_of(each) for each in found]) == pytest.approx(spread, rel=0.3)


def test_log_z_misses_what_the_sampler_never_visits():
    found = measure("log_z", sampled(ONE_MODE))["log_z_error"]
    assert found.value == pytest.approx(np.log(0.5), abs=1e-2)


@pytest.mark.parametrize("name", ["elbo", "log_z", "eubo", "log_z_forward"])
def test_no_error_is_smaller_than_the_rounding_of_log_densities(name: str) -> None:
    figure = measure(name, draws_of(MIXTURE, TARGET, 1000, KEY))[name]
    spacing = float(np.spacing(np.float32(np.log(4.0))))
    assert spacing <= error_of(figure) < 8.0 * spacing
    assert abs(value_of(figure)) < 4.0 * error_of(figure)


def test_log_z_warns_of_a_heavy_tail():
    narrow = GaussianMixture.of(MEANS, 0.05, [0.5, 0.3, 0.2])
    found = measure("log_z", sampled(narrow))["log_z"]
    assert found.reason is not None and "neither the value nor its error can be relied on" in found.reason
    assert measure("log_z", sampled(WIDE))["log_z"].reason is None


# --- ess


def test_ess_is_one_for_the_exact_sampler_and_less_for_a_wide_one():
    assert measure("ess", EXACT)["ess"].value == pytest.approx(1.0, abs=1e-6)
    # For each coordinate E[w]^2 / E[w^2] = sqrt(r (2 - r)) with r = variance of target / of sampler.
    ratio = 0.5 / 0.8
    assert measure("ess", sampled(WIDE))["ess"].value == pytest.approx(ratio * (2 - ratio), abs=0.03)


def test_ess_is_blind_to_missed_modes_and_says_so():
    found = measure("ess", sampled(ONE_MODE))["ess"]
    assert found.value == pytest.approx(1.0, abs=1e-3)
    assert found.reason is not None and "blind to missed modes" in found.reason


# --- khat


def test_khat_tells_wide_from_narrow_samplers():
    wide = measure("khat", sampled(WIDE))["khat"]
    assert wide.value is not None and wide.value < 0.5 and wide.reason is None
    # Weights of a normal sampler of variance v for variance 1 have tail shape 1 - v: here 0.9.
    narrow = measure("khat", sampled(GaussianMixture.of(MEANS, 0.05, [0.5, 0.3, 0.2])))["khat"]
    assert narrow.value == pytest.approx(0.9, abs=0.2)
    assert narrow.reason == "above 0.7: weights are unreliable"


def test_khat_of_constant_weights_is_missing():
    assert measure("khat", EXACT)["khat"] == Measured.missing(
        "the largest weights are equal to rounding; k-hat has no meaning there"
    )
    # Rounding grows with the size of the log densities.
    rounding = 1e-3 * np.random.default_rng(0).normal(size=500)
    far = Draws(np.zeros((500, 1)), 1e6 + rounding, np.full(500, 1e6))
    assert measure("khat", far)["khat"].value is None


def test_weights_that_nothing_can_be_said_of_are_no_reason_to_trust():
    """In many dimensions a single weight may hold all: then there is no k-hat, and all the more a warning."""
    points = sampled(MIXTURE).points
    worst = Draws(points, 3000.0 * np.random.default_rng(0).normal(size=4000), np.zeros(4000))
    assert measure("khat", worst)["khat"].value is None
    reason = measure("log_z", worst)["log_z"].reason
    assert reason is not None and "neither the value nor its error can be relied on" in reason
    told = sentences({"log_z": 1.0, "khat": None, "reasons": {"log_z": "too few weights differ"}})
    assert any("too few weights differ" in each for each in told)
    few = Draws(points, np.where(np.arange(4000) < 5, 0.0, -np.inf), np.zeros(4000))
    assert "at least 25 draws" in str(measure("log_z", few)["log_z"].reason)
    assert measure("log_z", EXACT)["log_z"].reason is None


def test_khat_needs_draws_that_differ():
    few = Draws(EXACT.points[:10], EXACT.log_target[:10], np.arange(10.0))
    assert measure("khat", few)["khat"] == Measured.missing(
        "k-hat needs at least 25 draws with positive weight, got 10"
    )
    log_target = np.where(np.arange(100) == 3, 20.0, 0.0)
    single = Draws(np.zeros((100, 1)), log_target, np.zeros(100))
    assert measure("khat", single)["khat"] == Measured.missing(
        "too few weights differ in the tail, so that no law can be fitted to it"
    )


# --- mode_coverage


def test_exact_draws_cover_all_modes_near_the_sampling_floor():
    found = measure("mode_coverage", EXACT)
    assert (found["modes_covered"].value, found["modes_total"].value) == (3.0, 3.0)
    # Of many draws, binomial laws are normal ones.
    floor = 0.5 * np.sqrt(2 * np.array([0.25, 0.21, 0.16]) / (np.pi * 4000)).sum()
    assert found["mode_mass_tv_floor"].value == pytest.approx(floor, rel=1e-3)
    assert value_of(found["mode_mass_tv"]) < 3 * floor


def test_the_floor_is_the_average_of_exact_draws():
    points = EXACT.points.reshape(40, 100, 2)
    found = [measure("mode_coverage", Draws(each, np.zeros(100))) for each in points]
    average = np.mean([value_of(each["mode_mass_tv"]) for each in found])
    assert average == pytest.approx(found[0]["mode_mass_tv_floor"].value, rel=0.25)


def test_a_missed_mode_is_seen():
    found = measure("mode_coverage", sampled(ONE_MODE))
    assert found["modes_covered"].value == 1.0
    assert found["mode_mass_tv"].value == pytest.approx(0.5, abs=1e-3)


def test_wrong_mass_is_seen_within_its_error():
    found = measure("mode_coverage", sampled(GaussianMixture.of(MEANS, 0.5, [0.2, 0.4, 0.4])))
    assert found["modes_covered"].value == 3.0
    error = error_of(found["mode_mass_tv"])
    assert found["mode_mass_tv"].value == pytest.approx(0.3, abs=4 * error)
    # The share of the first mode decides: sqrt(0.2 (1 - 0.2) / n).
    assert error == pytest.approx(0.4 / np.sqrt(4000), rel=0.05)


def test_share_decides_what_is_covered():
    light = sampled(GaussianMixture.of(MEANS, 0.5, [0.5, 0.45, 0.05]))
    assert measure("mode_coverage", light)["modes_covered"].value == 3.0
    assert measure("mode_coverage", light, share=0.5)["modes_covered_0.5"].value == 2.0
    with pytest.raises(ValueError, match="share must be above 0 and at most 1, got 0"):
        METRICS["mode_coverage"].build(share=0.0)


def test_few_draws_are_told():
    found = measure("mode_coverage", Draws(EXACT.points[:20], EXACT.log_target[:20]))["modes_covered"]
    assert found.reason == "the lightest mode expects 4 of 20 draws; exact draws may miss it by chance"


def test_chains_have_the_floor_of_their_effective_count():
    repeated = np.repeat(EXACT.points[:1000], 4, axis=0)
    sticky = measure("mode_coverage", chains_of(repeated))["mode_mass_tv_floor"]
    free = measure("mode_coverage", Draws(repeated, np.zeros(4000)))["mode_mass_tv_floor"]
    assert sticky.value == pytest.approx(2 * value_of(free), rel=0.2)


def test_a_target_without_known_modes_has_no_coverage():
    found = measure("mode_coverage", EXACT, NAMELESS)
    assert {"modes_covered", "modes_total", "mode_mass_tv", "mode_mass_tv_floor"} < set(found)
    assert set(found.values()) == {Measured.missing("the modes of the target are not known")}


# --- chain_diagnostics


def test_exact_chains_agree():
    found = measure("chain_diagnostics", chains_of(EXACT.points))
    assert found["rhat_max"].value == pytest.approx(1.0, abs=0.01)
    assert found["ess_bulk_min"].value == pytest.approx(4000, rel=0.15)


def test_a_common_drift_is_seen():
    points = EXACT.points + np.tile(np.linspace(0.0, 9.0, 1000), 4)[:, None]
    assert value_of(measure("chain_diagnostics", chains_of(points))["rhat_max"]) > 1.2


@pytest.mark.parametrize("planted", ["location", "scale"])
def test_chains_that_disagree_are_seen(planted):
    points = EXACT.points.reshape(4, 1000, 2).copy()
    points[0, :, 1] = points[0, :, 1] + 6.0 if planted == "location" else 8.0 * points[0, :, 1]
    found = measure("chain_diagnostics", chains_of(points.reshape(-1, 2)))
    assert value_of(found["rhat_max"]) > 1.05


def test_what_chains_cannot_say_is_told():
    assert measure("chain_diagnostics", EXACT)["rhat_max"] == Measured.missing("independent draws have no chains")
    short = measure("chain_diagnostics", chains_of(EXACT.points[:12]))
    assert short["ess_bulk_min"] == Measured.missing("chains need at least 4 draws, got 3")
    still = measure("chain_diagnostics", chains_of(np.repeat(EXACT.points[:4], 50, axis=0)))
    assert still["rhat_max"] == Measured.missing("no chain moves in coordinate 0")


# --- all


@pytest.mark.parametrize("name", ["elbo", "log_z", "ess", "khat"])
@pytest.mark.parametrize("draws", [chains_of(EXACT.points), STUCK], ids=["chains", "all zero"])
def test_what_needs_weights_is_missing_without_them(name, draws):
    reason = (
        "all 8 draws have target density zero"
        if draws is STUCK
        else "the method has no density of its own, so its draws have no importance weights"
    )
    found = measure(name, draws)
    found.pop("zero_density_draws", None)
    assert found and set(found.values()) == {Measured.missing(reason)}


@pytest.mark.parametrize("name", METRICS)
def test_no_figure_is_ever_nan(name):
    rounding = Draws(EXACT.points[:2], np.array([0.0, -np.inf]), np.array([0.0, 5.0]))
    for draws in (EXACT, STUCK, rounding, chains_of(EXACT.points), chains_of(np.zeros((40, 2)))):
        for figure in measure(name, draws).values():
            numbers = [each for each in (figure.value, figure.standard_error) if each is not None]
            assert np.isfinite(numbers).all()
            assert figure.value is not None or figure.reason


# --- digits


def test_densities_of_correlated_coordinates_far_from_zero_keep_their_digits():
    """In the target's own units a mean may be ten thousand deviations away."""
    dim = 10
    covariance = 0.01 * np.eye(dim) + 0.99
    sampler = GaussianMixture.of(np.full((1, dim), 1e4), covariance)
    target = MixtureTarget.of(sampler, scale=1e4)
    draws = draws_of(sampler, target, 2000, KEY)
    factor = np.asarray(sampler.factors[0], float)
    standard = np.linalg.solve(factor, (draws.points - np.asarray(sampler.means[0], float)).T)
    constant = np.log(np.diagonal(factor)).sum() + 0.5 * dim * np.log(2.0 * np.pi)
    exact = -0.5 * (standard**2).sum(0) - constant
    assert draws.log_sampler is not None and draws.log_sampler_at is not None
    # Around zero it would be 0.016.
    assert np.std(draws.log_sampler - exact) < 4e-3
    assert np.std(draws.log_sampler_at(draws.points) - exact) < 4e-3


def test_a_sampler_of_unlike_widths_is_not_taken_for_a_broken_one():
    """The mean density of few draws goes by how many of them fell on the narrow component."""
    law = GaussianMixture.of(10.0 * np.eye(2, 50), np.square([1.0, 0.01])[:, None, None] * np.eye(50), [0.5, 0.5])
    target = MixtureTarget.of(law, scale=10.0)
    for seed in range(12):
        assert draws_of(law, target, 1000, jax.random.key(seed)).count == 1000


@pytest.mark.parametrize(("least", "turned", "told"), [(1e-9, True, False), (1e-9, False, True), (1e-3, True, True)])
def test_no_figure_is_given_where_rounding_decides_the_density_of_draws(least, turned, told):
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0] if turned else np.eye(3)
    # Of positive diagonal, also where the covariance would be rounded to a singular one.
    upper = np.linalg.qr(np.diag([1.0, 0.5, least]) @ turn.T)[1]
    factors = np.stack([np.eye(3), (upper * np.sign(np.diag(upper))[:, None]).T])
    means = jnp.asarray([[0.0] * 3, [3.0] * 3])
    sampler = GaussianMixture(jnp.log(jnp.full(2, 0.5)), means, jnp.asarray(factors, jnp.float32))
    target = MixtureTarget.of(GaussianMixture.of(np.zeros((1, 3)), 1.0), scale=1.0)
    if told:
        log_sampler = draws_of(sampler, target, 500, KEY).log_sampler
        assert log_sampler is not None and np.isfinite(log_sampler).all()
    else:
        with pytest.raises(Diverged, match="so thin that single precision cannot tell the density"):
            draws_of(sampler, target, 500, KEY)


# names of figures


@pytest.mark.parametrize("name", ["seed", "method", "evaluations", "curve", "moments", "log_z_se", "settings"])
def test_figures_cannot_have_the_names_of_what_records_and_tables_hold(name: str) -> None:
    assert f"the name of figure '{name}' is taken" in str(figures_problem({name: Measured(1.0)}))
    assert figures_problem({f"my_{name.removesuffix('_se')}": Measured(1.0)}) is None


def test_no_built_in_metric_gives_a_figure_that_another_one_gives_differently(caplog: pytest.LogCaptureFixture) -> None:
    catalogue = Catalogue()
    target = catalogue.build("target", "two_modes").value
    mixture = GaussianMixture.of(target.facts.modes, 0.01)
    draws = draws_of(mixture, target, 500, jax.random.key(0))
    chosen = [catalogue.build("metric", name) for name in ("elbo", "mode_coverage", "log_z")]
    plain = figures_of(draws, target, chosen, jax.random.key(1))
    again = figures_of(draws, target, [*chosen, Built(Twice(), chosen[0].record)], jax.random.key(1))
    assert plain["elbo"] == again["elbo"] and again["mine"] == 2.0
    assert [record.message for record in caplog.records] == [
        f"of metric {chosen[0].record.name}, elbo left out: an earlier one gave it"
    ]


def test_a_metric_that_writes_into_the_draws_fails_and_falsifies_nothing(caplog: pytest.LogCaptureFixture) -> None:
    catalogue = Catalogue()
    target = catalogue.build("target", "two_modes").value
    draws = draws_of(GaussianMixture.of(target.facts.modes, 0.01), target, 500, jax.random.key(0))
    elbo = catalogue.build("metric", "elbo")
    plain = figures_of(draws, target, [elbo], KEY)
    with_it = figures_of(draws, target, [Built(Centring(), elbo.record), elbo], KEY)
    assert with_it["moments"] == plain["moments"]
    assert "read-only" in caplog.text


def test_weights_that_sum_to_one_nearly_are_shares() -> None:
    points = np.random.default_rng(0).normal(1e5, 1.0, (4000, 1))
    for total in (1.0, 1.0009):
        found = moments({"x": points[:, 0]}, Draws(points, np.zeros(4000), weights=np.full(4000, total / 4000)))["x"]
        assert found["mean"] == pytest.approx(points.mean(), abs=1e-6)
        assert found["sd"] == pytest.approx(1.0, abs=0.05)


class Centring(AbstractMetric):
    """Moves the draws of all metrics."""

    def compute(self, draws: Draws, target: AbstractTarget, key: Any) -> dict[str, Measured]:
        points = draws.points
        points -= points.mean(axis=0)
        return {"mine": Measured(float(points.mean()))}


class Twice(AbstractMetric):
    """A figure that another metric gives, and one of its own."""

    def compute(self, draws: Draws, target: AbstractTarget, key: Any) -> dict[str, Measured]:
        return {"elbo": Measured(99.0), "mine": Measured(2.0)}
