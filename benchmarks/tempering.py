"""Whether parallel tempering finds the masses of all modes, and log Z, within its own errors.

    python benchmarks/tempering.py              seeds 0 to 9 at 4 million evaluations; about eight minutes

The settings are the defaults, and every chain starts in the declared region. `phi4` is also run on four sites, where
its `log Z` is known by quadrature.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from report import write_table

from biglearn_sampler.catalogue import Catalogue
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.evaluation import BaselineResult
from biglearn_sampler.evaluation.importance import effective_count
from biglearn_sampler.runs.settings import Settings
from biglearn_sampler.runs.start import start_region
from biglearn_targets.double_well import LEFT_MASS

SEEDS = range(10)
BUDGET = 4_000_000


@dataclass(frozen=True)
class Case:
    """A target with what it is asked.

    Arguments:
        name, parameters: of the target.
        log_z: the truth, where the target does not know it.
    """

    name: str
    parameters: dict[str, Any]
    log_z: float | None = None

    @property
    def label(self) -> str:
        """With the parameters that are not the defaults."""
        return " ".join([f"`{self.name}`", *(f"{name}={value}" for name, value in self.parameters.items())])


def phi4_log_z(kappa: float, lambda_: float) -> float:
    """Of 2 x 2 sites: given two sites across, the other two are independent."""
    grid = np.linspace(-12.0, 12.0, 961)
    alone = -(1.0 - 2.0 * lambda_) * grid**2 - lambda_ * grid**4
    between = np.exp(alone + 4.0 * kappa * np.linspace(-24.0, 24.0, 1921)[:, None] * grid).sum(1)
    index = np.add.outer(np.arange(961), np.arange(961))
    whole = (np.exp(np.add.outer(alone, alone)) * between[index] ** 2).sum()
    return float(np.log(whole) + 4.0 * np.log(grid[1] - grid[0]))


CASES = (
    Case("grid25", {}),
    Case("mog40", {}),
    Case("many_well", {}),
    Case("phi4", {}),
    Case("phi4", {"side": 2, "kappa": 0.4}, phi4_log_z(0.4, 0.022)),
)


def main() -> None:
    catalogue = Catalogue()
    baseline = catalogue.build("baseline", "parallel_tempering").value
    rows = []
    for case in CASES:
        target = catalogue.build("target", case.name, case.parameters).value
        start = start_region(Settings().start, target)
        for seed in SEEDS:
            result = baseline.run(target, start, jax.random.key(seed), BUDGET)
            rows.append(row(case, target, seed, result))
            print(*rows[-1], flush=True)
    write_table(
        "tempering",
        "Parallel tempering: masses of modes and log Z",
        "python benchmarks/tempering.py",
        (
            "target",
            "seed",
            "evaluations",
            "modes",
            "mass TV",
            "largest score",
            "log Z",
            "score",
            "barrier",
            "trips",
            "s",
        ),
        rows,
        "A score is the distance from the truth in standard errors of the run's own. The largest is over all modes, "
        "and over 25 or 40 of them is above 3 in one exact run out of fifteen or ten. The modes of `many_well` are too "
        "many to count: its scores are those of the right well of each of 16 pairs, and its mass TV is their largest "
        "error. Of `phi4` on 64 sites log Z is not known. The barrier is the sum of the rejection rates between "
        "neighbouring temperatures, trips are those of replicas from the reference to the target, and s are seconds "
        "without compilation, of warm-up and draws.",
    )


def row(case: Case, target: AbstractTarget, seed: int, result: BaselineResult) -> tuple[str, ...]:
    """One line of the table."""
    shares, errors, truth = masses(case, target, result)
    distance = shares - truth
    if case.name == "many_well":
        modes, error = "-", float(np.abs(distance).max())
    else:
        modes, error = f"{int((shares > 0.1 * truth).sum())} of {len(truth)}", 0.5 * float(np.abs(distance).sum())
    log_z = result.log_z
    assert log_z is not None and log_z.value is not None and log_z.standard_error is not None
    known = case.log_z if case.log_z is not None else target.facts.log_z
    return (
        case.label,
        str(seed),
        f"{result.evaluations.total:,}",
        modes,
        f"{error:.4f}",
        f"{np.abs(distance / errors).max():.2f}",
        f"{log_z.value:.4f} +- {log_z.standard_error:.4f}",
        "-" if known is None else f"{(log_z.value - known) / log_z.standard_error:+.2f}",
        f"{result.notes['barrier']:.2f}",
        f"{result.notes['round_trips']:.0f}",
        f"{result.seconds_run:.1f}",
    )


def masses(case: Case, target: AbstractTarget, result: BaselineResult) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shares of the modes, their standard errors, and the truth."""
    draws, facts = result.draws, target.facts
    if case.name == "many_well":
        belongs, truth = (draws.points[:, ::2] > 0).astype(float), np.full(target.dim // 2, 1.0 - LEFT_MASS)
    else:
        assert facts.responsibilities is not None and facts.mode_weights is not None
        points = jnp.asarray(draws.points, float)
        belongs = np.nan_to_num(np.asarray(jax.lax.map(facts.responsibilities, points, batch_size=1024), float))
        truth = np.asarray(facts.mode_weights, float)
    assert draws.chains is not None
    counts = np.array([effective_count(values.reshape(draws.chains, -1)) for values in belongs.T])
    return belongs.mean(0), belongs.std(0, ddof=1) / np.sqrt(counts), truth


if __name__ == "__main__":
    main()
