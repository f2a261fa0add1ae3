"""Parallel tempering: masses and log Z that are right, a ladder of equal steps, exact counts."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import chi2

from biglearn_plugins.baselines.parallel_tempering import ENTRY, Replicas, Tempered, _settled, even_ladder
from biglearn_plugins.baselines.stepping_stones import log_ratio
from biglearn_sampler.catalogue import Catalogue
from biglearn_sampler.energy import AbstractTarget, from_numpy, function_target
from biglearn_sampler.evaluation import BaselineResult
from biglearn_sampler.evaluation.importance import effective_count, moments
from biglearn_sampler.learning.start import StartRegion

CATALOGUE = Catalogue()


def run(target: AbstractTarget, budget: int | None = None, seed: int = 0, start: float = 1.0, **parameters):
    region = StartRegion(target.centre, start * jnp.diag(target.scale), 0.3 * target.scale)
    return ENTRY.build(**parameters).run(target, region, jax.random.key(seed), budget)


def two_wells(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Widths 0.1 and 0.2 at -3 and 3, where the second has eight times the mass; Z = 9."""
    places, widths, weights = np.array([-3.0, 3.0]), np.array([0.1, 0.2]), np.array([1.0, 8.0])
    scores = (points - places) / widths
    parts = np.log(weights / widths) - 0.5 * scores**2 - 0.5 * np.log(2.0 * np.pi)
    values = np.logaddexp(*parts.T)
    return values, -(np.exp(parts - values[:, None]) * scores / widths).sum(1, keepdims=True)


def test_masses_log_z_and_counts_of_two_wells():
    asked = []

    def value_and_gradient(points):
        asked.append(len(points))
        return two_wells(points)

    target = from_numpy(lambda x: two_wells(x)[0], value_and_gradient=value_and_gradient, dim=1, scale=4.0)
    budget = 40_000
    result = run(target, budget, chains=2, rungs=6, steps=2, warmup=500, start=0.01)
    assert sum(asked) == result.evaluations.gradient == result.evaluations.total
    assert budget <= result.evaluations.total <= 1.01 * budget
    assert result.warmup.gradient == 500 * 24 + 12
    assert result.log_z is not None and result.log_z.value is not None and result.log_z.standard_error is not None
    assert abs(result.log_z.value - math.log(9.0)) < 4 * result.log_z.standard_error < 0.4
    x = result.draws.points[:, 0]
    found = moments({"wide": 1.0 * (x > 0), "variance": (x - 3.0) ** 2 * (x > 0)}, result.draws)
    for name, truth in (("wide", 8 / 9), ("variance", 0.04 * 8 / 9)):
        mean, error = found[name]["mean"], found[name]["mcse"]
        assert mean is not None and error is not None and abs(mean - truth) < 4 * error < 0.4 * truth
    assert result.notes["round_trips"] > 100 and 0.6 < result.notes["acceptance"] < 0.95


def test_a_ladder_may_have_two_rungs():
    target = function_target(lambda x: -0.5 * jnp.sum((x - 1.0) ** 2), dim=1, scale=2.0)
    result = run(target, 10_000, chains=2, rungs=2, steps=1, warmup=100)
    assert result.log_z is not None and result.log_z.value is not None and result.log_z.standard_error is not None
    assert abs(result.log_z.value - 0.5 * math.log(2 * math.pi)) < 4 * result.log_z.standard_error < 0.4


def test_the_ladder_moves_to_equal_rejection():
    ladder = jnp.array([0.0, 0.2, 0.6, 1.0])
    np.testing.assert_allclose(even_ladder(ladder, jnp.array([0.3, 0.3, 0.3])), ladder, atol=1e-6)
    # Barrier 0, 0.6, 0.7, 0.9: equal parts of 0.3 end at 0.1 and at 0.2.
    np.testing.assert_allclose(
        even_ladder(ladder, jnp.array([0.6, 0.1, 0.2])), jnp.array([0.0, 0.1, 0.2, 1.0]), atol=1e-6
    )
    assert (jnp.diff(even_ladder(ladder, jnp.zeros(3))) > 0).all()


@pytest.mark.parametrize(("done", "moves"), [(0, False), (255, False), (256, True), (496, True)])
def test_most_of_a_round_that_the_warmup_cuts_off_counts(done: int, moves: bool):
    ladder, rejection = jnp.array([0.0, 0.2, 0.6, 1.0]), jnp.array([0.6, 0.1, 0.2])
    nothing = jnp.zeros(4)
    state = Tempered(
        key=jax.random.key(0),
        replicas=Replicas(jnp.zeros((1, 4, 2)), jnp.zeros((1, 4)), jnp.zeros((1, 4, 2)), jnp.zeros((1, 4), bool)),
        ladder=ladder,
        log_steps=nothing,
        rejected=done * rejection,
        in_round=jnp.asarray(done),
        round_length=jnp.asarray(512),
        is_even=jnp.asarray(True),
        is_adapting=jnp.asarray(True),
    )
    settled = _settled(state)
    assert not settled.is_adapting
    np.testing.assert_allclose(settled.ladder, even_ladder(ladder, rejection) if moves else ladder, atol=1e-6)


def gaussian_path(seed: int, ladder: np.ndarray, count: int) -> np.ndarray:
    """Exact draws of all rungs between N(0, 1) and `exp(-x^2 / (2 * 0.01))`, whose `Z(1) / Z(0)` is 0.1 sqrt(2 pi)."""
    precision = 1.0 + ladder * 99.0
    x = np.random.default_rng(seed).normal(size=(2, count, len(ladder))) / np.sqrt(precision)
    return -49.5 * x**2 + 0.5 * math.log(2 * math.pi)


def test_log_z_and_its_error_from_exact_draws():
    ladder = np.array([0.0, 0.01, 0.05, 0.2, 0.5, 1.0])
    found = [log_ratio(gaussian_path(seed, ladder, 200), ladder) for seed in range(100)]
    values, errors = np.array([[each.value, each.standard_error] for each in found], float).T
    truth = math.log(0.1 * math.sqrt(2 * math.pi))
    scores = (values - truth) / errors
    assert abs(scores.mean()) < 0.4 and 0.8 < scores.std() < 1.25
    assert 0.8 < errors.mean() / values.std() < 1.25


def test_rungs_with_nothing_in_common_give_no_log_z():
    ladder = np.array([0.0, 1.0])
    values = np.full((2, 10, 2), 0.0)
    values[..., 0] = -np.inf
    assert log_ratio(values, ladder).reason == "neighbouring temperatures have nothing in common; more rungs may help"


def phi4_log_z(kappa: float, lambda_: float) -> float:
    """Of the lattice of 2 x 2 sites by quadrature: given two sites across, the other two are independent."""
    grid = np.linspace(-12.0, 12.0, 961)
    step = grid[1] - grid[0]
    alone = -(1.0 - 2.0 * lambda_) * grid**2 - lambda_ * grid**4
    sums = np.linspace(-24.0, 24.0, 1921)
    inner = np.exp(alone[None] + 4.0 * kappa * sums[:, None] * grid[None]).sum(1) * step
    index = np.add.outer(np.arange(961), np.arange(961))
    return float(np.log((np.exp(np.add.outer(alone, alone)) * inner[index] ** 2).sum() * step**2))


@pytest.mark.slow
def test_phi4_on_four_sites_has_the_log_z_of_quadrature():
    target = CATALOGUE.build("target", "phi4", {"side": 2, "kappa": 0.4}).value
    result = run(target, 120_000, chains=2, rungs=6, steps=2, warmup=300)
    assert result.log_z is not None and result.log_z.value is not None and result.log_z.standard_error is not None
    assert abs(result.log_z.value - phi4_log_z(0.4, 0.022)) < 4 * result.log_z.standard_error < 0.3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["grid25", "mog40", "many_well", "phi4"])
def test_masses_of_modes_of_the_gallery(name):
    target = CATALOGUE.build("target", name).value
    results = [run(target, 4_000_000, seed) for seed in range(3)]
    shares, errors, truth = zip(*(masses(name, target, result) for result in results), strict=True)
    scores = (np.array(shares) - truth) / np.array(errors)
    # Of up to 120 scores some are above 3 by chance. Masses of modes sum to one, so that one of them tells nothing new;
    # the squares of the others exceed this bound in one case of 10,000.
    independent = len(results) * (scores.shape[1] - (name != "many_well"))
    assert np.mean(np.abs(scores) > 3) < 0.05
    assert (scores**2).mean() * independent < chi2.ppf(0.9999, independent)
    if target.facts.log_z is not None:
        for log_z in [result.log_z for result in results]:
            assert log_z is not None and log_z.value is not None and log_z.standard_error is not None
            assert abs(log_z.value - target.facts.log_z) < 3.5 * log_z.standard_error


def masses(name: str, target: AbstractTarget, result: BaselineResult) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shares of the modes, their errors and the truth; of `many_well`, of the right well of every pair."""
    draws, facts = result.draws, target.facts
    if name == "many_well":
        belongs, truth = (draws.points[:, ::2] > 0).astype(float), np.full(target.dim // 2, 0.8443)
    else:
        assert facts.responsibilities is not None
        belongs = np.asarray(jax.lax.map(facts.responsibilities, jnp.asarray(draws.points, float), batch_size=1024))
        truth = np.asarray(facts.mode_weights, float)
    counts = np.array([effective_count(column.reshape(draws.chains, -1)) for column in belongs.T])
    return belongs.mean(0), belongs.std(0, ddof=1) / np.sqrt(counts), truth
