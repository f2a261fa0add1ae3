"""How a check says what it found."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from biglearn_sampler.catalogue.problems import told
from biglearn_sampler.errors import MissingPackage

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

LONGEST_TOLD = 300
"""Errors of JAX fill pages; the traceback below the message has them whole."""


class Fault(AssertionError):
    """An entry does not do what its kind promises; the text says what was expected, what came and what to do."""


class NotChecked(Exception):
    """A check that cannot be made of this entry, with the reason; the suite shows it as skipped."""


def called(
    what: str, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
) -> Result:
    """What a plugin's function gives; an exception in it becomes a fault that begins with `what`.

    Raises:
        NotChecked: it needs a package that is not installed.
        Fault: the function raised.
    """
    try:
        return function(*args, **kwargs)
    except MissingPackage as error:
        raise NotChecked(str(error)) from error
    except Exception as error:
        raise Fault(f"{what} raised {textwrap.shorten(told(error), LONGEST_TOLD)}") from error
