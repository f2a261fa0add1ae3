"""Why bi-level training helps marginal matching, and whether conditional matching needs it: success over seeds."""

from __future__ import annotations

import math

from jaxtyping import Float
from matplotlib.figure import Figure
from numpy import ndarray

from biglearn_plugins.reports.canvas import BLUE, VERMILLION
from biglearn_plugins.reports.page.drawing import Picture, picture
from biglearn_plugins.reproductions.inner_steps import STEPS, successes
from biglearn_plugins.reproductions.progress import Tell
from biglearn_plugins.reproductions.reproduction import Finding, Reproduction
from biglearn_plugins.reproductions.surface import surface_of
from biglearn_plugins.reproductions.tailored import target
from biglearn_plugins.reproductions.view import View
from biglearn_plugins.tasks.families import transformed_conditional, transformed_marginal
from biglearn_plugins.transformations.orthogonal import Orthogonal
from biglearn_sampler.estimators.energy import EnergyEstimator
from biglearn_sampler.estimators.exact_channel import ExactChannelEstimator

INNER = (1, 5, 20, 50, 100, 250)
SEEDS = 64
NEEDLESS = 0.95
"""A share of seeds from which more inner steps are not needed."""


def find(tell: Tell) -> Finding:
    """Shares of success of both families, from beside a local optimum of joint matching."""
    start = surface_of(View("joint")).local_optima[0].place
    rotations = Orthogonal()
    marginal = transformed_marginal(1, rotations)
    conditional = transformed_conditional(1, rotations, "broad")
    tell(f"both families, {SEEDS} seeds, {len(INNER)} numbers of steps")
    shares = {
        "marginal": successes(marginal, ExactChannelEstimator(target()), start, INNER, SEEDS),
        "conditional": successes(conditional, EnergyEstimator(target()), start, INNER, SEEDS),
    }
    single, best = {name: each[0] for name, each in shares.items()}, shares["marginal"].max()
    sentence = (
        f"Of {SEEDS} seeds that start beside a local optimum of joint matching, {single['marginal']:.0%} reach a "
        f"global one in {STEPS:,} steps when each step has another random marginal task; at best, with "
        f"{INNER[int(shares['marginal'].argmax())]} steps on each task, {best:.0%}. With conditional tasks "
        f"{single['conditional']:.0%} do with a single step on each."
    )
    return Finding(
        agrees=bool(best - single["marginal"] > 2.0 * _error(best, single["marginal"]))
        and bool(single["conditional"] >= NEEDLESS),
        sentence=sentence,
        pictures=(_drawn(shares),),
        headings=("steps on each task", *shares),
        rows=tuple(
            (str(number), *(f"{each[place]:.0%}" for each in shares.values())) for place, number in enumerate(INNER)
        ),
    )


def _error(first: float, second: float) -> float:
    """The standard error of the difference of two shares; never less than one seed."""
    return max(math.sqrt((first * (1.0 - first) + second * (1.0 - second)) / SEEDS), 1.0 / SEEDS)


def _drawn(shares: dict[str, Float[ndarray, " numbers"]]) -> Picture:
    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for (name, each), colour, marker in zip(shares.items(), (BLUE, VERMILLION), "os", strict=True):
            axes.plot(INNER, 100.0 * each, color=colour, marker=marker, label=name)
        axes.set_xscale("log")
        axes.set_xticks(INNER, [str(number) for number in INNER])
        axes.set_xticks([], minor=True)
        axes.set_ylim(-4.0, 104.0)
        axes.set_xlabel("steps on each task")
        axes.set_ylabel("success, %")
        axes.legend(frameon=False)

    told = "; ".join(f"{name}: {', '.join(f'{share:.0%}' for share in each)}" for name, each in shares.items())
    alt = f"Share of seeds that reach a global optimum, for {', '.join(map(str, INNER))} steps on each task. {told}."
    caption = f"Success over {SEEDS} seeds, {STEPS:,} steps each. Conditions come from twice the declared region."
    return picture(460, 260, draw, alt=alt, caption=caption)


BI_LEVEL = Reproduction(
    name="bi_level",
    title="Side-products of Fig. 5 and 6: success against the number of inner steps",
    claim="Transformed marginal matching may favour bi-level training, several steps on one task before the next; "
    "transformed conditional matching needs none.",
    find=find,
)
