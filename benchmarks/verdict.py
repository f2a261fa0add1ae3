"""How often the verdict is right: good runs and deliberately bad ones, over the gallery.

    python benchmarks/verdict.py [--seeds 0-2] [--only TARGET;...] [--ways WAY;...]
                                           measure, and add to results/verdict.jsonl
    python benchmarks/verdict.py --table   write results/verdict.md from it

A run deserves `covered` if the masses that it gives the target's known modes, those of exact draws being given, are
right to 0.05 in total variation; targets without known modes are not in the table. Whether the shape within a mode is
right is not asked: the ESS beside says so. A training that ends with an error gives no sampler to judge, and no row.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
from jaxtyping import Array
from report import RESULTS, add_row, commit, latest_rows, write_table

import biglearn_sampler as bl
from biglearn_sampler.errors import RunFailed

ROWS = RESULTS / "verdict.jsonl"
WRONG_MASS = 0.05


@dataclass(frozen=True)
class Subject:
    """A target."""

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Misdeclared(bl.AbstractTarget):
    """A target whose scale is declared so many times too large."""

    target: Any
    factor: float

    @property
    def dim(self) -> int:
        return self.target.dim

    def log_density(self, point: Array) -> Array:
        return self.target.log_density(point)

    @property
    def centre(self) -> Array:
        return self.target.centre

    @property
    def scale(self) -> Array:
        return self.factor * self.target.scale

    @property
    def facts(self) -> Any:
        return self.target.facts


SUBJECTS = (
    Subject("grid25"),
    Subject("two_modes", {"separation": 20.0, "variance": 1.0, "first_weight": 0.1, "scale": 10.0}),
    Subject("unequal_mixture", {"dim": 5}),
    Subject("mog40"),
    Subject("gmm20"),
    Subject("stm20"),
    Subject("double_well"),
    Subject("mueller_brown"),
    Subject("rings"),
    Subject("mos10", {"dim": 5}),
    Subject("many_well", {"dim": 6}),
)

JOINT = {"scheduler": "joint", "training.steps": 1500, "components": 8}
WAYS: dict[str, Mapping[str, Any]] = {
    "defaults": {},
    "joint only, from one point": {**JOINT, "start.sd": 1e-2},
    "three components": {"components": 3},
    "stopped early": {"budget.evaluations": 3_200},
    "equal weights": {**JOINT, "weights.learn": False, "components": 64},
    "scale 30 times too small": {},
    "scale 30 times too large": {},
}
FACTORS = {"scale 30 times too small": 1 / 30, "scale 30 times too large": 30.0}


def measured(subject: Subject, way: str, seed: int, catalogue: bl.Catalogue) -> dict[str, Any]:
    """One run, its verdict and the truth."""
    target: Any = bl.target(subject.name, **subject.parameters)
    if way in FACTORS:
        target = Misdeclared(target, FACTORS[way])
    run = bl.train(target, seed=seed, settings={**WAYS[way], "reports": []}, catalogue=catalogue)
    metrics = run.metrics
    return {
        "subject": subject.name,
        "way": way,
        "seed": seed,
        "verdict": metrics["verdict"]["verdict"],
        "missing": metrics["verdict"].get("missing_mass"),
        "mass_tv": metrics["mode_mass_tv"],
        "floor": metrics["mode_mass_tv_floor"],
        "modes": f"{metrics['modes_covered']}/{metrics['modes_total']}",
        "ess": metrics["ess"],
        "evaluations": metrics["verdict"].get("evaluations"),
        "commit": commit(),
    }


def deserves(row: Mapping[str, Any]) -> bool:
    """Whether the truth is that the run covers its target."""
    return row["mass_tv"] - row["floor"] <= WRONG_MASS


def write(rows: Sequence[Mapping[str, Any]]) -> None:
    """Every run, and the confusion of truth and verdict above."""
    verdicts = ("covered", "not covered", "cannot tell")
    counts = {
        (truth, verdict): sum(deserves(row) == truth and row["verdict"] == verdict for row in rows)
        for truth in (True, False)
        for verdict in verdicts
    }
    notes = ["", f"| the run | {' | '.join(verdicts)} |", "|---|---|---|---|"]
    for truth, name in ((True, "covers its target"), (False, "does not")):
        notes.append(f"| {name} | {' | '.join(str(counts[truth, verdict]) for verdict in verdicts)} |")
    lines = [
        [
            row["subject"],
            row["way"],
            str(row["seed"]),
            row["modes"],
            f"{row['mass_tv']:.3f}",
            "yes" if deserves(row) else "no",
            row["verdict"],
            "-" if row["missing"] is None else f"{row['missing']:.3f}",
            "-" if row["ess"] is None else f"{row['ess']:.3f}",
            str(row["evaluations"]),
            row["commit"],
        ]
        for row in sorted(rows, key=lambda row: (row["way"], row["subject"], row["seed"]))
    ]
    columns = (
        "target",
        "how",
        "seed",
        "modes",
        "mass TV",
        "covers",
        "verdict",
        "missing",
        "ESS",
        "evaluations",
        "commit",
    )
    commits = [row["commit"] for row in rows]
    write_table(
        "verdict",
        "The verdict and the truth",
        "python benchmarks/verdict.py",
        columns,
        lines,
        "\n".join(notes),
        commits,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0-2", help="first and last seed")
    parser.add_argument("--only", default="", help="targets, separated by semicolons")
    parser.add_argument("--ways", default="", help="how to train, separated by semicolons")
    parser.add_argument("--table", action="store_true", help="only write the table")
    arguments = parser.parse_args()
    if arguments.table:
        write(latest_rows(ROWS, "subject", "way", "seed"))
        return
    first, last = map(int, arguments.seeds.split("-"))
    wanted = [name.strip() for name in arguments.only.split(";") if name.strip()]
    ways = [way.strip() for way in arguments.ways.split(";") if way.strip()]
    catalogue = bl.Catalogue()
    for subject in SUBJECTS:
        if wanted and subject.name not in wanted:
            continue
        for way in WAYS:
            if ways and way not in ways:
                continue
            for seed in range(first, last + 1):
                try:
                    add_row(ROWS, measured(subject, way, seed, catalogue))
                except RunFailed as error:
                    print(f"{subject.name}, {way}, seed {seed}: no sampler to judge; {error}", flush=True)


if __name__ == "__main__":
    main()
