"""Fig. 7: joint matching through noise."""

from __future__ import annotations

from itertools import pairwise

from biglearn_plugins.reproductions.animation import animation_of
from biglearn_plugins.reproductions.optima_table import HEADINGS, optima_rows
from biglearn_plugins.reproductions.progress import Tell
from biglearn_plugins.reproductions.reproduction import Finding, Reproduction
from biglearn_plugins.reproductions.surface import surface_of
from biglearn_plugins.reproductions.surface_picture import surface_picture
from biglearn_plugins.reproductions.view import View

VIEWS = tuple(View("joint", noise=noise) for noise in (0.0, 0.2, 0.4, 0.6, 0.8, 1.2))


def find(tell: Tell) -> Finding:
    """Surfaces of rising noise; local optima and the curvature at the global one."""
    tell(f"{len(VIEWS)} surfaces")
    surfaces = [surface_of(view) for view in VIEWS]
    counts = [len(each.local_optima) for each in surfaces]
    curvatures = [max((each.curvature for each in surface.global_optima), default=0.0) for surface in surfaces]
    gone = next((view.noise for view, count in zip(VIEWS, counts, strict=True) if not count), None)
    sentence = (
        f"Local optima at noise {', '.join(f'{view.noise:g}' for view in VIEWS)}: {', '.join(map(str, counts))}; "
        + ("they never vanish" if gone is None else f"from noise {gone:g} there are none")
        + f". The curvature at the global optimum falls from {curvatures[0]:.3g} to {curvatures[-1]:.3g}."
    )
    falls = all(later < earlier for earlier, later in pairwise(curvatures))
    return Finding(
        agrees=gone is not None and counts[0] > 0 and counts[-1] == 0 and falls,
        sentence=sentence,
        pictures=(surface_picture(surfaces, 3, "Joint matching through noise."),),
        headings=HEADINGS,
        rows=optima_rows(surfaces),
        animations={"fig7.gif": animation_of(surfaces)},
    )


FIGURE_7 = Reproduction(
    name="fig7",
    title="Fig. 7: joint matching through noise",
    claim="Local optima vanish as the noise grows, and the surface around the global optimum is flattened.",
    find=find,
)
