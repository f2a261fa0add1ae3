"""Our sampler beside every kind of method over the gallery: the same start, the same budget, several seeds.

    python benchmarks/comparison.py --out DIR [--only "NAME; ..."]  measure, and add to results/comparison.jsonl
    python benchmarks/comparison.py --posteriordb FOLDER            the posteriors of a copy of posteriordb too
    python benchmarks/comparison.py --table                         write results/comparison.md from it

Made by `bl.compare`, so each case is also one command, which stands above its table. DIR gets the folder of every
comparison, with its page; a case that was interrupted goes on there. Our sampler ends earlier than the budget when it
is done. An hour and a half on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from report import RESULTS, add_row, commit, latest_rows, machine

import biglearn_sampler as bl
from biglearn_sampler.comparison.sentences import sentences_of
from biglearn_sampler.comparison.table import table_of

ROWS = RESULTS / "comparison.jsonl"
USUAL = ("nuts", "ensemble_slice", "parallel_tempering", "tempered_smc", "gmmvi")
BUDGET = 1_000_000


@dataclass(frozen=True)
class Case:
    """One comparison.

    Arguments:
        target: its name.
        settings: where the start is not the declared one.
        parameters: of the target.
        methods: as `--with` takes them.
        seeds: how many.
    """

    target: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    methods: tuple[str, ...] = USUAL
    seeds: int = 2

    @property
    def command(self) -> str:
        """The same as a command."""
        parts = [f"biglearn compare {self.target}"]
        parts += [f"-p {name}={value}" for name, value in self.parameters.items()]
        parts += [f"--set {name}={value}" for name, value in self.settings.items()]
        return " ".join([*parts, f"--with '{','.join(self.methods)}'", f"--budget {BUDGET}", f"--seeds {self.seeds}"])


GALLERY = (
    "mog40",
    "gmm20",
    "rings",
    "funnel",
    "many_well",
    "phi4",
    "mueller_brown",
    "eight_schools",
    "logistic_regression",
    "planar_robot",
    "double_well",
    "two_modes",
    "unequal_mixture",
    "grid",
    "grid25",
    "mog40_fab",
    "gaussian_rings",
    "noisy_circles",
    "rotated_product",
    "stm20",
    "mos10",
    "label_switching",
    "seeds",
    "sensor_network",
    "dw4",
    "brownian_motion",
    "ising",
    "gmm100",
    "lj13",
)
"""All targets but posteriordb, whose data are not shipped, and cox_process and lj55, where methods take very long."""

POSTERIORS = (
    "posteriordb:low_dim_gauss_mix-low_dim_gauss_mix",
    "posteriordb:gp_pois_regr-gp_regr",
)
FOLDER = {"data.posteriordb": "FOLDER"}
"""How the command of these says where the data lie."""

CASES = {
    "grid25, corner": Case(
        "grid25",
        {"start.mean": -5.0, "start.sd": 0.1},
        methods=("nuts(chains=8)", "hmc", "barker", "sa", "aies", *USUAL[1:], "pathfinder", "flow_guide", "stein_vi"),
        seeds=10,
    ),
    **{name: Case(name) for name in GALLERY},
    **{name: Case(name, FOLDER) for name in POSTERIORS},
}


def measure(name: str, case: Case, out: Path, posteriordb: Path | None) -> None:
    """Run one comparison, or go on with it, and keep its table; those of posteriordb, where there is a copy."""
    if case.settings == FOLDER and posteriordb is None:
        print(f"{name}: needs --posteriordb FOLDER, left out")
        return
    from biglearn_sampler.cli.method_names import methods_named

    catalogue = bl.Catalogue()
    folder = out / name.replace(", ", "-").replace(":", "-")
    overrides = {"data.posteriordb": str(posteriordb)} if case.settings == FOLDER else case.settings
    comparison = bl.compare(
        case.target,
        baselines=methods_named(case.methods, catalogue),
        budget=BUDGET,
        seeds=case.seeds,
        overrides=overrides,
        parameters=case.parameters,
        out=folder,
        resume=folder.exists(),
        catalogue=catalogue,
    )
    headings, rows = table_of(comparison)
    told = sentences_of(comparison)
    row = {"case": name, "command": case.command, "headings": headings, "rows": rows, "sentences": told}
    add_row(ROWS, {**row, "date": date.today().isoformat(), "commit": commit()})


def write() -> None:
    """Write `results/comparison.md`."""
    lines = ["# Our sampler beside other methods, at 1,000,000 evaluations each", ""]
    lines += [
        f"Made by `python benchmarks/comparison.py` on {machine()}. Means over the seeds with their standard errors, "
        "or ranges; seconds are of the trial, of the first one with its compilation.",
        "",
    ]
    for row in sorted(latest_rows(ROWS, "case"), key=lambda row: list(CASES).index(row["case"])):
        lines += [f"## {row['case']}", "", f"`{row['command']}`, {row['date']}, commit {row['commit']}.", ""]
        lines += [f"| {' | '.join(row['headings'])} |", f"|{'---|' * len(row['headings'])}"]
        lines += [f"| {' | '.join(cells)} |" for cells in row["rows"]]
        lines += ["", *(f"- {sentence}" for sentence in row["sentences"]), ""]
    (RESULTS / "comparison.md").write_text("\n".join(lines), encoding="utf-8")


def main() -> None:
    """Measure what was asked for, or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help=f"of {'; '.join(CASES)}; with ; between")
    parser.add_argument("--out", type=Path, default=Path("comparisons"), help="folder of the comparisons")
    parser.add_argument("--posteriordb", type=Path, help="a copy of the database, whose data are not shipped")
    parser.add_argument("--table", action="store_true", help="only write the table")
    arguments = parser.parse_args()
    if not arguments.table:
        for name in arguments.only.split(";") if arguments.only else CASES:
            measure(name.strip(), CASES[name.strip()], arguments.out, arguments.posteriordb)
    write()


if __name__ == "__main__":
    main()
