"""Which family of tasks frees which trap: from a local optimum of every task, by every family."""

from __future__ import annotations

import jax
from matplotlib.figure import Figure

from biglearn_plugins.reports.page.drawing import INK, Picture, picture
from biglearn_plugins.reproductions.families import FAMILIES
from biglearn_plugins.reproductions.inner_steps import STEPS, successes
from biglearn_plugins.reproductions.optima import Optimum
from biglearn_plugins.reproductions.progress import Tell
from biglearn_plugins.reproductions.recipe import INNER_STEPS
from biglearn_plugins.reproductions.reproduction import Finding, Reproduction
from biglearn_plugins.reproductions.surface import surface_of
from biglearn_plugins.reproductions.tailored import target
from biglearn_plugins.reproductions.view import View
from biglearn_sampler.catalogue import Catalogue
from biglearn_sampler.estimators import choose_estimators

SEEDS = 20

TRAPPING = (
    View("joint"),
    View("joint", noise=0.2),
    View("marginal", 15.0),
    View("marginal", 30.0),
    View("conditional", 15.0),
    View("conditional", 30.0),
)
"""Tasks whose local optima are traps; each is represented by the one farthest to the north-east."""

FREED = 0.95
"""A share of seeds from which a trap is none for a family."""

Shares = dict[str, dict[str, float]]
"""Of seeds that get free: of every trap, by every family."""


def find(tell: Tell) -> Finding:
    """Every family from every trap, over seeds."""
    traps = trapped(tell)
    shares: Shares = {trap: {} for trap in traps}
    catalogue = Catalogue()
    for place, (name, spec) in enumerate(FAMILIES.items(), 1):
        tell(f"{name}: {place} of {len(FAMILIES)}")
        task = catalogue.build("task", spec).value
        estimator, *_ = choose_estimators((task,), target(), "exact", 128, 4.0)
        for trap, optimum in traps.items():
            shares[trap][name] = float(successes(task, estimator, optimum.place, (INNER_STEPS,), SEEDS)[0])
    freeing = {trap: [name for name, share in each.items() if share >= FREED] for trap, each in shares.items()}
    held = {name: sum(each[name] < FREED for each in shares.values()) for name in FAMILIES}
    never = [name for name, count in held.items() if count == len(traps)]
    always = [name for name, count in held.items() if count == 0]
    sentence = (
        f"Of {len(traps)} traps {sum(map(bool, freeing.values()))} are left by at least one family in {FREED:.0%} of "
        f"{SEEDS} seeds. Every one of them is left by {_listed(always)}; none by {_listed(never)}."
    )
    return Finding(
        agrees=all(freeing.values()) and set(never) >= {"joint", "marginal", "conditional"},
        sentence=sentence,
        pictures=(_drawn(shares),),
        headings=("local optimum of", "place", *FAMILIES),
        rows=tuple(
            (trap, "({:.2f}, {:.2f})".format(*traps[trap].place), *(f"{share:.0%}" for share in each.values()))
            for trap, each in shares.items()
        ),
    )


def trapped(tell: Tell) -> dict[str, Optimum]:
    """The traps by the names of their tasks."""
    found: dict[str, Optimum] = {}
    for view in TRAPPING:
        tell(f"local optima of {view.name}")
        optima = surface_of(view).local_optima
        if optima:
            found[view.name] = max(optima, key=lambda each: sum(each.place))
    jax.clear_caches()  # the surfaces are in double precision, and nothing of them is used again
    return found


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "no family"


def _drawn(shares: Shares) -> Picture:
    table = [list(each.values()) for each in shares.values()]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.imshow(table, cmap="Blues", vmin=0.0, vmax=1.4, aspect="auto")
        for row, line in enumerate(table):
            for column, share in enumerate(line):
                axes.text(column, row, f"{share:.0%}", ha="center", va="center", color=INK)
        axes.set_xticks(range(len(FAMILIES)), [name.replace(" ", "\n") for name in FAMILIES])
        axes.set_yticks(range(len(shares)), list(shares))
        axes.tick_params(length=0)
        axes.set_ylabel("local optimum of")

    told = "; ".join(
        f"{trap}: {', '.join(f'{name} {share:.0%}' for name, share in each.items())}" for trap, each in shares.items()
    )
    caption = f"Share of {SEEDS} seeds that reach a global optimum in {STEPS:,} steps on tasks of one family."
    return picture(560, 280, draw, alt=f"Which family frees which trap. {told}.", caption=caption)


TRAPS = Reproduction(
    name="traps",
    title="Beyond the papers: which family of tasks frees which trap",
    claim="Transformed tasks have other local optima than the joint one, and cooperate with it; tasks in the original "
    "coordinates do not.",
    find=find,
)
