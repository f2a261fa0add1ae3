"""Which part of space shows the mass of a target in one dimension or two, without any run."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from biglearn_plugins.reports.cloud import exact_cloud
from biglearn_plugins.reports.view import View, box_around
from biglearn_sampler.energy import AbstractTarget

POINTS_PER_SIDE = {1: 2000, 2: 300}
FIRST_LOOK = 3.0
"""In declared scales on either side of the centre, where the mass is looked for at first."""

OUTSIDE = 1e-3
"""Of the mass along every axis lies beyond the corners of the mass, on either side."""

AROUND = 0.1
"""Of the width of the mass, on either side of it."""


def target_view(target: AbstractTarget) -> View:
    """The box around the mass, as exact draws or a wide look at the density tell it, and around the known modes."""
    cloud = exact_cloud(target, target.dim) if not target.has_names else None
    if cloud is not None:
        corners = np.array([cloud.interval(number) for number in range(target.dim)]).T
    else:
        corners = _corners_of_mass(target)
    around = AROUND * (corners[1] - corners[0])
    corners = np.stack([corners[0] - around, corners[1] + around])
    return box_around(np.concatenate([corners, known_modes(target)]), POINTS_PER_SIDE[target.dim])


def _corners_of_mass(target: AbstractTarget) -> Float[np.ndarray, "two dim"]:
    centre, scale = np.asarray(target.centre, float), np.asarray(target.scale, float)
    wide = View(centre - FIRST_LOOK * scale, centre + FIRST_LOOK * scale, POINTS_PER_SIDE[target.dim])
    density = density_of(wide.target_log_density(target))
    corners = []
    for number, axis in enumerate(wide.axes):
        mass = density.sum(axis=tuple(each for each in range(target.dim) if each != number)).cumsum()
        ends = np.searchsorted(mass, [OUTSIDE * mass[-1], (1.0 - OUTSIDE) * mass[-1]])
        corners.append(axis[ends] if mass[-1] > 0 else axis[[0, -1]])
    return np.stack(corners, axis=1)


def density_of(log_density: Float[np.ndarray, "*grid"]) -> Float[np.ndarray, "*grid"]:
    """Up to a constant; zero where it is no number."""
    values = np.where(np.isfinite(log_density), log_density, -np.inf)
    return np.exp(values - values.max()) if np.isfinite(values.max()) else np.zeros_like(values)


def known_modes(target: AbstractTarget) -> Float[np.ndarray, "modes dim"]:
    """The known modes, perhaps none."""
    modes = target.facts.modes
    return np.empty((0, target.dim)) if modes is None else np.asarray(modes, float)
