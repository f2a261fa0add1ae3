"""What is wrong with a plugin, kept as a value so that one bad plugin does not stop the others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Literal, TypeAlias

from biglearn_sampler.errors import raised_on_host

Stage: TypeAlias = Literal["import", "registration", "hook", "entry"]

# What a plugin may raise without stopping its host. SystemExit is among them because scripts call `sys.exit`
# at their end; KeyboardInterrupt is not, because it comes from the user and not from the plugin.
CONTAINED = (Exception, SystemExit)


@dataclass(frozen=True)
class PluginProblem:
    """One thing that is wrong with one plugin.

    Arguments:
        plugin: name of the plugin.
        distribution: what it came with: a distribution, a file, a module, or memory.
        stage: when it was found: "import", "registration", "hook" (its call) or "entry" (what it gave).
        message: what is wrong, and what to do where that is known.
        cause: the exception behind it, for tracebacks; None where a check found the problem.
    """

    plugin: str
    distribution: str
    stage: Stage
    message: str
    cause: BaseException | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return f"plugin '{self.plugin}' ({self.distribution}), {self.stage}: {self.message}"

    def to_json(self) -> dict[str, str]:
        """The problem as a mapping of texts, without its cause."""
        return {
            "plugin": self.plugin,
            "distribution": self.distribution,
            "stage": self.stage,
            "message": self.message,
        }


def told(error: BaseException) -> str:
    """Type and text of an exception in one line; of one that a user's function raised, what is meant for the user."""
    try:
        raised = raised_on_host(error)
        text = " ".join(str(error).split())
    except Exception:  # a plugin's own exception may not be able to tell its text
        return type(error).__name__
    if raised is not None:
        return str(raised)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """End of a sentence about an unknown name: the nearest known one as a question, or a full stop."""
    near = get_close_matches(name, sorted(known), n=1)
    return f"; did you mean '{near[0]}'?" if near else "."
