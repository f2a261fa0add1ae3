"""Whether the agreement of tasks stops a fit where going on would not predict better.

    python benchmarks/data_stopping.py            exact draws of the gallery; some minutes
    python benchmarks/data_stopping.py FOLDER     the real data of `data_clustering.py` too; letter takes minutes a seed

Each fit is made twice with one seed: with its stopping rule, and with the rule away and `LONG` times as many steps,
while the likelihood of held-out points is watched at every joint optimum. `lost` is the best of these less the held-out
likelihood of the fit that stopped, as a share of what that best one gains over a single Gaussian, all as means over the
seeds. A negative share says that the stopped fit is better than all that was passed, by the drawing together of its
components. The best of many that differ by chance alone, on the points that choose it, flatters the way, the more the
fewer they are: glass has 43. So `chosen elsewhere` takes each half of them for what the other half chose.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from data_clustering import COMPONENTS, split
from report import RESULTS, add_row, commit, latest_rows, write_table

import biglearn_sampler as bl
from biglearn_sampler.catalogue import Catalogue
from biglearn_sampler.data.sums import log_densities

GALLERY: dict[str, int] = {"grid25": 25, "two_modes": 2, "mog40": 40, "gmm20": 10, "rings": 20, "funnel": 10}
"""Targets with exact draws, and as many components as they have modes, or some for those that are no mixtures."""

REAL = ("glass", "vehicle", "pendigits", "letter")
TRAIN, TEST, LONG, LEAST = 2_000, 5_000, 3, 3_000
ROWS = RESULTS / "data_stopping.jsonl"


class Case(NamedTuple):
    """Points to learn from and held-out ones."""

    name: str
    components: int
    train: np.ndarray
    test: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=[*GALLERY, *REAL])
    asked, catalogue, version = parser.parse_args(), Catalogue(), commit()
    for seed in range(asked.seeds):
        for case in cases(asked.only, asked.folder, seed, catalogue):
            row = measured(case, seed, catalogue)
            add_row(ROWS, {"data": case.name, "components": case.components, "seed": seed, "commit": version, **row})
    write_results()


def write_results() -> None:
    """The table of all rows that were kept."""
    rows = latest_rows(ROWS, "data", "seed")
    write_table(
        "data_stopping",
        "Stopping by the agreement of tasks",
        "python benchmarks/data_stopping.py FOLDER",
        (
            *("data", "K", "seeds", "steps", "held-out: stopped", "best on the way", "one Gaussian"),
            *("lost", "lost, chosen elsewhere", "worst seed", "best seed", "agreed"),
        ),
        [
            line([row for row in rows if row["data"] == name])
            for name in (*GALLERY, *REAL)
            if any(row["data"] == name for row in rows)
        ],
        "Held-out figures are mean log densities in nats; all are means over the seeds, steps are medians. `lost` has "
        "the standard error of the mean difference. `chosen elsewhere`: the best of each half of the points, as the "
        "other half chooses it. Measured at commits "
        f"{', '.join(sorted({row['commit'] for row in rows}))}.",
    )


def cases(names: list[str], folder: Path | None, seed: int, catalogue: Catalogue) -> Iterator[Case]:
    """The data sets, for one seed."""
    for name in names:
        if name in GALLERY:
            sample = catalogue.build("target", name).value.facts.sample
            points = np.asarray(sample(jax.random.key(seed), TRAIN + TEST), float)
            yield Case(name, GALLERY[name], points[:TRAIN], points[TRAIN:])
        elif folder is not None:
            train, test, _ = split(folder, name, seed)
            yield Case(name, COMPONENTS[name], train, test)


def measured(case: Case, seed: int, catalogue: Catalogue) -> dict[str, Any]:
    """One fit with its rule and one without."""
    options: dict[str, Any] = {"seed": seed, "catalogue": catalogue}
    stopped = bl.fit_data(case.train, case.components, **options)
    steps, origin = max(LEAST, LONG * stopped.metrics["steps"]), case.train.mean(0)
    halves = np.array_split(np.random.default_rng(seed).permutation(len(case.test)), 2)
    watched: list[list[float]] = []

    def watch(_: Any, parameters: Any) -> None:
        centred = parameters.affine(-origin, np.ones(len(origin)))
        held_out = np.asarray(log_densities(case.test - origin, centred), float)
        watched.append([held_out[half].mean() for half in halves])

    bl.fit_data(case.train, case.components, steps=steps, agreement=steps, watcher=watch, **options)
    sizes, way = [len(half) for half in halves], np.array(watched)
    chosen = [way[way[:, 1 - half].argmax(), half] for half in (0, 1)]
    return {
        "steps": stopped.metrics["steps"],
        "long": steps,
        "stopped": float(stopped.log_densities(case.test).mean()),
        "best": float(np.average(way, axis=1, weights=sizes).max()),
        "chosen": float(np.average(chosen, weights=sizes)),
        "single": float(bl.fit_data(case.train, 1, **options).log_densities(case.test).mean()),
        "agreed": stopped.metrics["agreed"],
    }


def line(rows: list[dict[str, Any]]) -> list[str]:
    """One row of the table: a data set over its seeds."""
    stopped, best, single = (np.array([row[name] for row in rows]) for name in ("stopped", "best", "single"))
    chosen = np.array([row.get("chosen", np.nan) for row in rows])
    missing, gain = best - stopped, best - single
    return [
        rows[0]["data"],
        *(str(number) for number in (rows[0]["components"], len(rows))),
        f"{np.median([row['steps'] for row in rows]):,.0f}",
        *(f"{values.mean():.3f}" for values in (stopped, best, single)),
        *(_share(lost, whole) for lost, whole in ((missing, gain), (chosen - stopped, chosen - single))),
        *(f"{100.0 * share:.1f} %" for share in ((missing / gain).max(), (missing / gain).min())),
        f"{sum(row['agreed'] for row in rows)} of {len(rows)}",
    ]


def _share(lost: np.ndarray, whole: np.ndarray) -> str:
    """Means of both as a share, with the standard error of the first; of seeds that have them."""
    lost, whole = lost[np.isfinite(lost)], whole[np.isfinite(whole)]
    if len(lost) < 2:
        return "-"
    error = lost.std(ddof=1) / np.sqrt(len(lost))
    return f"{100.0 * lost.mean() / whole.mean():.1f} ± {100.0 * error / whole.mean():.1f} %"


if __name__ == "__main__":
    main()
