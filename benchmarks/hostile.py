"""Hostile conditions: bad energies, bad plugins, and whatever may be typed. Each trial ends well, or with one sentence.

    python benchmarks/hostile.py energies plugins        a minute for each energy, on one core
    python benchmarks/hostile.py fuzz [EXAMPLES]         settings files and command lines, 10,000 by default
    python benchmarks/hostile.py table                   writes results/hostile.md from what was measured

An energy passes if the run ends by itself with a finite sampler, and with the right `log Z` where there is one, or
without the verdict "covered" where there is none; or if it is refused, or ended, with a sentence that says what is
wrong.
"""

from __future__ import annotations

import json
import logging
import math
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from report import RESULTS, add_row, commit, write_table

import biglearn_sampler as bl
from biglearn_sampler.errors import BiglearnError

ROWS = RESULTS / "hostile.jsonl"
BUDGET = 100_000
TRUTH = float(np.log(2 * np.pi))
"""`log Z` of a standard normal law in two dimensions."""


def normal(x: jax.Array) -> jax.Array:
    return -0.5 * jnp.sum(x**2)


def with_holes(share: float) -> Callable[[jax.Array], jax.Array]:
    """NaN on a share of all points, spread as if at random: the digits of a point decide."""

    def energy(x: jax.Array) -> jax.Array:
        bits = jax.lax.bitcast_convert_type(x.astype(jnp.float32), jnp.uint32)
        mixed = (bits[0] * jnp.uint32(2654435761)) ^ (bits[1] * jnp.uint32(40503))
        return jnp.where((mixed >> 8) % 10_000 < share * 10_000, jnp.nan, normal(x))

    return energy


def cliff(x: jax.Array) -> jax.Array:
    """A wall of 1e30 on one side: half of a normal law is left."""
    return normal(x) - jnp.where(x[0] > 0, 1e30, 0.0)


def scaled(unit: float) -> Callable[[jax.Array], jax.Array]:
    return lambda x: normal(x / unit)


ENERGIES: dict[str, tuple[Callable[[], Any], float | None]] = {
    "NaN on 1 % of the points": (lambda: bl.target(with_holes(0.01), dim=2, scale=3.0), TRUTH + math.log(0.99)),
    "NaN on 10 % of the points": (lambda: bl.target(with_holes(0.1), dim=2, scale=3.0), TRUTH + math.log(0.9)),
    "NaN everywhere": (lambda: bl.target(lambda x: jnp.nan * x[0], dim=2, scale=3.0), None),
    "flat": (lambda: bl.target(lambda x: 0.0 * x[0], dim=2, scale=3.0), None),
    "unbounded along one axis (improper)": (lambda: bl.target(lambda x: -0.5 * x[0] ** 2, dim=2, scale=3.0), None),
    "growing without end": (lambda: bl.target(lambda x: jnp.sum(x**2), dim=2, scale=3.0), None),
    "a cliff of 1e30": (lambda: bl.target(cliff, dim=2, scale=3.0), TRUTH - math.log(2.0)),
    "a pole without a finite integral": (
        lambda: bl.target(lambda x: -jnp.log(jnp.abs(x[0])) - normal(-x) * -1, dim=2, scale=3.0),
        None,
    ),
    "float16": (lambda: bl.target(lambda x: normal(x.astype(jnp.float16)), dim=2, scale=3.0), TRUTH),
    "float32": (lambda: bl.target(normal, dim=2, scale=3.0), TRUTH),
    "float64 from NumPy": (
        lambda: bl.from_numpy(
            lambda x: -0.5 * (np.asarray(x, np.float64) ** 2).sum(1), gradient=lambda x: -x, dim=2, scale=3.0
        ),
        TRUTH,
    ),
    "scale 1e-6": (lambda: bl.target(scaled(1e-6), dim=2, scale=3e-6), TRUTH + 2 * math.log(1e-6)),
    "scale 1e6": (lambda: bl.target(scaled(1e6), dim=2, scale=3e6), TRUTH + 2 * math.log(1e6)),
    "units 1e-6 and 1e6 in one energy": (
        lambda: bl.target(lambda x: normal(x / jnp.array([1e-6, 1e6])), dim=2, scale=jnp.array([3e-6, 3e6])),
        TRUTH,
    ),
    "an offset of 1e6": (lambda: bl.target(lambda x: normal(x) + 1e6, dim=2, scale=3.0), TRUTH + 1e6),
    "raises": (lambda: bl.target(lambda x: 1 / 0, dim=2, scale=3.0), None),
    "raises on the host after 100 calls": (lambda: _raises_later(), None),
}


def _raises_later() -> Any:
    calls = []

    def energy(points: np.ndarray) -> np.ndarray:
        calls.append(len(points))
        if len(calls) > 100:
            raise ValueError("the licence has run out")
        return -0.5 * (points**2).sum(1)

    return bl.from_numpy(energy, gradient=lambda points: -points, dim=2, scale=3.0)


def energies() -> None:
    """One run for each, seed 0."""
    for name, (make, truth) in ENERGIES.items():
        began = time.perf_counter()
        told, good = _trained(make, truth)
        seconds = round(time.perf_counter() - began, 1)
        _keep("energy", name, good, told, seconds=seconds)


def _trained(make: Callable[[], Any], truth: float | None) -> tuple[str, bool]:
    try:
        run = bl.train(make(), settings={"budget.evaluations": BUDGET, "budget.minutes": 2, "reports": []})
    except BiglearnError as error:
        return f"refused or ended: {error}", truth is None
    found, error = run.metrics["log_z"], run.metrics["standard_errors"].get("log_z")
    finite = all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(run.sampler))
    verdict = run.metrics["verdict"]["verdict"]
    told = f"log Z {_number(found)} +- {_number(error)}, ended: {run.metrics['training_ended']}, verdict: {verdict}"
    if truth is None:
        # Without a finite integral nothing is covered.
        return told, finite and verdict != "covered"
    tolerance = 0.02 + 5 * (error or 0.0)
    right = found is not None and abs(found - truth) < tolerance
    return f"{told}; truth {truth:.4f}", finite and right


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


# plugins

HOOK = """
import biglearn_sampler as bl

@bl.hookimpl{}
def {}:
    {}
"""
PLUGINS = {
    "raises at import": "raise RuntimeError('at import')",
    "exits at import": "import sys; sys.exit(3)",
    "is no Python": "def (",
    "raises at registration": HOOK.format("(wrapper=True)", "biglearn_targets(x)", "yield"),
    "raises in its hook": HOOK.format("", "biglearn_targets()", "raise RuntimeError('in the hook')"),
    "raises in an observer": HOOK.format(
        "", "biglearn_chunk_finished(run, step, info)", "raise RuntimeError('in the observer')"
    ),
    "exits in an observer": HOOK.format("", "biglearn_chunk_finished(run, step, info)", "raise SystemExit(3)"),
}
TINY = ["--set", "scheduler=joint", "--set", "training.steps=10", "--set", "components=4", "--set", "reports=[]"]
SCHEDULER = """
import biglearn_sampler as bl

class Bad(bl.AbstractScheduler):
    tasks = (bl.Catalogue().build("task", "joint").value,)

    def draw(self, key, step, steps):
        raise RuntimeError("in the step")

@bl.hookimpl
def biglearn_schedulers():
    return [bl.Entry(name="bad", build=Bad, summary="raises")]
"""


def plugins() -> None:
    """A tiny run of a good target beside each bad plugin; it goes on, and `biglearn check` says what is wrong."""
    for name, code in {**PLUGINS, "raises in the step": SCHEDULER}.items():
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "bad.py"
            file.write_text(code)
            tiny = [text.replace("joint", "bad") if "in the step" in name else text for text in TINY]
            status, said = _called(["--plugin", str(file), "train", "two_modes", *tiny, "--out", f"{folder}/run"])
        wanted = 1 if "in the step" in name else 0
        _keep("plugin", name, status == wanted and "Traceback" not in said, f"status {status}: {said.splitlines()[-1]}")


def _called(arguments: list[str]) -> tuple[int, str]:
    import contextlib
    import io

    from biglearn_sampler.cli import main as call

    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        logging.basicConfig(stream=said, force=True)
        status = call(arguments)
    return status, said.getvalue()


# fuzzing


def fuzz(examples: int = 10_000) -> None:
    """The strategies of the tests, with more examples."""
    sys.path.insert(0, str(RESULTS.parent.parent / "tests"))
    from hypothesis import given, settings

    tests = import_module("test_fuzz_commands")

    half = settings(tests.OFTEN, max_examples=examples // 2)
    trials = {"command lines": (tests.COMMAND_LINES, tests.check), "settings files": (tests.FILES, tests.check_file)}
    for name, (strategy, check) in trials.items():
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder, tests.planned_only(Path(folder)):
            half(given(strategy)(check))()
        seconds = round(time.perf_counter() - began)
        _keep("fuzz", name, True, f"{examples // 2:,} examples, no traceback", seconds=seconds)


def _keep(part: str, name: str, good: bool, told: str, **more: Any) -> None:
    told = " ".join(told.split()).replace(f"{RESULTS.parent.parent}/", "")
    add_row(ROWS, {"part": part, "name": name, "good": good, "told": told[:300], **more, "commit": commit()})


def table() -> None:
    """The page."""
    rows = [json.loads(line) for line in ROWS.read_text(encoding="utf-8").splitlines()]
    latest = {(row["part"], row["name"]): row for row in rows}.values()
    write_table(
        "hostile",
        "Hostile conditions",
        "python benchmarks/hostile.py",
        ("trial", "", "what came", "passed"),
        [
            [row["part"], row["name"], row["told"].replace("|", "/"), "yes" if row["good"] else "**no**"]
            for row in latest
        ],
        f"Energies: the default training with a budget of {BUDGET:,} evaluations and two minutes, seed 0. "
        "Command lines and settings files are read and planned, and nothing of them is trained.",
        [row["commit"] for row in latest],
    )


def main() -> None:
    parts = sys.argv[1:] or ["energies", "plugins", "fuzz", "table"]
    if parts[0] == "fuzz":
        fuzz(*map(int, parts[1:]))
        return
    for part in parts:
        {"energies": energies, "plugins": plugins, "table": table}[part]()


if __name__ == "__main__":
    main()
