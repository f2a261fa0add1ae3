"""Whether a folder from somewhere may have code run: the one place where a record leads to a file of Python."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from biglearn_sampler.bridges import is_of_file
from biglearn_sampler.errors import RunFolderError


def needs_trust(record: Mapping[str, Any]) -> bool:
    """Whether a target is code in a file, by its record."""
    name = record.get("name")
    return isinstance(name, str) and is_of_file(name)


def check_trusted(record: Mapping[str, Any], folder: Path, trusted: bool) -> None:
    """See that a target which is code in a file is run only where the user says so.

    Everything else in a folder is data. A record, however, names the file of its model, and whoever wrote the record
    chose the file.

    Arguments:
        record: of a target.
        folder: that holds it, for what is told.
        trusted: whether the user trusts the folder.

    Raises:
        RunFolderError: the target is in a file, and nobody said that it may be run.
    """
    if needs_trust(record) and not trusted:
        raise RunFolderError(
            f"the target of {folder} is a model in a file, {record['name']}, and to load it is to run that file; if "
            "the folder is your own, say --trust, or load(folder, trusted=True) in Python"
        )
