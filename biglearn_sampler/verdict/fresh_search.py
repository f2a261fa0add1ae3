"""A fresh search for modes, past what the sampler knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Key

from biglearn_sampler.engine import Rules
from biglearn_sampler.engine.archive import Archive, Mode
from biglearn_sampler.engine.population import Population
from biglearn_sampler.engine.proposals import Proposer
from biglearn_sampler.engine.region import Region
from biglearn_sampler.engine.search import Search
from biglearn_sampler.engine.stepper import Stepper
from biglearn_sampler.estimators.guard import ZERO_DENSITY
from biglearn_sampler.mixture import GaussianMixture, Mixture
from biglearn_sampler.tasks import Task
from biglearn_sampler.verdict.broad import BroadDraws, broad_count
from biglearn_sampler.verdict.chains import CHAINS, Ends
from biglearn_sampler.verdict.own_draws import OwnDraws
from biglearn_sampler.verdict.price import price_of_end, price_of_search
from biglearn_sampler.verdict.resolution import resolved_width

FAR_SCALES = (1.0, 2.0, 8.0, 32.0)
"""Of the starts of chains: a declared scale may be far too small."""

NOISES = (0.1, 0.3, 1.0)
"""Of noised draws, in widths of the region."""

QUIET_SEARCHERS, MOST_ROUNDS = 64, 16
"""A fresh search that passes by what the sampler knows ends when so many searchers in a row found nothing new, or after
so many rounds."""

SWEEP, LEAST_SWEEP, SWEPT_NUMBERS = 131_072, 16_384, 1 << 21
"""Points of its sweep: a narrow mode is met by one of many points, which ask the energy once each, far more often than
by a searcher, which asks it and its gradient a hundred times. In many dimensions where chance meets nothing, they are
fewer, so that all their coordinates are no more than so many numbers, but not below the least."""


class FreshSearch(NamedTuple):
    """What a fresh search found.

    Arguments:
        modes: on which searchers settled.
        swept: points of the sweep, broad draws among them, as a share of those that it has without a limit of
            evaluations; `None` of a sampler of which all is found again, for which there is no sweep.
        complete: whether no limit of evaluations cut it short.
        resolved: the least width of a mode that its points would have shown; see `resolved_width`. `None` if they would
            show none, and without a sweep.
    """

    modes: list[Mode]
    swept: float | None
    complete: bool
    resolved: float | None


def sweep_points(dim: int) -> int:
    """How many points the sweep of a verdict has."""
    return min(SWEEP, max(LEAST_SWEEP, SWEPT_NUMBERS // dim))


def starts_of_chains(own: OwnDraws, region: Region, generator: np.random.Generator) -> Float[np.ndarray, "chains dim"]:
    """Half broad, half noised draws of the sampler."""
    half = CHAINS // 2
    broad = region.draws(generator, generator.choice(FAR_SCALES, half))
    noise = generator.choice(NOISES, (half, 1)) * generator.standard_normal((half, len(region.width)))
    mine = own.points[generator.integers(len(own.points), size=half)]
    return np.concatenate([broad, mine + region.width * noise])


def known_by(sampler: Mixture, own: OwnDraws, rules: Rules) -> Archive:
    """What the sampler knows, as an archive that searchers pass by; of a product, nothing: all is found again.

    Of more components than a refinement makes, the heaviest: memory and time for thousands in many dimensions would be
    those of the whole training.
    """
    dim = own.points.shape[1]
    if not isinstance(sampler, GaussianMixture) or not np.isfinite(own.log_z):
        return Archive(dim)
    population = Population.of(sampler)
    order = np.argsort(-population.log_weights, kind="stable")[: rules.refine_components(dim)]
    nothing = (np.zeros((0, dim)), np.zeros(0))
    evidence = own.log_z + population.log_weights
    return Archive(
        dim,
        tuple(
            Mode(population.means[k], population.factors[k], float(evidence[k]), *nothing, settled=True) for k in order
        ),
    )


def searched(
    known: Archive,
    ends: Ends,
    own: OwnDraws,
    broad: BroadDraws,
    stepper: Stepper,
    tasks: Sequence[Task],
    rules: Rules,
    generator: np.random.Generator,
    key: Key[Array, ""],
) -> FreshSearch:
    """Look for modes beyond the known ones.

    A limit of evaluations cuts short the rounds, and the sweep, which gets half of what is left beyond the least: what
    is not explained is asked for twice. Broad draws that were made already are a part of the sweep.
    """
    chosen = ends.points[generator.permutation(len(ends.points))[: rules.searchers]]
    proposer = Proposer(known.dim, tasks, rules.width, rules.proposals)
    first = Population.at(chosen, rules.width * np.maximum(chosen.std(0), 1e-3))
    account, prices = stepper.account, (len(proposer.kinds), stepper.price_of_gradient.total)
    reserve = price_of_search(rules, known.dim, *prices)
    spare = account.left - reserve
    left = max(LEAST_SWEEP, sweep_points(known.dim) - broad.count)
    sweep = int(min(left, max(rules.sweep_points, 0.25 * spare)))
    sweeping = _with_room(replace(rules, sweep_points=sweep), known)
    search = Search(stepper.under(sweeping), sweeping, first, known, proposer, generator, "verdict", sweeps=False)
    seen = [(part.points, part.log_target) for part in (own, ends, broad)]
    more_points, more_log_target = map(np.concatenate, zip(*seen, strict=True))
    search.sweep(range(first.count // 2), more_points, more_log_target, reserve=reserve)
    resolved = None
    if known.count:
        places = broad.points[broad.log_target > ZERO_DENSITY]
        # Its own randomness: the search is the same without it.
        resolved = resolved_width(search.archive, own.points, places, search.looked_at, generator.spawn(1)[0])
    wanted, complete = max(sweep_points(known.dim), LEAST_SWEEP + broad_count(known.dim)), False
    while not complete:
        # Every searcher of a round may find a mode, and each has to be looked at then.
        found = search.archive.count - known.count
        if not account.allows(rules.evaluations_of_round(*prices) + price_of_end(known.dim, found + first.count)):
            break
        search.round(jax.random.fold_in(key, search.rounds))
        complete = search.failures >= QUIET_SEARCHERS or search.rounds == MOST_ROUNDS
    modes = [mode for mode in search.archive.modes if not mode.settled]
    swept = min(1.0, (sweep + broad.count) / wanted) if known.count else None
    return FreshSearch(modes, swept, complete, resolved)


def _with_room(rules: Rules, known: Archive) -> Rules:
    """The rules, with places for new modes also beside a refined sampler, which may have more components than modes."""
    most = rules.most_modes(known.dim)
    return rules if known.count + QUIET_SEARCHERS <= most else replace(rules, most_components=known.count + most)
