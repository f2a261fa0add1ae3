"""What `biglearn cluster` leaves behind: a folder from which `biglearn sample` draws.

cluster.json    the figures
labels.csv      the cluster of every point
parameters.npz  the mixture in double precision: `weights`, `covariances`, `origin`, and `means` less the origin
sampler.npz     the same in the floats of the device, as every run has it
history.jsonl   one row for each round of tasks
run.json        what was asked for
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from biglearn_sampler.data.cluster import Clustering
from biglearn_sampler.data.parameters import Parameters
from biglearn_sampler.data.result import DataFit
from biglearn_sampler.runs.folder import RunFolder
from biglearn_sampler.runs.whole_files import FORMAT

PARAMETERS = "parameters.npz"

FIELDS = ("weights", "means", "covariances", "origin")


def write_clustering(found: Clustering, path: Path, asked: Mapping[str, Any], status: str = "finished") -> None:
    """Write labels, figures, history and the mixture into a new folder.

    Arguments:
        found: the clusters.
        path: the folder.
        asked: what was asked for, as JSON has it.
        status: `finished` or `interrupted`.
    """
    folder = RunFolder(path)
    folder.write_text("labels.csv", "\n".join(["cluster", *map(str, found.labels)]) + "\n")
    folder.files.write_arrays(PARAMETERS, _arrays(found.fit))
    # What is lost in it is in the file above.
    folder.write_mixture(found.fit.parameters.rounded())
    for row in found.fit.history:
        folder.append_history(row)
    record = {"format": FORMAT, "status": status, "command": sys.argv, "cluster": dict(asked)}
    folder.write_json("cluster.json", found.to_json())
    folder.write_json("run.json", record)


def draws_of_clustering(folder: RunFolder, count: int, seed: int) -> Float[np.ndarray, "count dim"] | None:
    """Draws from a clustering, in double precision; `None` from folders that hold no such mixture.

    Arguments:
        folder: of any run.
        count: number of draws.
        seed: the same seed gives the same draws.

    Raises:
        RunFolderError: the file is damaged.
    """
    if not folder.files.has(PARAMETERS):
        return None
    weights, means, covariances, origin = (folder.files.read_arrays(PARAMETERS, FIELDS)[name] for name in FIELDS)
    components, dim = means.shape if means.ndim == 2 else (0, 0)
    shapes = weights.shape == (components,), covariances.shape == (components, dim, dim), origin.shape == (dim,)
    numbers = all(array.dtype == float and np.isfinite(array).all() for array in (weights, means, covariances, origin))
    if not (components and dim and all(shapes) and numbers and (weights >= 0).all() and weights.sum() > 0):
        raise folder.files.damaged(PARAMETERS, "expected weights, means, covariances and an origin in double precision")
    generator = np.random.default_rng(seed)
    chosen = generator.choice(components, count, p=weights / weights.sum())
    try:
        return origin + Parameters(np.zeros(components), means, covariances).draws(chosen, generator)
    except np.linalg.LinAlgError as error:
        raise folder.files.damaged(PARAMETERS, "a covariance is not positive definite") from error


def _arrays(fit: DataFit) -> dict[str, np.ndarray]:
    """The mixture about the mean of the data, where columns far from zero keep their digits."""
    law = fit.parameters.affine(-fit.origin, np.ones(fit.parameters.dim))
    return {"weights": law.weights, "means": law.means, "covariances": law.covariances, "origin": fit.origin}
