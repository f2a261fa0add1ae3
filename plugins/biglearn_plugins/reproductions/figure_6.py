"""Fig. 6: conditional matching over rotations and conditions, and its average."""

from __future__ import annotations

from biglearn_plugins.reproductions.animation import animation_of
from biglearn_plugins.reproductions.optima_table import HEADINGS, optima_rows
from biglearn_plugins.reproductions.progress import Tell
from biglearn_plugins.reproductions.reproduction import Finding, Reproduction
from biglearn_plugins.reproductions.surface import average_of, surface_of
from biglearn_plugins.reproductions.surface_picture import surface_picture
from biglearn_plugins.reproductions.view import ROTATIONS, View

SHOWN = tuple(View("conditional", degrees, condition=value) for degrees in (15.0, 45.0, 75.0) for value in (-0.5, 0.0))
ROTATED = tuple(View("conditional", degrees) for degrees in ROTATIONS)
CONDITIONS = (-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5)
"""The average is uniform over them, as it is over rotations."""


def find(tell: Tell) -> Finding:
    """Surfaces of every rotation, and of some with one condition; the mean over all, and over the target's own ones."""
    tell(f"{len(ROTATED) + len(SHOWN)} surfaces")
    rotated, surfaces = ([surface_of(view) for view in views] for views in (ROTATED, SHOWN))
    uniform = [View("conditional", degrees, condition=value) for degrees in ROTATIONS for value in CONDITIONS]
    tell(f"averages over {len(uniform)} tasks")
    averages = [
        average_of("average, uniform", uniform),
        average_of("average, target's", ROTATED),
    ]
    counts = [len(each.local_optima) for each in averages]
    trapped, trapping = (sum(bool(each.local_optima) for each in some) for some in (surfaces, rotated))
    flat = [each.name for each in rotated if not each.global_optima]
    sentence = (
        f"{trapped} of {len(SHOWN)} tasks with one rotation and one condition have local optima, and {trapping} of "
        f"{len(ROTATED)} with one rotation and the conditions of the target. No curvature at all: "
        f"{'; '.join(flat) or 'none'}. The average over {len(ROTATIONS)} "
        f"rotations has {counts[0]} local optima with conditions uniform on {len(CONDITIONS)} values from "
        f"{CONDITIONS[0]:g} to {CONDITIONS[-1]:g}, and {counts[1]} with the conditions of the target."
    )
    return Finding(
        agrees=counts[0] == 0,
        sentence=sentence.replace("-", "\N{MINUS SIGN}"),
        pictures=(
            surface_picture([*surfaces, *averages], 4, "Conditional matching for one condition, and its averages."),
            surface_picture(rotated, 4, "Conditional matching after rotations, with the conditions of the target."),
        ),
        headings=HEADINGS,
        rows=optima_rows([*surfaces, *rotated, *averages]),
        animations={"fig6.gif": animation_of(rotated)},
    )


FIGURE_6 = Reproduction(
    name="fig6",
    title="Fig. 6: conditional matching over rotations and conditions",
    claim="The surface differs from one rotation and condition to another, and a uniform average may already have no "
    "local optima: no bi-level optimisation is needed.",
    find=find,
)
