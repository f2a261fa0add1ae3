"""The adaptive training: explore, settle, and where the target asks for more, split into factors or refine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, assert_never

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from biglearn_sampler.compilation import seconds_compiling
from biglearn_sampler.devices import ONE_DEVICE, Devices
from biglearn_sampler.energy import AbstractTarget, Evaluations
from biglearn_sampler.engine.account import Account, Books
from biglearn_sampler.engine.archive import LEAST_EVIDENCE, Archive, Mode
from biglearn_sampler.engine.bounds import check_bounded
from biglearn_sampler.engine.component_draws import ComponentDraws
from biglearn_sampler.engine.factors import FactorFitter, block_steppers
from biglearn_sampler.engine.moves import Move
from biglearn_sampler.engine.population import Population
from biglearn_sampler.engine.progress import EngineListener, EngineProgress
from biglearn_sampler.engine.proposals import Proposer
from biglearn_sampler.engine.refine import Refinement, Refiner
from biglearn_sampler.engine.region import Region, refining_region
from biglearn_sampler.engine.rules import JUDGED_POINTS, Rules
from biglearn_sampler.engine.search import Search, SearchState
from biglearn_sampler.engine.settle import HOPELESS, STILL_FALLING, Fit, Settler, merged_twins, merges
from biglearn_sampler.engine.state import (
    Dividing,
    EngineState,
    Exploring,
    Factoring,
    GeneratorState,
    Judging,
    Outcome,
    Refining,
    Settling,
    Stage,
)
from biglearn_sampler.engine.stepper import Stepper
from biglearn_sampler.engine.steps import Trace
from biglearn_sampler.engine.structure import find_blocks, price_of_blocks
from biglearn_sampler.mixture import FactoredMixture, GaussianMixture, Mixture
from biglearn_sampler.tasks import Task

MOST_RESUMPTIONS = 2
"""Times that a training goes on after its end: what keeps missing modes will not find them all."""

WORTH_REFINING = 0.01
"""Share of the mass from which modes that a refinement lacks are worth another one."""


def compiled_for(target: AbstractTarget, rules: Rules, devices: Devices) -> None:
    """All that an adaptive training has compiled code do, made ready in a process that follows another one."""
    Stepper(target, rules, Account(), devices)
    block_steppers(target, rules, devices)


class _Keys(NamedTuple):
    """Of the phases of a training."""

    host: Key[Array, ""]
    search: Key[Array, ""]
    settle: Key[Array, ""]
    refine: Key[Array, ""]

    @classmethod
    def of(cls, data: np.ndarray) -> _Keys:
        """All from the data of one key."""
        return cls(*jax.random.split(jax.random.wrap_key_data(jnp.asarray(data)), 4))


class Engine:
    """One adaptive training: `state = engine.begin(key)`, then `state = engine.advance(state)` until it has ended.

    Arguments:
        target: in the coordinates of training, where its declared region is the unit box.
        start: first means of the searchers, `(rules.searchers, dim)`.
        width: standard deviations of a first searcher.
        tasks: cooperative tasks that propose restarts, beside the joint one.
        rules: the constants.
        account: where evaluations are booked, with the budget.
        listener: is told after every stretch.
        devices: where points are evaluated.
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
        devices: Devices = ONE_DEVICE,
    ) -> None:
        self.target, self.rules, self.account = target, rules, account
        self._parts = devices.component_parts
        self.stepper = Stepper(target, rules, account, devices)
        self._first, self._listener = Population.at(start, width), listener
        self._proposer = Proposer(target.dim, tasks, rules.width, rules.proposals)
        self._moves: list[Move] = []
        steppers = block_steppers(target, rules, devices)
        self._fitter = FactorFitter(target, tasks, rules, account, steppers, self._moves)
        self._step, self._compiled_before = 0, -seconds_compiling()

    def run(self, key: Key[Array, ""]) -> Outcome:
        """Train; the same key gives the same result."""
        state = self.begin(key)
        while not state.ended:
            state = self.advance(state)
        assert isinstance(state.stage, Outcome)
        return state.stage

    def begin(self, key: Key[Array, ""]) -> EngineState:
        """The state before the first round."""
        data = np.asarray(jax.random.key_data(key), np.uint32)
        generator = np.random.default_rng(np.asarray(jax.random.key_data(_Keys.of(data).host), np.uint32))
        archive = Archive(self._first.dim)
        search = Search(self.stepper, self.rules, self._first, archive, self._proposer, generator)
        books = Books(spent=dict(self.account.spent))
        return EngineState(Exploring(search.state), data, GeneratorState.of(generator), books=books)

    def advance(self, state: EngineState) -> EngineState:
        """The state after one more unit of work; `state` stays as it is, and gives the same again."""
        self.account.set_back(state.books)
        self._step, self._compiled_before = state.step, state.seconds_compile - seconds_compiling()
        self._moves[:] = map(json.loads, state.moves)
        generator = state.generator.generator()
        stage = self._advanced(state.stage, _Keys.of(state.key), generator)
        return EngineState(
            stage,
            state.key,
            GeneratorState.of(generator),
            self._step,
            self.account.books,
            self._seconds_compile,
            state.resumptions,
            self._moves_kept,
        )

    def go_on(self, ended: EngineState, found: Sequence[Mode], asked: Evaluations) -> EngineState | None:
        """The state from which a training that has ended goes on with modes that it missed.

        Only where it took what it knew for the whole target, settled or refined; `None` elsewhere, after
        `MOST_RESUMPTIONS`, and where the budget or the number of components does not allow it.

        Arguments:
            ended: the state at its end.
            found: the modes, each with its evidence.
            asked: evaluations that it took to find them; from now on they count as its own.
        """
        outcome = ended.stage
        assert isinstance(outcome, Outcome)
        self.account.set_back(ended.books)
        self.account.add("missed", asked)
        self._moves[:] = [_found_by_verdict(mode) for mode in found]
        if ended.resumptions >= MOST_RESUMPTIONS:
            return None
        generator = ended.generator.generator()
        match outcome.how:
            case "settled":
                stage = self._settled_on(outcome, found, generator)
            case "refined":
                stage = self._refined_on(outcome, found, generator)
            case _:
                return None
        # The budget comes last: what it alone forbids a larger one would allow.
        if stage is None or not self._can_go_on():
            return None
        key = jax.random.fold_in(jax.random.wrap_key_data(jnp.asarray(ended.key)), ended.resumptions + 1)
        return replace(
            ended,
            stage=stage,
            key=np.asarray(jax.random.key_data(key), np.uint32),
            generator=GeneratorState.of(generator),
            books=self.account.books,
            resumptions=ended.resumptions + 1,
            moves=self._moves_kept,
        )

    def _settled_on(self, outcome: Outcome, found: Sequence[Mode], generator: np.random.Generator) -> Settling | None:
        """All modes are fitted together once more, as far as there is room for them."""
        assert isinstance(outcome.mixture, GaussianMixture)
        settled = Population.of(outcome.mixture)
        known = merged_twins(settled)
        if known.count >= self.rules.most_modes(known.dim):
            return None
        self._moves.extend(merges(settled))
        modes = self._as_modes(known, outcome.evidence + known.log_weights, generator)
        archive = Archive(known.dim, (*modes, *found))
        return Settling(Search(self.stepper, self.rules, self._first, archive, self._proposer, generator).state, None)

    def _refined_on(self, outcome: Outcome, found: Sequence[Mode], generator: np.random.Generator) -> Refining | None:
        """The components are annealed on, with the modes among them, where these are worth it."""
        assert isinstance(outcome.mixture, GaussianMixture)
        lacking = Archive(self.target.dim, tuple(found))
        evidence = float(np.logaddexp(outcome.evidence, lacking.total))
        share = float(np.exp(lacking.total - evidence))
        if share < WORTH_REFINING:
            return None
        # Weights in the precision of the device do not sum to one in that of the host.
        refined, modes = Population.of(outcome.mixture).normalised(), lacking.population()
        # However much they seem to hold, what is known is not forgotten.
        counted = min(share, 0.5)
        log_weights = np.concatenate([refined.log_weights + np.log1p(-counted), modes.log_weights + np.log(counted)])
        region = refining_region(refined.joined(modes).weighted(log_weights), generator)
        refinement = self._refiner(region, generator).resumed(refined, modes, share)
        if refinement is None:
            return None
        return Refining(outcome.modes + lacking.count, evidence, region, refinement)

    def _advanced(self, stage: Stage, keys: _Keys, generator: np.random.Generator) -> Stage:
        match stage:
            case Exploring():
                return self._explore(stage, keys.search, generator)
            case Settling():
                return self._settle(stage, keys.settle, generator)
            case Judging():
                return self._judge(stage, keys.settle, generator)
            case Dividing():
                return self._divide(stage, generator)
            case Factoring():
                return self._factor(stage, keys.refine)
            case Refining():
                return self._refine(stage, keys.refine, generator)
            case Outcome():
                return stage
            case _:
                assert_never(stage)

    def _explore(self, stage: Exploring, key: Key[Array, ""], generator: np.random.Generator) -> Stage:
        """One more round, as long as the search goes on; then the modes are fitted, unless the last fit is the last.

        It is where the new exploration found nothing that the settled mixture misses. A target of one mode that is no
        small mixture is left to the refinement at once; where there were several, there may be more of them, and it is
        explored again.
        """
        search, fit = self._search(stage.search, generator), stage.fit
        if search.goes_on:
            search.round(jax.random.fold_in(key, search.rounds))
            self._told_search(search)
            return replace(stage, search=search.state, news=stage.news + search.found_now)
        if fit is not None and not fit.good and self._explored_for_long():
            return Judging(stage.search, Fit.unsettled(search.found()) if stage.news else fit)
        if fit is not None and not stage.news:
            hopeful = fit.variance <= min(STILL_FALLING * stage.before, HOPELESS)
            if fit.good or not hopeful:
                return Judging(stage.search, fit)
        return Settling(stage.search, fit)

    def _settle(self, stage: Settling, key: Key[Array, ""], generator: np.random.Generator) -> Stage:
        """Fit all modes together; then search past them again, where that is worth while."""
        search, settler = self._search(stage.search, generator), self._settler(generator)
        fit = settler.settle(search.found(), jax.random.fold_in(key, search.rounds))
        if (
            not fit.settled
            or (fit.variance > HOPELESS and search.archive.count == 1)
            or fit.merged.count > self.rules.most_modes(search.archive.dim)
            or search.rounds >= self.rules.rounds(search.archive.dim)
            or not self._can_go_on()
        ):
            return Judging(stage.search, fit)
        known, lost = self._known_and_lost(fit, search.archive, generator)
        self._moves.extend(fit.merges)
        self._came_back(len(lost))
        search.again(replace(known, modes=(*known.modes, *lost)))
        if not search.goes_on:
            return Judging(search.state, fit)
        # A mode that was lost is no news to the search, but to a fit that would be the last one.
        news = len(lost) if fit.good else 0
        return Exploring(search.state, fit, before=np.inf if stage.fit is None else stage.fit.variance, news=news)

    def _judge(self, stage: Judging, key: Key[Array, ""], generator: np.random.Generator) -> Stage:
        search, fit = self._search(stage.search, generator), stage.fit
        whole = False
        if fit.settled:
            fit, whole = self._judged(fit, search, key, generator)
        if whole or not self._can_go_on():
            # What was found may be a perfect mixture although the search for the rest was cut short.
            how = "settled" if whole and search.complete else "stopped"
            grounds = {"rounds": search.rounds, "failures": search.failures}
            if fit.settled:
                grounds |= {"variance": fit.variance}
            return self._finished(fit.population, how, search.archive.count, search.archive.total, grounds)
        return Dividing(search.archive, fit)

    def _judged(
        self, fit: Fit, search: Search, key: Key[Array, ""], generator: np.random.Generator
    ) -> tuple[Fit, bool]:
        """The fit with its best weights, and whether it is the target: good, and without a mode that it lost.

        A fit that is good but for modes that its steps lost is made once more, with these modes beside its components.
        """
        settler = self._settler(generator)
        fit = settler.judged(fit, jax.random.fold_in(key, search.rounds + 1))
        if not fit.settled:  # no component met any density
            return Fit.unsettled(search.found()), False
        if not fit.good or not self.account.allows(JUDGED_POINTS * fit.merged.count):
            return fit, False
        lost = self._lost(fit, search.archive, generator)
        if not lost.count or not self._can_go_on():
            return fit, not lost.count
        self._moves.extend(fit.merges)
        self._came_back(lost.count)
        again = settler.settle(_joined(fit, lost), jax.random.fold_in(key, search.rounds + 2))
        if again.settled:
            again = settler.judged(again, jax.random.fold_in(key, search.rounds + 3))
        fit = again if again.elbo > fit.elbo else fit
        if not fit.good or not self.account.allows(JUDGED_POINTS * fit.merged.count):
            return fit, False
        return fit, not self._lost(fit, search.archive, generator).count

    def _divide(self, stage: Dividing, generator: np.random.Generator) -> Stage:
        archive, fit = stage.archive, stage.fit
        # In a plane a plain mixture serves as well, and every figure can show it.
        self._moves.extend(fit.merges)
        affordable = self.account.allows(price_of_blocks(fit.merged.dim, self.stepper.price_of_gradient.total))
        blocks = find_blocks(fit.merged, self.stepper, generator) if fit.merged.dim > 2 and affordable else None
        if blocks is not None and self._has_room_for(len(blocks)):
            return Factoring(archive, fit, blocks)
        lost = self._lost(fit, archive, generator) if fit.settled else Archive(archive.dim)
        modes = _joined(fit, lost)
        region = refining_region(modes, generator)
        refiner = self._refiner(region, generator)
        if not refiner.can_begin(modes.dim):
            # Nothing would give what was lost its weight, and the others theirs back: it stays lost.
            return Refining(archive.count, archive.total, region, Refinement.stopped(fit.merged))
        self._came_back(lost.count)
        return Refining(archive.count, archive.total, region, refiner.begun(modes))

    def _factor(self, stage: Factoring, key: Key[Array, ""]) -> Stage:
        """The sampler of one more block; behind the last one, the product of all."""
        if len(stage.factors) < len(stage.blocks):
            factor = self._fitter.fit(stage.blocks, len(stage.factors), stage.fit.merged, key)
            return replace(stage, factors=(*stage.factors, factor))
        grounds, how = {"blocks": len(stage.blocks)}, "stopped" if self.account.limited else "factored"
        factored = FactoredMixture(stage.blocks, stage.factors)
        small = factored.product_components <= self.rules.refine_components(stage.archive.dim)
        sampler = factored.expanded() if small else factored
        self._tell("factors", sampler, None, grounds)
        return Outcome(sampler, how, stage.archive.count, stage.archive.total, grounds)

    def _refine(self, stage: Refining, key: Key[Array, ""], generator: np.random.Generator) -> Stage:
        """One more stretch; behind the last one, the components with their best weights."""
        refinement = stage.refinement
        if not refinement.ended:
            return replace(stage, refinement=self._refiner(stage.region, generator).advanced(refinement, key))
        how = "refined" if refinement.complete else "stopped"
        grounds = {"effective_share": refinement.effective_share, "cycles": refinement.cycle + 1}
        known = np.isfinite(refinement.log_mass)
        evidence = refinement.log_mass if known else stage.evidence
        return self._finished(refinement.population, how, stage.modes, evidence, grounds)

    def _search(self, state: SearchState, generator: np.random.Generator) -> Search:
        return Search.continued(state, self.stepper, self.rules, self._proposer, generator, self._moves)

    def _settler(self, generator: np.random.Generator) -> Settler:
        return Settler(self.stepper, self.rules, generator, self._told, self._moves)

    def _refiner(self, region: Region, generator: np.random.Generator) -> Refiner:
        return Refiner(self.stepper, self.rules, self._proposer, region, generator, self._told, self._moves)

    @property
    def _moves_kept(self) -> tuple[str, ...]:
        """What happened and was not told yet, as a state keeps it."""
        return tuple(json.dumps(move) for move in self._moves)

    def _came_back(self, count: int) -> None:
        """Write down that so many modes are known again which a fit had lost."""
        if count:
            self._moves.append({"move": "restored", "count": count})

    @property
    def _seconds_compile(self) -> float:
        """Of this training so far."""
        return self._compiled_before + seconds_compiling()

    def _can_go_on(self) -> bool:
        """Whether the budget allows anything that is worth while."""
        return self.account.allows(self.stepper.least_evaluations)

    def _has_room_for(self, factors: int) -> bool:
        """Whether every factor of a product can have its share of the components that the user allows."""
        most = self.rules.most_components
        return most is None or (most >= factors and most // factors % self._parts == 0)

    def _explored_for_long(self) -> bool:
        """What a verdict asked is no exploration."""
        missed = self.account.spent.get("missed", Evaluations()).total
        return self.account.total.total - missed > self.rules.long_exploration * self.target.price_of_gradient.total

    def _known_and_lost(
        self, fit: Fit, archive: Archive, generator: np.random.Generator
    ) -> tuple[Archive, tuple[Mode, ...]]:
        """The components of a fit as known modes, and the modes that it lost, as many as are allowed beside them."""
        merged = fit.merged
        components = self._as_modes(merged, merged.log_weights + fit.elbo, generator)
        settled = Archive(merged.dim, tuple(mode._replace(settled=True) for mode in components))
        lost = [mode for mode in archive.modes if settled.is_news(mode)]
        if fit.good:
            lost = [mode for mode in lost if not settled.is_negligible(mode)]
        else:
            # One Gaussian holds little of a mode that is none; beside components that share the others it looks light.
            lost = [mode._replace(settled=True) for mode in lost if mode.settled or not archive.is_negligible(mode)]
        lost.sort(key=lambda mode: -mode.evidence)
        room = max(self.rules.most_modes(merged.dim) - merged.count, 0)
        return settled, tuple(lost[:room])

    def _as_modes(
        self, population: Population, evidence: Float[np.ndarray, " components"], generator: np.random.Generator
    ) -> list[Mode]:
        """The components as modes, without those that met no density."""
        draws = ComponentDraws.of(population, self.stepper, "settle", generator)
        return [
            Mode(population.means[k], population.factors[k], float(evidence[k]), draws.points[k], draws.log_target[k])
            for k in range(population.count)
            if draws.log_ratio[k].max() > LEAST_EVIDENCE
        ]

    def _lost(self, fit: Fit, archive: Archive, generator: np.random.Generator) -> Archive:
        """The modes that a fit lost."""
        return Archive(archive.dim, self._known_and_lost(fit, archive, generator)[1])

    def _finished(
        self, population: Population, how: str, modes: int, evidence: float, grounds: Mapping[str, float]
    ) -> Outcome:
        check_bounded(population)
        mixture = population.mixture()
        self._tell("polish", mixture, None)
        return Outcome(mixture, how, modes, evidence, grounds)

    def _told_search(self, search: Search) -> None:
        self._step += self.rules.round_steps
        evidence = search.archive.total if search.archive.count else None
        told = {"modes": search.archive.count, "failures": search.failures, "success": search.bandit.rates}
        self._tell("search", search.found().padded().mixture(), evidence, told)

    def _told(self, phase: str, population: Population, trace: Trace) -> None:
        check_bounded(population)
        self._step += self.rules.round_steps
        self._tell(phase, population.padded().mixture(), float(trace.elbo[-1]), {"variance": float(trace.variance[-1])})

    def _tell(
        self,
        phase: str,
        mixture: Mixture,
        elbo: float | None,
        told: Mapping[str, Any] | None = None,
    ) -> None:
        moves = tuple(self._moves)
        self._moves.clear()
        self._listener(
            EngineProgress(
                phase=phase,
                step=self._step,
                mixture=mixture,
                elbo=elbo,
                evaluations=self.account.total,
                by_purpose=dict(self.account.spent),
                zero_density=self.account.zero_density,
                rejected=self.account.rejected,
                moves=moves,
                told=told or {},
                seconds=self.account.seconds,
                seconds_compile=self._seconds_compile,
            )
        )


def _found_by_verdict(mode: Mode) -> Move:
    return {"move": "found", "by": "verdict", "evidence": round(mode.evidence, 4)}


def _joined(fit: Fit, lost: Archive) -> Population:
    """The components of a fit and the modes that it lost: what is fitted worse than the rest loses its weight."""
    return lost.population().joined(fit.merged).equal() if lost.count else fit.merged
