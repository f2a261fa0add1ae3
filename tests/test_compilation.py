"""Compiled programs that are kept for the next process."""

from __future__ import annotations

import os
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from jax.experimental.compilation_cache.compilation_cache import reset_cache

import biglearn_sampler as bl
from biglearn_sampler.cli import main
from biglearn_sampler.compilation import OPTIONS

NAMES = ("jax_compilation_cache_dir", *OPTIONS)


@pytest.fixture
def restored(monkeypatch):
    """The cache of this session of tests is what it was before."""
    for name in NAMES:
        monkeypatch.setenv(name.upper(), os.environ.get(name.upper(), ""))
    before = {name: getattr(jax.config, name) for name in NAMES}
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    reset_cache()


def test_programs_are_kept_also_when_something_was_compiled_before(restored, tmp_path):
    jax.jit(lambda x: x * 5.0)(jnp.ones(3))
    bl.keep_compiled(tmp_path / "kept")
    assert float(jax.jit(lambda x: (x * 3.0).sum())(jnp.ones(7))) == 21.0
    assert any(file.name.startswith("jit_") for file in (tmp_path / "kept").iterdir())
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == str(tmp_path / "kept")


def test_the_command_line_keeps_programs_where_it_is_told(restored, tmp_path, monkeypatch, capsys):
    assert main(["--cache", str(tmp_path / "a"), "plugins"]) == 0
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == str(tmp_path / "a")
    monkeypatch.setenv("BIGLEARN_CACHE", str(tmp_path / "b"))
    assert main(["plugins"]) == 0
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == str(tmp_path / "b")
    Path(tmp_path / "file").write_text("")
    assert main(["--cache", str(tmp_path / "file" / "x"), "plugins"]) == 2
    assert "the folder of compiled programs" in capsys.readouterr().err
