"""A task of the tailored simulation: which law is matched, after which rotation, through how much noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import jax.numpy as jnp

from biglearn_sampler.mixture import Channel
from biglearn_sampler.tasks.task import Shape

ROTATIONS = tuple(range(0, 180, 15))
"""Degrees. Half a turn more changes the sign of a coordinate, and no loss."""


@dataclass(frozen=True)
class View:
    """One task.

    Arguments:
        shape: `joint`, `marginal` (of `y_1`) or `conditional` (of `y_1` given `y_2`), of `y = A x + sigma n`.
        degrees: angle of the rotation `A`.
        noise: `sigma`, at least 0.
        condition: the value of `y_2` of a conditional task; by default all of the target's own, averaged.
    """

    shape: Shape
    degrees: float = 0.0
    noise: float = 0.0
    condition: float | None = None

    @property
    def name(self) -> str:
        """What pictures and tables call it."""
        parts = [self.shape]
        if self.degrees:
            parts.append(f"{self.degrees:g}°")
        if self.condition is not None:
            parts.append(f"y2 = {self.condition:g}")
        if self.noise:
            parts.append(f"noise {self.noise:.2g}")
        return ", ".join(parts).replace("-", "\N{MINUS SIGN}")

    @property
    def channel(self) -> Channel:
        """The rows that the task looks at; of a conditional task `y_2` comes first, since it is given."""
        cosine, sine = math.cos(math.radians(self.degrees)), math.sin(math.radians(self.degrees))
        first, second = [cosine, -sine], [sine, cosine]
        rows = {"joint": [first, second], "marginal": [first], "conditional": [second, first]}[self.shape]
        return Channel.of(jnp.asarray(rows), self.noise)
