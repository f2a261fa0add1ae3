"""Integrals over the plane or the line: what is known of a target, computed once more from its energy alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.mixture import Channel
from biglearn_sampler.testing.fault import NotChecked
from biglearn_sampler.testing.points import double_precision, log_densities
from biglearn_sampler.testing.shared import shared

NODES = {1: 4096, 2: 512}
"""For each coordinate, by the dimension."""

REACH = 5.0
"""Nodes lie at `scale * sinh(t)`, `|t| <= 5`: dense in the declared region, and out to 74 scales beyond it."""

LIGHTEST = 50.0
"""All cells that are lighter than the heaviest by a factor of e^50 weigh nothing together."""

RESOLVED = 0.01
"""A quadrature that half of the nodes change by more says nothing."""


class Quadrature(NamedTuple):
    """`sum_i exp(log_masses_i) g(points_i)` is the integral of `g` under the unnormalised density.

    Arguments:
        points: the nodes.
        log_masses: the log density there plus the logarithm of the volume of a cell.
        error: how much `log Z` changes with every other node only.
    """

    points: Float[np.ndarray, "nodes dim"]
    log_masses: Float[np.ndarray, " nodes"]
    error: float

    @property
    def log_z(self) -> float:
        """The logarithm of the integral of the density."""
        return _log_sum(self.log_masses)

    @property
    def masses(self) -> Float[np.ndarray, " nodes"]:
        """The normalised masses of the cells."""
        return np.exp(self.log_masses - self.log_z)


@shared
def quadrature_of(target: AbstractTarget) -> Quadrature:
    """The nodes and masses of a target with one or two coordinates.

    Raises:
        NotChecked: there are more coordinates, or the nodes do not resolve the density.
    """
    if target.dim not in NODES:
        raise NotChecked(f"quadrature takes at most 2 coordinates, and the target has {target.dim}")
    nodes, log_widths = _line(NODES[target.dim])
    centre, scale = np.asarray(target.centre, float), np.asarray(target.scale, float)
    standard = np.stack(np.meshgrid(*[nodes] * target.dim, indexing="ij"), axis=-1)
    volumes = sum(np.meshgrid(*[log_widths] * target.dim, indexing="ij")) + np.log(scale).sum()
    points = (centre + scale * standard).reshape(-1, target.dim)
    values = np.nan_to_num(_values(target, points), nan=-np.inf, neginf=-np.inf)
    log_masses = values.reshape(volumes.shape) + volumes
    every_other = log_masses[(slice(None, None, 2),) * target.dim]
    error = abs(_log_sum(log_masses) - _log_sum(every_other) - target.dim * np.log(2.0))
    if not error < RESOLVED:
        raise NotChecked(
            "quadrature does not resolve the density: half of the nodes change log Z by "
            f"{error:.2g}. A declared scale nearer to the extent of the mass would help"
        )
    kept = log_masses.ravel() > log_masses.max() - LIGHTEST
    return Quadrature(points[kept], log_masses.ravel()[kept], error)


def channel_log_density(
    target: AbstractTarget, channel: Channel, views: Float[np.ndarray, "count rows"]
) -> Float[np.ndarray, " count"]:
    """The unnormalised log density of views through a channel, by quadrature.

    With noise, the kernel is summed over the nodes of the target. Without, the density is integrated over the
    coordinate that the channel does not see, if there is one: `x = M^+ (y - b) + v s` with `dx = dy ds / |M|`.
    """
    matrix, offset = np.asarray(channel.matrix, float), np.asarray(channel.offset, float)
    noise = float(channel.noise)
    if noise > 0.0:
        return _through_noise(quadrature_of(target), matrix, offset, noise, views)
    feet = (views - offset) @ np.linalg.pinv(matrix).T
    log_volume = 0.5 * np.linalg.slogdet(matrix @ matrix.T)[1]
    if len(matrix) == target.dim:
        return _values(target, feet) - log_volume
    unseen = np.linalg.svd(matrix)[2][-1]
    nodes, log_widths = _line(NODES[1])
    scale = float(np.max(np.asarray(target.scale)))
    points = feet[:, None] + (unseen @ np.asarray(target.centre) + scale * nodes)[:, None] * unseen
    values = _values(target, points.reshape(-1, target.dim)).reshape(len(views), -1)
    return np.logaddexp.reduce(values + log_widths + np.log(scale), axis=1) - log_volume


def _line(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes of the trapezoidal rule in `t`, at `sinh t`, with the logarithms of their weights."""
    t = np.linspace(-REACH, REACH, count)
    return np.sinh(t), np.log(np.cosh(t) * (t[1] - t[0]))


def _log_sum(logarithms: np.ndarray) -> float:
    return float(np.logaddexp.reduce(logarithms, axis=None))


def _values(target: AbstractTarget, points: np.ndarray) -> np.ndarray:
    with double_precision(target):
        return log_densities(target, points)


def _through_noise(
    quadrature: Quadrature, matrix: np.ndarray, offset: np.ndarray, noise: float, views: np.ndarray
) -> np.ndarray:
    means = quadrature.points @ matrix.T + offset
    normaliser = len(matrix) * np.log(noise * np.sqrt(2.0 * np.pi))
    squares = (((view - means) / noise) ** 2 for view in views)
    return np.array([_log_sum(quadrature.log_masses - 0.5 * square.sum(axis=1)) - normaliser for square in squares])
