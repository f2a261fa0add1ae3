"""What `biglearn cluster` leaves behind: a folder from which `biglearn sample` draws."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from biglearn_sampler.data.cluster import Clustering
from biglearn_sampler.runs.folder import RunFolder
from biglearn_sampler.runs.whole_files import FORMAT


def write_clustering(found: Clustering, path: Path, asked: Mapping[str, Any]) -> None:
    """Write labels, figures, history and the mixture into a new folder.

    Arguments:
        found: the clusters.
        path: the folder.
        asked: what was asked for, as JSON has it.
    """
    folder = RunFolder(path)
    folder.write_text("labels.csv", "\n".join(["cluster", *map(str, found.labels)]) + "\n")
    folder.write_mixture(found.fit.mixture)
    for row in found.fit.history:
        folder.append_history(row)
    record = {"format": FORMAT, "status": "finished", "command": sys.argv, "cluster": dict(asked)}
    folder.write_json("cluster.json", found.to_json())
    folder.write_json("run.json", record)
