"""The verdict on samplers made by hand, whose faults are known to the last digit."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp

from biglearn_sampler.catalogue import Catalogue
from biglearn_sampler.energy import MixtureTarget, from_numpy, function_target
from biglearn_sampler.engine import Account, Rules, Stepper, kinds_of_proposals
from biglearn_sampler.engine.archive import Mode
from biglearn_sampler.engine.groups import mode_groups
from biglearn_sampler.engine.population import Population
from biglearn_sampler.mixture import FactoredMixture, GaussianMixture, Mixture
from biglearn_sampler.runs.settings import EXPLORING
from biglearn_sampler.runs.verdict import in_view_of_its_end, with_a_hint
from biglearn_sampler.tasks import Task
from biglearn_sampler.verdict import CANNOT_TELL, COVERED, NOT_COVERED, Verdict, WeighedDraws, judge
from biglearn_sampler.verdict.basins import BETWEEN, CLIMBERS, CLIMBS, NEIGHBOURS, basins_of
from biglearn_sampler.verdict.broad import NOWHERE, BroadDraws, broad_count, broad_draws, lacking_of
from biglearn_sampler.verdict.chains import STEPS, tempered_chains
from biglearn_sampler.verdict.fresh_search import LEAST_SWEEP, SWEEP, sweep_points
from biglearn_sampler.verdict.missed import missed_modes
from biglearn_sampler.verdict.own_draws import OwnDraws, own_draws, region_of
from biglearn_sampler.verdict.price import least_evaluations


@cache
def tasks() -> tuple[Task, ...]:
    catalogue = Catalogue()
    return tuple(catalogue.build("task", name).value for name in EXPLORING)


def judged(
    target: Any,
    sampler: Mixture,
    seed: int = 0,
    shift: float = 0.0,
    unit: float = 1.0,
    more: WeighedDraws | None = None,
    most: int | None = None,
) -> Verdict:
    centre, scale = np.full(target.dim, shift), np.full(target.dim, unit)
    return judge(target, sampler, tasks(), Rules(), jax.random.key(seed), centre, scale, more=more, most=most)


def pair(dim: int, second: float, apart: float = 2.0) -> GaussianMixture:
    """Two modes on the first axis, with full covariances, the second with a share of the mass."""
    means = np.zeros((2, dim))
    means[:, 0] = [-0.5 * apart, 0.5 * apart]
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(dim, dim)))[0]
    spread = turn @ np.diag(np.geomspace(0.01, 0.03, dim)) @ turn.T
    return GaussianMixture.of(means, spread, [1.0 - second, second])


def first_only(mixture: GaussianMixture) -> GaussianMixture:
    return GaussianMixture(jnp.zeros(1), mixture.means[:1], mixture.factors[:1])


def target_of(mixture: GaussianMixture) -> MixtureTarget:
    return MixtureTarget.of(mixture, scale=1.0)


DIMS = [2, pytest.param(10, marks=pytest.mark.slow)]


@pytest.mark.parametrize("dim", DIMS)
def test_the_target_itself_covers_it(dim: int) -> None:
    law = pair(dim, 0.3)
    told = judged(target_of(law), law)
    assert told.verdict == COVERED, told
    assert told.missing_mass == 0.0 and not told.places
    assert told.wrong_mass is not None and told.wrong_mass < 1e-4  # all weights are equal, up to rounding
    assert told.evidence["ess"] == pytest.approx(1.0, abs=1e-3)
    assert abs(told.evidence["log_z"]) < 1e-3 and told.evidence["new_modes"] == 0
    assert told.sentence.startswith("Covered: ")


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("missing", [0.05, pytest.param(0.3, marks=pytest.mark.slow)])
def test_a_missing_mode_is_found_with_its_mass_and_its_place(missing: float, dim: int) -> None:
    law = pair(dim, missing)
    told = judged(target_of(law), first_only(law), shift=10.0, unit=2.0)
    assert told.verdict == NOT_COVERED, told
    # Weighed on 256 draws of a searcher that has settled, whose weights differ by a few tens of per cent at most.
    assert told.missing_mass == pytest.approx(missing, rel=0.1)
    (place,) = told.places[:1]
    assert place["share"] == pytest.approx(missing, rel=0.1)
    # In the target's own units: the mode at (1, 0, ...) lies at (12, 10, ...); its widest standard deviation is 0.35.
    expected = 10.0 + 2.0 * np.asarray(law.means[1])
    assert np.abs(np.array(place["at"]) - expected).max() < 0.35
    assert "mass is missing" in told.sentence and told.evidence["new_modes"] >= 1


STUDENT_MEANS, STUDENT_WIDTH = np.random.default_rng(1).uniform(-1.7, 1.7, (6, 16)), 0.02


@pytest.mark.slow
def test_a_missing_mode_is_found_behind_heavy_flanks_of_those_that_are_known() -> None:
    """Where all fall off slowly nothing surprises more than their far ends."""
    dim = STUDENT_MEANS.shape[1]

    def log_density(x: jax.Array) -> jax.Array:
        squares = ((x - STUDENT_MEANS) ** 2).sum(1) / STUDENT_WIDTH**2
        return jax.nn.logsumexp(-0.5 * (2.0 + dim) * jnp.log1p(squares / 2.0))

    # A Student law with two degrees of freedom is a normal one whose precision is drawn from an exponential law.
    widths = np.resize(STUDENT_WIDTH / np.sqrt(-np.log((np.arange(32) + 0.5) / 32)), 5 * 32)
    known = GaussianMixture.of(STUDENT_MEANS[:5].repeat(32, 0), widths[:, None, None] ** 2 * np.eye(dim))
    told = judged(function_target(log_density, dim=dim, scale=1.0), known)
    assert told.verdict == NOT_COVERED, told
    # A Gaussian holds less than all of a heavy tail.
    assert told.missing_mass is not None and 0.03 < told.missing_mass < 0.2
    assert np.abs(np.array(told.places[0]["at"]) - STUDENT_MEANS[5]).max() < 3.0 * STUDENT_WIDTH


@pytest.mark.slow
def test_one_draw_that_surprises_shows_a_tight_mode_inside_a_broad_one() -> None:
    """Nothing else would: a broad draw of the chains or the sweep falls into it once in a million times."""
    broad, tight = np.eye(6), 1e-4 * np.eye(6)
    law = GaussianMixture.of(np.stack([np.zeros(6), np.full(6, 0.3)]), np.stack([broad, tight]), [0.6, 0.4])
    target, sampler = target_of(law), first_only(law)
    points = np.asarray(sampler.sample(jax.random.key(7), 1000), float)
    points[17] = 0.3 + 0.01 * np.random.default_rng(2).normal(size=6)
    more = WeighedDraws(
        points,
        np.asarray(law.log_density(jnp.asarray(points)), float),
        np.asarray(sampler.log_density(jnp.asarray(points)), float),
    )
    assert judged(target, sampler).missing_mass == 0.0
    told = judged(target, sampler, more=more)
    assert told.verdict == NOT_COVERED, told
    (mode,) = told.found
    np.testing.assert_allclose(mode.mean, 0.3, atol=0.01)
    # Weighed on 256 draws of a searcher that has settled.
    assert np.exp(mode.evidence) == pytest.approx(0.4, rel=0.1)


@pytest.mark.parametrize(
    ("deviation", "missed"),
    [
        (1.0, 0.0),
        # It lacks what lies beyond 2.09, where its density falls below a share 1 / e: 4% of the mass, not most of it.
        (0.8, 0.0),
        # Beyond 0.466 of N(0, 1): P(|x| > 0.466) = 0.641, of which it knows P(|x| > 0.466 / 0.2) = 0.020.
        (0.2, 0.621),
    ],
)
def test_a_mode_is_missed_where_most_of_its_mass_is_lacking(deviation: float, missed: float) -> None:
    law = GaussianMixture.of([[0.0]], 1.0)
    stepper = Stepper(target_of(law), Rules(), Account())
    mode = Mode(np.zeros(1), np.eye(1), 0.0, np.zeros((0, 1)), np.zeros(0))
    sampler = GaussianMixture.of([[0.0]], deviation**2)
    found = [missed_modes([mode], sampler, 0.0, -20.0, stepper, np.random.default_rng(seed)) for seed in range(5)]
    told = [sum(np.exp(one.evidence) for one in each) for each in found]
    # A share of about 0.64 of 256 draws is known to 0.03; five of them to 0.014; three errors.
    assert np.mean(told) == pytest.approx(missed, abs=0.042 if missed else 0.0)


class FarOnce(np.random.Generator):
    """Standard normal numbers, one of them six deviations out; of draws in antithetic pairs, two."""

    def standard_normal(self, *arguments: Any, **named: Any) -> Any:
        numbers = super().standard_normal(*arguments, **named)
        numbers.flat[0] = 6.0
        return numbers


def test_a_single_draw_far_out_tells_of_no_mode() -> None:
    """There a tail with a thousandth of the mass has six thousand times the density of the mode that was found."""
    law = GaussianMixture.of([[0.0], [0.0]], [np.eye(1), 25.0 * np.eye(1)], [0.999, 0.001])
    stepper = Stepper(target_of(law), Rules(), Account())
    mode = Mode(np.zeros(1), np.eye(1), 0.0, np.zeros((0, 1)), np.zeros(0))
    generator = FarOnce(np.random.PCG64(0))
    points = Population(np.zeros((1, 1)), np.eye(1)[None], np.zeros(1)).draws(FarOnce(np.random.PCG64(0)), 256)
    assert points.max() == 6.0
    assert missed_modes([mode], GaussianMixture.of([[0.0]], 1.0), 0.0, np.log(0.001), stepper, generator) == []
    (unknown,) = missed_modes([mode], GaussianMixture.of([[9.0]], 1.0), 0.0, np.log(0.001), stepper, generator)
    # It knows one of the two; the other counts for 16 of 256.
    assert np.exp(unknown.evidence) == pytest.approx(1.0, abs=0.1)


def test_what_is_missed_and_found_as_several_modes_counts_once() -> None:
    """Half of the mass is a wide Gaussian, found as five that overlap; together they reach all but its tails."""
    law = GaussianMixture.of([[-50.0, 0.0], [50.0, 0.0]], [np.eye(2), 4.0 * np.eye(2)], [0.5, 0.5])
    stepper = Stepper(target_of(law), Rules(), Account())
    places = np.array([[50.0, 0.0], [51.5, 0.0], [48.5, 0.0], [50.0, 1.5], [50.0, -1.5]])
    found = [Mode(place, 2.0 * np.eye(2), 0.0, np.zeros((0, 2)), np.zeros(0)) for place in places]
    sampler = GaussianMixture.of([[-50.0, 0.0]], np.eye(2), [1.0])
    modes = missed_modes(found, sampler, np.log(0.5), np.log(0.001), stepper, np.random.default_rng(0))
    assert len(modes) == 5
    # Ratios of 1,280 draws that differ by less than their mean; added up one by one they would be five times as much.
    assert sum(np.exp(mode.evidence) for mode in modes) == pytest.approx(0.5, rel=4.0 / np.sqrt(1280))


def lattice(least: float) -> GaussianMixture:
    """Four hundred narrow modes under an envelope, without the lightest ones that hold so much together."""
    side = np.arange(20) - 9.5
    means = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    weights = np.exp(-0.5 * (means**2).sum(1) / 3.2**2)
    order = np.argsort(weights)
    kept = order[np.cumsum(weights[order]) > least * weights.sum()]
    return GaussianMixture.of(means[kept], 0.01, weights[kept] / weights[kept].sum())


@pytest.mark.slow
def test_where_modes_are_many_their_masses_are_not_told() -> None:
    told = judged(target_of(lattice(0.0)), lattice(0.0))
    assert (told.verdict, told.evidence["broad_missing"]) == (COVERED, None)
    # Of 128 climbs many end alone in their mode.
    assert told.wrong_mass is None and "too many" in told.sentence


@pytest.mark.slow
def test_what_lies_in_many_modes_too_light_to_count_alone_is_weighed() -> None:
    lacking = 0.03
    told = judged(target_of(lattice(0.0)), lattice(lacking))
    assert told.verdict == NOT_COVERED and "broad draws find about 3% of the mass" in told.sentence and not told.found
    # 34,768 draws, of which about a hundred meet what is lacking.
    assert told.evidence["broad_missing"] == told.missing_mass == pytest.approx(lacking, rel=0.35)


def weighed(target: GaussianMixture, sampler: GaussianMixture, seed: int = 0) -> tuple[OwnDraws, BroadDraws]:
    """Draws of a sampler, and broad ones, under a target."""
    stepper, generator = Stepper(target_of(target), Rules(), Account()), np.random.default_rng(seed)
    own = own_draws(sampler, stepper, jax.random.key(seed), generator, None)
    return own, broad_draws(sampler, own, region_of(own.points), broad_count(target.dim), stepper, generator)


def test_broad_draws_have_the_density_of_their_law() -> None:
    law = pair(2, 0.3)
    _, broad = weighed(law, law)
    assert (broad.count, broad.reservoir.count) == (32_768, 34_768)
    # The mass of a normalised target; weights of a mixture with the sampler are no larger than 17.
    assert broad.reservoir.log_mass == pytest.approx(0.0, abs=4.0 * (17.0 / broad.reservoir.count) ** 0.5)


@pytest.mark.slow
def test_tails_in_many_dimensions_are_nothing_that_broad_draws_find() -> None:
    """Where draws of the sampler counted too, they would be on one seed of four."""
    law, narrow = (GaussianMixture.of(np.zeros((1, 64)), deviation**2) for deviation in (1.0, 0.85))
    seen = [weighed(law, narrow, seed) for seed in range(12)]
    assert any((own.log_ratio > own.log_z + NOWHERE).any() for own, _ in seen)
    assert [lacking_of(*draws) for draws in seen] == 12 * [None]


def test_weights_are_as_uneven_as_they_are() -> None:
    """And not as a smoothed tail has them, which few draws have met yet."""
    law, sampler = GaussianMixture.of([[0.0, 0.0]], 1.0), GaussianMixture.of([[0.0, 0.0]], 0.4)
    own, _ = weighed(law, sampler)
    weights = np.exp(own.log_ratio - own.log_ratio.max())
    assert own.effective == pytest.approx(weights.sum() ** 2 / (weights**2).sum())


@pytest.mark.parametrize("dim", DIMS)
def test_wrong_weights_are_found(dim: int) -> None:
    law = pair(dim, 0.1)
    told = judged(target_of(law), GaussianMixture.of(law.means, law.covariances))
    assert told.verdict == NOT_COVERED, told
    # Total variation of (0.5, 0.5) and (0.9, 0.1); masses of 4,000 draws have errors of 0.008 and 0.005.
    assert told.wrong_mass == pytest.approx(0.4, abs=0.04)
    assert "40%" in told.sentence or "lies in the wrong mode" in told.sentence
    assert told.missing_mass is not None and told.missing_mass < 0.01


@pytest.mark.slow
def test_weights_that_are_nearly_right_are_no_fault() -> None:
    law = pair(2, 0.3)
    told = judged(target_of(law), GaussianMixture.of(law.means, law.covariances, [0.71, 0.29]))
    assert told.verdict == COVERED and told.wrong_mass == pytest.approx(0.01, abs=0.02)


@pytest.mark.parametrize("dim", DIMS)
def test_a_sampler_that_is_too_narrow_does_not_cover(dim: int) -> None:
    """Half the standard deviation: its own draws see nothing wrong but uneven weights."""
    law = pair(dim, 0.3)
    told = judged(target_of(law), GaussianMixture.of(law.means, 0.25 * law.covariances, law.weights))
    assert told.verdict in (NOT_COVERED, CANNOT_TELL), told


@pytest.mark.slow
def test_wrong_shares_along_a_ring_are_seen_although_it_is_one_mode() -> None:
    """No wells, no gaps: only the components' own masses tell that a quarter of the mass lies on the wrong half."""
    angle = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False)
    means = 2.0 * np.stack([np.cos(angle), np.sin(angle)], 1)
    along = np.stack([-np.sin(angle), np.cos(angle)], 1)
    spread = 0.02 * np.eye(2) + 0.1 * along[:, :, None] * along[:, None, :]
    weights = np.where(angle < np.pi, 0.75, 0.25) / 12.0
    target = target_of(GaussianMixture.of(means, spread))
    assert judged(target, GaussianMixture.of(means, spread)).verdict == COVERED
    told = judged(target, GaussianMixture.of(means, spread, weights))
    assert told.verdict == CANNOT_TELL and "wrong components" in told.sentence, told
    # 0.25, less what overlaps at the two borders, and an error of 0.01.
    assert told.evidence["uneven_components"] == pytest.approx(0.24, abs=0.03)


@pytest.mark.slow
def test_light_tails_that_stick_out_are_no_missing_mode() -> None:
    """The target is a tenth wider than the sampler: everywhere a little off, nowhere unknown."""
    law = pair(2, 0.3)
    told = judged(target_of(GaussianMixture.of(law.means, 1.2 * law.covariances, law.weights)), law)
    assert told.verdict == COVERED and told.missing_mass == pytest.approx(0.0, abs=0.002), told


@pytest.mark.slow
def test_a_sampler_elsewhere_does_not_cover() -> None:
    law = pair(2, 0.3)
    told = judged(target_of(law), GaussianMixture.of([[0.0, 3.0]], 0.01))
    assert told.verdict == NOT_COVERED, told
    assert told.missing_mass is not None and told.missing_mass > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("scatter", [pytest.param(0.0, marks=pytest.mark.slow), 0.5])
def test_noise_of_uneven_weights_is_no_wrong_mass(scatter: float) -> None:
    """Of many modes with the right masses none is right to the last draw, and all together look wrong by several %."""
    places = np.array(np.meshgrid(*[[-8.0, 0.0, 8.0]] * 4)).reshape(4, -1).T[:64]
    random = np.random.default_rng(0)
    tilt = np.exp(scatter * random.choice([-1.0, 1.0], 64))
    law = GaussianMixture.of(places, 0.36 * np.eye(4), tilt / tilt.sum())
    wide = GaussianMixture.of(places, np.eye(4), np.full(64, 1 / 64))
    account = Account()
    own = own_draws(wide, Stepper(target_of(law), Rules(), account), jax.random.key(1), random, None)
    assert 0.2 < own.effective_share < 0.5 and own.wrong_mass is not None
    true = 0.5 * np.abs(tilt / tilt.sum() - 1 / 64).sum()
    assert own.wrong_mass < 0.02 if scatter == 0.0 else own.wrong_mass > 0.5 * true > 0.05


@pytest.mark.slow
def test_rounding_is_not_taken_for_infinite_mass() -> None:
    """All log densities are the same number there, and fall along no ray."""
    law = GaussianMixture.of(np.zeros((1, 2)), np.eye(2))
    target = function_target(lambda x: 1e10 - 0.5 * jnp.sum(x**2), dim=2, scale=1.0)
    told = judged(target, law)
    assert told.verdict == CANNOT_TELL and "subtract a constant" in told.sentence


def test_a_sampler_where_the_density_is_zero_does_not_cover() -> None:
    target = function_target(lambda x: jnp.where(jnp.sum(x**2) < 4.0, -2.0 * jnp.sum(x**2), -jnp.inf), dim=2, scale=1.0)
    told = judged(target, GaussianMixture.of([[50.0, 0.0]], 0.01))
    assert told.verdict == NOT_COVERED, told
    assert told.sentence == "Not covered: the target has no density at any fresh draw of the sampler."
    assert told.missing_mass in (None, 1.0)
    # A file has no place for an infinite figure.
    assert json.loads(json.dumps(told.to_json(), allow_nan=False))["evidence"]["log_z"] is None


@pytest.mark.slow
def test_a_verdict_is_the_same_for_the_same_key_and_is_json() -> None:
    law = pair(2, 0.3)
    one, again = (judged(target_of(law), first_only(law)) for _ in range(2))
    assert one.to_json() == again.to_json()
    assert set(one.to_json()) >= {"verdict", "sentence", "missing_mass", "wrong_mass", "places", "evidence"}
    json.dumps(one.to_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("said", "ended", "expected"),
    [
        (COVERED, {"training_ended": "stopped", "convergence": {"blocks": 32}}, CANNOT_TELL),
        (NOT_COVERED, {"training_ended": "stopped", "convergence": {"blocks": 32}}, NOT_COVERED),
        (COVERED, {"training_ended": "stopped", "convergence": {"rounds": 4}}, COVERED),
        (COVERED, {"training_ended": "stopped"}, COVERED),
        (COVERED, {"training_ended": "factored", "convergence": {"blocks": 32}}, COVERED),
    ],
)
def test_a_product_whose_factors_were_not_all_fitted_is_not_called_covered(
    said: str, ended: dict[str, Any], expected: str
) -> None:
    told = in_view_of_its_end(Verdict.bare(said, "As it was."), ended, None)
    assert told.verdict == expected
    assert (told.sentence == "As it was.") == (said == expected)


def test_where_a_density_does_not_fall_off_a_wrong_sign_is_thought_of() -> None:
    endless = Verdict.bare(NOT_COVERED, "Not covered: along (1, 0) the density does not fall off within 16.")
    assert with_a_hint(endless).sentence.endswith(
        "If your function is an energy, return its negative: biglearn takes log densities."
    )
    other = Verdict.bare(COVERED, "Covered: by hand.")
    assert with_a_hint(other) is other


@pytest.mark.parametrize(("ess", "expected"), [(0.75, CANNOT_TELL), (0.95, COVERED)])
def test_a_sampler_that_did_not_fit_yet_when_it_was_stopped_is_not_called_covered(ess: float, expected: str) -> None:
    """Of the funnel stopped at 200,000 evaluations a twelfth of the mass was unseen, in the tails."""
    verdict = replace(Verdict.bare(COVERED, "As it was."), evidence={"ess": ess})
    assert in_view_of_its_end(verdict, {"training_ended": "stopped"}, None).verdict == expected
    assert in_view_of_its_end(verdict, {"training_ended": "refined"}, None).verdict == COVERED
    # Of a funnel in 5-D fitted by eight components 3 to 6 % of the mass were unseen.
    assert in_view_of_its_end(verdict, {"training_ended": "refined"}, 8).verdict == expected


@pytest.mark.slow
def test_log_densities_that_are_rounding_give_no_verdict() -> None:
    def law(x: jax.Array) -> jax.Array:
        return -0.5 * (x**2).sum() - 1e8

    exact = GaussianMixture.of(np.zeros((1, 3)), np.eye(3)[None], [1.0])
    verdict = judged(function_target(law, dim=3, scale=2.0), exact)
    assert verdict.verdict == CANNOT_TELL
    assert "subtract a constant from the log density" in verdict.sentence


@pytest.mark.slow
def test_what_a_refined_sampler_misses_is_found_beside_more_components_than_modes_are_kept() -> None:
    """Three in a hundred draws of the target lie in a narrow mode beside the 500 components that the sampler knows."""
    means = np.concatenate([np.random.default_rng(1).uniform(-1.0, 1.0, (500, 6)), np.full((1, 6), 1.3)])
    covariances = np.concatenate([np.tile(0.0225 * np.eye(6), (500, 1, 1)), 0.0025 * np.eye(6)[None]])
    law = GaussianMixture.of(means, covariances, [*np.full(500, 0.97 / 500), 0.03])
    sampler = GaussianMixture.of(means[:500], covariances[:500], np.full(500, 1.0 / 500))
    verdicts = [judged(MixtureTarget.of(law, scale=1.0), sampler, seed).verdict for seed in range(5)]
    # Each finds it with a probability of about 0.6: none of five with one of 0.01.
    assert NOT_COVERED in verdicts


def test_a_sweep_has_fewer_points_in_many_dimensions() -> None:
    counts = [sweep_points(dim) for dim in (1, 16, 32, 128, 10_000)]
    assert counts == [SWEEP, SWEEP, SWEEP // 2, LEAST_SWEEP, LEAST_SWEEP]


@pytest.mark.slow
def test_a_tight_mode_that_one_of_twenty_thousand_points_meets_is_found() -> None:
    """It holds half of the mass in 5-D, a twentieth as wide as the other one, which is all that the sampler knows."""
    law = GaussianMixture.of(
        np.stack([np.zeros(5), np.full(5, 0.5)]), np.stack([4.0 * np.eye(5), 0.01 * np.eye(5)]), [0.5, 0.5]
    )
    target = MixtureTarget.of(law, scale=4.0)
    verdicts = [judged(target, first_only(law), seed).verdict for seed in range(4)]
    # Each sweep misses it with a probability of about 0.05: two of four with one of 0.015.
    assert verdicts.count(NOT_COVERED) >= 3, verdicts


def test_the_evaluations_of_a_verdict_are_those_of_its_witnesses() -> None:
    law = pair(2, 0.3)
    told = judged(target_of(law), law)
    # Draws, climbs on some of them and the lines between their ends; chains; a sweep, broad draws among it; and a few
    # rounds of thirty-two searchers, 2,700 each.
    climbs = CLIMBERS * (2 * CLIMBS + 1 + (NEIGHBOURS + 1) * len(BETWEEN))
    # The sweep is a multiple of seven points.
    witnesses = 4000 + climbs + 64 * (STEPS + 1) + SWEEP - 7
    assert witnesses < told.asked.total < witnesses + 20_000


# products


WELL = GaussianMixture.of([[-1.0], [1.0]], 0.02, [0.7, 0.3])


def product(factors: tuple[GaussianMixture, ...]) -> FactoredMixture:
    return FactoredMixture(tuple((i,) for i in range(len(factors))), factors)


@pytest.mark.slow
def test_a_product_that_is_the_target_covers_it_and_one_that_misses_a_well_does_not() -> None:
    whole = product((WELL,) * 3)
    target = target_of(whole.expanded())
    assert judged(target, whole).verdict == COVERED
    half = GaussianMixture.of([[-1.0]], 0.02)
    told = judged(target, product((WELL, half, WELL)))
    assert told.verdict == NOT_COVERED, told
    wrong = judged(target, product((WELL, GaussianMixture.of([[-1.0], [1.0]], 0.02), WELL)))
    assert wrong.verdict == NOT_COVERED and wrong.wrong_mass == pytest.approx(0.2, abs=0.04)


# parts


def test_components_that_overlap_are_one_mode_and_others_are_not() -> None:
    mixture = GaussianMixture.of([[-5.0], [-4.5], [0.0], [5.0], [5.2], [5.4]], 0.1)
    draws = mixture.sample(jax.random.key(0), 2000)
    group = mode_groups(np.asarray(mixture.responsibilities(draws), float))
    assert group[0] == group[1] and group[3] == group[4] == group[5]
    assert len(np.unique(group)) == 3 and sorted(np.unique(group)) == [0, 1, 2]


def test_a_chain_of_components_is_one_mode_although_its_ends_do_not_meet() -> None:
    mixture = GaussianMixture.of(np.linspace(0.0, 6.0, 13)[:, None], 0.1)
    draws = mixture.sample(jax.random.key(0), 4000)
    assert not mode_groups(np.asarray(mixture.responsibilities(draws), float)).any()


def test_components_that_were_never_drawn_are_modes_of_their_own() -> None:
    responsibilities = np.zeros((50, 3))
    responsibilities[:, 1] = 1.0
    assert len(np.unique(mode_groups(responsibilities))) == 3


def counted(log_density: Any, sampler: GaussianMixture, share: float) -> np.ndarray:
    """The sizes of the basins of a target among draws of a sampler, without those of less than a share."""
    stepper = Stepper(function_target(log_density, dim=2, scale=1.0), Rules(), Account())
    sample = sampler.sample(jax.random.key(0), 2000)
    draws, component = np.asarray(sample, float), np.asarray(sampler.responsibilities(sample)).argmax(1)
    factors = np.asarray(sampler.factors, float)
    number, _ = basins_of(draws, component, factors, draws.std(0), stepper, np.random.default_rng(0))
    sizes = np.bincount(number) / len(number)
    return np.sort(sizes[sizes > share])


def test_one_component_over_two_wells_lies_in_two_basins() -> None:
    wells = counted(lambda x: -4.0 * (x[0] ** 2 - 1.0) ** 2 - x[1] ** 2, GaussianMixture.of([[0.0, 0.0]], 1.0), 0.02)
    # Half of the draws each, and an assignment by the nearest of 128 climbers that errs near the border.
    np.testing.assert_allclose(wells, [0.5, 0.5], atol=0.1)


@pytest.mark.slow
def test_wells_in_which_few_draws_climb_are_basins_of_their_own() -> None:
    side = np.arange(5) - 2.0
    means = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    law = GaussianMixture.of(means, 0.01)
    # About five of 128 climbers in each, and eight neighbours of each.
    assert len(counted(target_of(law).log_density, law, 0.01)) >= 23


def test_a_ring_is_one_basin_under_many_components() -> None:
    angle = np.linspace(0.0, 2.0 * np.pi, 16, endpoint=False)
    sampler = GaussianMixture.of(2.0 * np.stack([np.cos(angle), np.sin(angle)], 1), 0.1)
    assert len(counted(lambda x: -50.0 * (jnp.linalg.norm(x) - 2.0) ** 2, sampler, 0.02)) == 1


def test_chains_from_far_away_end_in_the_mass() -> None:
    law = pair(2, 0.5)
    starts = np.random.default_rng(0).normal(scale=8.0, size=(64, 2))
    ends = tempered_chains(target_of(law), starts, np.ones(2), jax.random.key(0))
    assert ends.evaluations.gradient == 64 * (STEPS + 1) and ends.points.shape == (64, 2)
    assert 0.2 < ends.acceptance < 0.9
    standard = np.linalg.norm(ends.points[:, None] - np.asarray(law.means), axis=-1).min(1) / np.sqrt(0.03)
    assert (standard < 4.0).mean() > 0.8
    # Both modes are reached: all in one has a chance of 2^-63 for chains that choose evenly, small for any that mix.
    assert 0.05 < (ends.points[:, 0] > 0).mean() < 0.95
    expected = np.asarray(jax.vmap(law.log_density)(jnp.asarray(ends.points, float)))
    np.testing.assert_allclose(ends.log_target, expected, rtol=1e-4, atol=1e-3)


def least(target: Any) -> int:
    kinds = kinds_of_proposals(target.dim, tasks())
    return least_evaluations(Rules(), target.dim, len(kinds), target.price_of_gradient.total)


def on_the_host(law: GaussianMixture) -> Any:
    """The same law as an energy in numpy without a gradient, which takes five evaluations for each."""
    means, factors = np.asarray(law.means, float), np.asarray(law.factors, float)
    logs = np.asarray(law.log_weights) - np.log(np.abs(np.linalg.det(factors))) - np.log(2.0 * np.pi)

    def log_density(points: np.ndarray) -> np.ndarray:
        standard = np.einsum("kij,nkj->nki", np.linalg.inv(factors), points[:, None] - means)
        return np.asarray(logsumexp(logs - 0.5 * (standard**2).sum(-1), axis=1))

    return from_numpy(log_density, dim=2, scale=1.0)


@pytest.mark.parametrize("make", [pytest.param(target_of, marks=pytest.mark.slow), on_the_host])
def test_a_verdict_asks_no_more_than_it_may_and_says_that_it_looked_less(make: Any) -> None:
    mixture = pair(2, 0.5)
    target = make(mixture)
    most = least(target) + 20_000
    verdict = judged(target, mixture, most=most)
    assert verdict.verdict == COVERED
    assert 0.05 < verdict.evidence["sweep"] < 0.2 and "as verdict.evaluations allows" in verdict.sentence
    assert 0.5 * most < verdict.asked.total <= most


@pytest.mark.slow
def test_of_a_product_there_is_no_sweep_to_be_cut_short() -> None:
    half = GaussianMixture.of([[-1.0], [1.0]], 0.05)
    corners = [[x, y] for x in (-1.0, 1.0) for y in (-1.0, 1.0)]
    target = target_of(GaussianMixture.of(corners, 0.05))
    verdict = judged(target, product((half, half)), most=least(target))
    assert verdict.verdict == COVERED, verdict
    assert verdict.evidence["sweep"] is None and "verdict.evaluations" not in verdict.sentence
    assert verdict.asked.total <= least(target)


@pytest.mark.slow
@pytest.mark.parametrize("dim", DIMS)
def test_the_least_verdict_still_finds_half_of_the_mass(dim: int) -> None:
    mixture = pair(dim, 0.5)
    target = target_of(mixture)
    verdict = judged(target, first_only(mixture), most=least(target))
    assert verdict.verdict == NOT_COVERED
    assert verdict.missing_mass == pytest.approx(0.5, abs=0.05)
    assert verdict.asked.total <= least(target)
    assert "verdict.evaluations" in verdict.sentence


@pytest.mark.slow
def test_a_search_that_was_not_done_covers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("biglearn_sampler.verdict.price.LEAST_ROUNDS", 0)
    monkeypatch.setattr("biglearn_sampler.verdict.fresh_search.QUIET_SEARCHERS", 1000)
    mixture = pair(2, 0.5)
    target = target_of(mixture)
    verdict = judged(target, mixture, most=least(target))
    assert verdict.verdict == CANNOT_TELL and not verdict.evidence["search_complete"]
    assert verdict.sentence.endswith("ended by verdict.evaluations before it was done.")
    assert verdict.asked.total <= least(target)
    # Also where a budget of the training has the last word.
    poor = replace(verdict, verdict=COVERED, evidence={**verdict.evidence, "ess": 0.5})
    told = in_view_of_its_end(poor, {"training_ended": "stopped"}, None)
    assert "larger budget" in told.sentence and told.sentence.endswith("before it was done.")


@pytest.mark.slow
def test_a_limit_that_is_never_met_changes_nothing() -> None:
    mixture = pair(2, 0.5)
    free, limited = (judged(target_of(mixture), mixture, most=most) for most in (None, 10**9))
    assert free.to_json() == limited.to_json()
    assert free.evidence["search_complete"] and free.evidence["sweep"] == 1.0


def test_too_few_evaluations_for_a_verdict_are_said_with_the_least() -> None:
    target = target_of(pair(2, 0.5))
    verdict = judged(target, target.mixture, most=least(target) - 1)
    assert verdict.verdict == CANNOT_TELL
    assert f"at least {least(target):,} evaluations" in verdict.sentence
    assert verdict.asked.total == 0
