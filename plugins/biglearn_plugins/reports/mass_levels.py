"""Levels of a density that enclose given shares of its mass, so that two densities can be compared."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

SHARES = (0.99, 0.9, 0.5)
SHARES_TEXT = "50, 90, 99 %"
# Least distance of two levels in log density; a flat density would have all of them in one place.
SMALLEST_STEP = 1e-3
# Log densities this far below the lowest level are cut there, so that contours near zero density stay smooth.
DEPTH = 10.0


def with_levels(
    log_density: Float[np.ndarray, "*grid"],
) -> tuple[Float[np.ndarray, "*grid"], list[float]] | None:
    """A log density made fit for contours, and its levels, lowest first; `None` if it is zero everywhere.

    The level of share `s` is the largest `c` for which the points with `log q > c` hold `s` of the mass on
    the grid. The maximum is taken away before anything is exponentiated, so the size of the values does not
    matter.

    Arguments:
        log_density: values on a regular grid; what is not finite counts as zero density.
    """
    values = np.where(np.isfinite(log_density), log_density, -np.inf)
    largest = values.max()
    if not np.isfinite(largest):
        return None
    values = values - largest
    descending = np.sort(values, axis=None)[::-1]
    mass = np.cumsum(np.exp(descending))
    levels, highest = [], -SMALLEST_STEP
    for share in reversed(SHARES):
        level = float(descending[np.searchsorted(mass, share * mass[-1])])
        highest = min(level, highest)
        levels.insert(0, highest)
        highest -= SMALLEST_STEP
    return np.maximum(values, levels[0] - DEPTH), levels
