"""The checks of a plugin's entries one after another, without pytest: what `biglearn check PLUGIN --entries` makes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from biglearn_sampler.catalogue.problems import CONTAINED, told
from biglearn_sampler.testing.checks import Check, Subject, checks_of, run_check
from biglearn_sampler.testing.fault import Fault, NotChecked

Outcome: TypeAlias = Literal["passed", "failed", "not checked"]


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Arguments:
        kind, entry: of what was checked.
        check: its name, as `gradient`.
        outcome: how it ended.
        message: what is wrong and what to do, or why it could not be checked; empty where it passed.
    """

    kind: str
    entry: str
    check: str
    outcome: Outcome
    message: str = ""

    def to_json(self) -> dict[str, str]:
        """The finding as a mapping of texts."""
        return dict(vars(self))


def findings(subjects: Iterable[Subject]) -> Iterator[Finding]:
    """What every check of every entry finds, each as soon as it is known; none after the first of what is not built."""
    for subject in subjects:
        for name, check in checks_of(subject.offer.kind).items():
            outcome, message = _outcome(subject, check)
            yield Finding(subject.offer.kind, subject.offer.entry.name, name, outcome, message)
            if name == "builds" and outcome != "passed":
                break


def _outcome(subject: Subject, check: Check) -> tuple[Outcome, str]:
    try:
        run_check(check, subject)
    except NotChecked as reason:
        return "not checked", str(reason)
    except Fault as fault:
        return "failed", str(fault)
    except CONTAINED as error:
        return "failed", told(error)
    return "passed", ""
