"""Whether an energy on the host trains as one in jax does: `grid25` from the corner, both ways.

    python benchmarks/host_callback.py          seeds 0 to 2; about five minutes

The NumPy twin of `grid25` takes a millisecond for a batch of 1,000 points: it waits where it is quicker. It is trained
with its gradient and without one, in turn with the target of the gallery, in one process.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from report import write_table

import biglearn_sampler as bl

SEEDS = range(3)
CORNER = {"start.mean": -5.0, "start.sd": 0.1}
SECONDS_PER_POINT = 1e-6
"""A millisecond for a batch of 1,000."""

FIGURES = ("elbo", "log_z", "ess", "modes_covered", "mode_mass_tv")


def main() -> None:
    numpy_energy = Slow(log_density_and_gradient)
    rows = []
    for seed in SEEDS:
        for name, target in targets(numpy_energy).items():
            began = time.perf_counter()
            numpy_energy.seconds = 0.0
            run = bl.train(target, seed=seed, settings=CORNER)
            rows.append(_row(name, seed, run, time.perf_counter() - began, numpy_energy.seconds))
    write_table(
        "host_callback",
        "An energy on the host",
        "python benchmarks/host_callback.py",
        (
            "energy",
            "seed",
            "ELBO",
            "log Z",
            "ESS",
            "modes",
            "mass TV",
            "evaluations",
            "verdict",
            "s",
            "of it on the host",
        ),
        rows,
        f"The exact log Z is 0. A batch of 1,000 took the host {_batch(numpy_energy) * 1e3:.2f} ms. Evaluations are "
        "those of the training, of energy and gradient together. Seconds are of the whole run, with compilation, "
        "metrics and verdict.",
    )


class Slow:
    """A function of points that takes at least `SECONDS_PER_POINT` for each, with a clock."""

    def __init__(self, function: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]) -> None:
        self.function, self.seconds = function, 0.0

    def __call__(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        began = time.perf_counter()
        found = self.function(points)
        while time.perf_counter() - began < SECONDS_PER_POINT * len(points):
            pass
        self.seconds += time.perf_counter() - began
        return found


def targets(numpy_energy: Slow) -> dict[str, bl.AbstractTarget]:
    """`grid25` three ways."""
    gallery = bl.target("grid25")
    region = {"dim": 2, "scale": np.asarray(gallery.scale), "centre": np.asarray(gallery.centre)}

    def log_density(points: np.ndarray) -> np.ndarray:
        return numpy_energy(points)[0]

    return {
        "jax": gallery,
        "NumPy": bl.from_numpy(log_density, value_and_gradient=numpy_energy, facts=gallery.facts, **region),
        "NumPy, no gradient": bl.from_numpy(log_density, facts=gallery.facts, **region),
    }


def log_density_and_gradient(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """25 equal Gaussians of variance 0.05 on the grid -4, -2, ..., 4."""
    side = np.linspace(-4.0, 4.0, 5)
    means = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    squares = (points**2).sum(1, keepdims=True) - 2.0 * points @ means.T + (means**2).sum(1)
    exponents = -0.5 * squares / 0.05
    highest = exponents.max(1, keepdims=True)
    weights = np.exp(exponents - highest)
    total = weights.sum(1, keepdims=True)
    values = (highest + np.log(total))[:, 0] - np.log(25.0 * 2.0 * np.pi * 0.05)
    return values, ((weights / total) @ means - points) / 0.05


def _batch(numpy_energy: Slow) -> float:
    """Seconds of a batch of 1,000."""
    points = np.random.default_rng(0).normal(size=(1000, 2))
    times = []
    for _ in range(20):
        began = time.perf_counter()
        numpy_energy(points)
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def _row(name: str, seed: int, run: bl.Run, seconds: float, on_host: float) -> list[str]:
    metrics = run.metrics
    elbo, log_z, ess, modes, mass = (metrics[figure] for figure in FIGURES)
    evaluations = metrics["energy_evaluations"] + metrics["gradient_evaluations"]
    return [
        name,
        str(seed),
        f"{elbo:.5f}",
        f"{log_z:.5f}",
        f"{ess:.4f}",
        f"{modes} of {metrics['modes_total']}",
        f"{mass:.4f}",
        f"{evaluations:,}",
        metrics["verdict"]["verdict"],
        f"{seconds:.1f}",
        "-" if name == "jax" else f"{on_host:.1f}",
    ]


if __name__ == "__main__":
    main()
