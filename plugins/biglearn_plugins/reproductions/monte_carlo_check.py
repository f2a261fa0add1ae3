"""Whether a surface by Monte Carlo agrees with that by quadrature."""

from __future__ import annotations

import numpy as np

from biglearn_plugins.reproductions.surface import Surface, noisy_surface_of
from biglearn_plugins.reproductions.view import View

POINTS, SEED = 2000, 0
"""As many points as the paper has."""

LARGEST = 5.0
"""Standard errors between the two, at the worst of thousands of places that share their draws."""

ROUNDING = 1e-6
"""A loss smaller than this is zero by both."""


def largest_difference(view: View, surface: Surface) -> float:
    """The largest distance between the two anywhere on the square, in standard errors."""
    noisy = noisy_surface_of(view, SEED, POINTS)
    difference = abs(np.asarray(noisy.loss) - surface.values)
    return float((difference / (np.asarray(noisy.standard_error) + ROUNDING)).max())
