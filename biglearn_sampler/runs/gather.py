"""Finished runs, side by side as a comparison."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from biglearn_sampler.catalogue import Catalogue
from biglearn_sampler.catalogue.values import shown
from biglearn_sampler.comparison import OURS, Comparison, Trial
from biglearn_sampler.comparison.coverage_curve import curve_of_training
from biglearn_sampler.comparison.trial import KEPT
from biglearn_sampler.errors import RunFolderError, UserError
from biglearn_sampler.evaluation.drawing import draws_of
from biglearn_sampler.runs.comparison_folder import ComparisonFolder, is_comparison
from biglearn_sampler.runs.folder import RunFolder
from biglearn_sampler.runs.load import load, load_comparison
from biglearn_sampler.runs.run import Run
from biglearn_sampler.seeds import checked_seed

ASKED = ("energy_evaluations", "gradient_evaluations")
"""Costs without which no method can be put beside others."""


def gathered(folders: Sequence[str | Path], catalogue: Catalogue | None = None, *, trusted: bool = False) -> Comparison:
    """A comparison from its folder, or one of finished runs, and of the baselines beside them.

    Runs with the same settings, baselines and versions, and different seeds are trials of one method; others go by the
    names of their folders, and the record says of each what is not the same for all.

    Arguments:
        folders: of runs on the same target, or one folder of a comparison.
        catalogue: of plugins; a fresh one by default.
        trusted: as of `load`.

    Raises:
        UserError: runs on different targets, or a comparison among several folders.
        RunFolderError: a folder that is none, a run that did not finish, or files that are not those of a run.
    """
    paths = [Path(folder) for folder in folders]
    catalogue = catalogue or Catalogue()
    if any(is_comparison(path) for path in paths):
        if len(paths) > 1:
            raise UserError("a comparison has a page of its own; give one folder of a comparison, or folders of runs")
        return load_comparison(paths[0], catalogue=catalogue, trusted=trusted)
    runs = [load(path, catalogue=catalogue, trusted=trusted) for path in paths]
    for run, path in zip(runs, paths, strict=True):
        _check_complete(run, RunFolder(path))
    return comparison_of(runs)


def comparison_of(runs: Sequence[Run]) -> Comparison:
    """Runs, and the figures of the baselines beside them, as one comparison.

    Raises:
        UserError: there is none, or they are on different targets.
    """
    if not runs:
        raise UserError("there is no run to report on")
    first = runs[0]
    for run in runs:
        if run.record["target"] != first.record["target"]:
            apart = _told_apart(first.record["target"], run.record["target"])
            raise UserError(f"the runs are on different targets, {apart}; make a page for each")
    names = _names(runs)
    trials = [trial for name, run in zip(names, runs, strict=True) for trial in _trials(name, run)]
    labels = [f"{name}, seed {run.record['seed']}" for name, run in zip(names, runs, strict=True)]
    record = {
        **_merged({label: run.record for label, run in zip(labels, runs, strict=True)}),
        "seeds": sorted({int(run.record["seed"]) for run in runs}),
        "entries": _entries(runs),
    }
    return Comparison(first.target, first.name, trials, record, first.folder if len(runs) == 1 else None)


def _told_apart(first: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Two different targets of records: by their names, or else by what differs."""
    if first["name"] != other["name"]:
        return f"{first['name']} and {other['name']}"
    parameters = [each["parameters"] for each in (first, other)]
    differing = [
        name for name in {**parameters[0], **parameters[1]} if parameters[0].get(name) != parameters[1].get(name)
    ]
    if differing:
        given = [", ".join(f"{name}={shown(each.get(name))}" for name in differing) for each in parameters]
    else:
        given = [f"version {each['version']} of {each['distribution']}" for each in (first, other)]
    return f"{first['name']} with {given[0]} and with {given[1]}"


def record_of(folder: Path) -> dict[str, Any]:
    """The record of a run or of a comparison.

    Raises:
        RunFolderError: the folder holds neither.
    """
    if is_comparison(folder):
        return ComparisonFolder(folder).read_record()
    return RunFolder.existing(folder).read_record()


def _check_complete(run: Run, folder: RunFolder) -> None:
    """See that a run has what is told of it: a seed, and figures with what they cost.

    Raises:
        RunFolderError: what is missing.
    """
    if not run.metrics:
        raise RunFolderError(
            f"the run in {folder.path} has no figures, metrics.json: it did not finish, or the file was deleted; "
            f"`biglearn train --resume {shlex.quote(str(folder.path))}` makes them"
        )
    try:
        checked_seed(run.record.get("seed"))
    except UserError as error:
        raise folder.files.damaged("run.json", f"expected the record of a run ({error})") from error
    beside = run.metrics.get("baselines", {})
    methods = [run.metrics, *beside.values()] if isinstance(beside, dict) else [beside]
    if not all(_is_told(figures) for figures in methods):
        raise folder.files.damaged("metrics.json", f"expected the figures of a run, with {' and '.join(ASKED)}")


def _is_told(figures: object) -> bool:
    """Whether these are the figures of a method with what it asked of the energy, or why it failed."""
    if not isinstance(figures, dict):
        return False
    return "failed" in figures or all(type(figures.get(name)) is int for name in ASKED)


def _merged(values: Mapping[str, Any]) -> Any:
    """What all runs say alike as it is; what they do not, by the label of the run."""
    first, *others = values.values()
    if all(other == first for other in others):
        return first
    if all(isinstance(value, Mapping) for value in values.values()):
        keys = dict.fromkeys(key for value in values.values() for key in value)
        return {key: _merged({label: value.get(key) for label, value in values.items()}) for key in keys}
    return dict(values)


def _names(runs: Sequence[Run]) -> list[str]:
    parts = ("settings", "baselines", "versions")
    alike = all(run.record.get(part) == runs[0].record.get(part) for run in runs for part in parts)
    if alike and len({run.record["seed"] for run in runs}) == len(runs):
        return [OURS] * len(runs)
    bare = [OURS if run.folder is None else run.folder.resolve().name for run in runs]
    return [name if bare.count(name) == 1 else f"{name} ({bare[: i + 1].count(name)})" for i, name in enumerate(bare)]


def _trials(name: str, run: Run) -> list[Trial]:
    """The trial of a run, and those of the baselines beside it, which have no draws on disk."""
    seed = int(run.record["seed"])
    draws = draws_of(run.sampler, run.target, KEPT, jax.random.key(seed))
    figures = {key: value for key, value in run.metrics.items() if key != "baselines"}
    own = Trial(name, seed, figures, curve_of_training(run.history, figures), draws)
    beside = run.metrics.get("baselines", {})
    return [own, *(_baseline(name, other, seed, figures) for other, figures in beside.items())]


def _baseline(name: str, baseline: str, seed: int, figures: Mapping[str, Any]) -> Trial:
    method = baseline if name == OURS else f"{baseline} beside {name}"
    if "failed" in figures:
        return Trial(method, seed, {}, failed=str(figures["failed"]))
    return Trial(method, seed, figures)


def _entries(runs: Sequence[Run]) -> list[Any]:
    """The entries of all runs, each once."""
    entries = [entry for run in runs for entry in run.record.get("entries", ())]
    return [entry for number, entry in enumerate(entries) if entry not in entries[:number]]
