"""The experiments of the paper and eight schools over seeds 0-9, through the same door as `biglearn train`.

    python benchmarks/paper_runs.py [--seeds N] [--only NAME,...]

Every run is a fresh compilation; seconds are wall time of the whole run, evaluation included, figures not.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from report import write_table

import biglearn_sampler as bl

JOINT = {"scheduler": "joint"}


@dataclass(frozen=True)
class Experiment:
    """One row: what is run, as it would be said on the command line."""

    name: str
    target: str
    settings: str | None
    overrides: Mapping[str, Any] = field(default_factory=dict)

    @property
    def command(self) -> str:
        parts = ["biglearn train", self.target]
        parts += ["--settings", self.settings] if self.settings else []
        parts += [f"--set {key}={value}" for key, value in self.overrides.items()]
        return " ".join(parts)

    def run(self, seed: int, catalogue: bl.Catalogue) -> dict[str, Any]:
        began = time.perf_counter()
        run = bl.train(self.target, seed=seed, settings=self.settings, overrides=self.overrides, catalogue=catalogue)
        return {**run.metrics, "seconds": time.perf_counter() - began}


EXPERIMENTS = (
    Experiment("paper", "grid25", "paper"),
    Experiment("paper, joint only", "grid25", "paper", JOINT),
    Experiment("two modes, transformed tasks", "two_modes", "transformed"),
    Experiment("two modes, joint only", "two_modes", "transformed", JOINT),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--only", default="", help="parts of names, separated by commas")
    arguments = parser.parse_args()
    wanted = [part for part in arguments.only.split(",") if part]
    catalogue = bl.Catalogue()
    rows = []
    for experiment in EXPERIMENTS:
        if wanted and not any(part in experiment.name for part in wanted):
            continue
        results = [experiment.run(seed, catalogue) for seed in range(arguments.seeds)]
        rows.append(_row(experiment, results))
        print(rows[-1], flush=True)
    write_table(
        "paper_runs",
        "The paper's experiments",
        f"python benchmarks/paper_runs.py --seeds {arguments.seeds}",
        ("command", "modes covered, by seed", "median", "KL, median", "ESS, median", "seconds, median", "most"),
        rows,
    )


def _row(experiment: Experiment, results: list[dict[str, Any]]) -> list[str]:
    def median(figure: Callable[[dict[str, Any]], float]) -> float:
        return statistics.median(figure(result) for result in results)

    modes = [int(result["modes_covered"]) for result in results]
    total = int(results[0]["modes_total"])
    return [
        f"`{experiment.command}`",
        f"{', '.join(map(str, modes))} of {total}",
        f"{statistics.median(modes):g}",
        f"{median(lambda result: result['kl_reverse']):.4f}",
        f"{median(lambda result: result['ess']):.3f}",
        f"{median(lambda result: result['seconds']):.1f}",
        f"{max(result['seconds'] for result in results):.1f}",
    ]


if __name__ == "__main__":
    main()
