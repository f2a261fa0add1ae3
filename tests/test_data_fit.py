"""`fit_data`: clusters found, seeds, stopping, schedulers, minibatches, and what is told at the door."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import logsumexp

import biglearn_sampler as bl
from biglearn_plugins.schedulers.bandit import Bandit
from biglearn_sampler.catalogue import Catalogue
from biglearn_sampler.data import DataOptions, Parameters
from biglearn_sampler.data import fit as fit_module
from biglearn_sampler.data.agenda import Visit, visits
from biglearn_sampler.data.course import Course, Place
from biglearn_sampler.data.matching import Matcher
from biglearn_sampler.data.options import LEAST_FLOOR
from biglearn_sampler.data.points import points_of
from biglearn_sampler.data.result import DataFit
from biglearn_sampler.data.shrinkage import Pull, shrunk
from biglearn_sampler.data.sums import log_densities
from biglearn_sampler.errors import CatalogueError, DataError

CATALOGUE = Catalogue()
CENTRES = np.array([[-4.0, 0.0], [0.0, 3.0], [4.0, 0.0]])


def clusters(count: int = 300, seed: int = 0, centres: np.ndarray = CENTRES) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return centres[np.arange(count) % len(centres)] + 0.4 * generator.normal(size=(count, centres.shape[1]))


def fit(points, components: int = 3, **options):
    return bl.fit_data(points, components, catalogue=CATALOGUE, **options)


def found(fitted, centres: np.ndarray = CENTRES) -> bool:
    """Whether every centre has one component."""
    distances = np.linalg.norm(fitted.parameters.means[:, None] - centres, axis=2)
    return sorted(distances.argmin(1)) == list(range(len(centres))) and bool((distances.min(1) < 0.25).all())


@pytest.fixture(scope="module")
def usual():
    return fit(clusters(), seed=1)


def test_clusters_are_found_and_the_tasks_agree(usual):
    assert found(usual) and usual.metrics["agreed"] and "rounds in a row" in usual.metrics["stopped"]
    assert usual.mixture.components == 3 and usual.metrics["empty"] == []
    assert sorted(np.bincount(usual.labels(clusters()))) == [100, 100, 100]
    mean = log_densities(clusters(), usual.parameters).mean()
    np.testing.assert_allclose([usual.log_densities(clusters()).mean(), usual.metrics["log_likelihood"]], mean)


def test_bic_counts_numbers_to_learn(usual):
    total = -2.0 * 300 * usual.metrics["log_likelihood"]
    np.testing.assert_allclose(usual.metrics["bic"], total + 17 * np.log(300))
    np.testing.assert_allclose(usual.metrics["aic"], total + 34)


def test_the_history_is_json_and_the_watcher_sees_it(usual):
    seen = []
    again = fit(clusters(), seed=1, watcher=lambda row, parameters: seen.append((row, parameters.dim)))
    json.dumps(again.history, allow_nan=False)
    assert [row for row, _ in seen] == list(again.history) and seen[0][1] == 2
    assert list(again.history) == list(usual.history)
    np.testing.assert_array_equal(again.parameters.means, usual.parameters.means)
    assert set(again.history[0]["loss"]) == {"joint", "marginal", "transformed_marginal"}


def test_units_do_not_matter(usual):
    scale, shift = np.array([1e-3, 1e4]), np.array([7.0, -1e5])
    other = fit(clusters() * scale + shift, seed=1)
    np.testing.assert_allclose((other.parameters.means - shift) / scale, usual.parameters.means, atol=1e-5)


@pytest.mark.parametrize("scheduler", ["joint", None])
@pytest.mark.parametrize("missing", [False, True])
def test_units_do_not_matter_where_columns_are_left_in_theirs(scheduler, missing):
    rows = clusters(60) * np.array([1.0, 3.0])
    rows[7, 1] = np.nan if missing else rows[7, 1]
    options = {"coordinates": "raw", "scheduler": scheduler, "missing": missing, "steps": 20, "seed": 3}
    one, other = (fit(rows * scale, 3, **options).parameters for scale in (1.0, 1024.0))
    np.testing.assert_allclose(other.log_weights, one.log_weights, atol=1e-6)
    np.testing.assert_allclose(other.means / 1024, one.means, atol=1e-6)
    np.testing.assert_allclose(other.covariances / 1024**2, one.covariances, atol=1e-6)


def test_joint_em_is_plain():
    plain = fit(clusters(), scheduler="joint", seed=0)
    assert plain.metrics["relocated"] == 0 and plain.metrics["shrunk"] is False
    assert set(plain.history[0]["loss"]) == {"joint"}


def test_a_scheduler_that_learns_can_draw_the_tasks():
    tasks = ["joint", "transformed_marginal"]
    assert found(fit(clusters(), scheduler={"name": "bandit", "tasks": tasks}, seed=0))


def test_a_scheduler_that_learns_is_told_of_every_step(monkeypatch):
    told, learn = [], Bandit.learn
    monkeypatch.setattr(Bandit, "learn", lambda self, *given: (told.append(given), learn(self, *given))[1])
    fit(clusters(), scheduler={"name": "bandit", "tasks": ["joint", "transformed_marginal"]}, steps=103, seed=0)
    assert [len(tasks) for _, tasks, _, _ in told[:2]] == [100, 3]
    for memory, tasks, losses, learnt in told:
        assert int(memory.step) in (0, 100) and bool(learnt.all())
        for values in (tasks, losses):
            visits_of_five = [values[first : first + 5] for first in range(0, len(values), 5)]
            assert all(bool((visit == visit[0]).all()) for visit in visits_of_five)


def test_minibatches_from_a_file(tmp_path):
    np.save(tmp_path / "rows.npy", clusters(6000))
    assert found(fit(tmp_path / "rows.npy", minibatch=200, steps=1500, seed=0))


def test_a_minibatch_of_all_points_is_none(usual):
    assert fit(clusters(), seed=1, minibatch=100_000).history == usual.history


@pytest.mark.parametrize("weights", [None, np.full(300, 50.0), np.full(300, 0.02)])
def test_a_minibatch_is_remembered_by_the_mass_that_was_drawn(monkeypatch, weights):
    drawn = []

    class Watched(Matcher):
        def __init__(self, points, rules, memory=0.0):
            drawn.append((memory, points.mass))
            super().__init__(points, rules, memory)

    monkeypatch.setattr("biglearn_sampler.data.course.Matcher", Watched)
    points = points_of(clusters(), weights, standardized=True, missing=False)
    start = Parameters(np.log(np.full(3, 1 / 3)), CENTRES / 4, np.stack([np.eye(2)] * 3))
    joint = CATALOGUE.build("scheduler", "joint").value
    for size in (200, 300):
        Course(points, joint, DataOptions(minibatch=size), 3, seed=0)._visited(Visit(0, None, 1), start)
    # Each course judges by all points; only the first one draws fewer of them.
    (_, whole), (memory, mass), (none, _) = drawn
    assert whole == points.mass and 0 < memory == mass <= 200 and none == 0


def test_missing_values_are_marginalised():
    rows = clusters(600)
    rows[np.arange(0, 600, 4), np.arange(150) % 2] = np.nan
    fitted = fit(rows, missing=True, steps=800, seed=0)
    assert found(fitted) and np.isfinite(fitted.log_densities(rows)).all()
    assert fitted.log_densities(rows).mean() == pytest.approx(fitted.metrics["log_likelihood"])


def test_weights_pull_the_mixture():
    weights = np.where(np.arange(300) % 3 == 0, 4.0, 1.0)
    assert max(fit(clusters(), sample_weight=weights, seed=1).parameters.weights) == pytest.approx(4 / 6, abs=0.01)


def assert_same_law(fitted, other):
    for name in ("log_weights", "means", "covariances"):
        np.testing.assert_allclose(
            getattr(fitted.parameters, name), getattr(other.parameters, name), rtol=1e-7, atol=1e-7
        )


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize(
    ("count", "components", "shrunk"), [(60, 3, True), (60, 5, None), pytest.param(12, 5, None, marks=pytest.mark.slow)]
)
def test_a_weight_is_so_many_repetitions_in_any_order(count, components, shrunk, missing):
    generator = np.random.default_rng(4)
    rows, weights = clusters(count), generator.integers(0, 5, size=count)
    rows[weights == 0] = 50.0  # a row of weight 0 is not there
    mixed = generator.permutation(count)
    options = {"components": components, "steps": 300, "seed": 1, "missing": missing}
    weighted = fit(rows[mixed], sample_weight=weights[mixed], **options)
    repeated = fit(np.repeat(rows, weights, axis=0), **options)
    assert_same_law(weighted, repeated)
    for name in ("rounds", "revived", "relocated", "shrunk", "empty", "stopped"):
        assert weighted.metrics[name] == repeated.metrics[name]
    assert shrunk is None or weighted.metrics["shrunk"] == shrunk
    np.testing.assert_allclose(weighted.metrics["bic"], repeated.metrics["bic"])


@pytest.mark.parametrize("absent", [np.nan, np.inf])
@pytest.mark.parametrize("missing", [False, True])
def test_points_of_weight_0_may_hold_anything(absent, missing):
    rows, weights = clusters(), np.where(np.arange(300) % 10 == 4, 0, 1)
    rows[weights == 0] = absent
    options = {"steps": 100, "seed": 1, "missing": missing}
    assert_same_law(fit(rows, sample_weight=weights, **options), fit(rows[weights > 0], **options))


def test_what_is_masked_is_missing(usual):
    rows = clusters(600)
    rows[np.arange(0, 600, 20), np.arange(30) % 2] = -999.0
    masked = np.ma.masked_equal(rows, -999.0)
    absent = masked.filled(np.nan)
    with pytest.raises(DataError, match="row 0, column 0 is NaN; if NaN stands for a missing value"):
        fit(masked)
    fitted = fit(masked, missing=True, steps=100, seed=0)
    assert_same_law(fitted, fit(absent, missing=True, steps=100, seed=0))
    np.testing.assert_array_equal(fitted.log_densities(masked), fitted.log_densities(absent))
    with pytest.raises(DataError, match="fitted without missing=True"):
        usual.labels(masked)
    assert usual.labels(np.ma.masked_array(clusters())).shape == (300,)


def test_minibatches_are_drawn_by_weight():
    weights = np.where(np.arange(6000) % 3 == 0, 4.0, np.where(np.arange(6000) % 3 == 1, 1.0, 0.0))
    points = points_of(clusters(6000), weights, standardized=True, missing=False)
    some = points.some(np.random.default_rng(0), 2000)
    assert some.weights is not None and some.mass == 2000.0
    first = (np.abs(some.rows - CENTRES[0]) < 2.0).all(1)
    assert some.weights[first].sum() / some.mass == pytest.approx(0.8, abs=0.04)
    assert ((np.abs(some.rows - CENTRES[2]) < 2.0).all(1)).sum() == 0
    assert points.some(np.random.default_rng(0), 6000) is points


def test_components_without_points_are_revived_and_told():
    points = points_of(clusters(), None, standardized=True, missing=False)
    scheduler = CATALOGUE.build("scheduler", "joint").value
    means = np.array([[-1.0, -1.0], [50.0, 50.0], [1.0, 1.0]])
    lost = Parameters(np.log([0.5, 1e-9, 0.5]), means, np.stack([np.eye(2)] * 3))
    back, count = Course(points, scheduler, DataOptions(), 3, seed=0)._revived(lost)
    rows = next(points.blocks())[0]
    assert count == 1 and (np.abs(rows - back.means[1]).sum(1) == 0.0).any()
    np.testing.assert_allclose(back.weights.sum(), 1.0)
    lonely = fit(np.repeat(CENTRES, 4, 0) + 1e-3 * np.arange(12)[:, None], 6, steps=300, seed=0)
    assert np.isfinite(lonely.metrics["log_likelihood"])


@pytest.mark.parametrize("pull", [Pull(), Pull(together=1.0)])
def test_components_without_points_are_told_whatever_becomes_of_the_weights(monkeypatch, pull):
    """Three kinds of points, and a component on each; drawn together the other two have the weight of a point."""
    points = points_of(np.repeat(CENTRES, 10, 0), None, standardized=True, missing=False)
    means = np.concatenate([next(points.blocks())[0][::10], np.full((2, 2), 40.0)])
    best = Parameters(np.log([1 / 3] * 3 + [1e-12] * 2), means, np.stack([0.01 * np.eye(2)] * 5))
    monkeypatch.setattr(
        "biglearn_sampler.data.course.shrunk_if_better", lambda found, *_: (shrunk(found, points.mass, pull), True)
    )
    course = Course(points, CATALOGUE.build("scheduler", "joint").value, DataOptions(shrink=True), 5, seed=0)
    outcome = course._ended(Place(best, best), "")
    assert outcome.empty == [3, 4]
    assert (outcome.parameters.weights[3:] * 30 > 0.99).all() == (pull != Pull())


def test_components_on_one_point_each_are_not_empty(monkeypatch):
    points = points_of(CENTRES, None, standardized=True, missing=False)
    weights = np.array([1.003, 0.9985, 0.9985]) / 3
    best = Parameters(np.log(weights), next(points.blocks())[0], np.stack([0.01 * np.eye(2)] * 3))
    monkeypatch.setattr("biglearn_sampler.data.course.Matcher.joint", lambda self, found, *_: (found, 0.0))
    course = Course(points, CATALOGUE.build("scheduler", "joint").value, DataOptions(), 3, seed=0)
    assert course._ended(Place(best, best), "").empty == []


def test_one_component_has_one_optimum():
    fitted = fit(clusters(), 1)
    assert fitted.metrics["agreed"] and fitted.metrics["stopped"] == "one component has one optimum"
    np.testing.assert_allclose(fitted.parameters.means[0], clusters().mean(0))
    np.testing.assert_allclose(fitted.parameters.covariances[0], np.cov(clusters().T, bias=True), rtol=1e-6)


def test_the_best_of_several_starts_is_kept():
    several = fit(clusters(), seed=1, starts=3, steps=200)
    assert len(several.metrics["starts"]) == 3
    assert several.metrics["starts"][0] == pytest.approx(fit(clusters(), seed=1, steps=200).metrics["starts"][0])
    assert several.log_densities(clusters()).mean() == pytest.approx(max(several.metrics["starts"]), abs=0.05)


def test_one_column_and_steps_that_end_early():
    fitted = fit(clusters()[:, :1], 2, steps=30, seed=0)
    assert fitted.metrics["steps"] == 30 and fitted.parameters.dim == 1


def test_the_smallest_floor_keeps_the_digits_of_densities():
    """Clusters narrower than the floor, and columns that depend on each other."""
    narrow = np.repeat([[-1.0], [0.3], [1.0]], 20, 0) + 1e-9 * np.random.default_rng(0).normal(size=(60, 1))
    start = Parameters(np.log(np.full(3, 1 / 3)), np.array([[-1.0], [0.3], [1.0]]), np.full((3, 1, 1), LEAST_FLOOR))
    fitted = DataFit(start, (), {}, False, np.zeros(1), np.ones(1))
    distances = (narrow - start.means[:, 0]) ** 2 / LEAST_FLOOR
    exact = np.asarray(logsumexp(-0.5 * (distances + np.log(2 * np.pi * LEAST_FLOOR)) - np.log(3), axis=1))
    np.testing.assert_allclose(fitted.log_densities(narrow), exact, atol=1e-5)
    dependent = np.concatenate([clusters(), clusters() @ np.array([[1.0], [2.0]])], 1)
    plain = fit(dependent, scheduler="joint", floor=LEAST_FLOOR, steps=100)
    assert plain.log_densities(dependent).mean() == pytest.approx(plain.metrics["log_likelihood"], abs=1e-5)


@pytest.mark.parametrize("far", [1e160, -1e200, 1e308])
@pytest.mark.parametrize("look", ["labels", "log_densities", "responsibilities"])
def test_points_that_have_no_density_are_told(usual, look, far):
    rows = clusters(9000)
    rows[8500, 1] = far
    with pytest.raises(DataError, match="row 8500 has values that are too large to be squared, and so no density"):
        getattr(usual, look)(rows)
    rows[8500, 1] = np.sign(far) * 1e30
    assert np.isfinite(getattr(usual, look)(rows)).all()


# the schedule


def test_steps_in_a_row_on_one_map_are_one_visit():
    import jax

    scheduler = CATALOGUE.build("scheduler", {"name": "biglearn_em", "dim": 6}).value
    made = visits(scheduler, None, jax.random.key(0), 0, 100, 1000, 6)
    assert sum(visit.steps for visit in made) == 100
    assert all(visit.steps % 5 == 0 for visit in made) and any(visit.matrix is None for visit in made)
    for visit in made:
        if visit.matrix is not None:
            np.testing.assert_allclose(visit.matrix @ visit.matrix.T, np.eye(len(visit.matrix)), atol=1e-5)


def test_sizes_of_marginals_follow_the_beta_law():
    scheduler = CATALOGUE.build("scheduler", {"name": "biglearn_em", "dim": 8}).value
    weighted = scheduler.scheduler
    sizes = {task.size: share for task, share in zip(weighted.choices, weighted.probabilities, strict=True)}
    assert [task.name for task in weighted.choices[:2]] == ["joint", "marginal"] and len(weighted.choices) == 15
    np.testing.assert_allclose(sum(weighted.probabilities), 1.0)
    np.testing.assert_allclose(sizes[7], 0.5 * (1.0 - (7 / 8) ** 5))


@pytest.mark.parametrize(
    ("wrong", "text"),
    [({"dim": 0}, "must be at least 1, got 0 and 5"), ({"shares": (0.0, 0.0, 0.0)}, "not all zero")],
)
def test_a_wrong_schedule_is_told(wrong, text):
    with pytest.raises(CatalogueError, match=text):
        CATALOGUE.build("scheduler", {"name": "biglearn_em", **wrong})


# at the door

NAN = np.where(np.arange(600).reshape(300, 2) == 7, np.nan, clusters())
INFINITE = np.where(np.arange(600).reshape(300, 2) == 7, np.inf, clusters())


@pytest.mark.parametrize(
    ("points", "options", "text"),
    [
        (NAN, {}, "row 3, column 1 is NaN; if NaN stands for a missing value, say missing=True"),
        (INFINITE, {"missing": True}, "row 3, column 1 is infinity"),
        (np.full((9, 2), np.nan), {"missing": True}, "row 0 has no value at all"),
        (np.column_stack([clusters(), np.full(300, 7.1)]), {}, "constant columns .* drop: 2"),
        (clusters()[:2], {}, "3 components need as many points at least, got 2"),
        (clusters()[:, 0], {}, r"must be a table of numbers of shape \(count, dim\), got float64 \(300,\)"),
        (np.array([["a", "b"]] * 5), {}, "must be a table of numbers"),
        (clusters(), {"sample_weight": np.ones(7)}, r"one number for each of 300 points, got shape \(7,\)"),
        (
            clusters(),
            {"sample_weight": np.ma.masked_less(np.arange(300.0), 5)},
            "sample weights must not be masked; give those points a weight of 0",
        ),
        (clusters(), {"sample_weight": -np.ones(300)}, "finite, not negative and not all zero"),
        (clusters(), {"sample_weight": np.full(300, 1e307)}, "finite, not negative and not all zero"),
        (
            clusters(),
            {"sample_weight": np.full(300, 1 / 300)},
            "got sample weights that sum to 1; a weight says",
        ),
        (clusters(), {"components": 0}, "components must be a whole number of at least 1, got 0"),
        (clusters() * 1e200, {}, "values are too large to be squared in columns 0, 1"),
        (np.empty((5, 0)), {}, "the data have no column"),
        (clusters(), {"seed": -1}, "seed must be a whole number from 0 to 4294967295, got -1"),
        (clusters(), {"seed": 2**64}, "seed must be a whole number from 0 to"),
        (1e36 * clusters(), {}, "columns 0, 1 are beyond what float32 holds"),
        (1e-36 * clusters(), {}, "multiply them by a constant"),
        (clusters(), {"floor": 0.0}, "floor must be a number above 0 and below 1, got 0.0"),
        (clusters(), {"floor": 1e-16}, "floor must be at least 1e-10, got 1e-16: .* lost in rounding"),
        (clusters(), {"steps": 0}, "steps must be a whole number of at least 1, got 0"),
        (clusters(), {"smoothing": -1.0}, "smoothing must be a finite number and not negative"),
        (clusters(), {"smoothing": 1e18}, "smoothing must be at most 1e\\+06, got 1e\\+18"),
        (clusters() * np.array([1e-25, 1e20]), {}, "columns 1 and 0 differ in scale by more than float32 holds"),
        (clusters(), {"start": 0.0}, "start must be a finite number above 0"),
        (clusters(), {"flor": 0.1}, "there is no option 'flor'"),
        (clusters(), {"scheduler": "uniform"}, "'transformed_conditional' has no EM step in closed form"),
        ("nowhere.npy", {}, "nowhere.npy cannot be read as a file of numpy's format"),
        (
            "points.csv",
            {},
            r"a table is read by `biglearn cluster points.csv`, or by fit_data\(numpy.loadtxt\('points.csv'",
        ),
    ],
)
def test_what_makes_no_sense_is_told(points, options, text):
    with pytest.raises(DataError, match=text):
        fit(points, **{"components": 3, **options})


def test_an_archive_is_no_file_of_one_array(tmp_path):
    np.savez(tmp_path / "points.npz", clusters())
    with pytest.raises(
        DataError, match="points.npz cannot be read as .* an archive of arrays, .* give one array of it"
    ):
        fit(tmp_path / "points.npz")


def test_points_to_look_at_are_checked(usual):
    with pytest.raises(DataError, match=r"expected points of shape \(count, 2\), got \(4, 3\)"):
        usual.labels(np.zeros((4, 3)))
    with pytest.raises(DataError, match="fitted without missing=True"):
        usual.labels(np.full((4, 2), np.nan))


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"coordinates": "polar"}, "coordinates must be 'standardized' or 'raw', got 'polar'"),
        ({"components": 2.5}, "components must be a whole number of at least 1, got 2.5"),
        ({"components": True}, "components must be a whole number of at least 1, got True"),
        ({"starts": "3"}, "starts must be a whole number of at least 1, got '3'"),
        ({"steps": None}, "steps must be a whole number of at least 1, got None"),
        ({"floor": "small"}, "floor must be a number above 0 and below 1, got 'small'"),
        ({"missing": "yes"}, "missing must be True or False, got 'yes'"),
    ],
)
def test_values_of_another_kind_are_told(wrong, text):
    with pytest.raises(DataError, match=text):
        fit(clusters(), **{"components": 3, **wrong})


def test_the_example_of_the_docstring_runs():
    import doctest

    finder = doctest.DocTestFinder(recurse=False)
    (example,) = finder.find(fit_module.fit_data, "fit_data", globs={})
    assert doctest.DocTestRunner().run(example).failed == 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_all_25_modes_are_found_from_data(seed):
    axis = np.arange(-4.0, 5.0, 2.0)
    grid = np.array([[first, second] for first in axis for second in axis])
    generator = np.random.default_rng(seed)
    rows = grid[generator.integers(25, size=2000)] + 0.1**0.5 * generator.normal(size=(2000, 2))
    assert found(fit(rows, 25, coordinates="raw", seed=seed), grid)


def test_infinite_points_have_no_component():
    fitted = fit(clusters(), steps=20)
    for ask in (fitted.labels, fitted.log_densities):
        with pytest.raises(DataError, match="the points have infinite values"):
            ask(np.array([[0.0] * fitted.parameters.dim, [np.inf] + [0.0] * (fitted.parameters.dim - 1)]))


def test_clusters_of_very_unequal_size_are_found() -> None:
    for seed in range(2):
        random = np.random.default_rng(seed)
        truth = random.choice(3, size=1000, p=(0.9, 0.07, 0.03))
        points = np.array([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0]])[truth] + 0.7 * random.normal(size=(1000, 2))
        weights = bl.fit_data(points, 3, seed=seed).parameters.weights
        # They hardly overlap: each weight is the share among the points, drawn together by less than a tenth of it.
        np.testing.assert_allclose(np.sort(weights), np.sort(np.bincount(truth) / 1000), rtol=0.1, atol=0.005)
