"""Noise levels: fixed, log-uniform, or an annealed ladder. Levels are in the coordinates of training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from biglearn_sampler.catalogue import Entry
from biglearn_sampler.tasks import AbstractTransformation, OrthogonalMap

NOISING = "Anonymous (2024), Big Cooperative Learning to Conquer Local Optima, multi-scale noising (Fig. 7)"


@dataclass(frozen=True)
class FixedNoise(AbstractTransformation):
    """Noise of one level."""

    level: float

    @property
    def noisy(self) -> bool:
        return self.level > 0

    def draw(self, key: Key[Array, ""], progress: Float[Array, ""], dim: int) -> OrthogonalMap:
        return OrthogonalMap(jnp.eye(dim), jnp.asarray(self.level, float))


@dataclass(frozen=True)
class LogUniformNoise(AbstractTransformation):
    """A random level, `log sigma` uniform between two bounds."""

    low: float
    high: float

    @property
    def noisy(self) -> bool:
        return True

    def draw(self, key: Key[Array, ""], progress: Float[Array, ""], dim: int) -> OrthogonalMap:
        share = jax.random.uniform(key)
        return OrthogonalMap(jnp.eye(dim), _between(self.low, self.high, share))


@dataclass(frozen=True)
class NoiseLadder(AbstractTransformation):
    """Levels that fall from `high` to `low` in equal ratios while the phase goes on."""

    high: float
    low: float
    levels: int

    @property
    def noisy(self) -> bool:
        return True

    def draw(self, key: Key[Array, ""], progress: Float[Array, ""], dim: int) -> OrthogonalMap:
        level = jnp.clip(jnp.floor(progress * self.levels), 0, self.levels - 1)
        share = level / max(self.levels - 1, 1)
        return OrthogonalMap(jnp.eye(dim), _between(self.high, self.low, share))


def _between(first: float, last: float, share: Float[Array, ""]) -> Float[Array, ""]:
    return jnp.exp(jnp.log(first) + share * (jnp.log(last) - jnp.log(first)))


def noise(level: Annotated[float, "standard deviation of the noise, at least 0"] = 0.3) -> FixedNoise:
    """Noise of one level."""
    if not 0 <= level < float("inf"):
        raise ValueError(f"`level` must be a number of at least 0, got {level}")
    return FixedNoise(level)


def log_uniform_noise(
    low: Annotated[float, "smallest level, above 0"] = 0.05,
    high: Annotated[float, "largest level, at least `low`"] = 1.0,
) -> LogUniformNoise:
    """A random level, uniform in its logarithm."""
    _check_levels(low, high)
    return LogUniformNoise(low, high)


def noise_ladder(
    high: Annotated[float, "first level, at least `low`"] = 1.0,
    low: Annotated[float, "last level, above 0"] = 0.05,
    levels: Annotated[int, "number of levels, at least 1"] = 10,
) -> NoiseLadder:
    """Levels that fall in equal ratios while the phase goes on."""
    _check_levels(low, high)
    if levels < 1:
        raise ValueError(f"`levels` must be at least 1, got {levels}")
    return NoiseLadder(high, low, levels)


def _check_levels(low: float, high: float) -> None:
    if not 0 < low <= high < float("inf"):
        raise ValueError(f"levels must satisfy 0 < low <= high, got low = {low}, high = {high}")


ENTRIES = [
    Entry(name="noise", build=noise, summary="noise of a fixed level", reference=NOISING),
    Entry(
        name="log_uniform_noise",
        build=log_uniform_noise,
        summary="noise of a random level, log-uniform",
        reference=NOISING,
    ),
    Entry(
        name="noise_ladder",
        build=noise_ladder,
        summary="noise that anneals from wide to narrow",
        reference=NOISING,
    ),
]
