"""One job of a study: everything that a process needs to know, and a name that tells one job from all others."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

UNSAFE = re.compile(r"[^A-Za-z0-9_]+")
"""What a file name must not hold: a target may be called `../model.py:line`."""

LONGEST = 40
"""Letters of a label in a file name; the digest behind it tells them apart."""


@dataclass(frozen=True)
class Job:
    """One method on one target, with its settings and its seed.

    Arguments:
        title: of the target, as in the table.
        target: what the catalogue builds it from, all parameters included.
        method: our training, or a baseline, as in the table.
        baseline: what the catalogue builds it from; `None` for our training.
        settings: all that the method looks at.
        seed: of the trial.
        budget: evaluations, or `None`.
        float64: whether JAX computes with 64 bits.
        plugins: versions of the plugins of others that it is built by, by what they are used for.
    """

    title: str
    target: Mapping[str, Any]
    method: str
    baseline: Mapping[str, Any] | None
    settings: Mapping[str, Any]
    seed: int
    budget: int | None
    float64: bool
    plugins: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The job as JSON has it."""
        return dict(vars(self), name=self.name)

    @cached_property
    def name(self) -> str:
        """Of its files: what it is, and a digest of its content, so that another content is another job."""
        content = {key: value for key, value in vars(self).items() if key not in ("title", "name", "plugins")}
        # Under their first name, and left out where there are none: digests stay those of earlier folders.
        content |= {"files": self.plugins} if self.plugins else {}
        digest = hashlib.sha256(json.dumps(content, sort_keys=True, default=repr).encode()).hexdigest()[:12]
        return "-".join([_slug(self.title), _slug(self.method), str(self.seed), digest])


@dataclass(frozen=True)
class Cell:
    """One row of the results: a combination of the study, and the job that answers it.

    Cells share a job where they ask the same: a baseline does not look at the number of components, for example.

    Arguments:
        target, settings, method, seed: as the study calls them.
        job: whose figures stand in the row.
    """

    target: str
    settings: str
    method: str
    seed: int
    job: Job


def _slug(label: str) -> str:
    return UNSAFE.sub("_", label)[-LONGEST:].strip("_") or "unnamed"
