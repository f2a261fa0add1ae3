"""What each ingredient of the default training adds: leave one out, over seeds and targets.

    python benchmarks/ablation.py [--seeds 0-4] [--only TARGET;...] [--variants NAME;...]     measure
    python benchmarks/ablation.py --table                                                     write the table

Families of tasks are left out of the proposals of the search; `no conditional at all` leaves the points with one
coordinate anew out of sweeps as well. `no joint` draws nothing anew over a region once a mode is known, `no tasks`
leaves the joint one alone, and `no bandit` gives every kind of proposal the same share. `no sharing` lets points
serve one step only, `no antithetic pairs` draws them independently, `no narrow starts` makes all fresh searchers
wide, `nothing seen` forgets the points that searchers meet on their way, and with `no climbs` no searcher begins
where the gradient led. `no principal axes` draws in boxes what else is drawn along the principal axes of what was
found. `no trust region` lets a step be as long as it is, `plain gradient` takes it along the gradient of the
parameters, and `no whitening` trains in the target's own units.
A figure is the median over seeds.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import jax
import jax.numpy as jnp
import numpy as np
import optax
from report import RESULTS, add_row, commit, latest_rows, write_table

import biglearn_sampler as bl
from biglearn_sampler.energy import AbstractTarget, MixtureTarget, Whitened
from biglearn_sampler.engine import (
    Account,
    Engine,
    EngineProgress,
    Rules,
    bandit,
    engine,
    proposals,
    search,
    steps,
    unexplained,
)
from biglearn_sampler.engine.archive import Archive
from biglearn_sampler.engine.population import Population
from biglearn_sampler.engine.proposals import Proposals, Proposer
from biglearn_sampler.engine.region import Region
from biglearn_sampler.errors import Diverged
from biglearn_sampler.evaluation.drawing import draws_of
from biglearn_sampler.mixture import GaussianMixture

ROWS = RESULTS / "ablation.jsonl"
TASKS = ("conditional", "transformed_conditional", "marginal", "transformed_marginal", "noised")
DRAWS = 16_000
COVERED_SHARE = 0.1


@dataclass(frozen=True)
class Subject:
    """A target, in the catalogue or by itself, with its start, as a corner or as the target declares."""

    name: str
    target: str | AbstractTarget
    parameters: Mapping[str, Any] = field(default_factory=dict)
    corner: bool = False


NEEDLE = GaussianMixture.of(
    [[-3.0, 0.0], [3.0, 0.0], [0.0, 3.0]], np.array([width**2 * np.eye(2) for width in (0.02, 1.0, 0.3)])
)
NARROW = 12.0 * np.eye(12)[:4]
ASIDE = GaussianMixture.of(
    np.concatenate([np.zeros((1, 12)), NARROW]),
    np.array([width**2 * np.eye(12) for width in (1.0, 0.3, 0.3, 0.3, 0.3)]),
    [0.5, *[0.125] * 4],
)

SUBJECTS = (
    Subject("grid25 corner", "grid25", corner=True),
    Subject("grid25 corner, scale 0.1", "grid25", {"scale": 0.1}, corner=True),
    Subject("grid25 corner, scale 100", "grid25", {"scale": 100.0}, corner=True),
    Subject("mog40_fab", "mog40_fab"),
    Subject("gmm20", "gmm20"),
    Subject("unequal 8-D", "unequal_mixture", {"dim": 8}),
    Subject("unequal 16-D", "unequal_mixture", {"dim": 16}),
    Subject("needle", MixtureTarget.of(NEEDLE, scale=3.0)),
    Subject("aside 12-D", MixtureTarget.of(ASIDE, scale=6.0)),
    Subject("aside 12-D, scale 0.2", MixtureTarget.of(ASIDE, scale=0.2)),
)


@dataclass(frozen=True)
class Variant:
    """The default training without something."""

    name: str
    tasks: tuple[str, ...] = TASKS
    rules: Mapping[str, Any] = field(default_factory=dict)
    constants: tuple[tuple[Any, str, Any], ...] = ()
    whitened: bool = True


class Boxed:
    """Stands for `Span`: draws in the box around what was found instead."""

    def __init__(self, region: Region) -> None:
        self._region = region

    @classmethod
    def found(cls, population: Population) -> Boxed:
        return cls(Region.found(population))

    def draws(self, generator: np.random.Generator, scales: np.ndarray) -> np.ndarray:
        return self._region.draws(generator, scales)

    def stretched_draws(self, generator: np.random.Generator, count: int) -> np.ndarray:
        low, high = np.log(proposals.FOUND_SCALES)
        return self._region.draws(generator, np.exp(generator.uniform(low, high, count)))


class TasksOnly(Proposer):
    """Stands for `Proposer`: once a mode is known, the joint task proposes nothing."""

    def draw(self, archive: Archive, region: Region, generator: np.random.Generator, progress: float) -> Proposals:
        every = super().draw(archive, region, generator, progress)
        joint = [self.kinds.index(kind) for kind in (proposals.DECLARED, proposals.FOUND, proposals.NEAR)]
        kept = ~np.isin(every.kind, joint) if archive.count else np.ones(len(every.kind), bool)
        return Proposals(*(field[kept] for field in every))


def kinds_proposed(self: search.Search, proposed: Proposals) -> list[str]:
    """Stands for the kinds of a search: without those among the joint proposals."""
    return [self.proposer.kinds[number] for number in np.unique(proposed.kind)]


def independent(mixture: GaussianMixture, key: Any, drawing: int, each: int, number: Any) -> jax.Array:
    """Stands for antithetic pairs: as many points without them."""
    first = (number % (mixture.components // drawing)) * drawing
    means = jax.lax.dynamic_slice_in_dim(mixture.means, first, drawing)
    factors = jax.lax.dynamic_slice_in_dim(mixture.factors, first, drawing)
    noise = jax.random.normal(key, (drawing, each, mixture.dim))
    return (means[:, None] + jnp.einsum("kij,kmj->kmi", factors, noise)).reshape(-1, mixture.dim)


def all_anew(population: Population, regions: Sequence[Region], count: int, generator: np.random.Generator) -> Any:
    """Stands for the points of a sweep with one coordinate anew: as many more draws over what was found."""
    low, high = np.log(proposals.FOUND_SCALES)
    return regions[-1].draws(generator, np.exp(generator.uniform(low, high, count)))


def _without(*names: str) -> tuple[str, ...]:
    return tuple(task for task in TASKS if task not in names)


VARIANTS = (
    Variant("everything"),
    Variant("no conditional", _without("conditional", "transformed_conditional")),
    Variant(
        "no conditional at all",
        _without("conditional", "transformed_conditional"),
        constants=((proposals, "_with_one_anew", all_anew),),
    ),
    Variant("no marginal", _without("marginal", "transformed_marginal")),
    Variant("no transformed", _without("transformed_conditional", "transformed_marginal")),
    Variant("no noised", _without("noised")),
    Variant("no joint", constants=((engine, "Proposer", TasksOnly), (search.Search, "_possible", kinds_proposed))),
    Variant("no tasks", ()),
    Variant("no bandit", constants=((bandit.Bandit, "rate", lambda self, kind: 0.25),)),
    Variant("no principal axes", constants=((proposals, "Span", Boxed),)),
    Variant("neither tasks nor axes", (), constants=((proposals, "Span", Boxed),)),
    Variant("no narrow starts", constants=((proposals, "WIDTHS", (1.0, 1.0)),)),
    Variant("nothing seen", constants=((steps, "SEEN_EACH", 0),)),
    Variant("no climbs", constants=((unexplained, "MOST_CLIMBS", 0),)),
    Variant("no sharing", rules={"window_points": 128, "settling_points": 128}),
    Variant("no antithetic pairs", constants=((steps, "_antithetic", independent),)),
    Variant("no trust region", constants=((steps, "clip_by_fisher_norm", lambda radius: optax.identity()),)),
    Variant("plain gradient", constants=((steps, "natural_gradient", optax.identity),)),
    Variant("no whitening", whitened=False),
)


def measured(subject: Subject, variant: Variant, seed: int, catalogue: bl.Catalogue) -> dict[str, Any]:
    """One training and its figures."""
    target = subject.target
    if isinstance(target, str):
        target = bl.target(target, catalogue=catalogue, **subject.parameters)
    rules = Rules(**variant.rules)
    key_start, key_run, key_draws = jax.random.split(jax.random.key(seed), 3)
    start = np.asarray(jax.random.normal(key_start, (rules.searchers, target.dim)), float)
    if subject.corner:
        start = (-5.0 + 0.1 * start - np.asarray(target.centre)) / np.asarray(target.scale)
    tasks = [catalogue.build("task", name).value for name in variant.tasks]
    account = Account()
    width = np.full(target.dim, rules.width)
    facts = target.facts
    assert facts.responsibilities is not None and facts.log_z is not None  # of every subject
    weights = np.asarray(facts.mode_weights, float)
    complete: list[int] = []

    def look(progress: EngineProgress) -> None:
        if progress.told.get("modes", 0) >= len(weights) and not complete:
            complete.append(progress.evaluations.total)

    centre, scale = np.asarray(target.centre, float), np.asarray(target.scale, float)
    if variant.whitened:
        training = Engine(Whitened(target), start, width, tasks, rules, account, look)
    else:
        training = Engine(target, centre + scale * start, scale * width, tasks, rules, account, look)
    with ExitStack() as stack:
        for module, name, value in variant.constants:
            stack.enter_context(patch.object(module, name, value))
        try:
            outcome = training.run(key_run)
        except Diverged:
            return _row(subject, variant, seed, 0, len(weights), float("inf"), complete, account)
    sampler = outcome.mixture.affine(jnp.asarray(centre), jnp.asarray(scale)) if variant.whitened else outcome.mixture
    draws = draws_of(sampler, target, DRAWS, key_draws)
    mass = np.asarray(jax.vmap(facts.responsibilities)(jnp.asarray(draws.points, jnp.float32)), float).mean(0)
    modes = int((mass >= COVERED_SHARE * weights).sum())
    gap = float(facts.log_z - (draws.log_target - draws.log_sampler).mean())
    return _row(subject, variant, seed, modes, len(weights), gap, complete, account)


def _row(
    subject: Subject,
    variant: Variant,
    seed: int,
    modes: int,
    of: int,
    gap: float,
    complete: list[int],
    account: Account,
) -> dict[str, Any]:
    return {
        "subject": subject.name,
        "variant": variant.name,
        "seed": seed,
        "modes": modes,
        "of": of,
        "gap": gap,
        "complete": complete[0] if complete else None,
        "evaluations": account.total.total,
        "commit": commit(),
    }


def write(rows: Sequence[Mapping[str, Any]]) -> None:
    """One line for each target, one column for each variant."""
    lines = []
    for subject in SUBJECTS:
        cells = []
        for variant in VARIANTS:
            mine = [row for row in rows if (row["subject"], row["variant"]) == (subject.name, variant.name)]
            cells.append(_cell(mine) if mine else "-")
        lines.append([subject.name, *cells])
    columns = ("target", *(variant.name for variant in VARIANTS))
    seeds = sorted({row["seed"] for row in rows})
    notes = (
        f"Seeds {seeds[0]} to {seeds[-1]}. In each cell: runs that covered every mode, the median gap "
        "`log Z - ELBO`, the median evaluations until the search knew as "
        "many modes as there are (the rest goes into looking for more, and into fitting), and the median of all."
    )
    commits = [row["commit"] for row in rows]
    write_table(
        "ablation", "What each ingredient adds", "python benchmarks/ablation.py", columns, lines, notes, commits
    )


def _cell(rows: Sequence[Mapping[str, Any]]) -> str:
    full = sum(row["modes"] == row["of"] for row in rows)
    gap = statistics.median(row["gap"] for row in rows)
    evaluations = statistics.median(row["evaluations"] for row in rows)
    complete = statistics.median(row["complete"] or float("inf") for row in rows)
    first = f"{complete / 1e3:.0f} k" if complete < float("inf") else "never"
    return f"{full} of {len(rows)}, {gap:.4f}, {first}, {evaluations / 1e3:.0f} k"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0-4", help="first and last seed")
    parser.add_argument("--only", default="", help="targets, separated by semicolons")
    parser.add_argument("--variants", default="", help="likewise")
    parser.add_argument("--table", action="store_true", help="only write the table")
    arguments = parser.parse_args()
    if arguments.table:
        write(latest_rows(ROWS, "subject", "variant", "seed"))
        return
    first, last = map(int, arguments.seeds.split("-"))
    subjects = [name.strip() for name in arguments.only.split(";") if name.strip()]
    variants = [name.strip() for name in arguments.variants.split(";") if name.strip()]
    catalogue = bl.Catalogue()
    for subject in SUBJECTS:
        for variant in VARIANTS:
            if (subjects and subject.name not in subjects) or (variants and variant.name not in variants):
                continue
            for seed in range(first, last + 1):
                add_row(ROWS, measured(subject, variant, seed, catalogue))


if __name__ == "__main__":
    main()
