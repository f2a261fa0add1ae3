"""Distances from exact draws, and the Stein discrepancy: closed forms, honest errors, floors that exact draws keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import permutations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from biglearn_plugins.metrics import biglearn_metrics
from biglearn_plugins.metrics.ksd import stein_kernel
from biglearn_plugins.metrics.representatives import independent_count, representatives
from biglearn_plugins.metrics.w2 import dual_potentials, exact_w2
from biglearn_sampler.energy import AbstractTarget, MixtureTarget, function_target
from biglearn_sampler.evaluation import Draws, Measured
from biglearn_sampler.mixture import GaussianMixture

METRICS = {entry.name: entry for entry in biglearn_metrics()}
NEED_EXACT = ("w2", "sliced_w2", "mmd", "energy_histogram", "moment_errors")
MEANS = np.array([[-3.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
MASSES = [0.5, 0.3, 0.2]
TARGET = MixtureTarget.of(GaussianMixture.of(MEANS, 0.5, MASSES), scale=6.0)
NORMAL = MixtureTarget.of(GaussianMixture.of(np.zeros((1, 2)), 1.0), scale=2.0)
LINE = MixtureTarget.of(GaussianMixture.of(np.zeros((1, 1)), 1.0), scale=2.0)
SEEDS = range(3)
# Compiled once for every number of draws: hundreds of sets are drawn.
LOG_DENSITY = jax.jit(GaussianMixture.log_density)
SAMPLE = jax.jit(GaussianMixture.sample, static_argnums=2)


def measure(name: str, draws: Draws, target: AbstractTarget, seed: int = 0, **given) -> dict[str, Measured]:
    return METRICS[name].build(**given).compute(draws, target, jax.random.key(seed))


def numbers(figure: Measured) -> tuple[float, float]:
    assert figure.value is not None and figure.standard_error is not None, figure
    return figure.value, figure.standard_error


def of_points(points: np.ndarray, target: MixtureTarget) -> Draws:
    log_density = LOG_DENSITY(target.mixture, jnp.asarray(points, float))
    return Draws(points, np.asarray(log_density, float))


def exact(target: MixtureTarget, count: int, seed: int) -> Draws:
    points = SAMPLE(target.mixture, jax.random.fold_in(jax.random.key(7), seed), count)
    return of_points(np.asarray(points, float), target)


def moved(draws: Draws, target: MixtureTarget, *, shift: Sequence[float] = (0.0,), stretch: float = 1.0) -> Draws:
    return of_points(stretch * draws.points + np.asarray(shift), target)


def weighted_exact(count: int, seed: int) -> Draws:
    """Draws of two and a half times the scale, with the weights that make them exact."""
    draws = moved(exact(NORMAL, count, seed), NORMAL, stretch=2.5)
    weights = np.exp(-0.5 * (draws.points**2).sum(axis=1) * (1.0 - 1.0 / 2.5**2))
    return replace(draws, weights=weights / weights.sum())


def unevenly_weighted(count: int, seed: int) -> Draws:
    """Exact draws whose weights know nothing of them, and are no whole numbers of points."""
    weights = np.where(np.random.default_rng(seed).random(count) < 0.5, 1.4, 0.6)
    return replace(exact(NORMAL, count, seed), weights=weights / weights.sum())


def in_families(count: int, seed: int, correlation: float) -> Draws:
    """Exact draws in families of four in any order, as correlated as that with what their family has in common."""
    random = np.random.default_rng(seed)
    families = random.permutation(np.repeat(np.arange(count), 4))
    own = np.sqrt(1.0 - correlation**2) * random.normal(size=(4 * count, 2))
    return replace(
        of_points(correlation * exact(NORMAL, count, seed).points[families] + own, NORMAL), families=families
    )


DEPENDENT = {
    "weighted": lambda seed: weighted_exact(480, seed),
    "weighted unevenly": lambda seed: unevenly_weighted(60, seed),
    "copies": lambda seed: in_families(60, seed, 1.0),
    "siblings": lambda seed: in_families(60, seed, 0.9),
}
"""Exact draws that are worth fewer than their number."""


@cache
def dependent(kind: str, seed: int) -> Draws:
    """Kept, as two discrepancies look at the same draws."""
    return DEPENDENT[kind](seed)


def above_quantile(name: str, kind: str, repeats: int) -> tuple[np.ndarray, int]:
    """The figure for that many sets of exact draws, and how often it is above its null quantile."""
    figure = {"mmd": "mmd2", "ksd": "ksd"}[name]
    found = [measure(name, dependent(kind, seed), NORMAL, seed, points=240) for seed in range(repeats)]
    values = np.array([each[figure].value for each in found], float)
    quantiles = np.array([each[f"{figure}_null_quantile"].value for each in found], float)
    return values, int((values > quantiles).sum())


# --- which draws are compared


def test_independent_draws_and_chains_are_taken_evenly():
    draws = Draws(np.arange(10.0)[:, None], np.zeros(10))
    assert representatives(draws, 20).points.ravel().tolist() == list(range(10))
    assert representatives(draws, 5).points.ravel().tolist() == [0, 2, 4, 6, 8]
    assert representatives(draws, 5).worth == 5.0


def test_weighted_draws_are_taken_by_their_weights():
    draws = Draws(np.arange(3.0)[:, None], np.zeros(3), weights=np.array([0.4, 0.0, 0.6]))
    assert representatives(draws, 10).points.ravel().tolist() == [0, 2, 2]
    many = Draws(np.arange(400.0)[:, None], np.zeros(400), weights=np.repeat([3.0, 1.0], 200) / 800)
    chosen = representatives(many, 200)
    assert (chosen.points < 200).sum() == 150
    assert independent_count(many) == pytest.approx(320.0) and chosen.worth == 200.0


def test_points_of_one_draw_or_family_are_a_group():
    weighted = representatives(Draws(np.zeros((3, 1)), np.zeros(3), weights=np.array([0.4, 0.0, 0.6])), 10)
    assert weighted.groups.tolist() == [0, 1, 1] and weighted.worth == 9 / 5
    families = Draws(np.zeros((6, 1)), np.zeros(6), families=np.array([7, 2, 2, 7, 5, 7]))
    assert representatives(families, 10).groups.tolist() == [2, 0, 0, 2, 1, 2]
    assert representatives(families, 10).worth == pytest.approx(families.worth) == 36 / 14
    assert representatives(families, 2).groups.tolist() == [0, 1] and representatives(families, 2).worth == 2.0
    chains = representatives(Draws(np.arange(8.0)[:, None], np.zeros(8), chains=2), 4)
    assert chains.groups.tolist() == [0, 1, 2, 3]


def test_chains_are_worth_their_effective_count():
    points = np.repeat(exact(NORMAL, 500, 0).points, 4, axis=0)
    sticky = Draws(points, np.zeros(2000), chains=4)
    assert independent_count(sticky) == pytest.approx(500, rel=0.2)
    chosen = representatives(sticky, 1000)
    assert len(np.unique(chosen.like(np.arange(1000.0)[:, None]))) == round(chosen.worth)
    stuck = Draws(np.repeat(points[:16:4], 500, axis=0), np.zeros(2000), chains=4)
    assert independent_count(stuck) < 10
    still = Draws(np.zeros((40, 2)), np.zeros(40), chains=4)
    assert independent_count(still) == 4.0
    assert representatives(stuck, 1000).warning is not None and chosen.warning is None


# --- w2


def test_w2_is_the_least_over_all_matches():
    random = np.random.default_rng(0)
    points, others = random.normal(size=(2, 6, 3))
    least = min(np.mean(((points - others[list(order)]) ** 2).sum(axis=1)) for order in permutations(range(6)))
    assert exact_w2(points, others) ** 2 == pytest.approx(least)
    assert exact_w2(points, points + [1.0, 2.0, 2.0]) == pytest.approx(3.0)


def test_potentials_of_w2_prove_that_the_match_is_best():
    random = np.random.default_rng(1)
    costs = random.uniform(size=(40, 40))
    _, match = linear_sum_assignment(costs)
    own, other = dual_potentials(costs, match)
    assert own + other == pytest.approx(costs[np.arange(40), match])
    of_columns = np.empty(40)
    of_columns[match] = other
    assert (own[:, None] + of_columns <= costs + 1e-9).all()


@pytest.mark.parametrize(("name", "closed"), [("w2", 1.5), ("sliced_w2", 1.5 / np.sqrt(2.0))])
def test_distance_of_a_shift(name, closed):
    """W2 of two shifted Gaussians is the shift; the floor in the square is that of exact draws."""
    for seed in SEEDS:
        found = measure(name, moved(exact(NORMAL, 2000, seed), NORMAL, shift=[1.5, 0.0]), NORMAL, seed)
        value, error = numbers(found[name])
        floor = found[f"{name}_floor"].value or 0.0
        assert closed - 4 * error < value < np.hypot(closed, floor) + 4 * error


def test_sliced_distance_on_a_line_is_w2():
    draws = moved(exact(LINE, 200, 0), LINE, stretch=2.0)
    both = [measure(name, draws, LINE, points=200) for name in ("w2", "sliced_w2")]
    # They draw other exact draws; the distance of two centred Gaussians is the difference of the deviations.
    for found, name in zip(both, ("w2", "sliced_w2"), strict=True):
        value, error = numbers(found[name])
        assert value == pytest.approx(1.0, abs=4 * error)


@pytest.mark.parametrize(("name", "given"), [("w2", {"points": 100}), ("sliced_w2", {"points": 100, "directions": 50})])
def test_standard_errors_of_distances_are_the_spread_of_repeated_ones(name, given):
    found = [
        numbers(measure(name, moved(exact(TARGET, 100, seed), TARGET, shift=[2.0, 0.0]), TARGET, seed, **given)[name])
        for seed in range(30)
    ]
    values, errors = np.array(found).T
    assert errors.mean() == pytest.approx(values.std(ddof=1), rel=0.45)


@pytest.mark.parametrize("name", ["w2", "sliced_w2"])
def test_the_floor_is_the_average_of_exact_draws(name):
    found = [measure(name, exact(TARGET, 200, seed), TARGET, seed, points=200) for seed in range(16)]
    values = np.array([numbers(each[name])[0] for each in found])
    floors = np.array([numbers(each[f"{name}_floor"]) for each in found])
    assert values.mean() == pytest.approx(floors[:, 0].mean(), abs=4 * values.std(ddof=1) / 4)
    assert floors[:, 1].mean() == pytest.approx(values.std(ddof=1), rel=0.5)


def test_chains_have_the_floor_of_so_few_draws():
    sticky = Draws(np.repeat(exact(NORMAL, 125, 0).points, 4, axis=0), np.zeros(500), chains=4)
    for name in ("w2", "sliced_w2"):
        of_chains = measure(name, sticky, NORMAL)[f"{name}_floor"].value or 0.0
        of_draws = measure(name, replace(sticky, chains=None), NORMAL)[f"{name}_floor"].value or 0.0
        assert of_chains > 1.2 * of_draws


# --- mmd


@pytest.mark.parametrize("seed", SEEDS)
def test_mmd_of_a_shift_in_closed_form(seed):
    found = measure("mmd", moved(exact(LINE, 1000, seed), LINE, shift=[0.8]), LINE, seed)
    value, error = numbers(found["mmd2"])
    # The median distance of standard normal draws is 0.954; E k = sqrt(h^2 / (h^2 + 2)) exp(-d^2 / (2 (h^2 + 2))).
    squares = (0.6745 * np.sqrt(2.0) / 4.0 ** np.arange(3)) ** 2
    same = np.sqrt(squares / (squares + 2.0))
    closed = 2.0 * np.mean(same * (1.0 - np.exp(-(0.8**2) / (2.0 * (squares + 2.0)))))
    assert value == pytest.approx(closed, abs=4 * error)
    assert value > 4 * error


def test_mmd_of_exact_draws_is_zero_on_average_and_below_its_quantile():
    found = [measure("mmd", exact(TARGET, 50, seed), TARGET, seed, points=50) for seed in range(50)]
    values = np.array([numbers(each["mmd2"])[0] for each in found])
    quantiles = np.array([numbers(each["mmd2_null_quantile"])[0] for each in found])
    assert values.mean() == pytest.approx(0.0, abs=4 * values.std(ddof=1) / np.sqrt(50))
    # 2.5 of 50 are expected; 1.5 is their standard error.
    assert (values > quantiles).sum() <= 2.5 + 4 * 1.5


def test_mmd_of_chains_is_unbiased_too():
    """Chains of exact draws that stay four steps on each: worth a quarter of their number."""
    found = []
    for seed in range(16):
        points = np.repeat(exact(NORMAL, 50, seed).points, 4, axis=0)
        found.append(measure("mmd", Draws(points, np.zeros(200), chains=2), NORMAL, seed, points=200))
    values = np.array([numbers(each["mmd2"])[0] for each in found])
    quantiles = np.array([numbers(each["mmd2_null_quantile"])[0] for each in found])
    assert values.mean() == pytest.approx(0.0, abs=4 * values.std(ddof=1) / np.sqrt(16))
    assert (values > quantiles).sum() <= 6


@pytest.mark.slow
@pytest.mark.parametrize("kind", DEPENDENT)
def test_mmd_of_dependent_draws_is_unbiased_too(kind):
    values, above = above_quantile("mmd", kind, 100)
    assert values.mean() == pytest.approx(0.0, abs=4 * values.std(ddof=1) / 10)
    # 5 of 100 are expected; 2.2 is their standard error.
    assert above <= 5 + 4 * 2.2


def test_mmd_needs_draws_that_are_worth_two():
    draws = replace(exact(NORMAL, 10, 0), weights=np.eye(10)[3])
    reason = "the draws are worth about 1.0 independent ones; expected at least 2"
    assert set(measure("mmd", draws, NORMAL).values()) == {Measured.missing(reason)}


# --- energies


@pytest.mark.parametrize("seed", SEEDS)
def test_histogram_of_energies_of_a_wider_sampler(seed):
    """Energies of the plane's standard normal law are exponential; of a sampler of variance v they are v times that."""
    found = measure("energy_histogram", moved(exact(NORMAL, 2000, seed), NORMAL, stretch=np.sqrt(2.0)), NORMAL, seed)
    edges = np.array([*-np.log1p(-np.arange(20) / 20), np.inf])
    closed = 0.5 * np.abs(np.diff(-np.exp(-edges / 2.0)) - 0.05).sum()
    value, error = numbers(found["energy_tv"])
    floor = found["energy_tv_floor"].value or 0.0
    assert closed - 4 * error < value < closed + floor + 4 * error


def test_the_floor_of_energies_is_the_average_of_exact_draws():
    found = [measure("energy_histogram", exact(TARGET, 300, seed), TARGET, seed, exact=4000) for seed in range(30)]
    values = np.array([numbers(each["energy_tv"])[0] for each in found])
    floors = np.array([each["energy_tv_floor"].value or 0.0 for each in found])
    assert floors.mean() == pytest.approx(values.mean(), abs=4 * values.std(ddof=1) / np.sqrt(30))


def test_draws_of_density_zero_have_the_highest_energy():
    draws = exact(NORMAL, 1000, 0)
    lost = replace(draws, log_target=np.where(np.arange(1000) < 600, -np.inf, draws.log_target))
    assert measure("energy_histogram", lost, NORMAL)["energy_tv"].value == pytest.approx(0.6, abs=0.05)


# --- moments


@pytest.mark.parametrize("seed", SEEDS)
def test_moment_errors_of_a_shift(seed):
    found = measure("moment_errors", moved(exact(NORMAL, 2000, seed), NORMAL, shift=[0.0, 0.3]), NORMAL, seed)
    bias, error = numbers(found["mean_bias_max"])
    assert bias == pytest.approx(0.3, abs=4 * error)
    # 0.3 in units of the errors of 2,000 draws and of 20,000 exact ones.
    assert error == pytest.approx(np.sqrt(1 / 2000 + 1 / 20_000), rel=0.1)
    assert found["mean_error_max"].value == pytest.approx(bias / error)
    # The fourth moment of a normal law is 3.
    wide = measure("moment_errors", moved(exact(NORMAL, 2000, seed), NORMAL, stretch=1.1), NORMAL, seed)
    closed = 0.21 / np.sqrt(2.0 * 1.1**4 / 2000 + 2.0 / 20_000)
    assert wide["variance_error_max"].value == pytest.approx(closed, abs=4.0)


def test_moment_errors_of_exact_draws_keep_their_quantile():
    found = [measure("moment_errors", exact(TARGET, 200, seed), TARGET, seed, exact=2000) for seed in range(80)]
    for name in ("mean_error_max", "variance_error_max"):
        above = [(each[name].value or 0.0) > (each["moment_error_quantile"].value or 0.0) for each in found]
        assert sum(above) <= 4 + 4 * 2
    # Two coordinates: P(|z| < 2.236)^2 = 0.95.
    assert found[0]["moment_error_quantile"].value == pytest.approx(2.236, abs=1e-3)


def test_weights_set_moments_right():
    wide = moved(exact(NORMAL, 1000, 0), NORMAL, stretch=np.sqrt(1.5))
    # Variance 1 for 1.5 in two coordinates.
    log_weights = -0.5 * (wide.points**2).sum(axis=1) * (1.0 - 1.0 / 1.5)
    weights = np.exp(log_weights) / np.exp(log_weights).sum()
    assert (measure("moment_errors", wide, NORMAL)["variance_error_max"].value or 0.0) > 5.0
    assert (measure("moment_errors", replace(wide, weights=weights), NORMAL)["variance_error_max"].value or 9.0) < 4.0
    for name, floor in {
        "sliced_w2": "sliced_w2_floor",
        "mmd": "mmd2_null_quantile",
        "ksd": "ksd_null_quantile",
    }.items():
        figure = floor.removesuffix("_floor").removesuffix("_null_quantile")
        plain, weighted = (measure(name, each, NORMAL) for each in (wide, replace(wide, weights=weights)))
        value, error = numbers(weighted[figure])
        assert value < numbers(weighted[floor])[0] + 4 * error
        assert numbers(plain[figure])[0] > 1.5 * value


def test_chains_that_never_move_have_no_moment_errors():
    still = Draws(np.zeros((40, 2)), np.zeros(40), chains=4)
    assert set(measure("moment_errors", still, NORMAL).values()) == {Measured.missing("no chain moves in coordinate 0")}
    point = replace(still, points=np.full((40, 2), 0.1), chains=None)
    # Independent draws that are all the same have no error; that of 20,000 exact draws is left.
    found = measure("moment_errors", point, NORMAL)["mean_error_max"].value
    assert found is not None and found == pytest.approx(0.1 * np.sqrt(20_000), abs=4.0)


# --- kernelised Stein discrepancy


def test_stein_kernel_is_that_of_automatic_differentiation():
    random = np.random.default_rng(2)
    points, gradients = random.normal(size=(2, 5, 3))

    def kernel(x, y):
        return (1.0 + jnp.sum((x - y) ** 2)) ** -0.5

    def u(x, y, at_x, at_y):
        cross = jnp.trace(jax.jacfwd(jax.grad(kernel, 0), 1)(x, y))
        slopes = at_x @ jax.grad(kernel, 1)(x, y) + at_y @ jax.grad(kernel, 0)(x, y)
        return at_x @ at_y * kernel(x, y) + slopes + cross

    with jax.enable_x64(True):
        rows = jax.jit(jax.vmap(jax.vmap(u, (None, 0, None, 0)), (0, None, 0, None)))
        expected = np.asarray(rows(points, points, gradients, gradients))
    assert stein_kernel(points, gradients) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_ksd_of_exact_draws_keeps_its_quantile():
    found = [measure("ksd", exact(NORMAL, 50, seed), NORMAL, seed) for seed in range(80)]
    above = [numbers(each["ksd"])[0] > numbers(each["ksd_null_quantile"])[0] for each in found]
    assert 0 < sum(above) <= 4 + 4 * 2


@pytest.mark.parametrize("kind", DEPENDENT)
@pytest.mark.slow
def test_ksd_of_dependent_draws_keeps_its_quantile(kind):
    _, above = above_quantile("ksd", kind, 100)
    # 5 of 100 are expected; 2.2 is their standard error.
    assert above <= 5 + 4 * 2.2


def test_ksd_does_not_depend_on_units():
    draws = moved(exact(TARGET, 300, 0), TARGET, shift=[0.5, 0.0])
    far = MixtureTarget.of(GaussianMixture.of(100.0 * MEANS, 0.5e4, MASSES), scale=600.0)
    near = measure("ksd", draws, TARGET)["ksd"].value
    assert measure("ksd", Draws(100.0 * draws.points, draws.log_target), far)["ksd"].value == pytest.approx(
        near, rel=1e-3
    )


def test_standard_error_of_ksd_is_the_spread_of_repeated_ones():
    found = [
        numbers(measure("ksd", moved(exact(NORMAL, 200, seed), NORMAL, shift=[0.7, 0.0]), NORMAL, seed)["ksd"])
        for seed in range(30)
    ]
    values, errors = np.array(found).T
    assert errors.mean() == pytest.approx(values.std(ddof=1), rel=0.45)


def test_ksd_says_why_it_is_missing():
    same = Draws(np.zeros((40, 2)), np.zeros(40))
    assert measure("ksd", same, NORMAL)["ksd"] == Measured.missing("most of the draws are one and the same point")
    cut = function_target(lambda x: jnp.sum(jnp.log(x)) - jnp.sum(x), dim=2, scale=1.0)
    draws = Draws(np.array([[1.0, 1.0], [0.0, 1.0], [2.0, 1.0]]), np.zeros(3))
    assert measure("ksd", draws, cut)["ksd"] == Measured.missing(
        "1 of 3 draws have no finite gradient of the log density"
    )


# --- all


@pytest.mark.parametrize("name", NEED_EXACT)
def test_distances_need_exact_draws(name):
    bare = function_target(lambda point: -0.5 * jnp.sum(point**2), dim=2, scale=3.0)
    found = measure(name, exact(NORMAL, 100, 0), bare)
    assert set(found.values()) == {Measured.missing("exact draws of the target are not known")}


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("w2", {"points": 2001}, "points must be from 2 to 2,000, got 2001"),
        ("sliced_w2", {"directions": 1}, "directions and points must be at least 2, got 1 and 2000"),
        ("mmd", {"points": 1}, "points must be at least 2, got 1"),
        ("ksd", {"points": 0}, "points must be at least 2, got 0"),
        ("energy_histogram", {"bins": 1}, "bins must be at least 2, got 1"),
        ("moment_errors", {"exact": 2}, "exact must be at least 25, got 2"),
    ],
)
def test_what_makes_no_sense_is_refused(name, given, message):
    with pytest.raises(ValueError, match=message):
        METRICS[name].build(**given)
