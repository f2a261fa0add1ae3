"""What is left when a target is no small mixture: many components, the modes and fresh broad ones, slowly annealed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import jax
import numpy as np
from jaxtyping import Array, Float, Int, Key

from biglearn_sampler.engine.archive import Archive, Mode
from biglearn_sampler.engine.balance import balanced
from biglearn_sampler.engine.moves import Move
from biglearn_sampler.engine.polish import LEAST_EACH, polished
from biglearn_sampler.engine.population import Population, equal_log_weights
from biglearn_sampler.engine.proposals import Proposer
from biglearn_sampler.engine.region import Region
from biglearn_sampler.engine.rules import Rules
from biglearn_sampler.engine.settle import Told
from biglearn_sampler.engine.spare import POINTS, restored, spared
from biglearn_sampler.engine.stepper import Stepper, log_density_of
from biglearn_sampler.engine.steps import Pace
from biglearn_sampler.mixture import LOG_TWO_PI

POOR_ESS = 0.1
"""Below this share of effective draws another cycle is made, half as long again and at half the rate."""

FAIR_ESS = 0.5
"""Below this share the masses of modes are weighed on more draws."""

DEAD = 0.1
"""Share of an equal weight below which a component is moved."""

FRESH_WIDTHS = (0.03, 0.3)
"""Of components that begin over the region, in its widths."""

CANDIDATES = 4
"""Draws of the sampler for every component, from which moved components choose."""

DEPTH = 10.0
"""Nats below the highest peak of the sampler at which candidates are no longer more surprising."""


@dataclass(frozen=True, eq=False)
class Refinement:
    """A refinement between two stretches.

    Arguments:
        population: the components.
        before: those of an earlier time, the modes that were found at first, which come back if they are lost.
        log_mass: of the target, about.
        cycle: number of the cycle.
        first: steps of the cycle that are done.
        effective_share: effective draws among draws of the sampler, once it has ended.
        complete: whether the budget allowed all that was wanted.
        ended: whether nothing is left to do.
    """

    population: Population
    before: Population
    log_mass: float = -np.inf
    cycle: int = 0
    first: int = 0
    effective_share: float = 0.0
    complete: bool = True
    ended: bool = False

    @classmethod
    def stopped(cls, population: Population) -> Refinement:
        """One for which the budget does not allow a stretch."""
        return cls(population, population, complete=False, ended=True)


@dataclass(eq=False)
class Refiner:
    """An annealed refinement.

    Arguments:
        stepper: asks the energy.
        rules: of the engine.
        proposer: of places for components without weight.
        region: over which fresh components begin.
        generator: of host-side randomness.
        told: is told after every stretch.
        moves: where it writes down what happens to components.
    """

    stepper: Stepper
    rules: Rules
    proposer: Proposer
    region: Region
    generator: np.random.Generator
    told: Told
    moves: list[Move] = field(default_factory=list)

    def refine(self, modes: Population, key: Key[Array, ""]) -> Refinement:
        """Cycles of annealing until the effective sample size is fair."""
        state = self.begun(modes)
        while not state.ended:
            state = self.advanced(state, key)
        return state

    def begun(self, modes: Population) -> Refinement:
        """The state before the first stretch; ended already where the budget does not allow one.

        Arguments:
            modes: what was found.
        """
        if not self.can_begin(modes.dim):
            return Refinement.stopped(modes)
        return Refinement(self._begun(modes), modes)

    def can_begin(self, dim: int) -> bool:
        """Whether the budget allows a stretch."""
        return self._can_pay(self.rules.refine_components(dim))

    def resumed(self, refined: Population, lacking: Population, share: float) -> Refinement | None:
        """The state from which components that were refined are annealed on, with modes that they lack among them.

        It is the second half of a second cycle. Each mode gets components by the mass that it holds, and the lightest
        ones make room, half of all at most. `None` where these hold as much, or the budget does not allow it all.

        Arguments:
            refined: the components.
            lacking: the modes, weighted by what each holds.
            share: of all mass, that they hold together.
        """
        count = self.rules.refine_components(refined.dim)
        room = count // 2
        later = Refinement(refined, refined, cycle=1)
        first = self._length(later) // 2
        if not room:
            return None
        lacking = lacking.take(np.argsort(-lacking.log_weights, kind="stable")[:room])
        number = max(int(np.clip(share * count, lacking.count, room)), count - refined.count)
        order = np.argsort(-refined.log_weights, kind="stable")
        if np.exp(refined.log_weights[order[count - number :]]).sum() >= share:
            return None
        if not self._can_pay(count, self._length(later) - first):
            return None
        origin = self.generator.choice(lacking.count, number - lacking.count, p=np.exp(lacking.log_weights))
        new = lacking.joined(self._copied(lacking, origin)).equal()
        kept, share = refined.take(order[: count - number]), min(share, 0.5)
        self._write_down("dropped", refined.count - kept.count)
        self._write_down("copied", len(origin))
        log_weights = np.concatenate([kept.log_weights + np.log1p(-share), new.log_weights + np.log(share)])
        population = kept.joined(new).weighted(log_weights).take(self.generator.permutation(count))
        return replace(later, population=population, before=population, first=first)

    def advanced(self, state: Refinement, key: Key[Array, ""]) -> Refinement:
        """The state after one more stretch, or after the end of a cycle.

        Arguments:
            state: before.
            key: of the whole refinement.
        """
        if state.first >= self._length(state):
            return self._cycle_ended(replace(state, population=self._restored(state.population, state)))
        if not self._can_pay(state.population.count):
            return self._cycle_ended(replace(state, complete=False))
        key_cycle = jax.random.fold_in(key, state.cycle)
        return self._stretch(state, jax.random.fold_in(key_cycle, state.first))

    def _cycle_ended(self, state: Refinement) -> Refinement:
        """With the best weights; another cycle begins where the sampler is still poor."""
        points = self.stepper.account.affordable(self.rules.polish_points)
        judged = polished(state.population, self.stepper, self.generator, points)
        population, effective_share = judged.population, judged.effective_share
        poor = effective_share < POOR_ESS and state.complete and state.cycle + 1 < self.rules.cycles
        if poor and self._can_pay(population.count):
            return Refinement(population, population, cycle=state.cycle + 1)
        if effective_share < FAIR_ESS:
            population = balanced(population, self.stepper, self.generator)
        return replace(
            state,
            population=population,
            log_mass=judged.log_mass,
            effective_share=effective_share,
            complete=state.complete and not poor,
            ended=True,
        )

    def _begun(self, modes: Population) -> Population:
        """The heaviest modes, copies of them, and fresh components, in random order, since they draw by turns.

        Fresh ones fall to the modes that lie near the middle of the region; copies give every mode its share.
        """
        count = self.rules.refine_components(modes.dim)
        best = modes.take(np.argsort(-modes.log_weights, kind="stable")[: max(count // 2, 1)])
        left = count - best.count
        self._write_down("dropped", modes.count - best.count)
        if not left:
            return best.equal()
        copied = left // 2 if best.count > 1 else 0
        self._write_down("copied", copied)
        self._write_down("fresh", left - copied)
        begun = best.joined(self._copied(best, np.arange(copied) % best.count)) if copied else best
        return begun.joined(self._fresh(left - copied)).take(self.generator.permutation(count)).equal()

    def _write_down(self, move: str, count: int) -> None:
        """A move that concerns many components at once, if any."""
        if count:
            self.moves.append({"move": move, "count": count})

    def _copied(self, modes: Population, origin: Int[np.ndarray, " copies"]) -> Population:
        """Components at draws of the modes of those numbers, each with the shape of its mode."""
        means = modes.around(origin, self.generator.standard_normal((len(origin), modes.dim)))
        return Population(means, modes.factors[origin], modes.log_weights[origin])

    def _fresh(self, count: int) -> Population:
        """Round components over the region, of widths log-uniform between two: narrow ones spread over more modes."""
        means = self.region.draws(self.generator, np.ones(count))
        low, high = np.log(FRESH_WIDTHS)
        widths = np.exp(self.generator.uniform(low, high, (count, 1, 1)))
        return Population(means, widths * np.diag(self.region.width), equal_log_weights(count))

    def _length(self, state: Refinement) -> int:
        """Steps of the cycle."""
        return self.rules.refine_steps(state.population.dim) * 3**state.cycle // 2**state.cycle

    def _stretch(self, state: Refinement, key: Key[Array, ""]) -> Refinement:
        rules, first, length = self.rules, state.first, self._length(state)
        learns = state.cycle > 0 or first >= rules.held_share * length
        moves = learns and first < rules.moving_share * length
        pace = Pace(
            first=first,
            length=length,
            final=rules.final_rate,
            weight_rate=rules.weight_rate * learns,
            rate=0.5**state.cycle,
        )
        population, trace = self.stepper.steps(
            state.population, key, pace, "refine", rules.window_points, rules.refine_fresh_points
        )
        state = replace(state, log_mass=float(trace.elbo[-1]), first=first + rules.round_steps)
        dead = np.flatnonzero(population.log_weights < np.log(DEAD / population.count))
        if moves and len(dead):
            population, free = spared(population, dead, state.log_mass, self.stepper, self.generator)
            kept = np.setdiff1d(dead, free).tolist()
            self.moves.extend({"move": "spared", "component": number} for number in kept)
            population = self._moved(population, free, first / length) if len(free) else population
        # What was found, what was there before weights were learnt, and what was there before nothing moves any more:
        # each comes back at the next of these times if it is lost.
        times = (rules.held_share * length, rules.moving_share * length)
        if any(first < time <= state.first for time in times):
            population = self._restored(population, state)
            state = replace(state, before=population)
        self.told("refine", population, trace)
        return replace(state, population=population)

    def _restored(self, population: Population, state: Refinement) -> Population:
        population, back = restored(population, state.before, state.log_mass, self.stepper, self.generator)
        places = range(population.count - back, population.count)
        self.moves.extend({"move": "restored", "component": number} for number in places)
        return population

    def _can_pay(self, components: int, steps: int | None = None) -> bool:
        """Whether the budget allows so many steps, or a stretch, what may follow one, and the last weights.

        After a stretch components may be spared, moved and restored.
        """
        price = self.stepper.price(components, self.rules.refine_fresh_points)
        price *= 1 if steps is None else -(-steps // self.rules.round_steps)
        price += (LEAST_EACH + CANDIDATES + 2 * (1 + POINTS)) * components + len(
            self.proposer.tasks
        ) * self.rules.proposals
        return self.stepper.account.allows(price)

    def _moved(self, population: Population, dead: Int[np.ndarray, " dead"], progress: float) -> Population:
        """Components without weight at places that the sampler explains least: its own draws, or what tasks propose."""
        kept = population.take(np.setdiff1d(np.arange(population.count), dead))
        archive = _as_archive(kept)
        parents = self.generator.choice(kept.count, CANDIDATES * population.count, p=np.exp(kept.log_weights))
        own = kept.around(parents, self.generator.standard_normal((len(parents), kept.dim)))
        proposed = self.proposer.of_tasks(archive, self.region, self.generator, progress)
        points = np.concatenate([own, proposed.points])
        parents = np.concatenate([parents, proposed.parents])
        log_target = self.stepper.log_density(points, "proposals")
        known = log_density_of(kept, points)
        is_own = np.arange(len(points)) < len(own)
        means, widths, log_weights = population.means.copy(), population.factors.copy(), population.log_weights.copy()
        floor = known.max() - DEPTH
        for number in dead.tolist():
            resampled = bool(self.generator.random() < 0.5) or not len(proposed.points)
            # A draw of the sampler with Gumbel noise on its log weight is a draw of the target.
            gain = log_target - known + self.generator.gumbel(size=len(points))
            if not resampled:
                gain = log_target - np.maximum(known, floor)
            chosen = int(np.where(is_own == resampled, gain, -np.inf).argmax())
            means[number], widths[number] = points[chosen], kept.factors[parents[chosen]]
            log_weights[number] = equal_log_weights(population.count)[0]
            placed = log_weights[number] + _log_density_of_one(means[number], widths[number], points)
            known = np.logaddexp(known, placed)
            self.moves.append({"move": "moved", "component": number, "by": "resampling" if resampled else "tasks"})
        return Population(means, widths, log_weights).normalised()


def _as_archive(population: Population) -> Archive:
    nothing = (population.means[:0], np.zeros(0))
    parts = zip(population.means, population.factors, population.log_weights.tolist(), strict=True)
    return Archive(population.dim, tuple(Mode(mean, factor, weight, *nothing) for mean, factor, weight in parts))


def _log_density_of_one(
    mean: Float[np.ndarray, " dim"], factor: Float[np.ndarray, "dim dim"], points: Float[np.ndarray, "count dim"]
) -> Float[np.ndarray, " count"]:
    standard = np.linalg.solve(factor, (points - mean).T)
    constant = np.log(np.diagonal(factor)).sum() + 0.5 * len(mean) * LOG_TWO_PI
    return -constant - 0.5 * (standard**2).sum(0)
