"""Draws with heavy tails beside those of a sampler: their law, and `log Z` that no tail breaks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from biglearn_plugins.metrics import biglearn_metrics
from biglearn_sampler.energy import AbstractTarget, Facts, MixtureTarget, function_target
from biglearn_sampler.evaluation import Draws, Measured
from biglearn_sampler.evaluation.drawing import DEFENCE, defended_draws_of, draws_of
from biglearn_sampler.mixture import FactoredMixture, GaussianMixture, Mixture, heavy_tailed_draws, log_densities_beside
from biglearn_sampler.runs.missing_mass import in_view_of_what_is_missing

DEGREES, DIM, SEEDS, COUNT, MANY = 3, 8, 8, 4000, 20_000
LOG_Z = next(entry for entry in biglearn_metrics() if entry.name == "log_z").build()
PLAIN = GaussianMixture.of([[0.0, 1.0], [4.0, -2.0]], [[[1.0, 0.6], [0.6, 1.0]], [[0.2, 0.0], [0.0, 3.0]]], [0.3, 0.7])
LINE = GaussianMixture.of([[-3.0], [2.0]], [[[0.5]], [[2.0]]], [0.6, 0.4])
PRODUCT = FactoredMixture(((2, 0), (1,)), (PLAIN, LINE))
beside = jax.jit(jax.vmap(log_densities_beside, (None, 0)))


def student(point: jax.Array) -> jax.Array:
    """Two degrees of freedom, normalised, in `DIM` dimensions: the variance is infinite."""
    constant = jax.scipy.special.gammaln(0.5 * (2 + DIM)) - 0.5 * DIM * jnp.log(2 * jnp.pi)
    return constant - 0.5 * (2 + DIM) * jnp.log1p(0.5 * jnp.sum(point**2))


STUDENT = function_target(student, dim=DIM, scale=3.0, facts=Facts(log_z=0.0))
GAUSSIAN = GaussianMixture.of(np.zeros((1, DIM)), 1.5)


def log_z_of(draws: Draws, target: AbstractTarget) -> Measured:
    return LOG_Z.compute(draws, target, jax.random.key(0))["log_z_error"]


def test_the_densities_are_those_of_the_mixture_and_of_students_t():
    points = np.random.default_rng(0).normal(scale=4.0, size=(50, 2))
    own, heavy = beside(PLAIN, jnp.asarray(points))
    students = [
        weight * stats.multivariate_t(mean, covariance, df=DEGREES).pdf(points)
        for weight, mean, covariance in zip(PLAIN.weights, PLAIN.means, np.asarray(PLAIN.covariances), strict=True)
    ]
    np.testing.assert_allclose(np.exp(heavy), sum(students), rtol=1e-4)
    np.testing.assert_allclose(own, PLAIN.log_density(jnp.asarray(points)), rtol=1e-5)


def test_of_a_product_one_factor_at_a_time_has_heavy_tails():
    points = jnp.asarray(np.random.default_rng(1).normal(scale=4.0, size=(50, 3)))
    (plain, heavy_plain), (line, heavy_line) = beside(PLAIN, points[:, [2, 0]]), beside(LINE, points[:, [1]])
    own, heavy = beside(PRODUCT, points)
    np.testing.assert_allclose(own, plain + line, rtol=1e-5)
    np.testing.assert_allclose(heavy, np.logaddexp(heavy_plain + line, plain + heavy_line) - np.log(2), rtol=1e-4)


def line_of(law: Any, points: np.ndarray) -> np.ndarray:
    """The distribution function of `LINE` with another law in place of each Gaussian."""
    means, deviations = np.asarray(LINE.means)[:, 0], np.asarray(LINE.factors)[:, 0, 0]
    return law.cdf((points[:, None] - means) / deviations) @ np.asarray(LINE.weights)


@pytest.mark.parametrize(("mixture", "coordinate", "share"), [(LINE, 0, 1.0), (PRODUCT, 1, 0.5)])
def test_draws_follow_their_law(mixture: Mixture, coordinate: int, share: float):
    points = heavy_tailed_draws(mixture, np.random.default_rng(2), MANY)[:, coordinate]

    def heavy(at: np.ndarray) -> np.ndarray:
        return share * line_of(stats.t(DEGREES), at) + (1.0 - share) * line_of(stats.norm(), at)

    assert stats.kstest(points, heavy).pvalue > 1e-4
    # The share of draws far out has the error of a binomial; of Gaussians there would be none.
    far = 12.0
    expected = 1.0 - heavy(np.array([far]))[0] + heavy(np.array([-far]))[0]
    assert abs((np.abs(points) > far).mean() - expected) < 4.0 * np.sqrt(expected / MANY)


@pytest.mark.parametrize("mixture", [PLAIN, PRODUCT], ids=["plain", "product"])
def test_draws_and_density_belong_together(mixture: Mixture):
    wide = mixture.affine(jnp.zeros(mixture.dim), jnp.full(mixture.dim, 1.3))
    points = jnp.asarray(heavy_tailed_draws(mixture, np.random.default_rng(3), COUNT))
    _, heavy = beside(mixture, points)
    # Of the same centres and a third wider: the mean of the weights is one, and of draws without heavy tails it is not.
    weights = np.exp(np.asarray(wide.log_density(points) - heavy, float))
    assert abs(weights.mean() - 1.0) < 4.0 * weights.std() / np.sqrt(COUNT)


def test_a_heavy_tail_breaks_neither_log_z_nor_its_error():
    errors, undefended = [], []
    for seed in range(SEEDS):
        draws = defended_draws_of(GAUSSIAN, STUDENT, COUNT, jax.random.key(seed))
        for told, of_draws in ((errors, draws), (undefended, replace(draws, defended=None))):
            found = log_z_of(of_draws, STUDENT)
            assert found.value is not None and found.standard_error is not None
            told.append(found.value / found.standard_error)
    within = 4.0 / np.sqrt(SEEDS)
    assert np.abs(errors).max() < 4.0 and np.std(errors) > 0.3 and abs(np.mean(errors)) < within
    # What the draws of the sampler say by themselves is too low.
    assert np.mean(undefended) < -within


def test_of_the_exact_sampler_log_z_has_the_error_of_rounding_only():
    target = MixtureTarget.of(PLAIN, scale=5.0)
    found = log_z_of(defended_draws_of(PLAIN, target, COUNT, jax.random.key(0)), target)
    assert found.value is not None and abs(found.value) < 1e-5 and found.standard_error is not None
    assert found.standard_error < 1e-5


def test_the_draws_of_the_sampler_are_those_without_defence():
    target = MixtureTarget.of(PLAIN, scale=5.0)
    plain, defended = (each(PLAIN, target, COUNT, jax.random.key(5)) for each in (draws_of, defended_draws_of))
    np.testing.assert_array_equal(plain.points, defended.points)
    assert plain.log_sampler is not None and defended.log_sampler is not None
    np.testing.assert_allclose(plain.log_sampler, defended.log_sampler, rtol=1e-5)
    assert defended.evaluated == COUNT + COUNT // DEFENCE and plain.evaluated == COUNT
    assert defended_draws_of(PLAIN, target, 2, jax.random.key(5)).evaluated == 3


def test_a_sampler_that_is_nowhere_near_gives_a_figure_and_a_warning():
    away = GaussianMixture.of(np.full((1, DIM), 40.0), 0.01)
    found = log_z_of(defended_draws_of(away, STUDENT, COUNT, jax.random.key(0)), STUDENT)
    assert found.value is not None and np.isfinite(found.value) and found.reason is not None


@pytest.mark.parametrize("missing", [None, 0.0, 0.003, 1.0])
def test_the_error_of_log_z_has_what_the_verdict_found_to_be_missing(missing: float | None):
    errors, reasons = {"log_z": 4e-4, "log_z_error": 3e-4, "elbo": 1e-3}, {"log_z": "as it is"}
    found = in_view_of_what_is_missing({"log_z": 1.0, "standard_errors": errors, "reasons": reasons}, missing)
    assert found["log_z"] == 1.0 and found["standard_errors"]["elbo"] == 1e-3
    if missing == 0.003:
        assert found["standard_errors"]["log_z"] == pytest.approx(np.hypot(4e-4, -np.log(0.997)))
        assert found["standard_errors"]["log_z_error"] == pytest.approx(np.hypot(3e-4, -np.log(0.997)))
        assert found["reasons"]["log_z"] == f"as it is; {found['reasons']['log_z_error']}"
        assert "0.30% of the mass" in found["reasons"]["log_z_error"]
    else:
        assert found["standard_errors"] == errors and found["reasons"] == reasons
