"""Five posteriors of posteriordb with the default training: moments beside the database's reference draws.

    python benchmarks/posteriordb.py FOLDER [--seeds N] [--posterior NAME ...]

FOLDER is a copy of https://github.com/stan-dev/posteriordb, which is not shipped. Every run is `biglearn train
posteriordb:NAME --set data.posteriordb=FOLDER`, nothing else set. The tolerance of a mean is 4 Monte Carlo errors of
both sides together and 1 % of the posterior standard deviation. 10 to 60 seconds a run; rows are kept in
`results/posteriordb.jsonl`, and the table is made of the last of each; `--seeds 0` makes the table only.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Mapping
from typing import Any

from report import RESULTS, add_row, commit, latest_rows, write_table

import biglearn_sampler as bl

POSTERIORS = (
    "eight_schools-eight_schools_noncentered",
    "kidiq-kidscore_momiq",
    "earnings-logearn_height",
    "low_dim_gauss_mix-low_dim_gauss_mix",
    "gp_pois_regr-gp_regr",
)
ROWS = RESULTS / "posteriordb.jsonl"
ERRORS = 4.0
SHARE_OF_SD = 0.01


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--posterior", nargs="*", choices=POSTERIORS, default=POSTERIORS)
    given = parser.parse_args()
    catalogue = bl.Catalogue()
    for posterior in given.posterior:
        for seed in range(given.seeds):
            add_row(ROWS, measured(posterior, given.folder, seed, catalogue))
    rows = latest_rows(ROWS, "posterior", "seed")
    rows = sorted(rows, key=lambda row: (POSTERIORS.index(row["posterior"]), row["seed"]))
    commits = ", ".join(sorted({row["commit"] for row in rows}))
    write_table(
        "posteriordb",
        "Five posteriors of posteriordb",
        "python benchmarks/posteriordb.py FOLDER",
        (
            "posterior",
            "seed",
            "k-hat",
            "ESS",
            "worst mean",
            "share of the tolerance",
            "worst sd",
            "evaluations",
            "s",
            "verdict",
        ),
        [cells(row) for row in rows],
        "`worst mean` and `worst sd`: the largest distances from the reference draws, in Monte Carlo errors of both. "
        f"The tolerance of a mean is {ERRORS:g} such errors + {SHARE_OF_SD:.0%} of a posterior standard deviation; the "
        "share is the largest of any mean, below 1 within it. Seconds include compilation, beside other jobs. "
        f"Commits {commits}.",
    )


def measured(posterior: str, folder: str, seed: int, catalogue: bl.Catalogue) -> dict[str, Any]:
    """One run, as a row."""
    began = time.perf_counter()
    settings = {"data.posteriordb": folder}
    run = bl.train(f"posteriordb:{posterior}", seed=seed, settings=settings, catalogue=catalogue)
    seconds = time.perf_counter() - began
    metrics = run.metrics
    reference = run.target.facts.reference
    assert reference is not None, "the database has no reference draws of this posterior"
    shares = [
        abs(found["mean"] - known.mean)
        / (ERRORS * math.hypot(found["mcse"], known.mean_error) + SHARE_OF_SD * known.sd)
        for name, known in reference.items()
        for found in [metrics["moments"][name]]
    ]
    return {
        "posterior": posterior,
        "seed": seed,
        "khat": metrics["khat"],
        "ess": metrics["ess"],
        "mean_error": metrics["reference_mean_error"],
        "share": max(shares),
        "sd_error": metrics["reference_sd_error"],
        "evaluations": metrics["gradient_evaluations"] + metrics["energy_evaluations"],
        "seconds": seconds,
        "verdict": metrics["verdict"]["verdict"],
        "commit": commit(),
    }


def cells(row: Mapping[str, Any]) -> list[str]:
    """A row of the table."""
    khat = "-" if row["khat"] is None else f"{row['khat']:.2f}"
    return [
        f"`{row['posterior']}`",
        str(row["seed"]),
        khat,
        f"{row['ess']:.3f}",
        f"{row['mean_error']:.2f}",
        f"{row['share']:.2f}",
        f"{row['sd_error']:.2f}",
        f"{row['evaluations'] / 1000:.0f} k",
        f"{row['seconds']:.0f}",
        row["verdict"],
    ]


if __name__ == "__main__":
    main()
