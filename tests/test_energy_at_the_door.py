"""Energies that cannot be trained on, each in a plugin of a few lines: what the command line says about them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import biglearn_sampler as bl
from biglearn_sampler.cli import main
from biglearn_sampler.energy import function_target
from biglearn_sampler.energy.probe import probe
from biglearn_sampler.errors import TargetError

PLUGIN = """
import jax.numpy as jnp
import numpy as np
import biglearn_sampler as bl

def mine():
    def log_density(x):
        {body}
    return bl.target(log_density, dim=2, scale=1.0, batched={batched})

@bl.hookimpl
def biglearn_targets():
    return [bl.Entry(name="mine", build=mine, summary="ten lines")]
"""

EVERYWHERE = "points of the start region; expected finite numbers. Declare a centre and a scale where the "
ENERGIES = {
    "nan": ("return jnp.nan * x.sum()", f"the log density is NaN at all 64 {EVERYWHERE}"),
    "nowhere": ("return -jnp.inf + 0 * x.sum()", f"the log density is -inf at all 16384 {EVERYWHERE}"),
    "plus_inf": ("return jnp.inf + 0 * x.sum()", "the log density is +inf at ("),
    "plus_inf_somewhere": (
        "return jnp.where(x[0] > 0, jnp.inf, 0.0)",
        "check the sign (log density = -energy) and div",
    ),
    "vector": ("return -x**2", "the log density of one point of shape (2,) must be a scalar, got shape (2,); sum over"),
    "row": (
        "return -x.sum(keepdims=True)",
        "must be a scalar, got shape (1,); sum over the coordinates, or say batched",
    ),
    "whole": ("return x.sum().astype(int)", "must be a real floating-point number, got dtype int32"),
    "complex": ("return x.sum() + 1j", "must be a real floating-point number, got dtype complex64"),
    "flag": ("return x[0] > 0", "must be a real floating-point number, got dtype bool"),
    "none": ("return None", "the log density must return one number, got NoneType"),
    "two": ("return x.sum(), x", "the log density must return one number, got tuple"),
    "raises": ("raise RuntimeError('no\\nforce')", "raised at a point of shape (2,): RuntimeError: no. It must be "),
    "index": ("return -x @ jnp.eye(3) @ x", "raised at a point of shape (2,): TypeError: "),
    "numpy": ("return -np.sum(np.exp(x))", "raised at a point of shape (2,): TracerArrayConversionError: "),
    "branch": ("return x[0] if x[0] > 0 else 0.0", "raised at a point of shape (2,): TracerBoolConversionError: "),
    "gradient": (
        "return -jnp.sqrt(0.0 * x.sum())",
        "the gradient of the log density is not finite anywhere in the start region; expected finite numbers. Look for",
    ),
}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BIGLEARN_PLUGINS", raising=False)
    monkeypatch.delenv("BIGLEARN_BLOCK", raising=False)
    return tmp_path


def write_plugin(folder: Path, body: str, batched: bool = False) -> None:
    (folder / "biglearn_plugin.py").write_text(PLUGIN.format(body=body, batched=batched))


@pytest.mark.parametrize("name", ENERGIES)
def test_an_energy_that_cannot_be_trained_on_is_refused_before_anything_is_written(name, here, capsys, unchecked_types):
    body, told = ENERGIES[name]
    write_plugin(here, body)
    assert main(["train", "mine"]) == 2
    output, errors = capsys.readouterr()
    assert errors.startswith("error: target 'biglearn_plugin:mine': the ")
    assert told in errors
    assert output == "" and len(errors.splitlines()) == 1
    assert [path.name for path in here.iterdir() if path.name != "__pycache__"] == ["biglearn_plugin.py"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("return -(x**2).sum()", "must have shape (1,), got shape (); it sums over the batch, or takes one point"),
        ("return -(x**2)", "must have shape (1,), got shape (1, 2); sum over the last axis, so that one"),
    ],
)
def test_a_batched_energy_of_the_wrong_shape_is_refused(body, told, here, capsys, unchecked_types):
    write_plugin(here, body, batched=True)
    assert main(["train", "mine"]) == 2
    assert told in capsys.readouterr().err


def test_a_plugin_that_cannot_be_imported_is_named(here, capsys):
    (here / "biglearn_plugin.py").write_text("import no_such_module\n")
    assert main(["train", "mine"]) == 2
    errors = capsys.readouterr().err
    assert "there is no target 'mine'" in errors and "no_such_module" in errors
    assert "Traceback" not in errors


def test_there_is_a_traceback_with_debug_only(here, capsys):
    write_plugin(here, "raise RuntimeError('no force')")
    assert main(["train", "mine"]) == 2
    plain = capsys.readouterr().err
    assert main(["--debug", "train", "mine"]) == 2
    debug = capsys.readouterr().err
    assert plain.count("\n") == 1 and "RuntimeError: no force" in plain
    assert debug.startswith("Traceback") and debug.endswith(plain)


@pytest.mark.parametrize(
    ("region", "told"),
    [
        ({"scale": 1e39}, "scale is beyond what float32 can hold, got .*measure in other units"),
        ({"scale": 1e-46}, "scale is beyond what float32 can hold"),
        (
            {"scale": 0.5, "centre": 2_459_000.0},
            "float32 has steps of 0.29 near the centre .* subtract the centre",
        ),
    ],
)
def test_a_region_whose_points_float32_does_not_tell_apart_is_refused(region: dict[str, Any], told: str) -> None:
    with pytest.raises(TargetError, match=told):
        bl.target(lambda x: -0.5 * (x**2).sum(), dim=2, **region)


@pytest.mark.parametrize("region", [{"scale": 1e-6}, {"scale": 1e6}, {"scale": 1.0, "centre": 1e5}])
def test_far_and_small_and_large_regions_are_taken(region: dict[str, Any]) -> None:
    assert bl.target(lambda x: -0.5 * (x**2).sum(), dim=2, **region).dim == 2


def _clamped(dim: int = 2, **options: Any) -> Any:
    return bl.target(lambda x: -(x[..., 0] ** 2) - x[..., 5] ** 2, dim=dim, scale=1.0, **options)


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (_clamped(), "asks for coordinate 5 of a point of 2 .* Expected dim to be at least 6, or indices"),
        (_clamped(batched=True), "asks for coordinate 5 of a point of 2 .* Expected dim to be at least 6, or indices"),
        (bl.target(lambda x: -(x[-3] ** 2), dim=2, scale=1.0), "coordinate -3 of a point of 2 .* at least 3"),
        (
            bl.target(
                lambda p: -((p["mu"] ** 2).sum(-1) + p["mu"][:, 3]), like={"mu": np.zeros(3)}, scale=1.0, batched=True
            ),
            r"index 3 is out of bounds for axis 1 with size 3\), and like has 'mu' of shape \(3,\)",
        ),
        (
            bl.target(lambda p: -(p["a"][1, 4] ** 2), like={"a": np.zeros((2, 3)), "b": 0.0}, scale=1.0),
            r"index 4 is out of bounds for axis 1 with size 3\), and like has 'a' of shape \(2, 3\), 'b' of shape \(\)",
        ),
    ],
    ids=["point", "batched", "negative", "dict of many", "dict"],
)
def test_a_coordinate_that_a_point_does_not_have_is_refused(target: Any, told: str) -> None:
    with pytest.raises(TargetError, match=told):
        bl.train(target, settings={"training.steps": 1})


@pytest.mark.parametrize(
    "target",
    [
        _clamped(6),
        _clamped(6, batched=True),
        bl.target(lambda x: -(x.at[1].set(0.0) ** 2).sum() - x[1] ** 2, dim=2, scale=1.0),
        bl.target(lambda x: -(x[jnp.array([0, 1])] ** 2).sum() - 1.0 / (1.0 + x[0] ** 2), dim=2, scale=1.0),
        bl.target(lambda x, y: -((x[0] - y[3]) ** 2), dim=1, scale=1.0, data=(np.ones(4),)),
        bl.target(lambda x, y: -((x[0] - y["k"]) ** 2), dim=1, scale=1.0, data=({"k": jnp.ones(())},)),
        bl.target(lambda x: -jax.lax.fori_loop(0, 2, lambda i, s: s + x[i] ** 2, 0.0), dim=2, scale=1.0),
        bl.target(lambda x: -(jnp.log(1.0 / (1.0 + jnp.abs(x[0]))) ** 2) - x[-1] ** 2, dim=2, scale=1.0),
    ],
)
def test_indices_within_a_point_and_methods_of_jax_arrays_are_taken(target: Any) -> None:
    target.check_indices()
    assert np.isfinite(probe(target, jnp.full((2, target.dim), 0.3))).all()


def test_the_look_at_indices_computes_nothing() -> None:
    asked = []

    def log_density(x: Any) -> Any:
        return jax.pure_callback(lambda y: asked.append(1) or -(y**2).sum(), jax.ShapeDtypeStruct((), x.dtype), x)

    function_target(log_density, dim=2, scale=1.0).check_indices()
    assert not asked
