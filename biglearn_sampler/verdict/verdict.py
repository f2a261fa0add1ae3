"""What is said about a sampler: covered, not covered, or cannot tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from biglearn_sampler.energy import Evaluations
from biglearn_sampler.engine.archive import Mode

COVERED, NOT_COVERED, CANNOT_TELL = "covered", "not covered", "cannot tell"

MOST_ALONE = 0.25
"""Share of climbs that end each in a mode of its own, above which modes are too many for the masses of all to be told;
that some mass lies in the wrong one may still be seen."""


UNRELIABLE_KHAT = 0.7
"""Above it means of importance weights converge too slowly for their standard errors to be relied on (Vehtari et al.
2024)."""

EVEN_ESS = 0.5
"""Below it, as a share of the draws, the sentence says that draws need their weights."""

TOLD_WIDTH = 0.1
"""Share of the width of its modes down to which the sentence says nothing of what may have been overlooked."""


@dataclass(frozen=True)
class Verdict:
    """What the evidence says.

    Arguments:
        verdict: `covered`, `not covered` or `cannot tell`.
        sentence: the same for people, with how much is missing and where, or why it cannot be told.
        missing_mass: share of the mass found now that the sampler does not know, in modes that were found or, where
            that is more, by broad draws; `None` if nothing can be said.
        wrong_mass: total variation between raw and weighted masses of the sampler's own modes, and of those of the
            target; `None` if nothing can be said, or if these are too many for all to be told.
        places: where mass is missing, in the target's own units, each with its share, the largest first.
        evidence: the figures behind it.
        asked: evaluations of energy and gradient that it took.
        found: the modes that are missing.
    """

    verdict: str
    sentence: str
    missing_mass: float | None
    wrong_mass: float | None
    places: Sequence[dict[str, Any]]
    evidence: dict[str, Any]
    asked: Evaluations
    found: tuple[Mode, ...] = ()

    @classmethod
    def bare(cls, verdict: str, sentence: str) -> Verdict:
        """One without figures, where nothing could be looked at."""
        return cls(verdict, sentence, None, None, [], {}, Evaluations())

    @property
    def reservations(self) -> str:
        """Sentences on what could not be seen, each with a space before it; mostly none."""
        many = self.wrong_mass is None and self.evidence.get("modes_of_one_climb", 0.0) > MOST_ALONE
        said = " Modes are too many to tell whether each has its right mass." if many else ""
        return said + self._rough + self._overlooked + self._cut_short

    @property
    def _rough(self) -> str:
        """What the draws of a sampler lack that is right enough for the verdict."""
        khat, ess = self.evidence.get("khat"), self.evidence.get("ess")
        said = ""
        if self.verdict == COVERED and ess is not None and ess < EVEN_ESS:
            said += f" The sampler's weights are uneven (ESS {ess:.2f}): its draws need them."
        if self.verdict == COVERED and khat is not None and khat > UNRELIABLE_KHAT:
            defended = self.evidence.get("khat_defended")
            mended = self.evidence.get("ess_defended") is not None and (defended or 0.0) <= UNRELIABLE_KHAT
            lacking = "weighted figures have them" if mended else "weighted figures lack some of them too"
            said += f" The sampler's own tails are too short (k-hat {khat:.2f}); {lacking}."
        return said

    @property
    def _overlooked(self) -> str:
        """How narrow a mode may be for this verdict to overlook it, where that is not very narrow."""
        if self.verdict != COVERED or "sweep" not in self.evidence:
            return ""
        if self.evidence["sweep"] is None:
            return " Of a product it is not known how narrow a further mode would have been met."
        width = self.evidence["resolved_width"]
        if width is not None and width <= TOLD_WIDTH:
            return ""
        mode = "A further mode with a tenth of the mass would have been met in"
        if width is None:
            return f" {mode} fewer than nine of ten places, even if as wide as the sampler's modes."
        wide = "" if width == 1.0 else f"{width:.2g} times "
        return f" {mode} nine of ten places if {wide}as wide as the sampler's modes, or wider."

    @property
    def _cut_short(self) -> str:
        swept = self.evidence.get("sweep")
        if not self.evidence.get("search_complete", True):
            return " The search was ended by verdict.evaluations before it was done."
        if swept is not None and swept < 1.0:
            return f" Of the broad points {swept:.0%} were looked at, as verdict.evaluations allows."
        return ""

    def to_json(self) -> dict[str, Any]:
        """As it stands in `metrics.json`; one without evidence says no more than its sentence."""
        if not self.evidence:
            return {"verdict": self.verdict, "sentence": self.sentence}
        said = {name: value for name, value in vars(self).items() if name not in ("asked", "found")}
        return {**said, "evaluations": self.asked.total}
