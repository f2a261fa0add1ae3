"""Twins of Stan programs against their formulas by hand, on a made-up copy of the database; and what is missing."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import beta as beta_law
from scipy.stats import cauchy, gamma, halfcauchy, halfnorm, multivariate_normal, norm

from biglearn_plugins.metrics.reference_moments import reference_moments as reference_metric
from biglearn_plugins.reports.reference_table import reference_table
from biglearn_sampler.api import target
from biglearn_sampler.bridges import NumpyroTarget
from biglearn_sampler.catalogue import Catalogue
from biglearn_sampler.cli import main
from biglearn_sampler.energy import Facts, MixtureTarget, ReferenceMoments
from biglearn_sampler.errors import CatalogueError, RunFolderError, SettingsError
from biglearn_sampler.evaluation import Draws, Measured
from biglearn_sampler.mixture import GaussianMixture
from biglearn_sampler.runs import Run, load
from biglearn_sampler.runs.folder import RunFolder
from biglearn_sampler.runs.plan import make_plan
from biglearn_sampler.runs.read_settings import read_settings
from biglearn_sampler.runs.whole_files import FORMAT
from biglearn_sampler.testing.checks import Subject, checks_of, run_check
from biglearn_sampler.testing.fault import NotChecked
from biglearn_targets.posteriordb.database import Database

GENERATOR = np.random.default_rng(3)
ROWS = 12
HEIGHTS = GENERATOR.normal(66.0, 4.0, ROWS)

DATA: dict[str, dict[str, Any]] = {
    "schools": {"J": 3, "y": [28, 8, -3], "sigma": [15, 10, 16]},
    "children": {
        "N": ROWS,
        "kid_score": list(range(60, 60 + ROWS)),
        "mom_iq": list(GENERATOR.normal(100.0, 15.0, ROWS)),
    },
    "earners": {"N": ROWS, "earn": list(np.exp(GENERATOR.normal(9.0, 1.0, ROWS))), "height": list(HEIGHTS)},
    "two_groups": {"N": 4, "y": [-2.0, -1.5, 2.5, 3.0]},
    "curve": {"N": 3, "x": [-1.0, 0.5, 2.0], "y": [0.3, -0.2, 1.1], "k": [1, 2, 3]},
}
MODELS = {
    "schools": "eight_schools_noncentered",
    "children": "kidscore_momiq",
    "earners": "logearn_height",
    "two_groups": "low_dim_gauss_mix",
    "curve": "gp_regr",
}


def posterior_of(data: str) -> str:
    return f"{data}-{MODELS[data]}"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with five posteriors, the data of some in archives, and reference draws of one."""
    checkout = tmp_path_factory.mktemp("posteriordb")
    folder = checkout / "posterior_database"
    for part in ("posteriors", "data/data", "reference_posteriors/draws/draws"):
        (folder / part).mkdir(parents=True)
    for data, values in DATA.items():
        about = {"model_name": MODELS[data], "data_name": data, "reference_posterior_name": None}
        if data == "children":
            about["reference_posterior_name"] = posterior_of(data)
        (folder / "posteriors" / f"{posterior_of(data)}.json").write_text(json.dumps(about))
        path = folder / "data" / "data" / f"{data}.json"
        if data == "earners":
            path.write_text(json.dumps(values))
        else:
            with ZipFile(f"{path}.zip", "w") as archive:
                archive.writestr(f"{data}.json", json.dumps(values))
    draws = np.random.default_rng(0).normal([[50.0], [0.2], [5.0]], [[5.0], [0.05], [0.5]], size=(4, 3, 200))
    chains = [dict(zip(("beta[1]", "beta[2]", "sigma"), chain.tolist(), strict=True)) for chain in draws]
    with ZipFile(folder / "reference_posteriors/draws/draws" / f"{posterior_of('children')}.json.zip", "w") as archive:
        archive.writestr("draws.json", json.dumps(chains))
    return checkout


def built(data: str, place: Path) -> NumpyroTarget:
    found = target("posteriordb", posterior=posterior_of(data), posteriordb=str(place))
    assert isinstance(found, NumpyroTarget)
    return found


# The log densities of the Stan programs, with their constants, and the logarithms of the Jacobians by hand.


def schools_by_hand(value: dict[str, np.ndarray]) -> float:
    tau, y, sigma = float(value["tau"]), DATA["schools"]["y"], DATA["schools"]["sigma"]
    prior = norm.logpdf(value["mu"], 0, 5) + halfcauchy.logpdf(tau, 0, 5) + norm.logpdf(value["theta_trans"]).sum()
    theta = value["mu"] + tau * value["theta_trans"]
    np.testing.assert_allclose(value["theta"], theta)
    return prior + norm.logpdf(y, theta, sigma).sum() + np.log(tau)


def children_by_hand(value: dict[str, np.ndarray]) -> float:
    sigma = float(value["sigma"])
    line = value["beta"][0] + value["beta"][1] * np.array(DATA["children"]["mom_iq"])
    prior = np.log(2.0) + cauchy.logpdf(sigma, 0, 2.5)
    return prior + norm.logpdf(DATA["children"]["kid_score"], line, sigma).sum() + np.log(sigma)


def earners_by_hand(value: dict[str, np.ndarray]) -> float:
    sigma = float(value["sigma"])
    line = value["beta"][0] + value["beta"][1] * HEIGHTS
    return norm.logpdf(np.log(DATA["earners"]["earn"]), line, sigma).sum() + np.log(sigma)


def two_groups_by_hand(value: dict[str, np.ndarray]) -> float:
    mu, sigma, theta = value["mu"], value["sigma"], float(value["theta"])
    assert mu[0] < mu[1]
    prior = norm.logpdf(mu, 0, 2).sum() + halfnorm.logpdf(sigma, 0, 2).sum() + beta_law.logpdf(theta, 5, 5)
    y = np.array(DATA["two_groups"]["y"])
    mixed = theta * norm.pdf(y, mu[0], sigma[0]) + (1 - theta) * norm.pdf(y, mu[1], sigma[1])
    return prior + np.log(mixed).sum() + np.log(mu[1] - mu[0]) + np.log(sigma).sum() + np.log(theta * (1 - theta))


def curve_by_hand(value: dict[str, np.ndarray]) -> float:
    rho, alpha, sigma = (float(value[name]) for name in ("rho", "alpha", "sigma"))
    x = np.array(DATA["curve"]["x"])
    covariance = alpha**2 * np.exp(-0.5 * ((x[:, None] - x) / rho) ** 2) + sigma * np.eye(3)
    prior = gamma.logpdf(rho, 25, scale=1 / 4) + halfnorm.logpdf(alpha, 0, 2) + halfnorm.logpdf(sigma)
    law: Any = multivariate_normal(np.zeros(3), covariance)  # pyright: ignore[reportArgumentType]
    return prior + law.logpdf(DATA["curve"]["y"]) + np.log(rho * alpha * sigma)


BY_HAND = {
    "schools": schools_by_hand,
    "children": children_by_hand,
    "earners": earners_by_hand,
    "two_groups": two_groups_by_hand,
    "curve": curve_by_hand,
}


@pytest.mark.parametrize(
    "data", [pytest.param(name, marks=pytest.mark.slow) if name == "two_groups" else name for name in DATA]
)
def test_a_twin_is_the_stan_program(data: str, database: Path) -> None:
    with jax.enable_x64(True):
        twin = built(data, database)

        @jax.jit
        def both(points: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
            return jax.vmap(twin.log_density)(points), jax.vmap(twin.quantities)(points)

        noise = np.random.default_rng(1).normal(size=(3, twin.dim))
        densities, values = both(jnp.asarray(twin.centre + 0.5 * twin.scale * noise))
    for number, density in enumerate(densities):
        value = {name: np.asarray(array[number]) for name, array in values.items()}
        assert float(density) == pytest.approx(BY_HAND[data](value), rel=1e-9)


def test_the_reference_has_our_names_and_the_errors_of_its_draws(database: Path) -> None:
    reference = built("children", database / "posterior_database").facts.reference
    assert reference is not None and list(reference) == ["beta[0]", "beta[1]", "sigma"]
    slope = reference["beta[1]"]
    # 800 independent draws; the effective count of their chains is known to a tenth.
    assert slope.mean == pytest.approx(0.2, abs=4 * 0.05 / np.sqrt(800))
    assert slope.mean_error == pytest.approx(slope.sd / np.sqrt(800), rel=0.25)
    assert slope.sd_error == pytest.approx(slope.sd / np.sqrt(1600), rel=0.3)
    copy = Database.at(str(database))
    assert copy.reference_draws(copy.posterior(posterior_of("curve"))) is None


def test_it_conforms(database: Path) -> None:
    catalogue = Catalogue()
    given = {"posterior": posterior_of("children"), "posteriordb": str(database)}
    subject = Subject(catalogue, catalogue.find("target", "posteriordb"), given)
    made = set()
    for name, check in checks_of("target").items():
        with suppress(NotChecked):  # which of them must be made is asserted below
            run_check(check, subject)
            made.add(name)
    assert {"differentiable", "precision", "quantities", "reference"} <= made
    with pytest.raises(NotChecked, match="not shipped.*Give `parameters` to the suite"):
        run_check(checks_of("target")["builds"], Subject(catalogue, subject.offer, {}))


# What is missing


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, r"the data of posteriordb are not shipped\. Get a copy of .* --set data.posteriordb=FOLDER"),
        ({"posteriordb": "no/such/folder"}, "the folder 'no/such/folder' does not exist. Get a copy of"),
        ({"posteriordb": "."}, r"the folder '\.' is no copy of posteriordb: it has no folder 'posteriors'"),
    ],
)
def test_no_database_is_told(given: dict[str, Any], told: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CatalogueError, match=f"biglearn_targets:posteriordb: {told}"):
        target("posteriordb", **given)


def _write(database: Path, name: str, text: str) -> None:
    path = database / "posterior_database" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


ABOUT = '{"model_name": "gp_regr", "data_name": "curve", "reference_posterior_name": "curve-draws"}'


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"posteriors/b.json": ABOUT}, "has no posterior 'a'; did you mean|has no posterior 'a'."),
        ({"posteriors/a.json": ABOUT}, "there is neither .*curve.json nor curve.json.zip beside it"),
        ({"posteriors/a.json": "{"}, "a.json cannot be read as JSON"),
        (
            {"posteriors/a.json": ABOUT.replace('"curve"', '"../../secret"'), "secret.json": "{}"},
            "names a file '../../secret', which leads out of its folder data",
        ),
        ({"posteriors/a.json": "[]"}, "a.json names no model and no data"),
        (
            {"posteriors/a.json": ABOUT.replace("gp_regr", "arK")},
            "'arK' of 'a' has no NumPyro twin here; there are twins",
        ),
        (
            {"posteriors/a.json": ABOUT, "data/data/curve.json": "[1]"},
            "must hold an object with the data by name, got list",
        ),
        ({"posteriors/a.json": ABOUT, "data/data/curve.json.zip": "no zip"}, "curve.json.zip cannot be read as JSON"),
        (
            {"posteriors/a.json": ABOUT, "data/data/curve.json": "{}"},
            "the data 'curve' are not those of the model 'gp_regr'",
        ),
        (
            {"posteriors/a.json": ABOUT, "data/data/curve.json": json.dumps(DATA["curve"])},
            "there is neither .*curve-draws.json nor",
        ),
        (
            {
                "posteriors/a.json": ABOUT,
                "data/data/curve.json": json.dumps(DATA["curve"]),
                "reference_posteriors/draws/draws/curve-draws.json": '[{"rho": [1, 2]}, {"alpha": [1, 2]}]',
            },
            "must hold chains of equal length with the same names",
        ),
    ],
)
def test_a_database_that_is_not_whole_is_told(files: dict[str, str], told: str, tmp_path: Path) -> None:
    for name, text in files.items():
        _write(tmp_path, name, text)
    with pytest.raises(CatalogueError, match=told):
        target("posteriordb", posterior="a", posteriordb=str(tmp_path))


# The command line

TINY = [
    "--set",
    "scheduler=joint",
    "--set",
    "training.steps=20",
    "--set",
    "components=2",
    "--set",
    "evaluation.draws=200",
]


@pytest.mark.slow
def test_the_command_line_trains_and_compares(
    database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = posterior_of("children")
    reports = ["--set", 'reports=["reference_table"]']
    place = f"data.posteriordb={database}"
    assert main(["train", f"posteriordb:{name}", "--set", place, *TINY, *reports, "--out", str(tmp_path / "run")]) == 0
    assert "reference_mean_error" in capsys.readouterr().out
    table = (tmp_path / "run" / "figures" / "reference.md").read_text()
    assert [line.split(" |")[0] for line in table.splitlines()[-3:]] == ["| beta[0]", "| beta[1]", "| sigma"]


def test_a_run_leads_back_to_the_data_from_any_folder(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = Catalogue()
    monkeypatch.chdir(database.parent)
    read = read_settings(None, {"data.posteriordb": database.name}, catalogue)
    plan = make_plan(f"posteriordb:{posterior_of('children')}", read, [], 0, catalogue, {})
    record = plan.target.record.to_json()
    assert record["parameters"] == {"posterior": posterior_of("children"), "posteriordb": str(database)}
    folder = RunFolder.create(tmp_path / "run")
    folder.write_mixture(GaussianMixture.of(np.zeros((1, 3)), 1.0))
    settings = read.settings.model_dump(mode="json")
    folder.write_json("run.json", {"format": FORMAT, "target": record, "settings": settings})
    monkeypatch.chdir(tmp_path)
    again = load(tmp_path / "run", catalogue=catalogue)
    assert again.target.facts.reference is not None
    gone = {**record, "parameters": {**record["parameters"], "posteriordb": "/gone"}}
    folder.write_json("run.json", {"format": FORMAT, "target": gone, "settings": settings})
    with pytest.raises(RunFolderError, match="cannot be built again .*the folder '/gone' does not exist"):
        load(tmp_path / "run", catalogue=catalogue)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["posteriordb:a"], "error: biglearn_targets:posteriordb: the data of posteriordb are not shipped"),
        (["posteriordb:a", "-p", "posterior=b"], "'posterior' is given behind the colon and as a parameter too"),
        (["posteriordb:a", "-p", "posteriordb=.", "--set", "data.posteriordb=."], "say the same; give one of them"),
        (["grid25", "--set", "data.posteriordb=."], "biglearn_targets:grid25 has no parameter 'posteriordb'"),
        (["grid25:a"], "there is no target 'grid25:a'"),
        (["grid25", "--set", "data.posteriordb=3"], "data.posteriordb: must be a text, got 3"),
    ],
)
def test_mistakes_at_the_command_line(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *arguments, *TINY]) == 2
    assert told in capsys.readouterr().err


def test_places_of_data_belong_to_named_targets() -> None:
    import biglearn_sampler as bl

    mine = MixtureTarget.of(GaussianMixture.of(np.zeros((1, 2)), 1.0), scale=1.0)
    with pytest.raises(SettingsError, match="data.posteriordb belongs to a target that is named"):
        bl.train(mine, settings={"data.posteriordb": "."})


# The metric and the report

NORMAL = GaussianMixture.of(np.zeros((1, 2)), 1.0)


def normal_with(**reference: ReferenceMoments) -> MixtureTarget:
    class Known(MixtureTarget):
        @property
        def facts(self) -> Facts:
            return Facts(reference={f"x[{name[1]}]": figures for name, figures in reference.items()})

    plain = MixtureTarget.of(NORMAL, scale=1.0)
    return Known(plain.mixture, plain.centre, plain.scale)


def test_the_metric_counts_in_errors_of_both() -> None:
    count = 10_000
    points = np.random.default_rng(0).normal(size=(count, 2))
    log_density = np.asarray(NORMAL.log_density(jnp.asarray(points)), float)
    draws = Draws(points, log_density, log_density)
    right = ReferenceMoments(mean=0.0, sd=1.0, mean_error=0.01, sd_error=0.01)
    found = reference_metric().compute(draws, normal_with(x0=right, x1=right), jax.random.key(0))
    mean_error, sd_error = found["reference_mean_error"].value, found["reference_sd_error"].value
    assert mean_error is not None and sd_error is not None and mean_error < 4 and sd_error < 4
    # Off by 0.1 and 0.05; the errors of the draws are 1 / sqrt(n) and 1 / sqrt(2 n).
    wrong = ReferenceMoments(mean=0.1, sd=1.05, mean_error=0.01, sd_error=0.01)
    found = reference_metric().compute(draws, normal_with(x0=right, x1=wrong), jax.random.key(0))
    assert found["reference_mean_error"].value == pytest.approx(0.1 / np.sqrt(2e-4), abs=4)
    assert found["reference_sd_error"].value == pytest.approx(0.05 / np.sqrt(1.5e-4), abs=4)


def test_what_never_varies_is_as_in_the_reference_or_left_out() -> None:
    points = np.random.default_rng(0).normal(size=(1000, 2))
    points[:, 1] = 0.1
    weights = np.random.default_rng(1).gamma(0.5, size=1000)
    right = ReferenceMoments(mean=0.0, sd=1.0, mean_error=0.1, sd_error=0.1)
    same = ReferenceMoments(mean=0.1, sd=0.0, mean_error=0.0, sd_error=0.0)
    other = ReferenceMoments(mean=0.2, sd=0.0, mean_error=0.0, sd_error=0.0)
    for draws in (
        Draws(points, np.zeros(1000)),
        Draws(points, np.zeros(1000), weights=weights / weights.sum()),
        Draws(points, np.zeros(1000), chains=4),
    ):
        alone, beside, without, nothing = (
            reference_metric().compute(draws, normal_with(**reference), jax.random.key(0))
            for reference in ({"x0": right}, {"x0": right, "x1": same}, {"x0": right, "x1": other}, {"x1": other})
        )
        assert beside == alone and all(figure.value for figure in alone.values())
        reason = "left out, without any error and not as in the reference: x[1]"
        assert without["reference_mean_error"] == replace(alone["reference_mean_error"], reason=reason)
        assert nothing["reference_mean_error"] == Measured.missing(reason)
        assert without["reference_sd_error"] == alone["reference_sd_error"]
        assert nothing["reference_sd_error"] == Measured(0.0)


@pytest.mark.parametrize(("count", "largest"), [(3, 1.326), (10, 1.881)])
def test_the_largest_of_some_distances_is_as_the_metric_says(count: int, largest: float) -> None:
    distances = np.abs(np.random.default_rng(0).normal(size=(20_000, count))).max(1)
    assert distances.mean() == pytest.approx(largest, abs=4 * distances.std() / np.sqrt(20_000))
    assert f"{largest:.1f}" in str(type(reference_metric()).__doc__)


def test_the_report_shows_what_is_missing(tmp_path: Path) -> None:
    reference = ReferenceMoments(mean=1.0, sd=2.0, mean_error=0.03, sd_error=0.02)
    known = normal_with(x0=reference, x1=reference, x2=ReferenceMoments(mean=4.0, sd=0.0, mean_error=0.0, sd_error=0.0))
    moments = {
        "x[0]": {"mean": 1.1, "mcse": 0.04, "sd": 2.0, "sd_mcse": 0.01},
        "x[1]": {"mean": None},
        "x[2]": {"mean": 3.0, "mcse": 0.0, "sd": 0.0, "sd_mcse": 0.0},
    }
    run = Run(known, "mine", NORMAL, {"moments": moments, "khat": 0.3}, [], [], {})
    (path,) = reference_table().write(run, tmp_path)
    text = path.read_text()
    assert "k-hat 0.30" in text
    assert "| x[0] | 1.1 ± 0.04 | 1 ± 0.03 | 2.00 | 2 ± 0.01 | 2 ± 0.02 | 0.00 |" in text
    assert "| x[1] | - | 1 ± 0.03 | - | - | 2 ± 0.02 | - |" in text
    assert "| x[2] | 3 ± 0 | 4 ± 0 | infinite | 0 ± 0 | 0 ± 0 | 0.00 |" in text
