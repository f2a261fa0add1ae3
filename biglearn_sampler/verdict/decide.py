"""From the evidence to the verdict and its sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from biglearn_sampler.energy import Evaluations
from biglearn_sampler.engine.archive import Mode
from biglearn_sampler.importance import rounding_of
from biglearn_sampler.verdict.broad import LEAST_EFFECTIVE, BroadDraws, lacking_of
from biglearn_sampler.verdict.own_draws import OwnDraws
from biglearn_sampler.verdict.tails import DOUBLINGS
from biglearn_sampler.verdict.verdict import (
    CANNOT_TELL,
    COVERED,
    MOST_ALONE,
    NOT_COVERED,
    UNRELIABLE_KHAT,
    Verdict,
)

MOST_MISSING = 0.01
"""Share of the mass that may be missing in a sampler that covers its target."""

MOST_WRONG = 0.05
"""Total variation between the masses that the sampler gives its modes and their importance-weighted masses."""

NO_MEAN_KHAT = 1.0
FITTED = 0.9
"""ESS from which a sampler is taken for one that fits, and a heavy tail of its weights for one of next to nothing;
below it may end where the density goes on: of a thin curved tail 3 % of the mass were missing at 0.8."""

EVEN_KHAT = 0.5
"""Of weights with a finite variance; of a Student-t mixture in 20-D it is 0.1 where the sampler's own draws have 1."""

LEAST_SHARE = 0.1
"""Effective draws as a share of all below which weights say nothing: a sampler that is so far from what it sees may
miss as much again where it does not look."""

MOST_UNEVEN = 0.1
"""The same between the masses of single components: these tell also where modes are not apart."""

MANY_ALONE = 0.1
"""Share of climbs with a mode for themselves from which modes are many: about so much mass is in those that none found.
Then mass of which the sampler has little is in small modes, and it may have none of others; of a single mode it is a
tail, which weights tell."""

MOST_ROUNDING = 0.1
"""Distance of neighbouring log densities from which their differences, and so all weights, are rounding."""


def decided(
    own: OwnDraws,
    broad: BroadDraws,
    new: Sequence[Mode],
    evidence: dict[str, Any],
    asked: Evaluations,
    centre: Float[np.ndarray, " dim"],
    scale: Float[np.ndarray, " dim"],
) -> Verdict:
    """The verdict on what was seen.

    Arguments:
        own: the sampler on its own draws.
        broad: broad draws.
        new: modes that the sampler misses, each with the mass that it holds.
        evidence: the figures behind it, to which that of the broad draws is added.
        asked: evaluations that it took.
        centre, scale: of the coordinates of training, to tell places in the target's own units.
    """
    total = float(np.logaddexp.reduce([own.log_z, *(mode.evidence for mode in new)]))
    missing = 1.0 - float(np.exp(own.log_z - total)) if np.isfinite(total) else None
    places = [
        {"at": np.round(centre + scale * mode.mean, 4).tolist(), "share": float(np.exp(mode.evidence - total))}
        for mode in sorted(new, key=lambda mode: -mode.evidence)[:5]
    ]
    lacking = lacking_of(own, broad)
    evidence["broad_missing"] = lacking
    verdict, sentence = said_about(own, missing, places, lacking, evidence["does_not_fall_along"])
    if verdict == COVERED and not evidence["search_complete"]:
        verdict, sentence = CANNOT_TELL, "Cannot tell: nothing was found that the sampler misses."
    unseen = own.alone > MOST_ALONE and own.wrong_mass is not None and own.wrong_mass <= MOST_WRONG
    missing = missing if lacking is None else max(missing or 0.0, lacking)
    wrong_mass = None if unseen else own.wrong_mass
    told = Verdict(verdict, sentence, missing, wrong_mass, places, evidence, asked, tuple(new))
    return replace(told, sentence=sentence + told.reservations)


def said_about(
    own: OwnDraws,
    missing: float | None,
    places: Sequence[dict[str, Any]],
    lacking: float | None,
    endless: Sequence[float] | None,
) -> tuple[str, str]:
    """The verdict and its sentence: why no figure counts, what is missing, why nothing can be said, what is wrong."""
    if not np.isfinite(own.log_z):
        return NOT_COVERED, "Not covered: the target has no density at any fresh draw of the sampler."
    rounding = rounding_of(own.log_target)
    if rounding > MOST_ROUNDING:
        return CANNOT_TELL, (
            f"Cannot tell: the log densities are so large that neighbouring ones are {rounding:.2g} nats apart, and "
            "all weights are rounding; subtract a constant from the log density."
        )
    if missing is not None and missing >= MOST_MISSING:
        where = ", ".join(f"{place['share']:.1%} near {_short(place['at'])}" for place in places[:3])
        return NOT_COVERED, f"Not covered: about {missing:.0%} of the mass is missing: {where}."
    if endless is not None:
        return NOT_COVERED, (
            f"Not covered: along {_short(endless)} the density does not fall off within {DOUBLINGS[-1]:.0f} standard "
            "deviations of the sampler: it is far wider there, or has no finite mass. Widen the declared scale, or "
            "bound the density, for example by a prior."
        )
    if lacking is not None and lacking >= MOST_MISSING:
        return NOT_COVERED, (
            f"Not covered: broad draws find about {lacking:.0%} of the mass or more where the sampler has less "
            "than a twentieth of the density; modes that none of them met are not in that."
        )
    if _too_uneven(own):
        khat = "-" if own.khat is None else f"{own.khat:.2f}"
        if own.khat is not None and own.khat > NO_MEAN_KHAT:
            return CANNOT_TELL, (
                f"Cannot tell: the weights of the sampler's draws grow without bound (ESS {own.effective_share:.3f}, "
                f"k-hat {khat}: above 1 they have no mean): its tails are too light for the density, or the density "
                "has no finite mass, or jumps, which its gradient does not tell; a fresh search found nothing that it "
                "misses."
            )
        return CANNOT_TELL, (
            f"Cannot tell: the weights of the sampler's draws are too uneven (ESS {own.effective_share:.3f}, k-hat "
            f"{khat}) to say whether its masses are right; a fresh search found nothing that it misses."
        )
    if own.thin >= MOST_MISSING and own.alone > MANY_ALONE:
        return CANNOT_TELL, (
            f"Cannot tell: {own.thin:.0%} of the mass is where the sampler has less than a tenth of its usual share of "
            f"the density (ESS {own.effective_share:.3f}), and modes are so many that as much may be in some of which "
            "it has none; a fresh search found nothing that it misses."
        )
    if missing and own.effective < FITTED * own.count:
        return CANNOT_TELL, (
            f"Cannot tell: the fresh search found {missing:.1%} of the mass in modes that the sampler misses, and "
            f"where it does not fit (ESS {own.effective_share:.3f}) there may be more of them."
        )
    if own.wrong_mass is not None and own.wrong_mass > MOST_WRONG:
        return NOT_COVERED, (
            f"Not covered: all mass found is known, but about {own.wrong_mass:.0%} of it lies in the wrong mode."
        )
    if own.uneven is not None and own.uneven > MOST_UNEVEN:
        return CANNOT_TELL, (
            f"Cannot tell: a fresh search found nothing that the sampler misses, but about {own.uneven:.0%} of its "
            "mass lies with the wrong components, and its modes are not far enough apart to say what that means."
        )
    return COVERED, (
        f"Covered: fresh broad draws, tempered chains and a fresh search found no mass of {MOST_MISSING:.0%} or more "
        "that the sampler misses."
    )


def _too_uneven(own: OwnDraws) -> bool:
    """Whether the weights of the draws say nothing."""
    few = own.effective < max(LEAST_EFFECTIVE, LEAST_SHARE * own.count)
    heavy = own.khat is not None and own.khat > UNRELIABLE_KHAT and own.effective < FITTED * own.count
    return few or (heavy and not _only_tails_are_short(own))


def _only_tails_are_short(own: OwnDraws) -> bool:
    """Whether the weights are even as soon as draws with heavy tails are among the sampler's: it lacks nothing else."""
    if own.defended is None:
        return False
    share, khat = own.defended
    return share >= FITTED and (khat is None or khat <= EVEN_KHAT)


def _short(numbers: Sequence[float]) -> str:
    shown = ", ".join(f"{number:.3g}" for number in numbers[:4])
    return f"({shown}, ...)" if len(numbers) > 4 else f"({shown})"
