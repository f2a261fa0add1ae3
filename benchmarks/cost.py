"""What sampling costs: time and memory of a step, the density kernel against the machine, compilation and start.

    python benchmarks/cost.py step kernel              sizes up to K = 4,096 and D = 256; 15 minutes, 5 GiB
    GLIBC_TUNABLES=glibc.malloc.hugetlb=1 python benchmarks/cost.py step kernel       the same with huge pages
    python benchmarks/cost.py compile [TARGET ...]     the default training of the gallery, a process for each run
    python benchmarks/cost.py startup                  `biglearn --help`, and `biglearn train` up to its first step
    python benchmarks/cost.py table                    writes results/cost.md and cost.png from what was measured

A step is one of the scheduled training, on an energy that costs next to nothing. Seconds are those of the fastest of
several calls; memory is what the compiled program needs beside its arguments, as XLA plans it, and the arguments
themselves.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from report import RESULTS, add_row, commit, machine

ROWS = RESULTS / "cost.jsonl"

BASE = {"components": 64, "dim": 8, "points": 4}
AXES = {
    "components": (16, 64, 256, 1024, 4096),
    "dim": (2, 8, 32, 64, 128, 256),
    "points": (1, 4, 16, 64, 256),
}
LARGE = (
    {"components": 1024, "dim": 64, "points": 1},
    {"components": 4096, "dim": 16, "points": 1},
    {"components": 4096, "dim": 256, "points": 1},
)
RESERVOIRS = (128, 512, 2048, 8192)
KERNEL = (
    (64, 8, 16384),
    (1024, 8, 16384),
    (4096, 8, 4096),
    (64, 64, 16384),
    (1024, 64, 4096),
    (256, 256, 4096),
    (1024, 256, 1024),
    (4096, 256, 256),
)
EXPECTED = {"components": 2.0, "points": 1.0, "dim": 2.0, "resampled": 1.0}
"""Exponents that the sums say: every component draws its points, and each point meets every component."""

MOST_COLD, MOST_CACHED = 10.0, 3.0
"""Seconds of compilation that a default training should take at most."""


def main() -> None:
    parser = argparse.ArgumentParser(description="What sampling costs.")
    parser.add_argument("parts", nargs="+", help="step, kernel, compile, startup, table; behind compile its targets")
    parts = parser.parse_args().parts
    work: Mapping[str, Callable[[], None]] = {"step": steps, "kernel": kernel, "startup": startup, "table": table}
    if parts[0] == "compile":
        compilation(parts[1:])
        return
    for part in parts:
        work[part]()


# steps


def steps() -> None:
    """Along each axis from one base, then some large ones, then reservoirs."""
    done = set()
    for axis, sizes in AXES.items():
        for size in sizes:
            point = {**BASE, axis: size}
            if tuple(point.values()) not in done:
                done.add(tuple(point.values()))
                _step(point)
    for point in LARGE:
        _step(point)
    for resampled in RESERVOIRS:
        _step({**BASE, "resampled": resampled})


def _step(sizes: Mapping[str, int]) -> None:
    import jax
    import jax.numpy as jnp
    from timing import fastest

    import biglearn_sampler as bl
    from biglearn_sampler.learning.refill import Supply
    from biglearn_sampler.runs.plan import make_plan
    from biglearn_sampler.runs.read_settings import read_settings

    catalogue = bl.Catalogue()
    resampled = sizes.get("resampled")
    settings: dict[str, Any] = {"scheduler": "joint", "components": sizes["components"]}
    settings["training.points"] = sizes["points"]
    if resampled is not None:
        tasks = {"name": "uniform", "tasks": ("noised",)}
        settings |= {"scheduler": tasks, "reservoir.resampled": resampled, "reservoir.capacity": 8192}
    target = bl.target(lambda x: -0.5 * jnp.sum(x**2), dim=sizes["dim"], scale=2.0)
    plan = make_plan(target, read_settings(settings, {}, catalogue), (), 0, catalogue, {})
    training, keys = plan.training(), plan.train_keys()
    state = plan.begin(training)
    supply = Supply.of(training, state.parameters, keys.reservoir)
    if supply is not None:
        training = supply.renewed(state.parameters).into(training)
    drawn = training.scheduler.draw(keys.tasks, state.step, training.steps)
    compiled = jax.jit(lambda state: training.step(state, drawn, keys.points)[0]).lower(state).compile()
    row = {**sizes, **_memory(compiled), "seconds": fastest(lambda: compiled(state))}
    add_row(ROWS, {"part": "step", **row, **_about()})


def _memory(compiled: Any) -> dict[str, float]:
    planned = compiled.memory_analysis()
    needed = planned.temp_size_in_bytes, planned.argument_size_in_bytes + planned.output_size_in_bytes
    return {"temporary_mib": round(needed[0] / 2**20, 2), "state_mib": round(needed[1] / 2**20, 2)}


# the density kernel


def kernel() -> None:
    """`log_densities` beside what the machine can do, measured here: a large product, and the maximum of an array."""
    import jax
    import jax.numpy as jnp
    from timing import fastest

    from biglearn_sampler.learning.component_sums import log_densities

    size = 2048
    square = jnp.ones((size, size))
    product = jax.jit(lambda a: a @ a)
    flops = 2 * size**3 / fastest(lambda: product(square))
    long = jnp.ones(2**26)
    # Nothing is allocated: fresh memory costs more than to write it, see the notes of the page.
    largest = jax.jit(jnp.max)
    bandwidth = long.nbytes / fastest(lambda: largest(long))
    add_row(ROWS, {"part": "machine", "gflops": flops / 1e9, "gigabytes": bandwidth / 1e9, **_about()})
    for components, dim, count in KERNEL:
        keys = jax.random.split(jax.random.key(0), 2)
        points = jax.random.normal(keys[0], (count, dim))
        means = jax.random.normal(keys[1], (components, dim))
        inverse = jnp.broadcast_to(jnp.eye(dim), (components, dim, dim)) + 0.0
        compiled = jax.jit(log_densities).lower(points, means, inverse).compile()
        # A product of (count, dim + 1) and (dim + 1, components) for each coordinate, its square added to the sums.
        work = dim * count * components * (2 * (dim + 1) + 2)
        # Least traffic: the factors are read once, and the sums are read and written for each coordinate.
        traffic = 4 * (components * dim * (dim + 1) + dim * (count * (dim + 1) + 2 * count * components))
        row = {
            "part": "kernel",
            "components": components,
            "dim": dim,
            "count": count,
            **_memory(compiled),
            "seconds": fastest(lambda run=compiled, given=(points, means, inverse): run(*given)),
            "gigaflop": work / 1e9,
            "gigabytes": traffic / 1e9,
            "bound_seconds": max(work / flops, traffic / bandwidth),
            "bound_by": "arithmetic" if work / flops > traffic / bandwidth else "memory",
        }
        add_row(ROWS, {**row, **_about()})


# compilation


def compilation(names: list[str]) -> None:
    """The default training of each target from its beginning to its end, in two new processes.

    The first one finds an empty cache and fills it, the second one finds all that it needs.
    """
    for name in names or _targets():
        with tempfile.TemporaryDirectory() as folder:
            found: dict[str, Any] = {"cold": _compile_seconds(name, folder)}
            if isinstance(found["cold"], dict):
                found["cached"] = _compile_seconds(name, folder)
        add_row(ROWS, {"part": "compile", "target": name, **found, **_about()})


PROGRAM = """
import json, sys, time
import biglearn_sampler as bl
bl.keep_compiled(sys.argv[2])
began = time.perf_counter()
run = bl.train(sys.argv[1], settings={"reports": [], "metrics": ["elbo"]})
print(json.dumps({"compile": run.metrics["seconds_compile"], "all": round(time.perf_counter() - began, 2)}))
"""


def _targets() -> list[str]:
    """The names of the gallery."""
    import biglearn_sampler as bl

    return [offer.entry.name for offer in bl.Catalogue().offers("target")]


def _compile_seconds(name: str, cache: str) -> dict[str, float] | str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("JAX_")}
    command = [sys.executable, "-c", PROGRAM, name, cache]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        return done.stderr.strip().splitlines()[-1][:120]
    return json.loads(done.stdout.splitlines()[-1])


# start


def startup() -> None:
    """Wall time of new processes, five each; `train` is cut at its first chunk."""
    biglearn = str(Path(sys.executable).parent / "biglearn")
    first = "import time,sys\nbegan=time.perf_counter()\n" + FIRST_STEP
    for what, command in {
        "biglearn --help": [biglearn, "--help"],
        "import biglearn_sampler": [sys.executable, "-c", "import biglearn_sampler"],
        "import jax": [sys.executable, "-c", "import jax"],
        "biglearn train grid25, first step": [sys.executable, "-c", first, "grid25"],
        "biglearn train eight_schools, first step": [sys.executable, "-c", first, "eight_schools"],
    }.items():
        environment = {key: value for key, value in os.environ.items() if not key.startswith("JAX_")}
        times = []
        for _ in range(5):
            with tempfile.TemporaryDirectory() as folder:
                began = time.perf_counter()
                subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=True)
                times.append(time.perf_counter() - began)
        add_row(ROWS, {"part": "startup", "what": what, "seconds": statistics.median(times), **_about()})


FIRST_STEP = """
from biglearn_sampler.cli import main
from biglearn_sampler.runs import recorder

def stop(self, progress):
    import os
    os._exit(0)

recorder.Recorder.__call__ = stop
main(["train", sys.argv[1], "--out", "run", "--quiet"])
sys.exit(1)
"""


# the page


def table() -> None:
    """The page and the picture."""
    sections = [_steps_told(), _kernel_told(), _compile_told(), _startup_told()]
    head = f"# Cost\n\nMade by `python benchmarks/cost.py`, {machine()}. Commits and loads stand in `cost.jsonl`.\n"
    path = RESULTS / "cost.md"
    path.write_text("\n".join([head, *filter(None, sections)]), encoding="utf-8")
    _draw()
    print(path.read_text(encoding="utf-8"))


def _measured(part: str, *names: str, huge: bool = False) -> list[dict[str, Any]]:
    """The last row for every value of what is named, with huge pages or without."""
    rows = [json.loads(line) for line in ROWS.read_text(encoding="utf-8").splitlines()]
    mine = [row for row in rows if row["part"] == part and row.get("huge", False) == huge]
    return list({tuple(row.get(name) for name in names): row for row in mine}.values())


SIZES = ("components", "dim", "points", "resampled")


def _steps_told() -> str:
    with_huge = {tuple(map(row.get, SIZES)): row for row in _measured("step", *SIZES, huge=True)}
    lines = []
    for row in _measured("step", *SIZES):
        sizes = tuple(map(row.get, SIZES))
        huge = with_huge.get(sizes)
        told = ["-" if size is None else f"{size:,}" for size in sizes]
        told += [_seconds(row["seconds"]), "-" if huge is None else _seconds(huge["seconds"])]
        lines.append([*told, f"{row['temporary_mib']:,.1f}", f"{row['state_mib']:,.1f}"])
    columns = (
        "K",
        "D",
        "points of a component",
        "resampled",
        "a step",
        "with huge pages",
        "temporary, MiB",
        "state, MiB",
    )
    slopes = [
        [axis, _exponent(axis, huge=False), _exponent(axis, huge=True), f"{expected:g}"]
        for axis, expected in EXPECTED.items()
    ]
    return (
        f"## A step\n\n{_markdown(columns, lines)}\n\nExponents of the time, between the two largest sizes along each "
        "axis (the others as in the base, K = 64, D = 8, 4 points), and what the sums say for large sizes:\n\n"
        f"{_markdown(('axis', 'measured', 'with huge pages', 'expected'), slopes)}\n\n![Time of a step](cost.png)\n\n"
        "Where temporary arrays are larger than 32 MiB, glibc gives their memory back after every step, and the kernel "
        "maps and clears it again page by page. `GLIBC_TUNABLES=glibc.malloc.hugetlb=1` in the environment lets it use "
        "pages of 2 MiB. Not everything gains by it: K = 256 does not.\n"
    )


def _along(axis: str, *, huge: bool) -> tuple[list[int], list[float]]:
    """Sizes and seconds where nothing else differs from the base."""
    others = {name: value for name, value in BASE.items() if name != axis}
    found = [
        (row[axis], row["seconds"])
        for row in _measured("step", *SIZES, huge=huge)
        if axis in row
        and ("resampled" in row) == (axis == "resampled")
        and all(row[name] == value for name, value in others.items())
    ]
    found.sort()
    return [size for size, _ in found], [seconds for _, seconds in found]


def _exponent(axis: str, *, huge: bool) -> str:
    sizes, seconds = _along(axis, huge=huge)
    if len(sizes) < 2:
        return "not measured"
    return f"{math.log(seconds[-1] / seconds[-2]) / math.log(sizes[-1] / sizes[-2]):.2f}"


def _kernel_told() -> str:
    huge = bool(_measured("kernel", "components", huge=True))
    pages = "with huge pages" if huge else "without huge pages"
    limits = _measured("machine", "cores", huge=huge)[-1]
    lines = [
        [
            *(f"{row[name]:,}" for name in ("components", "dim", "count")),
            _seconds(row["seconds"]),
            f"{row['gigaflop'] / row['seconds']:,.1f}",
            f"{row['gigaflop'] / row['gigabytes']:.1f}",
            row["bound_by"],
            f"{row['bound_seconds'] / row['seconds']:.0%}",
            f"{row['temporary_mib'] + row['state_mib']:,.0f}",
        ]
        for row in _measured("kernel", "components", "dim", "count", huge=huge)
    ]
    columns = ("K", "D", "points", "time", "GFlop/s", "Flop per byte", "bound by", "of the bound", "MiB")
    return (
        "## The density kernel\n\n`log_densities` of `learning/component_sums.py`: densities of all components at all "
        f"points. The machine, measured in the same process on {limits['cores']} core(s), {pages}: "
        f"{limits['gflops']:,.0f} GFlop/s in a product of 2,048 x 2,048 matrices, {limits['gigabytes']:.1f} GB/s in "
        "`max(a)`. The bound is the larger of arithmetic and least traffic at these rates; the sums of squares are "
        "read and written once for "
        f"each coordinate in it.\n\n{_markdown(columns, lines)}\n"
    )


def _compile_told() -> str:
    # Earlier rows are of trainings that were cut short.
    whole = [row for row in _measured("compile", "target") if "evaluations" not in row]
    rows = sorted(whole, key=lambda row: row["target"])
    good = [row for row in rows if isinstance(row.get("cached"), dict)]
    failed = [f"`{row['target']}`: {row[_last(row)]}" for row in rows if row not in good]
    measured = {row["target"] for row in rows}
    failed += [f"`{name}`: not measured" for name in _targets() if name not in measured]
    lines = [
        [row["target"], *(f"{row[name]['compile']:.1f}" for name in ("cold", "cached")), f"{row['cold']['all']:.0f}"]
        for row in good
    ]
    columns = ("target", "no cache, s", "from the cache, s", "the whole run, s")
    over = [row["target"] for row in good if row["cold"]["compile"] > MOST_COLD]
    late = [row["target"] for row in good if row["cached"]["compile"] > MOST_CACHED]
    if not rows:
        return ""
    return (
        "## Compilation\n\n`seconds_compile` of whole default trainings in new processes (cores and load stand in "
        '`cost.jsonl`). "From the cache": a second process with `--cache`.\n\n'
        f"{_markdown(columns, lines)}\n\nAbove {MOST_COLD:g} s without a cache: {', '.join(over) or 'none'}. Above "
        f"{MOST_CACHED:g} s with it: {', '.join(late) or 'none'}. Not run: {'; '.join(failed) or 'none'}.\n"
    )


def _last(row: Mapping[str, Any]) -> str:
    """The run that failed."""
    return next(name for name in ("cached", "cold") if name in row)


def _startup_told() -> str:
    lines = [[row["what"], f"{row['seconds']:.2f}", _where(row)] for row in _measured("startup", "what")]
    if not lines:
        return ""
    return f"## Start\n\nMedian wall time of five new processes.\n\n{_markdown(('what', 's', 'cores'), lines)}\n"


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return "\n".join([*head, *(f"| {' | '.join(row)} |" for row in rows)])


def _seconds(seconds: float) -> str:
    return f"{seconds:,.2f} s" if seconds >= 1 else f"{seconds * 1e3:,.2f} ms"


def _where(row: Mapping[str, Any]) -> str:
    return f"{row['cores']}"


def _draw() -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(EXPECTED), figsize=(11, 2.8), sharey=True, layout="constrained")
    for axis, (name, expected) in zip(axes, EXPECTED.items(), strict=True):
        for huge, label, colour in ((False, "measured", "#2a78d6"), (True, "with huge pages", "#d9822b")):
            sizes, seconds = _along(name, huge=huge)
            axis.loglog(sizes, seconds, "o-", color=colour, label=label)
        sizes, seconds = _along(name, huge=False)
        line = [seconds[-1] * (size / sizes[-1]) ** expected for size in sizes]
        axis.loglog(sizes, line, "--", color="#8a8a8a", label=f"slope {expected:g}")
        axis.set_xlabel({"components": "K", "dim": "D", "points": "points of a component"}.get(name, name))
        axis.legend(frameon=False)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("seconds a step")
    figure.savefig(RESULTS / "cost.png", dpi=110)
    plt.close(figure)


def _about() -> dict[str, Any]:
    huge = "hugetlb=1" in os.environ.get("GLIBC_TUNABLES", "")
    return {
        "huge": huge,
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
        "commit": commit(),
    }


if __name__ == "__main__":
    main()
