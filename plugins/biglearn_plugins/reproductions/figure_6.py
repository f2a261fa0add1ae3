"""Fig. 6: conditional matching over rotations and conditions, and its average."""

from __future__ import annotations

from biglearn_plugins.reproductions.optima_table import HEADINGS, optima_rows
from biglearn_plugins.reproductions.progress import Tell
from biglearn_plugins.reproductions.reproduction import Finding, Reproduction
from biglearn_plugins.reproductions.surface import average_of, surface_of
from biglearn_plugins.reproductions.surface_picture import surface_picture
from biglearn_plugins.reproductions.view import ROTATIONS, View

SHOWN = tuple(View("conditional", degrees, condition=value) for degrees in (15.0, 45.0, 75.0) for value in (-0.5, 0.0))
CONDITIONS = (-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5)
"""The average is uniform over them, as it is over rotations."""


def find(tell: Tell) -> Finding:
    """Surfaces of some rotations and conditions; the mean over all, and over the target's own conditions."""
    tell(f"{len(SHOWN)} surfaces")
    surfaces = [surface_of(view) for view in SHOWN]
    uniform = [View("conditional", degrees, condition=value) for degrees in ROTATIONS for value in CONDITIONS]
    tell(f"averages over {len(uniform)} tasks")
    averages = [
        average_of("average, uniform", uniform),
        average_of("average, target's", [View("conditional", degrees) for degrees in ROTATIONS]),
    ]
    counts = [len(each.local_optima) for each in averages]
    trapped = sum(bool(each.local_optima) for each in surfaces)
    sentence = (
        f"{trapped} of {len(SHOWN)} single tasks that are shown have local optima. The average over {len(ROTATIONS)} "
        f"rotations has {counts[0]} local optima with conditions uniform on {len(CONDITIONS)} values from "
        f"{CONDITIONS[0]:g} to {CONDITIONS[-1]:g}, and {counts[1]} with the conditions of the target."
    )
    return Finding(
        agrees=counts[0] == 0,
        sentence=sentence.replace("-", "\N{MINUS SIGN}"),
        pictures=(surface_picture([*surfaces, *averages], 4, "Conditional matching, and its averages."),),
        headings=HEADINGS,
        rows=optima_rows([*surfaces, *averages]),
    )


FIGURE_6 = Reproduction(
    name="fig6",
    title="Fig. 6: conditional matching over rotations and conditions",
    claim="The surface differs from one rotation and condition to another, and a uniform average may already have no "
    "local optima: no bi-level optimisation is needed.",
    find=find,
)
