"""Fig. 1: rotated tasks have other local optima than the joint one, and free it from its own."""

from __future__ import annotations

from collections.abc import Sequence

from biglearn_plugins.reproductions.descent import descended, is_free
from biglearn_plugins.reproductions.monte_carlo_check import LEAST_SHARE, POINTS, WITHIN, agreeing_share
from biglearn_plugins.reproductions.optima_table import HEADINGS, optima_rows
from biglearn_plugins.reproductions.progress import Tell
from biglearn_plugins.reproductions.reproduction import Finding, Reproduction
from biglearn_plugins.reproductions.surface import Surface, surface_of
from biglearn_plugins.reproductions.surface_picture import surface_picture
from biglearn_plugins.reproductions.view import View

JOINT = View("joint")
OTHERS = tuple(View(shape, degrees) for shape in ("marginal", "conditional") for degrees in (15.0, 45.0, 60.0))


def find(tell: Tell) -> Finding:
    """Surfaces of seven tasks, and the descent of six of them from the local optimum of the first."""
    views = (JOINT, *OTHERS)
    tell(f"{len(views)} surfaces")
    surfaces = [surface_of(view) for view in views]
    trap = max(surfaces[0].local_optima, key=lambda each: sum(each.place))
    paths = {view.name: descended(view, trap) for view in OTHERS}
    free = {name: is_free(path) for name, path in paths.items()}
    tell("the same surfaces by Monte Carlo")
    shares = [agreeing_share(view, surface) for view, surface in zip(views, surfaces, strict=True)]
    freeing = [name for name, freed in free.items() if freed]
    sentence = (
        f"The joint task has {len(surfaces[0].local_optima)} local optima, {_up_to_order(surfaces[0])} up to the "
        "order of the components; the paper marks two. From beside the one in the north-east, "
        f"descent on {len(freeing)} of {len(OTHERS)} rotated tasks reaches a global optimum "
        f"({'; '.join(freeing) or 'none'}). All {sum(bool(each.global_optima) for each in surfaces)} tasks have their "
        f"global optimum at the same place. {POINTS:,} random points give the same values within {WITHIN:g} standard "
        f"errors on at least {min(shares):.2%} of each square."
    )
    told = ("", *("yes" if free[view.name] else "no" for view in OTHERS))
    rows = optima_rows(surfaces)
    return Finding(
        agrees=agrees(list(free.values()), [bool(each.global_optima) for each in surfaces], shares),
        sentence=sentence,
        pictures=(surface_picture(surfaces, 4, "Arrows: descent from the joint task's local optimum.", paths),),
        headings=(*HEADINGS, "frees the joint task", "Monte Carlo agrees on"),
        rows=tuple((*row, freed, f"{share:.2%}") for row, freed, share in zip(rows, told, shares, strict=True)),
    )


def agrees(free: Sequence[bool], has_global_optimum: Sequence[bool], shares: Sequence[float]) -> bool:
    """Whether many tasks free the joint one, half of them at least, and all have the global optimum.

    Arguments:
        free: of every rotated task.
        has_global_optimum: of every task.
        shares: of each square, on which random points give the same values.
    """
    return 2 * sum(free) >= len(free) > 0 and all(has_global_optimum) and min(shares) >= LEAST_SHARE


def _up_to_order(surface: Surface) -> int:
    """Local optima, with those counted once that become each other when the components change places."""
    return len({tuple(sorted(round(each, 3) for each in optimum.place)) for optimum in surface.local_optima})


FIGURE_1 = Reproduction(
    name="fig1",
    title="Fig. 1: tasks with different local optima and one global optimum",
    claim="Joint matching has strong local optima; many rotated marginal and conditional tasks free it from them, and "
    "all share the global optimum.",
    find=find,
)
