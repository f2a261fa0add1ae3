"""Where broad proposals go: the declared region, and the one that what was found suggests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from biglearn_sampler.engine.population import Population

BETWEEN, WITHIN = 1.5, 3.0
"""Widths of a found region in standard deviations: of the modes' means, and inside a mode."""


MISSED, DWARFED = 4.0, 10.0
"""A declared region is wrong when what was found is so many times as far or as wide, or as small everywhere."""


@dataclass(frozen=True, eq=False)
class Region:
    """A box without walls: a centre, and a width for every coordinate, in whitened coordinates."""

    centre: Float[np.ndarray, " dim"]
    width: Float[np.ndarray, " dim"]

    @classmethod
    def declared(cls, dim: int) -> Region:
        """What the target declares is the unit box."""
        return cls(np.zeros(dim), np.ones(dim))

    @classmethod
    def found(cls, population: Population) -> Region:
        """Around all components, so that a declared scale that is far too small, or too large, is outgrown."""
        width = BETWEEN * population.means.std(0) + WITHIN * population.spread()
        return cls(population.means.mean(0), width)

    def draws(
        self, generator: np.random.Generator, scales: Float[np.ndarray, " count"]
    ) -> Float[np.ndarray, "count dim"]:
        """One normal draw for each scale, in units of the width."""
        noise = generator.standard_normal((len(scales), len(self.centre)))
        return self.centre + self.width * scales[:, None] * noise


def refining_region(population: Population) -> Region:
    """Where fresh components of a refinement begin: the declared region, or what was found where that is elsewhere.

    The declared region serves as long as the modes lie in it; one that misses them, or dwarfs them, is replaced.
    """
    declared, found = Region.declared(population.dim), Region.found(population)
    misses = (np.abs(found.centre) > MISSED * declared.width).any() or (found.width > MISSED * declared.width).any()
    dwarfs = (found.width < declared.width / DWARFED).all()
    return found if misses or dwarfs else declared
