"""A NumPyro model in a file, named at the command line: its data, its record, and every mistake."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

import biglearn_sampler as bl
from biglearn_sampler.bridges import NumpyroTarget, build_target
from biglearn_sampler.catalogue import Catalogue
from biglearn_sampler.cli import main
from biglearn_sampler.errors import RunFolderError, TargetError
from biglearn_sampler.mixture import GaussianMixture
from biglearn_sampler.runs.folder import RunFolder
from biglearn_sampler.runs.whole_files import FORMAT

MODELS = """
import functools

import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro import handlers


def coin(heads, flips=10):
    fairness = numpyro.sample("fairness", dist.Beta(2.0, 2.0))
    numpyro.sample("heads", dist.Binomial(flips, fairness), obs=heads)


def data():
    return {"heads": np.array(7)}


def alone():
    numpyro.sample("x", dist.Normal(0.0, 1.0))


def line(slopes):
    numpyro.sample("x", dist.Normal(slopes, 1.0))


def line_data():
    return {"slopes": np.arange(3.0)}


def wide(y, scale=1.0):
    numpyro.sample("y", dist.Normal(numpyro.sample("x", dist.Normal(0.0, 10.0)), scale), obs=y)


def wide_data():
    return {"y": np.array([1.0, 2.0, 3.0]), "scale": 10.0}


class Coins:
    def __call__(self, heads):
        coin(heads)


handled = handlers.scale(coin, scale=1.0)
partly = functools.partial(coin, flips=20)
coins = Coins()
quiet = handlers.scale(alone, scale=1.0)
law = dist.Gamma(2.0, 1.0)
number = 3
"""


BROKEN = f"mine.py, line {len(MODELS.splitlines()) + 2}: invalid syntax; the file is not valid Python"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.py"
    path.write_text(MODELS)
    return path


def test_data_may_have_any_names(file: Path) -> None:
    """Also those under which `from_numpyro` takes the region."""
    target = build_target(f"{file}:wide", Catalogue()).value
    found = float(target.log_density(jnp.array([2.0])))
    prior, likelihood = dist.Normal(0.0, 10.0), dist.Normal(2.0, 10.0)
    expected = prior.log_prob(2.0) + likelihood.log_prob(jnp.array([1.0, 2.0, 3.0])).sum()
    assert found == pytest.approx(float(expected), rel=1e-5)


def test_a_model_gets_its_data(file: Path) -> None:
    built = build_target("mine.py:coin", Catalogue())
    assert isinstance(built.value, NumpyroTarget) and built.value.dim == 1
    # 7 heads of 10 under Beta(2, 2), at one half: 120 / 2^10, the prior 1.5, and the Jacobian 1/4.
    expected = np.log(120 / 1024 * 1.5 / 4)
    assert float(jax.jit(built.value.log_density)(jnp.zeros(1))) == pytest.approx(expected, rel=1e-5)
    assert built.record.name == f"{file}:coin" and built.record.distribution == f"file {file}"
    assert len(built.record.version or "") == 12


@pytest.mark.parametrize(("name", "flips"), [("handled", 10), ("partly", 20), ("coins", 10)])
def test_whatever_can_be_called_gets_its_data(file: Path, name: str, flips: int) -> None:
    target = build_target(f"{file}:{name}", Catalogue()).value
    expected = dist.Binomial(flips, 0.5).log_prob(7) + np.log(1.5 / 4)
    assert float(target.log_density(jnp.zeros(1))) == pytest.approx(float(expected), rel=1e-5)


def test_a_handler_around_a_model_without_arguments_gets_none(file: Path) -> None:
    assert build_target(f"{file}:quiet", Catalogue()).value.dim == 1


def test_a_name_may_have_data_of_its_own_or_need_none(file: Path) -> None:
    assert bl.target("mine.py:line").dim == 3
    assert bl.target(f"{os.curdir}/mine.py:alone").dim == 1
    assert bl.target(f"{file}:law").facts.log_z == 0.0


def test_a_run_leads_back_to_the_model(file: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    record = build_target("mine.py:coin", Catalogue()).record.to_json()
    folder = RunFolder.create(file.parent / "run")
    folder.write_mixture(GaussianMixture.of(np.zeros((1, 1)), 1.0))
    folder.write_json("run.json", {"format": FORMAT, "target": record, "settings": {}})
    elsewhere = file.parent / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    with pytest.raises(RunFolderError, match=r"is to run that file; if the folder is your own, say --trust, or load\("):
        bl.load(file.parent / "run")
    assert bl.load(file.parent / "run", trusted=True).target.observed()["heads"] == 7
    assert caplog.text == ""
    file.write_text(MODELS.replace("np.array(7)", "np.array(8)"))
    with caplog.at_level(logging.WARNING):
        assert bl.load(file.parent / "run", trusted=True).target.observed()["heads"] == 8
    assert f"file {file} has changed since the run" in caplog.text
    file.unlink()
    with pytest.raises(RunFolderError, match=r"cannot be built again .*mine.py' cannot be read.*load\(folder, target="):
        bl.load(file.parent / "run", trusted=True)
    mine = bl.target(lambda x: -(x[0] ** 2), dim=1, scale=1.0)
    assert bl.load(file.parent / "run", target=mine).target is mine


@pytest.mark.parametrize(
    ("name", "added", "told"),
    [
        ("gone.py:coin", "", "the model file 'gone.py' cannot be read: No such file or directory"),
        ("mine.py", "", "say which model of mine.py is meant, as in mine.py:model; its functions: coin, data, alone"),
        ("mine.py:", "", "say which model of mine.py is meant"),
        (
            "mine.py:cion",
            "",
            "mine.py has no 'cion'; did you mean 'coin'? Expected a NumPyro model; its functions: coin",
        ),
        (
            "mine.py:number",
            "",
            "mine.py:number: from_numpyro needs a NumPyro model (a function) or a distribution, got int",
        ),
        (
            "mine.py:coin",
            "def broken(:\n",
            BROKEN,
        ),
        ("mine.py:coin", "import no_such_module", "mine.py cannot be run: ModuleNotFoundError: No module named"),
        ("mine.py:coin", "raise SystemExit(3)", "mine.py cannot be run: SystemExit: 3"),
        ("mine.py:coin", "del data", "mine.py:coin: it takes heads, and mine.py has no data: a function `data()`"),
        ("mine.py:coin", "data = {'heads': 7}", "`data` must be a function without arguments, got dict"),
        (
            "mine.py:coin",
            "def data(): return [7]",
            "data() must return a dict of the model's arguments by name, got list",
        ),
        ("mine.py:coin", "def data(): return 1 / 0", "data() raised ZeroDivisionError: division by zero"),
        (
            "mine.py:coin",
            "def data(): return {'tails': 3}",
            "it cannot be called with what data() returned, tails: missing a required argument: 'heads'",
        ),
        ("mine.py:data", "", "mine.py:data: the model has no latent site"),
        (
            "mine.py:coin",
            "def data(): return {'heads': object}",
            "mine.py:coin: the model cannot be called with its data",
        ),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_every_mistake_is_told(
    name: str, added: str, told: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(f"{MODELS}\n{added}\n")
    assert main(["train", name]) == 2
    assert told in capsys.readouterr().err


def test_a_model_in_a_file_has_no_parameters(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "mine.py:coin", "-p", "flips=3"]) == 2
    assert "mine.py:coin takes no parameter 'flips'; a function `data()`" in capsys.readouterr().err
    assert main(["train", "mine.py:coin", "--set", "data.posteriordb=."]) == 2
    assert "takes no parameter 'posteriordb'" in capsys.readouterr().err


def test_data_that_are_not_numbers_are_told_before_the_training(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(MODELS.replace("np.arange(3.0)", "np.array([0.0, np.nan, 1.0])"))
    assert main(["train", "mine.py:line"]) == 2
    assert "mine.py:line: the model cannot be called with its data: ValueError" in capsys.readouterr().err
    file.write_text(MODELS + 'def lost():\n    numpyro.factor("f", np.nan * numpyro.sample("x", dist.Normal()))\n')
    assert main(["train", "mine.py:lost"]) == 2
    assert "the log density is NaN at all 64 points of the start region" in capsys.readouterr().err


def test_a_plugin_registers_a_model_under_a_name() -> None:
    text = (Path(__file__).parent.parent / "targets" / "README.md").read_text(encoding="utf-8")
    (code,) = [block.split("```")[0] for block in text.split("```python\n")[1:]]
    scope: dict[str, Any] = {}
    exec(code, scope)
    plugin = type("Plugin", (), {"biglearn_targets": staticmethod(scope["biglearn_targets"])})
    catalogue = Catalogue(plugins={"mine": plugin}, entry_points=False)
    assert catalogue.problems == ()
    built = catalogue.build("target", "coin", {"heads": 3})
    assert isinstance(built.value, NumpyroTarget) and int(built.value.observed()["heads"]) == 3


@pytest.mark.slow
def test_the_command_line_trains_evaluates_and_draws(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "mine.py:coin"]) == 0
    assert "The run is in runs/coin-001" in capsys.readouterr().out
    assert main(["evaluate", "runs/coin-001"]) == 2
    assert main(["evaluate", "runs/coin-001", "--trust"]) == 0
    run = bl.load("runs/coin-001", trusted=True)
    assert set(run.posterior(100)) == {"fairness"}
    # Beta(9, 5).
    mean, error = run.metrics["moments"]["fairness"]["mean"], run.metrics["moments"]["fairness"]["mcse"]
    assert mean == pytest.approx(9 / 14, abs=5 * error + 1e-3)
    with pytest.raises(TargetError, match="takes no parameter 'dim'"):
        bl.target("mine.py:coin", dim=3)
