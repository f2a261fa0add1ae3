"""How narrow a mode the points of a verdict would have shown: modes are planted, and counted when they are met."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from biglearn_sampler.engine.archive import NEWS, Archive
from biglearn_sampler.estimators.guard import ZERO_DENSITY
from biglearn_sampler.mixture import LOG_TWO_PI

PLANTED, PLANTED_SHARE = 64, 0.1
"""How many modes are planted, one at a time, and the share of the mass that each has."""

WIDTHS = 0.5 ** (0.5 * np.arange(13))
"""Of planted modes, as shares of those of a component: from as wide to a sixty-fourth."""

MOSTLY_MET = 0.9
"""Share of planted modes that must be met."""


def resolved_width(
    known: Archive,
    places: Float[np.ndarray, "broad dim"],
    points: Float[np.ndarray, "count dim"],
    log_target: Float[np.ndarray, " count"],
    generator: np.random.Generator,
) -> float | None:
    """The width from which on nine of ten modes of a tenth of the mass would have been met, as a share of that of the
    sampler's components; `None` if those as wide would not.

    A planted mode is a component of the sampler, chosen by weight, put in another place and made narrower:
    `m Z N(c, w^2 L L^T)`. It is met if it would surprise at one of the points (`Archive.surprise`), where what is known
    explains the target otherwise. The energy is not asked again.

    Arguments:
        known: what the sampler knows.
        places: where modes may be planted: broad draws at which there is a density.
        points, log_target: that were looked at, and the log density of the target there; a mode is not met at the very
            place where it was planted.
        generator: of the planted modes.
    """
    if not len(places):
        return None
    dense = log_target > ZERO_DENSITY
    points, log_target = points[dense], log_target[dense]
    components = generator.choice(known.count, PLANTED, p=np.exp(known.population().log_weights))
    chosen = generator.integers(len(places), size=PLANTED)
    met = [is_met(known, int(k), points - places[i], log_target) for k, i in zip(components, chosen, strict=True)]
    coarse = np.flatnonzero(np.mean(met, axis=0) < MOSTLY_MET)
    first = coarse[0] if len(coarse) else len(WIDTHS)
    return float(WIDTHS[first - 1]) if first else None


def is_met(
    known: Archive, component: int, away: Float[np.ndarray, "count dim"], log_target: Float[np.ndarray, " count"]
) -> Bool[np.ndarray, " widths"]:
    """Whether a component that is planted so far away from the points would be met, for every width of it."""
    inverse = np.linalg.inv(known.factors[component])
    squares = ((away @ inverse.T) ** 2).sum(1)
    peak = known.total + np.log(PLANTED_SHARE) + np.log(np.diagonal(inverse)).sum() - 0.5 * known.dim * LOG_TWO_PI
    elsewhere, met = squares > 0.0, []
    for width in WIDTHS:
        planted = peak - known.dim * np.log(width) - 0.5 * squares / width**2
        needed = NEWS + known.slack * np.maximum(known.peak - planted, 0.0)
        met.append(bool((elsewhere & (planted > log_target + needed)).any()))
    return np.array(met)
