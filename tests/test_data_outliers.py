"""Columns whose spread a few values make are told, and columns that are merely skewed or heavy-tailed are not."""

from __future__ import annotations

import numpy as np
import pytest

import biglearn_sampler as bl
from biglearn_sampler.data.options import Coordinates
from biglearn_sampler.data.outliers import LOOKED_AT, spread_by_few
from biglearn_sampler.data.points import points_of, variances


def told(rows: np.ndarray, weights: np.ndarray | None = None, coordinates: Coordinates = "standardized") -> str | None:
    points = points_of(rows, weights, standardized=coordinates == "standardized", missing=True)
    return spread_by_few(points, np.sqrt(variances(points, coordinates)))


def normal(count: int = 500, dim: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, dim))


def with_codes(share: float = 0.01, code: float = -9999.0) -> np.ndarray:
    """A column with codes for missing values between two without."""
    rows = normal() * np.array([1.0, 5.0, 1e4]) + np.array([0.0, 20.0, 1e6])
    rows[: int(share * len(rows)), 1] = code
    return rows


@pytest.mark.parametrize("coordinates", ["standardized", "raw"])
@pytest.mark.parametrize(("share", "code"), [(0.01, -9999.0), (0.1, -999.0), (0.002, 1e4), (0.05, 1e30)])
def test_codes_and_outliers_are_told(coordinates, share, code):
    sentence = told(with_codes(share, code), None, coordinates)
    assert sentence is not None and sentence.startswith(f"column 1 has values as far off as {code:g}, which make")
    assert f"If {code:g} stands for a missing value" in sentence and "likewise" not in sentence


@pytest.mark.parametrize(
    "law",
    [
        lambda generator, shape: generator.normal(size=shape),
        lambda generator, shape: generator.standard_t(3, size=shape),
        lambda generator, shape: generator.exponential(size=shape),
        lambda generator, shape: generator.lognormal(size=shape),
        lambda generator, shape: generator.poisson(0.05, size=shape),
        lambda generator, shape: generator.negative_binomial(0.1, 0.02, size=shape),
        lambda generator, shape: np.where(generator.random(shape) < 0.8, 0.0, generator.uniform(0, 100, size=shape)),
        lambda generator, shape: generator.normal(size=shape) + 30.0 * (generator.random(shape) < 0.05),
    ],
    ids=["normal", "student", "exponential", "lognormal", "poisson", "negative_binomial", "mostly_zero", "far_cluster"],
)
@pytest.mark.parametrize("count", [200, 20_000])
def test_ordinary_columns_are_not(law, count):
    rows = np.asarray(law(np.random.default_rng(0), (count, 20)), float)
    assert told(rows) is None


def test_counts_with_a_code_are_told_where_most_of_them_are_zero():
    rows = np.random.default_rng(0).poisson(0.1, size=(1000, 2)).astype(float)
    rows[:10] = -999.0
    sentence = told(rows)
    assert sentence is not None and "as far off as -999," in sentence and "and likewise in" in sentence


def test_weights_are_repetitions_and_missing_values_are_not_there():
    rows, counts = with_codes(), np.arange(500) % 4
    assert told(rows, counts.astype(float)) == told(np.repeat(rows, counts, 0))
    absent = np.where(rows == -9999.0, np.nan, rows)
    assert told(absent) is None
    assert told(rows, np.where(rows[:, 1] == -9999.0, 0.0, 1.0)) is None


def test_of_many_points_a_part_is_looked_at_and_the_farthest_is_named():
    rows = normal(LOOKED_AT + 5000, 1)
    rows[-1] = 1e6
    sentence = told(rows)
    assert sentence is not None and "as far off as 1e+06," in sentence


@pytest.mark.parametrize("coordinates", ["standardized", "raw"])
def test_a_fit_warns_before_it_begins_and_remembers(caplog, coordinates):
    fitted = bl.fit_data(with_codes(), 2, steps=5, scheduler="joint", coordinates=coordinates)
    assert caplog.messages == [fitted.metrics["warned"]] and caplog.messages[0].startswith("column 1 has values")
    assert bl.fit_data(normal(), 2, steps=5, scheduler="joint").metrics["warned"] is None
    assert len(caplog.messages) == 1
