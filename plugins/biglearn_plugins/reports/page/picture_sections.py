"""The sections with pictures, in their order: what each is called, what a reader has to know, who draws it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from biglearn_plugins.reports.mass_levels import SHARES_TEXT
from biglearn_plugins.reports.page.coverage_pictures import coverage_pictures
from biglearn_plugins.reports.page.drawing import Picture
from biglearn_plugins.reports.page.energy_picture import energy_picture
from biglearn_plugins.reports.page.looks import Look, legend
from biglearn_plugins.reports.page.marginal_panels import NUMBERS, marginal_panels
from biglearn_plugins.reports.page.markup import Markup, element
from biglearn_plugins.reports.page.mass_pictures import mass_pictures, note_on_masses
from biglearn_plugins.reports.page.sample_panels import note_on_samples, sample_panels
from biglearn_plugins.reports.page.timing_picture import timing_picture
from biglearn_sampler.catalogue.problems import told
from biglearn_sampler.comparison import Comparison, Trial

logger = logging.getLogger(__name__)

Pictures = Callable[[Comparison, dict[str, Look]], Sequence[Picture]]
NO_DRAWS = "No method has draws on record."


def why_no_curves(comparison: Comparison) -> str:
    """Why neither the coverage of modes nor their masses can be had."""
    if not any(map(comparison.finished, comparison.methods)):
        return "No trial is finished: neither the coverage of modes nor their masses can be had."
    if comparison.target.facts.modes is None:
        return "The modes of this target are not known: neither their coverage nor their masses can be had."
    return "No finished trial has the coverage of modes on record."


@dataclass(frozen=True)
class PictureSection:
    """A section of pictures.

    Arguments:
        anchor: its name in links.
        title: its heading.
        note: what a reader has to know to read the pictures; may depend on the comparison.
        draw: the pictures of a comparison, perhaps none.
        without: what stands there if there are none, likewise; the section is left out if nothing does.
        shows: which trials the pictures show, where the swatches of their methods stand above all pictures together.
        grid: how many pictures stand beside each other: `few`, `some` or `many`.
    """

    anchor: str
    title: str
    note: str | Callable[[Comparison], str]
    draw: Pictures
    without: str | Callable[[Comparison], str] | None
    shows: Callable[[Trial], bool] | None = None
    grid: str = "few"

    def markup(self, comparison: Comparison, looks: dict[str, Look]) -> Markup | None:
        """The section with its pictures; one that fails costs a sentence and not the page."""
        try:
            pictures = self.draw(comparison, looks)
        except Exception as error:
            logger.warning("the pictures of '%s' failed: %s", self.title, told(error))
            return self._around(element("p", f"These pictures could not be drawn: {told(error)}", class_="failed"))
        if not pictures:
            without = _said(self.without, comparison)
            return self._around(element("p", without, class_="muted")) if without else None
        note = element("p", _said(self.note, comparison), class_="note")
        frames = element("div", *(each.figure() for each in pictures), class_=self.grid)
        return self._around(note, self._legend(comparison, looks), frames)

    def _legend(self, comparison: Comparison, looks: dict[str, Look]) -> Markup | None:
        if self.shows is None:
            return None
        return legend(looks, [name for name in comparison.methods if any(map(self.shows, comparison.finished(name)))])

    def _around(self, *content: Markup | None) -> Markup:
        heading = element("h2", self.title, id=f"{self.anchor}-heading")
        return element("section", heading, *content, id=self.anchor, aria_labelledby=f"{self.anchor}-heading")


def _said(text: str | Callable[[Comparison], str] | None, comparison: Comparison) -> str | None:
    return text(comparison) if callable(text) else text


PICTURE_SECTIONS = (
    PictureSection(
        "coverage",
        "Coverage against evaluations",
        "Lines are means over the seeds, bands reach from the least to the most. A marker is the end of a method; "
        "methods without a path have the marker alone. Our sampler is judged by fewer draws on its way than at its "
        "end.",
        coverage_pictures,
        why_no_curves,
        shows=lambda trial: len(trial.curve) > 0,
    ),
    PictureSection(
        "samples",
        "Draws over the target",
        note_on_samples,
        sample_panels,
        None,
        grid="many",
    ),
    PictureSection(
        "marginals",
        "Marginals",
        f"The first {NUMBERS} quantities, singly and in pairs, at the draws of the first seed of each method. Lines "
        f"hold {SHARES_TEXT} of its mass; grey regions, where exact draws exist, as much of the target's. All panels "
        "have the same axes.",
        marginal_panels,
        None,
        grid="some",
    ),
    PictureSection(
        "masses",
        "Masses of the modes",
        note_on_masses,
        mass_pictures,
        None,
    ),
    PictureSection(
        "energies",
        "Energies",
        "Energies that are too low lie too near to the modes, too high ones too far out; missed modes of the same "
        "shape do not show.",
        energy_picture,
        NO_DRAWS,
        shows=lambda trial: trial.draws is not None,
    ),
    PictureSection(
        "timings",
        "Time",
        "On the machine named below; what is compiled on the first seed of a method may serve the others. The verdict "
        "is on our sampler alone, after its training.",
        lambda comparison, _: timing_picture(comparison),
        None,
    ),
)
