"""What nothing known explains, and what becomes of it: flanks of known modes are told apart, and others climb."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from biglearn_sampler.engine.archive import Archive
from biglearn_sampler.engine.climb import STEPS, climbed
from biglearn_sampler.engine.region import Region
from biglearn_sampler.engine.stepper import Stepper

ASCENT = 0.25
"""How far on the way to a known mode the density is asked again, to see whether a point lies on its flank."""

FLANK_SHARE = 0.25
"""Of the searchers that a sweep sends out, at most, to flanks of known modes, where there is anything else."""

EACH = 8
"""Points for every searcher to choose from."""

CLIMB_EVERY, MOST_CLIMBS = 64, 256
"""Points of a sweep for every climb, and climbs at most."""


class Unexplained(NamedTuple):
    """Points with how far the target exceeds what is known there, mostly those where it does; as `Seen`, on the host.

    Arguments:
        points, log_target, surprise: as in `Seen`.
        widest: standard deviation of a searcher that begins there at most, in widths of the region; finite at the end
            of a climb.
    """

    points: Float[np.ndarray, "seen dim"]
    log_target: Float[np.ndarray, " seen"]
    surprise: Float[np.ndarray, " seen"]
    widest: Float[np.ndarray, " seen"]

    @classmethod
    def by(
        cls,
        archive: Archive,
        points: Float[np.ndarray, "count dim"],
        log_target: Float[np.ndarray, " count"],
        others: Archive | None = None,
        widest: Float[np.ndarray, " count"] | None = None,
    ) -> Unexplained:
        """All points, with how far the target exceeds what known modes and others explain; none without known modes."""
        if not archive.count:
            return cls(points[:0], log_target[:0], log_target[:0], log_target[:0])
        known = archive.log_density(points)
        if others is not None:
            known = np.logaddexp(known, others.log_density(points))
        surprise = archive.surprise(log_target, known)
        widest = np.full(len(points), np.inf) if widest is None else widest
        return cls(points, log_target, surprise, widest)

    @property
    def beyond(self) -> Unexplained:
        """Those that are not explained."""
        return self.take(self.surprise > 1.0)

    def take(self, chosen: Bool[np.ndarray, " seen"] | Int[np.ndarray, " chosen"]) -> Unexplained:
        """Some of them."""
        return Unexplained(*(leaf[chosen] for leaf in self))

    def joined(self, *others: Unexplained) -> Unexplained:
        """These and others."""
        return Unexplained(*(np.concatenate(parts) for parts in zip(self, *others, strict=True)))

    def strongest(self, count: int) -> Unexplained:
        """So many that surprise most."""
        return self.take(np.argsort(-self.surprise, kind="stable")[:count])

    def strongest_and_densest(self, count: int) -> Unexplained:
        """So many, by turns that which surprises most and that of the highest density of those that are left."""
        orders = [np.argsort(-values, kind="stable") for values in (self.surprise, self.log_target)]
        by_turns = np.stack(orders, 1).ravel()
        _, first = np.unique(by_turns, return_index=True)
        return self.take(by_turns[np.sort(first)[:count]])


def starts_of(
    unexplained: Unexplained, searchers: int, archive: Archive, stepper: Stepper, at_once: int, reserve: int
) -> Unexplained:
    """Where so many searchers may set out after a sweep.

    The far end of a heavy flank surprises more than any mode does, and a searcher takes many rounds from there. So
    points on flanks of known modes are few where there are others, and the ends of climbs are among them, as far as
    these end at what is not known.

    Arguments:
        unexplained: points of the sweep and others.
        searchers: that set out.
        archive: what is known.
        stepper: asks the energy.
        at_once: points of which scores are asked at once, so that compiled code meets one size.
        reserve: evaluations that must be left.
    """
    flank = _on_flank(unexplained, archive, stepper, reserve)
    elsewhere, flanks = unexplained.take(~flank), unexplained.take(flank)
    most = int(np.ceil(FLANK_SHARE * searchers)) if len(elsewhere.points) else EACH * searchers
    # Far out the other side of an unknown mode looks like a flank too: half of the climbs begin there.
    climbs = min(stepper.rules.sweep_points // CLIMB_EVERY, MOST_CLIMBS)
    begun = elsewhere.strongest_and_densest(climbs - min(climbs // 2, len(flanks.points)))
    begun = begun.joined(flanks.strongest_and_densest(climbs - len(begun.points)))
    ends = _ends_of_climbs(begun, archive, stepper, at_once, reserve)
    return elsewhere.strongest(EACH * searchers).joined(flanks.strongest(most), ends)


def _on_flank(unexplained: Unexplained, archive: Archive, stepper: Stepper, reserve: int) -> Bool[np.ndarray, " seen"]:
    """Whether the density is higher a part of the way to the mode that explains most of it; unknown, `False`."""
    points = unexplained.points
    if not len(points) or not stepper.account.allows(len(points) + reserve):
        return np.zeros(len(points), bool)
    to_mode = archive.means[archive.explaining(points)] - points
    return stepper.log_density(points + ASCENT * to_mode, "proposals") >= unexplained.log_target


def _ends_of_climbs(begun: Unexplained, archive: Archive, stepper: Stepper, at_once: int, reserve: int) -> Unexplained:
    """What is unexplained where climbs arrive; they ask no more than the sweep had points."""
    price = STEPS * at_once * stepper.price_of_gradient.total
    rounds = min(-(-len(begun.points) // at_once), stepper.rules.sweep_points // price)
    if not rounds or not stepper.account.allows(rounds * (price + at_once) + reserve):
        return begun.take(np.zeros(0, int))
    width = Region.found(archive.population()).width
    # The first ones once more, where their number is no multiple.
    batches = np.resize(np.arange(min(len(begun.points), rounds * at_once)), (rounds, at_once))
    ends = [
        climbed(begun.points[batch], lambda points: stepper.scores(points, "proposals"), width) for batch in batches
    ]
    points, widest, arrived = (np.concatenate(field) for field in zip(*ends, strict=True))
    log_target = np.where(arrived, stepper.log_density(points, "proposals"), -np.inf)
    return Unexplained.by(archive, points, log_target, widest=widest).beyond
