"""Checks of a report, on canned runs: nothing is trained."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from biglearn_sampler.energy import AbstractTarget, Evaluations, MixtureTarget, function_target
from biglearn_sampler.mixture import GaussianMixture
from biglearn_sampler.runs.report import AbstractReport, paths_problem
from biglearn_sampler.runs.run import Run, Snapshot
from biglearn_sampler.testing.fault import Fault, called

CHUNKS = 3


def check_written(report: AbstractReport) -> None:
    """The files of which the paths are returned lie in the folder and are not empty; no path at all is allowed."""
    for situation, run in _runs():
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            paths = called(f"`write` on {situation}", report.write, run, folder)
            problem = paths_problem(paths, folder)
            if problem is not None:
                raise Fault(f"`write` on {situation} {problem}")


def check_target_drawn(report: AbstractReport) -> None:
    """`draw_target` says whether it drew, and a picture that it drew lies at the path it was given."""
    for target in (_energy_only(1), _known(2), _known(5), _energy_only(5)):
        with tempfile.TemporaryDirectory() as temporary:
            path = Path(temporary) / "picture.png"
            what = f"`draw_target` on a target in {target.dim} dimensions"
            drawn = called(what, report.draw_target, target, "canned", path)
            if drawn is not (path.is_file() and path.stat().st_size > 0):
                found = "a" if path.exists() else "no"
                raise Fault(
                    f"{what} returned {drawn!r}, and there is {found} file at the path; expected True with a picture "
                    "there, or False without"
                )


def _runs() -> Iterator[tuple[str, Run]]:
    yield "a run in 2 dimensions", _canned(_known(2), recorded=True)
    yield "a run in 5 dimensions", _canned(_known(5), recorded=True)
    # As loaded from the folder of a run that was interrupted early.
    yield "an energy in 1 dimension of which nothing was recorded", _canned(_energy_only(1), recorded=False)


def _canned(target: AbstractTarget, *, recorded: bool) -> Run:
    snapshots = [Snapshot(100 * number, _mixture(target.dim, 1.0 + 0.3 * number)) for number in range(CHUNKS)]
    return Run(
        target=target,
        name="canned",
        sampler=snapshots[-1].mixture,
        metrics=_metrics() if recorded else {},
        history=[_row(number) for number in range(1, CHUNKS)] if recorded else [],
        snapshots=snapshots if recorded else [],
        record={"status": "finished" if recorded else "interrupted", "seed": 0, "settings": {}, "entries": []},
    )


def _metrics() -> dict[str, Any]:
    """As in `metrics.json`, one figure missing."""
    return {
        "elbo": -0.2,
        "ess": 0.7,
        "khat": None,
        "standard_errors": {"elbo": 0.01},
        "reasons": {"khat": "the largest weights are equal to rounding; k-hat has no meaning there"},
        "moments": {"x[0]": {"mean": 0.1, "sd": 1.0, "mcse": 0.02}},
        **Evaluations(gradient=9000).to_json(),
        "baselines": {},
    }


def _row(number: int) -> dict[str, Any]:
    """As in `history.jsonl`; a task that was not drawn has no loss."""
    return {
        "step": 100 * number,
        **Evaluations(gradient=4000 * number).to_json(),
        "evaluations_by_source": {"energy": 4000 * number},
        "evaluations_by_task": {"joint": 4000 * number, "marginal": 0},
        "skipped_steps": {"joint": 0, "marginal": 0},
        "reservoir": None,
        "loss": {"joint": 1.0 / number, "marginal": None},
        "modes_covered": number,
        "zero_density": 0,
        "rejected": 0,
        "seconds": 0.1 * number,
    }


def _known(dim: int) -> AbstractTarget:
    return MixtureTarget.of(_mixture(dim, 2.0), scale=4.0)


def _energy_only(dim: int) -> AbstractTarget:
    return function_target(lambda point: -0.5 * jnp.sum(point**2), dim=dim, scale=3.0)


def _mixture(dim: int, distance: float) -> GaussianMixture:
    return GaussianMixture.of(np.stack([np.full(dim, -distance), np.full(dim, distance)]), 0.3, [0.7, 0.3])
