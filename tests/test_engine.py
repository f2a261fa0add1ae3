"""The default training from end to end: what it finds from anywhere, what it costs, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import biglearn_sampler as bl
from biglearn_sampler.energy import AbstractTarget, MixtureTarget
from biglearn_sampler.errors import RunFailed, SettingsError, TargetError
from biglearn_sampler.mixture import GaussianMixture
from biglearn_sampler.verdict import COVERED, Verdict

TRAIN = import_module("biglearn_sampler.runs.train")
QUICK: dict[str, Any] = {"metrics": ("elbo", "log_z", "ess", "mode_coverage"), "evaluation.draws": 4000}
CORNER = {"start.mean": -5.0, "start.sd": 0.1}
LEAST_DRAWS = 4000


def trained(
    target: Any, seed: Any = 0, verdict: Any = True, out: Any = None, parameters: Any = None, **settings: Any
) -> bl.Run:
    """A run with the default settings and some others."""
    with pytest.MonkeyPatch.context() as patch:
        if not verdict:
            patch.setattr(TRAIN, "verdict_of", lambda *_: Verdict.bare(COVERED, "By hand."))
        return bl.train(target, seed=seed, settings={**QUICK, **settings}, parameters=parameters, out=out)


@cache
def grid_from_the_corner(seed: int = 0) -> bl.Run:
    return trained("grid25", seed, **CORNER)


def asked(run: bl.Run) -> int:
    """Evaluations of the training."""
    return run.metrics["energy_evaluations"] + run.metrics["gradient_evaluations"]


def bits(run: bl.Run) -> list[bytes]:
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(run.sampler)]


def assert_exact(run: bl.Run, components: int) -> None:
    """The sampler is the target: nothing is left of the variance of `log q - log p`."""
    assert run.metrics["training_ended"] == "settled"
    assert run.metrics["verdict"]["verdict"] == "covered", run.metrics["verdict"]
    assert run.metrics["modes_covered"] == run.metrics["modes_total"]
    # A fit is exact from a variance of 0.0025 on; ESS is about one minus the variance.
    assert run.metrics["ess"] > 0.99
    # Weights of that variance tell log Z with an error of sqrt(0.0025 / 4000) = 0.001.
    assert abs(run.metrics["log_z"] - run.target.facts.log_z) < 0.005
    # A mode may have been found twice: two components can make up one Gaussian.
    assert components <= run.metrics["components_found"] <= components + 3


# everything is found


def test_all_modes_of_a_grid_are_found_from_one_corner() -> None:
    run = grid_from_the_corner()
    assert_exact(run, 25)
    assert asked(run) < 200_000
    # Twenty-five masses with errors of sqrt(0.04 / 4000) each: their total variation is 0.03 at most.
    assert run.metrics["mode_mass_tv"] < 0.04


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bits_and_a_folder_changes_nothing(tmp_path: Any) -> None:
    run = trained("grid25", verdict=False, out=tmp_path / "run", **CORNER)
    one = grid_from_the_corner()
    assert bits(run) == bits(one)
    assert bits(bl.load(tmp_path / "run")) == bits(one)
    histories = [[{k: v for k, v in row.items() if k != "seconds"} for row in r.history] for r in (run, one)]
    assert histories[0] == histories[1]


def test_the_history_tells_the_phases_and_what_they_cost() -> None:
    run = grid_from_the_corner()
    phases = [row["phase"] for row in run.history]
    assert phases[0] == "search" and "settle" in phases and phases[-1] == "polish"
    counts = [row["energy_evaluations"] + row["gradient_evaluations"] for row in run.history]
    assert counts == sorted(counts) and counts[-1] == asked(run)
    for row in run.history:
        assert sum(row["evaluations_by_purpose"].values()) == row["energy_evaluations"] + row["gradient_evaluations"]
    assert [row["step"] for row in run.history] == sorted(row["step"] for row in run.history)
    moves = [move for row in run.history for move in row["moves"]]
    assert sum(move["move"] == "found" for move in moves) >= 25
    # Thirty-two components at least are fitted together, and those that are too many are taken together again.
    assert {move["move"] for move in moves} >= {"found", "restarted", "split", "merged"}
    assert all("by" in move for move in moves if move["move"] in ("found", "restarted"))
    assert sum(len(json.dumps(row["moves"])) for row in run.history) < 20_000
    assert run.history[-1]["modes_covered"] == 25 and run.history[0]["modes_covered"] < 25
    assert run.snapshots[0].step == 0 and run.snapshots[-1].step == run.history[-1]["step"]


@pytest.mark.slow
def test_another_seed_finds_all_modes_by_other_ways() -> None:
    assert_exact(grid_from_the_corner(1), 25)
    assert bits(grid_from_the_corner(1)) != bits(grid_from_the_corner())


@pytest.mark.slow
@pytest.mark.parametrize("scale", [0.1, 300.0])
def test_a_declared_scale_that_is_far_off_is_outgrown(scale: float) -> None:
    """The grid spans 10 in each direction, its modes have a standard deviation of 0.1 at least."""
    original = bl.target("grid25")
    target = bl.target(original.log_density, dim=2, scale=scale, facts=original.facts)
    run = trained(target)
    assert run.metrics["modes_covered"] == 25, run.metrics["verdict"]
    assert run.metrics["verdict"]["verdict"] == "covered"


THREE = GaussianMixture.of(
    [[-2.0, 1.0], [2.5, 2.0], [0.5, -2.5]],
    np.array([[[0.3, 0.1], [0.1, 0.2]], [[0.5, -0.2], [-0.2, 0.4]], [[0.1, 0.0], [0.0, 0.6]]]),
    [0.6, 0.3, 0.1],
)


@pytest.mark.slow
def test_units_make_no_difference() -> None:
    """The same law in other units, a thousand times as long in one coordinate and off the origin."""
    centre, scale = jnp.array([5e4, -3.0]), jnp.array([1000.0, 0.01])
    plain = trained(MixtureTarget.of(THREE, scale=3.0))
    moved = trained(MixtureTarget(THREE.affine(centre, scale), centre, 3.0 * scale))
    for run in (plain, moved):
        assert_exact(run, 3)
    for name in ("elbo", "log_z"):
        error = np.hypot(*(run.metrics["standard_errors"][name] for run in (plain, moved)))
        # Both samplers are off by at most half the variance at which a fit counts as exact.
        assert abs(plain.metrics[name] - moved.metrics[name]) < 5 * error + 0.003
    assert abs(plain.metrics["ess"] - moved.metrics["ess"]) < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("dim", [4, 6])
def test_products_of_double_wells_are_covered(dim: int) -> None:
    run = trained({"name": "many_well", "dim": dim})
    assert run.metrics["training_ended"] in ("factored", "settled")
    assert run.metrics["modes_covered"] == run.metrics["modes_total"] == 2 ** (dim // 2)
    assert run.metrics["verdict"]["verdict"] == "covered"
    error = run.metrics["standard_errors"]["log_z"]
    assert abs(run.metrics["log_z"] - run.target.facts.log_z) < 5 * error + 0.005
    assert run.metrics["ess"] > 0.98


# limits


def test_a_budget_is_kept_and_what_was_found_is_there() -> None:
    run = trained("grid25", **{"budget.evaluations": 8_000}, **CORNER)
    # What was found is a perfect mixture, and yet nothing says that it is all.
    assert run.metrics["training_ended"] == "stopped" and run.metrics["ess"] > 0.9
    assert 5_000 < asked(run) <= 8_000
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(run.sampler))
    draws = run.sampler.sample(jax.random.key(0), 100)
    assert bool(jnp.isfinite(run.sampler.log_density(draws)).all())
    assert run.metrics["modes_covered"] < 25
    assert run.metrics["verdict"]["verdict"] == "not covered"


@pytest.mark.slow
@pytest.mark.parametrize("budget", [3_200, 5_000, 30_000, 60_000])
def test_no_budget_is_exceeded_wherever_it_ends(budget: int) -> None:
    """Also where it ends in the refinement, or between two phases."""
    run = trained({"name": "funnel", "dim": 3}, verdict=False, components=32, **{"budget.evaluations": budget})
    assert run.metrics["training_ended"] == "stopped" and asked(run) <= budget
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(run.sampler))


def test_minutes_end_a_training_too() -> None:
    run = trained("grid25", verdict=False, **{"budget.minutes": 0.001}, **CORNER)
    assert run.metrics["training_ended"] == "stopped"
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(run.sampler))


@pytest.mark.slow
def test_too_few_components_are_told_with_what_they_miss() -> None:
    run = trained("grid25", components=3)
    verdict = run.metrics["verdict"]
    assert run.sampler.components <= 3
    assert verdict["verdict"] == "not covered"
    assert verdict["missing_mass"] > 0.5
    modes = np.asarray(run.target.facts.modes)
    spacing = 2.5  # between neighbouring modes
    assert verdict["places"]
    for place in verdict["places"]:
        distance = np.linalg.norm(modes - np.array(place["at"]), axis=1).min()
        assert distance < 0.2 * spacing, place
    assert str(int(round(100 * verdict["missing_mass"]))) in verdict["sentence"]


# densities that cannot be trained on


def flat(x: jax.Array) -> jax.Array:
    return 0.0 * jnp.sum(x)


def growing(x: jax.Array) -> jax.Array:
    return jnp.sum(jnp.abs(x))


def winding(x: jax.Array) -> jax.Array:
    """A ridge without an end, which no straight ray follows."""
    return -0.5 * ((x[1] - jnp.sin(0.5 * jnp.pi * x[0])) / 0.4) ** 2


SLOWER = [pytest.param(energy, marks=pytest.mark.slow) for energy in (growing, winding)]


@pytest.mark.parametrize("energy", [flat, *SLOWER])
def test_a_density_without_finite_mass_fails_with_a_sentence(energy: Callable[..., Any], tmp_path: Any) -> None:
    target = bl.target(energy, dim=2, scale=1.0)
    with pytest.raises(RunFailed, match="the density seems to have no finite mass") as caught:
        trained(target, out=tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert "If your function is an energy, return its negative: biglearn takes log densities" in str(caught.value)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["status"] == "failed" and record["reason"] == str(caught.value)


def rounded(x: jax.Array) -> jax.Array:
    return -jnp.round(jnp.sum(x**2))


def test_an_energy_without_a_gradient_is_refused_at_the_door() -> None:
    with pytest.raises(TargetError, match="the gradient of the log density is zero everywhere in the start region"):
        trained(bl.target(rounded, dim=2, scale=3.0))


REFUSED: list[tuple[Mapping[str, Any], str]] = [
    ({"budget.evaluations": 100}, "budget.evaluations: 100 is too small; expected at least 3,152, what one round"),
    ({"budget.minutes": 0}, "budget.minutes: must be above 0, got 0"),
    ({"components": 0}, "components: must be at least 1, got 0"),
    ({"components": 10**6}, "components: a step with 1,000,000 components in 2 dimensions needs about "),
    ({"method": "adaptive", "training.steps": 5}, "training: belongs to method = 'scheduled'"),
    ({"exploration.tasks": ["joint", "nowhere"]}, "exploration.tasks.1: there is no task 'nowhere'"),
]


@pytest.mark.parametrize(("settings", "told"), REFUSED)
def test_what_cannot_be_had_is_refused_with_a_sentence(settings: Mapping[str, Any], told: str, tmp_path: Any) -> None:
    with pytest.raises(SettingsError, match=told):
        trained("grid25", out=tmp_path / "run", **settings)
    assert not (tmp_path / "run").exists()


# densities that are odd in places


def with_holes(x: jax.Array) -> jax.Array:
    """Two modes, with NaN in one strip, +inf nowhere, and -inf beyond a sphere that cuts the tails off."""
    two = jnp.logaddexp(-2.0 * jnp.sum((x - 1.0) ** 2), -2.0 * jnp.sum((x + 1.0) ** 2))
    inside = jnp.where(jnp.sum(x**2) < 9.0, two, -jnp.inf)
    return jnp.where(jnp.abs(x[0] - 2.2) < 0.02, jnp.nan, inside)


def in_half_precision(x: jax.Array) -> jax.Array:
    half = x.astype(jnp.float16)
    return jnp.logaddexp(-2.0 * jnp.sum((half - 1.5) ** 2), -2.0 * jnp.sum((half + 1.5) ** 2))


def cliffs(x: jax.Array) -> jax.Array:
    """A Gaussian of standard deviation one cut off at radius 1.5: a third of its mass is beyond."""
    return jnp.where(jnp.sum(x**2) < 2.25, -0.5 * jnp.sum(x**2), -jnp.inf)


def two_means(run: bl.Run, at: float) -> np.ndarray:
    """The shares of the two modes at `(at, at)` and `(-at, -at)`."""
    draws = np.asarray(run.sampler.sample(jax.random.key(1), LEAST_DRAWS))
    near = [np.linalg.norm(draws - sign * at, axis=1) < 1.5 for sign in (-1, 1)]
    return np.array([part.mean() for part in near])


@pytest.mark.slow
def test_holes_and_far_cliffs_do_no_harm() -> None:
    run = trained(bl.target(with_holes, dim=2, scale=3.0), verdict=False, components=64)
    assert run.metrics["zero_density_points"] > 0
    # Within 1.5 of a mode lie 1 - exp(-4.5) = 98.9 % of it; shares have an error of 0.008.
    np.testing.assert_allclose(two_means(run, 1.0), 0.5, atol=0.05)
    assert abs(run.metrics["log_z"] - np.log(np.pi)) < 0.02
    assert run.metrics["ess"] > 0.9


def test_a_training_begins_inside_the_walls_of_a_half_space() -> None:
    """With as many different searchers as ever; where there are no walls, with the first draws of the start region."""
    from biglearn_sampler.runs.plan import make_plan
    from biglearn_sampler.runs.read_settings import read_settings
    from biglearn_sampler.runs.trainers import trainer_of

    catalogue = bl.Catalogue()
    read = read_settings(None, {}, catalogue)

    def first(function: Any) -> np.ndarray:
        plan = make_plan(bl.target(function, dim=3, scale=2.0), read, [], 0, catalogue, {})
        return np.asarray(trainer_of(plan).first.means)

    free = first(lambda x: -jnp.sum(x**2))
    walled = first(lambda x: jnp.where(x[0] > 0.0, -jnp.sum(x**2), -jnp.inf))
    inside = free[free[:, 0] > 0.0]
    assert walled.shape == free.shape and len(np.unique(walled, axis=0)) == len(walled)
    np.testing.assert_array_equal(walled[: len(inside)], inside)
    assert (walled[:, 0] > 0.0).sum() > len(inside)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_flat_boxes_that_hardly_any_draw_falls_into_are_found(seed: int) -> None:
    """Walls all around them: one draw of the region in 160 has a density, and nothing says where."""
    sides, centres = np.array([2.0, 2.6]), np.array([3.0, -3.0])

    def boxes(x: jax.Array) -> jax.Array:
        inside = (jnp.abs(x[:, None] - centres) < sides / 2).all(0).any()
        return jnp.where(inside, 0.0, -jnp.inf)

    run = trained(bl.target(boxes, dim=4, scale=4.0), seed, verdict=False)
    volumes = sides**4
    # An ESS of a tenth of 16,000 draws gives log Z to 0.075, and the share of the smaller one to 0.01.
    assert abs(run.metrics["log_z"] - np.log(volumes.sum())) < 0.3
    assert run.metrics["ess"] > 0.05
    draws = np.asarray(run.sampler.sample(jax.random.key(1), LEAST_DRAWS))
    assert abs((draws.mean(1) > 0).mean() - volumes[0] / volumes.sum()) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_needle_beside_broad_modes_is_found(seed: int) -> None:
    """A third of the mass within 0.02 of a point: hardly any start falls there, but searchers pass it on their way."""
    means, widths = jnp.array([[-3.0, 0.0], [3.0, 0.0], [0.0, 3.0]]), jnp.array([0.02, 1.0, 0.3])

    def needle(x: jax.Array) -> jax.Array:
        squares = (((x - means) / widths[:, None]) ** 2).sum(1)
        return jax.scipy.special.logsumexp(-0.5 * squares - 2.0 * jnp.log(widths) - jnp.log(6.0 * jnp.pi))

    run = trained(bl.target(needle, dim=2, scale=3.0), seed, verdict=False)
    assert abs(run.metrics["log_z"]) < 0.01 and run.metrics["ess"] > 0.98


@pytest.mark.slow
def test_in_eight_dimensions_most_runs_find_a_tight_mode_in_a_corner() -> None:
    """A tenth of the mass where hardly any draw falls; what misses it may be missed by the verdict too."""
    found = 0
    for seed in range(6):
        run = trained("unequal_mixture", seed, verdict=False, parameters={"dim": 8})
        complete = run.metrics["modes_covered"] == 4
        found += complete
        assert abs(run.metrics["elbo"] - (0.0 if complete else np.log(0.9))) < 0.002
    assert found >= 3


@pytest.mark.slow
def test_a_target_in_half_precision_is_covered() -> None:
    run = trained(bl.target(in_half_precision, dim=2, scale=3.0))
    np.testing.assert_allclose(two_means(run, 1.5), 0.495, atol=0.05)
    assert run.metrics["verdict"]["verdict"] != "not covered"
    # Sixteen bits know a log density of ten to within 0.005.
    assert abs(run.metrics["log_z"] - np.log(np.pi)) < 0.03


@pytest.mark.slow
def test_a_cliff_through_the_mass_leaves_the_sampler_inside() -> None:
    """Gradients of log q do not see a cliff; the bounded cost of density zero does."""
    run = trained(bl.target(cliffs, dim=2, scale=1.5), verdict=False, components=32, **{"budget.evaluations": 60_000})
    exact = np.log(2 * np.pi * (1 - np.exp(-1.125)))
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(run.sampler))
    assert abs(run.metrics["log_z"] - exact) < 0.1
    draws = np.asarray(run.sampler.sample(jax.random.key(1), LEAST_DRAWS))
    assert ((draws**2).sum(1) < 2.25).mean() > 0.9


def test_the_training_never_looks_at_the_facts() -> None:
    """A target whose facts are wrong is trained to the same bits."""

    class Lying(AbstractTarget):
        @property
        def dim(self) -> int:
            return 2

        @property
        def facts(self) -> bl.Facts:
            return pytest.fail("the training looked at the facts")

        def log_density(self, point: jax.Array) -> jax.Array:
            return -0.5 * jnp.sum(point**2)

    from biglearn_sampler.runs.plan import make_plan
    from biglearn_sampler.runs.read_settings import read_settings
    from biglearn_sampler.runs.trainers import trainer_of

    catalogue = bl.Catalogue()
    read = read_settings(None, {"budget.evaluations": 3200}, catalogue)
    told = trainer_of(make_plan(Lying(), read, [], 0, catalogue, {})).train(lambda progress: None)
    assert told["training_ended"] in ("settled", "stopped")
