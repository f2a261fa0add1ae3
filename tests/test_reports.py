"""The built-in reports on canned runs: which files they write, what is in them, and when there are none."""

from __future__ import annotations

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from PIL.GifImagePlugin import GifImageFile

import biglearn_sampler as bl
from biglearn_plugins.reports import biglearn_reports
from biglearn_plugins.reports.cloud import Cloud, reference_cloud, sampler_clouds
from biglearn_plugins.reports.mass_levels import with_levels
from biglearn_plugins.reports.pair_grid import centres_of, pair_log_density
from biglearn_plugins.reports.slices import Slices
from biglearn_plugins.reports.target_picture import _pairs
from biglearn_plugins.reports.training_figure import spread_out
from biglearn_plugins.reports.view import view_of
from biglearn_sampler.energy import AbstractTarget, Evaluations, MixtureTarget, function_target
from biglearn_sampler.evaluation import BaselineResult, Draws
from biglearn_sampler.mixture import GaussianMixture
from biglearn_sampler.runs.run import Run, Snapshot

REPORTS = {entry.name: entry for entry in biglearn_reports()}


def mixture(dim: int, centre: float = 1.0) -> GaussianMixture:
    means = np.stack([np.full(dim, -centre), np.full(dim, centre)])
    return GaussianMixture.of(means, 0.3, [0.7, 0.3])


def row(step: int, modes: int | None = None, **losses: float | None) -> dict:
    counts = {"gradient_evaluations": 30, "energy_evaluations": 5, "exact_channel_evaluations": 7}
    counted = {name: step * count for name, count in counts.items()}
    return {"step": step, "loss": losses, "modes_covered": modes, **counted}


def run_on(target: AbstractTarget, times: int = 3, history=(), baselines=None) -> Run:
    snapshots = [Snapshot(100 * i, mixture(target.dim, 1.0 + 0.3 * i)) for i in range(times)]
    sampler = snapshots[-1].mixture if snapshots else mixture(target.dim)
    return Run(target, "canned", sampler, {}, list(history), snapshots, {}, baselines or {})


def known(dim: int) -> AbstractTarget:
    return MixtureTarget.of(mixture(dim, 2.0), scale=4.0)


def energy_only(dim: int, constant: float = 0.0) -> AbstractTarget:
    return function_target(lambda x: -0.5 * jnp.sum(x**2) + constant, dim=dim, scale=3.0)


def box(dim: int) -> AbstractTarget:
    """Density zero outside a box, and NaN in a corner."""

    def log_density(point):
        inside = jnp.where(jnp.all(jnp.abs(point) < 2.0), 0.0, -jnp.inf)
        return jnp.where(jnp.all(point > 3.0), jnp.nan, inside)

    return function_target(log_density, dim=dim, scale=5.0)


def nowhere(dim: int) -> AbstractTarget:
    return function_target(lambda x: jnp.sum(x) * 0.0 - jnp.inf, dim=dim, scale=5.0)


def long_and_thin(dim: int) -> AbstractTarget:
    scale = jnp.asarray([1.0, 1e4][:dim])
    return function_target(lambda x: -0.5 * jnp.sum((x / scale) ** 2), dim=dim, scale=scale)


def huge(dim: int) -> AbstractTarget:
    return energy_only(dim, constant=1e6)


TARGETS = [known, energy_only, box, nowhere, long_and_thin, huge]


@pytest.mark.parametrize(
    ("target", "dim"), [*((target, 2) for target in TARGETS), (known, 1), (nowhere, 1), (long_and_thin, 1)]
)
def test_strip_of_any_target_in_one_and_two_dimensions(target, dim, tmp_path):
    (path,) = REPORTS["training_strip"].build().write(run_on(target(dim), times=2), tmp_path)
    assert path == tmp_path / "training_strip.png"
    with Image.open(path) as picture:
        assert picture.size == (1200, 445)
        assert len(set(picture.convert("L").tobytes())) > 20


def test_strip_has_rows_of_three(tmp_path):
    (path,) = REPORTS["training_strip"].build(panels=5).write(run_on(known(2), times=9), tmp_path)
    with Image.open(path) as picture:
        assert picture.size == (1200, 845)


@pytest.mark.parametrize("dim", [1, 2])
def test_animation_has_a_frame_for_each_snapshot(dim, tmp_path):
    (path,) = REPORTS["training_animation"].build(seconds=0.2).write(run_on(known(dim), times=5), tmp_path)
    with GifImageFile(path) as animation:
        assert (animation.format, animation.size, animation.n_frames) == ("GIF", (520, 580), 5)
        assert animation.info["duration"] == 200
        animation.seek(4)
        assert animation.info["duration"] == 2000
    assert path.stat().st_size < 200_000


def test_animation_keeps_first_and_last(tmp_path):
    (path,) = REPORTS["training_animation"].build(frames=3).write(run_on(known(2), times=8), tmp_path)
    with GifImageFile(path) as animation:
        assert animation.n_frames == 3
    steps = [each.step for each in spread_out(run_on(known(2), times=8).snapshots, 3)]
    assert steps[0] == 0 and steps[-1] == 700


def test_animation_leaves_frames_out_until_the_file_is_small(tmp_path, monkeypatch):
    from biglearn_plugins.reports import training_animation

    monkeypatch.setattr(training_animation, "LARGEST_FILE", 30_000)
    (path,) = REPORTS["training_animation"].build().write(run_on(known(2), times=9), tmp_path)
    with GifImageFile(path) as animation:
        assert 2 <= animation.n_frames < 9


def baseline_of(dim: int) -> dict[str, BaselineResult]:
    points = np.random.default_rng(0).normal(size=(200, dim))
    return {"nuts": BaselineResult(Draws(points, np.zeros(200), chains=2), Evaluations(), 0.0, 0.0)}


@pytest.mark.parametrize(
    ("target", "baselines"),
    [
        *((target, {}) for target in (known, energy_only, box, nowhere)),
        (known, baseline_of(3)),
        (nowhere, baseline_of(3)),
    ],
)
def test_pairs_of_any_target_beyond_two_dimensions(target, baselines, tmp_path):
    run = run_on(target(3), baselines=baselines)
    (path,) = REPORTS["marginal_pairs"].build().write(run, tmp_path)
    assert path == tmp_path / "marginal_pairs.png"
    with Image.open(path) as picture:
        assert picture.size == (810, 870)


def test_dollars_in_names_are_no_mathematics(tmp_path):
    """Two of them would make a formula of what is between, which need not be one."""

    def priced(x):
        return -0.5 * (x["a_$x_{1$"] ** 2 + x["b"] ** 2 + x["c"] ** 2)

    run = run_on(bl.target(priced, like={"a_$x_{1$": 0.0, "b": 0.0, "c": 0.0}, scale=1.0))
    (path,) = REPORTS["marginal_pairs"].build().write(run, tmp_path)
    assert path.exists()


def test_the_neck_of_a_funnel_keeps_its_width_beside_a_wide_mouth():
    generator = np.random.default_rng(0)
    along = 3.0 * generator.standard_normal(8192)
    values = np.stack([along, np.exp(0.5 * along) * generator.standard_normal(8192)], axis=1)
    limits = [(-9.0, 9.0), (-60.0, 60.0)]
    density = np.exp(pair_log_density(Cloud("draws", ("v", "x"), values, np.full(8192, 1 / 8192)), (0, 1), limits))
    # What lies outside the limits, about 3 draws in a thousand, is left out.
    assert density.sum() == pytest.approx(1.0, abs=0.01)
    across = centres_of(limits[1])
    neck = density[np.abs(centres_of(limits[0]) + 4.0) < 0.5].sum(0)
    assert np.sqrt(neck @ across**2 / neck.sum()) < 2.0
    mouth = density[np.abs(centres_of(limits[0]) - 6.0) < 0.5].sum(0)
    assert np.sqrt(mouth @ across**2 / mouth.sum()) == pytest.approx(np.exp(3.0), rel=0.15)


def test_pairs_of_one_quantity(tmp_path):
    (path,) = REPORTS["marginal_pairs"].build(numbers=1).write(run_on(known(3)), tmp_path)
    with Image.open(path) as picture:
        assert picture.size == (540, 600)


# --- targets by themselves


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        assert len(set(picture.convert("L").tobytes())) > 20
        return picture.size


@pytest.mark.parametrize(
    ("target", "dim"),
    [
        (known, 1),
        (box, 1),
        (nowhere, 1),
        (known, 2),
        (box, 2),
        (long_and_thin, 2),
        (nowhere, 2),
        (huge, 3),
        (nowhere, 3),
    ],
)
def test_picture_of_any_target(target, dim, tmp_path):
    assert REPORTS["target_picture"].build().draw_target(target(dim), "it", tmp_path / "it.png")
    assert size_of(tmp_path / "it.png") == ((810, 870) if dim == 3 else (620, 660))


def test_picture_of_the_target_of_a_run(tmp_path):
    (path,) = REPORTS["target_picture"].build(numbers=2).write(run_on(known(5)), tmp_path)
    assert (path.name, size_of(path)) == ("target.png", (540, 600))


def test_titles_say_what_pairs_are():
    titles = [_pairs(target, "it", 2).get_suptitle() for target in (known(3), energy_only(3))]
    assert titles[0] == "it: marginals of 8,192 exact draws"
    assert titles[1] == "it: no exact draws are known; slices of the density\nthrough the highest point that was found"


def test_slices_go_through_the_highest_point_and_follow_a_ridge():
    """Of a normal law with correlation 0.98: a slice is 5 times narrower than the marginal, the pair as wide as it."""
    precision = np.linalg.inv([[1.0, 0.98, 0.0], [0.98, 1.0, 0.0], [0.0, 0.0, 1.0]])
    ridge = function_target(lambda x: -0.5 * (x - 2.0) @ jnp.asarray(precision) @ (x - 2.0), dim=3, scale=4.0)
    slices = Slices.of(ridge, 2)
    np.testing.assert_allclose(slices.point, 2.0, atol=1e-2)
    for lower, upper in slices.limits:
        assert lower < 2.0 - 3.0 and 2.0 + 3.0 < upper
    values = slices.log_density(0, 1)
    assert values.max() > -0.1 and values[[0, -1]].max() < -4.0
    # The slice of one coordinate: exp(-x^2 / (2 (1 - 0.98^2))).
    line = slices.log_density(0)
    np.testing.assert_allclose(line, -0.5 * (slices.axis(0) - 2.0) ** 2 / (1.0 - 0.98**2), rtol=0.05, atol=0.5)


def test_other_reports_draw_no_target(tmp_path):
    assert not REPORTS["training_strip"].build().draw_target(known(2), "it", tmp_path / "it.png")


def test_the_reference_is_a_baseline_then_exact_draws_then_nothing():
    def label(run: Run) -> str | None:
        cloud = reference_cloud(run, 2)
        return None if cloud is None else cloud.label

    assert label(run_on(known(3), baselines=baseline_of(3))) == "nuts"
    assert label(run_on(known(3))) == "exact draws"
    assert label(run_on(energy_only(3))) is None


def test_weights_move_the_sampler_to_the_target():
    target = function_target(lambda x: -0.5 * jnp.sum((x - 0.5) ** 2) / 0.3, dim=3, scale=3.0)
    sampler = GaussianMixture.of(np.zeros((1, 3)), 1.0)
    run = Run(target, "canned", sampler, {}, [], [Snapshot(0, sampler)], {})
    raw, weighted = sampler_clouds(run, 2)
    assert raw.names == weighted.names == ("x[0]", "x[1]")
    np.testing.assert_allclose(raw.weights @ raw.values, [0.0, 0.0], atol=0.05)
    np.testing.assert_allclose(weighted.weights @ weighted.values, [0.5, 0.5], atol=0.05)
    assert len(sampler_clouds(run_on(nowhere(3)), 2)) == 1


def test_draws_without_a_number_for_a_density_have_no_weight():
    """NaN counts as density zero here as everywhere."""
    inside = function_target(lambda x: jnp.log(1.0 - x @ x), dim=3, scale=1.0)
    sampler = GaussianMixture.of(np.zeros((1, 3)), 0.3)
    raw, weighted = sampler_clouds(Run(inside, "canned", sampler, {}, [], [Snapshot(0, sampler)], {}), 2)
    assert np.isfinite(weighted.weights).all() and (weighted.weights == 0).any() and raw.weights.all()


HISTORY = [
    row(1, None, joint=900.0),
    row(2, 1, joint=None, marginal=2.0),
    row(3, 2, joint=-1.0, marginal=1.0),
]


@pytest.mark.parametrize(("history", "height"), [(HISTORY, 680), ([row(1, joint=1.0)], 440)])
def test_curve_has_a_part_for_modes_where_they_are_known(history, height, tmp_path):
    (path,) = REPORTS["training_curve"].build().write(run_on(known(2), history=history), tmp_path)
    with Image.open(path) as picture:
        assert picture.size == (1000, height)


@pytest.mark.parametrize(
    ("name", "run"),
    [
        ("training_strip", run_on(known(3))),
        ("training_animation", run_on(known(3))),
        ("training_strip", run_on(known(2), times=0)),
        ("training_animation", run_on(known(2), times=0)),
        ("marginal_pairs", run_on(known(2))),
        ("training_curve", run_on(known(2))),
        ("training_curve", run_on(known(2), history=[row(1, joint=None)])),
    ],
)
def test_what_does_not_apply_writes_nothing(name, run, tmp_path):
    assert REPORTS[name].build().write(run, tmp_path) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "wrong", "text"),
    [
        ("training_strip", {"panels": 0}, "panels must be at least 1, got 0"),
        ("training_animation", {"frames": 0}, "frames must be at least 1, got 0"),
        ("training_animation", {"seconds": 0.0}, "seconds must be above 0, got 0.0"),
        ("marginal_pairs", {"numbers": 9}, "numbers must be from 1 to 8, got 9"),
    ],
)
def test_wrong_parameters_are_told(name, wrong, text):
    with pytest.raises(ValueError, match=text):
        REPORTS[name].build(**wrong)


def levels_of(log_density: np.ndarray) -> tuple[np.ndarray, list[float]]:
    found = with_levels(log_density)
    assert found is not None
    return found


def test_levels_enclose_their_shares_of_a_normal_law():
    side = np.linspace(-6, 6, 401)
    squares = side[:, None] ** 2 + side[None, :] ** 2
    for constant in (0.0, 1e6, -1e6):
        _, levels = levels_of(constant - 0.5 * squares)
        # In two dimensions the region of share s ends at log density log(1 - s) below the top.
        np.testing.assert_allclose(levels, np.log([0.01, 0.1, 0.5]), atol=0.01)


def test_levels_of_odd_densities():
    assert with_levels(np.full((5, 5), -np.inf)) is None
    values, levels = levels_of(np.zeros((5, 5)))
    assert levels == sorted(set(levels)) and levels[-1] < values.max()
    values, _ = levels_of(np.array([[0.0, np.nan], [-np.inf, -1.0]]))
    assert np.isfinite(values).all()


def test_the_view_holds_region_sampler_and_modes():
    view = view_of(run_on(known(2)), 50)
    assert (view.lower < -4.0).all() and (view.upper > 4.0).all()
    far = Run(known(2), "far", GaussianMixture.of([[9.0, 0.0]], 0.01), {}, [], [], {})
    assert view_of(far, 50).upper[0] > 9.2
    lengths = view_of(run_on(long_and_thin(2)), 50)
    assert (lengths.upper - lengths.lower)[1] > 1000 * (lengths.upper - lengths.lower)[0]


def test_the_view_orders_its_grid_as_its_axes():
    view = view_of(run_on(known(2)), 5)
    lopsided = GaussianMixture.of([[1.0, -2.0]], np.diag([1.0, 3.0]))
    point = jnp.asarray([view.axes[0][1], view.axes[1][3]])
    expected = pytest.approx(float(lopsided.log_density(point)), abs=1e-4)
    assert view.mixture_log_density(lopsided)[1, 3] == expected
    assert view.target_log_density(MixtureTarget.of(lopsided, 1.0))[1, 3] == expected
