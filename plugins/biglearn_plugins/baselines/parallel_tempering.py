"""Parallel tempering without reversal: replicas travel between a broad Gaussian and the target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from biglearn_plugins.baselines.markov_chains import (
    NOWHERE,
    AbstractKernel,
    Asked,
    Energy,
    MarkovChains,
    Moves,
    Sweep,
    Units,
    check_lengths,
)
from biglearn_plugins.baselines.numpyro_chains import check_target_accept
from biglearn_plugins.baselines.stepping_stones import log_ratio
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.evaluation import AbstractBaseline, BaselineResult
from biglearn_sampler.learning.start import StartRegion

FIRST_ROUND = 8
"""Iterations before the ladder is set anew for the first time; every later round is twice as long."""

FIRST_STEP = 0.2
"""Step size of all rungs at first, in standard deviations of the reference."""

LEAST_REJECTION = 1e-3
"""Between two rungs, so that the ladder has no rungs at one place."""

SHORTEST, LONGEST = 0.6, 1.4
"""Trajectories vary in length by these factors: a fixed one may come back to where it began."""

Asking: TypeAlias = Callable[[Float[Array, "chains rungs dim"]], tuple[Array, Array]]
"""Energies and gradients of the target at the points of all replicas."""


class Replicas(NamedTuple):
    """One replica on each rung of each ladder, with what is known of it.

    Arguments:
        points: in standard deviations of the reference.
        energies, gradients: of the target there.
        is_rising: whether the replica was at the reference since it was at the target.
    """

    points: Float[Array, "chains rungs dim"]
    energies: Float[Array, "chains rungs"]
    gradients: Float[Array, "chains rungs dim"]
    is_rising: Bool[Array, "chains rungs"]


class Tempered(NamedTuple):
    """The replicas, the ladder, and what adapts them.

    Arguments:
        ladder: inverse temperatures from 0 to 1, the same for all chains.
        log_steps: log step sizes of the rungs.
        rejected: sums of the rejection rates of neighbours in this round.
        in_round, round_length: iterations of this round that are over, and all of them.
        is_even: whether the next swaps are those of rungs 0 and 1, 2 and 3, and so on.
    """

    key: Key[Array, ""]
    replicas: Replicas
    ladder: Float[Array, " rungs"]
    log_steps: Float[Array, " rungs"]
    rejected: Float[Array, " stones"]
    in_round: Int[Array, ""]
    round_length: Int[Array, ""]
    is_even: Bool[Array, ""]
    is_adapting: Bool[Array, ""]


@dataclass(frozen=True)
class TemperedKernel(AbstractKernel):
    """Hamiltonian steps on every rung, then swaps of neighbours, of even and of odd pairs in turn.

    Rung `b` of the ladder has the density `N(x) exp(b V(x))`, `V = log q - log N`, with the reference `N`: a Gaussian
    at the declared centre, as wide in every coordinate as the declared scale or as the start region, whichever is
    wider. At `b = 0` every iteration begins with an independent draw. During warm-up the step size of every rung moves
    to its acceptance, and in rounds of doubling length the ladder moves to equal rejection rates between neighbours.

    Counted is one gradient for each replica and leapfrog step, and one for each first state. The notes have `barrier`
    (the sum of the rejection rates), `round_trips` (replicas that came from the reference to the target, over all
    chains) and `acceptance` (the least of all rungs), after warm-up.

    Arguments:
        chains: ladders, which share rungs and step sizes, at least 1.
        rungs: temperatures, at least 2.
        steps: leapfrog steps of a trajectory, at least 1; one makes it a Langevin step.
        target_accept: acceptance probability that step sizes are adapted to, in (0, 1).

    Reference: Syed, Bouchard-Côté, Deligiannidis & Doucet, JRSS B 84 (2022), algorithms 1 to 4.
    """

    name: ClassVar[str] = "parallel_tempering"
    chains: int = 4
    rungs: int = 12
    steps: int = 3
    target_accept: float = 0.8

    def chain_count(self, dim: int) -> int:
        return self.chains

    def start_count(self) -> int:
        return self.rungs

    def first_cost(self, dim: int) -> Asked:
        return Asked(gradients=self.chains * self.rungs)

    def largest_sweep(self, dim: int) -> Asked:
        return Asked(gradients=self.chains * self.rungs * self.steps)

    def units(self, target: AbstractTarget, start: StartRegion) -> Units:
        away = jnp.sum(start.factor**2, axis=1) + (start.mean - target.centre) ** 2
        return Units(target.centre, jnp.maximum(target.scale, jnp.sqrt(away)))

    def moves(
        self, energy: Energy, starts: Float[Array, "chains starts dim"], key: Key[Array, ""], warmup: int
    ) -> Moves:
        asked = jax.vmap(jax.vmap(jax.value_and_grad(energy)))

        def sweep(state: Tempered) -> tuple[Tempered, Sweep]:
            key, key_refresh, key_explore, key_swap = jax.random.split(state.key, 4)
            replicas = _refreshed(state.replicas, key_refresh)
            replicas, accepted = self._explored(asked, state, replicas, key_explore)
            rejection = _rejection(state.ladder, replicas)
            replicas = _swapped(state, replicas, key_swap)
            arrived = replicas.is_rising[:, -1]
            replicas = replicas._replace(is_rising=replicas.is_rising.at[:, -1].set(False))
            marks = {"round_trips": arrived.sum(), "rejection": rejection.mean(0), "acceptance": accepted.mean(0)}
            beside = {"values": _values(replicas), "ladder": jnp.tile(state.ladder, (self.chains, 1))}
            cost = self.largest_sweep(starts.shape[-1])
            seen = Sweep(replicas.points[:, -1], replicas.energies[:, -1], cost, marks, beside)
            state = state._replace(key=key, replicas=replicas, is_even=~state.is_even)
            return self._adapted(state, accepted.mean(0), rejection.mean(0)), seen

        first = Tempered(
            key=key,
            replicas=Replicas(starts, *asked(starts), jnp.zeros(starts.shape[:2], bool)),
            ladder=jnp.linspace(0.0, 1.0, self.rungs) ** 3,
            log_steps=jnp.full(self.rungs, np.log(FIRST_STEP)),
            rejected=jnp.zeros(self.rungs - 1),
            in_round=jnp.asarray(0),
            round_length=jnp.asarray(FIRST_ROUND),
            is_even=jnp.asarray(True),
            is_adapting=jnp.asarray(True),
        )
        return Moves(first, sweep, _settled)

    def notes(self, marks: Mapping[str, np.ndarray], sweeps: int) -> dict[str, float]:
        sweeps = max(sweeps, 1)
        return {
            "barrier": float(marks["rejection"].sum()) / sweeps,
            "round_trips": float(marks["round_trips"]),
            "acceptance": float(marks["acceptance"][1:].min()) / sweeps,
        }

    def _explored(
        self, asked: Asking, state: Tempered, replicas: Replicas, key: Key[Array, ""]
    ) -> tuple[Replicas, Float[Array, "chains rungs"]]:
        """Replicas after a trajectory each, with their acceptance probabilities; rung 0 stays where it was drawn."""
        key_momentum, key_length, key_accept = jax.random.split(key, 3)
        shape = replicas.energies.shape
        factors = jax.random.uniform(key_length, shape, minval=SHORTEST, maxval=LONGEST)
        step = (factors * jnp.exp(state.log_steps)).at[:, 0].set(0.0)[..., None]
        momentum = jax.random.normal(key_momentum, replicas.points.shape, replicas.points.dtype)

        def leap(_: Any, carried: tuple[Replicas, Array]) -> tuple[Replicas, Array]:
            replicas, momentum = carried
            momentum = momentum - 0.5 * step * _slope(state.ladder, replicas)
            points = replicas.points + step * momentum
            replicas = Replicas(points, *asked(points), replicas.is_rising)
            return replicas, momentum - 0.5 * step * _slope(state.ladder, replicas)

        proposed, last = jax.lax.fori_loop(0, self.steps, leap, (replicas, momentum))
        gain = _height(state.ladder, replicas, momentum) - _height(state.ladder, proposed, last)
        probability = jnp.exp(jnp.minimum(jnp.where(jnp.isnan(gain), -jnp.inf, gain), 0.0))
        probability = probability.at[:, 0].set(1.0)
        accepted = jax.random.uniform(key_accept, shape) < probability
        chosen = [_where(accepted, new, old) for new, old in zip(proposed, replicas, strict=True)]
        return Replicas(*chosen), probability

    def _adapted(
        self, state: Tempered, accepted: Float[Array, " rungs"], rejection: Float[Array, " stones"]
    ) -> Tempered:
        """The state with better step sizes, and with a better ladder at the end of a round."""
        gain = 1.0 / jnp.sqrt(1.0 + state.in_round)
        state = state._replace(
            log_steps=state.log_steps + state.is_adapting * gain * (accepted - self.target_accept),
            rejected=state.rejected + rejection,
            in_round=state.in_round + 1,
        )
        ends = state.is_adapting & (state.in_round == state.round_length)
        return jax.lax.cond(ends, _next_round, lambda same: same, state)


def even_ladder(ladder: Float[Array, " rungs"], rejection: Float[Array, " stones"]) -> Float[Array, " rungs"]:
    """The ladder whose neighbours reject each other equally often, by straight lines through the barrier so far.

    Arguments:
        ladder: inverse temperatures from 0 to 1.
        rejection: rates at which neighbours of this ladder reject a swap.
    """
    barrier = jnp.concatenate([jnp.zeros(1), jnp.cumsum(jnp.maximum(rejection, LEAST_REJECTION))])
    inner = jnp.interp(jnp.linspace(0.0, barrier[-1], len(ladder)), barrier, ladder)
    return inner.at[0].set(0.0).at[-1].set(1.0)


def _settled(state: Tempered) -> Tempered:
    """The state from which on nothing adapts; most of a round that was cut off says more than the rounds before it."""
    state = jax.lax.cond(2 * state.in_round >= state.round_length, _next_round, lambda same: same, state)
    return state._replace(is_adapting=jnp.asarray(False))


def _next_round(state: Tempered) -> Tempered:
    ladder = even_ladder(state.ladder, state.rejected / state.in_round)
    return state._replace(
        ladder=ladder,
        log_steps=jnp.interp(ladder, state.ladder, state.log_steps),
        rejected=jnp.zeros_like(state.rejected),
        in_round=jnp.zeros_like(state.in_round),
        round_length=2 * state.round_length,
    )


def _refreshed(replicas: Replicas, key: Key[Array, ""]) -> Replicas:
    """Replicas with an independent draw of the reference on rung 0, whose energy the next trajectory computes."""
    fresh = jax.random.normal(key, replicas.points[:, 0].shape, replicas.points.dtype)
    return replicas._replace(
        points=replicas.points.at[:, 0].set(fresh), is_rising=replicas.is_rising.at[:, 0].set(True)
    )


def _swapped(state: Tempered, replicas: Replicas, key: Key[Array, ""]) -> Replicas:
    """Replicas after the swaps of all even or of all odd pairs."""
    rungs = jnp.arange(replicas.energies.shape[1])
    log_odds = _log_odds(state.ladder, replicas)
    in_turn = (rungs[:-1] % 2 == 0) == state.is_even
    swaps = in_turn & (jnp.log(jax.random.uniform(key, log_odds.shape)) < log_odds)
    none = jnp.zeros((len(swaps), 1), bool)
    up, down = jnp.concatenate([swaps, none], axis=1), jnp.concatenate([none, swaps], axis=1)
    order = rungs + up - down
    return Replicas(*(jnp.take_along_axis(part, _as_wide(order, part), axis=1) for part in replicas))


def _rejection(ladder: Float[Array, " rungs"], replicas: Replicas) -> Float[Array, "chains stones"]:
    return 1.0 - jnp.exp(jnp.minimum(_log_odds(ladder, replicas), 0.0))


def _log_odds(ladder: Float[Array, " rungs"], replicas: Replicas) -> Float[Array, "chains stones"]:
    """`(c - b) (V(x_b) - V(x_c))` of neighbours `b < c`: a swap is accepted with `min(1, exp(...))`."""
    values = _values(replicas)
    return jnp.diff(ladder) * (values[:, :-1] - values[:, 1:])


def _values(replicas: Replicas) -> Float[Array, "chains rungs"]:
    """`V = log q - log N` of all replicas."""
    dim = replicas.points.shape[-1]
    return 0.5 * (jnp.sum(replicas.points**2, axis=-1) + dim * jnp.log(2.0 * jnp.pi)) - replicas.energies


def _slope(ladder: Float[Array, " rungs"], replicas: Replicas) -> Float[Array, "chains rungs dim"]:
    """The gradient of minus the log density of every rung."""
    share = ladder[:, None]
    return (1.0 - share) * replicas.points + share * replicas.gradients


def _height(
    ladder: Float[Array, " rungs"], replicas: Replicas, momentum: Float[Array, "chains rungs dim"]
) -> Float[Array, "chains rungs"]:
    """Minus the log density of every rung, with the kinetic energy."""
    kinetic = 0.5 * jnp.sum(momentum**2, axis=-1)
    return kinetic + (1.0 - ladder) * 0.5 * jnp.sum(replicas.points**2, axis=-1) + ladder * replicas.energies


def _where(choice: Bool[Array, "chains rungs"], one: Array, other: Array) -> Array:
    return jnp.where(_as_wide(choice, one), one, other)


def _as_wide(index: Array, part: Array) -> Array:
    """An index of replicas with an axis for coordinates, where the part has one."""
    return index[..., None] if part.ndim > index.ndim else index


@dataclass(frozen=True)
class ParallelTempering(AbstractBaseline):
    """Chains of `TemperedKernel`, with `log Z` from all rungs after the warm-up.

    Arguments:
        chains: what is run.
    """

    chains: MarkovChains

    def run(
        self, target: AbstractTarget, start: StartRegion, key: Key[Array, ""], budget: int | None = None
    ) -> BaselineResult:
        result, trace = self.chains.traced(target, start, key, budget)
        values = np.asarray(trace.beside["values"], float)
        values = np.where(values < -0.5 * NOWHERE, -np.inf, values)
        found = log_ratio(values, np.asarray(trace.beside["ladder"][0, -1], float))
        if found.value is None:
            return replace(result, log_z=found)
        in_own_units = found.value + float(np.log(np.asarray(trace.units.width, float)).sum())
        return replace(result, log_z=replace(found, value=in_own_units))

    def least_budget(self, target: AbstractTarget) -> int:
        return self.chains.least_budget(target)


def parallel_tempering(
    chains: Annotated[int, "ladders side by side, at least 1"] = 4,
    warmup: Annotated[int, "iterations in which ladder and step sizes adapt, at least 0; not kept"] = 1000,
    draws: Annotated[int, "iterations kept for each chain, at least 1, where no budget is given"] = 2000,
    rungs: Annotated[int, "temperatures of a ladder, at least 2"] = 12,
    steps: Annotated[int, "leapfrog steps of a trajectory, at least 1"] = 3,
    target_accept: Annotated[float, "acceptance probability that step sizes are adapted to, in (0, 1)"] = 0.8,
) -> ParallelTempering:
    """The baseline.

    Raises:
        ValueError: a parameter is out of range.
    """
    check_lengths(chains, warmup, draws)
    if rungs < 2 or steps < 1:
        raise ValueError(f"rungs must be at least 2 and steps at least 1, got rungs={rungs}, steps={steps}")
    check_target_accept(target_accept)
    return ParallelTempering(MarkovChains(TemperedKernel(chains, rungs, steps, target_accept), warmup, draws))


ENTRY = Entry(
    name="parallel_tempering",
    build=parallel_tempering,
    summary="non-reversible parallel tempering with an adaptive ladder, Hamiltonian steps, and log Z",
    reference="Syed, Bouchard-Côté, Deligiannidis & Doucet, JRSS B 84 (2022); Meng & Wong, Statistica Sinica 6 (1996)",
)
