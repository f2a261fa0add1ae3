"""A run: what was trained, how, and what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.evaluation import BaselineResult
from biglearn_sampler.mixture import GaussianMixture, Mixture


@dataclass(frozen=True)
class Snapshot:
    """The sampler at one time of the training, in the target's own units."""

    step: int
    mixture: GaussianMixture


@dataclass(frozen=True, eq=False)
class Run:
    """The result of `train`, also when loaded from a folder.

    Arguments:
        target: the target that was trained on.
        name: its qualified name, or the name of the function.
        sampler: the trained mixture, in the target's own units; a `FactoredMixture` where the target was found to be
            a product with too many modes for a plain one.
        metrics: as in `metrics.json`: flat figures, `standard_errors`, `reasons`, `moments`, `baselines`.
        history: one row for each chunk of the training, as in `history.jsonl`.
        snapshots: the sampler at several times, the first before training, the last the sampler itself.
        baselines: draws of the baselines by name; empty when the run was loaded from a folder.
        record: as in `run.json`: settings, qualified entries and versions, seed, platform, status.
        folder: where it was written, if anywhere.
    """

    target: AbstractTarget
    name: str
    sampler: Mixture
    metrics: Mapping[str, Any]
    history: Sequence[Mapping[str, Any]]
    snapshots: Sequence[Snapshot]
    record: Mapping[str, Any]
    baselines: Mapping[str, BaselineResult] = field(default_factory=dict)
    folder: Path | None = None
