"""Eight schools over seeds 0-9: importance-weighted means beside a long NUTS run on the same energy.

    python benchmarks/eight_schools.py [--seeds N]

Every run is `biglearn train eight_schools --set scheduler=joint`; the NUTS run has 4 chains of 20,000 draws. The
tolerance of every mean is 0.05 posterior standard deviations plus 4 Monte Carlo errors of both together.
"""

from __future__ import annotations

import argparse
import math
import time

from report import write_table

import biglearn_sampler as bl

LONG_NUTS = {"name": "nuts", "chains": 4, "warmup": 2000, "draws": 20_000, "target_accept": 0.95}
SETTINGS = {"scheduler": "joint"}
SHARE_OF_SD = 0.05
ERRORS = 4.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    seeds = parser.parse_args().seeds
    catalogue = bl.Catalogue()
    first = bl.train("eight_schools", seed=0, settings=SETTINGS, baselines=[LONG_NUTS], catalogue=catalogue)
    reference = first.metrics["baselines"]["nuts"]["moments"]
    quantities = ["mu", "tau", *(f"theta[{school}]" for school in range(8))]
    rows, seconds = [], []
    moments = []
    for seed in range(seeds):
        began = time.perf_counter()
        run = bl.train("eight_schools", seed=seed, settings=SETTINGS, catalogue=catalogue)
        seconds.append(time.perf_counter() - began)
        moments.append(run.metrics["moments"])
        print(seed, run.metrics["elbo"], run.metrics["khat"], f"{seconds[-1]:.1f} s", flush=True)
    for quantity in quantities:
        exact = reference[quantity]
        used = [
            abs(ours[quantity]["mean"] - exact["mean"])
            / (SHARE_OF_SD * exact["sd"] + ERRORS * math.hypot(ours[quantity]["mcse"], exact["mcse"]))
            for ours in moments
        ]
        rows.append(
            [
                quantity,
                f"{exact['mean']:.3f} ± {exact['mcse']:.3f}",
                f"{exact['sd']:.3f}",
                f"{moments[0][quantity]['mean']:.3f} ± {moments[0][quantity]['mcse']:.3f}",
                f"{max(used):.2f}",
            ]
        )
    write_table(
        "eight_schools",
        "Eight schools beside NUTS",
        f"python benchmarks/eight_schools.py --seeds {seeds}",
        ("quantity", "long NUTS", "sd", "sampler, seed 0", "largest share of the tolerance over seeds"),
        rows,
        f"Seconds of a run, compilation and evaluation included: median {sorted(seconds)[len(seconds) // 2]:.1f}, "
        f"most {max(seconds):.1f}. The tolerance is {SHARE_OF_SD} sd + {ERRORS:g} Monte Carlo errors; a share below 1 "
        "is within it.",
    )


if __name__ == "__main__":
    main()
