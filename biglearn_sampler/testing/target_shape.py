"""Checks of the shape of a density: it falls off in every direction, and it does not jump."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.testing.fault import Fault
from biglearn_sampler.testing.points import (
    FARTHEST_BELOW,
    compiled_slopes,
    double_precision,
    log_densities,
    ordinary_points,
    point_text,
    slopes_of,
)

FAR = (1e3, 1e4, 1e5)
"""In declared scales. A density that falls off at none of these distances has no finite integral, nor has one that
falls from the first to the last of them no faster than one over the distance."""

HARMLESS = 500.0
"""Nats below the best point from which a density may stop falling: the arithmetic ends, as of maps to a simplex."""

PIECES = 32
"""Of every segment between two ordinary points, before the piece with a jump is halved again and again."""

SMALLEST_PIECE = 1e3
"""In units of rounding, where halving ends."""

JUMP = 0.05
"""A density that jumps by a few per cent does no harm."""


def check_falls_off(target: AbstractTarget) -> None:
    """Far from the best point the log density is lower, along every coordinate and where the gradients do not look."""
    points = ordinary_points(target)
    values = slopes_of(target).values
    best = points[np.argmax(values)].astype(float)
    directions = np.concatenate([np.eye(target.dim), _unseen(target)]) * np.asarray(target.scale)
    ends = np.stack([best + sign * far * directions for sign in (-1.0, 1.0) for far in FAR], axis=1)
    with double_precision(target):
        found = log_densities(target, ends.reshape(-1, target.dim)).reshape(len(directions), 2, len(FAR))
    tolerance = 1e-5 * (1.0 + abs(values.max()))
    with np.errstate(invalid="ignore"):
        stays = (np.isfinite(found) & (found >= values.max() - tolerance)).all(axis=2).any(axis=1)
        seen = np.isfinite(found).all(axis=2) & (found[..., -1] > values.max() - HARMLESS)
        falls = (found[..., 0] - found[..., -1]).min(axis=1, initial=np.inf, where=seen)
    slow = falls <= np.log(FAR[-1] / FAR[0])
    if (stays | slow).any():
        which = int(np.argmax(stays | slow))
        along = f"coordinate {which}" if which < target.dim else f"the direction {point_text(directions[which])}"
        if not stays[which]:
            raise Fault(
                f"the log density hardly falls off along {along}: by {falls[which]:.3g} between {FAR[0]:,.0f} and "
                f"{FAR[-1]:,.0f} scales from the best point, where one over the distance falls by "
                f"{np.log(FAR[-1] / FAR[0]):.3g}, so that the density has no finite integral. Look for a background, "
                "an angle, or a translation that nothing holds"
            )
        raise Fault(
            f"the log density does not fall off along {along}: it is {values.max():.6g} at {point_text(best)}, and "
            f"{found[which].max():.6g} a thousand scales away and farther, so that the density has no finite integral. "
            f"Check `dim` (it is {target.dim}: are all coordinates used?) and the sign (log density = -energy)"
        )


def check_continuous(target: AbstractTarget) -> None:
    """The log density does not jump between points of positive density: samplers follow the gradient.

    On segments between ordinary points the rise is compared with what the gradient makes of it; where they differ most,
    the piece is halved until nothing but a jump can be left.
    """
    points = ordinary_points(target).astype(float)
    if len(points) < 2:
        return
    with double_precision(target):
        lower, upper = _steepest_piece(target, points)
    slope = np.maximum(np.abs(lower.slopes), np.abs(upper.slopes)) * (upper.places - lower.places)
    rise = np.abs(upper.values - lower.values)
    lowest = slopes_of(target).values.max() - FARTHEST_BELOW
    with np.errstate(invalid="ignore"):
        jumps = (rise > JUMP + 4.0 * slope) & (np.minimum(lower.values, upper.values) > lowest)
    if jumps.any():
        which = int(np.argmax(jumps))
        where = points[which] + lower.places[which] * (np.roll(points, -1, axis=0) - points)[which]
        raise Fault(
            f"the log density jumps at {point_text(where)}, from {lower.values[which]:.6g} to "
            f"{upper.values[which]:.6g}, and its gradient does not tell it; expected a continuous function where "
            "the density is positive. Look for rounding, comparisons and jnp.where with branches that do not meet"
        )


class _Cuts(NamedTuple):
    """One place on every segment, from 0 to 1, with the log density and its slope along the segment there."""

    places: Float[np.ndarray, " segments"]
    values: Float[np.ndarray, " segments"]
    slopes: Float[np.ndarray, " segments"]


def _steepest_piece(target: AbstractTarget, points: Float[np.ndarray, "segments dim"]) -> tuple[_Cuts, _Cuts]:
    """The ends of the small piece of every segment in which rise and gradient differ most."""
    along = np.roll(points, -1, axis=0) - points

    def cut(places: np.ndarray) -> _Cuts:
        values, gradients = compiled_slopes(target)(jnp.asarray(points + places[:, None] * along, float))
        return _Cuts(places, np.asarray(values, float), (np.asarray(gradients, float) * along).sum(axis=1))

    cuts = [cut(np.full(len(points), place)) for place in np.linspace(0.0, 1.0, PIECES + 1)]
    worst = np.argmax([_unexplained(*ends) for ends in zip(cuts[:-1], cuts[1:], strict=True)], axis=0)
    lower, upper = _picked(cuts, worst), _picked(cuts, worst + 1)
    while (upper.places - lower.places).max() > SMALLEST_PIECE * slopes_of(target).epsilon:
        middle = cut(0.5 * (lower.places + upper.places))
        first = _unexplained(lower, middle) >= _unexplained(middle, upper)
        lower, upper = _merged(first, lower, middle), _merged(first, middle, upper)
    return lower, upper


def _unexplained(lower: _Cuts, upper: _Cuts) -> Float[np.ndarray, " segments"]:
    """What the mean of two slopes leaves of the rise between them; nothing where the density is zero."""
    with np.errstate(invalid="ignore"):
        rise = 0.5 * (lower.slopes + upper.slopes) * (upper.places - lower.places)
        return np.nan_to_num(np.abs(upper.values - lower.values - rise), nan=0.0, posinf=0.0)


def _picked(cuts: list[_Cuts], which: np.ndarray) -> _Cuts:
    return _Cuts(*(np.stack(each)[which, np.arange(len(which))] for each in zip(*cuts, strict=True)))


def _merged(first: np.ndarray, mine: _Cuts, theirs: _Cuts) -> _Cuts:
    return _Cuts(*(np.where(first, *pair) for pair in zip(mine, theirs, strict=True)))


def _unseen(target: AbstractTarget) -> Float[np.ndarray, "one dim"]:
    """The direction that the gradients see least, in declared scales: of a translation, if nothing holds one."""
    gradients = slopes_of(target).gradients * np.asarray(target.scale)
    sizes = np.maximum(np.linalg.norm(gradients, axis=1, keepdims=True), np.finfo(float).tiny)
    return np.linalg.svd(np.nan_to_num(gradients / sizes), full_matrices=True)[2][-1:]
