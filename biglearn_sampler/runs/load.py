"""A finished run, or a comparison, back from its folder."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from biglearn_sampler.bridges import build_target
from biglearn_sampler.catalogue import MADE_IN_PYTHON, Built, Catalogue, spec_of
from biglearn_sampler.comparison import OURS, Comparison
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.errors import CatalogueError, RunFolderError, TargetError
from biglearn_sampler.runs.comparison_folder import ComparisonFolder
from biglearn_sampler.runs.folder import RunFolder
from biglearn_sampler.runs.run import Run
from biglearn_sampler.runs.target_print import check_print, is_same, is_seen_in, print_of
from biglearn_sampler.runs.trust import check_trusted

logger = logging.getLogger(__name__)


def load(
    folder: str | Path,
    *,
    target: AbstractTarget | str | None = None,
    catalogue: Catalogue | None = None,
    trusted: bool = False,
) -> Run:
    """A run from its folder, also one that was interrupted once it had a sampler.

    Arguments:
        folder: as `train` wrote it.
        target: the target, or its name, for runs on a function of your own; others are built again from the record.
        catalogue: of plugins; a fresh one by default.
        trusted: whether the file may be run that the record names, where the target is a model in one. All else in a
            folder is data, and nothing of it is run.

    Raises:
        RunFolderError: the folder holds no run, a file is damaged, the target cannot be built again, or the one that is
            given is not that of the run.
    """
    opened = RunFolder.existing(Path(folder))
    record = opened.read_record()
    sampler = opened.read_mixture()
    catalogue = catalogue or Catalogue()
    if target is None:
        check_trusted(record["target"], opened.path, trusted)
        known = rebuilt_target(record["target"], catalogue, opened.path).value
    else:
        known = build_target(target, catalogue).value
    if known.dim != sampler.dim:
        raise RunFolderError(
            f"{opened.path} holds a sampler of dimension {sampler.dim}, and the target has dimension {known.dim}"
        )
    if target is not None:
        check_print(record, partial(is_seen_in, target=known), opened.path)
    return Run(
        target=known,
        name=str(record["target"].get("name")),
        sampler=sampler,
        metrics=opened.read_json("metrics.json"),
        history=opened.read_history(),
        snapshots=opened.read_snapshots(),
        record=record,
        folder=opened.path,
    )


def load_comparison(
    folder: str | Path,
    *,
    target: AbstractTarget | str | None = None,
    catalogue: Catalogue | None = None,
    trusted: bool = False,
) -> Comparison:
    """A comparison from its folder, also one that was interrupted: with the trials that it has.

    Arguments:
        folder: as `compare` wrote it.
        target, catalogue, trusted: as of `load`.

    Raises:
        RunFolderError: the folder holds no comparison, a file is damaged, the target cannot be built again, or the one
            that is given is not that of the comparison.
    """
    opened = ComparisonFolder.existing(Path(folder))
    record = opened.read_record()
    catalogue = catalogue or Catalogue()
    if target is None:
        check_trusted(record["target"], opened.path, trusted)
        known = rebuilt_target(record["target"], catalogue, opened.path).value
    else:
        known = build_target(target, catalogue).value
        check_print(record, lambda printed: is_same(printed, print_of(known)), opened.path)
    places = [(method, seed) for seed in record["seeds"] for method in (OURS, *record["methods"])]
    trials = [opened.read_trial(method, seed) for method, seed in places]
    return Comparison(
        target=known,
        name=str(record["target"].get("name")),
        trials=[trial for trial in trials if trial is not None],
        record=record,
        folder=opened.path,
    )


def rebuilt_target(
    record: Mapping[str, Any], catalogue: Catalogue, path: Path, by: str = "load"
) -> Built[AbstractTarget]:
    """The target of a record, built again.

    Arguments:
        record: as `run.json` has it.
        catalogue: where its name is looked up.
        path: of the folder, for what is told.
        by: the function that takes a target made in Python, likewise.

    Raises:
        RunFolderError: it was made in Python, or cannot be built again.
    """
    advice = "load it with load(folder, target=...)" if by == "load" else f"give it to {by}(folder, target=...)"
    if record.get("distribution") == MADE_IN_PYTHON:
        raise RunFolderError(f"the target of {path}, {record.get('name')}, was made in Python; {advice}")
    try:
        built = build_target(spec_of(record), catalogue)
    # A foreign record has other keys and other types.
    except (CatalogueError, TargetError, KeyError, TypeError, AttributeError) as error:
        raise RunFolderError(f"the target of {path} cannot be built again ({error}); {advice}") from error
    if built.record.distribution.startswith("file ") and built.record.version != record.get("version"):
        logger.warning(
            "%s has changed since the run in %s, so its target may be another", built.record.distribution, path
        )
    return built
