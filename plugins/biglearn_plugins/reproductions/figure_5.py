"""Fig. 5: marginal matching over all rotations, and its average."""

from __future__ import annotations

from collections.abc import Iterable

from biglearn_plugins.reproductions.animation import animation_of
from biglearn_plugins.reproductions.optima_table import HEADINGS, optima_rows
from biglearn_plugins.reproductions.progress import Tell
from biglearn_plugins.reproductions.reproduction import Finding, Reproduction
from biglearn_plugins.reproductions.surface import Surface, average_of, surface_of
from biglearn_plugins.reproductions.surface_picture import surface_picture
from biglearn_plugins.reproductions.view import ROTATIONS, View

VIEWS = tuple(View("marginal", degrees) for degrees in ROTATIONS)


def find(tell: Tell) -> Finding:
    """Surfaces of all rotations and of their mean."""
    tell(f"{len(VIEWS)} surfaces and their average")
    surfaces = [surface_of(view) for view in VIEWS]
    average = average_of("average", VIEWS)
    without = [each for each in surfaces if each.global_optima and not each.local_optima]
    flat = [each.name for each in surfaces if not each.global_optima]
    strong, weak = largest_loss(each for each in surfaces if each.local_optima), largest_loss(without)
    sentence = (
        f"The average has {len(average.local_optima)} local optima, though {len(without)} of {len(VIEWS)} rotations "
        f"have none ({'; '.join(each.name for each in without)}). No curvature at all: {'; '.join(flat) or 'none'}. "
        f"The largest loss is {strong:.2f} among rotations with local optima and {weak:.2f} among those without"
        f"{', so that the former rule the average' if strong > weak else ''}."
    )
    return Finding(
        agrees=bool(average.local_optima) and bool(without),
        sentence=sentence,
        pictures=(surface_picture([*surfaces, average], 5, "Marginal matching after rotations, and the average."),),
        headings=HEADINGS,
        rows=optima_rows([*surfaces, average]),
        animations={"fig5.gif": animation_of(surfaces)},
    )


def largest_loss(surfaces: Iterable[Surface]) -> float:
    """On any of them; of none zero."""
    return max((float(each.values.max()) for each in surfaces), default=0.0)


FIGURE_5 = Reproduction(
    name="fig5",
    title="Fig. 5: marginal matching over rotations",
    claim="The loss is largest where local optima are strong, so that averaging over rotations may not remove local "
    "optima, while several steps on one rotation without them would.",
    find=find,
)
