"""Fig. 3: 25 modes from the corner, by the joint task alone and by big cooperative learning."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

import biglearn_sampler as bl
from biglearn_plugins.reports.page.drawing import Picture
from biglearn_plugins.reports.page.numbers_as_text import number, short_count
from biglearn_plugins.reproductions.animation import animated
from biglearn_plugins.reproductions.coverage import HEADINGS, Coverage, coverage_of
from biglearn_plugins.reproductions.grid import MODES
from biglearn_plugins.reproductions.many_seeds import train_seeds
from biglearn_plugins.reproductions.mixture_picture import HEADING, MixturePanel, draw_panels, mixture_picture
from biglearn_plugins.reproductions.progress import Tell
from biglearn_plugins.reproductions.recipe import NATURAL, TARGET, Recipe, modes_of, of_seed, price_of
from biglearn_plugins.reproductions.reproduction import Finding, Part, Reproduction
from biglearn_sampler.catalogue import Catalogue
from biglearn_sampler.mixture import GaussianMixture

VARIANCE, SEEDS = 0.05, 20

ITERATIONS, SHOWN = 10_000, (0, 200, 800, 1400, 2000, 6000, 10_000)
"""Of the paper; 20 steps each. A shorter training is shown at the same shares of its length."""

LOOKS = ITERATIONS // SHOWN[1]

# The declared region and once more as much around it, in steps of a third of the distance of two modes.
QUADRATURE = {"channels": "energy", "quadrature.nodes": 48, "quadrature.extent": 2.0}

JOINT = Recipe("joint", {"scheduler": "joint"})
EXACT = Recipe("exact channels")
ENERGY = Recipe("energy only", {**NATURAL, **QUADRATURE, "training.steps": 4_000})

CORNER = {"start.mean": -5.0, "start.sd": 0.1}


class Course(NamedTuple):
    """All seeds of one recipe.

    Arguments:
        name: of the recipe.
        steps: of each training.
        frames: mixtures of seed 0, the start included.
        course: coverage after each part of the training, the start included.
        spent: evaluations of each training.
    """

    name: str
    steps: int
    frames: list[GaussianMixture]
    course: list[Coverage]
    spent: int


class Default(NamedTuple):
    """All seeds of the default training.

    Arguments:
        coverage: of all of them.
        spent: median of their evaluations.
    """

    coverage: Coverage
    spent: float


def find(tell: Tell, joint_course: Course, exact_course: Course, energy_course: Course, default: Default) -> Finding:
    """Three trainings, and the default one, over seeds."""
    courses = [joint_course, exact_course, energy_course]
    joint, exact, energy = (each.course[-1] for each in courses)
    tell("drawing")
    sentence = (
        f"Over {SEEDS} seeds the joint task covers {joint.range} of {len(MODES)} modes, with a median ESS of "
        f"{np.median(joint.ess):.3f}: it does not see what it misses. Big learning as in the paper's code, with exact "
        f"channels, covers {exact.range}, and all of them in {exact.complete(len(MODES))} of {SEEDS}; from the energy "
        f"alone, after {courses[2].steps:,} steps, {energy.range}. {explored(joint, exact)} "
        f"Our default training covers {default.coverage.range} from the same corner, "
        f"from {short_count(default.spent)} evaluations of the energy."
    )
    return Finding(
        agrees=agrees(joint, exact, energy),
        sentence=sentence,
        pictures=(strip(courses),),
        headings=("training", *HEADINGS, "median of modes on the way", "asked of the target, each"),
        rows=(
            *((each.name, *each.course[-1].cells(len(MODES)), on_the_way(each), asked(each)) for each in courses),
            ("our default", *default.coverage.cells(len(MODES)), "", f"{short_count(default.spent)} of the energy"),
        ),
        animations={"fig3.gif": moving(courses)},
    )


def agrees(joint: Coverage, exact: Coverage, energy: Coverage) -> bool:
    """Whether the joint task collapses on most seeds, and big learning explores on most.

    With the paper's channels and steps it finds nearly all modes, from the energy alone in fewer steps most of them.
    """
    total = len(MODES)
    return joint.collapses(total) and exact.finds_nearly_all(total) and energy.finds_most(total)


def explored(joint: Coverage, exact: Coverage) -> str:
    """On how many seeds big learning covers more than the joint task does on any, and what it leaves."""
    total, count = len(MODES), int((exact.modes > joint.modes.max()).sum())
    seeds = "every seed, not only on the one that the paper shows" if count == SEEDS else f"{count} of {SEEDS} seeds"
    left = "; but weights stay equal, and where two components share a mode another one stays empty"
    return f"The power of exploration is there on {seeds}{'' if exact.complete(total) == SEEDS else left}."


def followed(recipe: Recipe, tell: Tell) -> Course:
    """All seeds of a recipe."""
    plan = recipe.plan(Catalogue())
    training, target = plan.training(), modes_of(plan)
    frames, course, spent = [], [], 0
    for look in train_seeds(plan, training, SEEDS, LOOKS):
        tell(f"step {look.step:,} of {training.steps:,}")
        frames.append(of_seed(look.parameters, 0))
        course.append(coverage_of(look.parameters, target))
        spent = price_of(training, look.task_steps, plan.settings.scheduled_components).total
    return Course(recipe.name, training.steps, frames, course, spent)


def by_default(tell: Tell) -> Default:
    """The default training from the same corner."""
    catalogue, rows = Catalogue(), []
    for seed in range(SEEDS):
        tell(f"seed {seed + 1} of {SEEDS}")
        rows.append(bl.train(TARGET, seed=seed, settings=CORNER, catalogue=catalogue).metrics)
    figures = (np.array([row[name] for row in rows], float) for name in ("modes_covered", "kl_reverse", "ess"))
    spent = [row["energy_evaluations"] + row["gradient_evaluations"] for row in rows]
    return Default(Coverage(*figures), float(np.median(spent)))


def look_at(share: int) -> int:
    """Which look an iteration of the paper is."""
    return share * LOOKS // ITERATIONS


def on_the_way(course: Course) -> str:
    """Median of modes at the times of the paper."""
    return ", ".join(number(float(np.median(course.course[look_at(share)].modes)), 1) for share in SHOWN[1:])


def asked(course: Course) -> str:
    """What a training asked of the target."""
    kind = "of exact channels" if course.name == EXACT.name else "of the energy"
    return f"{short_count(course.spent)} {kind}"


def strip(courses: list[Course]) -> Picture:
    """Seed 0 at the times of the paper."""
    rows = [[panel(course, look_at(share)) for share in SHOWN] for course in courses]
    told = "; ".join(
        f"{course.name}: {', '.join(f'{course.course[look_at(share)].modes[0]:.0f}' for share in SHOWN)} modes"
        for course in courses
    )
    shares = ", ".join(f"{share:,}" for share in SHOWN[:-1])
    return mixture_picture(
        rows,
        VARIANCE,
        alt=f"Components of seed 0 over the 25 modes. {told}.",
        caption=f"Seed 0 at iterations {shares} and {SHOWN[-1]:,} of the paper, or the same shares of a shorter "
        "training; over each panel the steps, 20 for an iteration. The first two rows are the paper's recipe with SGD. "
        "The third has marginals by quadrature and the natural gradient, which needs fewer steps: so many as the "
        "paper's, on a quadrature, would take hours.",
    )


def panel(course: Course, look: int) -> MixturePanel:
    """One panel of a course."""
    return MixturePanel(f"{course.name}, {look * course.steps // LOOKS:,}", course.frames[look])


def moving(courses: list[Course]) -> bytes:
    """All looks, more of them in the beginning where most happens."""
    looks = [*range(0, 16), *range(16, LOOKS, 4), LOOKS]

    def drawing(look: int) -> Callable[[Figure], None]:
        return lambda figure: draw_panels(figure, [[panel(course, look) for course in courses]], VARIANCE)

    return animated([drawing(look) for look in looks], 3 * 220, 220 + HEADING, 350)


FIGURE_3 = Reproduction(
    name="fig3",
    title="Fig. 3: 25 modes from a corner",
    claim="Joint matching suffers severely from mode collapse and explores feebly; big cooperative learning delivers a "
    "surprising power of exploration from the same information.",
    find=find,
    parts=(
        Part(JOINT.name, partial(followed, JOINT), minutes=7.0),
        Part(EXACT.name, partial(followed, EXACT), minutes=3.5),
        Part(ENERGY.name, partial(followed, ENERGY), minutes=5.0),
        Part("our default", by_default, minutes=4.0),
    ),
)
