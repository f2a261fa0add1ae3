"""The folder of a run: every file is whole or absent, whatever happens while it is written.

run.json        settings, qualified entries and versions, seed, platform, status
metrics.json    the figures, their standard errors, and the reason for each that is missing
history.jsonl   one row for each chunk of the training
sampler.npz     the trained mixture, in the target's own units; no pickle
snapshots.npz   the mixture at several times of the training
checkpoints/    where the training stood, the last two times that it was written down
figures/        what the reports drew
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from biglearn_sampler.errors import RunFolderError
from biglearn_sampler.mixture import FactoredMixture, GaussianMixture, Mixture
from biglearn_sampler.runs.run import Snapshot
from biglearn_sampler.runs.whole_files import DAMAGED, WholeFiles, new_folder, numbered_folder

FIELDS = ("log_weights", "means", "factors")

NO_WEIGHT = -1e4
"""Log weight of components that only fill up a table."""


OTHERS = {
    "comparison.json": ". It holds a comparison: `biglearn report`, or bl.load_comparison",
    "study.json": ". It holds a study: its table is results.csv",
}
"""What else a folder may be, and who reads it."""


@dataclass(frozen=True)
class RunFolder:
    """One run on disk.

    Arguments:
        path: the folder.
    """

    path: Path

    @classmethod
    def create(cls, path: Path) -> RunFolder:
        """A new folder for a run.

        Raises:
            RunFolderError: it exists already and is not empty, or it cannot be made.
        """
        return cls(new_folder(path, "figures"))

    @classmethod
    def create_numbered(cls, path: Path) -> RunFolder:
        """A new folder `path-001`, or the next number that is free, also when several runs start at once.

        Raises:
            RunFolderError: it cannot be made.
        """
        return cls.create(numbered_folder(path))

    @classmethod
    def existing(cls, path: Path) -> RunFolder:
        """A folder that holds a run.

        Raises:
            RunFolderError: there is none, with what was expected.
        """
        if not os.path.isfile(path / "run.json"):
            missing = "holds no run.json" if os.path.exists(path) else "does not exist"
            other = next((told for record, told in OTHERS.items() if os.path.isfile(path / record)), "")
            raise RunFolderError(
                f"{path} {missing}; expected the folder of a run, as `biglearn train` writes it{other}"
            )
        return cls(path)

    @property
    def figures(self) -> Path:
        """Where reports draw."""
        return self.path / "figures"

    @property
    def files(self) -> WholeFiles:
        """What lies in it."""
        return WholeFiles(self.path)

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON file in one piece; NaN and infinities have no place in it."""
        self.files.write_json(name, content)

    def write_text(self, name: str, text: str) -> None:
        """Write a text file in one piece."""
        self.files.write_text(name, text)

    def append_history(self, row: Mapping[str, Any]) -> None:
        """Add a row to `history.jsonl`; a crash can cost the last line only."""
        self.files.append_line("history.jsonl", json.dumps(row, allow_nan=False))

    def keep_history(self, rows: int) -> list[dict[str, Any]]:
        """Cut `history.jsonl` after so many rows, and give them.

        Raises:
            RunFolderError: there are fewer.
        """
        lines = self.files.read_text("history.jsonl").split("\n")[:-1]
        if len(lines) < rows:
            raise self.files.damaged("history.jsonl", f"expected {rows:,} rows at least, got {len(lines):,}")
        self.files.write_text("history.jsonl", "".join(f"{line}\n" for line in lines[:rows]))
        return self.read_history()

    def write_mixture(self, mixture: Mixture) -> None:
        """Write `sampler.npz`; figures in `metrics.json` are those of an earlier sampler then, and are taken away."""
        self.files.write_arrays("sampler.npz", _arrays(mixture))
        self.files.remove("metrics.json")

    def write_snapshots(self, snapshots: Sequence[Snapshot]) -> None:
        """Write `snapshots.npz`; smaller mixtures are filled up with components of weight zero. None is no file."""
        if not snapshots:
            return
        most = max(snapshot.mixture.components for snapshot in snapshots)
        padded = [_fields(_padded(snapshot.mixture, most)) for snapshot in snapshots]
        arrays = {name: np.stack([fields[name] for fields in padded]) for name in FIELDS}
        self.files.write_arrays("snapshots.npz", {"steps": np.array([s.step for s in snapshots]), **arrays})

    def read_record(self) -> dict[str, Any]:
        """The content of `run.json`, once it is the record of a run in this format.

        Raises:
            RunFolderError: it is something else.
        """
        record = self.read_json("run.json")
        if isinstance(record.get("cluster"), dict):
            raise RunFolderError(
                f"{self.path} holds a clustering, as `biglearn cluster` writes it, and no run; `biglearn sample` draws "
                "from it"
            )
        if not all(isinstance(record.get(part), dict) for part in ("target", "settings")):
            raise self.files.damaged("run.json", "expected the record of a run, with its target and its settings")
        self.files.check_format("run.json", record.get("format"))
        return record

    def read_json(self, name: str) -> dict[str, Any]:
        """The content of a JSON file; an empty dict when the run did not get as far as writing it."""
        return self.files.read_json(name)

    def read_history(self) -> list[dict[str, Any]]:
        """The rows of `history.jsonl` that were written whole."""
        # The piece behind the last newline is empty, or a row that was cut off.
        lines = self.files.read_text("history.jsonl").split("\n")[:-1]
        try:
            rows = [json.loads(line) for line in lines]
        except DAMAGED as error:
            raise self.files.damaged("history.jsonl", error) from error
        if not all(isinstance(row, dict) for row in rows):
            raise self.files.damaged("history.jsonl", "expected a JSON object in each line")
        return rows

    def read_mixture(self) -> Mixture:
        """The trained mixture.

        Raises:
            RunFolderError: the file is missing, foreign or damaged.
        """
        if not (self.path / "sampler.npz").exists():
            raise RunFolderError(
                f"{self.path / 'sampler.npz'} does not exist; the run did not get as far as writing a sampler"
            )
        blocks = self.files.read_arrays("sampler.npz", ("blocks",), optional=True)
        if not blocks:
            return self._mixture("sampler.npz", self.files.read_arrays("sampler.npz", FIELDS))
        return self._factored(blocks["blocks"])

    def read_snapshots(self) -> list[Snapshot]:
        """The snapshots; an empty list when the run wrote none."""
        if not (self.path / "snapshots.npz").exists():
            return []
        arrays = self.files.read_arrays("snapshots.npz", ("steps", *FIELDS))
        steps = arrays.pop("steps")
        shapes = {steps.shape[:1], *(array.shape[:1] for array in arrays.values())}
        if steps.ndim != 1 or steps.dtype.kind not in "iu" or len(shapes) > 1:
            raise self.files.damaged("snapshots.npz", "expected one step for each mixture")
        return [
            Snapshot(int(step), _unpadded(self._mixture("snapshots.npz", {name: arrays[name][i] for name in FIELDS})))
            for i, step in enumerate(steps)
        ]

    def _factored(self, count: np.ndarray) -> FactoredMixture:
        """The product of so many mixtures in `sampler.npz`."""
        if count.shape != () or count.dtype.kind not in "iu" or count < 1:
            raise self.files.damaged("sampler.npz", f"expected the number of blocks, got {count.dtype} {count.shape}")
        blocks, factors = [], []
        for number in range(int(count)):
            stored = self.files.read_arrays("sampler.npz", [f"{name}_{number}" for name in ("block", *FIELDS)])
            block = stored[f"block_{number}"]
            blocks.append(tuple(block.tolist()) if block.ndim == 1 and block.dtype.kind in "iu" else ())
            factors.append(self._mixture("sampler.npz", {name: stored[f"{name}_{number}"] for name in FIELDS}))
        sizes = [len(block) for block in blocks]
        fitting = sizes == [factor.dim for factor in factors]
        if not fitting or sorted(place for block in blocks for place in block) != list(range(sum(sizes))):
            reason = "expected every coordinate in one block, with a factor for each block"
            raise self.files.damaged("sampler.npz", reason)
        return FactoredMixture(tuple(blocks), tuple(factors))

    def _mixture(self, name: str, arrays: Mapping[str, np.ndarray]) -> GaussianMixture:
        """The mixture that arrays hold, once they make sense."""
        log_weights, means, factors = (arrays[field] for field in FIELDS)
        components, dim = means.shape if means.ndim == 2 else (0, 0)
        fitting = log_weights.shape == (components,) and factors.shape == (components, dim, dim)
        numbers = all(array.dtype.kind == "f" and np.isfinite(array).all() for array in arrays.values())
        if not components or not dim or not fitting or not numbers:
            raise self.files.damaged(
                name,
                "expected finite numbers of shapes (K,), (K, D), (K, D, D), "
                f"got {', '.join(f'{array.dtype} {array.shape}' for array in arrays.values())}",
            )
        return GaussianMixture(jnp.asarray(log_weights), jnp.asarray(means), jnp.asarray(factors))


def _arrays(mixture: Mixture) -> dict[str, np.ndarray]:
    """What is stored of a mixture; of a product of mixtures every factor, with its coordinates."""
    if isinstance(mixture, GaussianMixture):
        return _fields(mixture)
    arrays = {"blocks": np.array(len(mixture.blocks))}
    for number, (block, factor) in enumerate(zip(mixture.blocks, mixture.factors_of, strict=True)):
        arrays[f"block_{number}"] = np.array(block)
        arrays |= {f"{name}_{number}": array for name, array in _fields(factor).items()}
    return arrays


def _fields(mixture: GaussianMixture) -> dict[str, np.ndarray]:
    return {name: np.asarray(getattr(mixture, name)) for name in FIELDS}


def _padded(mixture: GaussianMixture, count: int) -> GaussianMixture:
    """The same law with as many components as asked for, the further ones of no weight."""
    extra = count - mixture.components
    log_weights = jnp.concatenate([mixture.log_weights, jnp.full(extra, NO_WEIGHT)])
    repeated = np.concatenate([np.arange(mixture.components), np.zeros(extra, int)])
    return GaussianMixture(log_weights, mixture.means[repeated], mixture.factors[repeated])


def _unpadded(mixture: GaussianMixture) -> GaussianMixture:
    kept = np.flatnonzero(np.asarray(mixture.log_weights) > NO_WEIGHT)
    return GaussianMixture(mixture.log_weights[kept], mixture.means[kept], mixture.factors[kept])
