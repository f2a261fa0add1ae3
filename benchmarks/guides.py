"""What variational guides and Pathfinder reach at one million evaluations.

    python benchmarks/guides.py [--seeds 0-0]      needs the extra `baselines`; about three minutes for each seed

Every method has its defaults. `corner` starts all of them in one corner of the grid, the other rows in the region
that the target declares.
"""

from __future__ import annotations

import argparse
import math
from typing import Any

import jax
from report import write_table

from biglearn_sampler.catalogue import Catalogue
from biglearn_sampler.runs.evaluate import baseline_figures
from biglearn_sampler.runs.settings import Settings, StartSettings
from biglearn_sampler.runs.start import start_region

BUDGET = 1_000_000
METHODS = ("multivariate_normal_guide", "flow_guide", "stein_vi", "pathfinder")
METRICS = ("elbo", "log_z", "ess", "khat", "mode_coverage")
CORNER = StartSettings(mean=-5.0, sd=0.1)
CASES = (
    ("grid25, corner", "grid25", CORNER),
    ("grid25", "grid25", Settings().start),
    ("funnel", "funnel", Settings().start),
    ("eight_schools", "eight_schools", Settings().start),
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", default="0-0")
    given = parser.parse_args().seeds
    first, last = map(int, given.split("-"))
    catalogue = Catalogue()
    rows = []
    for label, name, where in CASES:
        target = catalogue.build("target", name).value
        for method in METHODS:
            baseline: Any = catalogue.build("baseline", method).value
            for seed in range(first, last + 1):
                key = jax.random.key(seed)
                result = baseline.run(target, start_region(where, target), key, BUDGET)
                metrics = [catalogue.build("metric", metric) for metric in METRICS]
                figures = baseline_figures(result, target, metrics, jax.random.fold_in(key, 1))
                rows.append((label, method, str(seed), f"{result.evaluations.total:,}", *told(figures)))
                print(*rows[-1], flush=True)
    write_table(
        "guides",
        "Variational guides and Pathfinder at one million evaluations",
        f"python benchmarks/guides.py --seeds {given}",
        (
            "target",
            "method",
            "seed",
            "evaluations",
            "modes",
            "mass TV",
            "ELBO",
            "log Z",
            "ESS",
            "k-hat",
            "compile s",
            "s",
        ),
        rows,
        "Of Pathfinder ELBO, ESS and k-hat are those of the mixture of its laws, out of which its draws are chosen. A "
        "standard error of log Z knows nothing of modes that a method has not seen.",
    )


def told(figures: dict[str, Any]) -> tuple[str, ...]:
    """The figures of one line."""
    notes = figures["notes"]
    error = figures["standard_errors"].get("log_z")
    total = figures.get("modes_total")
    modes = f"{figures['modes_covered']} of {total}" if total else "-"
    log_z = "-" if error is None else f"{figures['log_z']:.3f} +- {error:.3f}"
    of_mixture = (notes.get(name, figures.get(name)) for name in ("elbo", "ess", "khat"))
    tail = (figures["seconds_compile"], figures["seconds_run"])
    numbers = [figures.get("mode_mass_tv"), *of_mixture, *tail]
    variation, elbo, ess, khat, compiled, ran = (
        "-" if value is None or not math.isfinite(value) else f"{value:.3f}" for value in numbers
    )
    return modes, variation, elbo, log_z, ess, khat, compiled, ran


if __name__ == "__main__":
    main()
