"""Simulations of the papers: losses are the project's own, optima are optima, the page says what is found."""

from __future__ import annotations

from io import BytesIO

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import typer
from PIL import Image, ImageSequence
from typer.testing import CliRunner

from biglearn_plugins.reports.canvas import GREEN, VERMILLION
from biglearn_plugins.reports.page.drawing import picture
from biglearn_plugins.reproductions import figure_1, figure_5, registry
from biglearn_plugins.reproductions.animation import animation_of
from biglearn_plugins.reproductions.descent import descended, is_free
from biglearn_plugins.reproductions.divergence import Estimate, divergence
from biglearn_plugins.reproductions.inner_steps import successes
from biglearn_plugins.reproductions.monte_carlo_check import LEAST_SHARE, agreeing_share
from biglearn_plugins.reproductions.optima_table import optima_rows
from biglearn_plugins.reproductions.page import page_of
from biglearn_plugins.reproductions.problem import by_monte_carlo, by_quadrature
from biglearn_plugins.reproductions.progress import Tell, silence
from biglearn_plugins.reproductions.reproduction import Finding, Reproduction
from biglearn_plugins.reproductions.surface import Surface, surface_of
from biglearn_plugins.reproductions.surface_picture import surface_picture
from biglearn_plugins.reproductions.tailored import model, target
from biglearn_plugins.reproductions.view import View
from biglearn_plugins.tasks.families import transformed_marginal
from biglearn_plugins.transformations.orthogonal import Orthogonal
from biglearn_sampler.catalogue import Catalogue
from biglearn_sampler.errors import Terminated, UserError
from biglearn_sampler.estimators.energy import EnergyEstimator
from biglearn_sampler.estimators.exact_channel import ExactChannelEstimator
from biglearn_sampler.estimators.marginal_quadrature import MarginalQuadrature
from biglearn_sampler.learning.matching import Matching
from biglearn_sampler.mixture.unconstrained import unconstrain
from biglearn_sampler.tasks import Task

PLACE = (0.7, -0.4)
VIEWS = (View("joint"), View("marginal", 30.0), View("conditional", 30.0))


# The loss is compiled as a whole, since an operation at a time takes longer; the nodes are arguments, or the compiler
# would try to work out the loss by itself.
def exact(view: View) -> Estimate:
    return jax.jit(divergence)(jnp.array(PLACE), by_quadrature(view))


def noisy(view: View) -> Estimate:
    return jax.jit(divergence)(jnp.array(PLACE), by_monte_carlo(view, jax.random.key(1), 2000))


@pytest.mark.parametrize("place", [PLACE, (0.5, 0.5)], ids=["apart", "together"])
def test_the_standard_error_is_that_of_nodes_that_both_components_share(place: tuple[float, float]) -> None:
    keys = jax.random.split(jax.random.key(0), 200)
    compiled = jax.jit(divergence)
    drawn = [compiled(jnp.array(place), by_monte_carlo(View("joint"), key, 400)) for key in keys]
    spread = np.std([float(each.loss) for each in drawn], ddof=1)
    # The spread of 200 numbers is known to 5 %.
    assert np.mean([float(each.standard_error) for each in drawn]) == pytest.approx(spread, rel=0.2)


@pytest.fixture(scope="module")
def surface() -> Surface:
    return surface_of(View("marginal", 30.0))


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_monte_carlo_agrees_with_quadrature(view):
    drawn, loss = noisy(view), exact(view).loss
    assert abs(drawn.loss - loss) < 4.0 * drawn.standard_error
    assert 0.0 < drawn.standard_error < 0.1 * loss


def test_a_whole_surface_agrees_with_monte_carlo_within_its_error(surface):
    assert agreeing_share(View("marginal", 30.0), surface) >= LEAST_SHARE


@pytest.mark.parametrize("view", VIEWS[:2], ids=lambda view: view.name)
def test_the_loss_is_that_of_the_projects_own_matching(view):
    truth = target()
    estimator = EnergyEstimator(truth) if view.shape == "joint" else MarginalQuadrature(truth, 1, 100, 3.0)
    matching = Matching(Task(view.shape, view.shape, Orthogonal()), estimator, truth.centre, truth.scale, 1000)
    parameters = unconstrain(model(jnp.array(PLACE)))
    told = jax.jit(matching.gradient)(parameters, view.channel, jax.random.key(0), jnp.zeros(()))
    assert abs(told.loss - exact(view).loss) < 4.0 * noisy(view).standard_error


def test_along_the_modes_joint_marginal_and_conditional_losses_are_one():
    # With y_1 along the modes nothing is left for y_2, so all three losses are one.
    losses = [float(exact(View(shape)).loss) for shape in ("joint", "marginal")]
    given = float(exact(View("conditional", condition=0.3)).loss)
    assert losses == pytest.approx([given, given], rel=1e-4)


def test_optima_are_found_in_pairs_and_have_no_slope(surface):
    assert len(surface.global_optima) == 2 and len(surface.local_optima) == 4
    for first, second in [each.place for each in surface.local_optima]:
        mirrored = [np.hypot(second - a, first - b) for a, b in (each.place for each in surface.local_optima)]
        assert min(mirrored) < 1e-5
    assert all(each.curvature > 0.1 for each in surface.optima)
    assert all(0.6 < each.loss < np.log(2.0) for each in surface.local_optima)


def test_a_view_without_information_has_no_optima():
    assert surface_of(View("marginal", 90.0)).optima == ()


def test_a_global_optimum_in_a_flat_valley_is_found_and_another_one_as_good_is_no_local_optimum():
    flat = surface_of(View("conditional", 75.0, condition=-0.5))
    found = {tuple(np.round(each.place, 2)): each for each in flat.optima}
    assert 1e-7 < found[-1.0, 1.0].curvature < 1e-5 and abs(found[-1.0, 1.0].loss) < 1e-12
    assert 1e-9 < found[-0.99, -1.02].loss < 1e-7
    assert len(flat.global_optima) == 4 and flat.local_optima == ()
    assert optima_rows([flat])[0][1:] == ("4", "0", "", "", "1.1e-04, 6.9e-06")


def test_one_rotation_frees_and_another_does_not(surface):
    trap = surface.local_optima[0]
    assert is_free(descended(View("marginal", 60.0), trap))
    assert not is_free(descended(View("marginal", 30.0), trap))


def test_a_training_that_never_leaves_has_no_success_and_one_at_the_optimum_stays(monkeypatch):
    monkeypatch.setattr("biglearn_plugins.reproductions.inner_steps.STEPS", 5)
    task, estimator = transformed_marginal(1, Orthogonal()), ExactChannelEstimator(target())
    assert successes(task, estimator, (1.05, 0.95), (1, 5), 3).tolist() == [0.0, 0.0]
    assert successes(task, estimator, (1.0, -1.0), (2, 5), 3).tolist() == [1.0, 1.0]


def test_a_picture_tells_its_optima_and_the_gif_has_all_frames(surface):
    drawn = surface_picture([surface], 1, "One.")
    assert "marginal, 30°: 4 local optima" in drawn.alt and drawn.svg.startswith("<?xml")
    assert animation_of([surface, surface]).startswith(b"GIF89a")


def test_markers_keep_their_colours_in_every_frame(surface):
    bare = Surface("flat", surface.axis, 0.0 * surface.values, ())
    frames = Image.open(BytesIO(animation_of([bare, surface])))
    colours = []
    for each in ImageSequence.Iterator(frames):
        told, counts = np.unique(np.asarray(each.convert("RGB")).reshape(-1, 3), axis=0, return_counts=True)
        colours.append({f"#{bytes(colour.tolist()).hex()}": count for colour, count in zip(told, counts, strict=True)})
    # Four triangles and two stars of about seven pixels' width.
    assert colours[1][GREEN] > 60 and colours[1][VERMILLION] > 10
    assert not {GREEN, VERMILLION} & set(colours[0])


def test_fig_5_says_that_local_optima_rule_the_average_only_where_their_losses_are_larger(surface, monkeypatch):
    free = Surface("free", surface.axis, 2.0 * surface.values, surface.global_optima)
    made = iter([surface, free] * 12)
    monkeypatch.setattr(figure_5, "surface_of", lambda view: next(made))
    monkeypatch.setattr(figure_5, "average_of", lambda name, views: surface)
    monkeypatch.setattr(figure_5, "surface_picture", lambda *given: quick(agrees=True).find(silence).pictures[0])
    monkeypatch.setattr(figure_5, "animation_of", lambda surfaces: b"")
    assert "rule the average" not in figure_5.find(silence).sentence
    made = iter([surface] * 12)
    assert figure_5.find(silence).sentence.endswith("0.00 among those without, so that the former rule the average.")


def quick(agrees: bool, name: str = "quick") -> Reproduction:
    drawn = picture(50, 50, lambda figure: None, alt="nothing", caption="Empty.")
    finding = Finding(agrees, "It is 3 < 4.", (drawn,), ("a", "b"), (("1", "<2>"),), {"quick.gif": b"GIF89a"})
    return Reproduction(name, "A quick one", "The paper says so.", lambda tell: finding)


def test_the_page_has_claim_and_verdict_side_by_side_and_escapes():
    page = page_of([(each, each.find(silence)) for each in (quick(agrees=True), quick(agrees=False))])
    assert "1 of 2 agree" in page and "The paper says so." in page and "It is 3 &lt; 4." in page
    assert "&lt;2&gt;" in page and 'class="verdict not-covered"' in page and 'alt="nothing"' in page
    assert "http://" not in page.replace("http://www.w3.org", "") and "<script" not in page


def test_the_command_comes_by_the_public_hook_and_writes_a_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "REPRODUCTIONS", (quick(agrees=True),))
    app = typer.Typer()
    Catalogue(modules=["biglearn_plugins.reproductions"], entry_points=False).add_commands(app)
    called = CliRunner().invoke(app, ["reproduce", "all", "--out", str(tmp_path / "pages")])
    assert called.exit_code == 0 and "quick: agrees" in called.output and "It is 3 < 4." in called.output
    assert {path.name for path in (tmp_path / "pages").iterdir()} == {"report.html", "quick-1.svg", "quick.gif"}
    again = CliRunner().invoke(app, ["reproduce", "all", "--out", str(tmp_path / "pages")])
    assert isinstance(again.exception, UserError) and "exists already and is not empty" in str(again.exception)
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["reproduce", "all"]).exit_code == 0
    assert (tmp_path / "reproduced-001" / "report.html").exists()


def called(monkeypatch, folder, *reproductions: Reproduction):
    monkeypatch.setattr(registry, "REPRODUCTIONS", reproductions)
    app = typer.Typer()
    Catalogue(modules=["biglearn_plugins.reproductions"], entry_points=False).add_commands(app)
    return CliRunner().invoke(app, ["reproduce", "all", "--processes", "1", "--out", str(folder)])


def raising(error: BaseException) -> Reproduction:
    def find(tell: Tell) -> Finding:
        raise error

    return Reproduction("broken", "A broken one", "The paper says so.", find)


def test_one_that_fails_is_a_section_with_its_reason_and_the_others_go_on(tmp_path, monkeypatch):
    ended = called(monkeypatch, tmp_path, raising(ZeroDivisionError("by <hand>")), quick(agrees=True))
    assert ended.exit_code == 1 and "broken: failed" in ended.output and "quick: agrees" in ended.output
    page = (tmp_path / "report.html").read_text()
    assert "1 of 2 agree with what the papers say; 1 could not be made." in page
    assert "It could not be made: ZeroDivisionError: by &lt;hand&gt;" in page and "It is 3 &lt; 4." in page
    assert page.count("<table") == 1 and 'class="verdict cannot-tell"' in page


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, Terminated])
def test_what_was_found_before_an_interruption_is_on_the_page(interruption, tmp_path, monkeypatch):
    last = quick(agrees=True, name="last")
    ended = called(monkeypatch, tmp_path, quick(agrees=True), raising(interruption()), last)
    assert ended.exit_code not in (0, 1) and f"as far as it came is {tmp_path / 'report.html'}" in ended.output
    assert (
        "1 of 1 agree with what the papers say; 2 more were still to be made." in (tmp_path / "report.html").read_text()
    )
    assert (tmp_path / "quick-1.svg").exists()


@pytest.mark.parametrize(
    ("free", "optima", "shares", "agrees"),
    [
        ([True, True, True, False, False, False], [True] * 7, [1.0] * 7, True),
        ([True, True, False, False, False, False], [True] * 7, [1.0] * 7, False),
        ([True] * 6, [True] * 6 + [False], [1.0] * 7, False),
        ([True] * 6, [True] * 7, [1.0] * 6 + [LEAST_SHARE - 0.01], False),
    ],
    ids=["half of the tasks free it", "a third does", "another optimum", "random points differ"],
)
def test_fig_1_agrees_where_many_tasks_free_the_joint_one(free, optima, shares, agrees):
    assert figure_1.agrees(free, optima, shares) is agrees


def test_an_unknown_name_lists_what_there_is():
    with pytest.raises(UserError, match=r"no reproduction 'fig8'.* There are: fig1, fig2, fig3, fig4, .*, traps, all$"):
        registry.reproductions_named("fig8")
    assert registry.reproductions_named("fig7")[0].name == "fig7"
