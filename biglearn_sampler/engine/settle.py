"""One mixture from the modes that were found: weights learnt, twins merged, and the worst components split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import jax
import numpy as np
from jaxtyping import Array, Key

from biglearn_sampler.engine.moves import Move
from biglearn_sampler.engine.polish import LEAST_EACH, polished
from biglearn_sampler.engine.population import Population
from biglearn_sampler.engine.rules import Rules
from biglearn_sampler.engine.stepper import Stepper, log_density_of
from biglearn_sampler.engine.steps import Pace, Trace
from biglearn_sampler.engine.zero_density import bounded

LEAST_COMPONENTS = 32
"""The smallest mixture that is fitted; sizes are powers of two, so that few are compiled."""

STRETCHES = 6
"""Stretches of steps at most, before the rates are annealed."""

STILL_FALLING = 0.5
"""The variance must fall to this share of itself in a stretch, or it has settled."""

ANNEALED_STRETCHES = 3

GOOD = 2.5e-3
"""Variance of `log q - log p` below which the mixture is the target: nothing is left to refine."""

HOPELESS = 0.3
"""Variance above which the target is no small mixture: splitting goes on in the refinement."""

NEARLY_GOOD = 6e-3
"""Variance from which longer annealing is no way to a good fit."""

ANNEALED_AGAIN = (
    (GOOD / 3, HOPELESS, ANNEALED_STRETCHES),
    (GOOD / 3, HOPELESS, ANNEALED_STRETCHES),
    (GOOD / 2, NEARLY_GOOD, 2 * ANNEALED_STRETCHES),
    (GOOD, NEARLY_GOOD, 4 * ANNEALED_STRETCHES),
)
"""Between judgements on fresh points, one after another: the variances from and up to which a fit is annealed again,
and how many stretches that takes. A refinement would cost many times as much."""

JUDGED_ON = 4096
"""Fresh points of a judgement that is to be close; otherwise `LEAST_EACH` of every component, or if that is more."""

TELLING = 2.0
"""Standard errors by which ELBOs must differ to say which fit is the better one."""

SPLIT_POINTS = 16
"""Fresh points of every component on which its fit is judged."""

LEAST_LOG_RATIO = -1e20
"""Stands for components without any density, which are dropped later."""

SAME = 0.05
"""KL divergence below which two components are one."""

WEIGHTLESS = 0.01
"""Share of an equal weight below which a component is dropped."""

LAST_STEPS = 10
"""Over which figures are averaged."""

Told = Callable[[str, Population, Trace], None]
"""Is told the phase, the components, and the trace."""


@dataclass(frozen=True, eq=False)
class Fit:
    """Components fitted together.

    Arguments:
        population: as they ended.
        merged: without twins and weightless ones.
        variance: of `log q - log p`.
        elbo: of the mixture.
        judged_on: as many points of the sampler.
    """

    population: Population
    merged: Population
    variance: float
    elbo: float
    judged_on: int = JUDGED_ON

    @classmethod
    def unsettled(cls, population: Population) -> Fit:
        """Components that were not fitted together."""
        return cls(population, population, np.inf, -np.inf)

    @property
    def settled(self) -> bool:
        """Whether the components were fitted together."""
        return bool(np.isfinite(self.variance))

    @property
    def merges(self) -> list[Move]:
        """What makes of its components the merged ones."""
        return merges(self.population) if self.merged.count < self.population.count else []

    @property
    def good(self) -> bool:
        """Whether the target is this mixture."""
        return self.variance < GOOD

    def is_closer(self, other: Fit) -> bool:
        """Whether it is closer to the target than another fit that was judged.

        By the ELBO where it tells, since a mode that was lost shows there alone; else by the variance of
        `log q - log p`, about twice the divergence, and far less noisy.
        """
        error = np.sqrt(self.variance / self.judged_on + other.variance / other.judged_on)
        if abs(self.elbo - other.elbo) > TELLING * error:
            return self.elbo > other.elbo
        return self.variance < other.variance


@dataclass(frozen=True, eq=False)
class Settler:
    """Fits all modes together.

    Arguments:
        stepper: asks the energy.
        rules: of the engine.
        generator: of host-side randomness.
        told: is told after every stretch.
        moves: where it writes down what happens to components.
    """

    stepper: Stepper
    rules: Rules
    generator: np.random.Generator
    told: Told
    moves: list[Move] = field(default_factory=list)

    def settle(self, population: Population, key: Key[Array, ""]) -> Fit:
        """Fit as many components as the next power of two; where that is not good, split what was merged and fit again.

        In a hopeful fit two modes may have been taken for one: then there is room for half as many components again.
        """
        most = self.rules.refine_components(population.dim)
        count = min(max(LEAST_COMPONENTS, 1 << population.count.bit_length()), most)
        grown = self._grown(population, count) if self._can_grow(population, count) else None
        if grown is None:
            return Fit(population, merged_twins(population), np.inf, -np.inf)
        first = self._fitted(grown, jax.random.fold_in(key, 0))
        if first.good or count >= most // 2:
            return first
        hopeful = first.variance <= HOPELESS
        wanted = 3 * first.merged.count // 2 if hopeful else first.merged.count
        count = min(max(count, 1 << wanted.bit_length()), most)
        grown = self._grown(first.merged, count, first.merges) if self._can_grow(first.merged, count) else None
        return first if grown is None else self._fitted(grown, jax.random.fold_in(key, 1))

    def _fitted(self, population: Population, key: Key[Array, ""]) -> Fit:
        """Steps at full rate until the variance settles, then annealed ones."""
        last = variance = np.inf
        elbo = -np.inf
        for stretch in range(STRETCHES):
            pace = Pace(weight_rate=self.rules.weight_rate)
            population, variance, elbo = self._stretch(population, jax.random.fold_in(key, stretch), pace)
            if variance < 0.1 * GOOD or variance > STILL_FALLING * last or not self._can_pay(population):
                break
            last = variance
        fit = Fit(population, merged_twins(population), variance, elbo)
        return self.annealed(fit, jax.random.fold_in(key, STRETCHES)) if variance > 0.1 * GOOD else fit

    def annealed(self, fit: Fit, key: Key[Array, ""], stretches: int = ANNEALED_STRETCHES) -> Fit:
        """The same components after their rates were annealed, which takes out the noise of the steps."""
        length = stretches * self.rules.round_steps
        population, variance, elbo = fit.population, fit.variance, fit.elbo
        for stretch in range(stretches):
            if not self._can_pay(population):
                break
            first = stretch * self.rules.round_steps
            pace = Pace(first, length, self.rules.final_rate, weight_rate=self.rules.weight_rate)
            population, variance, elbo = self._stretch(population, jax.random.fold_in(key, stretch), pace)
        return Fit(population, merged_twins(population), variance, elbo)

    def judged(self, fit: Fit, key: Key[Array, ""]) -> Fit:
        """The fit with its best weights, judged on fresh points; annealed again while it is nearly good.

        The noise of an annealing can cost a mode; then it is made again from the best fit so far, that of the highest
        ELBO.
        """
        best: Fit | None = None
        for attempt in range(len(ANNEALED_AGAIN) + 1):
            if not self.stepper.account.allows(LEAST_EACH * fit.population.count):
                break
            closely = 0.1 * GOOD < fit.variance < HOPELESS
            points = JUDGED_ON if closely and self.stepper.account.allows(JUDGED_ON) else 0
            told = polished(fit.population, self.stepper, self.generator, points)
            fit = Fit(told.population, merged_twins(told.population), told.variance, told.elbo, told.points)
            best = fit if best is None or fit.is_closer(best) else best
            if attempt == len(ANNEALED_AGAIN) or not self._can_pay(best.population):
                break
            least, most, stretches = ANNEALED_AGAIN[attempt]
            if not least < best.variance < most:
                break
            fit = self.annealed(best, jax.random.fold_in(key, attempt), stretches)
        return fit if best is None else best

    def _can_grow(self, population: Population, count: int) -> bool:
        """Whether the budget allows a first stretch of a mixture that is grown to so many components."""
        price = self.stepper.price(count, self.rules.fresh_points) + SPLIT_POINTS * population.count
        return self.stepper.account.allows(price)

    def _can_pay(self, population: Population) -> bool:
        return self.stepper.account.allows(self.stepper.price(population.count, self.rules.fresh_points))

    def _stretch(self, population: Population, key: Key[Array, ""], pace: Pace) -> tuple[Population, float, float]:
        rules = self.rules
        population, trace = self.stepper.steps(
            population, key, pace, "settle", rules.settling_points, rules.fresh_points
        )
        self.told("settle", population, trace)
        return population, float(trace.variance[-LAST_STEPS:].mean()), float(trace.elbo[-LAST_STEPS:].mean())

    def _grown(self, population: Population, count: int, merged: Sequence[Move] = ()) -> Population | None:
        """More components: those that fit worst are cut along their longest axis, worse ones farther apart.

        `None` where no component meets any density, and nothing says what would fit.

        Arguments:
            population: of fewer components.
            count: of components that are wanted.
            merged: what made it of more, to be written down with what is cut.
        """
        points = population.draws(self.generator, SPLIT_POINTS)
        log_target = self.stepper.log_density(points, "settle")
        if not np.isfinite(log_target).any():
            return None
        log_ratio = bounded((log_target - log_density_of(population, points)).reshape(population.count, -1))
        log_ratio = np.maximum(log_ratio, LEAST_LOG_RATIO)
        burden = np.exp(population.log_weights) * np.minimum(log_ratio.var(1), 1e4)
        pieces = np.ones(population.count, int)
        while pieces.sum() < count:
            pieces[(burden / pieces**2).argmax()] += 1
        self.moves.extend(merged)
        cut = np.flatnonzero(pieces > 1).tolist()
        self.moves.extend({"move": "split", "component": number, "count": int(pieces[number])} for number in cut)
        origin = np.repeat(np.arange(population.count), pieces)
        place = np.concatenate([np.arange(n) - (n - 1) / 2 for n in pieces])
        outermost = np.maximum(1.0, (pieces[origin] - 1) / 2)
        size, axes = np.linalg.eigh(population.factors @ population.factors.swapaxes(1, 2))
        longest = axes[:, :, -1] * np.sqrt(size[:, -1:])
        cut = np.minimum(1.0, log_ratio.std(1))[origin] * place / outermost
        return Population(
            population.means[origin] + cut[:, None] * longest[origin],
            population.factors[origin],
            population.log_weights[origin] - np.log(pieces[origin]),
        )


def merged_twins(population: Population) -> Population:
    """Without weightless components; those that are nearly identical are added up, the heaviest stays."""
    twins = _twins(population)
    kept, weights = list(twins), np.exp(population.log_weights)
    for number, others in twins.items():
        for other in others:
            weights[number] += weights[other]
    return Population(population.means[kept], population.factors[kept], np.log(weights[kept])).normalised()


def merges(population: Population) -> list[Move]:
    """What `merged_twins` does to components: how many became one, and how many are gone."""
    twins = _twins(population)
    merged: list[Move] = [
        {"move": "merged", "component": number, "count": 1 + len(others)} for number, others in twins.items() if others
    ]
    gone = population.count - sum(1 + len(others) for others in twins.values())
    return [*merged, {"move": "dropped", "count": gone}] if gone else merged


def _twins(population: Population) -> dict[int, list[int]]:
    """Of every component that stays, the heaviest first, those that are nearly identical to it."""
    twins: dict[int, list[int]] = {}
    weights = np.exp(population.log_weights)
    for number in np.argsort(-population.log_weights, kind="stable").tolist():
        if weights[number] < WEIGHTLESS / population.count:
            continue
        twin = next((other for other in twins if _divergence(population, number, other) < SAME), None)
        if twin is None:
            twins[number] = []
        else:
            twins[twin].append(number)
    return twins


def _divergence(population: Population, first: int, second: int) -> float:
    """`KL[N_first || N_second]`."""
    factor = population.factors[second]
    relative = np.linalg.solve(factor, population.factors[first])
    shift = np.linalg.solve(factor, population.means[first] - population.means[second])
    squares = (relative**2).sum() + shift @ shift - population.dim
    return float(0.5 * squares - np.log(np.abs(np.diag(relative))).sum())
