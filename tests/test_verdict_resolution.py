"""How narrow a mode the points of a verdict would have shown: counted as if it had been planted there."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
import pytest

from biglearn_sampler.energy import Evaluations
from biglearn_sampler.engine.archive import Archive, Mode
from biglearn_sampler.engine.unexplained import Unexplained
from biglearn_sampler.verdict import COVERED, NOT_COVERED, Verdict
from biglearn_sampler.verdict.resolution import PLANTED, PLANTED_SHARE, WIDTHS, Shapes, is_met, resolved_width

NOTHING = np.zeros((0, 2)), np.zeros(0)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def known_modes(log_mass: float = -7.0) -> Archive:
    """Two modes in the plane, one turned, and one of them a hundred times as heavy."""
    turned = np.array([[0.3, 0.0], [0.2, 0.1]])
    modes = ((np.array([-1.0, 0.0]), turned, np.log(0.99)), (np.array([1.0, 0.5]), 0.2 * np.eye(2), np.log(0.01)))
    return Archive(2, tuple(Mode(mean, factor, log_mass + weight, *NOTHING) for mean, factor, weight in modes))


def box(count: int, dim: int = 2, half: float = 3.0) -> np.ndarray:
    return generator(1).uniform(-half, half, (count, dim))


def resolved(
    known: Archive, places: np.ndarray, points: np.ndarray, log_target: np.ndarray | None = None
) -> float | None:
    draws = known.population().sample(generator(2), 500)
    looked_at = Unexplained.by(known, points, known.log_density(points) if log_target is None else log_target)
    return resolved_width(known, draws, places, looked_at, generator())


def really_planted(known: Archive, place: np.ndarray, points: np.ndarray, width: float, component: int) -> bool:
    """Whether the sweep of a search would take notice of a mode if it were there."""
    factor = width * known.factors[component]
    standard = np.linalg.solve(factor, (points - place).T)
    log_density = -0.5 * (standard**2).sum(0) - np.log(np.linalg.det(factor)) - np.log(2.0 * np.pi)
    log_mode = known.total + np.log(PLANTED_SHARE) + log_density
    log_target = np.logaddexp(known.log_density(points), log_mode)
    return len(Unexplained.by(known, points, log_target).beyond.points) > 0


@pytest.mark.parametrize("number", [20, 40])
def test_modes_count_as_met_where_a_search_would_notice_them_if_they_were_there(number: int) -> None:
    known, points, places = known_modes(), box(number), box(260)[200:]
    log_target = known.log_density(points)
    inverse = np.linalg.inv(known.factors[0])
    squares = [(((points - place) @ inverse.T) ** 2).sum(1) for place in places]
    counted = np.array([is_met(known, inverse, each, log_target, np.zeros(number, bool)) for each in squares])
    noticed = np.array([[really_planted(known, place, points, width, 0) for width in WIDTHS] for place in places])
    assert 0.2 < noticed.mean() < 0.9
    # What the target adds to a planted mode, a third of a nat where it matters, is left out: in three of 1,000.
    assert not (counted & ~noticed).any() and (counted == noticed).mean() > 0.997


@pytest.mark.parametrize("share", [0.5, 0.91, 1.0])
def test_the_width_is_the_least_at_which_nine_of_ten_are_met(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Down to an eighth all are met; of narrower ones a share, and of the narrowest all again."""
    turns = count(1)

    def met(*_: object) -> np.ndarray:
        lucky = next(turns) <= share * PLANTED
        return np.where((WIDTHS > 0.124) | (WIDTHS < 0.04), True, lucky)

    monkeypatch.setattr("biglearn_sampler.verdict.resolution.is_met", met)
    known, points = known_modes(), box(10)
    width = resolved(known, points, points)
    assert width == pytest.approx(0.125 if share < 0.9 else 1.0 / 64.0)


def test_more_points_show_narrower_modes_and_few_show_none() -> None:
    known, places = known_modes(), box(1000)
    widths = []
    for number in (3, 100, 3000, 30_000):
        points = box(number + 1000)[1000:]
        widths.append(resolved(known, places, points))
    assert widths[0] is None
    assert [width is not None and width for width in widths[1:]] == sorted(widths[1:], reverse=True)
    assert widths[1] > 4.0 * widths[3]


def test_the_constant_of_the_energy_changes_nothing() -> None:
    points, places = box(3000), box(1000)
    widths = [resolved(known, places, points) for known in map(known_modes, (-7.0, 0.0, 5000.0))]
    assert len(set(widths)) == 1 and widths[0] is not None


def test_a_mode_is_not_met_where_it_was_planted_nor_where_there_is_no_density() -> None:
    known, points = known_modes(), box(3)
    assert resolved(known, points, points) is None
    holes = box(10_000)
    nothing = np.full(len(holes), -np.inf)
    assert resolved(known, box(1000), holes, nothing) is None
    assert resolved(known, points[:0], box(3000)) is None


def test_of_light_tails_only_the_bulk_of_a_planted_mode_counts() -> None:
    """A density that falls off far faster than they do says nothing of the tails of another one."""
    known, points, places = known_modes(), box(3000), box(1000)
    log_target = known.log_density(points)
    width, deep = resolved(known, places, points), log_target.max() - log_target > 30.0
    assert width is not None and width < 0.5 and 0.5 < deep.mean() < 0.99
    falls = np.where(deep, -1e9, log_target)
    coarser = resolved(known, places, points, falls)
    assert coarser is not None and width <= coarser < 1.0
    # In the tail of one point all modes would be met, and in the bulk of one hardly any.
    few = box(1003)[1000:]
    assert resolved(known, places, few, np.full(len(few), -1e9)) is None
    # Taken for dense, they would have shown everything.
    flat = Unexplained(points, falls, np.zeros(len(points)), np.ones(len(points)))
    assert resolved_width(known, points, places, flat, generator()) == WIDTHS[-1]


@pytest.mark.parametrize("dim", [1, 2])
def test_a_mode_inside_a_known_one_that_is_higher_there_is_none(dim: int) -> None:
    """It would add less than it stands on: whether it is met says nothing of the modes that may be elsewhere."""
    known = Archive(dim, (Mode(np.zeros(dim), np.eye(dim), 0.0, np.zeros((0, dim)), np.zeros(0)),))
    width = resolved(known, box(2000, dim, half=6.0), box(20_000, dim, half=6.0))
    assert width is not None and width < 0.1


def test_components_that_overlap_are_one_mode_whose_width_is_that_of_all() -> None:
    """A uniform chain of narrow ones on a line, and one for itself."""
    means = np.stack([np.linspace(-1.0, 1.0, 21), np.zeros(21)], 1)
    chain = [Mode(mean, 0.1 * np.eye(2), np.log(0.8 / 21), *NOTHING) for mean in means]
    known = Archive(2, (*chain, Mode(np.array([0.0, 9.0]), 0.5 * np.eye(2), np.log(0.2), *NOTHING)))
    shapes = Shapes.of(known, known.population().sample(generator(), 4000))
    np.testing.assert_allclose(shapes.shares, [0.8, 0.2])
    covariances = shapes.factors @ shapes.factors.swapaxes(1, 2)
    assert (np.diagonal(shapes.factors, axis1=1, axis2=2) > 0.0).all()
    np.testing.assert_allclose(covariances, [np.diag([means[:, 0].var() + 0.01, 0.01]), 0.25 * np.eye(2)], atol=1e-12)


def test_very_thin_modes_are_no_trouble() -> None:
    thin = np.diag([1e-9, 1.0])
    modes = [Mode(np.array([0.0, place]), thin, 0.0, *NOTHING) for place in (0.0, 0.5)]
    known = Archive(2, tuple(modes))
    (factor,) = Shapes.of(known, known.population().sample(generator(), 500)).factors
    np.testing.assert_allclose(factor, np.diag([1e-9, np.sqrt(1.0625)]), rtol=1e-6, atol=1e-15)
    points = box(1000)
    assert resolved(known, points, points, np.full(1000, -1e4)) in (None, *WIDTHS)


def told(width: float | None, verdict: str = COVERED, sweep: float | None = 1.0) -> str:
    evidence = {"sweep": sweep, "resolved_width": width}
    return Verdict(verdict, "Said.", 0.0, 0.0, [], evidence, Evaluations()).reservations


def test_the_sentence_says_what_may_have_been_overlooked() -> None:
    assert told(0.03125) == ""
    assert told(0.25).endswith("in nine of ten places if 0.25 times as wide as the sampler's modes, or wider.")
    assert told(1.0).endswith("in nine of ten places if as wide as the sampler's modes, or wider.")
    assert "in fewer than nine of ten places, even if as wide" in told(None)
    assert "Of a product it is not known" in told(None, sweep=None)
    assert told(None, NOT_COVERED) == told(None, NOT_COVERED, sweep=None) == ""
    assert replace(Verdict.bare(COVERED, "By hand."), evidence={}).reservations == ""


@pytest.mark.parametrize(
    ("figures", "verdict", "said"),
    [
        ({"khat": 1.2, "ess": 0.6}, COVERED, [True, False]),
        ({"khat": 1.2, "ess": 0.4}, COVERED, [True, True]),
        ({"khat": 0.7, "ess": 0.4}, COVERED, [False, True]),
        ({"khat": None, "ess": 1.0}, COVERED, [False, False]),
        ({"khat": 1.2, "ess": 0.4}, NOT_COVERED, [False, False]),
    ],
)
def test_the_sentence_says_what_draws_lack(figures: dict[str, Any], verdict: str, said: list[bool]) -> None:
    told = Verdict(verdict, "Said.", 0.0, 0.0, [], {"sweep": None, **figures}, Evaluations()).reservations
    assert [part in told for part in ("tails are too short (k-hat 1.20)", "uneven (ESS 0.40)")] == said


@pytest.mark.parametrize(
    ("defended", "said"),
    [
        ({}, "lack some of them too"),
        ({"ess_defended": 0.98, "khat_defended": 1.27}, "lack some of them too"),
        ({"ess_defended": 0.98, "khat_defended": 0.1}, "have them"),
        ({"ess_defended": 1.0, "khat_defended": None}, "have them"),
    ],
)
def test_whether_weighted_figures_have_the_tails(defended: dict[str, Any], said: str) -> None:
    evidence = {"sweep": None, "ess": 0.99, "khat": 1.04, **defended}
    told = Verdict(COVERED, "Said.", 0.0, 0.0, [], evidence, Evaluations()).reservations
    assert f"(k-hat 1.04); weighted figures {said}." in told
