"""Fig. 4: without a rotation, marginal and conditional matching are no help to joint matching here."""

from __future__ import annotations

from biglearn_plugins.reproductions.descent import descended, is_free
from biglearn_plugins.reproductions.monte_carlo_check import LEAST_SHARE, POINTS, WITHIN, agreeing_share
from biglearn_plugins.reproductions.optima_table import HEADINGS, optima_rows
from biglearn_plugins.reproductions.progress import Tell
from biglearn_plugins.reproductions.reproduction import Finding, Reproduction
from biglearn_plugins.reproductions.surface import surface_of
from biglearn_plugins.reproductions.surface_picture import surface_picture
from biglearn_plugins.reproductions.view import View

VIEWS = (View("joint"), View("marginal"), View("conditional"))


def find(tell: Tell) -> Finding:
    """Surfaces of the three tasks as they are, their largest difference, and where each leads from a local optimum."""
    tell(f"{len(VIEWS)} surfaces")
    surfaces = [surface_of(view) for view in VIEWS]
    apart = max(abs(each.values - surfaces[0].values).max() for each in surfaces[1:])
    traps = surfaces[0].local_optima
    freed = sum(is_free(descended(view, trap)) for view in VIEWS[1:] for trap in traps)
    shares = [agreeing_share(view, surface) for view, surface in zip(VIEWS, surfaces, strict=True)]
    counts = ", ".join(str(len(each.local_optima)) for each in surfaces)
    sentence = (
        f"The three surfaces differ by at most {apart:.0e}: they are the same, with {counts} local optima. Of "
        f"{2 * len(traps)} descents on the marginal and the conditional task from the joint one's local optima, "
        f"{freed} reach a global optimum. {POINTS:,} random points give the same values within {WITHIN:g} standard "
        f"errors on at least {min(shares):.2%} of each square."
    )
    return Finding(
        agrees=freed == 0 and bool(traps) and min(shares) >= LEAST_SHARE,
        sentence=sentence,
        pictures=(surface_picture(surfaces, 3, "The tasks in the original coordinates."),),
        headings=(*HEADINGS, "Monte Carlo agrees on"),
        rows=tuple((*row, f"{share:.2%}") for row, share in zip(optima_rows(surfaces), shares, strict=True)),
    )


FIGURE_4 = Reproduction(
    name="fig4",
    title="Fig. 4: joint, marginal and conditional matching in the original coordinates",
    claim="No cooperation between any two of these tasks; they are harmless to each other, since they share the "
    "global optimum.",
    find=find,
)
