"""Reproductions that train: seeds at once, what they cover, and the data sets of Fig. 2."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biglearn_plugins.reproductions import ablation, figure_2, figure_3
from biglearn_plugins.reproductions.ablation import VARIANTS
from biglearn_plugins.reproductions.coverage import Coverage, coverage_of
from biglearn_plugins.reproductions.families import FAMILIES
from biglearn_plugins.reproductions.grid import (
    DATA_VARIANCE,
    MODES,
    grid_log_density,
    grid_points,
    matched,
    one_to_one,
)
from biglearn_plugins.reproductions.many_seeds import train_seeds
from biglearn_plugins.reproductions.mixture_picture import MixturePanel, mixture_picture
from biglearn_plugins.reproductions.recipe import Recipe, modes_of, of_seed, price_of
from biglearn_plugins.schedulers.weighted import Weighted
from biglearn_sampler.catalogue import Catalogue
from biglearn_sampler.mixture import GaussianMixture, unconstrain

GRID = GaussianMixture.of(MODES, DATA_VARIANCE)
NARROW = GaussianMixture.of(MODES, figure_3.VARIANCE)
STEPS = 40


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue()


def test_the_density_of_the_points_is_that_of_the_mixture_and_their_moments_are_its():
    points = grid_points(np.random.default_rng(0), 4000)
    np.testing.assert_allclose(grid_log_density(points), GRID.log_density(jnp.asarray(points)), atol=1e-4)
    np.testing.assert_allclose(points.var(0), 8.0 + DATA_VARIANCE, rtol=0.05)


def test_modes_are_matched_one_to_one_or_not():
    assert one_to_one(MODES[::-1] + 0.3)
    doubled = np.where(np.arange(25)[:, None] == 3, MODES[4] + 0.1, MODES)
    assert not one_to_one(doubled) and matched(doubled) == 24
    assert not one_to_one(np.concatenate([MODES, MODES[:1]])) and matched(np.array([[1.0, 1.0]])) == 0


def test_coverage_tells_the_whole_from_one_mode_and_from_nothing():
    # So narrow that no mode reaches into another one.
    whole, one = GaussianMixture.of(MODES, 0.01), GaussianMixture.of(np.tile(MODES[:1], (25, 1)), 0.01)
    broken = jax.tree.map(lambda leaf: jnp.nan * leaf, unconstrain(one))
    found = coverage_of(jax.tree.map(lambda *leaves: jnp.stack(leaves), *map(unconstrain, (whole, one)), broken), whole)
    assert found.modes.tolist() == [25.0, 1.0, 0.0]
    np.testing.assert_allclose(found.divergence, [0.0, np.log(25.0), np.inf], atol=1e-3)
    # One mode and nothing else: weights are all alike, and the effective sample size is no help.
    np.testing.assert_allclose(found.ess, [1.0, 1.0, 0.0], atol=1e-3)
    assert found.cells(25)[:3] == ("0 to 25", "1.0", "1 of 3")


def covered(*mixtures: GaussianMixture) -> Coverage:
    """What mixtures of one shape cover of the grid, one after another."""
    return coverage_of(jax.tree.map(lambda *leaves: jnp.stack(leaves), *map(unconstrain, mixtures)), NARROW)


@pytest.mark.parametrize(
    ("means", "variance", "most"),
    [
        (np.zeros((1, 2)), 9.0, 1),
        (1000.0 * MODES, 1.0, 1),
        (1e20 + MODES, 1.0, 0),
        (MODES + 0.9, 0.001, 0),
        (MODES + 1.0, 1.05, 0),
    ],
    ids=["one over all", "a thousand away", "beyond squares", "four deviations off", "between modes"],
)
def test_coverage_counts_no_draws_that_are_far_from_a_mode_or_thin_over_it(means, variance, most):
    found = covered(GaussianMixture.of(means, variance))
    assert found.modes[0] <= most and found.divergence[0] > 1.0


def test_coverage_of_the_target_itself_and_of_components_that_are_somewhat_wide_or_narrow_is_complete():
    mixtures = (GaussianMixture.of(MODES, each * figure_3.VARIANCE) for each in (1.0, 0.5, 2.0))
    assert covered(*mixtures).modes.tolist() == [25, 25, 25]


def covering(*modes: float) -> Coverage:
    """Mixtures that cover so many modes, each on a tenth of all seeds."""
    return Coverage(np.repeat(modes, 10 // len(modes)), np.zeros(10), np.ones(10))


ONE, TWO, MANY, ALL_MODES = covering(1), covering(1, 2), covering(22, 25), covering(25)


@pytest.mark.parametrize(
    ("joint", "exact", "energy", "agrees"),
    [
        (ONE, MANY, ALL_MODES, True),
        (covering(1, 6, 6, 9, 9), covering(22, 22, 22, 3, 3), MANY, True),
        (ONE, TWO, ALL_MODES, False),
        (ONE, MANY, covering(19), True),
        (ONE, ALL_MODES, covering(12), False),
        (ONE, covering(25, 20), ALL_MODES, False),
        (covering(1, 7), ALL_MODES, ALL_MODES, False),
        (covering(20), ALL_MODES, ALL_MODES, False),
    ],
)
def test_fig_3_agrees_where_the_joint_task_collapses_and_big_learning_finds_nearly_all(joint, exact, energy, agrees):
    assert figure_3.agrees(joint, exact, energy) is agrees


@pytest.mark.parametrize(
    ("everything", "joint", "agrees"),
    [(covering(13, 17), ONE, True), (TWO, ONE, False), (covering(12), ONE, False), (ALL_MODES, covering(10), False)],
)
def test_the_ablation_agrees_where_all_families_together_find_most_and_the_joint_task_does_not(
    everything, joint, agrees
):
    assert ablation.agrees(everything, joint) is agrees


@pytest.mark.slow
def test_seeds_at_once_have_starts_and_maps_of_their_own_and_the_tasks_of_the_scheduler(catalogue):
    plan = Recipe("short", {"training.steps": STEPS}).plan(catalogue)
    training = plan.training()
    first, middle, last = train_seeds(plan, training, 3, 2)
    assert [look.step for look in (first, middle, last)] == [0, STEPS // 2, STEPS]
    begun, ended = np.asarray(first.parameters.means), np.asarray(last.parameters.means)
    assert begun.shape == (3, 25, 2) and abs(begun + 5.0).max() < 0.5
    assert np.isfinite(ended).all() and (abs(ended - begun).max((1, 2)) > 0.1).all()
    # Two maps of one row each are two directions in which all components have moved.
    moved = [np.linalg.svd(shift)[2][0] for shift in np.asarray(middle.parameters.means) - begun]
    assert abs(moved[0] @ moved[1]) < 0.999 and abs(moved[1] @ moved[2]) < 0.999
    assert last.task_steps.sum() == STEPS
    assert price_of(training, last.task_steps, 25).total == STEPS * 100
    assert of_seed(last.parameters, 1).means.shape == (25, 2) and modes_of(plan).components == 25


def test_another_scheduler_of_the_same_tasks_uses_the_same_code(catalogue):
    plan = Recipe("short", {"training.steps": STEPS}).plan(catalogue)
    training = plan.training()
    tasks = training.scheduler.tasks
    assert [task.name for task in tasks] == ["transformed_marginal", "joint"]
    *_, last = train_seeds(plan, training, 3, 2, Weighted(tasks, (0.0, 1.0)))
    assert last.task_steps.tolist() == [0, STEPS]


def test_every_family_is_alone_once_and_left_out_once():
    for name in FAMILIES:
        assert [each.name for each in VARIANTS if each.families == (name,)] == [f"{name} alone"]
        assert [each.name for each in VARIANTS if set(FAMILIES) - set(each.families) == {name}] == [f"all but {name}"]


@pytest.mark.slow
def test_a_fit_of_fig_2_is_judged_by_points_that_it_has_not_seen(catalogue):
    fit = figure_2.learnt(0, catalogue, {"scheduler": "joint", "steps": 200})
    generator = np.random.default_rng(0)
    _, test = grid_points(generator, figure_2.TRAIN), grid_points(generator, figure_2.TEST)
    density = fit.frames[-1].to_mixture().log_density(jnp.asarray(test))
    assert fit.loss == pytest.approx(float((grid_log_density(test) - np.asarray(density)).mean()), abs=1e-4)
    assert 0.1 < fit.loss < 0.5 and not fit.complete and 5 < fit.modes < 25
    assert len(fit.frames) == 3 and fit.sweeps > 200
    assert figure_2.row("plain", [fit, fit])[1] == "0 of 2"
    assert figure_2.panel("plain", fit, 1).title == "plain, 100 steps"
    assert figure_2.panel("plain", fit, 8).title == figure_2.panel("plain", fit, None).title == "plain, end"


def test_a_picture_of_mixtures_has_a_panel_for_each():
    panels = [MixturePanel("first", GRID), MixturePanel("second", GRID)]
    drawn = mixture_picture([panels, panels], DATA_VARIANCE, alt="Two twice.", caption="Twice.")
    assert drawn.svg.count(">first<") == drawn.svg.count(">second<") == 2 and "two standard deviations" in drawn.caption


def test_iterations_of_the_paper_are_shares_of_any_training():
    assert [figure_3.look_at(share) for share in figure_3.SHOWN] == [0, 1, 4, 7, 10, 30, 50]


def test_the_ablation_says_which_variants_diverge_and_gives_no_reason_that_is_not_in_the_data():
    found = {each.name: ONE for each in VARIANTS} | {"noised alone": MANY, "marginal alone": TWO}
    diverged = ONE._replace(divergence=np.repeat([0.1, 101.0, np.inf], 4)[:10])
    told = ablation.told(found | {"conditional alone": diverged})
    assert "Alone most is covered by noised, 23.5; left out most is missed of joint, marginal, " in told
    assert "More than all together cover: marginal alone, noised alone." in told
    assert told.endswith("A median KL above 10 nats has: conditional alone. Diverged: conditional alone on 6 of 10.")
    axes = ablation.told(found | {"marginal alone": ALL_MODES})
    assert "Alone most is covered by marginal, 25 (the grid is parallel to the axes);" in axes
    assert axes.endswith("Diverged: none.")


def test_fig_3_says_on_how_many_seeds_big_learning_explores(monkeypatch):
    monkeypatch.setattr(figure_3, "SEEDS", 10)
    assert figure_3.explored(ONE, ALL_MODES).endswith("on every seed, not only on the one that the paper shows.")
    assert "on every seed" in figure_3.explored(ONE, MANY) and "another one stays empty" in figure_3.explored(ONE, MANY)
    assert figure_3.explored(TWO, covering(2, 25)).startswith("The power of exploration is there on 5 of 10 seeds; but")
