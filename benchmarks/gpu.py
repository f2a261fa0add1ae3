"""What a stretch of the engine's steps and a whole training cost on the first device that JAX finds, beside the CPU.

    python benchmarks/gpu.py

Both devices in turn in one process, on the same inputs; a whole training in a process of its own on each. Where JAX
finds nothing but the CPU, nothing is written: the page says that it is to be filled. It needs a jax with support for
the device, such as `pip install 'jax[cuda13]'`, and about ten minutes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
from report import write_table

import biglearn_sampler as bl
from biglearn_sampler.energy import Whitened
from biglearn_sampler.engine import Account, Rules, Stepper
from biglearn_sampler.engine.population import Population
from biglearn_sampler.engine.steps import Pace

SIZES = ((64, 2), (512, 2), (512, 10), (512, 50), (2048, 10), (4096, 10))
"""Components and coordinates of a step."""

TRAININGS = ("grid25", "eight_schools", "funnel")
REPEATS = 3


def main() -> None:
    other = jax.devices()[0]
    if other.platform == "cpu":
        raise SystemExit("JAX finds no device beside the CPU here; benchmarks/results/gpu.md stays as it is")
    cpu = jax.devices("cpu")[0]
    rows = [_step(components, dim, other, cpu) for components, dim in SIZES]
    rows += [_training(target, other.platform) for target in TRAININGS]
    write_table(
        "gpu",
        f"A step and a training on {other.device_kind}",
        "python benchmarks/gpu.py",
        ("what", f"{other.device_kind}", "CPU", "CPU / device"),
        rows,
        "Steps are those of a stretch in which all components share points, the fastest of three stretches; a training "
        "is all seconds of `biglearn train`, with start and compilation.",
    )


def _step(components: int, dim: int, other: Any, cpu: Any) -> list[str]:
    """Milliseconds for a step of so many components."""
    target = Whitened(bl.target(lambda x: -0.5 * (x**2).sum() - 0.1 * (x**4).sum(), dim=dim, scale=2.0))
    rules = Rules()
    population = Population.at(np.random.default_rng(0).standard_normal((components, dim)), 0.3)

    def fastest(device: Any) -> float:
        with jax.default_device(device):
            stepper, seconds = Stepper(target, rules, Account()), []
            for number in range(REPEATS + 1):
                began = time.perf_counter()
                stepper.steps(population, jax.random.key(number), Pace(), "refine", rules.window_points, 1)
                seconds.append(time.perf_counter() - began)
        return 1e3 * min(seconds[1:]) / rules.round_steps

    theirs, ours = fastest(other), fastest(cpu)
    return [f"ms for a step, K = {components:,}, D = {dim}", f"{theirs:.2f}", f"{ours:.2f}", f"{ours / theirs:.2f}"]


def _training(target: str, platform: str) -> list[str]:
    """Seconds for a whole training."""

    def seconds(name: str) -> tuple[float, float]:
        with tempfile.TemporaryDirectory() as place:
            command = [sys.executable, "-c", "import sys; from biglearn_sampler.cli import main; sys.exit(main())"]
            began = time.perf_counter()
            subprocess.run(
                [*command, "train", target, "--set", "reports=[]", "--quiet", "--out", f"{place}/run"],
                env={**os.environ, "JAX_PLATFORMS": name},
                stdout=subprocess.DEVNULL,
                check=True,
            )
            elapsed = time.perf_counter() - began
            metrics = json.loads(Path(place, "run", "metrics.json").read_text(encoding="utf-8"))
        return elapsed, metrics["elbo"]

    (theirs, their_elbo), (ours, our_elbo) = seconds(platform), seconds("cpu")
    what = f"seconds for `biglearn train {target}`"
    return [what, f"{theirs:.0f} (ELBO {their_elbo:.3f})", f"{ours:.0f} (ELBO {our_elbo:.3f})", f"{ours / theirs:.2f}"]


if __name__ == "__main__":
    main()
