"""A folder of files that are whole or absent, whatever happens while they are written."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from biglearn_sampler.catalogue.problems import told
from biglearn_sampler.errors import RunFailed, RunFolderError

FORMAT = 1
"""Version of the files; a reader refuses what it does not know."""

DAMAGED = (ValueError, RecursionError)
"""What reading a damaged text or JSON file raises."""


@dataclass(frozen=True)
class WholeFiles:
    """The files in one folder.

    Arguments:
        path: the folder.
    """

    path: Path

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON file; NaN and infinities have no place in it."""
        self.write_text(name, json.dumps(content, indent=2, allow_nan=False) + "\n")

    def write_text(self, name: str, text: str) -> None:
        """Write a text file."""
        self._replace(name, lambda file: file.write(text.encode()))

    def write_arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Write arrays with the version of the format; no pickle."""
        contents: dict[str, Any] = {"format": np.array(FORMAT), **arrays}
        self._replace(name, lambda file: np.savez(file, allow_pickle=False, **contents))

    def write_bytes(self, name: str, content: bytes) -> None:
        """Write a file of any kind."""
        self._replace(name, lambda file: file.write(content))

    def append_line(self, name: str, line: str) -> None:
        """Add a line to a text file; a crash can cost the last line only."""
        try:
            with self._place(name).open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            raise self._cannot_write(name, error) from error

    def sync(self, name: str) -> None:
        """See that what was added to a file is on the disk."""
        try:
            with (self.path / name).open("rb") as file:
                os.fsync(file.fileno())
        except OSError as error:
            raise self._cannot_write(name, error) from error

    def remove(self, name: str) -> None:
        """Take a file away, if it is there."""
        try:
            self._place(name).unlink(missing_ok=True)
        except OSError as error:
            raise self._cannot_write(name, error) from error

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return self._place(name).exists()

    def read_text(self, name: str) -> str:
        """The text of a file; empty when there is none."""
        if not self.has(name):
            return ""
        try:
            return self._place(name).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise self.damaged(name, reason_of(error)) from error

    def read_json(self, name: str) -> dict[str, Any]:
        """The content of a JSON file; an empty dict when there is none."""
        text = self.read_text(name)
        try:
            content = json.loads(text) if text else {}
        except DAMAGED as error:
            raise self.damaged(name, error) from error
        if not isinstance(content, dict):
            raise self.damaged(name, f"expected a JSON object, got {type(content).__name__}")
        return content

    def read_arrays(self, name: str, fields: Sequence[str], *, optional: bool = False) -> dict[str, np.ndarray]:
        """Arrays of a file.

        Arguments:
            name: of the file.
            fields: names of the arrays.
            optional: whether arrays may be missing.
        """
        try:
            # NumPy leaves a damaged file open that it has opened itself.
            with self._place(name).open("rb") as file, np.load(file, allow_pickle=False) as stored:
                version = int(stored["format"])
                # A newer format may have other fields.
                wanted = [field for field in fields if not optional or field in stored]
                arrays = {field: stored[field] for field in wanted} if version == FORMAT else {}
        # NumPy and zipfile raise many kinds of errors on damaged files; each means the same to the user.
        except Exception as error:
            # NumPy advises to load what it does not know in an unsafe way.
            said = "" if "allow_pickle" in str(error) else f" ({told(error)})"
            raise self.damaged(name, f"it is damaged, or no file of a run{said}") from error
        self.check_format(name, version)
        return arrays

    def check_format(self, name: str, version: object) -> None:
        """See that a file has the format that is read here.

        Raises:
            RunFolderError: it has another one.
        """
        if version != FORMAT:
            raise RunFolderError(
                f"{self.path / name} has format {version}, and this version of biglearn reads format {FORMAT}"
            )

    def damaged(self, name: str, reason: object) -> RunFolderError:
        """The error for a file that makes no sense."""
        return RunFolderError(f"{self.path / name} cannot be read: {reason}")

    def _place(self, name: str) -> Path:
        """The path of a file; names may come from records that somebody else wrote.

        Raises:
            RunFolderError: the name leads out of the folder.
        """
        if not name or Path(name).name != name or name == ".." or "\0" in name:
            raise RunFolderError(f"{name!r} is no name of a file in {self.path}; the record that names it is damaged")
        return self.path / name

    def _replace(self, name: str, write: Callable[[IO[bytes]], Any]) -> None:
        """Write beside the file and put it in its place only when it is whole and on the disk."""
        path, partial = self._place(name), self._place(f".{name}.partial")
        try:
            # In a folder from elsewhere it could be a link to another file.
            partial.unlink(missing_ok=True)
            with partial.open("xb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
        except OSError as error:
            raise self._cannot_write(name, error) from error
        finally:
            partial.unlink(missing_ok=True)

    def _cannot_write(self, name: str, error: OSError) -> RunFailed:
        return RunFailed(
            f"{self.path / name} cannot be written: {reason_of(error)}. What was written before stays "
            "readable; free some room or give another --out, and run again"
        )


def new_folder(path: Path, *inside: str) -> Path:
    """A new folder, with folders inside it.

    Raises:
        RunFolderError: it exists already and is not empty, or it cannot be made.
    """
    try:
        if path.is_dir() and any(path.iterdir()):
            raise RunFolderError(
                f"the output folder {path} exists already and is not empty; give another --out, or remove it"
            )
        for name in inside:
            (path / name).mkdir(parents=True, exist_ok=True)
    # A path with a null byte raises ValueError.
    except (OSError, ValueError) as error:
        is_file = "; it is a file, give the name of a new folder" if os.path.isfile(path) else ""
        raise RunFolderError(f"the output folder {path} cannot be made: {reason_of(error)}{is_file}") from error
    return path


def new_or_numbered(path: Path, inside: str, *, numbered: bool) -> Path:
    """A new folder with one inside it; `path-001` or the next free number if that is asked for.

    Raises:
        RunFolderError: it exists already and is not empty, or it cannot be made.
    """
    return new_folder(numbered_folder(path) if numbered else path, inside)


def check_holds(path: Path, record: str, what: str, command: str) -> None:
    """See that a folder holds a record.

    Arguments:
        path: the folder.
        record: name of the file.
        what: the folder should be one of, and `command` the one that writes it; for what is told.

    Raises:
        RunFolderError: it does not.
    """
    if not (path / record).is_file():
        missing = f"holds no {record}" if path.exists() else "does not exist"
        raise RunFolderError(f"{path} {missing}; expected the folder of a {what}, as `biglearn {command}` writes")


def numbered_folder(path: Path) -> Path:
    """A new folder `path-001`, or the next number that is free, also when several runs start at once.

    Raises:
        RunFolderError: it cannot be made.
    """
    number = 1
    while not _made(path.with_name(f"{path.name}-{number:03d}")):
        number += 1
    return path.with_name(f"{path.name}-{number:03d}")


def reason_of(error: Exception) -> str:
    """What the system says, without numbers and without the path again."""
    return getattr(error, "strerror", None) or str(error)


def _made(path: Path) -> bool:
    """Make a folder, and tell whether it was not there before."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise RunFolderError(f"the output folder {path} cannot be made: {reason_of(error)}") from error
    try:
        path.mkdir()
    except FileExistsError:
        return False
    except OSError as error:
        raise RunFolderError(f"the output folder {path} cannot be made: {reason_of(error)}") from error
    return True
