"""`BigLearnMixture` beside scikit-learn: its own checks, pipelines, criteria, draws, and the missing package."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

import biglearn_sampler.data as data_room
from biglearn_sampler.errors import MissingPackage

pytest.importorskip("sklearn")

from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from biglearn_sampler import BigLearnMixture

CENTRES = np.array([[-4.0, 0.0], [0.0, 3.0], [4.0, 0.0]])
ROWS = CENTRES[np.arange(300) % 3] + 0.4 * np.random.default_rng(0).normal(size=(300, 2))


@pytest.fixture(scope="module")
def model() -> BigLearnMixture:
    return BigLearnMixture(3, random_state=0).fit(ROWS)


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.filterwarnings("ignore:Skipping check check_array_api_input")
def test_it_passes_the_checks_of_scikit_learn():
    results = check_estimator(BigLearnMixture(), on_fail=None)
    assert [each["check_name"] for each in results if each["status"] == "failed"] == []


@pytest.mark.slow
@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.filterwarnings("ignore:Skipping check check_array_api_input")
@pytest.mark.parametrize("missing", [False, True])
def test_it_passes_them_with_two_components_too(missing):
    estimator = BigLearnMixture(2, steps=100, missing=missing, random_state=0)
    results = check_estimator(estimator, on_fail=None)
    assert [each["check_name"] for each in results if each["status"] == "failed"] == []


def test_figures_are_those_of_scikit_learn_for_the_same_mixture(model):
    same = GaussianMixture(3)
    same.weights_, same.means_, same.covariances_ = model.weights_, model.means_, model.covariances_
    same.precisions_cholesky_ = np.linalg.inv(np.linalg.cholesky(model.covariances_)).transpose(0, 2, 1)
    np.testing.assert_allclose(model.score_samples(ROWS), same.score_samples(ROWS), atol=1e-8)
    np.testing.assert_allclose(model.predict_proba(ROWS), same.predict_proba(ROWS), atol=1e-8)
    np.testing.assert_allclose([model.bic(ROWS), model.aic(ROWS)], [same.bic(ROWS), same.aic(ROWS)])
    assert (model.predict(ROWS) == same.predict(ROWS)).all() and model.converged_
    assert model.score(ROWS) == pytest.approx(model.lower_bound_)


def test_draws_have_the_moments_of_the_mixture(model):
    rows, chosen = model.sample(20_000)
    for number in range(3):
        mine = rows[chosen == number]
        np.testing.assert_allclose(mine.mean(0), model.means_[number], atol=0.03)
        np.testing.assert_allclose(np.cov(mine.T), model.covariances_[number], atol=0.02)
    with pytest.raises(ValueError, match="n_samples must be at least 1, got 0"):
        model.sample(0)


def test_what_is_masked_is_missing(model):
    masked = np.ma.masked_greater(ROWS, 4.5)
    with pytest.raises(ValueError, match="contains NaN"):
        model.predict(masked)
    fitted = BigLearnMixture(3, missing=True, steps=100, random_state=0).fit(masked)
    np.testing.assert_array_equal(fitted.score_samples(masked), fitted.score_samples(masked.filled(np.nan)))


def test_it_goes_into_a_pipeline():
    labels = make_pipeline(StandardScaler(), BigLearnMixture(3, random_state=0)).fit_predict(ROWS)
    assert sorted(np.bincount(labels)) == [100, 100, 100]


def test_a_missing_package_is_told(monkeypatch):
    monkeypatch.setattr(data_room, "find_spec", lambda name: None)
    with pytest.raises(MissingPackage, match=r"needs scikit-learn, .* run `pip install 'biglearn-sampler\[data\]'`"):
        data_room.__getattr__("BigLearnMixture")
    monkeypatch.undo()
    assert importlib.util.find_spec("sklearn") is not None
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        data_room.__getattr__("Nothing")
