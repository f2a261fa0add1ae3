"""Several transformations, one after another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import jax
from jaxtyping import Array, Float, Key

from biglearn_sampler.catalogue import Entry, use
from biglearn_sampler.tasks import AbstractTransformation, OrthogonalMap


@dataclass(frozen=True)
class Composition(AbstractTransformation):
    """The first map, then the second, and so on; their noises add in quadrature."""

    parts: tuple[AbstractTransformation, ...]

    @property
    def noisy(self) -> bool:
        return any(part.noisy for part in self.parts)

    def draw(self, key: Key[Array, ""], progress: Float[Array, ""], dim: int) -> OrthogonalMap:
        whole = OrthogonalMap.identity(dim)
        for number, part in enumerate(self.parts):
            whole = whole.then(part.draw(jax.random.fold_in(key, number), progress, dim))
        return whole


def compose(
    parts: Annotated[tuple[AbstractTransformation, ...], "the transformations, first one first"] = (
        use("orthogonal"),
        use("log_uniform_noise"),
    ),
) -> Composition:
    """Several transformations, one after another."""
    if not parts:
        raise ValueError("`parts` must name at least one transformation")
    return Composition(parts)


ENTRIES = [Entry(name="compose", build=compose, summary="several transformations, one after another")]
