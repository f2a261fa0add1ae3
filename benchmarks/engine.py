"""The default training on targets with published records: quality, evaluations and seconds, seed by seed.

    python benchmarks/engine.py [--only NAME,...] [--seeds 0-9]     measure, and add to results/engine.jsonl
    python benchmarks/engine.py --table                             write results/engine.md from it

Nothing is set but the targets' own parameters and, where the name says so, the start. Evaluations are those of energy
and gradient that the training asked for; the look at the door, the verdict and the draws behind the figures are not
counted. Seconds are wall time of the training, with compilation, and of that what went into compilation. Memory is the
most that the process held. Every run has a process of its own, and compiles anew. German credit needs its file:
`--german PATH`.
"""

from __future__ import annotations

import argparse
import resource
import statistics
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any

import jax
import numpy as np
from report import RESULTS, add_row, commit, latest_rows, write_table

import biglearn_sampler as bl
from biglearn_sampler.evaluation.drawing import draws_of

ROWS = RESULTS / "engine.jsonl"
CORNER = {"start.mean": -5.0, "start.sd": 0.1}
DRAWS = 64_000
"""For figures that belong to one target."""

Extra = Callable[[np.ndarray, np.ndarray], dict[str, float]]


def planar_goals(points: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    """Largest error of the mass of a goal. The true masses are those of a Rao-Blackwellised draw from the prior."""
    angle = np.cumsum(points, 1)
    end = np.stack([np.cos(angle).sum(1), np.sin(angle).sum(1)], 1)
    goals = np.array([[7.0, 0.0], [0.0, 7.0], [-7.0, 0.0], [0.0, -7.0]])
    nearest = ((end[:, None] - goals) ** 2).sum(-1).argmin(1)
    mass = np.bincount(nearest, minlength=4) / len(points)
    return {"goal mass error": float(np.abs(mass - [0.3442, 0.2858, 0.0841, 0.2858]).max())}


def wells(points: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    """Largest error of the mass of the left well over the pairs of coordinates."""
    left = (points[:, ::2] < 0).mean(0)
    return {"well mass error": float(np.abs(left - 0.1557).max())}


def magnetisation(points: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    """Error of the mass of one phase, and the importance-weighted mean absolute field."""
    mean = points.mean(1)
    return {"P(m>0) error": float(abs((mean > 0).mean() - 0.5)), "mean |m|": float(weights @ np.abs(mean))}


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Arguments:
        name: of the row.
        target: in the catalogue.
        record: what was published, and what it cost.
        parameters: of the target.
        settings: of the run.
        extra: further figures, from points and normalised weights.
    """

    name: str
    target: str
    record: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    extra: Extra | None = None


GRID = "GMMVI 3.3-3.9 M, 75-88 CPU s; paper's code 23-24 modes, 20 M exact-channel evaluations"
FAR = {"separation": 20.0, "variance": 1.0, "first_weight": 0.1, "scale": 10.0}
CASES = (
    Case("grid25 corner", "grid25", GRID, settings=CORNER),
    Case("grid25 corner, scale 0.1", "grid25", "none known", {"scale": 0.1}, CORNER),
    Case("grid25 corner, scale 0.5", "grid25", "none known", {"scale": 0.5}, CORNER),
    Case("grid25 corner, scale 100", "grid25", "none known", {"scale": 100.0}, CORNER),
    Case("mog40", "mog40", "GMMVI gap 0.003-0.014 at 1.3-1.4 M; SGDS gap 0.73 at 6 M"),
    Case("mog40_fab", "mog40_fab", "as mog40"),
    Case("mog40 50-D", "mog40", "diffusion samplers at the sampling floor, 1e7-1e8", {"dim": 50}),
    Case("two modes .1/.9", "two_modes", "-", FAR),
    Case("gmm20", "gmm20", "VIPS 0.02 at 62-86 k; GMMVI 0.69-0.84 M"),
    Case("gmm100", "gmm100", "GMMVI 0.00-0.01"),
    Case("stm20", "stm20", "0.05-0.08 below 0, hours"),
    Case("funnel", "funnel", "mixture VI -0.212; diffusion -0.04"),
    Case("breast cancer", "logistic_regression", "GMMVI -78.00, 2 h x 5 cores", {"data": "breast_cancer"}),
    Case("german credit", "logistic_regression", "-585.10", {"data": "german_credit"}),
    Case("planar robot", "planar_robot", "GMMVI -11.47, 8 h x 5 cores", extra=planar_goals),
    Case("many well", "many_well", "FAB log Z 0.03 (MAE)", extra=wells),
    Case("rings", "rings", "log Z 6.69228 (exact)"),
    Case("mueller_brown", "mueller_brown", "log Z 5.36608 (exact)"),
    Case("phi4", "phi4", "HMC mean |m| 2.0870", extra=magnetisation),
)


def measured(case: Case, seed: int, german: str | None) -> dict[str, Any]:
    """One run and its figures."""
    parameters = dict(case.parameters)
    if parameters.get("data") == "german_credit":
        parameters["path"] = german
    run = bl.train(case.target, seed=seed, settings={**case.settings, "reports": []}, parameters=parameters)
    metrics = run.metrics
    kept = ("elbo", "log_z_error", "ess", "khat", "modes_covered", "modes_total", "mode_mass_tv", "components")
    row = {name: metrics.get(name) for name in kept}
    if case.extra is not None:
        draws = draws_of(run.sampler, run.target, DRAWS, jax.random.key(10_000 + seed))
        log_weights = draws.log_target - draws.log_sampler
        weights = np.exp(log_weights - log_weights.max())
        row |= case.extra(draws.points, weights / weights.sum())
    return {
        "case": case.name,
        "seed": seed,
        **row,
        "elbo_error": metrics["standard_errors"].get("elbo"),
        "evaluations": metrics["energy_evaluations"] + metrics["gradient_evaluations"],
        "ended": metrics["training_ended"],
        "seconds": metrics["seconds_compile"] + metrics["seconds_run"],
        "seconds_compile": metrics["seconds_compile"],
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "verdict": metrics["verdict"]["verdict"],
        "commit": commit(),
    }


def write(rows: Sequence[Mapping[str, Any]]) -> None:
    """The table, one line for each target and each seed."""
    columns = ("target", "seed", "ELBO", "log Z error", "ESS", "k-hat", "modes", "TV", "K", "evaluations")
    columns = (*columns, "seconds", "of these compiling", "MB", "verdict", "further", "commit")
    lines, summary = [], []
    for case in CASES:
        mine = sorted((row for row in rows if row["case"] == case.name), key=lambda row: row["seed"])
        lines += [_line(row) for row in mine]
        if mine:
            summary.append(_summary(case, mine))
    head = ("target", "runs", "ELBO: mean, least", "evaluations: median, most", "seconds: median, most")
    head = (*head, "modes", "covered", "published, and its cost")
    text = "\n".join(["", f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *summary])
    commits = [row["commit"] for row in rows]
    write_table("engine", "The default training", "python benchmarks/engine.py", columns, lines, text, commits)


def _summary(case: Case, rows: Sequence[Mapping[str, Any]]) -> str:
    def of(name: str) -> list[float]:
        return [row[name] for row in rows]

    full = [row["modes_covered"] == row["modes_total"] for row in rows if row["modes_total"]]
    cells = [
        case.name,
        str(len(rows)),
        f"{statistics.mean(of('elbo')):.4f}, {min(of('elbo')):.4f}",
        f"{statistics.median(of('evaluations')) / 1e3:.0f} k, {max(of('evaluations')) / 1e3:.0f} k",
        f"{statistics.median(of('seconds')):.0f}, {max(of('seconds')):.0f}",
        f"all in {sum(full)} of {len(full)}" if full else "-",
        f"{sum(row['verdict'] == 'covered' for row in rows)} of {len(rows)}",
        case.record,
    ]
    return f"| {' | '.join(cells)} |"


def _line(row: Mapping[str, Any]) -> list[str]:
    def number(name: str, form: str) -> str:
        return "-" if row.get(name) is None else format(row[name], form)

    known = {"planar robot": planar_goals, "many well": wells, "phi4": magnetisation}
    names = ("goal mass error", "well mass error", "P(m>0) error", "mean |m|") if row["case"] in known else ()
    return [
        row["case"],
        str(row["seed"]),
        f"{row['elbo']:.4f} ± {row['elbo_error'] or 0:.4f}",
        number("log_z_error", ".4f"),
        number("ess", ".3f"),
        number("khat", ".2f"),
        f"{row['modes_covered']}/{row['modes_total']}" if row["modes_total"] else "-",
        number("mode_mass_tv", ".4f"),
        str(row["components"]),
        f"{row['evaluations'] / 1e3:.0f} k",
        f"{row['seconds']:.1f}",
        f"{row['seconds_compile']:.1f}",
        str(row["megabytes"]),
        row["verdict"],
        ", ".join(f"{name} {row[name]:.4f}" for name in names if name in row) or "-",
        row["commit"],
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="names of rows, separated by semicolons")
    parser.add_argument("--seeds", default="0-9", help="first and last seed")
    parser.add_argument("--german", help="path of german.data-numeric")
    parser.add_argument("--table", action="store_true", help="only write the table")
    arguments = parser.parse_args()
    if not arguments.table:
        first, last = map(int, arguments.seeds.split("-"))
        wanted = [name.strip() for name in arguments.only.split(";") if name.strip()]
        with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
            for case in CASES:
                if (wanted and case.name not in wanted) or (case.name == "german credit" and not arguments.german):
                    continue
                for seed in range(first, last + 1):
                    add_row(ROWS, pool.submit(measured, case, seed, arguments.german).result())
        return
    write(latest_rows(ROWS, "case", "seed"))


if __name__ == "__main__":
    main()
