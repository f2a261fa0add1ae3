"""Compiled programs: repeated on GPUs, kept for the next process, and dropped in time."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax.experimental.compilation_cache.compilation_cache import reset_cache

import biglearn_sampler as bl
from biglearn_sampler import compilation
from biglearn_sampler.cli import main
from biglearn_sampler.compilation import (
    OPTIONS,
    QUICK,
    TRACED,
    collected_less,
    jit_quickly,
    make_room,
    quickly,
    repeat_on_gpus,
)

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


def counted() -> tuple[list[bool], Callable[[float], jax.Array]]:
    """A compiled function, and a list that grows whenever it is compiled."""
    compiled: list[bool] = []

    def doubled(x: float) -> float:
        compiled.append(True)
        return 2.0 * x

    return compiled, jax.jit(doubled)


def test_programs_are_dropped_before_a_process_has_too_many_mappings(tmp_path, monkeypatch):
    (tmp_path / "listed").write_text("a mapping\n" * 10)
    monkeypatch.setattr(compilation, "MAPPINGS", tmp_path / "listed")
    monkeypatch.setattr(compilation, "MOST_MAPPINGS", tmp_path / "most")
    compiled, doubled = counted()
    for most, times in (("20", 1), ("20", 1), ("19", 2)):
        (tmp_path / "most").write_text(most)
        make_room()
        assert doubled(1.0) == 2.0
        assert len(compiled) == times


def test_where_a_system_lists_no_mappings_programs_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(compilation, "MOST_MAPPINGS", tmp_path / "none")
    compiled, doubled = counted()
    doubled(1.0)
    make_room()
    doubled(1.0)
    assert len(compiled) == 1


def test_a_training_makes_room(monkeypatch):
    def asked() -> None:
        raise RuntimeError("room was asked for")

    monkeypatch.setattr(import_module("biglearn_sampler.runs.train"), "make_room", asked)
    with pytest.raises(RuntimeError, match="room was asked for"):
        bl.train("two_modes")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "--xla_gpu_deterministic_ops=true"),
        ("--xla_dump_to=x", "--xla_dump_to=x --xla_gpu_deterministic_ops=true"),
        ("--xla_gpu_deterministic_ops=false", "--xla_gpu_deterministic_ops=false"),
    ],
)
def test_programs_repeat_on_gpus_unless_the_user_says_otherwise(monkeypatch, before, after):
    monkeypatch.setenv("XLA_FLAGS", before)
    repeat_on_gpus()
    assert os.environ["XLA_FLAGS"] == after


def test_the_command_line_has_them_repeat(monkeypatch):
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    assert main(["plugins"]) == 0
    assert "xla_gpu_deterministic_ops" in os.environ["XLA_FLAGS"]


def test_options_that_the_compiler_does_not_know_are_left_out(monkeypatch, caplog):
    compilation.is_known.cache_clear()
    monkeypatch.setattr(compilation, "QUICK", {"xla_backend_optimization_level": 1, "xla_no_such_option": True})
    with caplog.at_level("INFO"):
        assert quickly() == {"xla_backend_optimization_level": 1}
    assert "xla_no_such_option" in caplog.text


def test_the_compiler_of_today_knows_all_options():
    assert quickly() == QUICK


def test_the_time_of_compiling_is_told_and_that_of_running_is_not():
    def slow(x: jax.Array) -> jax.Array:
        return jax.lax.fori_loop(0, 200, lambda _, y: jnp.linalg.cholesky(y @ y.T + jnp.eye(200)), x)

    compiled, before, began = jax.jit(slow), compilation.seconds_compiling(), time.perf_counter()
    compiled(jnp.eye(200)).block_until_ready()
    spent, lasted = compilation.seconds_compiling() - before, time.perf_counter() - began
    assert 0.0 < spent < lasted
    ready = jnp.eye(200)
    before = compilation.seconds_compiling()
    compiled(ready).block_until_ready()
    assert compilation.seconds_compiling() == before


def test_on_other_devices_than_cpus_nothing_is_asked_of_the_compiler(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert quickly() == {}


def test_a_program_that_compiles_quickly_is_compiled_once_for_each_shape(monkeypatch):
    traced: list[tuple[int, ...]] = []
    asked: list[Any] = []
    jit = jax.jit

    def asking(*arguments: Any, compiler_options: Any = None, **options: Any) -> Any:
        asked.append(compiler_options)
        return jit(*arguments, compiler_options=compiler_options, **options)

    monkeypatch.setattr(jax, "jit", asking)

    @partial(jit_quickly, static_argnames="times")
    def scaled(x: jax.Array, times: int) -> jax.Array:
        traced.append(x.shape)
        return times * x

    for size in (3, 3, 4):
        assert float(scaled(jnp.ones(size), times=2).sum()) == 2.0 * size
    assert traced == [(3,), (4,)] and asked == [QUICK]


@pytest.mark.parametrize(("before", "within"), [(700, TRACED), (2 * TRACED, 2 * TRACED), (0, 0)])
def test_dead_objects_are_looked_for_less_often_within_only(before, within):
    """Never more often than the user has it, and not at all where the user has it off."""
    usual = gc.get_threshold()
    gc.set_threshold(before, 9, 8)
    try:
        with pytest.raises(ZeroDivisionError), collected_less():
            assert gc.get_threshold() == (within, 9, 8)
            raise ZeroDivisionError
        assert gc.get_threshold() == (before, 9, 8)
    finally:
        gc.set_threshold(*usual)
