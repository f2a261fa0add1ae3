"""What `biglearn cluster` leaves behind: a folder from which `biglearn sample` draws."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from biglearn_sampler.data.cluster import Clustering
from biglearn_sampler.runs.folder import RunFolder
from biglearn_sampler.runs.whole_files import FORMAT


def write_clustering(found: Clustering, path: Path, asked: Mapping[str, Any], *, numbered: bool) -> Path:
    """Write labels, figures, history and the mixture; gives the folder.

    Arguments:
        found: the clusters.
        path: the folder, or the beginning of its name if `numbered`.
        asked: what was asked for, as JSON has it.
        numbered: whether the next free number is put behind the name.

    Raises:
        RunFolderError: the folder is there already and not empty, or cannot be made.
    """
    folder = RunFolder.create_numbered(path) if numbered else RunFolder.create(path)
    folder.figures.rmdir()
    folder.write_text("labels.csv", "\n".join(["cluster", *map(str, found.labels)]) + "\n")
    folder.write_mixture(found.fit.mixture)
    for row in found.fit.history:
        folder.append_history(row)
    record = {"format": FORMAT, "status": "finished", "command": sys.argv, "cluster": dict(asked)}
    folder.write_json("cluster.json", found.to_json())
    folder.write_json("run.json", record)
    return folder.path
