"""A task: which law of the sampler is matched with which law of the target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from biglearn_sampler.mixture import Channel
from biglearn_sampler.tasks.transformation import AbstractTransformation

Shape = Literal["joint", "marginal", "conditional"]
Condition = Literal["sampler", "noised", "broad"]


@dataclass(frozen=True)
class Task:
    """Match `p(z_T | z_S)` with `q(z_T | z_S)` in the coordinates `z = A x + sigma n` of a random map (eq. 6).

    All tasks share the global optimum `p = q`; their local optima differ. With the rows of `A` in random order it is
    no loss to let `S` be the leading rows and `T` the next ones.

    Arguments:
        name: under which evaluations and losses are recorded.
        shape: `joint` (`T` is everything), `marginal` (`T` is `size` rows, `S` is empty) or `conditional` (`T` is
            `size` rows, `S` all the others).
        transformation: the law of the map.
        size: number of rows in `T`, at least 1; with `dim` or more rows the task is the joint one.
        condition: where `z_S` of a conditional task comes from: the sampler itself; `noised`, the sampler with noise
            of a random level up to the declared scale; or `broad`, twice the declared region.
    """

    kind: ClassVar[str] = "task"

    name: str
    shape: Shape
    transformation: AbstractTransformation
    size: int = 1
    condition: Condition = "sampler"

    def given_rows(self, dim: int) -> int:
        """Number of leading rows that are conditioned on; zero when `T` is everything."""
        return max(dim - self.size, 0) if self.shape == "conditional" else 0

    def rows(self, dim: int) -> int:
        """Number of rows of the channel, `S` and `T` together."""
        return min(self.size, dim) if self.shape == "marginal" else dim

    @property
    def integrates(self) -> bool:
        """Whether the target's side integrates something out, in more dimensions than it has rows."""
        return self.shape == "marginal" or self.transformation.noisy

    def needs_integral(self, dim: int) -> bool:
        """Whether the target's side integrates something out; if not, the energy at a point is enough."""
        return self.rows(dim) < dim or self.transformation.noisy

    def draw(self, key: Key[Array, ""], progress: Float[Array, ""], dim: int) -> Channel:
        """The channel of one random map."""
        drawn = self.transformation.draw(key, progress, dim)
        return Channel.of(drawn.matrix[: self.rows(dim)], drawn.noise)


def progress_of(step: Array, steps: Array | int) -> Float[Array, ""]:
    """The fraction of a phase that is done at a step, in [0, 1)."""
    return jnp.asarray(step, float) / jnp.maximum(jnp.asarray(steps, float), 1.0)
