"""The 25 Gaussians on a grid that both papers learn: as a density, as points, and whether a mixture has found them."""

from __future__ import annotations

from itertools import product

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

MODES = np.array(list(product(range(-4, 5, 2), repeat=2)), float)

DATA_VARIANCE = 0.1
"""Where points are given (Fig. 2); where an energy is given, half of it (Fig. 3)."""

NEAR = 0.5
"""A component belongs to a mode if it is nearer than this; modes are two apart."""


def grid_points(generator: np.random.Generator, count: int) -> Float[np.ndarray, "count 2"]:
    """Independent draws."""
    chosen = MODES[generator.integers(len(MODES), size=count)]
    return chosen + DATA_VARIANCE**0.5 * generator.normal(size=(count, 2))


def grid_log_density(points: Float[np.ndarray, "count 2"]) -> Float[np.ndarray, " count"]:
    """The log density that they come from."""
    squares = ((points[:, None] - MODES) ** 2).sum(2)
    return logsumexp(-0.5 * squares / DATA_VARIANCE, axis=1) - np.log(2.0 * np.pi * DATA_VARIANCE * len(MODES))


def one_to_one(means: Float[np.ndarray, "components 2"]) -> bool:
    """Whether every mode has exactly one component."""
    return matched(means) == len(MODES) == len(means)


def matched(means: Float[np.ndarray, "components 2"]) -> int:
    """How many modes have a component near."""
    distances = np.linalg.norm(means[:, None] - MODES, axis=2)
    return len(set(distances.argmin(1)[distances.min(1) < NEAR]))
