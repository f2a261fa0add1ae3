"""The evidence for a verdict: what the training did not see, and what a fresh look at the energy finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import jax
import numpy as np
from jaxtyping import Array, Float, Key

from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.engine import Account, Budget, Rules, Stepper, kinds_of_proposals
from biglearn_sampler.mixture import Mixture
from biglearn_sampler.tasks import Task
from biglearn_sampler.verdict.broad import LEAST_DRAWS, broad_count, broad_draws
from biglearn_sampler.verdict.chains import tempered_chains
from biglearn_sampler.verdict.decide import decided
from biglearn_sampler.verdict.fresh_search import known_by, searched, starts_of_chains
from biglearn_sampler.verdict.missed import missed_modes
from biglearn_sampler.verdict.own_draws import WeighedDraws, own_draws, region_of
from biglearn_sampler.verdict.price import least_evaluations
from biglearn_sampler.verdict.tails import runs_away
from biglearn_sampler.verdict.verdict import CANNOT_TELL, Verdict

SPARE_SHARE = 0.25
"""Of what a limit leaves beyond the least, for broad draws."""

LEAST_MODE = 0.001
"""Share of the mass from which a mode counts as missed."""


def judge(
    target: AbstractTarget,
    sampler: Mixture,
    tasks: Sequence[Task],
    rules: Rules,
    key: Key[Array, ""],
    centre: Float[np.ndarray, " dim"],
    scale: Float[np.ndarray, " dim"],
    stepper: Stepper | None = None,
    more: WeighedDraws | None = None,
    most: int | None = None,
) -> Verdict:
    """Look for mass that a sampler misses, with fresh draws, tempered chains and a fresh search.

    Four witnesses that the training did not hear: (1) the weights of fresh draws of the sampler, grouped by its own
    modes and by those of the target; (2) broad draws, by what they weigh where the sampler knows nothing; (3) searchers
    that start where short tempered chains from broad and noised points end, where a sweep of broad points, or a draw
    of the sampler, meets more than the sampler explains, and where climbs from there end; they pass by what it
    explains, and settle on the rest; (4) rays outward from its draws, along which the density must fall off.

    Arguments:
        target: in the coordinates of training.
        sampler: in the same.
        tasks: that propose further starts.
        rules: of the engine, for the search.
        key: apart from those of the training.
        centre, scale: of the coordinates of training, to tell places in the target's own units.
        stepper: of a training on the same target and rules, if there was one: what it compiled is used again.
        more: draws of the sampler beside those that are made here; the more, the smaller what they show.
        most: evaluations at most; `None` for no limit.
    """
    key_own, key_broad, key_chains, key_search = jax.random.split(key, 4)
    generator = np.random.default_rng(np.asarray(jax.random.key_data(key_broad), np.uint32))
    account = Account(Budget(evaluations=most))
    if rules.most_components is not None:
        # What a user allows the sampler is no limit for the search for what it misses.
        rules, stepper = replace(rules, most_components=None), None
    stepper = Stepper(target, rules, account) if stepper is None else stepper.booking(account)
    kinds = len(kinds_of_proposals(target.dim, tasks))
    least = least_evaluations(rules, target.dim, kinds, target.price_of_gradient.total)
    if not account.allows(least):
        return Verdict.bare(CANNOT_TELL, f"Cannot tell: a verdict takes at least {least:,} evaluations, not {most:,}.")
    count = int(min(broad_count(target.dim), LEAST_DRAWS + SPARE_SHARE * (account.left - least)))
    own = own_draws(sampler, stepper, key_own, generator, more)
    region = region_of(own.points)
    broad = broad_draws(sampler, own, region, count, stepper, generator)
    known = known_by(sampler, own, rules)
    ends = tempered_chains(target, starts_of_chains(own, region, generator), region.width, key_chains)
    account.add("verdict", ends.evaluations)
    search = searched(known, ends, own, broad, stepper, tasks, rules, generator, key_search)
    new = missed_modes(search.modes, sampler, own.log_z, own.log_z + np.log(LEAST_MODE), stepper, generator)
    endless = runs_away(own.points, own.log_ratio, own.log_target, stepper, generator)
    along = None if endless is None else scale * endless / np.linalg.norm(scale * endless)
    evidence = {
        "log_z": own.log_z if np.isfinite(own.log_z) else None,
        "ess": own.effective_share,
        "khat": own.khat,
        "ess_defended": None if own.defended is None else own.defended[0],
        "khat_defended": None if own.defended is None else own.defended[1],
        "uneven_components": own.uneven,
        "thin_mass": own.thin,
        "modes_of_one_climb": own.alone,
        "log_z_broad": broad.reservoir.log_mass if np.isfinite(broad.reservoir.log_mass) else None,
        "broad_effective": broad.reservoir.quality().effective_size,
        "chain_acceptance": ends.acceptance,
        "new_modes": len(new),
        "sweep": search.swept,
        "resolved_width": search.resolved,
        "search_complete": search.complete,
        "does_not_fall_along": None if along is None else (np.round(along, 4) + 0.0).tolist(),
    }
    return decided(own, broad, new, evidence, account.total, centre, scale)
