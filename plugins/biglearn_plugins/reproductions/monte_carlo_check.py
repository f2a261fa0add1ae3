"""Whether a surface by Monte Carlo agrees with that by quadrature."""

from __future__ import annotations

import numpy as np

from biglearn_plugins.reproductions.surface import Surface, noisy_surface_of
from biglearn_plugins.reproductions.view import View

POINTS, SEED = 2000, 0
"""As many points as the paper has."""

WITHIN = 3.0
"""Standard errors. Where model and target are nearly one, the error hangs on a few draws and is itself uncertain, so
that single places may lie further out."""

LEAST_SHARE = 0.97
"""Of the square where the two must agree; one law would have 0.997, but all places share their draws."""

ROUNDING = 1e-6
"""A loss smaller than this is zero by both."""


def agreeing_share(view: View, surface: Surface) -> float:
    """The share of the square where the two are within three standard errors of each other."""
    noisy = noisy_surface_of(view, SEED, POINTS)
    difference = abs(np.asarray(noisy.loss) - surface.values)
    return float((difference <= WITHIN * np.asarray(noisy.standard_error) + ROUNDING).mean())
