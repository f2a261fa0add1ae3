"""EM steps on data: sums, floors, weights, chunks, missing values, tasks, relocation and shrinkage."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import jax
import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from biglearn_sampler.data import missing as missing_module
from biglearn_sampler.data import points as points_module
from biglearn_sampler.data.draws import folds, spots
from biglearn_sampler.data.features import feature_count, features
from biglearn_sampler.data.floors import floor_eigenvalues
from biglearn_sampler.data.matching import Matcher, lifted
from biglearn_sampler.data.maximise import Rules, maximise
from biglearn_sampler.data.missing import completed, observed_shares, observed_sums
from biglearn_sampler.data.parameters import Parameters, free_parameters
from biglearn_sampler.data.points import BLOCK_BYTES, Points, View, block_rows, points_of
from biglearn_sampler.data.relocation import proposals
from biglearn_sampler.data.result import DataFit
from biglearn_sampler.data.shrinkage import Pull, shrunk, shrunk_if_better
from biglearn_sampler.data.sums import Sums, log_densities, sums_over
from biglearn_sampler.errors import DataError

RULES = Rules(floor=1e-6)


def law(components: int = 3, dim: int = 3, seed: int = 0) -> Parameters:
    """A mixture without any symmetry."""
    generator = np.random.default_rng(seed)
    roots = generator.normal(size=(components, dim, dim))
    weights = generator.uniform(0.5, 1.5, components)
    covariances = roots @ roots.mT + 0.3 * np.eye(dim)
    return Parameters(np.log(weights / weights.sum()), 2.0 * generator.normal(size=(components, dim)), covariances)


def draws(parameters: Parameters, count: int, seed: int = 1) -> np.ndarray:
    generator = np.random.default_rng(seed)
    chosen = generator.choice(parameters.components, count, p=parameters.weights)
    noise = generator.normal(size=(count, parameters.dim))
    return parameters.means[chosen] + np.einsum("nij,nj->ni", np.linalg.cholesky(parameters.covariances)[chosen], noise)


def raw(rows: np.ndarray, weights: np.ndarray | None = None, *, missing: bool = False) -> Points:
    """Points in their own coordinates."""
    return Points(rows, weights, np.zeros(rows.shape[1]), np.ones(rows.shape[1]), missing)


def scores_by_hand(rows: np.ndarray, parameters: Parameters) -> np.ndarray:
    """`log w_k + log N_k(x)` by scipy."""
    parts = zip(parameters.log_weights, parameters.means, parameters.covariances, strict=True)
    return np.stack([log + multivariate_normal(mean, spread).logpdf(rows) for log, mean, spread in parts], 1)


def assert_same(left: Parameters, right: Parameters, tolerance: float = 1e-9) -> None:
    np.testing.assert_allclose(left.weights, right.weights, atol=tolerance)
    np.testing.assert_allclose(left.means, right.means, atol=tolerance)
    np.testing.assert_allclose(left.covariances, right.covariances, atol=tolerance)


# one step


def test_log_densities_are_those_of_scipy():
    rows = draws(law(), 50)
    expected = np.asarray(logsumexp(scores_by_hand(rows, law()), axis=1))
    np.testing.assert_allclose(log_densities(rows, law()), expected, atol=1e-10)
    assert features(rows).shape == (50, feature_count(3))


def test_a_joint_step_is_the_textbook_one():
    rows, before = draws(law(), 200), law(seed=5)
    scores = scores_by_hand(rows, before)
    shares = np.exp(scores - logsumexp(scores, axis=1, keepdims=True))
    mass = shares.sum(0)
    means = shares.T @ rows / mass[:, None]
    spread = [(shares[:, k, None] * (rows - means[k])).T @ (rows - means[k]) / mass[k] for k in range(3)]
    after, _ = Matcher(raw(rows), RULES).joint(before, 1)
    assert_same(after, Parameters(np.log(mass / 200), means, np.array(spread)))


def test_the_likelihood_never_falls_in_joint_steps():
    matcher, parameters, values = Matcher(raw(draws(law(), 300)), RULES), law(seed=7), []
    for _ in range(30):
        parameters, value = matcher.joint(parameters, 1)
        values.append(value)
    assert (np.diff(values) > -1e-12).all() and values[-1] > values[0] + 0.1


def test_weights_count_as_repetitions():
    rows, counts = draws(law(), 80), np.arange(80) % 4
    weighted = sums_over(View(raw(rows, counts.astype(float))), law())
    repeated = sums_over(View(raw(np.repeat(rows, counts, 0))), law())
    for name in ("mass", "first", "second", "log_likelihood"):
        np.testing.assert_allclose(getattr(weighted, name), getattr(repeated, name), rtol=1e-10)


def test_blocks_on_disk_give_the_same_as_memory(tmp_path, monkeypatch):
    rows = draws(law(), 100)
    whole = sums_over(View(raw(rows)), law())
    np.save(tmp_path / "rows.npy", rows)
    monkeypatch.setattr(points_module, "BLOCK", 7)
    monkeypatch.setattr(points_module, "KEPT_BYTES", 0)
    parts = sums_over(View(raw(np.load(tmp_path / "rows.npy", mmap_mode="r"))), law())
    np.testing.assert_allclose(parts.second, whole.second, rtol=1e-12)
    data = points_of(rows, None, standardized=True, missing=False)
    np.testing.assert_allclose(data.centre, rows.mean(0))
    np.testing.assert_allclose(data.scale, rows.std(0))


def test_a_block_has_as_many_rows_as_its_features_leave_room_for():
    assert {block_rows(dim) for dim in range(1, 44)} == {8192}
    for dim in (44, 300, 2000):
        size = 8 * feature_count(dim)
        assert block_rows(dim) * size <= BLOCK_BYTES < (block_rows(dim) + 1) * size
    assert block_rows(10_000) == 1


def looked_up(rows: np.ndarray, parameters: Parameters) -> None:
    dim = parameters.dim
    DataFit(parameters, (), {}, False, np.zeros(dim), np.ones(dim)).log_densities(rows)


@pytest.mark.parametrize(
    "work",
    [
        lambda rows, parameters: sums_over(View(raw(rows)), parameters),
        lambda rows, parameters: next(proposals(raw(rows), parameters, np.random.default_rng(0))),
        looked_up,
    ],
    ids=["sums", "proposals", "log_densities"],
)
def test_wide_rows_take_no_more_memory_than_two_blocks(work: Callable[[np.ndarray, Parameters], object]):
    """3,000 rows of 150 columns have 275 MB of features, more than are kept between sweeps."""
    dim = 150
    rows = np.random.default_rng(0).normal(size=(3000, dim))
    parameters = Parameters(np.log(np.full(3, 1 / 3)), rows[:3], np.tile(np.eye(dim), (3, 1, 1)))
    tracemalloc.start()
    try:
        work(rows, parameters)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # One block is looked at while the next is made; rows and covariances come to 10 MB.
    assert peak < 2 * BLOCK_BYTES + 4 * rows.nbytes


def test_a_fault_is_told_by_its_row_in_any_block(monkeypatch):
    monkeypatch.setattr(points_module, "BLOCK_BYTES", 8 * feature_count(3) * 7)
    rows = draws(law(), 30)
    rows[16, 2] = np.inf
    with pytest.raises(DataError, match="row 16, column 2 is infinity"):
        points_of(rows, None, standardized=True, missing=False)


def test_far_columns_cost_no_digits():
    rows = draws(law(), 100)
    near, far = (points_of(rows + shift, None, standardized=True, missing=False) for shift in (0.0, 1e6))
    np.testing.assert_allclose(next(near.blocks())[0], next(far.blocks())[0], atol=1e-8)


def test_eigenvalues_are_floored_and_others_left_alone():
    flat = np.array([[[1.0, 1.0], [1.0, 1.0]], [[2.0, 0.0], [0.0, 3.0]]])
    floored = floor_eigenvalues(flat, 0.1)
    np.testing.assert_allclose(np.linalg.eigvalsh(floored[0]), [0.1, 2.0])
    np.testing.assert_allclose(floored[1], flat[1])
    assert floor_eigenvalues(flat[1:], 0.1) is not None and (floor_eigenvalues(flat[1:], 0.1) == flat[1:]).all()


def test_a_component_without_points_stays_where_it_is():
    before = law()
    sums = Sums(np.array([10.0, 0.0, 5.0]), np.ones((3, 3)), np.ones((3, 3, 3)) + 9 * np.eye(3), 0.0)
    after = maximise(sums, before, Rules(1e-3, smoothing=0.2))
    np.testing.assert_array_equal(after.means[1], before.means[1])
    np.testing.assert_allclose(after.weights, (np.array([10, 0, 5]) / 15 + 0.2) / 1.6)


def test_points_seen_beforehand_widen_small_components_only():
    sums = Sums(np.array([1.0, 999.0]), np.zeros((2, 2)), np.array([1.0, 999.0])[:, None, None] * 0.1 * np.eye(2), 0.0)
    after = maximise(sums, law(2, 2), Rules(1e-6, prior=1.0, spread=2.0))
    np.testing.assert_allclose(after.covariances[0], 1.05 * np.eye(2))
    np.testing.assert_allclose(after.covariances[1], 0.1019 * np.eye(2))


def test_memory_of_the_mixture_itself_changes_nothing():
    assert_same(maximise(Sums.expected(law(), 100.0), law(seed=3), RULES), law())
    smoothed = replace(law(), log_weights=np.log((law().weights + 0.5) / 2.5))
    np.testing.assert_allclose(smoothed.shares(0.5), law().weights)
    assert_same(maximise(Sums.expected(smoothed, 100.0, 0.5), law(seed=3), replace(RULES, smoothing=0.5)), smoothed)


def test_weights_are_smoothed_once_also_with_a_memory():
    """Of two far groups, of 30 points and of 10; nothing is near the third component."""
    rows = np.repeat([[-9.0], [9.0]], [30, 10], 0) + np.random.default_rng(0).normal(size=(40, 1))
    start = Parameters(np.full(3, -np.log(3.0)), np.array([[-9.0], [9.0], [400.0]]), np.ones((3, 1, 1)))
    after, _ = Matcher(raw(rows), Rules(1e-3, smoothing=0.5), memory=40.0).joint(start, 60)
    np.testing.assert_allclose(after.weights, (np.array([0.75, 0.25, 0.0]) + 0.5) / 2.5, atol=1e-6)
    np.testing.assert_allclose(after.shares(0.5), [0.75, 0.25, 0.0], atol=1e-6)


# marginal tasks


def test_a_marginal_step_raises_the_likelihood_of_the_view_and_leaves_the_rest():
    rows, before = draws(law(), 400), law(seed=5)
    matrix = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0][:2]
    matcher, generator = Matcher(raw(rows), RULES), np.random.default_rng(0)
    after, _ = matcher.marginal(before, matrix, 5, generator)
    seen = rows @ matrix.T
    gain = log_densities(seen, after.through(matrix)).mean() - log_densities(seen, before.through(matrix)).mean()
    assert gain > 0.05
    across = np.linalg.svd(matrix)[2][2:]
    np.testing.assert_allclose(after.means @ across.T, before.means @ across.T, atol=1e-9)


def test_a_lifted_law_has_the_new_marginal():
    before, matrix = law(), np.eye(3)[[2, 0]]
    wider = before.through(matrix)
    wider = Parameters(wider.log_weights, wider.means + 1.0, 2.0 * wider.covariances)
    assert_same(lifted(before, before.through(matrix), wider, matrix, 1e-9).through(matrix), wider)


# missing values


def with_holes(rows: np.ndarray, share: float, seed: int = 3) -> np.ndarray:
    holes = np.random.default_rng(seed).random(rows.shape) < share
    holes[np.arange(len(rows)), np.arange(len(rows)) % rows.shape[1]] = False
    return np.where(holes, np.nan, rows)


def test_without_holes_nothing_changes():
    rows = draws(law(), 60)
    complete, general = sums_over(View(raw(rows)), law()), observed_sums(raw(rows, missing=True), law())
    np.testing.assert_allclose(general.second, complete.second, rtol=1e-9)
    np.testing.assert_allclose(general.log_likelihood, complete.log_likelihood)


def test_holes_are_marginalised():
    rows = np.array([[0.3, np.nan, -1.0], [np.nan, np.nan, 0.5]])
    _, values = observed_shares(rows, law())
    for row, value, places in ((rows[0], values[0], [0, 2]), (rows[1], values[1], [2])):
        seen = law().through(np.eye(3)[places])
        np.testing.assert_allclose(value, log_densities(row[None, places], seen)[0])


def sums_row_by_row(rows: np.ndarray, weights: np.ndarray, parameters: Parameters) -> Sums:
    """The expectation step of one row after another, as Ghahramani and Jordan have it."""
    total = Sums.expected(parameters, 0.0)
    for row, weight in zip(rows, weights, strict=True):
        seen, absent = np.flatnonzero(~np.isnan(row)), np.flatnonzero(np.isnan(row))
        scores = scores_by_hand(np.stack([row[seen]] * 2), parameters.through(np.eye(len(row))[seen]))[0]
        value = np.asarray(logsumexp(scores))
        shares = weight * np.exp(scores - value)
        means, spread = np.tile(row, (parameters.components, 1)), np.zeros(parameters.covariances.shape)
        for k, whole in enumerate(parameters.covariances):
            lift = whole[np.ix_(absent, seen)] @ np.linalg.inv(whole[np.ix_(seen, seen)])
            means[k, absent] = parameters.means[k, absent] + lift @ (row[seen] - parameters.means[k, seen])
            spread[k][np.ix_(absent, absent)] = whole[np.ix_(absent, absent)] - lift @ whole[np.ix_(seen, absent)]
        second = means[:, :, None] * means[:, None, :] + spread
        total += Sums(shares, shares[:, None] * means, shares[:, None, None] * second, weight * float(value))
    return total


@pytest.mark.parametrize("room", [1, missing_module.PIECE_BYTES])
@pytest.mark.parametrize("weighted", [False, True])
def test_patterns_together_give_what_rows_alone_give(monkeypatch, room, weighted):
    monkeypatch.setattr(missing_module, "PIECE_BYTES", room)
    monkeypatch.setattr(points_module, "BLOCK", 23)
    parameters = law(3, 4)
    rows, counts = with_holes(draws(parameters, 60), 0.4), np.arange(60) % 3 if weighted else np.ones(60)
    found = observed_sums(raw(rows, counts.astype(float) if weighted else None, missing=True), parameters)
    expected = sums_row_by_row(rows, counts, parameters)
    for name in ("mass", "first", "second", "log_likelihood"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-9, atol=1e-9)


def test_patterns_are_looked_for_once_for_all_sweeps(monkeypatch):
    asked, looked = [], points_module.groups
    monkeypatch.setattr(points_module, "groups", lambda block: (asked.append(len(block)), looked(block))[1])
    matcher = Matcher(raw(with_holes(draws(law(), 90), 0.3), missing=True), RULES)
    matcher.joint(law(), 5)
    matcher.marginal(law(), np.eye(3)[:2], 2, np.random.default_rng(0))
    assert asked == [90]


def test_a_row_without_any_value_has_no_news():
    shares, values = observed_shares(np.array([[np.nan] * 3, [0.0, np.nan, 1.0]]), law())
    np.testing.assert_allclose(shares[0], law().weights)
    assert values[0] == pytest.approx(0.0, abs=1e-12)


def test_expected_sums_are_means_over_completions():
    rows = np.tile([[0.3, np.nan, -1.0]], (40_000, 1))
    filled = completed(raw(rows, missing=True), law(), np.random.default_rng(0)).rows
    assert (filled[:, [0, 2]] == rows[:, [0, 2]]).all()
    exact = observed_sums(raw(rows[:1], missing=True), law())
    drawn = filled[:, :, None] * filled[:, None, :]
    error = drawn.std(0) / 200.0
    assert (np.abs(exact.second.sum(0) - drawn.mean(0)) <= 5.0 * error + 1e-9).all()


def test_em_with_holes_recovers_the_law():
    truth = Parameters(np.log([0.4, 0.6]), np.array([[-3.0, 0.0, 1.0], [3.0, 1.0, -1.0]]), law(2).covariances)
    rows = with_holes(draws(truth, 3000), 0.3)
    matcher = Matcher(raw(rows, missing=True), RULES)
    start = Parameters(np.log([0.5, 0.5]), truth.means + 0.5, np.stack([np.eye(3)] * 2))
    values = [matcher.joint(start, steps)[1] for steps in (1, 5, 20)]
    assert values[0] < values[1] < values[2]
    found, _ = matcher.joint(start, 60)
    np.testing.assert_allclose(found.means, truth.means, atol=0.35)
    np.testing.assert_allclose(found.weights, truth.weights, atol=0.05)


# out of agreement


def test_twins_and_a_wide_component_change_places():
    centres = np.array([[-4.0, 0.0], [0.0, 0.0], [4.0, 0.0], [8.0, 0.0]])
    rows = draws(Parameters(np.log(np.full(4, 0.25)), centres, np.stack([0.1 * np.eye(2)] * 4)), 800)
    means = np.array([[-4.0, 0.1], [-4.0, -0.1], [2.0, 0.0], [8.0, 0.0]])
    covariances = np.stack([0.1 * np.eye(2)] * 2 + [np.diag([4.0, 0.1]), 0.1 * np.eye(2)])
    trapped, value = Matcher(raw(rows), RULES).joint(
        Parameters(np.log([0.125, 0.125, 0.5, 0.25]), means, covariances), 30
    )
    first = next(proposals(raw(rows), trapped, np.random.default_rng(0)))
    freed, better = Matcher(raw(rows), RULES).joint(first, 30)
    assert better > value + 0.2
    np.testing.assert_allclose(np.sort(freed.means[:, 0]), centres[:, 0], atol=0.15)


def test_moves_are_the_same_for_weights_and_repetitions():
    rows, counts = draws(law(3), 40), np.arange(40) % 4
    weighted = proposals(raw(rows, counts.astype(float)), law(5), np.random.default_rng(0))
    repeated = proposals(raw(np.repeat(rows, counts, axis=0)), law(5), np.random.default_rng(0))
    pairs = list(zip(weighted, repeated, strict=True))
    assert pairs
    for left, right in pairs:
        assert_same(left, right, 1e-9)


@pytest.mark.parametrize("weights", [None, np.arange(40) % 4 + 0.5])
@pytest.mark.parametrize("components", [2, 5])
def test_moves_do_not_depend_on_blocks(monkeypatch, components, weights):
    points, parameters = raw(draws(law(3), 40), weights), law(components)
    whole = list(proposals(points, parameters, np.random.default_rng(0)))
    monkeypatch.setattr(points_module, "BLOCK_BYTES", 8 * feature_count(3) * 7)
    parts = list(proposals(points, parameters, np.random.default_rng(0)))
    assert len(whole) == len(parts) > 0
    for left, right in zip(whole, parts, strict=True):
        assert_same(left, right)


def test_one_component_has_nowhere_to_go():
    assert list(proposals(raw(draws(law(2), 50)), law(1), np.random.default_rng(0))) == []


def test_two_components_that_are_twins_are_set_apart():
    """Where both have the moments of all points EM stays: neither explains any point better than the other one."""
    centres = np.array([[-1.0, 0.0], [1.0, 0.0]])
    rows = draws(Parameters(np.log([0.5, 0.5]), centres, np.tile(0.1 * np.eye(2), (2, 1, 1))), 2000)
    moments = np.tile(rows.mean(0), (2, 1)), np.tile(np.cov(rows.T), (2, 1, 1))
    trapped, value = Matcher(raw(rows), RULES).joint(Parameters(np.log([0.5, 0.5]), *moments), 100)
    (first,) = proposals(raw(rows), trapped, np.random.default_rng(0))
    freed, better = Matcher(raw(rows), RULES).joint(first, 30)
    # One normal law has 0.5 log(0.11), two far apart 0.5 log(0.01) + log 2 of the same entropy: 0.51 nats apart.
    assert better - value == pytest.approx(0.51, abs=0.05)
    np.testing.assert_allclose(np.sort(freed.means[:, 0]), centres[:, 0], atol=0.05)


@pytest.mark.parametrize("missing", [False, True])
def test_copies_of_a_row_are_in_one_part_and_parts_are_of_one_size(missing):
    rows = with_holes(draws(law(2), 200), 0.3) if missing else draws(law(2), 200)
    again = np.concatenate([rows[::-1], rows])
    part = folds(raw(again, missing=missing), np.random.default_rng(0), 5)
    np.testing.assert_array_equal(part[:200][::-1], part[200:])
    np.testing.assert_array_equal(part[200:], folds(raw(rows, missing=missing), np.random.default_rng(0), 5))
    assert np.bincount(part[200:]).tolist() == [40] * 5
    assert sorted(folds(raw(rows[:3], missing=missing), np.random.default_rng(0), 5)) == [0, 1, 2]


def test_spots_are_drawn_by_weight():
    rows = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, np.nan]])
    points, generator = raw(rows, np.array([3.0, 0.0, 1.0]), missing=True), np.random.default_rng(0)
    drawn = np.concatenate([spots(points, generator, 1) for _ in range(2000)])
    kinds, counts = np.unique(drawn, axis=0, return_counts=True)
    np.testing.assert_array_equal(kinds, [[0.0, 1.0], [4.0, 0.0]])
    assert counts[0] / 2000 == pytest.approx(0.75, abs=0.04)
    np.testing.assert_array_equal(spots(points, generator, 100), kinds)


CENTRES = 4.0 * np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
EQUAL = np.log(np.full(4, 0.25))


def drawn_together(truth: Parameters, count: int) -> tuple[Parameters, Parameters, bool]:
    """What some draws were fitted with, what became of it, and whether it was drawn."""
    rows = draws(truth, count)
    fitted, _ = Matcher(raw(rows), RULES).joint(truth, 30)
    return fitted, *shrunk_if_better(fitted, raw(rows), RULES, np.random.default_rng(0))


def test_components_that_are_alike_are_made_alike_and_others_are_not():
    alike = Parameters(EQUAL, CENTRES, np.stack([0.1 * np.eye(2)] * 4))
    fitted, better, changed = drawn_together(alike, 200)
    fresh = draws(alike, 5000, seed=2)
    assert changed and log_densities(fresh, better).mean() > log_densities(fresh, fitted).mean()
    assert np.ptp(better.covariances, 0).max() < 0.5 * np.ptp(fitted.covariances, 0).max()
    covariances = np.array([0.01, 0.1, 1.0, 4.0])[:, None, None] * np.array([[1.0, 0.9], [0.9, 1.0]])
    unlike = Parameters(EQUAL, CENTRES, covariances)
    fitted, same, _ = drawn_together(unlike, 2000)
    fresh = draws(unlike, 5000, seed=2)
    assert log_densities(fresh, same).mean() > log_densities(fresh, fitted).mean() - 1e-3


def test_correlations_that_are_noise_are_taken_off_where_components_differ():
    means = 10.0 * np.array([[-1.0], [1.0]]) * np.ones(8)
    covariances = np.stack([np.diag(np.logspace(-2, 2, 8)), np.diag(np.logspace(2, -2, 8))])
    truth = Parameters(np.log([0.5, 0.5]), means, covariances)
    fitted, better, changed = drawn_together(truth, 60)
    fresh = draws(truth, 5000, seed=2)
    assert changed and log_densities(fresh, better).mean() > log_densities(fresh, fitted).mean() + 0.3
    np.testing.assert_allclose(
        np.diagonal(better.covariances, 0, 1, 2), np.diagonal(fitted.covariances, 0, 1, 2), rtol=1e-12
    )


def test_pulls_are_points_that_were_not_there():
    unlike = law()
    counts, mean = 60.0 * unlike.weights, np.einsum("k,kij->ij", unlike.weights, unlike.covariances)
    both = shrunk(unlike, 60.0, Pull(together=5.0, axes=7.0))
    for place, count in enumerate(counts):
        first = (count * unlike.covariances[place] + 5.0 * mean) / (count + 5.0)
        second = ((count + 5.0) * first + 7.0 * np.diag(np.diag(first))) / (count + 12.0)
        np.testing.assert_allclose(both.covariances[place], second)
    one = shrunk(unlike, 60.0, Pull(together=np.inf))
    np.testing.assert_allclose(one.covariances, np.stack([mean] * 3))
    assert_same(shrunk(unlike, 1e6, Pull(together=5.0, axes=7.0)), unlike, 1e-3)
    assert shrunk(unlike, 60.0, Pull()) is unlike


def test_weights_are_drawn_to_equal_ones_by_their_noise():
    """Of a hundred points: noise `sum w (1 - w) / N` is 0.0042, and 0.08 the squared differences."""
    two = Parameters(np.log([0.7, 0.3]), CENTRES[:2], np.stack([np.eye(2)] * 2))
    drawn = shrunk(two, 100.0, Pull(together=1.0)).weights
    np.testing.assert_allclose(drawn, [0.7 - 0.2 * 0.0042 / 0.08, 0.3 + 0.2 * 0.0042 / 0.08])


def test_numbers_to_learn_are_counted():
    assert free_parameters(25, 2) == 149


@pytest.mark.parametrize("count", [1, 5])
def test_a_law_in_other_units_and_back(count):
    centre, scale = np.array([1.0, -2.0, 3.0]), np.array([0.5, 2.0, 10.0])
    there = law(count).affine(centre, scale)
    assert_same(there.affine(-centre / scale, 1.0 / scale), law(count))
    np.testing.assert_allclose(there.to_mixture().covariances, there.covariances, rtol=1e-4, atol=1e-4)


def test_columns_too_far_from_zero_for_the_device_are_warned_of():
    far = np.array([0.0, 1.7e9, 0.0])
    with pytest.warns(UserWarning, match=r"column 1 is near 1.7e\+09 .* float32 .* subtract a constant from it before"):
        law(1).affine(far, np.ones(3)).to_mixture()
    law(1).affine(far / 1e5, np.ones(3)).to_mixture()
    with jax.enable_x64(True):
        law(1).affine(far, np.ones(3)).to_mixture()
