"""How long one EM sweep takes, beside one iteration of scikit-learn's `GaussianMixture` on the same points.

    python benchmarks/data_speed.py FOLDER     FOLDER holds `letter.mat`; about a minute

Both make full sweeps (expectation and maximisation) from the same parameters, in turns, after a warm-up; the ratio is
the median over pairs. Threads are left as they are: two on the machine of the table.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from data_clustering import split
from report import write_table
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_info

from biglearn_sampler.data.matching import Matcher
from biglearn_sampler.data.maximise import Rules
from biglearn_sampler.data.parameters import Parameters
from biglearn_sampler.data.points import points_of

COMPONENTS, PAIRS, STEPS, COUNT, FLOOR = 26, 15, 4, 16_000, 0.01


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    train, _, _ = split(parser.parse_args().folder, "letter", 0)
    rows = train[:COUNT]
    theirs, start = their_sweeps(rows)
    ours = our_sweeps(rows, start)
    for warm_up in (ours, theirs):
        warm_up(1 + STEPS)
    pairs = np.array([[per_sweep(ours), per_sweep(theirs)] for _ in range(PAIRS)])
    ratio = np.median(pairs[:, 0] / pairs[:, 1])
    threads = sorted({f"{pool['internal_api']} {pool['num_threads']}" for pool in threadpool_info()})
    write_table(
        "data_speed",
        "One EM sweep on letter",
        "python benchmarks/data_speed.py FOLDER",
        ("points", "K", "BigLearn-EM, joint task: ms", "GaussianMixture: ms", "ratio: median of pairs", "threads"),
        [
            [
                f"{rows.shape[0]:,} x {rows.shape[1]}",
                str(COMPONENTS),
                *(f"{1e3 * value:.1f}" for value in np.median(pairs, 0)),
                f"{ratio:.2f}",
                ", ".join(threads),
            ]
        ],
        f"Medians of {PAIRS} pairs; a time is that of {1 + STEPS} sweeps less that of one, divided by {STEPS}, so that "
        "what is done once for a fit is not counted.",
    )


def per_sweep(sweeps: Callable[[int], None]) -> float:
    """Seconds of one sweep."""
    return (seconds(sweeps, 1 + STEPS) - seconds(sweeps, 1)) / STEPS


def seconds(sweeps: Callable[[int], None], count: int) -> float:
    began = time.perf_counter()
    sweeps(count)
    return time.perf_counter() - began


def their_sweeps(rows: np.ndarray) -> tuple[Callable[[int], None], Parameters]:
    """Sweeps of scikit-learn, and the parameters that they start from."""
    start: Any = GaussianMixture(
        COMPONENTS, init_params="random_from_data", max_iter=20, reg_covar=FLOOR, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        start.fit(rows)

    def sweeps(count: int) -> None:
        model = GaussianMixture(
            COMPONENTS,
            max_iter=count,
            tol=0.0,
            reg_covar=FLOOR,
            weights_init=start.weights_,
            means_init=start.means_,
            precisions_init=start.precisions_,
            init_params="random_from_data",
            random_state=0,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(rows)

    return sweeps, Parameters(np.log(start.weights_), start.means_, start.covariances_)


def our_sweeps(rows: np.ndarray, start: Parameters) -> Callable[[int], None]:
    """Sweeps of ours, from the same parameters."""
    points = points_of(rows, None, standardized=False, missing=False)
    matcher = Matcher(points, Rules(FLOOR))
    centred = start.affine(-points.centre, points.scale)

    def sweeps(count: int) -> None:
        matcher.joint(centred, count)

    return sweeps


if __name__ == "__main__":
    main()
