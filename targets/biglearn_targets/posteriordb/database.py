"""The files of posteriordb: JSON, plain or in a zip archive of one file. Nothing is copied, nothing is fetched."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from jaxtyping import Float

from biglearn_sampler.catalogue.problems import did_you_mean
from biglearn_sampler.errors import MissingData

INNER = "posterior_database"
"""The folder of a checkout that holds the database."""

HOW = "Get a copy of https://github.com/stan-dev/posteriordb and say where it is: --set data.posteriordb=FOLDER"


@dataclass(frozen=True)
class Posterior:
    """What the database says of a posterior.

    Arguments:
        name: its name.
        model, data: names of the Stan model and of the data.
        reference: name of the reference draws, or `None` where there are none.
    """

    name: str
    model: str
    data: str
    reference: str | None


@dataclass(frozen=True)
class Database:
    """A copy of the database.

    Arguments:
        folder: the one with `posteriors`, `data` and `reference_posteriors`.
    """

    folder: Path

    @classmethod
    def at(cls, place: str | None) -> Database:
        """The database in a folder, or in the `posterior_database` below it.

        Raises:
            MissingData: there is none.
        """
        if place is None:
            raise MissingData(f"the data of posteriordb are not shipped. {HOW}")
        for folder in (Path(place).expanduser(), Path(place).expanduser() / INNER):
            if (folder / "posteriors").is_dir():
                return cls(folder)
        what = "is no copy of posteriordb: it has no folder 'posteriors'" if Path(place).is_dir() else "does not exist"
        raise MissingData(f"the folder '{place}' {what}. {HOW}")

    def posterior(self, name: str) -> Posterior:
        """What the database says of a posterior.

        Raises:
            MissingData: it knows none of that name.
        """
        known = {path.name.removesuffix(".json") for path in (self.folder / "posteriors").glob("*.json")}
        if name not in known:
            raise MissingData(f"{self.folder} has no posterior '{name}'{did_you_mean(name, known)}")
        path = self.folder / "posteriors" / f"{name}.json"
        about = _json(path)
        try:
            return Posterior(name, about["model_name"], about["data_name"], about.get("reference_posterior_name"))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} names no model and no data") from error

    def data(self, posterior: Posterior) -> dict[str, Any]:
        """The data of a posterior by the names of the Stan program: numbers, and arrays for lists.

        Raises:
            MissingData: there is no such file.
        """
        path = self._existing(self.folder / "data" / "data", posterior.data)
        found = _json(path)
        if not isinstance(found, dict):
            raise ValueError(f"{path} must hold an object with the data by name, got {type(found).__name__}")
        return {name: np.asarray(value, float) if isinstance(value, list) else value for name, value in found.items()}

    def reference_draws(self, posterior: Posterior) -> dict[str, Float[np.ndarray, "chains draws"]] | None:
        """The reference draws of every number, with the names of Stan (`beta[1]`); `None` where there are none.

        Raises:
            MissingData: the database names reference draws, and there is no such file.
        """
        if posterior.reference is None:
            return None
        folder = self.folder / "reference_posteriors" / "draws" / "draws"
        path = self._existing(folder, posterior.reference)
        chains = _json(path)
        try:
            draws = {name: np.array([chain[name] for chain in chains], float) for name in chains[0]}
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ValueError(f"{path} must hold chains of equal length with the same names") from error
        if not all(values.ndim == 2 and values.shape[1] > 1 for values in draws.values()):
            raise ValueError(f"{path} must hold a list of draws for every name of every chain")
        return draws

    def _existing(self, folder: Path, name: str) -> Path:
        """The file of that name in a folder, or its archive."""
        if not isinstance(name, str) or Path(name).name != name:
            raise ValueError(f"{self.folder} names a file {name!r}, which leads out of its folder {folder.name}")
        path = folder / f"{name}.json"
        archive = path.with_name(f"{path.name}.zip")
        for each in (path, archive):
            if each.is_file():
                return each
        raise MissingData(f"there is neither {path} nor {archive.name} beside it; the copy of posteriordb is not whole")


def _json(path: Path) -> Any:
    try:
        if path.suffix != ".zip":
            return json.loads(path.read_text(encoding="utf-8"))
        with ZipFile(path) as archive:
            return json.loads(archive.read(archive.namelist()[0]))
    except (OSError, ValueError, BadZipFile, IndexError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read as JSON: {error}") from error
