"""The optima of surfaces as a table."""

from __future__ import annotations

from collections.abc import Iterable

from biglearn_plugins.reports.page.numbers_as_text import number
from biglearn_plugins.reproductions.optima import Optimum
from biglearn_plugins.reproductions.surface import Surface

HEADINGS = ("task", "global optima", "local optima", "loss there", "places", "curvature at the global optimum")


def optima_rows(surfaces: Iterable[Surface]) -> tuple[tuple[str, ...], ...]:
    """A row for each surface, as `HEADINGS` say."""
    return tuple(map(_row, surfaces))


def _row(surface: Surface) -> tuple[str, ...]:
    losses = sorted({_told(each.loss) for each in surface.local_optima})
    curvatures = {_told(each.curvature) for each in surface.global_optima}
    return (
        surface.name,
        str(len(surface.global_optima)),
        str(len(surface.local_optima)),
        ", ".join(losses),
        ", ".join(map(_place, surface.local_optima)),
        ", ".join(sorted(curvatures)) or "flat",
    )


def _told(value: float) -> str:
    """A loss above zero never looks like that of a global optimum, nor a slight curvature like none."""
    return number(value, 3) if value >= 5e-4 else f"{value:.1e}"


def _place(optimum: Optimum) -> str:
    return "({}, {})".format(*(number(each, 2) for each in optimum.place))
