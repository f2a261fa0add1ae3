"""Every error that this package raises on purpose: what was expected, what came, what to do.

Each class carries the exit status of the command line: 2 for a mistake of the user, 1 for a run that failed.
"""

import re


class BiglearnError(Exception):
    """Base of all errors raised on purpose; its text is meant for the user and needs no traceback."""

    exit_status = 1


class UserError(BiglearnError):
    """Something that was asked for cannot be had; asking differently helps."""

    exit_status = 2


class CatalogueError(UserError):
    """An unknown or ambiguous name, or wrong parameters of an entry."""


class SettingsError(UserError):
    """Settings with unknown keys or values of the wrong type or range; all of them are told at once."""


class TargetError(UserError):
    """An energy that cannot be used: wrong shape or dtype, not finite anywhere, raises."""


def raised_on_host(error: BaseException) -> TargetError | None:
    """The error of a user's function that compiled code called, out of the text that JAX makes of it; `None` if none.

    An exception cannot pass through compiled code. Its traceback arrives as text, with the exception in the last line.
    """
    text = str(error)
    said = re.findall(r"^(?:[\w.]+\.)?TargetError: (.*)$", text, re.MULTILINE) if "Traceback" in text else []
    return TargetError(said[-1]) if said else None


class MissingData(UserError):
    """Data that are not shipped and that the user has to bring: where they come from, and how to say where they are."""


class TaskError(UserError):
    """A task that the target cannot do, with the tasks that it can do."""


class RunFolderError(UserError):
    """A run folder that exists already, is missing, or cannot be read."""


class MissingPackage(UserError):
    """An optional package that is not installed, with the extra that brings it."""


class RunFailed(BiglearnError):
    """A run that started in order and could not go on."""


class Diverged(RunFailed):
    """A training that cannot go on, from its last checkpoint neither."""


class TeamLost(RunFailed):
    """Another process of a run has gone, without which this one cannot go on."""


class DataError(UserError, ValueError):
    """Data that cannot be learnt from, or options of learning from data that make no sense."""


class Terminated(KeyboardInterrupt):
    """The system asked the process to end (SIGTERM); whoever handles Ctrl-C handles it as well."""

    exit_status = 143
