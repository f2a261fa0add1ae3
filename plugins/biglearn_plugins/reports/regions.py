"""Filled contours: grey regions that hold given shares of a density's mass."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from biglearn_plugins.reports.canvas import GREYS
from biglearn_plugins.reports.mass_levels import with_levels


def fill_regions(
    axes: Axes,
    horizontal: Float[np.ndarray, " columns"],
    vertical: Float[np.ndarray, " rows"],
    log_density: Float[np.ndarray, "columns rows"],
) -> None:
    """Draw the regions with 50, 90 and 99 % of the mass on a grid; nothing if the density is zero everywhere."""
    filled = with_levels(log_density)
    if filled is not None:
        values, levels = filled
        axes.contourf(horizontal, vertical, values.T, levels=[*levels, 1.0], colors=GREYS)
