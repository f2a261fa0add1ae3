"""What each family of tasks is good for on the 25 modes: alone, and left out of all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from biglearn_plugins.reports.canvas import BLUE, VERMILLION
from biglearn_plugins.reports.page.drawing import Picture, picture
from biglearn_plugins.reproductions.coverage import HEADINGS, Coverage, coverage_of
from biglearn_plugins.reproductions.families import FAMILIES
from biglearn_plugins.reproductions.grid import MODES
from biglearn_plugins.reproductions.many_seeds import train_seeds
from biglearn_plugins.reproductions.progress import Tell
from biglearn_plugins.reproductions.recipe import INNER_STEPS, NATURAL, Recipe, modes_of
from biglearn_plugins.reproductions.reproduction import Finding, Reproduction
from biglearn_plugins.schedulers.bi_level import BiLevel
from biglearn_plugins.schedulers.weighted import Weighted
from biglearn_sampler.catalogue import Catalogue
from biglearn_sampler.tasks import Task

SEEDS, STEPS = 20, 10_000

ALL, ALONE, WITHOUT = "all", "{} alone", "all but {}"
PARALLEL = {"marginal", "conditional"}
"""Families whose tasks keep the axes, and so does the grid."""

COARSE = 10.0
"""Nats of reverse KL from which a mixture does not fit."""

RECIPE = Recipe(
    "all families",
    {
        **NATURAL,
        "scheduler": {
            "name": "bi_level",
            "inner_steps": INNER_STEPS,
            "scheduler": {"name": "uniform", "tasks": list(FAMILIES.values())},
        },
        "training.steps": STEPS,
    },
)


class Variant(NamedTuple):
    """Which families take part.

    Arguments:
        name: in the table.
        families: their names.
    """

    name: str
    families: tuple[str, ...]

    def scheduler(self, tasks: tuple[Task, ...]) -> BiLevel:
        """Draws these families alike, and the others never."""
        chosen = [float(name in self.families) for name in FAMILIES]
        return BiLevel(Weighted(tasks, tuple(each / sum(chosen) for each in chosen)), INNER_STEPS)


VARIANTS = (
    Variant(ALL, tuple(FAMILIES)),
    *(Variant(ALONE.format(name), (name,)) for name in FAMILIES),
    *(Variant(WITHOUT.format(name), tuple(each for each in FAMILIES if each != name)) for name in FAMILIES),
)


def find(tell: Tell) -> Finding:
    """Every variant over seeds, with the same code."""
    plan = RECIPE.plan(Catalogue())
    training, target = plan.training(), modes_of(plan)
    found: dict[str, Coverage] = {}
    for place, variant in enumerate(VARIANTS, 1):
        tell(f"{variant.name}: {place} of {len(VARIANTS)}")
        *_, last = train_seeds(plan, training, SEEDS, 1, variant.scheduler(training.scheduler.tasks))
        found[variant.name] = coverage_of(last.parameters, target)
    medians = medians_of(found)
    alone, without = (_of_families(medians, each) for each in (ALONE, WITHOUT))
    return Finding(
        agrees=agrees(found[ALL], found["joint alone"]),
        sentence=told(found),
        pictures=(_drawn(alone, without, medians[ALL]),),
        headings=("families", *HEADINGS),
        rows=tuple((name, *each.cells(len(MODES))) for name, each in found.items()),
    )


def agrees(everything: Coverage, joint: Coverage) -> bool:
    """Whether on most seeds all families together find most modes, and the joint task alone collapses."""
    return everything.finds_most(len(MODES)) and joint.collapses(len(MODES))


def medians_of(found: Mapping[str, Coverage]) -> dict[str, float]:
    """Of covered modes, over the seeds of every variant."""
    return {name: float(np.median(each.modes)) for name, each in found.items()}


def told(found: Mapping[str, Coverage]) -> str:
    """What the variants cover, which of them fit, and which diverge."""
    medians = medians_of(found)
    alone, without = (_of_families(medians, each) for each in (ALONE, WITHOUT))
    most, least = max(alone.values()), min(without.values())
    best = [name for name, modes in alone.items() if modes == most]
    missed = [name for name, modes in without.items() if modes == least]
    better = [name for name, modes in medians.items() if modes > medians[ALL]]
    coarse = [name for name, each in found.items() if np.median(each.divergence) > COARSE]
    diverged = [f"{name} on {each.diverged} of {len(each.modes)}" for name, each in found.items() if each.diverged]
    return (
        f"From the corner, in {STEPS:,} steps, the median over {SEEDS} seeds is {medians[ALL]:g} of {len(MODES)} modes "
        f"with all families together, and {alone['joint']:g} with the joint task alone. Alone most is covered by "
        f"{_listed(best)}, {most:g}{' (the grid is parallel to the axes)' if set(best) <= PARALLEL else ''}; "
        f"left out most is missed of {_listed(missed)}, which leaves {least:g}. More than all together cover: "
        f"{_listed(better)}. A median KL above {COARSE:g} nats has: {_listed(coarse)}. Diverged: {_listed(diverged)}."
    )


def _of_families(medians: Mapping[str, float], variant: str) -> dict[str, float]:
    return {name: medians[variant.format(name)] for name in FAMILIES}


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "none"


def _drawn(alone: dict[str, float], without: dict[str, float], everything: float) -> Picture:
    def draw(figure: Figure) -> None:
        axes, places = figure.subplots(), np.arange(len(FAMILIES))
        axes.barh(places - 0.2, list(alone.values()), 0.36, color=VERMILLION, label="alone")
        axes.barh(places + 0.2, list(without.values()), 0.36, color=BLUE, label="left out of all")
        axes.axvline(everything, linestyle=":", label="all together")
        axes.set_yticks(places, list(FAMILIES))
        axes.invert_yaxis()
        axes.set_xlim(0, len(MODES))
        axes.set_xlabel(f"modes of {len(MODES)} that are covered, median")
        figure.legend(loc="outside lower center", ncols=3, frameon=False)

    told = "; ".join(f"{name}: {alone[name]:g} alone, {without[name]:g} without it" for name in FAMILIES)
    return picture(
        520,
        300,
        draw,
        alt=f"Median of covered modes. {told}. All together: {everything:g}.",
        caption=f"Over {SEEDS} seeds from the corner; natural gradient, exact channels, {INNER_STEPS} steps on each "
        "task.",
    )


ABLATION = Reproduction(
    name="ablation",
    title="Beyond the papers: each family of tasks alone, and left out",
    claim="It is the versatile exploitation of the energy, by many tasks, that conquers local optima; which task does "
    "how much is not said.",
    find=find,
)
