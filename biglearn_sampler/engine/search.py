"""Exploration: searchers fall into modes by themselves; what they find is archived, and they set out again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from biglearn_sampler.engine.archive import LEAST_EVIDENCE, Archive, Mode
from biglearn_sampler.engine.bandit import Bandit
from biglearn_sampler.engine.bounds import check_bounded
from biglearn_sampler.engine.component_draws import ComponentDraws
from biglearn_sampler.engine.moves import Move
from biglearn_sampler.engine.population import Population
from biglearn_sampler.engine.proposals import DECLARED, FOUND, SEEN, Proposals, Proposer
from biglearn_sampler.engine.region import Region
from biglearn_sampler.engine.rules import JUDGED_POINTS, Rules
from biglearn_sampler.engine.stepper import Stepper
from biglearn_sampler.engine.steps import Trace
from biglearn_sampler.engine.unexplained import Unexplained, starts_of

RESIDUAL = "residual"
"""A restart where the target exceeds most what is known, among the joint proposals."""

SETTLED_GAIN = 0.5
"""A searcher that gained fewer nats over half a round has settled."""

SWEPT_AT = 2 / 3
"""Share of the failures that end the search at which it sweeps: those it sends out arrive while others still look."""

LAST_ROUNDS = 6
"""Rounds that are left after a sweep at least, likewise."""

STUCK = 0.05
"""A searcher that gained a smaller share of what it lacks over half a round will not arrive."""

OLDEST = 10
"""Rounds after which a searcher that does not settle sets out again."""

LAST_STEPS = 5
"""Over which figures of a round are averaged."""

UNMOVED = 0.99
"""Share of points without known explanation from which a searcher has settled by itself."""

NARROWER = 0.25
"""By so much a searcher becomes narrower that stands on a density and sees none."""

UNKNOWN_SURPRISE = 2.0
"""Of every point with a density while nothing is known."""


@dataclass(frozen=True, eq=False)
class SearchState:
    """What an exploration remembers from one round to the next.

    Arguments:
        searchers: where they are.
        archive: what was found.
        rounds: that were made.
        failures: searchers in a row that found nothing new.
        ages: rounds since each searcher set out.
        confirming: searchers that make one more round to be sure.
        origins: the kind of proposal at which each set out; `None` at the very start.
        swept: whether the last look all over was made.
        wins, trials: of the bandit.
    """

    searchers: Population
    archive: Archive
    rounds: int
    failures: int
    ages: Int[np.ndarray, " searchers"]
    confirming: Bool[np.ndarray, " searchers"]
    origins: tuple[str | None, ...]
    swept: bool
    wins: Mapping[str, float]
    trials: Mapping[str, float]


@dataclass(eq=False)
class Search:
    """An exploration.

    A searcher falls into a mode while known modes exert no force on it. When it has settled on something new, it makes
    one more round in which every point counts: the known modes may have bent it. Then its mode is archived, and it
    sets out again, as do searchers that found nothing new.

    Arguments:
        stepper: asks the energy.
        rules: of the engine.
        searchers: where they are now.
        archive: what was found.
        proposer: of restarts.
        generator: of all host-side randomness.
        purpose: under which evaluations are booked.
        sweeps: whether it takes a last look all over by itself.
        moves: where it writes down what happens to searchers and modes.
    """

    stepper: Stepper
    rules: Rules
    searchers: Population
    archive: Archive
    proposer: Proposer
    generator: np.random.Generator
    purpose: str = "search"
    sweeps: bool = True
    rounds: int = 0
    moves: list[Move] = field(default_factory=list)
    failures: int = field(default=0, init=False)
    found_now: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        count = self.searchers.count
        self._ages: Int[np.ndarray, " searchers"] = np.zeros(count, int)
        self._confirming: Bool[np.ndarray, " searchers"] = np.zeros(count, bool)
        self._origins: list[str | None] = [None] * count
        self._swept = False
        self.looked_at = Unexplained(np.zeros((0, self.archive.dim)), *[np.zeros(0)] * 3)
        """Points of the last look all over, what is explained too."""
        self.bandit = Bandit((*self.proposer.kinds, RESIDUAL))

    @classmethod
    def continued(
        cls,
        state: SearchState,
        stepper: Stepper,
        rules: Rules,
        proposer: Proposer,
        generator: np.random.Generator,
        moves: list[Move],
    ) -> Search:
        """An exploration that goes on from a state, as if there had been no pause."""
        search = cls(
            stepper, rules, state.searchers, state.archive, proposer, generator, rounds=state.rounds, moves=moves
        )
        search.failures, search._swept = state.failures, state.swept
        search._ages, search._confirming = state.ages.copy(), state.confirming.copy()
        search._origins = list(state.origins)
        search.bandit.wins, search.bandit.trials = dict(state.wins), dict(state.trials)
        return search

    @property
    def state(self) -> SearchState:
        """All that the next round depends on, beside the generator."""
        return SearchState(
            searchers=self.searchers,
            archive=self.archive,
            rounds=self.rounds,
            failures=self.failures,
            ages=self._ages.copy(),
            confirming=self._confirming.copy(),
            origins=tuple(self._origins),
            swept=self._swept,
            wins=dict(self.bandit.wins),
            trials=dict(self.bandit.trials),
        )

    @property
    def finished(self) -> bool:
        """Whether so many searchers in a row found nothing new that all modes should have been met, or none fits in."""
        most = self.rules.most_modes(self.searchers.dim)
        return self.failures >= self.rules.failures(self.archive.count) or self.archive.count >= most

    @property
    def complete(self) -> bool:
        """Whether no further round is worth making."""
        return self.finished or self.rounds >= self.rules.rounds(self.searchers.dim)

    @property
    def goes_on(self) -> bool:
        """Whether another round is worth making and can be paid."""
        return not self.complete and self.stepper.account.allows(self._price)

    @property
    def _sweeps_now(self) -> bool:
        """Whether it is time for the last look, and a mode that it shows would fit in."""
        archive, rules = self.archive, self.rules
        if not self.sweeps or self._swept or archive.count >= rules.most_modes(archive.dim):
            return False
        late = self.rounds >= rules.rounds(archive.dim) - LAST_ROUNDS
        return late or self.failures >= SWEPT_AT * rules.failures(archive.count)

    @property
    def _price(self) -> int:
        return self.stepper.evaluations_of_round(len(self.proposer.kinds))

    def found(self) -> Population:
        """The modes as components; while there are none, the searchers as they are.

        Raises:
            Diverged: they went beyond all bounds, as they do where the density cannot be normalised.
        """
        population = self.archive.population() if self.archive.count else self.searchers
        check_bounded(population, share=0.0)
        if not self.archive.count:
            return population
        heaviest = np.argsort(-population.log_weights, kind="stable")
        return population.take(np.sort(heaviest[: self.rules.most_modes(population.dim)]))

    def again(self, archive: Archive) -> None:
        """Begin anew from other known modes: every searcher sets out."""
        self.archive, self.failures, self._swept = archive, 0, False
        if archive.count:
            self._restart(range(self.searchers.count))

    def round(self, key: Key[Array, ""]) -> None:
        """One stretch of steps, a judgement of every searcher, and new starts for those that have concluded."""
        self.searchers, trace, seen = self.stepper.search(
            self.searchers, self.archive, self._confirming, key, self.purpose
        )
        self._ages += 1
        self.rounds += 1
        modes = self._modes()
        concluded = self._conclude(trace, modes)
        self._swept = self._swept and not self.found_now
        if not self.archive.count:
            concluded = self._narrowed_in_place(concluded, modes)
        on_their_way = [mode for number, mode in enumerate(modes) if number not in concluded]
        sent = self._sweeps_now and self.sweep(concluded)
        if concluded and not sent and not self.finished:
            seen_points, seen_values = np.asarray(seen.points, float), np.asarray(seen.log_target, float)
            others = Archive(self.archive.dim, tuple(on_their_way))
            self._restart(concluded, Unexplained.by(self.archive, seen_points, seen_values, others).beyond)

    def sweep(
        self,
        free: Sequence[int],
        more_points: Float[np.ndarray, "more dim"] | None = None,
        more_log_target: Float[np.ndarray, " more"] | None = None,
        reserve: int | None = None,
    ) -> bool:
        """A last look all over: where the target exceeds what is known, the free searchers set out once more.

        What others are about to find does not count: they may not arrive before the search is over. Says whether it
        sent them out.

        Arguments:
            free: numbers of searchers that may leave.
            more_points, more_log_target: points that are to count too, and the log density of the target there.
            reserve: evaluations that must be left; by default those of a round.
        """
        archive, account, rules = self.archive, self.stepper.account, self.rules
        reserve = self._price if reserve is None else reserve
        if not archive.count or not free or not account.allows(rules.sweep_points + reserve):
            return False
        self._swept = True
        known = archive.population()
        # What a training knows are modes, light ones as good as heavy ones; a sampler has many components in one mode.
        around = known if self.purpose == "verdict" else known.equal()
        points = self.proposer.sweep(around, rules.sweep_points, self.generator)
        log_target = self.stepper.log_density(points, "proposals")
        self.archive = archive.calibrated(points, log_target)
        if more_points is not None and more_log_target is not None:
            points = np.concatenate([points, more_points])
            log_target = np.concatenate([log_target, more_log_target])
        self.looked_at = Unexplained.by(self.archive, points, log_target)
        unexplained = self.looked_at.beyond
        if not len(unexplained.points):
            return False
        starts = starts_of(unexplained, len(free), self.archive, self.stepper, self.searchers.count, reserve)
        self._restart(free, starts, only=SEEN)
        self.failures = min(self.failures, max(self.rules.failures(archive.count) - len(free), 0))
        return True

    def _conclude(self, trace: Trace, modes: Sequence[Mode]) -> list[int]:
        """Archive what is new, the best first. Gives the searchers that are free to leave."""
        half = len(trace.ratios) // 2
        ratios = np.asarray(trace.ratios)
        gain = ratios[half - LAST_STEPS : half].mean(0) - ratios[-LAST_STEPS:].mean(0)
        settled, stuck = gain < SETTLED_GAIN, self._stuck(gain, modes)
        unmoved = (trace.free[-LAST_STEPS:].mean(0) > UNMOVED) | self._confirming
        concluded, won, before = [], [], self.archive.count
        for number in np.argsort([-mode.evidence for mode in modes], kind="stable").tolist():
            if not settled[number] and not stuck[number] and self._ages[number] < OLDEST:
                continue
            mode = modes[number]
            if settled[number] and not self.archive.is_negligible(mode):
                if self.archive.is_news(mode):
                    if not unmoved[number]:
                        self._confirming[number] = True
                        continue
                    self.archive = self.archive.with_mode(mode)
                    won.append(number)
                elif unmoved[number]:
                    self.archive = self.archive.with_better_twin(mode)
            concluded.append(number)
        held = {id(mode) for mode in self.archive.modes} - {id(modes[number]) for number in won}
        self.archive = self.archive.pruned()
        self._learn(concluded, won, modes)
        gone = len(held - {id(mode) for mode in self.archive.modes})
        if gone:
            self.moves.append({"move": "dropped", "count": gone})
        # A mode that came for another that went is no news.
        self.found_now = max(self.archive.count - before, 0)
        # While nothing is known, those that met no density do not say that nothing is there.
        told = concluded if self.archive.count else [number for number in concluded if not modes[number].blind]
        self.failures = 0 if self.found_now else self.failures + len(told)
        return concluded

    def _stuck(self, gain: Float[np.ndarray, " searchers"], modes: Sequence[Mode]) -> Bool[np.ndarray, " searchers"]:
        """Searchers far below any mode that hardly rise: what is known explains most of what they see."""
        if not self.archive.count:
            return np.zeros(len(modes), bool)
        missing = self.archive.evidence.max() - np.array([mode.evidence for mode in modes])
        return (gain < STUCK * missing) & (self._ages > 1) & ~self._confirming

    def _learn(self, concluded: Sequence[int], won: Sequence[int], modes: Sequence[Mode]) -> None:
        """Tell the bandit what became of the restarts, and the record what was found."""
        kept = {id(mode) for mode in self.archive.modes}
        for number in concluded:
            new = number in won and id(modes[number]) in kept
            origin = self._origins[number]
            self._confirming[number] = False
            if origin is not None:
                self.bandit.learn(origin, new)
            if new:
                evidence = round(modes[number].evidence, 4)
                self.moves.append({"move": "found", "searcher": number, "by": origin or "start", "evidence": evidence})

    def _modes(self) -> list[Mode]:
        """Every searcher as the mode it would be; its evidence is a little below the mean ratio where draws differ."""
        searchers = self.searchers
        count = searchers.count
        points, log_target, ratio = ComponentDraws.of(searchers, self.stepper, self.purpose, self.generator)
        evidence = np.maximum(ratio.mean(1) - ratio.std(1) / JUDGED_POINTS**0.5, LEAST_EVIDENCE)
        evidence = np.where(searchers.resolved(), evidence, LEAST_EVIDENCE)
        return [
            Mode(searchers.means[k], searchers.factors[k], float(evidence[k]), points[k], log_target[k])
            for k in range(count)
        ]

    def _restart(self, concluded: Sequence[int], seen: Unexplained | None = None, only: str | None = None) -> None:
        """Send searchers to proposals, one after another; each start counts as known for the next ones.

        Arguments:
            concluded: searchers that are free to leave.
            seen: points that surprised, for further proposals.
            only: the kind of proposals to take, as long as one of them surprises.
        """
        archive = self.archive
        region = Region.found(archive.population()) if archive.count else Region.declared(archive.dim)
        progress = min(self.rounds / self.rules.rounds(archive.dim), 1.0)
        proposals = self.proposer.draw(archive, region, self.generator, progress)
        known = archive.log_density(proposals.points)
        log_target = self.stepper.log_density(proposals.points, "proposals")
        surprise = archive.surprise(log_target, known) if archive.count else UNKNOWN_SURPRISE * np.isfinite(log_target)
        climbed = np.zeros(len(surprise), bool)
        if seen is not None and len(seen.points):
            proposals = self.proposer.seen(proposals, seen.points, seen.widest, region, self.generator)
            known = np.concatenate([known, archive.log_density(seen.points)])
            log_target = np.concatenate([log_target, seen.log_target])
            surprise = np.concatenate([surprise, seen.surprise])
            climbed = np.concatenate([climbed, np.isfinite(seen.widest)])
        self.bandit.forget()
        means, factors = self.searchers.means.copy(), self.searchers.factors.copy()
        started_by: Counter[str] = Counter()
        for turn, number in enumerate(concluded):
            kind, values = self.bandit.choose(self._possible(proposals), self.generator), surprise
            if only is not None and (surprise[proposals.kind == self.proposer.kinds.index(only)] > 1.0).any():
                kind = only
                # Every other one sets out where a climb ended, as long as one of these surprises.
                if turn % 2 == 0 and (surprise[climbed] > 1.0).any():
                    values = np.where(climbed, surprise, -np.inf)
            chosen = self._chosen(kind, proposals, values)
            started_by[kind] += 1
            self._origins[number], self._ages[number], self._confirming[number] = kind, 0, False
            means[number], factors[number] = proposals.points[chosen], proposals.factor(chosen, archive)
            if archive.count:
                started = Mode(means[number], factors[number], archive.evidence.max(), means[:0], known[:0])
                known = np.logaddexp(known, Archive(archive.dim, (started,)).log_density(proposals.points))
                surprise = np.where(np.isneginf(surprise), surprise, archive.surprise(log_target, known))
            surprise[chosen] = -np.inf
        self.moves.extend({"move": "restarted", "by": kind, "count": count} for kind, count in started_by.items())
        self.searchers = self._narrowed(Population(means, factors, self.searchers.log_weights), concluded, region)

    def _narrowed(self, searchers: Population, started: Sequence[int], region: Region) -> Population:
        """Those that begin where one was seen are no wider than the density there lets them be: `1 / |grad log q|`.

        A wide one would see nothing of a mode that is far narrower than the region, but what lies around it.
        """
        seen = [number for number in started if self._origins[number] == SEEN]
        if not seen or not self.stepper.account.allows(self._price):
            return searchers
        # Of all searchers, so that compiled code meets one size.
        scores = self.stepper.scores(searchers.means, "proposals")[seen] * region.width
        longest = 1.0 / np.maximum(np.linalg.norm(scores, axis=1), 1e-30)
        factors = searchers.factors.copy()
        widths = np.diagonal(factors[seen], axis1=1, axis2=2) / region.width
        shrink = np.minimum(1.0, longest[:, None] / widths)
        factors[seen] *= shrink[:, :, None]
        return Population(searchers.means, factors, searchers.log_weights)

    def _narrowed_in_place(self, concluded: Sequence[int], modes: Sequence[Mode]) -> list[int]:
        """While nothing is known: those on a density that are too wide to see any stay, narrower. Gives the others."""
        blind = [number for number in concluded if modes[number].blind]
        if not blind or not self.stepper.account.allows(self._price):
            return list(concluded)
        # Of all searchers, so that compiled code meets one size.
        dense = np.isfinite(self.stepper.log_density(self.searchers.means, self.purpose))
        staying = [number for number in blind if dense[number]]
        factors = self.searchers.factors.copy()
        factors[staying] *= NARROWER
        self.searchers = Population(self.searchers.means, factors, self.searchers.log_weights)
        self._ages[staying] = 0
        return [number for number in concluded if number not in staying]

    def _possible(self, proposals: Proposals) -> list[str]:
        """The kinds of which there are proposals now."""
        kinds = [self.proposer.kinds[number] for number in np.unique(proposals.kind)]
        return [*kinds, RESIDUAL] if self.archive.count else kinds

    def _chosen(self, kind: str, proposals: Proposals, values: Float[np.ndarray, " count"]) -> int:
        """A surprising proposal of a kind: any one of the joint kinds, the one of the largest value of the others."""
        names = np.array(self.proposer.kinds)[proposals.kind]
        wanted = np.isin(names, (DECLARED, FOUND)) if kind == RESIDUAL else names == kind
        places = np.flatnonzero(wanted)
        if kind not in (DECLARED, FOUND):
            return int(places[values[places].argmax()])
        open_places = places[values[places] > 1.0]
        return int(self.generator.choice(open_places if len(open_places) else places))
