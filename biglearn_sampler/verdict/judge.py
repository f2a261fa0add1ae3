"""The verdict on a sampler: covered, not covered, or cannot tell; with the evidence for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from biglearn_sampler.energy import AbstractTarget, Evaluations
from biglearn_sampler.engine import Account, Rules
from biglearn_sampler.engine.archive import Archive, Mode
from biglearn_sampler.engine.population import Population
from biglearn_sampler.engine.proposals import Proposer
from biglearn_sampler.engine.region import Region
from biglearn_sampler.engine.search import Search
from biglearn_sampler.engine.stepper import Stepper
from biglearn_sampler.importance import Reservoir
from biglearn_sampler.mixture import GaussianMixture, Mixture
from biglearn_sampler.tasks import Task
from biglearn_sampler.verdict.chains import Ends, tempered_chains
from biglearn_sampler.verdict.missed import log_missed
from biglearn_sampler.verdict.own_draws import OwnDraws, WeighedDraws, log_density, own_draws, region_of
from biglearn_sampler.verdict.tails import DOUBLINGS, runs_away

COVERED, NOT_COVERED, CANNOT_TELL = "covered", "not covered", "cannot tell"

BROAD = 2000
"""Fresh broad and noised draws."""

BROAD_SCALES = (1.0, 2.0)
"""Of broad draws, in widths of the region."""

FAR_SCALES = (1.0, 2.0, 8.0, 32.0)
"""Of the starts of chains: a declared scale may be far too small."""

NOISES = (0.1, 0.3, 1.0)
"""Of noised draws, in widths of the region."""

CHAINS = 64
QUIET_SEARCHERS, MOST_ROUNDS = 64, 16
"""A fresh search that passes by what the sampler knows ends when so many searchers in a row found nothing new, or after
so many rounds."""

SWEEP, LEAST_SWEEP, SWEPT_NUMBERS = 131_072, 16_384, 1 << 21
"""Points of its sweep: a narrow mode is met by one of many points, which ask the energy once each, far more often than
by a searcher, which asks it and its gradient a hundred times. In many dimensions where chance meets nothing, they are
fewer, so that all their coordinates are no more than so many numbers, but not below the least."""

MOST_MISSING = 0.01
"""Share of the mass that may be missing in a sampler that covers its target."""

LEAST_MODE = 0.001
"""Share of the mass from which a mode counts as missed."""

MOST_WRONG = 0.05
"""Total variation between the masses that the sampler gives its modes and their importance-weighted masses."""

UNRELIABLE_KHAT, NO_MEAN_KHAT = 0.7, 1.0
LEAST_EFFECTIVE, LEAST_SHARE = 50.0, 0.1
"""Effective draws below which weights say nothing, and as a share of all draws: a sampler that is so far from what it
sees may miss as much again where it does not look."""

MOST_UNEVEN = 0.1
"""The same between the masses of single components: these tell also where modes are not apart."""

SIGNIFICANT = 3.0
"""Standard errors."""

MOST_ROUNDING = 0.25
"""Distance of neighbouring log densities from which their differences, and so all weights, are rounding."""


@dataclass(frozen=True)
class Verdict:
    """What the evidence says.

    Arguments:
        verdict: `covered`, `not covered` or `cannot tell`.
        sentence: the same for people, with how much is missing and where, or why it cannot be told.
        missing_mass: share of the mass found now that the sampler does not know; `None` if nothing can be said.
        wrong_mass: total variation between raw and weighted masses of the sampler's own modes.
        places: where mass is missing, in the target's own units, each with its share, the largest first.
        evidence: the figures behind it.
        asked: evaluations of energy and gradient that it took.
        found: the modes that are missing.
    """

    verdict: str
    sentence: str
    missing_mass: float | None
    wrong_mass: float | None
    places: Sequence[dict[str, Any]]
    evidence: dict[str, Any]
    asked: Evaluations
    found: tuple[Mode, ...] = ()

    @classmethod
    def bare(cls, verdict: str, sentence: str) -> Verdict:
        """One without figures, where nothing could be looked at."""
        return cls(verdict, sentence, None, None, [], {}, Evaluations())

    def to_json(self) -> dict[str, Any]:
        """As it stands in `metrics.json`; one without evidence says no more than its sentence."""
        if not self.evidence:
            return {"verdict": self.verdict, "sentence": self.sentence}
        said = {name: value for name, value in vars(self).items() if name not in ("asked", "found")}
        return {**said, "evaluations": self.asked.total}


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
) -> Verdict:
    """Look for mass that a sampler misses, with fresh draws, tempered chains and a fresh search.

    Four witnesses that the training did not hear: (1) the weights of fresh draws of the sampler, grouped by its own
    modes and by those of the target; (2) importance-weighted broad and noised draws, whose estimate of `log Z` must
    agree with that of the sampler; (3) searchers that start where short tempered chains from broad and noised points
    end, and where a sweep of broad points, or a draw of the sampler, meets more than the sampler explains; they pass by
    what it explains, and settle on the rest; (4) rays outward from its draws, along which the density must fall off.

    Arguments:
        target: in the coordinates of training.
        sampler: in the same.
        tasks: that propose further starts.
        rules: of the engine, for the search.
        key: apart from those of the training.
        centre, scale: of the coordinates of training, to tell places in the target's own units.
        stepper: of a training on the same target and rules, if there was one: what it compiled is used again.
        more: draws of the sampler beside those that are made here; the more, the smaller what they show.
    """
    key_own, key_broad, key_chains, key_search = jax.random.split(key, 4)
    generator = np.random.default_rng(np.asarray(jax.random.key_data(key_broad), np.uint32))
    account = Account()
    if rules.most_components is not None:
        # What a user allows the sampler is no limit for the search for what it misses.
        rules, stepper = replace(rules, most_components=None), None
    stepper = Stepper(target, rules, account) if stepper is None else stepper.booking(account)
    own = own_draws(sampler, stepper, key_own, generator, more)
    region = region_of(own.points)
    broad = _broad(sampler, own, region, stepper, generator)
    known = _known(sampler, own, rules)
    ends = tempered_chains(target, _starts(own, region, generator), region.width, key_chains)
    account.add("verdict", ends.evaluations)
    found = _search(known, ends, own, stepper, tasks, rules, generator, key_search)
    found = [mode._replace(evidence=log_missed(mode, sampler, own.log_z, stepper, generator)) for mode in found]
    new = [mode for mode in found if mode.evidence > own.log_z + np.log(LEAST_MODE)]
    endless = runs_away(own.points, own.log_ratio, own.log_target, stepper, generator)
    evidence = {
        "log_z": own.log_z if np.isfinite(own.log_z) else None,
        "ess": own.effective_share,
        "khat": own.khat,
        "uneven_components": own.uneven,
        "log_z_broad": broad.log_mass if np.isfinite(broad.log_mass) else None,
        "broad_effective": broad.quality().effective_size,
        "chain_acceptance": ends.acceptance,
        "new_modes": len(new),
        "does_not_fall_along": None if endless is None else (np.round(_unit(scale * endless), 4) + 0.0).tolist(),
    }
    return _decided(own, broad, new, evidence, account.total, centre, scale)


def sweep_points(dim: int) -> int:
    """How many points the sweep of a verdict has."""
    return min(SWEEP, max(LEAST_SWEEP, SWEPT_NUMBERS // dim))


def _broad(
    sampler: Mixture, own: OwnDraws, region: Region, stepper: Stepper, generator: np.random.Generator
) -> Reservoir:
    """Points of one law, half broad and half the sampler itself, with its exact density."""
    scales = generator.choice(BROAD_SCALES, BROAD)
    broad = region.draws(generator, scales)
    mine = own.points[generator.permutation(len(own.points))[:BROAD]]
    points = np.concatenate([broad, mine])
    log_target = stepper.log_density(points, "verdict")
    standard = ((points - region.centre) / region.width) ** 2
    dim = points.shape[1]
    volume = np.log(region.width).sum() + 0.5 * dim * np.log(2.0 * np.pi)
    parts = [-0.5 * standard.sum(1) / s**2 - dim * np.log(s) - volume - np.log(len(BROAD_SCALES)) for s in BROAD_SCALES]
    log_proposal = np.logaddexp(np.logaddexp(*parts), log_density(sampler, points)) - np.log(2.0)
    return Reservoir.empty(len(points), dim).add(points, log_target, log_proposal)


def _starts(own: OwnDraws, region: Region, generator: np.random.Generator) -> Float[np.ndarray, "chains dim"]:
    """Half broad, half noised draws of the sampler."""
    half = CHAINS // 2
    broad = region.draws(generator, generator.choice(FAR_SCALES, half))
    noise = generator.choice(NOISES, (half, 1)) * generator.standard_normal((half, len(region.width)))
    mine = own.points[generator.integers(len(own.points), size=half)]
    return np.concatenate([broad, mine + region.width * noise])


def _known(sampler: Mixture, own: OwnDraws, rules: Rules) -> Archive:
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


def _search(
    known: Archive,
    ends: Ends,
    own: OwnDraws,
    stepper: Stepper,
    tasks: Sequence[Task],
    rules: Rules,
    generator: np.random.Generator,
    key: Key[Array, ""],
) -> list[Mode]:
    """Modes beyond the known ones that fresh searchers settle on."""
    chosen = ends.points[generator.permutation(len(ends.points))[: rules.searchers]]
    proposer = Proposer(known.dim, tasks, rules.width, rules.proposals)
    first = Population.at(chosen, rules.width * np.maximum(chosen.std(0), 1e-3))
    sweeping = _with_room(replace(rules, sweep_points=sweep_points(known.dim)), known)
    search = Search(stepper.under(sweeping), sweeping, first, known, proposer, generator, "verdict", sweeps=False)
    more = np.concatenate([own.points, ends.points]), np.concatenate([own.log_target, ends.log_target])
    search.sweep(range(first.count // 2), *more)
    while search.failures < QUIET_SEARCHERS and search.rounds < MOST_ROUNDS:
        search.round(jax.random.fold_in(key, search.rounds))
    return [mode for mode in search.archive.modes if not mode.settled]


def _with_room(rules: Rules, known: Archive) -> Rules:
    """The rules, with places for new modes also beside a refined sampler, which may have more components than modes."""
    most = rules.most_modes(known.dim)
    return rules if known.count + QUIET_SEARCHERS <= most else replace(rules, most_components=known.count + most)


def _decided(
    own: OwnDraws,
    broad: Reservoir,
    new: Sequence[Mode],
    evidence: dict[str, Any],
    asked: Evaluations,
    centre: Float[np.ndarray, " dim"],
    scale: Float[np.ndarray, " dim"],
) -> Verdict:
    total = float(np.logaddexp.reduce([own.log_z, *(mode.evidence for mode in new)]))
    missing = 1.0 - float(np.exp(own.log_z - total)) if np.isfinite(total) else None
    places = [
        {"at": np.round(centre + scale * mode.mean, 4).tolist(), "share": float(np.exp(mode.evidence - total))}
        for mode in sorted(new, key=lambda mode: -mode.evidence)[:5]
    ]
    disagreement = _disagreement(own, broad)
    evidence["broad_missing"] = disagreement
    verdict, sentence = _said(own, missing, places, disagreement, evidence["does_not_fall_along"])
    return Verdict(verdict, sentence, missing, own.wrong_mass, places, evidence, asked, tuple(new))


def _said(
    own: OwnDraws,
    missing: float | None,
    places: Sequence[dict[str, Any]],
    disagreement: float | None,
    endless: Sequence[float] | None,
) -> tuple[str, str]:
    """The verdict and its sentence: why no figure counts, what is missing, why nothing can be said, what is wrong."""
    if not np.isfinite(own.log_z):
        return NOT_COVERED, "Not covered: the target has no density at any fresh draw of the sampler."
    rounding = _rounding(own)
    if rounding > MOST_ROUNDING:
        return CANNOT_TELL, (
            f"Cannot tell: the log densities are so large that neighbouring ones are {rounding:.2g} nats apart, and "
            "all weights are rounding; subtract a constant from the log density."
        )
    if missing is not None and missing >= MOST_MISSING:
        where = ", ".join(f"{place['share']:.1%} near {_short(place['at'])}" for place in places[:3])
        return NOT_COVERED, f"Not covered: about {missing:.0%} of the mass is missing: {where}."
    if disagreement is not None and disagreement >= MOST_MISSING:
        return NOT_COVERED, f"Not covered: broad draws find about {disagreement:.0%} more mass than the sampler knows."
    if endless is not None:
        return NOT_COVERED, (
            f"Not covered: along {_short(endless)} the density does not fall off within {DOUBLINGS[-1]:.0f} standard "
            "deviations of the sampler: it is far wider there, or has no finite mass. Widen the declared scale, or "
            "bound the density, for example by a prior."
        )
    if _too_uneven(own):
        khat = "-" if own.khat is None else f"{own.khat:.2f}"
        if own.khat is not None and own.khat > NO_MEAN_KHAT:
            return CANNOT_TELL, (
                f"Cannot tell: the weights of the sampler's draws grow without bound (ESS {own.effective_share:.3f}, "
                f"k-hat {khat}: above 1 they have no mean): its tails are too light for the density, or the density "
                "has no finite mass; a fresh search found nothing that it misses."
            )
        return CANNOT_TELL, (
            f"Cannot tell: the weights of the sampler's draws are too uneven (ESS {own.effective_share:.3f}, k-hat "
            f"{khat}) to say whether its masses are right; a fresh search found nothing that it misses."
        )
    if own.wrong_mass is not None and own.wrong_mass > MOST_WRONG:
        return NOT_COVERED, (
            f"Not covered: all mass found is known, but about {own.wrong_mass:.0%} of it lies in the wrong mode."
        )
    if own.uneven is not None and own.uneven > MOST_UNEVEN:
        return CANNOT_TELL, (
            f"Cannot tell: a fresh search found nothing that the sampler misses, but about {own.uneven:.0%} of its "
            "mass lies with the wrong components, and its modes are not far enough apart to say what that means."
        )
    return COVERED, (
        f"Covered: fresh broad draws, tempered chains and a fresh search found no mass of {MOST_MISSING:.0%} or more "
        "that the sampler misses."
    )


def _too_uneven(own: OwnDraws) -> bool:
    """Whether the weights of the draws say nothing."""
    few = own.effective < max(LEAST_EFFECTIVE, LEAST_SHARE * own.count)
    return few or (own.khat is not None and own.khat > UNRELIABLE_KHAT and own.effective < 0.5 * own.count)


def _rounding(own: OwnDraws) -> float:
    """Distance of neighbouring numbers where the log densities of the draws lie, in the precision of the device."""
    size = np.median(np.abs(own.log_target[np.isfinite(own.log_target)]))
    return float(np.spacing(np.asarray(size, jnp.result_type(float))))


def _disagreement(own: OwnDraws, broad: Reservoir) -> float | None:
    """Share of the mass by which broad draws exceed the sampler, where that is beyond doubt; `None` if it is not."""
    log_weights = broad.log_weights
    if not np.isfinite(broad.log_mass) or broad.quality().effective_size < LEAST_EFFECTIVE:
        return None
    if not np.isfinite(own.log_z):
        return 1.0
    weights = np.exp(log_weights - broad.log_mass)
    error = float(weights.std() / np.sqrt(broad.count))
    own_weights = np.exp(own.log_ratio - own.log_z)
    own_error = float(own_weights.std() / np.sqrt(len(own_weights)))
    ratio = float(np.exp(own.log_z - broad.log_mass))
    doubt = np.hypot(error, own_error) * max(ratio, 1.0)
    return 1.0 - ratio if 1.0 - ratio > SIGNIFICANT * doubt else None


def _unit(vector: Float[np.ndarray, " dim"]) -> Float[np.ndarray, " dim"]:
    return vector / np.linalg.norm(vector)


def _short(numbers: Sequence[float]) -> str:
    shown = ", ".join(f"{number:.3g}" for number in numbers[:4])
    return f"({shown}, ...)" if len(numbers) > 4 else f"({shown})"
