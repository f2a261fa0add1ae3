"""Whether the density falls off outside the sampler: where it does not, it is far wider, or has no finite mass."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from biglearn_sampler.engine.stepper import Stepper

ORIGINS = 8
"""Draws from which rays set out, likely ones by their weights."""

LEAST_AGREEING = 2
"""Rays along one axis to one side, and more than half of all there, on which the density must not fall."""

LONGEST_AXES, MOST_COORDINATES = 4, 16
"""Directions of rays: the longest principal axes of the draws, and the longest axes of the coordinates."""

DOUBLINGS = np.array([2.0, 4.0, 8.0, 16.0])
"""Steps of a ray from its origin, in standard deviations of the draws along it."""

SLOWEST_FALL = 0.1
"""Nats by which density times distance falls in a doubling at least, on its way to a finite mass: `x^-1.14`."""

LEAST_LEVEL = -5.0
"""Nats: what lies on a ray must be some of the mass. A low floor between far walls is none."""


def price(dim: int) -> int:
    """Evaluations in so many dimensions."""
    return ORIGINS * (min(LONGEST_AXES, dim) + min(MOST_COORDINATES, dim)) * len(DOUBLINGS)


def runs_away(
    points: Float[np.ndarray, "draws dim"],
    log_ratio: Float[np.ndarray, " draws"],
    log_target: Float[np.ndarray, " draws"],
    stepper: Stepper,
    generator: np.random.Generator,
) -> Float[np.ndarray, " dim"] | None:
    """A direction in which the density does not fall off outside the sampler; `None` if none is found.

    Along a ray `x + t v` from a draw the density of a law has to fall faster than `1 / t` somewhere. It is asked for
    at a few distances that double; where density times distance does not fall over any of them, the mass in a tube
    around the ray grows with its length as far as anybody looked.

    Arguments:
        points: draws of the sampler.
        log_ratio: their log weights, up to a constant.
        log_target: `log q(x)` at each.
        stepper: asks the energy.
        generator: chooses the draws from which rays set out.
    """
    # A draw with Gumbel noise on its log weight is a draw of the target.
    order = np.argsort(-(log_ratio + generator.gumbel(size=len(points))), kind="stable")[:ORIGINS]
    chosen = order[np.isfinite(log_ratio[order])]
    if not len(chosen):
        return None
    axes, lengths, middle = _axes(points)
    # Outward: a ray that crosses the middle climbs first, however fast the density falls behind it.
    beyond = points[chosen] @ axes.T - middle
    side = np.where(beyond < 0.0, -1.0, 1.0)
    steps = (side * lengths)[:, :, None] * axes
    rays = points[chosen][:, None, None, :] + DOUBLINGS[:, None] * steps[:, :, None, :]
    log_density = stepper.log_density(rays.reshape(-1, points.shape[1]), "verdict").reshape(rays.shape[:-1])
    # Of every origin, axis and step: density times distance, in standard deviations, beside the density of the origin.
    distances = (np.abs(beyond) / lengths)[:, :, None] + DOUBLINGS
    level = log_density + np.log(distances) - log_target[chosen][:, None, None]
    dense = np.isfinite(level).all(2) & (level[..., -1] > LEAST_LEVEL)
    stays = dense & (np.diff(np.where(dense[..., None], level, 0.0)).min(2) > -SLOWEST_FALL)
    for sign in (-1.0, 1.0):
        rays_there = (side == sign).sum(0)
        staying = (stays & (side == sign)).sum(0)
        # One alone may climb a ridge that it meets aslant.
        agreed = (staying >= LEAST_AGREEING) & (2 * staying > rays_there)
        if agreed.any():
            return sign * axes[np.flatnonzero(agreed)[0]]
    return None


def _axes(
    points: Float[np.ndarray, "draws dim"],
) -> tuple[Float[np.ndarray, "axes dim"], Float[np.ndarray, " axes"], Float[np.ndarray, " axes"]]:
    """Directions of unit length, the standard deviations of the draws along them, and their medians."""
    principal = np.linalg.svd(points - points.mean(0), full_matrices=False)[2][:LONGEST_AXES]
    coordinates = np.argsort(-points.std(0), kind="stable")[:MOST_COORDINATES]
    axes = np.concatenate([principal, np.eye(points.shape[1])[coordinates]])
    along = points @ axes.T
    return axes, np.maximum(along.std(0), np.finfo(float).tiny), np.median(along, axis=0)
