"""Trials on disk: figures and curve as NAME.json, at most 4,096 draws as NAME.npz."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from biglearn_sampler.comparison import CoveragePoint, Trial
from biglearn_sampler.evaluation import Draws
from biglearn_sampler.runs.whole_files import WholeFiles

ARRAYS = ("points", "log_target", "log_sampler", "weights", "chains", "families")

NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class TrialFiles:
    """The trials in one folder.

    Arguments:
        files: the folder.
    """

    files: WholeFiles

    def write(self, name: str, trial: Trial, about: Mapping[str, Any] = NOTHING) -> None:
        """Write a trial; the draws first, so that a trial with figures is whole.

        Arguments:
            name: of its files, without an ending.
            trial: figures, curve and draws.
            about: what else stands in its JSON file.
        """
        if trial.draws is not None:
            self.files.write_arrays(f"{name}.npz", _arrays(trial.draws))
        content = {
            **about,
            "method": trial.method,
            "seed": trial.seed,
            "failed": trial.failed,
            "curve": [list(point) for point in trial.curve],
            "figures": dict(trial.figures),
        }
        self.files.write_json(f"{name}.json", content)

    def read(self, name: str, method: str, seed: int) -> Trial | None:
        """A trial, or `None` if it is not there.

        Raises:
            RunFolderError: its files are damaged.
        """
        content = self.files.read_json(f"{name}.json")
        if not content:
            return None
        try:
            curve = [CoveragePoint(int(spent), int(modes), float(off)) for spent, modes, off in content["curve"]]
            failed, figures = content["failed"], dict(content["figures"])
        except (KeyError, TypeError, ValueError) as error:
            raise self.files.damaged(f"{name}.json", "expected a trial, with its figures and curve") from error
        if failed is not None:
            return Trial(method, seed, figures, curve, failed=str(failed))
        return Trial(method, seed, figures, curve, self._draws(f"{name}.npz"))

    def _draws(self, name: str) -> Draws:
        arrays = self.files.read_arrays(name, ARRAYS, optional=True)
        points, log_target = arrays.get("points"), arrays.get("log_target")
        if points is None or log_target is None or points.ndim != 2 or log_target.shape != points.shape[:1]:
            raise self.files.damaged(name, "expected draws of shape (count, dim) with a log density for each")
        chains = int(arrays["chains"]) if "chains" in arrays else None
        families = arrays.get("families")
        if families is not None:
            if families.shape != log_target.shape:
                raise self.files.damaged(name, "expected the number of a family for every draw")
            families = np.unique(families, return_inverse=True)[1]
        return Draws(points, log_target, arrays.get("log_sampler"), chains, arrays.get("weights"), families=families)


def _arrays(draws: Draws) -> dict[str, np.ndarray]:
    arrays = {name: getattr(draws, name) for name in ARRAYS}
    return {name: np.asarray(array) for name, array in arrays.items() if array is not None}
