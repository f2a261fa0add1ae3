"""Pareto-smoothed importance sampling against ArviZ, and against tails that are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri

from biglearn_sampler.importance.pareto import fit_generalised_pareto, pareto_smooth

UNIFORM = (np.arange(1000) + 0.5) / 1000
NORMAL = ndtri(UNIFORM)
WITH_ZEROS = np.where(np.arange(1000) % 3 == 0, -np.inf, NORMAL[::-1])

# k-hat, the largest smoothed log weight and the sum of squared weights, as ArviZ 0.23.4 gives them.
ARVIZ = {
    "pareto 0.1": (-0.1 * np.log(UNIFORM), 0.14996426749948166, -6.2533089061715215, 0.0010126928052280448),
    "pareto 0.7": (-0.7 * np.log(UNIFORM), 0.6706577683143464, -2.810945535612872, 0.0071974306322106375),
    "pareto 1.2": (-1.2 * np.log(UNIFORM), 1.104673929250239, -1.1376930189988177, 0.1194434671692539),
    "lognormal": (NORMAL, 0.29075302447559664, -4.117959558182469, 0.002652714630996528),
    "narrow": (0.05 * NORMAL, -0.05346964174202876, -6.744575881089152, 0.0010025270040277152),
    "100 draws": (0.8 * NORMAL[5::10], 0.3194440063816059, -2.8404536323570135, 0.01852073050817727),
    "with zeros": (WITH_ZEROS, 0.26349958313786337, -4.024808817775657, 0.0037470296025209925),
}


@pytest.mark.parametrize("case", ARVIZ)
def test_agrees_with_arviz(case):
    log_weights, khat, largest, squares = ARVIZ[case]
    before = log_weights.copy()
    smoothed, found = pareto_smooth(log_weights)
    assert found == pytest.approx(khat, abs=1e-12)
    assert smoothed.max() == pytest.approx(largest, abs=1e-12)
    assert np.exp(2 * smoothed).sum() == pytest.approx(squares, rel=1e-12)
    assert np.exp(smoothed).sum() == pytest.approx(1.0)
    np.testing.assert_array_equal(log_weights, before)


@pytest.mark.parametrize("shape", [0.2, 0.5, 1.0])
def test_recovers_the_shape_of_a_tail(shape):
    # 40 samples of 1,000 draws: the standard error of their mean is near 0.02.
    generator = np.random.default_rng(7)
    found = [pareto_smooth(-shape * np.log(generator.uniform(size=1000)))[1] for _ in range(40)]
    # The prior pulls each by a tenth of its distance from 1/2.
    expected = (95 * shape + 10 * 0.5) / 105
    assert np.mean(np.asarray(found, float)) == pytest.approx(expected, abs=0.06)


def test_recovers_shape_and_scale_of_a_generalised_pareto_law():
    values = 3.0 * np.expm1(-0.4 * np.log1p(-UNIFORM)) / 0.4
    shape, scale = fit_generalised_pareto(values)
    assert shape == pytest.approx(0.4, abs=0.02)
    assert scale == pytest.approx(3.0, rel=0.03)


@pytest.mark.parametrize("spread", [0.0, 1e-6, 5e-5])
def test_khat_of_weights_that_are_constant_to_rounding_is_none(spread):
    log_weights = -1234.5 + spread * np.linspace(0.0, 1.0, 1000) ** 9
    smoothed, khat = pareto_smooth(log_weights)
    assert khat is None
    np.testing.assert_allclose(np.exp(smoothed), 1e-3, rtol=1e-4)


def test_resolution_decides_what_is_rounding():
    log_weights = 1e-3 * NORMAL
    assert pareto_smooth(log_weights)[1] is not None
    assert pareto_smooth(log_weights, resolution=0.1)[1] is None


def test_a_single_heavy_weight_has_an_infinite_khat_and_stays():
    log_weights = np.zeros(500)
    log_weights[17] = 30.0
    smoothed, khat = pareto_smooth(log_weights)
    assert khat == np.inf
    assert np.argmax(smoothed) == 17


@pytest.mark.parametrize("bad", [[-np.inf, -np.inf], [0.0, np.nan], [0.0, np.inf]])
def test_refuses_weights_without_a_finite_largest_one(bad):
    with pytest.raises(ValueError, match="expected log weights with a finite largest value"):
        pareto_smooth(np.array(bad))
