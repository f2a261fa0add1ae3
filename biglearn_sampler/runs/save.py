"""A run that was trained without a folder, written into one."""

from __future__ import annotations

from pathlib import Path

from biglearn_sampler.errors import UserError
from biglearn_sampler.runs.folder import RunFolder
from biglearn_sampler.runs.run import Run


def save(run: Run, folder: str | Path) -> Path:
    """Write a run into a new folder, as `train(..., out=folder)` does, but for its figures; `load` brings it back.

    Arguments:
        run: any, also one that was loaded.
        folder: is made; it must not exist, or be empty.

    Returns:
        the folder.

    Raises:
        UserError: what was given is no run.
        RunFolderError: it holds something already, or cannot be made or written.

    Example:
        >>> import tempfile
        >>> import biglearn_sampler as bl
        >>> run = bl.train("two_modes", settings={"training.steps": 100})
        >>> with tempfile.TemporaryDirectory() as place:
        ...     bl.load(bl.save(run, f"{place}/run")).metrics["elbo"] == run.metrics["elbo"]
        True
    """
    if not isinstance(run, Run):
        raise UserError(f"save takes a run, as train gives it, got {type(run).__name__}")
    written = RunFolder.create(Path(folder))
    for row in run.history:
        written.append_history(row)
    written.write_mixture(run.sampler)
    written.write_snapshots(run.snapshots)
    written.write_json("metrics.json", run.metrics)
    # Last of all: a folder without it holds no run.
    written.write_json("run.json", run.record)
    return written.path
