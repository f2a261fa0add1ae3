"""The adaptive training: explore, settle, and where the target asks for more, split into factors or refine."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.engine.account import Account
from biglearn_sampler.engine.archive import Archive, Mode
from biglearn_sampler.engine.factors import fit_factors
from biglearn_sampler.engine.population import Population
from biglearn_sampler.engine.progress import EngineListener, EngineProgress
from biglearn_sampler.engine.proposals import Proposer
from biglearn_sampler.engine.refine import Refiner
from biglearn_sampler.engine.region import refining_region
from biglearn_sampler.engine.rules import JUDGED_POINTS, Rules
from biglearn_sampler.engine.search import Search
from biglearn_sampler.engine.settle import HOPELESS, STILL_FALLING, Fit, Settler
from biglearn_sampler.engine.stepper import Stepper
from biglearn_sampler.engine.steps import Trace
from biglearn_sampler.engine.structure import find_blocks
from biglearn_sampler.mixture import GaussianMixture, Mixture
from biglearn_sampler.tasks import Task


@dataclass(frozen=True, eq=False)
class Outcome:
    """What an adaptive training ended with.

    Arguments:
        mixture: the sampler, in the coordinates of training.
        how: `settled` (a mixture of the modes found is the target, as far as was looked), `factored`, `refined`, or
            `stopped` by the budget.
        modes: number of modes that exploration found.
        evidence: log of the mass that they account for.
    """

    mixture: Mixture
    how: str
    modes: int
    evidence: float


class Engine:
    """One adaptive training.

    Arguments:
        target: in the coordinates of training, where its declared region is the unit box.
        start: first means of the searchers, `(rules.searchers, dim)`.
        width: standard deviations of a first searcher.
        tasks: cooperative tasks that propose restarts, beside the joint one.
        rules: the constants.
        account: where evaluations are booked, with the budget.
        listener: is told after every stretch.
    """

    def __init__(
        self,
        target: AbstractTarget,
        start: Float[np.ndarray, "searchers dim"],
        width: Float[np.ndarray, " dim"],
        tasks: Sequence[Task],
        rules: Rules,
        account: Account,
        listener: EngineListener,
    ) -> None:
        self.target, self.rules, self.account = target, rules, account
        self.stepper = Stepper(target, rules, account)
        self._first, self._tasks, self._listener = Population.at(start, width), tasks, listener
        self._proposer = Proposer(target.dim, tasks, rules.width, rules.proposals)
        self._step = 0
        self._began = time.perf_counter()

    def run(self, key: Key[Array, ""]) -> Outcome:
        """Train; the same key gives the same result."""
        key_host, key_search, key_settle, key_refine = jax.random.split(key, 4)
        generator = np.random.default_rng(np.asarray(jax.random.key_data(key_host), np.uint32))
        search = self._search(generator)
        settler = Settler(self.stepper, self.rules, generator, self._told)
        fit = self._explored(search, settler, key_search, key_settle)
        if fit.settled:
            fit = settler.judged(fit, jax.random.fold_in(key_settle, search.rounds + 1))
        found = {"modes": search.archive.count, "evidence": search.archive.total}
        if fit.good or not self.account.allows(self.stepper.least_evaluations):
            # What was found may be a perfect mixture although the search for the rest was cut short.
            how = "settled" if fit.good and search.complete else "stopped"
            return Outcome(self._finished(fit.population), how, **found)
        # In a plane a plain mixture serves as well, and every figure can show it.
        blocks = find_blocks(fit.merged, self.stepper, generator) if fit.merged.dim > 2 else None
        if blocks is not None:
            factored = fit_factors(self.target, blocks, fit.merged, self._tasks, self.rules, self.account, key_refine)
            if not self.account.allows(self.stepper.least_evaluations):
                return Outcome(self._finished(fit.population), "stopped", **found)
            small = factored.product_components <= self.rules.refine_components(fit.merged.dim)
            sampler = factored.expanded() if small else factored
            self._tell("factors", sampler, None, told={"blocks": len(blocks)})
            return Outcome(sampler, "factored", **found)
        modes = self._with_lost(fit, search.archive, settler)
        region = refining_region(modes, generator)
        refiner = Refiner(self.stepper, self.rules, self._proposer, region, generator, self._told)
        population, complete = refiner.refine(modes, key_refine)
        return Outcome(self._finished(population), "refined" if complete else "stopped", **found)

    def _search(self, generator: np.random.Generator) -> Search:
        archive = Archive(self._first.dim)
        return Search(self.stepper, self.rules, self._first, archive, self._proposer, generator)

    def _explored(
        self, search: Search, settler: Settler, key_search: Key[Array, ""], key_settle: Key[Array, ""]
    ) -> Fit:
        """Explore and settle in turn, until a new exploration finds nothing that the settled mixture misses.

        A target of one mode that is no small mixture is left to the refinement at once; where there were several, there
        may be more of them, and it is explored again.
        """
        fit, before = None, np.inf
        while True:
            news = 0
            while search.goes_on:
                search.round(jax.random.fold_in(key_search, search.rounds))
                news += search.found_now
                self._told_search(search)
            long = self.account.total.total > self.rules.long_exploration * self.target.price_of_gradient.total
            if fit is not None and not fit.good and long:
                return Fit.unsettled(search.found()) if news else fit
            hopeful = fit is not None and fit.variance <= min(STILL_FALLING * before, HOPELESS)
            if fit is not None and not news and (fit.good or not hopeful):
                return fit
            before = np.inf if fit is None else fit.variance
            fit = settler.settle(search.found(), jax.random.fold_in(key_settle, search.rounds))
            if (
                not fit.settled
                or (fit.variance > HOPELESS and search.archive.count == 1)
                or fit.merged.count > self.rules.most_modes(search.archive.dim)
                or search.rounds >= self.rules.rounds(search.archive.dim)
                or not self.account.allows(self.stepper.least_evaluations)
            ):
                return fit
            search.again(self._known(fit, search.archive, settler))

    def _known(self, fit: Fit, archive: Archive, settler: Settler) -> Archive:
        """The components of a fit as known modes, and behind them the modes that the fit lost."""
        merged = fit.merged
        points = merged.draws(settler.generator, JUDGED_POINTS)
        log_target = self.stepper.log_density(points, "settle").reshape(merged.count, -1)
        points = points.reshape(merged.count, JUDGED_POINTS, -1)
        evidence = merged.log_weights + fit.elbo
        settled = Archive(
            merged.dim,
            tuple(
                Mode(merged.means[k], merged.factors[k], float(evidence[k]), points[k], log_target[k], settled=True)
                for k in range(merged.count)
            ),
        )
        lost = tuple(mode for mode in archive.modes if settled.is_news(mode) and not settled.is_negligible(mode))
        return replace(settled, modes=(*settled.modes, *lost))

    def _with_lost(self, fit: Fit, archive: Archive, settler: Settler) -> Population:
        """The components of a fit, and the modes that it lost: what is fitted worse than the rest loses its weight."""
        if not fit.settled:
            return fit.merged
        modes = self._known(fit, archive, settler).modes[fit.merged.count :]
        lost = Archive(archive.dim, modes)
        return lost.population().joined(fit.merged).equal() if lost.count else fit.merged

    def _told_search(self, search: Search) -> None:
        self._step += self.rules.round_steps
        evidence = search.archive.total if search.archive.count else None
        told = {"modes": search.archive.count, "failures": search.failures, "success": search.bandit.rates}
        self._tell("search", search.found().padded().mixture(), evidence, search.moves, told)

    def _finished(self, population: Population) -> GaussianMixture:
        mixture = jax.tree.map(jnp.asarray, population.mixture())
        self._tell("polish", mixture, None)
        return mixture

    def _told(self, phase: str, population: Population, trace: Trace) -> None:
        self._step += self.rules.round_steps
        self._tell(
            phase, population.padded().mixture(), float(trace.elbo[-1]), told={"variance": float(trace.variance[-1])}
        )

    def _tell(
        self,
        phase: str,
        mixture: Mixture,
        elbo: float | None,
        moves: Sequence[Mapping[str, Any]] = (),
        told: Mapping[str, Any] | None = None,
    ) -> None:
        self._listener(
            EngineProgress(
                phase=phase,
                step=self._step,
                mixture=mixture,
                elbo=elbo,
                evaluations=self.account.total,
                by_purpose=dict(self.account.spent),
                zero_density=self.account.zero_density,
                moves=moves,
                told=told or {},
                seconds=time.perf_counter() - self._began,
                seconds_compile=self.stepper.seconds_compile,
            )
        )
