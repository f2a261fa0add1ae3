"""The parts of the adaptive training, each by itself: what it keeps, what it proposes, and what it asks and pays."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from biglearn_sampler.catalogue import Catalogue
from biglearn_sampler.energy import AbstractTarget, Evaluations, MixtureTarget, function_target
from biglearn_sampler.engine.account import Account, Budget
from biglearn_sampler.engine.archive import (
    LEAST_EVIDENCE,
    LEAST_SLACK,
    NEGLIGIBLE,
    NEWS,
    SLACK,
    WIDER_GAIN,
    Archive,
    Mode,
)
from biglearn_sampler.engine.balance import (
    BATCH,
    BATCHES,
    MASS_ERROR,
    WIDER,
    balanced,
    largest_error,
    mass_shifts,
    truncated,
)
from biglearn_sampler.engine.bandit import FORGETTING, Bandit
from biglearn_sampler.engine.bounds import FAR_SHARE, UNBOUNDED, check_bounded
from biglearn_sampler.engine.climb import STEPS as CLIMB_STEPS
from biglearn_sampler.engine.climb import climbed
from biglearn_sampler.engine.engine import MOST_RESUMPTIONS, Engine
from biglearn_sampler.engine.polish import polished
from biglearn_sampler.engine.population import Population, equal_log_weights
from biglearn_sampler.engine.progress import EngineProgress
from biglearn_sampler.engine.proposals import DECLARED, FOUND, MAPS, NEAR, SEEN, Proposer
from biglearn_sampler.engine.region import BETWEEN, LONGEST, STRETCHED_AXES, WITHIN, Region, Span, refining_region
from biglearn_sampler.engine.rules import Rules
from biglearn_sampler.engine.search import NARROWER, SWEPT_AT, Search
from biglearn_sampler.engine.settle import GOOD, Fit, Settler, merged_twins, merges
from biglearn_sampler.engine.spare import POINTS, restored, spared
from biglearn_sampler.engine.state import EngineState, Factoring, Outcome, Refining
from biglearn_sampler.engine.stepper import Stepper, component_log_densities
from biglearn_sampler.engine.steps import Pace, Seen, _most_surprising, fresh_components, joint_steps
from biglearn_sampler.engine.structure import block_target, find_blocks
from biglearn_sampler.engine.unexplained import Unexplained, _on_flank, starts_of
from biglearn_sampler.engine.zero_density import bounded
from biglearn_sampler.errors import Diverged, SettingsError
from biglearn_sampler.learning.cliffs import ZERO_DENSITY_NATS
from biglearn_sampler.mixture import GaussianMixture
from biglearn_sampler.tasks import Task

LAW = GaussianMixture.of([[-3.0, 0.0], [2.0, 1.0], [0.0, -4.0]], 0.25, [0.5, 0.3, 0.2])


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def stepper_of(target: AbstractTarget, account: Account | None = None) -> Stepper:
    return Stepper(target, Rules(), account or Account())


@cache
def law_stepper() -> Stepper:
    return stepper_of(MixtureTarget.of(LAW, scale=1.0))


def population(mixture: GaussianMixture = LAW) -> Population:
    return Population.of(mixture)


# archive


def mode(
    mean: Any, evidence: float = 0.0, width: float = 0.5, settled: bool = False, mass: float | None = None
) -> Mode:
    """A Gaussian mode on points of its own, of a target that has just this mode with a log mass."""
    mean = np.asarray(mean, float)
    noise = np.concatenate([e := generator().normal(size=(8, len(mean))), -e])
    points = mean + width * noise
    log_density = -0.5 * (noise**2).sum(1) - len(mean) * (np.log(width) + 0.5 * np.log(2 * np.pi))
    return Mode(
        mean, width * np.eye(len(mean)), evidence, points, log_density + (evidence if mass is None else mass), settled
    )


def archive_of(*modes: Mode) -> Archive:
    return Archive(len(modes[0].mean), modes)


def test_an_archive_is_an_unnormalised_mixture() -> None:
    archive = archive_of(mode([0.0, 0.0], 1.0), mode([3.0, 0.0], -1.0, 0.2))
    points = generator().normal(size=(20, 2))
    expected = np.logaddexp(
        1.0 - 0.5 * (points**2).sum(1) / 0.25 - np.log(2 * np.pi * 0.25),
        -1.0 - 0.5 * ((points - [3.0, 0.0]) ** 2).sum(1) / 0.04 - np.log(2 * np.pi * 0.04),
    )
    np.testing.assert_allclose(archive.log_density(points), expected)
    assert archive.total == pytest.approx(np.logaddexp(1.0, -1.0))
    assert archive.peak == pytest.approx(1.0 - np.log(2 * np.pi * 0.25))
    np.testing.assert_allclose(np.exp(archive.population().log_weights).sum(), 1.0)
    empty = Archive(2)
    assert empty.count == 0 and np.isneginf(empty.log_density(points)).all() and empty.total == -np.inf


def test_a_far_mode_is_news_and_one_that_is_known_or_explained_is_not() -> None:
    archive = archive_of(mode([0.0, 0.0]), mode([3.0, 0.0]))
    assert Archive(2).is_news(mode([0.0, 0.0]))
    assert archive.is_news(mode([0.0, 5.0]))
    assert not archive.is_news(mode([0.1, 0.0]))
    # Somewhere else, but the target there is no more than what the known modes have there.
    explained = mode([1.5, 0.0], width=0.3)
    explained = explained._replace(log_target=archive.log_density(explained.points) + 0.5 * NEWS)
    assert archive.twin(explained) is None and not archive.is_news(explained)
    assert archive.is_news(explained._replace(log_target=explained.log_target + NEWS))


def test_a_twin_lies_inside_both_ways() -> None:
    archive = archive_of(mode([0.0, 0.0], width=0.5), mode([5.0, 0.0], width=0.5))
    assert archive.twin(mode([4.8, 0.1])) == 1
    assert archive.twin(mode([4.8, 0.1], width=0.01)) is None  # a narrow mode inside a wide one is another
    assert archive.twin(mode([2.5, 0.0])) is None
    assert Archive(2).twin(mode([0.0, 0.0])) is None


def test_a_better_twin_takes_the_place_unless_it_is_settled() -> None:
    worse, better = mode([0.0, 0.0], -1.0), mode([0.1, 0.0], 1.0)
    assert archive_of(worse).with_better_twin(better).modes == (better,)
    assert archive_of(better).with_better_twin(worse).modes == (better,)
    settled = worse._replace(settled=True)
    assert archive_of(settled).with_better_twin(better).modes == (settled,)
    far = mode([9.0, 0.0], 5.0)
    assert archive_of(worse).with_better_twin(far).modes == (worse,)


def test_a_wider_twin_must_be_much_better() -> None:
    narrow = mode([0.0, 0.0], -1.0, width=0.4)
    for evidence, replaced in ((-0.5, False), (-1.0 + WIDER_GAIN + 0.1, True)):
        wide = mode([0.1, 0.0], evidence, width=1.0)
        assert archive_of(narrow).twin(wide) == 0
        assert archive_of(narrow).with_better_twin(wide).modes == ((wide,) if replaced else (narrow,))
    # The other way round a little is enough: a searcher that is not done is too wide.
    assert archive_of(mode([0.1, 0.0], -1.0, width=1.0)).with_better_twin(narrow._replace(evidence=-0.9)).count == 1


def test_components_that_alone_hold_mass_are_spared() -> None:
    stepper = stepper_of(MixtureTarget.of(LAW, scale=4.0))
    means = np.array([[-3.0, 0.0], [2.0, 1.0], [2.1, 1.0], [0.0, -4.0], [9.0, 9.0]])
    # The third has a living neighbour, the fourth is alone on a mode, the last is alone where nothing is.
    population = Population(means, np.stack([0.4 * np.eye(2)] * 5), np.log([0.5, 0.499998, 1e-6, 5e-7, 5e-7]))
    spent = stepper.account.total.total
    after, moving = spared(population, np.array([2, 3, 4]), 0.0, stepper, np.random.default_rng(0))
    assert moving.tolist() == [2, 4]
    weights = np.exp(after.log_weights)
    assert weights[3] == pytest.approx(0.2 / 1.2, rel=1e-3) and weights[[2, 4]].max() < 1e-5
    # At every mean, and around those that surprise: far out the last one does, and holds no mass.
    assert stepper.account.total.total - spent == 3 + 2 * POINTS


def test_pruning_drops_what_is_light_or_explained_and_keeps_what_is_settled() -> None:
    heavy = mode([0.0, 0.0], 0.0)
    light = mode([5.0, 0.0], np.log(0.1 * NEGLIGIBLE))
    again = mode([0.2, 0.0], -0.5)
    again = again._replace(log_target=archive_of(heavy).log_density(again.points))
    other = mode([0.0, 5.0], -1.0)
    pruned = archive_of(heavy, light, again, other).pruned()
    assert pruned.modes == (heavy, other)
    # Lighter than the first one by three nats: so it does not explain that one in turn.
    again = again._replace(evidence=-3.0, log_target=archive_of(heavy).log_density(again.points))
    settled = [one._replace(settled=True) for one in (light, again)]
    assert archive_of(heavy, *settled, other).pruned().modes == (heavy, *settled, other)
    assert archive_of(light).pruned().modes == (light,)  # the last one is never dropped


def test_surprise_is_one_where_news_begins_and_allows_more_in_the_depth() -> None:
    archive = archive_of(mode([0.0, 0.0]))
    peak, known = archive.peak, np.array([-3.0, -100.0, -3.0, -3.0])
    told = archive.surprise(np.array([peak, peak - 20.0, -np.inf, peak + 5.0]), known)
    assert told[0] == pytest.approx((peak + 3.0) / NEWS)
    assert told[1] == pytest.approx((peak - 20.0 + 100.0) / (NEWS + 0.05 * 20.0))
    assert np.isfinite(told).all() and told[2] < 0  # no density, no surprise


def test_a_mode_that_hides_in_the_depth_is_news_once_gaussians_explain_the_rest() -> None:
    known, hidden = mode([0.0, 0.0], np.log(0.5)), mode([40.0, 0.0], np.log(0.5), width=0.3)
    archive, points = archive_of(known), 5.0 * generator().normal(size=(1000, 2))
    points[0] = [25.1, 0.0]  # the only one at which the hidden mode is the nearer one, by a fiftieth of the depth
    target = archive_of(known, hidden).log_density(points)
    told = archive.calibrated(points, target)
    assert not (archive.surprise(target, archive.log_density(points)) > 1.0).any()
    assert told.slack == LEAST_SLACK
    assert np.flatnonzero(told.surprise(target, told.log_density(points)) > 1.0).tolist() == [0]


def test_slack_stays_where_gaussians_do_not_explain_what_lies_far_out() -> None:
    archive, points = archive_of(mode([0.0, 0.0])), 10.0 * generator().normal(size=(1000, 2))
    heavy = -2.0 * np.log1p((points**2).sum(1))
    assert archive.calibrated(points, heavy).slack == SLACK
    assert archive.calibrated(points[:100], archive.log_density(points[:100])) is archive  # too few to tell
    assert archive.calibrated(points, np.full(1000, -np.inf)) is archive


def test_a_mode_that_no_gaussian_fits_may_hold_more_than_its_evidence() -> None:
    fitting = mode([5.0, 0.0], -20.0)
    assert fitting.potential == pytest.approx(-20.0)
    spread = np.where(np.arange(len(fitting.points)) % 2, 6.0, -6.0)
    loose = fitting._replace(log_target=fitting.log_target + spread)
    assert loose.potential == pytest.approx(-20.0 + 0.5 * 36.0)
    archive = archive_of(mode([0.0, 0.0]))
    assert archive.is_negligible(fitting) and not archive.is_negligible(loose)
    # Not even the first mode may be where there is nothing.
    nothing = loose._replace(evidence=LEAST_EVIDENCE)
    assert Archive(2).is_negligible(nothing) and not Archive(2).is_negligible(fitting)
    assert archive.with_mode(loose).pruned().count == 2 and archive.with_mode(fitting).pruned().count == 1


# bandit


def test_shares_follow_success_and_nothing_is_given_up() -> None:
    bandit = Bandit(("a", "b", "c"))
    assert bandit.rate("a") == bandit.rate("b") == 0.25
    for _ in range(20):
        bandit.learn("a", True)
        bandit.learn("b", False)
    assert bandit.rate("a") == pytest.approx(21 / 24) and bandit.rate("b") == pytest.approx(1 / 24)
    chosen = [bandit.choose(["a", "b", "c"], np.random.default_rng(i)) for i in range(600)]
    rates = np.array([bandit.rate(kind) for kind in "abc"])
    expected = rates / rates.sum()
    for kind, share in zip("abc", expected, strict=True):
        # Four standard errors of a share of 600 draws.
        assert abs(chosen.count(kind) / 600 - share) < 4 * np.sqrt(share * (1 - share) / 600)
    assert set(bandit.choose(["b"], generator()) for _ in range(3)) == {"b"}
    assert set(bandit.rates) == {"a", "b", "c"}


def test_what_served_early_is_forgotten() -> None:
    bandit = Bandit(("a",))
    bandit.learn("a", True)
    before = bandit.rate("a")
    bandit.forget()
    assert bandit.rate("a") == pytest.approx((FORGETTING + 1) / (FORGETTING + 4)) and bandit.rate("a") < before
    for _ in range(200):
        bandit.forget()
    assert bandit.rate("a") == pytest.approx(0.25)


# regions


def test_the_found_region_spans_modes_and_widths() -> None:
    region = Region.found(population())
    means = np.asarray(LAW.means)
    np.testing.assert_allclose(region.centre, means.mean(0), rtol=1e-6)
    np.testing.assert_allclose(region.width, BETWEEN * means.std(0) + WITHIN * 0.5, rtol=1e-5)
    declared = Region.declared(2)
    draws = declared.draws(generator(), np.full(4000, 2.0))
    # Errors of 2 / sqrt(4000) and of 2 / sqrt(8000).
    assert np.abs(draws.mean(0)).max() < 0.15 and np.abs(draws.std(0) - 2.0).max() < 0.1


def test_draws_in_the_span_of_what_was_found_have_its_full_covariance() -> None:
    means = np.array([[-3.0, -2.0, -3.0], [3.0, 2.0, 3.0]])
    draws = Span.found(Population.at(means, 0.5)).draws(generator(), np.full(20_000, 2.0))
    expected = 4.0 * (BETWEEN**2 * np.outer(means[1], means[1]) + 0.25 * np.eye(3))
    # Four errors of 20,000 draws: standard deviations of means are sigma / sqrt(n), of covariances sigma^2 sqrt(2 / n).
    assert np.abs(draws.mean(0)).max() < 4.0 * np.sqrt(np.diagonal(expected) / 20_000).max()
    assert np.abs(np.cov(draws.T) - expected).max() < 4.0 * np.sqrt(2.0 / 20_000) * np.diagonal(expected).max()


def test_stretched_draws_leave_what_was_found_along_few_axes() -> None:
    span = Span.found(Population.at(np.array([[-3.0] * 6, [3.0] * 6]), 0.5))
    draws = (span.stretched_draws(generator(), 4000) - span.centre) @ span.axes / span.deviations
    far = (np.abs(draws) > 5.0).sum(1)
    assert far.max() == STRETCHED_AXES and np.abs(draws).max() < 5.0 * LONGEST
    # The median of a normal law with a scale between 1 and 30 is well above that of a standard one, 0.67.
    assert np.median(np.sort(np.abs(draws), 1)[:, -1]) > 3.0 > np.abs(np.median(draws, 0)).max()


def test_a_sweep_meets_a_narrow_mode_in_the_directions_of_the_others_and_not_in_those_of_coordinates() -> None:
    target = Catalogue().build("target", {"name": "unequal_mixture", "dim": 8}).value
    means, scale = np.asarray(target.mixture.means, float) / 4.0, 4.0
    factors = np.asarray(target.mixture.factors, float) / scale
    known = Population(means[:3], factors[:3], np.log(np.full(3, 1.0 / 3.0)))
    points = Proposer(8, [], 0.3, EACH).sweep(known, 70_000, generator())
    distances = np.linalg.norm(np.linalg.solve(factors[3], (points - means[3]).T), axis=0)
    nearby = (distances < 8.0).reshape(7, -1).sum(1)
    assert nearby[4:6].min() > 20 > 10 * np.delete(nearby, [4, 5]).max()


def test_a_sweep_meets_a_narrow_mode_aside_of_a_wider_one_where_nothing_was_found_yet() -> None:
    """In eight dimensions, twelve deviations of the wide one away along one coordinate, and a fifth as wide."""
    known = Population(np.zeros((1, 8)), np.eye(8)[None] / 6.0, np.zeros(1))
    points = 6.0 * Proposer(8, [], 0.3, EACH).sweep(known, 70_000, generator())
    log_wide = -0.5 * (points**2).sum(1)
    log_narrow = -0.5 * ((points - 12.0 * np.eye(8)[0]) ** 2).sum(1) / 0.2**2 - 8.0 * np.log(0.2)
    nearby = (log_narrow > log_wide).reshape(7, -1).sum(1)
    assert nearby[6] > 30 > 1.5 * nearby[:6].max(), nearby


@pytest.mark.parametrize("shares", [1, 40], ids=["known", "with_many_components_elsewhere"])
def test_a_sweep_meets_a_narrow_mode_forty_widths_of_the_region_aside(shares: int) -> None:
    """In twelve dimensions and another half as wide; the region is as wide as the wide one, which has half the mass."""
    narrow, far = 0.5, 40.0 * np.eye(12)
    means = np.concatenate([np.zeros((1, 12)), np.repeat(far[1:2], shares, 0)])
    factors = np.concatenate([np.eye(12)[None], np.repeat(narrow * np.eye(12)[None], shares, 0)])
    known = Population(means, factors, np.log([0.5, *[0.5 / shares] * shares]))
    points = Proposer(12, [], 0.3, EACH).sweep(known, 280_000, generator())
    log_wide = -0.5 * (points**2).sum(1)
    log_narrow = -0.5 * ((points - far[0]) ** 2).sum(1) / narrow**2 - 12.0 * np.log(narrow)
    # 85 and 28 are expected of 40,000; without regard to weights, one of 41 components being wide, it would be three.
    assert (log_narrow > log_wide).sum() > 12


@pytest.mark.parametrize(
    ("mean", "width", "declared"),
    [
        ([0.0, 0.0], 1.0, True),
        ([2.0, -2.0], 0.3, True),
        ([0.0, 0.0], 0.02, False),
        ([30.0, 0.0], 1.0, False),
        ([0.0, 0.0], 20.0, False),
    ],
)
def test_a_declared_region_serves_unless_the_mass_is_elsewhere_or_of_another_size(
    mean: list[float], width: float, declared: bool
) -> None:
    found = Population.at(np.array([mean]), width)
    region = refining_region(found, generator())
    if declared:
        np.testing.assert_array_equal(region.width, 1.0)
        np.testing.assert_array_equal(region.centre, 0.0)
    else:
        # Quantiles of 4,096 draws have errors of three per cent of the width.
        np.testing.assert_allclose(region.centre, mean, atol=0.15 * width)
        np.testing.assert_allclose(region.width, BETWEEN * width, rtol=0.15)


# proposals


@cache
def task_of(name: str, **parameters: Any) -> Task:
    return Catalogue().build("task", {"name": name, **parameters} if parameters else name).value


FAMILIES = ("conditional", "transformed_conditional", "marginal", "transformed_marginal", "noised")
EACH = 64
NARROW = 1e-6
"""Width of the known modes, so that a proposal tells from which one it came."""


def drawn(name: str, dim: int = 4) -> tuple[Task, np.ndarray, Archive, Region, Proposer]:
    """Proposals of one task around two known modes that are points, as good as."""
    means = np.array([[1.0, -2.0, 0.5, 3.0], [-1.0, 4.0, 2.5, -3.0]])[:, :dim]
    archive = archive_of(*(mode(mean, width=NARROW) for mean in means))
    region = Region(np.linspace(-1.0, 1.0, dim), np.linspace(1.0, 3.0, dim))
    task = task_of(name)
    proposer = Proposer(dim, [task], 0.3, EACH)
    proposals = proposer.of_tasks(archive, region, generator(), 0.5)
    assert proposals.points.shape == (EACH, dim) and not proposals.kind.any()
    return task, proposals.points, archive, region, proposer


def views_of(points: np.ndarray, region: Region, matrices: np.ndarray) -> np.ndarray:
    return np.einsum("nij,nj->ni", matrices, (points - region.centre) / region.width)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_proposal_keeps_what_its_task_does_not_draw_anew(name: str) -> None:
    task, points, archive, region, proposer = drawn(name)
    # The same generator gives the same maps: the first thing that is drawn.
    matrices, noises = proposer._maps(task, generator(), 0.5)
    np.testing.assert_allclose(matrices @ matrices.swapaxes(1, 2), np.broadcast_to(np.eye(4), (EACH, 4, 4)), atol=1e-5)
    views = views_of(points, region, matrices)
    parents = np.stack([views_of(np.broadcast_to(m, points.shape), region, matrices) for m in archive.means])
    if task.shape == "conditional":
        kept = slice(0, task.given_rows(4))
    elif task.shape == "marginal":
        kept = slice(0, task.rows(4))
    else:
        kept = slice(0, 4)
    distance = np.abs(views[:, kept] - parents[:, :, kept]).max(-1).min(0)
    if task.transformation.noisy:
        assert (noises > 0).all()
        scaled = (views - parents)[:, :, :] / noises[:, None]
        nearest = np.take_along_axis(scaled, (scaled**2).sum(-1).argmin(0)[None, :, None], 0)[0]
        # 256 normal numbers: their mean square is one to within four errors of sqrt(2 / 256).
        assert abs((nearest**2).mean() - 1.0) < 0.4
    else:
        assert kept.stop is not None and 0 < kept.stop < 4
        assert (distance < 1e-4).all()
        anew = views[:, kept.stop :]
        # Drawn anew over the region: neither at the known modes nor all in one place.
        assert 1.0 < anew.std() < 2.0 and np.abs(anew.mean()) < 0.6


def test_the_joint_proposals_are_of_three_kinds_and_as_declared_while_nothing_is_known() -> None:
    proposer = Proposer(2, [task_of("conditional")], 0.3, EACH)
    assert proposer.kinds == (DECLARED, FOUND, NEAR, task_of("conditional").name, SEEN)
    first = proposer.draw(Archive(2), Region.declared(2), generator(), 0.0)
    assert first.points.shape == (EACH, 2) and set(first.kind) == {0}
    archive = archive_of(mode([50.0, 0.0], width=0.1), mode([50.0, 8.0], width=0.1))
    later = proposer.draw(archive, Region.found(archive.population()), generator(), 0.0)
    assert later.points.shape == (4 * EACH, 2)
    np.testing.assert_array_equal(np.bincount(later.kind), EACH)
    declared, found, near = (later.points[later.kind == number] for number in range(3))
    assert np.abs(declared).max() < 10.0
    assert np.abs(np.median(found[:, 0]) - 50.0) < 2.0
    assert np.linalg.norm(near[:, None] - archive.means, axis=-1).min(1).max() < 8.0 * 0.1 * 5.0
    factors = np.stack([later.factor(number, archive) for number in range(4 * EACH)])
    np.testing.assert_allclose(factors[later.kind == 2], np.broadcast_to(0.1 * np.eye(2), (EACH, 2, 2)))
    # Fresh searchers are up to 0.3 wide, and a tenth of that at least.
    widths = np.diagonal(factors[later.kind == 0], axis1=1, axis2=2)
    assert 0.03 <= widths.min() < 0.06 < 0.15 < widths.max() <= 0.3


def test_in_one_dimension_only_noise_is_left_of_the_tasks() -> None:
    proposer = Proposer(1, [task_of(name) for name in FAMILIES], 0.3, EACH)
    assert proposer.kinds == (DECLARED, FOUND, NEAR, task_of("noised").name, SEEN)


def test_maps_serve_several_proposals_each() -> None:
    task, *_, proposer = drawn("transformed_conditional")
    matrices, _ = proposer._maps(task, generator(), 0.5)
    assert len(np.unique(np.round(matrices, 5), axis=0)) == MAPS


def test_of_what_a_searcher_saw_the_most_surprising_points_are_kept() -> None:
    steps, components, each = 3, 2, 2
    surprise = np.array([[1.0, 9.0, 4.0, 0.0], [2.0, 3.0, 8.0, 5.0], [7.0, 0.5, 6.0, 0.1]])
    points = np.arange(steps * components * each, dtype=float).reshape(steps, -1, 1)
    seen = _most_surprising(Seen(*(jnp.asarray(x) for x in (points, -surprise, surprise))), components)
    # Of the first searcher 9 and 7, of the second 8 and 6, each with its own point.
    np.testing.assert_array_equal(seen.surprise, [[9.0, 7.0], [8.0, 6.0]])
    np.testing.assert_array_equal(seen.log_target, -seen.surprise)
    np.testing.assert_array_equal(seen.points[..., 0], [[1.0, 8.0], [6.0, 10.0]])


def test_points_that_were_seen_start_narrow_searchers_of_their_own_kind() -> None:
    proposer = Proposer(2, [], 0.3, EACH)
    archive, region = archive_of(mode([0.0, 0.0])), Region(np.zeros(2), np.array([1.0, 10.0]))
    before = proposer.draw(archive, region, generator(), 0.0)
    after = proposer.seen(before, np.array([[3.0, 4.0], [5.0, 6.0]]), np.array([1e-3, np.inf]), region, generator())
    assert [proposer.kinds[kind] for kind in after.kind[-2:]] == [SEEN, SEEN]
    np.testing.assert_array_equal(after.points[-2:], [[3.0, 4.0], [5.0, 6.0]])
    factor = after.factor(len(after.points) - 1, archive)
    assert factor[1, 1] == pytest.approx(10.0 * factor[0, 0]) and 0.003 <= factor[0, 0] <= 0.09
    assert after.factor(len(after.points) - 2, archive)[0, 0] == 1e-3


STUDENT_DIM, STUDENT_WIDTH = 10, 0.05


def student_score(points: np.ndarray) -> np.ndarray:
    """Of a Student law with two degrees of freedom around zero."""
    squares = (points**2).sum(1, keepdims=True) / STUDENT_WIDTH**2
    return -(2.0 + STUDENT_DIM) * points / STUDENT_WIDTH**2 / (2.0 + squares)


def test_a_climb_goes_down_a_heavy_flank_into_the_core() -> None:
    directions = generator().standard_normal((32, STUDENT_DIM))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    begun = np.linspace(3.0, 300.0, 32)[:, None] * STUDENT_WIDTH * directions
    ends = climbed(begun, student_score, np.ones(STUDENT_DIM))
    assert ends.arrived.all() and not climbed(1e4 * begun, student_score, np.ones(STUDENT_DIM)).arrived.any()
    # The core has a radius of about sqrt(10) widths; its log density is nowhere steeper than 12 / sqrt(8) per width.
    assert np.linalg.norm(ends.points, axis=1).max() < 0.1 * STUDENT_WIDTH
    assert ends.narrowest.min() > 8.0**0.5 / 12.0 * STUDENT_WIDTH and np.median(ends.narrowest) < STUDENT_WIDTH


def test_a_climb_arrives_where_the_density_ends_and_makes_no_step_longer_than_the_unit() -> None:
    seen = [np.array([[1.0, 1.0], [90.0, 0.0]])]

    def walled(points: np.ndarray) -> np.ndarray:
        """It rises to the right up to a wall, behind which there is nothing, and far away there is nothing at all."""
        seen.append(points)
        return np.where((points[:, :1] < 5.0), np.array([1.0, 0.0]), np.nan)

    ends = climbed(seen[0], walled, np.array([2.0, 1.0]))
    np.testing.assert_array_equal(ends.points[1], [90.0, 0.0])
    assert 4.9 < ends.points[0, 0] < 5.0 and ends.points[0, 1] == 1.0
    # Before the wall it is as high as it goes; where there is nothing, nobody arrives.
    assert ends.arrived.tolist() == [True, False]
    assert max(np.abs(after - before).max() for before, after in pairwise(seen)) <= 2.0


def test_points_from_which_the_density_rises_towards_a_known_mode_are_on_its_flank() -> None:
    search = swept(known=2)
    means = np.asarray(LAW.means, float)
    # Beside the unknown mode, and on the far sides of those that are known.
    points = np.concatenate([means[2:] + [[0.1, 0.1]], 1.5 * means[:2]])
    unexplained = Unexplained(points, search.stepper.log_density(points, "proposals"), np.ones(3), np.ones(3))
    assert _on_flank(unexplained, search.archive, search.stepper, 0).tolist() == [False, True, True]
    poor = search.stepper.booking(Account(Budget(evaluations=10)))
    assert not _on_flank(unexplained, search.archive, poor, 10).any()  # nobody knows


def test_half_of_the_climbs_begin_on_flanks_and_end_at_what_is_unknown() -> None:
    """The far side of an unknown mode looks like a flank of one that is known."""
    search = swept(known=2)
    means, stepper = np.asarray(LAW.means, float), search.stepper.booking(Account())
    # Behind the unknown mode, as seen from both known ones, and behind a known one.
    points = np.array([1.6 * means[2], 1.8 * means[2], 2.0 * means[0]])
    unexplained = Unexplained.by(search.archive, points, stepper.log_density(points, "proposals")).beyond
    assert _on_flank(unexplained, search.archive, stepper, 0).all()
    starts = starts_of(unexplained, 4, search.archive, stepper, 32, 0)
    climbed_ends = starts.take(np.isfinite(starts.widest))
    np.testing.assert_allclose(climbed_ends.points, np.broadcast_to(means[2], climbed_ends.points.shape), atol=0.05)
    assert len(climbed_ends.points) >= 16 and len(starts.points) == len(climbed_ends.points) + len(unexplained.points)


def test_points_are_taken_by_turns_for_their_surprise_and_their_density() -> None:
    points = np.arange(5.0)[:, None]
    unexplained = Unexplained(
        points, np.array([1.0, 5.0, 2.0, 3.0, 4.0]), np.array([9.0, 8.0, 7.0, 2.0, 3.0]), np.ones(5)
    )
    assert unexplained.strongest_and_densest(3).points[:, 0].tolist() == [0.0, 1.0, 4.0]
    assert unexplained.strongest_and_densest(9).points[:, 0].tolist() == [0.0, 1.0, 4.0, 2.0, 3.0]


def test_searchers_that_hardly_rise_far_below_any_mode_are_stuck() -> None:
    archive, proposer = archive_of(mode([0.0, 0.0])), Proposer(2, [], 0.3, EACH)
    search = Search(law_stepper(), Rules(), Population.at(np.zeros((4, 2)), 0.3), archive, proposer, generator())
    low = [mode([5.0, 0.0], evidence=-1000.0)] * 3 + [mode([5.0, 0.0], evidence=-1.0)]
    gain = np.array([49.0, 51.0, 49.0, 0.04])
    search._ages[:] = 1
    assert not search._stuck(gain, low).any()  # too young to tell
    search._ages[:] = 2
    search._confirming[2] = True  # and one that makes sure of what it found stays
    assert search._stuck(gain, low).tolist() == [True, False, False, True]
    search.archive = Archive(2)
    assert not search._stuck(gain, low).any()  # nothing is known that could hold it


def swept(known: int) -> Search:
    """A search that knows the first modes of the target, after its last look; four of its searchers were free."""
    modes = [mode(mean, evidence=np.log(w), width=0.5) for mean, w in zip(LAW.means, LAW.weights, strict=True)]
    start, proposer = Population.at(np.zeros((6, 2)), 0.3), Proposer(2, [], 0.3, EACH)
    stepper = law_stepper().booking(Account())
    search = Search(stepper, Rules(), start, archive_of(*modes[:known]), proposer, generator())
    search.failures = Rules().failures(known)
    search.sweep(range(4))
    return search


def test_the_last_look_sends_searchers_to_what_is_not_explained() -> None:
    search = swept(known=2)
    distance = np.linalg.norm(search.searchers.means[:4, None] - np.asarray(LAW.means), axis=-1)
    assert (distance.argmin(1) == 2).all()
    assert len(np.unique(search.searchers.means[:4], axis=0)) == 4 and not search.searchers.means[4:].any()
    assert not search.finished  # they are waited for
    assert search.stepper.account.total.total >= Rules().sweep_points


def test_who_begins_where_one_was_seen_is_no_wider_than_the_density_there() -> None:
    search = swept(known=2)
    score = np.asarray(jax.jit(jax.vmap(jax.grad(LAW.log_density)))(jnp.asarray(search.searchers.means[:4])))
    width = Region.found(search.archive.population()).width
    ratio = np.diagonal(search.searchers.factors[:4], axis1=1, axis2=2) / width
    assert (ratio <= 1.001 / np.linalg.norm(score * width, axis=1)[:, None]).all()
    # One score of each, beside those of climbs, in batches of as many, which ask no more than the sweep.
    count = search.searchers.count
    batches = Rules().sweep_points // (CLIMB_STEPS * count)
    assert search.stepper.account.spent["proposals"].gradient == (1 + batches * CLIMB_STEPS) * count


def test_the_last_look_ends_the_search_where_all_is_explained() -> None:
    search = swept(known=3)
    assert not search.searchers.means.any() and search.finished


def test_whoever_has_concluded_sets_out_again_until_the_search_is_over() -> None:
    known = archive_of(
        *(mode(mean, float(np.log(weight))) for mean, weight in zip(LAW.means, [0.5, 0.3, 0.2], strict=True))
    )
    start = Population.at(np.resize(np.asarray(LAW.means, float), (Rules().searchers, 2)), 0.3)
    search = Search(law_stepper(), Rules(), start, known, Proposer(2, [], 0.3, 48), generator())
    concluded, swept_at = [], []
    with pytest.MonkeyPatch.context() as patch:
        conclude, restart, sweep = Search._conclude, Search._restart, Search.sweep
        patch.setattr(Search, "_conclude", lambda *given: concluded.append(conclude(*given)) or concluded[-1])
        patch.setattr(
            Search,
            "_restart",
            lambda self, free, *given, **named: restarted.extend(free) or restart(self, free, *given, **named),
        )
        patch.setattr(Search, "sweep", lambda self, *given: swept_at.append(self.failures) or sweep(self, *given))
        while not search.complete:
            restarted: list[int] = []
            search.round(jax.random.key(search.rounds))
            assert search.finished or sorted(restarted) == sorted(concluded[-1])
    # All is explained, so that the last look finds nothing; it came while others were still looking.
    threshold = Rules().failures(3)
    assert len(swept_at) == 1 and SWEPT_AT * threshold <= swept_at[0] < threshold <= search.failures
    assert sum(map(len, concluded)) == search.failures


def test_draws_from_a_box_reach_its_corners_as_its_middle() -> None:
    region = Region(np.array([1.0, -1.0]), np.array([1.0, 3.0]))
    draws = (region.uniform_draws(generator(), np.full(8000, 0.5)) - region.centre) / region.width
    assert np.abs(draws).max() <= 0.5
    corners = (np.abs(draws) > 0.25).all(1).mean()
    assert abs(corners - 0.25) < 5 * (0.25 * 0.75 / 8000) ** 0.5


# settling


def test_growing_cuts_the_components_that_fit_worst_and_keeps_the_mass() -> None:
    wrong = GaussianMixture.of(
        [[-3.0, 0.0], [2.0, 1.0]], np.array([0.25 * np.eye(2), np.diag([9.0, 0.01])]), [0.6, 0.4]
    )
    settler = Settler(law_stepper(), Rules(), generator(), lambda *_: None)
    grown = settler._grown(population(wrong), 8)
    assert grown is not None and grown.count == 8
    assert np.exp(grown.log_weights).sum() == pytest.approx(1.0)
    of_first = (np.abs(grown.means - [-3.0, 0.0]) < 1e-6).all(1)
    assert of_first.sum() == 1 and np.exp(grown.log_weights[of_first]) == pytest.approx(0.6)
    pieces = grown.means[~of_first]
    assert settler.moves == [{"move": "split", "component": 1, "count": 7}]
    # Cut along the longest axis, evenly to both sides, and no farther than one standard deviation.
    np.testing.assert_allclose(pieces[:, 1], 1.0, atol=1e-6)
    np.testing.assert_allclose(pieces[:, 0].mean(), 2.0, atol=1e-6)
    assert pieces[:, 0].max() - 2.0 == pytest.approx(3.0, rel=1e-5)


def test_elbos_say_which_fit_is_closer_where_they_tell_and_variances_elsewhere() -> None:
    def fit(elbo: float, variance: float) -> Fit:
        return Fit(population(LAW), population(LAW), variance, elbo)

    # The error of a difference of ELBOs of variance 0.004 in all is 0.0014.
    lost, better, noisy = fit(-0.05, 0.001), fit(-0.002, 0.003), fit(-0.0015, 0.0031)
    assert better.is_closer(lost) and not lost.is_closer(better)
    assert better.is_closer(noisy) and not noisy.is_closer(better)


def test_merging_drops_the_weightless_and_adds_up_the_same() -> None:
    base = GaussianMixture.of([[0.0, 0.0], [0.01, 0.0], [5.0, 0.0], [9.0, 0.0]], 1.0, [0.5, 0.2, 0.29999, 0.00001])
    merged = merged_twins(population(base))
    np.testing.assert_allclose(merged.means, [[0.0, 0.0], [5.0, 0.0]], atol=1e-6)
    np.testing.assert_allclose(np.exp(merged.log_weights), [0.7, 0.3], atol=1e-4)
    told = [{"move": "merged", "component": 0, "count": 2}, {"move": "dropped", "count": 1}]
    assert merges(population(base)) == Fit(population(base), merged, 0.0, 0.0).merges == told
    assert Fit.unsettled(population(base)).merges == merges(merged) == []
    apart = population(LAW)
    assert merged_twins(apart).count == 3
    # Of one place but of another shape: two components.
    shapes = GaussianMixture.of([[0.0, 0.0]] * 2, np.array([np.eye(2), np.diag([1.0, 4.0])]))
    assert merged_twins(population(shapes)).count == 2


@pytest.mark.slow
def test_settling_fits_a_mixture_from_one_component_for_each_mode() -> None:
    start = Population.at(np.asarray(LAW.means, float) + 0.2, 0.3)
    told: list[str] = []
    settler = Settler(law_stepper(), Rules(), generator(), lambda phase, *_: told.append(phase))
    fit = settler.judged(settler.settle(start, jax.random.key(0)), jax.random.key(1))
    assert fit.good and set(told) == {"settle"}
    weights = np.exp(fit.merged.log_weights)
    nearest = np.linalg.norm(fit.merged.means[:, None] - np.asarray(LAW.means), axis=-1).argmin(1)
    masses = np.bincount(nearest, weights)
    means = np.stack([weights[nearest == k] @ fit.merged.means[nearest == k] / masses[k] for k in range(3)])
    # A share w that is off by e of itself, or a mean by e standard deviations, adds w e^2 to the variance of log q / p.
    allowed = np.sqrt(GOOD / np.array([0.5, 0.3, 0.2]))
    assert (np.abs(masses / [0.5, 0.3, 0.2] - 1.0) < allowed).all()
    assert (np.linalg.norm(means - np.asarray(LAW.means), axis=1) < 0.5 * allowed).all()
    assert abs(fit.elbo) < 0.01


def test_a_perfect_fit_that_lost_a_mode_is_made_again_with_it() -> None:
    start = np.resize(np.asarray(LAW.means, float), (Rules().searchers, 2))
    engine = Engine(MixtureTarget.of(LAW, scale=1.0), start, np.full(2, 0.3), (), Rules(), Account(), lambda _: None)
    search = Search(engine.stepper, Rules(), population(), archive_of(mode([0.0, 0.0])), engine._proposer, generator())
    known = [mode(mean, float(np.log(weight))) for mean, weight in zip(LAW.means, [0.5, 0.3, 0.2], strict=True)]
    kept = population().take(np.array([0, 1])).normalised()
    lacking = Fit(kept, kept, 0.1 * GOOD, float(np.log(0.8)))

    search.archive = archive_of(*known[:2])
    fit, whole = engine._judged(lacking, search, jax.random.key(1), generator())
    assert whole and fit.elbo == pytest.approx(np.log(0.8), abs=0.01)
    assert "settle" not in engine.account.spent or not engine.account.spent["settle"].gradient

    search.archive = archive_of(*known)
    fit, whole = engine._judged(lacking, search, jax.random.key(1), generator())
    assert whole and fit.good and abs(fit.elbo) < 0.01
    assert engine.account.spent["settle"].gradient > 0


@pytest.mark.parametrize("walled", [False, True], ids=["everywhere", "cut_by_a_wall"])
def test_what_a_fit_loses_is_missed_after_a_verdict_and_where_a_wall_cuts_it(walled: bool) -> None:
    """Draws of a component lie beyond the wall, and an average over them would be minus infinity."""
    law = GaussianMixture.of([[-10.0, 0.0], [10.0, 0.0]], 1.0, [0.5, 0.5])
    beyond = -jnp.inf if walled else 0.0
    target = function_target(lambda x: law.log_density(x) + jnp.where(x[1] < -0.1, beyond, 0.0), dim=2, scale=5.0)
    engine = Engine(target, np.zeros((32, 2)), np.full(2, 0.3), (), Rules(), Account(), lambda _: None)
    going_on = engine._settled_on(Outcome(law, "settled", 2, 0.0, {}), (), generator())
    assert going_on is not None
    archive = going_on.search.archive
    assert archive.count == 2 and all(np.isfinite(mode.log_target).all() for mode in archive.modes)
    kept = population(law).take(np.array([0])).normalised()
    _, lost = engine._known_and_lost(Fit(kept, kept, 0.1 * GOOD, float(np.log(0.5))), archive, generator())
    assert [mode.mean[0] for mode in lost] == [10.0]


def test_what_a_poor_fit_lost_stays_known_although_its_gaussian_looks_light_beside_it() -> None:
    start = np.resize(np.asarray(LAW.means, float), (Rules().searchers, 2))
    engine = Engine(MixtureTarget.of(LAW, scale=1.0), start, np.full(2, 0.3), (), Rules(), Account(), lambda _: None)
    kept = population().take(np.array([0, 1])).normalised()
    # As the core of a heavy tail: one Gaussian holds e^-9 of it, and its siblings hold as little.
    found = archive_of(*(mode(mean, -9.0, mass=0.0) for mean in np.asarray(LAW.means, float)))
    poor = Fit(kept, kept, 1.0, -1.0)
    known, (lost,) = engine._known_and_lost(poor, found, generator())
    assert known.count == 2 and lost.settled
    np.testing.assert_array_equal(lost.mean, found.means[2])
    again = archive_of(*known.modes, lost)
    assert len(engine._known_and_lost(poor, again, generator())[1]) == 1  # nor is it forgotten the next time
    perfect = replace(poor, variance=0.1 * GOOD, elbo=float(np.log(0.8)))
    light = archive_of(*(mode(mean, -9.0) for mean in np.asarray(LAW.means, float)))
    assert engine._known_and_lost(perfect, light, generator())[1] == ()


NOWHERE = function_target(lambda x: jnp.where(x[0] > 50.0, -jnp.sum(x**2), -jnp.inf), dim=2, scale=1.0)


def test_where_no_component_meets_a_density_there_is_nothing_to_fit_and_nothing_known() -> None:
    settler = Settler(stepper_of(NOWHERE), Rules(), generator(), lambda *_: None)
    fit = settler.settle(population(), jax.random.key(0))
    assert not fit.settled and not settler.stepper.account.total.gradient
    start = np.resize(np.asarray(LAW.means, float), (Rules().searchers, 2))
    engine = Engine(NOWHERE, start, np.full(2, 0.3), (), Rules(), Account(), lambda _: None)
    assert not engine._known_and_lost(Fit(population(), population(), 1.0, -10.0), Archive(2), generator())[0].count


def test_a_search_that_meets_no_density_goes_on_and_narrows_where_it_stands_on_one() -> None:
    """A cube far smaller than any searcher; four of them begin inside."""
    cube = function_target(lambda x: jnp.where((jnp.abs(x - 1.0) < 1e-3).all(), 0.0, -jnp.inf), dim=4, scale=1.0)
    start = generator().normal(size=(Rules().searchers, 4))
    start[:4] = 1.0
    first = Population.at(start, np.full(4, 0.3))
    proposer = Proposer(4, [], Rules().width, Rules().proposals)
    search = Search(stepper_of(cube), Rules(), first, Archive(4), proposer, generator())
    for number in range(3):
        search.round(jax.random.fold_in(jax.random.key(0), number))
    assert not search.failures and search.goes_on and not search.archive.count
    np.testing.assert_allclose(search.searchers.means[:4], 1.0)
    assert not np.isclose(search.searchers.means[4:], start[4:]).any()
    for factor in search.searchers.factors[:4]:
        np.testing.assert_allclose(factor, 0.3 * NARROWER**3 * np.eye(4), atol=1e-6)


def refined_without_its_last_mode(
    budget: int | None = None, components: int = 16, weights: Any = None
) -> tuple[Engine, EngineState]:
    """The end of a refinement of `LAW` that lacks its third mode."""
    rules, account = Rules(most_components=components), Account(Budget(budget))
    start = np.resize(np.asarray(LAW.means, float), (rules.searchers, 2))
    engine = Engine(MixtureTarget.of(LAW, scale=1.0), start, np.full(2, 0.3), (), rules, account, lambda _: None)
    kept = population().take(np.sort(np.arange(components) % 2))
    kept = kept if weights is None else kept.weighted(np.log(weights))
    outcome = Outcome(kept.mixture(), "refined", 2, float(np.log(0.8)), {})
    return engine, replace(engine.begin(jax.random.key(0)), stage=outcome)


def test_a_refined_training_goes_on_with_a_mode_that_it_lacks() -> None:
    engine, ended = refined_without_its_last_mode()
    third = mode(LAW.means[2], float(np.log(0.2)))
    state = engine.go_on(ended, [third], Evaluations(energy=1000))
    assert state is not None and isinstance(state.stage, Refining)
    assert state.stage.modes == 3 and state.stage.evidence == pytest.approx(0.0)
    assert state.books.spent["missed"] == Evaluations(energy=1000)
    assert state.resumptions == 1 and not np.array_equal(state.key, ended.key)
    assert [json.loads(move) for move in state.moves] == [
        {"move": "found", "by": "verdict", "evidence": pytest.approx(np.log(0.2), abs=1e-4)},
        {"move": "dropped", "count": 3},
        {"move": "copied", "count": 2},
    ]
    begun = state.stage.refinement.population
    assert begun.count == 16 and np.exp(begun.log_weights).sum() == pytest.approx(1.0)
    near = np.linalg.norm(begun.means - np.asarray(LAW.means[2]), axis=1) < 2.5
    # By its share of the mass it gets a fifth of the components.
    assert near.sum() == 3 and np.exp(begun.log_weights[near]).sum() == pytest.approx(0.2)

    state = replace(state, stage=replace(state.stage, refinement=replace(state.stage.refinement, first=1760)))
    while not state.ended:
        state = engine.advance(state)
    outcome = state.stage
    assert isinstance(outcome, Outcome) and outcome.how == "refined" and outcome.modes == 3
    assert isinstance(outcome.mixture, GaussianMixture)
    masses = np.exp(np.asarray(outcome.mixture.log_weights))
    near = np.linalg.norm(np.asarray(outcome.mixture.means) - np.asarray(LAW.means[2]), axis=1) < 2.5
    # The weights are found on thousands of points; a fifth of them tells a fifth of the mass to about a hundredth.
    assert masses[near].sum() == pytest.approx(0.2, abs=0.02)
    assert outcome.evidence == pytest.approx(0.0, abs=0.05)


def test_a_refined_training_goes_on_only_where_it_is_worth_while_and_can_be_paid() -> None:
    engine, ended = refined_without_its_last_mode()
    asked, light, heavy = Evaluations(energy=1000), mode([0.0, 9.0], float(np.log(0.005))), mode([0.0, 9.0], 5.0)
    assert engine.go_on(ended, [light], asked) is None
    state = engine.go_on(ended, [heavy], asked)
    assert state is not None and isinstance(state.stage, Refining)
    begun = state.stage.refinement.population
    near = np.linalg.norm(begun.means - np.array([0.0, 9.0]), axis=1) < 2.5
    # However much it seems to hold, half of the components stay, with half of the mass.
    assert near.sum() == 8 and np.exp(begun.log_weights[near]).sum() == pytest.approx(0.5)
    assert engine.go_on(replace(ended, resumptions=MOST_RESUMPTIONS), [heavy], asked) is None
    poor, ended = refined_without_its_last_mode(budget=12_000)
    assert poor.go_on(ended, [heavy], asked) is None


def test_a_refined_training_goes_on_whatever_rounding_made_of_its_weights() -> None:
    found = [mode(LAW.means[2], float(np.log(0.2)))]
    for seed in range(20):
        weights = generator(seed).dirichlet(np.ones(16))
        engine, ended = refined_without_its_last_mode(weights=weights)
        state = engine.go_on(ended, found, Evaluations())
        assert state is not None and isinstance(state.stage, Refining)
        assert state.stage.refinement.population.count == 16


@pytest.mark.parametrize("components", [1, 2, 3])
def test_a_refined_training_of_few_components_gives_none_of_more_mass_away(components: int) -> None:
    engine, ended = refined_without_its_last_mode(components=components)
    light, heavy = (mode(LAW.means[2], float(np.log(0.8 * odds))) for odds in (0.02, 1.5))
    assert engine.go_on(ended, [light], Evaluations()) is None
    assert (engine.go_on(ended, [heavy], Evaluations()) is None) == (components == 1)


@pytest.mark.slow
def test_a_mode_more_than_is_allowed_does_not_keep_the_training_going() -> None:
    how, _, account = run_engine(MixtureTarget.of(LAW, scale=4.0), 200_000, most_components=2)
    assert how == "settled" and account.total.total < 50_000


def test_what_cannot_be_paid_is_left_as_it_is() -> None:
    account = Account(Budget(evaluations=40))
    stepper = law_stepper().on(MixtureTarget.of(LAW, scale=1.0))
    stepper.account = account
    settler = Settler(stepper, Rules(), generator(), lambda *_: None)
    fit = settler.judged(settler.settle(population(), jax.random.key(0)), jax.random.key(1))
    assert fit.variance == np.inf and not fit.good
    np.testing.assert_array_equal(fit.population.means, population().means)
    assert account.total.total == 0


# weights


@pytest.mark.slow
def test_polished_weights_are_the_exact_ones_of_a_mixture_target() -> None:
    told = polished(population().equal(), law_stepper(), generator(), 4000)
    # The components are the target's: with the right weights every point has the same weight.
    np.testing.assert_allclose(np.exp(told.population.log_weights), [0.5, 0.3, 0.2], atol=1e-3)
    assert told.variance < 1e-5 and abs(told.elbo) < 1e-3
    assert told.effective_share == pytest.approx(1.0, abs=1e-3)


@pytest.mark.slow
def test_a_component_where_the_target_has_no_mass_loses_its_weight() -> None:
    extra = population().joined(Population.at(np.array([[30.0, 30.0]]), 0.5))
    told = polished(extra.equal(), law_stepper(), generator(), 4000)
    assert np.exp(told.population.log_weights[-1]) < 1e-6
    np.testing.assert_allclose(np.exp(told.population.log_weights[:3]), [0.5, 0.3, 0.2], atol=1e-2)


def test_a_component_so_far_out_that_its_points_are_one_is_dropped() -> None:
    """In single precision neighbouring numbers near 1e10 are a thousand apart: any density there is an artefact."""
    astray = population().joined(Population.at(np.array([[1e10, 0.0]]), 1.0))
    np.testing.assert_array_equal(astray.resolved(), [True] * 3 + [False])
    assert polished(astray.equal(), law_stepper(), generator()).population.count == 3


def test_a_mode_that_is_fitted_badly_keeps_its_mass() -> None:
    """Reverse KL alone would take `1 - exp(-KL)` from it: a fifth."""
    law = GaussianMixture.of([[-10.0, 0.0], [10.0, 0.0]], np.array([np.eye(2)] * 2))
    narrow = replace(law, factors=law.factors * np.array([1.0, 0.7])[:, None, None])
    told = polished(Population.of(narrow), stepper_of(MixtureTarget.of(law, scale=10.0)), generator(), 16_000)
    # Weights of points of a Gaussian 0.7 as wide are heavy-tailed: hardly any of 8,000 points says more than 1 in 100.
    np.testing.assert_allclose(np.exp(told.population.log_weights), 0.5, atol=0.02)


def test_masses_of_modes_are_weighed_on_fresh_draws_until_they_are_known() -> None:
    law = GaussianMixture.of([[-10.0, 0.0], [10.0, 0.0], [10.5, 0.0]], np.array([np.eye(2)] * 3), [0.7, 0.1, 0.2])
    stepper = stepper_of(MixtureTarget.of(law, scale=10.0))

    def told_and_asked(first: float, budget: int | None = None) -> tuple[Any, int]:
        wrong = Population.of(law).weighted(np.log([first, (1.0 - first) / 3.0, 2.0 * (1.0 - first) / 3.0]))
        stepper.account = Account(Budget(evaluations=budget))
        return np.exp(balanced(wrong, stepper, generator()).log_weights), stepper.account.total.total

    # Two modes: the two components on the right keep their proportion. With weights v on the first mode and u on the
    # second one the error is sqrt((p v^2 0.3^2 + (1 - p) u^2 0.7^2) / n): for p = 0.4 it takes 7,350 draws,
    told, asked = told_and_asked(0.4)
    np.testing.assert_allclose(told, [0.7, 0.1, 0.2], atol=4 * MASS_ERROR)
    tried = len(WIDER) * BATCH
    assert asked == 2 * BATCH + tried
    # for p = 0.02 it takes 90,000, and for p = 0.001 more than there are.
    told, asked = told_and_asked(0.02)
    np.testing.assert_allclose(told, [0.7, 0.1, 0.2], atol=4 * MASS_ERROR)
    assert 20 * BATCH <= asked - tried <= 25 * BATCH
    assert told_and_asked(0.001)[1] == BATCHES * BATCH + tried
    told, asked = told_and_asked(0.02, 4 * BATCH + 1)
    assert told[0] == pytest.approx(0.7, abs=4 * MASS_ERROR * (90_000 / (2 * BATCH)) ** 0.5)
    assert asked == 4 * BATCH
    wrong = Population.of(law).equal()
    stepper.account = Account(Budget(evaluations=10))
    assert balanced(wrong, stepper, generator()) is wrong


@pytest.mark.parametrize("seed", range(2))
def test_masses_of_a_narrow_sampler_are_weighed_on_wider_draws(seed: int) -> None:
    """Its own draws have weights of infinite variance, and their errors told of the masses are far too small."""
    law = GaussianMixture.of([[-10.0] + 5 * [0.0], [10.0] + 5 * [0.0]], np.array([np.eye(6)] * 2), [0.7, 0.3])
    narrow = replace(law, factors=law.factors * np.array([0.6, 0.7])[:, None, None])
    stepper = stepper_of(MixtureTarget.of(law, scale=10.0))
    told = balanced(Population.of(narrow).equal(), stepper, np.random.default_rng(seed))
    np.testing.assert_allclose(np.exp(told.log_weights), [0.7, 0.3], atol=4 * MASS_ERROR)


def test_masses_that_are_right_stay_so_where_they_are_weighed_on_wider_draws() -> None:
    """What the sampler itself holds is known, and must not be estimated from draws that were made for the target."""
    centres = np.outer([-20.0, 20.0], np.eye(20)[0])
    law = Population.of(GaussianMixture.of(centres, 1.0)).equal()
    stepper = stepper_of(MixtureTarget.of(GaussianMixture.of(centres, 1.5**2), scale=20.0))
    off = [np.exp(balanced(law, stepper, np.random.default_rng(seed)).log_weights[0]) - 0.5 for seed in range(10)]
    # Of ten errors of that size: the root of their mean square is larger than this once in ten thousand times.
    assert np.sqrt(np.mean(np.square(off))) < 1.9 * MASS_ERROR


@pytest.mark.parametrize("offset", [0.0, -3e6, 3e6])
def test_weights_do_not_depend_on_the_constant_of_the_energy(offset: float, monkeypatch: pytest.MonkeyPatch) -> None:
    masses = np.array([1.0, 4.0] * 4) / 20.0
    law = GaussianMixture.of(20.0 * np.arange(8.0)[:, None], 1.0, masses)
    stepper = stepper_of(MixtureTarget.of(law, scale=100.0))
    known = stepper.log_density
    # On the host in double precision: a device would round away what is at stake.
    monkeypatch.setattr(stepper, "log_density", lambda points, purpose: known(points, purpose) + offset)
    told = polished(Population.of(law).equal(), stepper, generator())
    np.testing.assert_allclose(np.exp(told.population.log_weights), masses, rtol=1e-4)
    assert told.elbo == pytest.approx(offset, abs=1e-3) and told.variance < 1e-4


def test_components_that_meet_no_density_are_no_good_fit() -> None:
    told = polished(population(), stepper_of(NOWHERE), generator())
    assert told.variance == np.inf and told.elbo == -np.inf and told.effective_share == 0.0
    assert not Fit(told.population, told.population, told.variance, told.elbo).good


def test_no_single_weight_decides_on_the_share_of_effective_draws() -> None:
    even = np.zeros(10_000)
    np.testing.assert_allclose(truncated(even), 1e-4)
    # One draw that counts for as much as all others together becomes a hundredth of them.
    single = even.copy()
    single[0] = np.log(10_000.0)
    weights = truncated(single)
    assert weights.sum() == pytest.approx(1.0)
    assert weights[0] / weights[1] == pytest.approx(100 * 1.01, rel=1e-3)
    assert 1.0 / (weights**2).sum() > 5_000
    # So does one that outweighs all of them by far.
    single[0] = 30.0
    np.testing.assert_allclose(truncated(single), weights, rtol=1e-3)
    # What is uneven everywhere stays so: of draws of a log-normal law, exp(-4) count, a little more without its tail.
    uneven = truncated(2.0 * generator().normal(size=100_000))
    assert np.exp(-4.0) < 1.0 / (uneven**2).sum() / 100_000 < 2.0 * np.exp(-4.0)
    # A share of zero takes a draw out of the mean.
    shares = np.where(np.arange(10_000) == 0, 0.0, 1.0 / 9_999)
    assert truncated(single, shares)[0] / truncated(single, shares)[1] == pytest.approx(100, rel=1e-3)


def test_a_mode_without_any_weight_keeps_what_it_has() -> None:
    claims = np.tile(np.eye(2), (100, 1)).repeat(16, axis=0)
    for weight in (-400.0, -1000.0, -np.inf):
        log_weights = np.where(claims[:, 1] > 0, weight, 0.0)
        np.testing.assert_array_equal(mass_shifts(claims, np.zeros(len(claims)), log_weights)[1], 0.0)
    told = mass_shifts(claims, np.zeros(len(claims)), np.log(1.0 + 2.0 * claims[:, 1]))
    # Hardly less than the logarithm of three: the noise of 3,200 points is taken off.
    assert told[1] - told[0] == pytest.approx(np.log(3.0), rel=0.01)


def test_one_point_with_a_giant_weight_moves_no_mass() -> None:
    random = generator()
    claims = np.eye(2)[random.integers(2, size=4000)]
    log_weights = random.normal(0.0, 0.1, size=4000)
    before = mass_shifts(claims, np.zeros(4000), log_weights)
    for giant in (np.log(4000.0), 20.0):
        log_weights[17] = giant
        after = mass_shifts(claims, np.zeros(4000), log_weights)
        # It counts 63 times as much as the mean, and makes the noise as large as what it says.
        np.testing.assert_allclose([before, after], 0.0, atol=0.02)
        assert MASS_ERROR < largest_error(claims, log_weights) < 0.03


def test_points_without_density_bound_their_group_and_no_other() -> None:
    told = bounded(np.array([[1.0, 3.0, -np.inf], [0.0, 0.0, 0.0], [-np.inf] * 3]))
    np.testing.assert_allclose(told, [[1.0, 3.0, 2.0 - ZERO_DENSITY_NATS], [0.0] * 3, [-np.inf] * 3])
    told = bounded(np.array([1.0, 3.0, -np.inf]), np.array([3.0, 1.0, 5.0]))
    assert told[2] == 1.5 - ZERO_DENSITY_NATS


# structure


def product_energy(point: jax.Array) -> jax.Array:
    """(0, 3) are bent together, (1,) has two wells, (2, 4) are correlated."""
    bent = -0.5 * point[0] ** 2 - 2.0 * (point[3] - point[0] ** 2) ** 2
    wells = -2.0 * (point[1] ** 2 - 1.0) ** 2
    return bent + wells - point[2] ** 2 - point[4] ** 2 + point[2] * point[4]


def anywhere(dim: int, count: int = 4) -> Population:
    return Population.at(generator(3).normal(size=(count, dim)), 0.7)


@pytest.mark.slow
def test_the_blocks_of_a_product_are_found() -> None:
    stepper = stepper_of(function_target(product_energy, dim=5, scale=1.0))
    assert find_blocks(anywhere(5), stepper, generator()) == ((0, 3), (1,), (2, 4))
    assert set(stepper.account.spent) == {"structure"}


@pytest.mark.slow
@pytest.mark.parametrize("constant", [0.0, -1e5, -1e6])
@pytest.mark.parametrize("seed", range(3))
def test_far_modes_are_no_product_although_single_coordinates_look_so(seed: int, constant: float) -> None:
    """Inside every mode the energy is a sum, and one coordinate alone does not bring a point to another mode."""
    law = GaussianMixture.of(np.array([[-6.0] * 5, [6.0] * 5]), 4.0)
    stepper = stepper_of(function_target(lambda x: law.log_density(x) + constant, dim=5, scale=1.0))
    assert find_blocks(population(law), stepper, generator(seed)) is None


@pytest.mark.slow
def test_a_rotated_product_and_a_single_block_are_none() -> None:
    turn = jnp.asarray(np.linalg.qr(generator().normal(size=(5, 5)))[0], float)
    rotated = stepper_of(function_target(lambda x: product_energy(turn @ x), dim=5, scale=1.0))
    assert find_blocks(anywhere(5), rotated, generator()) is None
    one = stepper_of(function_target(lambda x: -jnp.sum(x**4), dim=1, scale=1.0))
    assert find_blocks(anywhere(1), one, generator()) is None and one.account.total.total == 0


def test_a_block_is_the_target_with_the_rest_held() -> None:
    target = function_target(product_energy, dim=5, scale=1.0)
    held = np.arange(5.0)
    block = block_target(target, (3, 0), held)
    assert block.dim == 2
    expected = product_energy(jnp.array([0.5, 1.0, 2.0, -0.5, 4.0]))
    assert float(block.log_density(jnp.array([-0.5, 0.5]))) == pytest.approx(float(expected), rel=1e-5)


# books


def test_the_books_add_up_and_hold_the_budget() -> None:
    account = Account(Budget(evaluations=100))
    account.add("search", Evaluations(gradient=30), zero_density=2)
    account.add("search", Evaluations(gradient=10, energy=5))
    account.add("polish", Evaluations(energy=15), zero_density=1)
    assert account.total == Evaluations(energy=20, gradient=40)
    assert account.spent["search"] == Evaluations(energy=5, gradient=40) and account.zero_density == 3
    assert account.left == 40 and account.allows(40) and not account.allows(41)
    assert Account().left == np.inf and Account().allows(10**12)
    assert not Account(Budget(minutes=1e-9)).allows(1) and Account(Budget(minutes=10.0)).allows(1)
    late = Account(Budget(minutes=1.0))
    late = replace(late, began=late.began - 61.0)
    assert not late.allows(0)


class Counted(AbstractTarget):
    """Three modes, and a host that counts how often it is asked for a value and for a gradient."""

    def __init__(self, energy: Callable[[jax.Array], jax.Array], dim: int) -> None:
        self.asked = {"energy": 0, "gradient": 0}
        self._dim = dim

        def count(kind: str) -> Callable[[jax.Array], jax.Array]:
            def told(point: np.ndarray) -> np.ndarray:
                self.asked[kind] += int(np.prod(point.shape[:-1]))
                return np.zeros(point.shape[:-1], np.float32)

            def called(point: jax.Array) -> jax.Array:
                shape = jax.ShapeDtypeStruct((), jnp.float32)
                return jax.pure_callback(told, shape, point, vmap_method="expand_dims")

            return called

        @jax.custom_vjp
        def counted(point: jax.Array) -> jax.Array:
            return energy(point) + count("energy")(point)

        def forward(point: jax.Array) -> tuple[jax.Array, jax.Array]:
            value, score = jax.value_and_grad(energy)(point)
            return value + count("gradient")(point), score

        counted.defvjp(forward, lambda score, given: (given * score,))
        self._energy = counted

    @property
    def dim(self) -> int:
        return self._dim

    def log_density(self, point: jax.Array) -> jax.Array:
        return self._energy(point)


def run_engine(target: AbstractTarget, budget: int | None, **rules: Any) -> tuple[str, list[EngineProgress], Account]:
    account, told = Account(Budget(budget)), []
    start = generator().normal(size=(Rules().searchers, target.dim))
    tasks = [task_of(name) for name in FAMILIES]
    engine = Engine(target, start, np.full(target.dim, 0.3), tasks, Rules(**rules), account, told.append)
    return engine.run(jax.random.key(0)).how, told, account


def ring(point: jax.Array) -> jax.Array:
    return -30.0 * (jnp.sqrt(jnp.sum(point**2) + 1e-6) - 3.0) ** 2


WELLS: Callable[[jax.Array], jax.Array] = lambda x: -2.0 * jnp.sum((x**2 - 1.0) ** 2) + 0.3 * jnp.sum(x)  # noqa: E731


@pytest.mark.slow
@pytest.mark.parametrize(
    ("energy", "dim", "how", "rules"),
    [
        (lambda x: LAW.log_density(x), 2, "settled", {}),
        (ring, 2, "stopped", {"most_components": 16}),
        pytest.param(ring, 2, "refined", {"most_components": 16, "cycles": 1}, marks=pytest.mark.slow),
        pytest.param(WELLS, 6, "factored", {}, marks=pytest.mark.slow),
    ],
    ids=["settled", "stopped", "refined", "factored"],
)
def test_evaluations_counted_are_evaluations_made(
    energy: Callable[[jax.Array], jax.Array], dim: int, how: str, rules: dict[str, Any]
) -> None:
    target = Counted(energy, dim)
    ended, told, account = run_engine(target, 30_000 if how == "stopped" else None, **rules)
    jax.effects_barrier()
    assert ended == how
    assert target.asked == {"energy": account.total.energy, "gradient": account.total.gradient}
    if how != "stopped":
        assert told[-1].evaluations == account.total
    else:
        assert account.total.total <= 30_000


@pytest.mark.slow
@pytest.mark.parametrize("budget", [100, 2000])
def test_blocks_that_the_budget_does_not_reach_are_marginals_of_the_whole(budget: int) -> None:
    """Also where what was fitted with the little that was left is worse."""
    mixing = np.array([[[0.3, 0.0, 0.0], [0.2, 0.3, 0.0], [0.0, 0.1, 0.3]]] * 2)
    whole = GaussianMixture.of([[-1.0, 1.0, 1.0], [1.0, -1.0, 1.0]], mixing @ mixing.swapaxes(1, 2), [0.3, 0.7])
    blocks = ((0,), (1, 2))
    first, second = (whole.marginal(block) for block in blocks)
    target = function_target(lambda x: first.log_density(x[:1]) + second.log_density(x[1:]), dim=3, scale=2.0)
    account, told = Account(Budget(evaluations=budget)), list[EngineProgress]()
    engine = Engine(target, np.zeros((4, 3)), np.ones(3), [], Rules(), account, told.append)
    begun = Factoring(Archive(3), Fit.unsettled(population(whole)), blocks, ())
    state = replace(engine.begin(jax.random.key(0)), stage=begun)
    while not state.ended:
        state = engine.advance(state)
    ended = state.stage
    assert isinstance(ended, Outcome)
    assert ended.how == "stopped" and ended.grounds == {"blocks": 2} and account.total.total <= budget
    # The moves of every block are told with the last one, in short.
    replaced = [move["block"] for move in told[-1].moves if move["move"] == "replaced"]
    assert replaced == [0, 1] and all(move["count"] > 0 for move in told[-1].moves)
    points = jnp.asarray(generator().normal(size=(50, 3)), float)
    np.testing.assert_allclose(ended.mixture.log_density(points), jax.vmap(target.log_density)(points), rtol=1e-4)


def test_marginals_of_narrow_components_keep_their_digits() -> None:
    turn = np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    _, upper = np.linalg.qr((turn @ np.diag([1.0, 1e-7])).T)
    factor = upper.T
    told = Population(np.zeros((1, 2)), factor[None], np.zeros(1)).marginal((0, 1))
    np.testing.assert_allclose(np.abs(told.factors[0]), np.abs(factor), rtol=1e-6)
    assert (np.diagonal(told.factors[0]) > 0).all()
    np.testing.assert_allclose(told.marginal((1,)).factors[0, 0, 0], np.linalg.norm(factor[1]), rtol=1e-12)


@pytest.mark.slow
def test_the_price_of_a_round_is_what_it_costs() -> None:
    account = Account()
    stepper = law_stepper().on(MixtureTarget.of(LAW, scale=1.0))
    stepper.account = account
    start = population()
    for fresh in (1, 2):
        before = account.total.gradient
        stepper.steps(start, jax.random.key(0), Pace(), "settle", 64, fresh)
        assert account.total.gradient - before == stepper.price(start.count, fresh)
    assert account.total.energy == 0
    stepper.log_density(np.zeros((7, 2)), "polish")
    assert account.spent["polish"] == Evaluations(energy=7)


@pytest.mark.slow
def test_points_without_density_are_counted_and_told_apart() -> None:
    account = Account()
    inside = function_target(lambda x: jnp.where(x[0] > 0, -jnp.sum(x**2), -jnp.inf), dim=2, scale=1.0)
    stepper = stepper_of(inside, account)
    values = stepper.log_density(np.array([[1.0, 0.0], [-1.0, 0.0], [np.nan, 0.0]]), "search")
    np.testing.assert_array_equal(values, [-1.0, -np.inf, -np.inf])
    assert account.zero_density == 2
    assert np.isfinite(stepper.scores(np.array([[1.0, 0.0], [-1.0, 0.0]]), "search")).all()


# populations


def test_a_padded_population_is_the_same_law() -> None:
    padded = population().padded()
    assert padded.count >= 3 and padded.count & (padded.count - 1) == 0
    points = jnp.asarray(generator().normal(size=(20, 2)), float)
    np.testing.assert_allclose(padded.mixture().log_density(points), LAW.log_density(points), rtol=1e-5, atol=1e-5)


def test_draws_come_in_pairs_component_by_component() -> None:
    draws = population().draws(generator(), 6).reshape(3, 6, 2)
    np.testing.assert_allclose(draws.mean(1), population().means, atol=1e-9)
    assert population().draws(generator(), 5).shape == (15, 2)


def test_chosen_and_joined_components_keep_their_proportions() -> None:
    some = population().take([2, 0])
    np.testing.assert_allclose(np.exp(some.log_weights), np.array([0.2, 0.5]) / 0.7, rtol=1e-5)
    both = some.joined(Population.at(np.zeros((1, 2)), 1.0))
    np.testing.assert_allclose(np.exp(both.log_weights), np.array([0.2 / 0.7, 0.5 / 0.7, 1.0]) / 2, rtol=1e-5)
    np.testing.assert_allclose(some.spread(), 0.5, rtol=1e-5)


def test_a_mode_that_lost_its_only_component_comes_back() -> None:
    stepper = stepper_of(MixtureTarget.of(LAW, scale=4.0))
    means, widths = np.asarray(LAW.means, float), np.stack([0.5 * np.eye(2)] * 3)
    earlier = Population(means, widths, np.log([0.4, 0.4, 0.2]))
    now = Population(np.concatenate([means[:2], means[:1] + 0.1]), widths, np.log([0.55, 0.44, 0.01]))
    after, back = restored(now, earlier, 0.0, stepper, generator())
    assert back == 1 and after.count == 3 and np.exp(after.log_weights).sum() == pytest.approx(1.0)
    # The lightest made room.
    assert sorted(after.means.tolist()) == sorted(means.tolist())
    np.testing.assert_array_equal(after.means[-1], means[2])
    same, back = restored(after, earlier, 0.0, stepper, generator())
    assert same is after and not back
    elsewhere = Population(means + [[0.0, 0.0], [0.0, 0.0], [30.0, 0.0]], widths, earlier.log_weights)
    assert restored(earlier, elsewhere, 0.0, stepper, generator())[0] is earlier


def test_a_component_that_is_flat_along_some_direction_is_not_resolved():
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    for least, resolved in ((1e-4, True), (1e-7, False)):
        factor = np.linalg.cholesky(turn @ np.diag([1.0, 0.25, least]) ** 2 @ turn.T)
        population = Population(np.zeros((1, 3)), factor[None], np.zeros(1))
        assert population.resolved().tolist() == [resolved]
        # Two densities of the same draws: on the device, and in double precision.
        points = population.draws(np.random.default_rng(1), 1000).astype(np.float32)
        told = component_log_densities(points, population)[:, 0]
        standard = np.linalg.solve(factor, points.T.astype(float))
        exact = -0.5 * (standard**2).sum(0) - np.log(np.diag(factor)).sum() - 1.5 * np.log(2 * np.pi)
        assert (np.abs(told - exact).max() < 0.5) == resolved


def test_a_component_that_a_general_inverse_takes_for_singular_is_not_resolved():
    """A search without a trust region met such ones: that must not end a training."""
    generator, dim = np.random.default_rng(0), 10
    factors = np.tril(generator.normal(size=(40, dim, dim)) * 10.0 ** generator.integers(-3, 12, (40, dim, dim)))
    factors[:, np.arange(dim), np.arange(dim)] = 10.0 ** generator.uniform(-38.0, -5.0, (40, dim))
    factors = np.asarray(factors, np.float32).astype(float)
    with pytest.raises(np.linalg.LinAlgError):
        np.linalg.inv(factors)
    assert not Population(np.zeros((40, dim)), factors, np.zeros(40)).resolved().any()


@pytest.mark.parametrize("factor", [[[1.0, 0.0], [0.0, 0.0]], [[1e3, 0.0], [1e3, 1e-6]]], ids=["zero", "thin"])
def test_a_component_without_a_width_or_a_shape_after_a_round_stays_as_it_was(factor: list[list[float]]) -> None:
    stepper = stepper_of(MixtureTarget.of(LAW, scale=1.0))
    before = Population.at(np.array([[0.0, 0.0], [1.0, 1.0]]), 1.0)
    factors = before.factors.copy()
    factors[1] = factor
    after = stepper._accepted(Population(before.means + 1.0, factors, before.log_weights), before)
    np.testing.assert_array_equal(after.means, before.means + [[1.0], [0.0]])
    np.testing.assert_array_equal(after.factors, before.factors)
    assert stepper.account.rejected == 1


@pytest.mark.parametrize(("components", "drawing"), [(1, 1), (2, 1), (5, 5), (8, 4)])
def test_components_draw_by_turns_only_where_they_make_two_halves(components: int, drawing: int) -> None:
    assert fresh_components(components, 1) == drawing
    assert fresh_components(components, 4) == components


def test_components_far_out_without_width_or_not_finite_are_not_resolved():
    factors = np.array([[[1e-3]], [[10.0]], [[np.nan]], [[0.0]]])
    population = Population(np.array([[1e6], [1e6], [0.0], [0.0]]), factors, equal_log_weights(4))
    assert population.resolved().tolist() == [False, True, False, False]


def test_a_step_holds_in_memory_what_the_rules_count() -> None:
    """Tables of all pairs of 200 coordinates at 2,048 points took ten times as much as was counted."""
    dim, rules = 200, Rules(most_components=32)
    window, each = rules.settling_points // (rules.fresh_points * 32), rules.fresh_points

    @jax.jit
    def settled(leaves: list[Array], key: Array) -> list[Array]:
        ask = jax.vmap(jax.value_and_grad(lambda point: -0.5 * (point**2).sum()))
        return jax.tree.leaves(joint_steps(ask, rules, GaussianMixture(*leaves), key, Pace(), 2, window, each))

    leaves = jax.tree.leaves(Population.at(np.zeros((32, dim)), 1.0).mixture())
    told = settled.lower(leaves, jax.random.key(0)).compile().memory_analysis()
    assert told is not None
    held = told.temp_size_in_bytes + told.argument_size_in_bytes + told.output_size_in_bytes
    assert 0.4 * rules.memory_of_step(dim) < held < rules.memory_of_step(dim)


def test_a_training_that_no_device_can_hold_is_refused() -> None:
    with pytest.raises(SettingsError, match="components: a step with 128 components in 100000 dimensions needs about "):
        Rules().check_memory(100_000)


# beyond all bounds


@pytest.mark.parametrize("part", ["means", "factors"])
def test_weight_that_went_beyond_all_bounds_is_told(part: str) -> None:
    population = Population.at(np.zeros((3, 2)), 1.0)
    check_bounded(population)
    gone = getattr(population, part).copy()
    gone[1] *= 0.0
    gone[1] += 2.0 * UNBOUNDED
    for share, told in ((0.5 * FAR_SHARE, False), (2.0 * FAR_SHARE, True)):
        weights = np.array([1.0 - share - 1e-3, share, 1e-3])
        far = replace(population, log_weights=np.log(weights), **{part: gone})
        if told:
            with pytest.raises(Diverged, match=r"grew or went to 2e\+05 declared scales: .* no finite mass"):
                check_bounded(far)
        else:
            check_bounded(far)
            with pytest.raises(Diverged):
                check_bounded(far, share=0.0)


def test_what_is_no_number_is_beyond_all_bounds() -> None:
    with pytest.raises(Diverged):
        check_bounded(replace(Population.at(np.zeros((1, 2)), 1.0), means=np.full((1, 2), np.nan)))
