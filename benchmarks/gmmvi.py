"""Whether our GMMVI is as good as the published one: two targets of its authors, one setting.

    python benchmarks/gmmvi.py [--only gmm20] [--seeds 0-9]     measure, and add to results/gmmvi.jsonl
    python benchmarks/gmmvi.py --table                          write results/gmmvi.md from it

The bars are ELBO >= -0.01 on `gmm20`, where log Z is 0 and a missing mode costs a tenth, and ELBO >= -78.3 on the
logistic regression of the breast cancer data (extra `data`). One to three minutes for each run.
"""

from __future__ import annotations

import argparse
import math
from datetime import date
from typing import Any

import jax
import jax.numpy as jnp
from report import RESULTS, add_row, commit, latest_rows, machine

import biglearn_sampler as bl

ROWS = RESULTS / "gmmvi.jsonl"
DRAWS = 20_000
BARS = {"gmm20": -0.01, "logistic_regression": -78.3}
COLUMNS = ("target", "seed", "ELBO", "bar", "components", "evaluations", "s to compile", "s to run", "date", "commit")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=BARS, help="one of the targets")
    parser.add_argument("--seeds", default="0-9", help="the first and the last")
    parser.add_argument("--table", action="store_true", help="only write the table")
    given = parser.parse_args()
    first, last = map(int, given.seeds.split("-"))
    if not given.table:
        for name in [given.only] if given.only else BARS:
            for seed in range(first, last + 1):
                add_row(ROWS, measured(name, seed))
    write()


def write() -> None:
    """Write `results/gmmvi.md`."""
    rows = sorted(latest_rows(ROWS, "target", "seed"), key=lambda row: (row["target"], row["seed"]))
    lines = [
        "# GMMVI with its defaults",
        "",
        f"Made by `python benchmarks/gmmvi.py` on {machine()}.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|{'---|' * len(COLUMNS)}",
        *(f"| {' | '.join(str(row[name]) for name in COLUMNS)} |" for row in rows),
        "",
        f"Evaluations are the gradients of the training; the ELBO is that of {DRAWS:,} further draws. First components "
        "are as wide as the declared region. The machine had other jobs.",
    ]
    (RESULTS / "gmmvi.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def measured(name: str, seed: int) -> dict[str, Any]:
    """One run."""
    target = bl.target(name)
    start = bl.StartRegion(target.centre, jnp.diag(target.scale), target.scale)
    (offer,) = (offer for offer in bl.Catalogue().offers("baseline") if offer.entry.name == "gmmvi")
    result = offer.entry.build(draws=DRAWS).run(target, start, jax.random.key(seed))
    ratios = result.draws.log_ratios
    assert ratios is not None
    return {
        "target": name,
        "seed": seed,
        "ELBO": f"{ratios.mean():.4f} +- {ratios.std() / math.sqrt(len(ratios)):.4f}",
        "bar": f"{BARS[name]:g}",
        "components": f"{result.notes['components']:.0f}",
        "evaluations": f"{result.warmup.total:,}",
        "s to compile": f"{result.seconds_compile:.1f}",
        "s to run": f"{result.seconds_run:.0f}",
        "date": date.today().isoformat(),
        "commit": commit(),
    }


if __name__ == "__main__":
    main()
