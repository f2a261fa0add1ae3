"""Tasks from importance-weighted points: unbiased, as wide as they must be, skipped where nothing supports them."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

import biglearn_sampler as bl
from biglearn_plugins.schedulers.weighted import uniform
from biglearn_plugins.transformations.composition import Composition
from biglearn_plugins.transformations.noise import FixedNoise, LogUniformNoise
from biglearn_plugins.transformations.orthogonal import Identity, Orthogonal
from biglearn_sampler.energy import AbstractTarget, Evaluations, MixtureTarget, function_target
from biglearn_sampler.estimators import ReservoirEstimator, ReservoirSizes, choose_estimators
from biglearn_sampler.estimators.guard import ZERO_DENSITY
from biglearn_sampler.estimators.reservoir import FEWEST_POINTS, noise_floor
from biglearn_sampler.importance import Reservoir
from biglearn_sampler.learning import Matching, Progress, StartRegion, Training, TrainKeys, build_optimizer, fit
from biglearn_sampler.learning.fit import Fitter, SavedFit
from biglearn_sampler.learning.proposals import around, noised, proposal
from biglearn_sampler.learning.refill import Supply, draw_batch
from biglearn_sampler.mixture import Channel, GaussianMixture, unconstrain
from biglearn_sampler.runs.summary import sentences
from biglearn_sampler.tasks import Task
from biglearn_sampler.verdict import COVERED, Verdict

TRAIN = import_module("biglearn_sampler.runs.train")  # the function of that name hides the module
JOINT = Task("joint", "joint", Identity())
MARGINAL = Task("marginal", "marginal", Orthogonal())
NOISED = Task("noised", "joint", FixedNoise(0.5))
NOISED_MARGINAL = Task("noised_marginal", "marginal", Composition((Orthogonal(), LogUniformNoise(0.05, 1.0))), 2)

LOG_Z = 7.0
TRUTH = GaussianMixture.of([[1.0, -1.0, 0.0], [2.5, 1.0, 1.0]], 0.25 * np.eye(3) + 0.1, [0.3, 0.7])
TARGET = MixtureTarget(TRUTH, jnp.ones(3), jnp.array([1.0, 1.5, 1.2]))
ENERGY = function_target(lambda x: TRUTH.log_density(x) + LOG_Z, dim=3, centre=TARGET.centre, scale=TARGET.scale)
WRONG_SAMPLER = GaussianMixture.of([[1.0, -0.5, 0.5], [0.0, 0.0, 0.0]], 0.4, [0.6, 0.4])
TURN = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
SLANTED = Channel.of(jnp.asarray(TURN[:2], float), 0.3)


# the points themselves


def some(count: int, log_weights: Any = 0.0, dim: int = 2) -> Reservoir:
    """Numbered points with the given weights."""
    points = np.arange(count * dim, dtype=float).reshape(count, dim)
    return Reservoir.empty(1000, dim).add(points, np.broadcast_to(log_weights, count) + 3.0, np.full(count, 3.0))


def test_the_oldest_points_go() -> None:
    reservoir = Reservoir.empty(5, 1)
    for number in range(4):
        reservoir = reservoir.add(np.full((2, 1), float(number)), np.zeros(2), np.full(2, float(number)))
    np.testing.assert_array_equal(reservoir.points[:, 0], [1, 2, 2, 3, 3])
    np.testing.assert_array_equal(reservoir.log_weights, [-1, -2, -2, -3, -3])


def test_what_is_not_finite_has_no_weight_and_counts_as_a_point() -> None:
    reservoir = Reservoir.empty(9, 1).add(np.ones((4, 1)), np.array([0.0, np.nan, np.inf, -np.inf]), np.zeros(4))
    np.testing.assert_array_equal(reservoir.log_weights, [0.0, -np.inf, -np.inf, -np.inf])
    assert reservoir.quality().count == 4 and reservoir.log_mass == pytest.approx(np.log(1 / 4))


def test_the_quality_is_that_of_the_weights() -> None:
    assert some(40).quality().effective_size == pytest.approx(40)
    assert some(40).quality().khat is None
    weights = np.random.default_rng(0).uniform(size=300)
    quality = some(300, np.log(weights)).quality()
    share = weights / weights.sum()
    assert quality.effective_size == pytest.approx(1 / (share**2).sum())
    points = some(300).points
    np.testing.assert_allclose(quality.spread, np.sqrt(share @ (points - share @ points) ** 2))
    heavy = -1.5 * np.log((np.arange(300) + 0.5) / 300)
    assert (some(300, heavy).quality().khat or 0.0) > 1.0


def test_an_empty_reservoir_and_one_without_weight_have_values_too() -> None:
    for reservoir in (Reservoir.empty(10, 2), some(20, -np.inf)):
        quality = reservoir.quality()
        assert (quality.effective_size, quality.khat, reservoir.log_mass) == (0.0, np.inf, -np.inf)
        points, log_masses = reservoir.resampled(np.random.default_rng(0), 7)
        assert points.shape == (7, 2) and (log_masses == -np.inf).all()
        estimator = ReservoirEstimator.empty(ENERGY, ReservoirSizes(resampled=7))
        filled = estimator.filled_from(reservoir, np.random.default_rng(0))
        assert not filled.supported and (filled.log_masses == ZERO_DENSITY).all()


def test_points_are_resampled_as_often_as_they_weigh_and_the_mass_is_kept() -> None:
    weights = np.array([0.5, 0.0, 3.0, 0.2, 1.3])
    with np.errstate(divide="ignore"):
        reservoir = some(5, np.log(weights))
    expected = 40 * weights / weights.sum()
    counts = []
    for seed in range(300):
        points, log_masses = reservoir.resampled(np.random.default_rng(seed), 40)
        counts.append([(points == point).all(-1).sum() for point in reservoir.points])
        assert np.exp(log_masses).sum() == pytest.approx(weights.mean())
    drawn = np.array(counts)
    assert (np.abs(drawn - expected) < 1).all()
    # One count is an expected one rounded: its standard deviation is at most 1/2.
    np.testing.assert_allclose(drawn.mean(0), expected, atol=4 * 0.5 / np.sqrt(300))


# what they say of a view


MIDDLES = np.asarray(TRUTH.means)[[0, 1, 1, 0, 1, 1]] @ TURN[:2].T
VIEWS = jnp.asarray(MIDDLES + np.random.default_rng(2).normal(size=(6, 2)) * 0.5, float)
REPLICATES, BATCH = 100, 1000


@lru_cache
def estimated_densities(*, weigh: bool = True, replicates: int = REPLICATES) -> tuple[np.ndarray, np.ndarray]:
    """Channel densities from many reservoirs of two batches, the second one also around the points of the first."""
    draw = jax.jit(draw_batch)
    tell = jax.jit(lambda estimator, views: jnp.exp(estimator.log_density(SLANTED, views) - LOG_Z))
    empty = ReservoirEstimator.empty(ENERGY, ReservoirSizes(2 * BATCH, BATCH, 512))
    told, masses = [], []
    for seed in range(replicates):
        generator = np.random.default_rng(seed)
        reservoir, estimator = Reservoir.empty(2 * BATCH, 3), empty
        for number in range(2):
            batch = draw(estimator, WRONG_SAMPLER, jax.random.fold_in(jax.random.key(seed), number))
            points, log_target, log_proposal = (np.asarray(part, float) for part in batch)
            reservoir = reservoir.add(points, log_target, log_proposal if weigh else np.full(BATCH, LOG_Z))
            estimator = estimator.filled_from(reservoir, generator)
        told.append(np.asarray(tell(estimator, VIEWS)))
        masses.append(np.exp(reservoir.log_mass - LOG_Z))
    return np.array(told), np.array(masses)


@lru_cache
def exact_densities() -> np.ndarray:
    """Of the same views."""
    return np.asarray(jnp.exp(jax.jit(jax.vmap(lambda view: TARGET.channel_log_density(SLANTED, view)))(VIEWS)))


def error_of(values: np.ndarray) -> np.ndarray:
    """Standard errors of the means over replicates."""
    return values.std(0, ddof=1) / np.sqrt(len(values))


@pytest.mark.slow
def test_the_density_of_a_view_is_unbiased_although_proposals_follow_the_points() -> None:
    values, masses = estimated_densities()
    exact = exact_densities()
    assert (error_of(values) < 0.05 * exact).all()  # tight enough to tell
    assert (np.abs(values.mean(0) - exact) < 4 * error_of(values)).all()
    assert abs(masses.mean() - 1.0) < 4 * error_of(masses) < 0.1


@pytest.mark.slow
def test_the_test_above_would_see_weights_without_the_proposals() -> None:
    values, _ = estimated_densities(weigh=False, replicates=REPLICATES // 4)  # a quarter is enough to tell
    exact = exact_densities()
    assert (np.abs(values.mean(0) - exact) > 4 * error_of(values)).any()


@jax.jit
def proposals(unit: Float[Array, " 3"], share: Float[Array, ""]) -> GaussianMixture:
    """Of a sampler, ten points and a region, all in the same units."""
    points = jnp.linspace(-1.0, 1.0, 30).reshape(10, 3) * unit
    scale = TARGET.scale * unit
    sampler = WRONG_SAMPLER.affine(jnp.zeros(3), unit)
    level = jnp.asarray(0.4)
    return proposal(sampler, around(points, level * scale), share, level, TARGET.centre * unit, scale)


def test_proposals_know_no_units_and_have_their_shares() -> None:
    unit = jnp.array([0.1, 10.0, 3.0])
    law, far = proposals(jnp.ones(3), jnp.array(0.5)), proposals(unit, jnp.array(0.5))
    points = jnp.asarray(np.random.default_rng(0).normal(size=(20, 3)) * 2.0, float)
    density = jax.jit(GaussianMixture.log_density)
    expected = density(law, points) - np.log(unit).sum()
    np.testing.assert_allclose(density(far, points * unit), expected, rtol=1e-3)
    for found_share in (0.0, 0.5):
        weights = np.exp(proposals(unit, jnp.array(found_share)).log_weights)
        parts = [weights[:2].sum(), weights[2:4].sum(), weights[4:14].sum(), weights[14:].sum()]
        np.testing.assert_allclose(parts, [0.5, 0.25 - 0.25 * found_share, 0.25 * found_share, 0.25], atol=1e-6)
    wider = jax.jit(noised)(WRONG_SAMPLER, TARGET.scale).covariances - WRONG_SAMPLER.covariances
    np.testing.assert_allclose(wider, np.tile(np.diag(TARGET.scale**2), (2, 1, 1)), atol=1e-5)


def test_of_many_points_found_some_take_part_in_the_proposals() -> None:
    for count, kept in ((10, 10), (64, 64), (65, 33), (512, 64)):
        law = around(jnp.zeros((count, 2)), jnp.ones(2))
        assert law.components == kept
        np.testing.assert_allclose(law.weights.sum(), 1.0, rtol=1e-5)


# how wide the noise must be


def floor(size: float, rows: int = 1, spread: float = 1.0) -> float:
    return float(noise_floor(jnp.asarray(spread, float), jnp.asarray(size, float), rows))


def test_the_noise_floor_falls_with_the_effective_size_and_grows_with_the_rows() -> None:
    sizes = (10.0, 100.0, 1000.0, 1e5)
    for rows in (1, 2, 5, 50):
        floors = [floor(size, rows) for size in sizes]
        assert sorted(floors, reverse=True) == floors and floors[0] > 1.05 * floors[-1]
    assert floor(1e6) / floor(8e6) == pytest.approx(2.0, rel=0.01)  # n^(-1/3) for one row
    assert [floor(500.0, rows) for rows in (1, 2, 5, 20)] == sorted(floor(500.0, rows) for rows in (1, 2, 5, 20))
    assert floor(100.0, spread=3.0) == pytest.approx(3.0 * floor(100.0), rel=1e-5)
    assert 0 < floor(0.0, spread=0.0) < 1e-6


@pytest.mark.parametrize(("rows", "size"), [(1, 200), (3, 200), (8, 400)])
def test_at_the_floor_the_score_errs_by_less_than_itself_and_not_by_much_less(rows: int, size: int) -> None:
    """The variance of the docstring: of the score at the centre of a normal law of spread 2, in units of 1/2."""
    noise = floor(size, rows, spread=2.0)
    points = 2.0 * np.random.default_rng(3).normal(size=(1500, size, rows))
    kernels = np.exp(-0.5 * ((points / noise) ** 2).sum(-1))
    excess = (noise**2 + 4.0) / 4.0  # of the exact density of the sum at the centre, as a power
    mean = (noise**2 / (noise**2 + 4.0)) ** (rows / 2)
    score = 2.0 * (kernels * points[..., 0] / noise**2).mean(1) / mean
    assert excess > 1 and 0.3 < score.var() < 1.0 + 4 * 1.0 * np.sqrt(2 / 1500)


def filled(log_weights: Any = 0.0, count: int = 400) -> ReservoirEstimator:
    points = np.random.default_rng(0).normal(size=(count, 3)) * [1.0, 2.0, 4.0]
    reservoir = Reservoir.empty(count, 3).add(points, np.broadcast_to(log_weights, count) + 0.0, np.zeros(count))
    return ReservoirEstimator.empty(ENERGY, ReservoirSizes(count, 64, 400)).filled_from(
        reservoir, np.random.default_rng(0)
    )


def test_noise_below_the_floor_is_widened_to_that_of_the_rows_and_more_noise_stays() -> None:
    estimator = filled()
    for row, spread in enumerate((1.0, 2.0, 4.0)):
        admitted = estimator.admit(Channel.of(jnp.eye(3)[row : row + 1]))
        assert admitted.noise == pytest.approx(floor(200.0, spread=spread), rel=0.15)  # a spread from 400 points
    wide = Channel.of(jnp.eye(3), 9.0)
    assert estimator.admit(wide).noise == 9.0
    np.testing.assert_array_equal(estimator.admit(wide).matrix, wide.matrix)
    poor = filled(np.where(np.arange(400) < 20, 0.0, -9.0))
    assert poor.admit(Channel.of(jnp.eye(3)[:1])).noise > 1.5 * estimator.admit(Channel.of(jnp.eye(3)[:1])).noise


@pytest.mark.parametrize(
    ("log_weights", "supported"),
    [
        (0.0, True),
        (np.where(np.arange(400) < FEWEST_POINTS + 1, 0.0, -99.0), True),
        (np.where(np.arange(400) < FEWEST_POINTS - 1, 0.0, -99.0), False),
        (-0.9 * np.log((np.arange(400) + 0.5) / 400), True),
        (-1.6 * np.log((np.arange(400) + 0.5) / 400), False),
        (-np.inf, False),
    ],
)
def test_few_points_or_a_heavy_tail_support_nothing(log_weights: Any, supported: bool) -> None:
    assert bool(filled(log_weights).is_supported()) is supported


def test_one_reservoir_serves_all_tasks_that_nothing_cheaper_serves() -> None:
    tasks = (JOINT, MARGINAL, NOISED, NOISED_MARGINAL)
    chosen = choose_estimators(tasks, ENERGY, "energy", 8, 4.0)
    assert [estimator.source for estimator in chosen] == ["energy", "reservoir", "reservoir", "reservoir"]
    assert chosen[1] is chosen[2] is chosen[3]
    assert chosen[1].price(100) == chosen[1].setup_price() == Evaluations()


# a training with a reservoir

COMPONENTS, POINTS, STEPS = 3, 2, 12
SIZES = ReservoirSizes(capacity=100, refill=32, resampled=40)


def training_of(target: AbstractTarget, tasks: tuple[Task, ...], steps: int = STEPS, sizes: Any = SIZES) -> Training:
    estimators = choose_estimators(tasks, target, "energy", 8, 4.0, sizes)
    return Training(
        matchings=tuple(
            Matching(task, estimator, target.centre, target.scale, POINTS)
            for task, estimator in zip(tasks, estimators, strict=True)
        ),
        scheduler=uniform(tasks),
        optimizer=build_optimizer("natural", 0.1, steps, decay="cosine", final=0.02, options={}),
        steps=steps,
        weights_from=steps // 2,
    )


def start_of(target: AbstractTarget, components: int = COMPONENTS) -> GaussianMixture:
    region = StartRegion(target.centre, jnp.diag(target.scale), 0.4 * target.scale)
    return region.mixture(jax.random.key(9), components)


def fitted(training: Training, target: AbstractTarget, chunk: int = 4, seed: int = 0, **start: Any) -> list[Progress]:
    told: list[Progress] = []
    state = training.begin(unconstrain(start_of(target, **start)))
    fit(training, state, TrainKeys.of(jax.random.key(seed)), chunk, told.append)
    return told


@pytest.mark.slow
def test_the_key_and_the_sampler_tell_the_points() -> None:
    training = training_of(ENERGY, (MARGINAL, NOISED))
    moved = unconstrain(WRONG_SAMPLER)
    supply = Supply.of(training, moved, jax.random.key(0))
    assert supply is not None and Supply.of(training_of(ENERGY, (JOINT,)), moved, jax.random.key(0)) is None
    nearer = moved._replace(means=moved.means + 0.5)
    first, second = (supply.renewed(moved).renewed(nearer) for _ in range(2))
    assert first.report == second.report and first.batches == 5 and first.reservoir.count == 100
    for one, same in zip(jax.tree.leaves(first.estimator), jax.tree.leaves(second.estimator), strict=True):
        np.testing.assert_array_equal(one, same)
    for other in (replace(supply, key=jax.random.key(1)).renewed(moved), supply.renewed(nearer)):
        assert not np.isin(other.reservoir.points[:, 0], first.reservoir.points[:, 0]).all()
    matchings = first.into(training).matchings
    assert all(matching.estimator is first.estimator for matching in matchings)


@pytest.mark.slow
def test_what_was_kept_before_the_first_batch_can_be_gone_on_with() -> None:
    training = training_of(ENERGY, (NOISED,))
    start = training.begin(unconstrain(start_of(ENERGY)))
    fitter = Fitter(training, start, TrainKeys.of(jax.random.key(0)), chunk=4)
    saved = SavedFit.of(fitter.begin())
    assert saved.batches == 0 and saved.reservoir is not None
    again, anew = (fitter.advance(state) for state in (fitter.continued(saved), fitter.begin()))
    np.testing.assert_array_equal(again.train.parameters.means, anew.train.parameters.means)


def test_a_chunk_asks_no_more_than_is_foretold() -> None:
    training = training_of(ENERGY, (JOINT, NOISED))
    fitter = Fitter(training, training.begin(unconstrain(start_of(ENERGY))), TrainKeys.of(jax.random.key(0)), chunk=7)
    state, before = fitter.begin(), fitter.progress(fitter.begin()).evaluations.total
    while not fitter.has_ended(state):
        most = fitter.most_of_chunk(state)
        state = fitter.advance(state)
        spent = fitter.progress(state).evaluations.total
        assert 0 < spent - before <= most
        before = spent


def test_a_step_on_what_is_not_supported_changes_nothing_but_the_count_of_steps() -> None:
    training = training_of(ENERGY, (MARGINAL,), sizes=ReservoirSizes(400, 64, 400))
    state, keys = training.begin(unconstrain(start_of(ENERGY))), TrainKeys.of(jax.random.key(0))
    drawn = training.scheduler.draw(keys.tasks, state.step, training.steps)

    @jax.jit
    def step(estimator: ReservoirEstimator) -> Any:
        matchings = (replace(training.matchings[0], estimator=estimator),)
        return replace(training, matchings=matchings).step(state, drawn, keys.points)

    learnt, info = step(filled())
    assert not info.skipped and np.abs(learnt.parameters.means - state.parameters.means).max() > 1e-3
    left, info = step(replace(filled(), supported=jnp.array(False)))
    assert info.skipped and not info.rejected and left.step == 1
    for pair in zip(jax.tree.leaves(left[:2]), jax.tree.leaves(state[:2]), strict=True):
        np.testing.assert_array_equal(*pair)


def test_every_evaluation_and_every_skipped_step_is_counted() -> None:
    """Mass in a needle that no proposal hits; the energy writes down every point at which it is asked."""
    calls: list[Any] = []

    def needle(point: Float[Array, " dim"]) -> Float[Array, ""]:
        jax.debug.callback(lambda _: calls.append(1), point[0])
        return jnp.where((jnp.abs(point) < 1e-4).all(), 0.0, -jnp.inf)

    target = function_target(needle, dim=3, scale=1.0)
    told = fitted(training_of(target, (JOINT, MARGINAL)), target)
    jax.effects_barrier()
    # To the capacity in four batches of 32, then one more before each of the two further chunks.
    assert [progress.evaluations_by_source["reservoir"].energy for progress in told] == [128, 160, 192]
    last, per_step = told[-1], COMPONENTS * POINTS
    joint = Evaluations(gradient=last.task_steps["joint"] * per_step)
    assert last.evaluations_by_source == {"energy": joint, "reservoir": Evaluations(energy=192)}
    assert last.evaluations_by_task == {"joint": joint, "marginal": Evaluations()}
    assert last.evaluations == joint.plus(Evaluations(energy=192)) and last.evaluations.total == len(calls)

    assert min(last.task_steps.values()) > 0 and sum(last.task_steps.values()) == STEPS == last.step
    assert last.skipped_steps == {"joint": 0, "marginal": last.task_steps["marginal"]}
    assert last.losses["marginal"] is None and last.rejected == 0
    assert last.zero_density == last.task_steps["joint"] * per_step
    assert last.reservoir is not None and not last.reservoir.supported
    assert (last.reservoir.size, last.reservoir.khat) == (100, None)


WIDE_TRUTH = GaussianMixture.of(np.random.default_rng(5).normal(size=(2, 5)) * 1.2, 0.6, [0.4, 0.6])


@lru_cache
def taught() -> tuple[GaussianMixture, list[Progress], int]:
    """A start in 5 dimensions, a training by marginal and noised tasks, and how often its energy was traced."""
    traces: list[Any] = []

    def log_density(point: Float[Array, " dim"]) -> Float[Array, ""]:
        traces.append(point.shape)
        return WIDE_TRUTH.log_density(point) + LOG_Z

    target = function_target(log_density, dim=5, scale=1.3)
    training = training_of(target, (MARGINAL, NOISED_MARGINAL), 400, ReservoirSizes(2048, 256, 256))
    return start_of(target, 8), fitted(training, target, chunk=20, components=8), len(traces)


def divergence(sampler: GaussianMixture) -> float:
    """`KL[p || q]` from 4000 draws, with an error below 0.1."""
    points = sampler.sample(jax.random.key(0), 4000)
    return float((sampler.log_density(points) - WIDE_TRUTH.log_density(points)).mean())


@pytest.mark.slow
def test_marginal_and_noised_tasks_in_five_dimensions_teach_the_whole_law_from_the_energy_alone() -> None:
    start, told, _ = taught()
    before, after = divergence(start), divergence(told[-1].mixture)
    assert before > 9.0 and after < 1.5, (before, after)
    assert 0 < sum(told[-1].skipped_steps.values()) < 100
    assert set(told[-1].evaluations_by_source) == {"reservoir"} and told[-1].evaluations.gradient == 0
    first, last = told[0].reservoir, told[-1].reservoir
    assert first is not None and last is not None
    assert not first.supported and last.supported
    assert last.ess > 3 * first.ess and last.noise_floor < first.noise_floor


@pytest.mark.slow
def test_new_points_compile_nothing_anew() -> None:
    _, told, traces = taught()
    assert len({progress.reservoir.ess for progress in told if progress.reservoir}) == 20
    assert traces == 1


# the record of a run


def test_a_run_says_where_its_evaluations_went_and_how_good_the_reservoir_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It takes longer than the rest, and no figure of it is looked at.
    monkeypatch.setattr(TRAIN, "verdict_of", lambda *_: Verdict.bare(COVERED, "By hand."))
    run = bl.train(
        ENERGY,
        settings={
            "scheduler": {"name": "uniform", "tasks": ["noised_marginal"]},
            "training": {"steps": 12, "chunk": 6, "points": 2},
            "reservoir": {"capacity": 64, "refill": 32, "resampled": 32},
            "components": 4,
            "optimizer.name": "sgd",
            "evaluation.draws": 200,
            "metrics": ["elbo"],
            "reports": [],
        },
        out=tmp_path / "run",
    )
    rows = [json.loads(line) for line in (tmp_path / "run" / "history.jsonl").read_text().splitlines()]
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["evaluations_by_source"] == {"reservoir": 96} and metrics["energy_evaluations"] == 96
    assert metrics["evaluations_by_task"] == {"noised_marginal": 0} and metrics["gradient_evaluations"] == 0
    assert run.record["sources"] == {"noised_marginal": "reservoir"}
    assert [row["evaluations_by_source"]["reservoir"] for row in rows] == [64, 96]
    names = ("evaluations_by_source", "evaluations_by_task", "skipped_steps", "reservoir")
    assert {name: rows[-1][name] for name in names} == {name: metrics[name] for name in names}
    assert metrics["reservoir"]["size"] == 64 and metrics["reservoir"]["noise_floor"] > 0


def test_skipped_steps_are_told_in_a_sentence() -> None:
    metrics = {"task_steps": {"joint": 10, "noised": 2000}, "skipped_steps": {"joint": 0, "noised": 1500}}
    told = " ".join(sentences(metrics))
    assert "1,500 of 2,000 steps on the task noised were skipped" in told and "joint" not in told
