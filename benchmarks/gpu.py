"""What the density kernel, the engine's steps and whole trainings cost on a GPU, beside the CPU of the same machine.

    python benchmarks/gpu.py [PART ...]      measure digits, kernel, steps, trainings, resume; add to results/gpu.jsonl
    python benchmarks/gpu.py table           write results/gpu.md from it

Every part runs in a process of its own on each device, so neither disturbs the other. Where JAX finds nothing but the
CPU, nothing is measured. It needs a jax with support for the device, such as `pip install 'jax[cuda13]'`; about five
minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from report import RESULTS, add_row, commit, latest_rows, machine, write_table

ROWS = RESULTS / "gpu.jsonl"

KERNEL = ((64, 8, 16384), (1024, 8, 16384), (4096, 8, 4096), (1024, 64, 4096), (1024, 256, 1024), (4096, 256, 256))
"""Components, coordinates and points."""

STEPS = ((64, 2), (64, 50), (512, 10), (512, 50), (2048, 10), (4096, 10))
"""Components and coordinates."""

TRAININGS = {"grid25": ("--set", "start.mean=-5", "--set", "start.sd=0.1"), "mog40_fab": ()}
RESUMED = ("grid25", "--budget", "20000", "--set", "checkpoint.minutes=0.001")
REPEATS = 3
LONGEST = 200.0
"""Seconds after which a training is given up."""

QUIET = ("--set", "reports=[]", "--set", "metrics=['elbo', 'ess', 'mode_coverage']", "--quiet")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=[*PARTS], help="; ".join(PARTS))
    parser.add_argument("--here", action="store_true", help="in this process, on the first device that JAX finds")
    arguments = parser.parse_args()
    if arguments.parts == ["table"]:
        write()
        return
    for part in arguments.parts:
        if arguments.here:
            import jax

            device = jax.devices()[0].device_kind
            for row in PARTS[part]():
                print(json.dumps({**row, "device": device}), flush=True)
            continue
        for platform in ("cuda", "cpu"):
            for row in _elsewhere(part, platform):
                add_row(ROWS, {"part": part, "platform": platform, **row, "machine": machine(), "commit": commit()})


def _elsewhere(part: str, platform: str) -> Iterator[Mapping[str, Any]]:
    """The rows of a part, measured in another process on one platform."""
    done = subprocess.run(
        [sys.executable, __file__, part, "--here"],
        env={**os.environ, "JAX_PLATFORMS": platform, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    yield from map(json.loads, filter(lambda line: line.startswith("{"), done.stdout.splitlines()))
    if done.returncode:
        print(f"{part} on {platform} ended with status {done.returncode}", file=sys.stderr)


# parts


def digits() -> Iterator[Mapping[str, Any]]:
    """How far log densities lie from those in double precision, as they are and where products keep fewer digits."""
    import jax
    import numpy as np

    import biglearn_sampler as bl

    random = np.random.default_rng(0)
    components, dim, count = 64, 50, 2000
    factors = np.tril(random.normal(size=(components, dim, dim)) / dim) + np.eye(dim)
    means = 5.0 * random.normal(size=(components, dim))
    mixture = bl.GaussianMixture.of(means, factors @ factors.mT)
    points = np.asarray(mixture.sample(jax.random.key(0), count))
    standard = np.stack([
        np.linalg.solve(factor, (points - mean).T.astype(float))
        for factor, mean in zip(np.asarray(mixture.factors, float), np.asarray(mixture.means, float), strict=True)
    ])  # fmt: skip
    diagonals = np.diagonal(np.asarray(mixture.factors, float), axis1=1, axis2=2)
    each = -0.5 * (standard**2).sum(1) - np.log(diagonals).sum(1)[:, None] - 0.5 * dim * np.log(2 * np.pi)
    exact = np.logaddexp.reduce(each - np.log(components), axis=0)
    for precision in (None, "tensorfloat32"):
        with jax.default_matmul_precision(precision):
            told = np.asarray(jax.jit(mixture.log_density)(points), float)
        yield {
            "what": f"largest error of 2,000 log densities, K = 64, D = 50, {precision or 'as they are'}",
            "value": float(np.abs(told - exact).max()),
        }


def kernel() -> Iterator[Mapping[str, Any]]:
    """`log_densities` of all components at all points."""
    import jax
    from timing import fastest

    from biglearn_sampler.learning.component_sums import log_densities
    from biglearn_sampler.precision import full_precision

    for components, dim, count in KERNEL:
        keys = jax.random.split(jax.random.key(0), 2)
        points, means = jax.random.normal(keys[0], (count, dim)), jax.random.normal(keys[1], (components, dim))
        inverse = jax.numpy.broadcast_to(jax.numpy.eye(dim), (components, dim, dim)) + 0.0
        with full_precision():
            compiled = jax.jit(log_densities).lower(points, means, inverse).compile()
        seconds = fastest(lambda run=compiled, given=(points, means, inverse): run(*given))
        work = dim * count * components * (2 * (dim + 1) + 2)
        yield {
            "what": f"ms for {components:,} components at {count:,} points, D = {dim}",
            "value": 1e3 * seconds,
            "gflops": work / seconds / 1e9,
        }


def steps() -> Iterator[Mapping[str, Any]]:
    """A step of a stretch in which all components share points."""
    import jax
    import numpy as np

    import biglearn_sampler as bl
    from biglearn_sampler.energy import Whitened
    from biglearn_sampler.engine import Account, Rules, Stepper
    from biglearn_sampler.engine.population import Population
    from biglearn_sampler.engine.steps import Pace
    from biglearn_sampler.precision import full_precision

    for components, dim in STEPS:
        target = Whitened(bl.target(lambda x: -0.5 * (x**2).sum() - 0.1 * (x**4).sum(), dim=dim, scale=2.0))
        rules, seconds = Rules(), []
        population = Population.at(np.random.default_rng(0).standard_normal((components, dim)), 0.3)
        stepper = Stepper(target, rules, Account())
        for number in range(REPEATS + 1):
            began = time.perf_counter()
            with full_precision():
                stepper.steps(population, jax.random.key(number), Pace(), "refine", rules.window_points, 1)
            seconds.append(time.perf_counter() - began)
        milliseconds = 1e3 * min(seconds[1:]) / rules.round_steps
        yield {"what": f"ms for a step, K = {components:,}, D = {dim}", "value": milliseconds}


def trainings() -> Iterator[Mapping[str, Any]]:
    """Whole default trainings, a process for each, without and with compiled programs that were kept."""
    for target, more in TRAININGS.items():
        with tempfile.TemporaryDirectory() as place:
            for number, kept in enumerate(("nothing compiled before", "compiled programs kept")):
                out, what = Path(place, f"run-{number}"), f"s for `biglearn train {target}`, {kept}"
                seconds = _trained(["--cache", f"{place}/compiled", "train", target, *more, *QUIET, "--out", str(out)])
                if seconds is None:
                    yield {"what": what, "value": None}
                    break
                metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
                told = {name: metrics[name] for name in ("elbo", "ess", "modes_covered", "seconds_compile")}
                evaluations = metrics["energy_evaluations"] + metrics["gradient_evaluations"]
                verdict = metrics["verdict"]["verdict"]
                yield {"what": what, "value": seconds, **told, "evaluations": evaluations, "verdict": verdict}


def resume() -> Iterator[Mapping[str, Any]]:
    """Whether a run comes out the same bit for bit: a second time, and killed in the middle and resumed."""
    import numpy as np

    with tempfile.TemporaryDirectory() as place:
        folders = [Path(place, name) for name in ("first", "second", "killed")]
        for folder in folders[:2]:
            _trained(["train", *RESUMED, *QUIET, "--out", str(folder)])
        rows = len((folders[0] / "history.jsonl").read_text(encoding="utf-8").splitlines())
        process = subprocess.Popen(
            _program(["train", *RESUMED, *QUIET, "--out", str(folders[2])]), stdout=subprocess.DEVNULL
        )
        history = folders[2] / "history.jsonl"
        while process.poll() is None:
            if history.exists() and history.read_bytes().count(b"\n") >= rows // 2:
                process.kill()
            time.sleep(0.02)
        subprocess.run(_program(["train", "--resume", str(folders[2])]), stdout=subprocess.DEVNULL, check=True)
        samplers = [np.load(folder / "sampler.npz") for folder in folders]
        for what, other in zip(("a second time", "killed and resumed"), samplers[1:], strict=True):
            same = all(np.array_equal(samplers[0][name], other[name]) for name in samplers[0].files)
            yield {"what": f"`biglearn train grid25` {what}", "value": "the same bits" if same else "other bits"}


def _program(arguments: list[str]) -> list[str]:
    return [sys.executable, "-c", "import sys; from biglearn_sampler.cli import main; sys.exit(main())", *arguments]


def _trained(arguments: list[str]) -> float | None:
    """Seconds of a training in a process of its own; `None` where it took too long."""
    began = time.perf_counter()
    try:
        subprocess.run(_program(arguments), stdout=subprocess.DEVNULL, check=True, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        return None
    return time.perf_counter() - began


PARTS: Mapping[str, Callable[[], Iterator[Mapping[str, Any]]]] = {
    "digits": digits,
    "kernel": kernel,
    "steps": steps,
    "trainings": trainings,
    "resume": resume,
}


# the page


def write() -> None:
    """One line for everything that was measured, the device beside the CPU."""
    rows = latest_rows(ROWS, "part", "platform", "what")
    found = {(row["part"], row["what"], row["platform"]): row for row in rows}
    devices = sorted({row["device"] for row in rows if row["platform"] != "cpu"})
    lines = []
    in_order = sorted(rows, key=lambda row: list(PARTS).index(row["part"]))
    for part, what in dict.fromkeys((row["part"], row["what"]) for row in in_order):
        pair = [found.get((part, what, platform)) for platform in ("cuda", "cpu")]
        seconds = [row["value"] for row in pair if row is not None and isinstance(row["value"], float)]
        ratio = f"{seconds[1] / seconds[0]:.2f}" if len(seconds) == 2 and part != "digits" else ""
        lines.append([what, *map(_told, pair), ratio])
    about = {name: sorted({row[name] for row in rows}) for name in ("machine", "commit")}
    write_table(
        "gpu",
        "On a GPU",
        "python benchmarks/gpu.py",
        ("what", ", ".join(devices), "its CPU", "CPU / GPU"),
        lines,
        f"Measured at {', '.join(about['commit'])} on {', '.join(about['machine'])}. Times of calls are the fastest of "
        "several after one that compiles; a training is all seconds of the command, with start and measuring.\n\n"
        "Digits: the largest error is against double precision; whatever this package computes, the energy with it, "
        "multiplies as in the first line, unless the user chose otherwise. Bits: commands of this package ask XLA for "
        "`--xla_gpu_deterministic_ops=true`; the lines without the option are of the last commit that did not.\n\n"
        "Small mixtures do not gain by a GPU: a training of some tens of components is a long row of small programs.",
    )


def _told(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "not measured"
    value = row["value"]
    if value is None:
        return f"more than {LONGEST:.0f} s"
    if not isinstance(value, float):
        return str(value)
    told = f"{value:.2g}" if value < 1 else f"{value:,.1f}"
    if "gflops" in row:
        return f"{told} ({row['gflops']:,.0f} GFlop/s)"
    if "elbo" in row:
        modes = "" if row["modes_covered"] is None else f"{row['modes_covered']} modes, "
        return f"{told} ({modes}ELBO {row['elbo']:.4f}, {row['evaluations']:,} evaluations, {row['verdict']})"
    return told


if __name__ == "__main__":
    main()
