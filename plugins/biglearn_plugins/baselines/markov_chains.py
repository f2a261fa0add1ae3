"""Markov chains on one energy: warm-up, draws, budget and an exact count, in one compiled loop."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from biglearn_sampler.energy import AbstractTarget, Evaluations
from biglearn_sampler.errors import RunFailed, UserError
from biglearn_sampler.evaluation import AbstractBaseline, BaselineResult, Draws
from biglearn_sampler.learning.start import StartRegion

MOST_KEPT = 100_000
"""Draws of all chains together. Where a budget gives more, every second one is left out, as often as it takes."""

MOST_NUMBERS = 20_000_000
"""Coordinates of kept draws, in many dimensions."""

LARGEST_BUDGET = 2**30
"""Counts are 32-bit integers inside compiled code."""

SWEEPS = 10
"""Sweeps of the largest cost that a budget must allow, so that none of them is more than a tenth of it."""

NOWHERE = 1e30
"""The energy where the density is zero: finite, since kernels of NumPyro stay for ever where an energy is not."""

STEEPEST = 1e10
"""Forces from here on, in widths of a component, are left out: of what they make of a momentum the square overflows,
and with a full mass matrix a kinetic energy of minus infinity takes NUTS anywhere."""

Energy: TypeAlias = Callable[[Float[Array, " dim"]], Float[Array, ""]]


class Asked(NamedTuple):
    """How often an energy, and an energy with its gradient, were computed; lock-step padding included."""

    energies: Any = 0
    gradients: Any = 0

    def plus(self, other: Asked) -> Asked:
        """The sum."""
        return Asked(self.energies + other.energies, self.gradients + other.gradients)

    def in_evaluations(self, price: Evaluations) -> Evaluations:
        """As counts of the target, whose gradients may be made of energies."""
        return Evaluations(energy=int(self.energies)).plus(price.times(int(self.gradients)))

    def total(self, price: Evaluations) -> Any:
        """Both together, as a budget counts them."""
        return self.energies + price.total * self.gradients


class Sweep(NamedTuple):
    """What is seen of one iteration of all chains.

    Arguments:
        points: where the chains are.
        energies: there; `None` where the kernel does not say.
        asked: in this iteration.
        marks: numbers that are summed up over the iterations after warm-up.
        beside: kept with every draw.
    """

    points: Float[Array, "chains dim"]
    energies: Float[Array, " chains"] | None
    asked: Asked
    marks: dict[str, Array]
    beside: PyTree = ()


class Moves(NamedTuple):
    """A kernel on one energy, inside compiled code.

    Arguments:
        first: the state before the first iteration.
        sweep: one iteration of all chains.
        settled: the state from which on nothing adapts, also where the warm-up was cut off.
    """

    first: Any
    sweep: Callable[[Any], tuple[Any, Sweep]]
    settled: Callable[[Any], Any]


class Units(NamedTuple):
    """The coordinates `z = (x - offset) / width` of a kernel."""

    offset: Float[Array, " dim"]
    width: Float[Array, " dim"]


class AbstractKernel(ABC):
    """How all chains move; a frozen dataclass of settings."""

    name: ClassVar[str]

    @abstractmethod
    def chain_count(self, dim: int) -> int:
        """Number of chains."""

    @abstractmethod
    def start_count(self) -> int:
        """Points of the start region that every chain gets."""

    @abstractmethod
    def first_cost(self, dim: int) -> Asked:
        """What the first state costs."""

    @abstractmethod
    def largest_sweep(self, dim: int) -> Asked:
        """What no iteration exceeds."""

    @abstractmethod
    def moves(
        self, energy: Energy, starts: Float[Array, "chains starts dim"], key: Key[Array, ""], warmup: int
    ) -> Moves:
        """The kernel on an energy, both in the kernel's coordinates."""

    @abstractmethod
    def notes(self, marks: Mapping[str, np.ndarray], sweeps: int) -> dict[str, float]:
        """What users are told, from sums of marks over so many iterations after warm-up."""

    def units(self, target: AbstractTarget, start: StartRegion) -> Units:
        """The coordinates to move in; by default the target's own, in widths of a fresh component."""
        return Units(jnp.zeros_like(start.width), start.width)

    def within(self, budget: int, price: Evaluations) -> AbstractKernel:
        """The kernel that is used where a budget is given."""
        return self


class Trace(NamedTuple):
    """What a run gave, apart from its draws."""

    beside: PyTree
    units: Units


@dataclass(frozen=True)
class MarkovChains(AbstractBaseline):
    """Chains of one kernel, all compiled into one loop, once for each form of target and settings.

    A budget may cut the warm-up off where it has cost half of it, with adaptation as far as it came; the chains go on
    until the budget is spent. Without one they are as long as `warmup` and `draws` say. Draws beyond 100,000 are
    thinned evenly. Log densities beside the kept draws that a kernel does not know are asked for after the run and,
    as with the draws behind any sampler's figures, not counted.

    Arguments:
        kernel: how chains move.
        warmup: iterations that are not among the draws, for each chain.
        draws: iterations after them, where no budget is given.
    """

    kernel: AbstractKernel
    warmup: int
    draws: int

    def run(
        self, target: AbstractTarget, start: StartRegion, key: Key[Array, ""], budget: int | None = None
    ) -> BaselineResult:
        return self.traced(target, start, key, budget)[0]

    def least_budget(self, target: AbstractTarget) -> int:
        price = target.price_of_gradient
        smallest = self.kernel.within(0, price)
        first, sweep = smallest.first_cost(target.dim), smallest.largest_sweep(target.dim)
        return 2 * first.total(price) + SWEEPS * sweep.total(price)

    def traced(
        self, target: AbstractTarget, start: StartRegion, key: Key[Array, ""], budget: int | None
    ) -> tuple[BaselineResult, Trace]:
        """A run, with what the kernel keeps beside its draws: `(chains, draws, ...)` in the order of the draws.

        Raises:
            UserError: a budget too small or too large.
            RunFailed: a chain never found a point of positive density.
        """
        self.check_budget(target, budget)
        if budget is not None and budget > LARGEST_BUDGET:
            raise UserError(f"a budget of {budget:,} evaluations is too large; expected at most {LARGEST_BUDGET:,}")
        price = target.price_of_gradient
        kernel = self.kernel if budget is None else self.kernel.within(budget, price)
        chains = kernel.chain_count(target.dim)
        plan = Plan(kernel, self.warmup, _slots(chains, self.draws, target.dim), price)
        limits = Limits(
            LARGEST_BUDGET if budget is None else budget // 2,
            LARGEST_BUDGET if budget is None else budget,
            self.draws if budget is None else LARGEST_BUDGET,
        )
        key_start, key_chains = jax.random.split(key)
        starts = start.points(key_start, chains * kernel.start_count()).reshape(chains, kernel.start_count(), -1)
        units = kernel.units(target, start)
        # Flat, since `lower` rebuilds every object among its arguments with descriptions in place of arrays.
        arrays, form = jax.tree.flatten(energy_of(target))
        began = time.perf_counter()
        compiled = _run.lower(plan, form, arrays, units, starts, key_chains, limits).compile()
        ready = time.perf_counter()
        record = jax.device_get(compiled(arrays, units, starts, key_chains, limits))
        seconds_run = time.perf_counter() - ready
        if budget is None and record.drawn < self.draws:
            raise RunFailed(f"{kernel.name}: the chains are too long, with over {LARGEST_BUDGET:,} evaluations")
        used = int(record.used)
        points = np.asarray(units.offset) + np.asarray(units.width) * _in_order(record.points, used)
        energies = (
            np.asarray(_energies(form, arrays, jnp.asarray(points, start.mean.dtype)))
            if record.energies is None
            else _in_order(record.energies, used)
        )
        if not (energies < NOWHERE).all():
            raise RunFailed(
                f"{kernel.name}: a chain found no first point of positive density among {kernel.start_count()} of the "
                "start region; declare a centre and a scale where the density is positive"
            )
        result = BaselineResult(
            draws=Draws(points, log_target=-np.asarray(energies, float), chains=chains),
            evaluations=record.asked.in_evaluations(price),
            seconds_compile=ready - began,
            seconds_run=seconds_run,
            notes=kernel.notes({name: np.asarray(value) for name, value in record.marks.items()}, int(record.drawn)),
            warmup=record.warmup.in_evaluations(price),
        )
        beside = jax.tree.map(lambda values: np.swapaxes(values[:used], 0, 1), record.beside)
        return result, Trace(beside, units)


@dataclass(frozen=True)
class Plan:
    """What a compiled run depends on beside the form of its energy."""

    kernel: AbstractKernel
    warmup: int
    slots: int
    price: Evaluations


class Limits(NamedTuple):
    """Where to stop: evaluations of the warm-up, evaluations altogether, iterations after the warm-up."""

    warmup: int
    evaluations: int
    draws: int


class Record(NamedTuple):
    """What a run has kept so far: every `stride`-th iteration after the warm-up, in the first `used` slots."""

    points: Float[Array | np.ndarray, "slots chains dim"]
    energies: Float[Array | np.ndarray, "slots chains"] | None
    beside: PyTree
    asked: Asked
    warmup: Asked
    marks: dict[str, Array]
    warming: Bool[Array | np.ndarray | np.bool_, ""]
    warmed: Int[Array | np.ndarray, ""]
    drawn: Int[Array | np.ndarray, ""]
    used: Int[Array | np.ndarray, ""]
    stride: Int[Array | np.ndarray, ""]


def check_lengths(chains: int, warmup: int, draws: int) -> None:
    """See that chains can be run.

    Raises:
        ValueError: a number is out of range.
    """
    if chains < 1 or warmup < 0 or draws < 1:
        raise ValueError(
            "chains and draws must be at least 1 and warmup at least 0, "
            f"got chains={chains}, draws={draws}, warmup={warmup}"
        )
    if chains * draws < 2:
        raise ValueError("one draw of one chain tells nothing; give draws=2 at least, or more chains")


def energy_of(target: AbstractTarget) -> Partial:
    """The energy `-log q(x)` of one point, as a pytree, so that the target's arrays are not compiled in.

    A target that is no pytree is held by its bound method, which equals that of the same object only.
    """
    is_pytree = jax.tree.structure(target) != jax.tree.structure(0)
    return Partial(_energy, target) if is_pytree else Partial(_negative, Partial(target.log_density))


def guarded(energy: Energy) -> Energy:
    """The energy with a wall where the density is zero, NaN or infinite; there the gradient is zero.

    So it is where a gradient alone is no number, or beyond all measure: the density there is as it is, and a move along
    any force can be taken back, so that chains stay exact.
    """

    def value(point: Float[Array, " dim"]) -> Float[Array, ""]:
        found = energy(point)
        return jnp.where(jnp.isfinite(found) & (found < NOWHERE), found, NOWHERE)

    def forward(point: Float[Array, " dim"]) -> tuple[Float[Array, ""], Float[Array, " dim"]]:
        found, gradient = jax.value_and_grad(energy)(point)
        is_wall = ~(jnp.isfinite(found) & (found < NOWHERE))
        is_force = ~is_wall & (jnp.abs(gradient) < STEEPEST).all()
        return jnp.where(is_wall, NOWHERE, found), jnp.where(is_force, gradient, 0.0)

    # A `where` around the energy would not do: its gradient is zero times what may be NaN.
    with_wall = jax.custom_vjp(value)
    with_wall.defvjp(forward, lambda gradient, of_value: (of_value * gradient,))
    return with_wall


def _energy(target: AbstractTarget, point: Float[Array, " dim"]) -> Float[Array, ""]:
    return -target.log_density(point)


def _negative(log_density: Partial, point: Float[Array, " dim"]) -> Float[Array, ""]:
    return -log_density(point)


def _slots(chains: int, draws: int, dim: int) -> int:
    """Slots for draws of each chain: an even number, the same for most lengths of run."""
    kept = max(16, min(max(draws, MOST_KEPT // chains), MOST_NUMBERS // dim // chains))
    return kept + kept % 2


# Compiled once for each form of target and settings. NumPyro's `MCMC` compiles a bare energy anew in every run.
@partial(jax.jit, static_argnums=(0, 1))
def _run(
    plan: Plan,
    form: Any,
    arrays: list[Array],
    units: Units,
    starts: Float[Array, "chains starts dim"],
    key: Key[Array, ""],
    limits: Limits,
) -> Record:
    """Warm-up and draws of all chains.

    Arguments:
        plan: what to run.
        form, arrays: the energy as `jax.tree.flatten` gives it.
        units: the coordinates of the kernel.
        starts: points of the start region.
        key: of the chains.
        limits: where to stop.
    """
    energy = jax.tree.unflatten(form, arrays)
    moves = plan.kernel.moves(
        guarded(lambda point: energy(units.offset + units.width * point)),
        (starts - units.offset) / units.width,
        key,
        plan.warmup,
    )

    def goes_on(record: Record) -> Array:
        return (record.drawn < limits.draws) & (record.asked.total(plan.price) < limits.evaluations)

    # Warm-up and draws share one loop: its body is compiled once.
    def iterate(carried: tuple[Any, Record]) -> tuple[Any, Record]:
        state, record = carried
        still = record.warming & (record.warmed < plan.warmup) & (record.asked.total(plan.price) < limits.warmup)
        ends = record.warming & ~still
        state = jax.lax.cond(ends, moves.settled, lambda same: same, state)
        record = record._replace(
            warming=still,
            warmup=Asked(*(jnp.where(ends, *pair) for pair in zip(record.asked, record.warmup, strict=True))),
        )
        state, sweep = moves.sweep(state)
        return state, _with(record, sweep)

    def fill(carried: tuple[Any, Record]) -> tuple[Any, Record]:
        state, record = jax.lax.while_loop(
            lambda carried: (carried[1].used < plan.slots) & goes_on(carried[1]), iterate, carried
        )
        return state, jax.lax.cond((record.used == plan.slots) & goes_on(record), _thinned, lambda kept: kept, record)

    record = _empty(plan, jax.eval_shape(moves.sweep, moves.first)[1], starts.shape[-1])
    return jax.lax.while_loop(lambda carried: goes_on(carried[1]), fill, (moves.first, record))[1]


def _empty(plan: Plan, seen: Sweep, dim: int) -> Record:
    """The record before the first iteration."""
    slots = partial(jax.tree.map, lambda one: jnp.zeros((plan.slots, *one.shape), one.dtype))
    none, first = jnp.asarray(0), plan.kernel.first_cost(dim)
    return Record(
        *slots((seen.points, seen.energies, seen.beside)),
        asked=Asked(jnp.asarray(first.energies), jnp.asarray(first.gradients)),
        warmup=Asked(none, none),
        marks=jax.tree.map(lambda one: jnp.zeros(one.shape, one.dtype), seen.marks),
        warming=jnp.asarray(True),
        warmed=none,
        drawn=none,
        used=none,
        stride=jnp.asarray(1),
    )


def _with(record: Record, sweep: Sweep) -> Record:
    """The record after one more iteration."""
    put = partial(jax.tree.map, lambda slots, value: slots.at[record.used].set(value))
    is_draw = ~record.warming
    return Record(
        *put((record.points, record.energies, record.beside), (sweep.points, sweep.energies, sweep.beside)),
        asked=record.asked.plus(sweep.asked),
        warmup=record.warmup,
        marks=jax.tree.map(lambda total, mark: total + jnp.where(is_draw, mark, 0), record.marks, sweep.marks),
        warming=record.warming,
        warmed=record.warmed + record.warming,
        drawn=record.drawn + is_draw,
        # What is not to be kept is overwritten next.
        used=record.used + (is_draw & (record.drawn % record.stride == 0)),
        stride=record.stride,
    )


def _thinned(record: Record) -> Record:
    """Every second draw, in the first half of the slots."""

    def thin(slots: Array) -> Array:
        return slots.at[: len(slots) // 2].set(slots[::2])

    points, energies, beside = jax.tree.map(thin, (record.points, record.energies, record.beside))
    return record._replace(
        points=points, energies=energies, beside=beside, used=record.used // 2, stride=record.stride * 2
    )


@partial(jax.jit, static_argnums=0)
def _energies(form: Any, arrays: list[Array], points: Float[Array, "count dim"]) -> Float[Array, " count"]:
    return jax.lax.map(guarded(jax.tree.unflatten(form, arrays)), points, batch_size=128)


def _in_order(slots: np.ndarray, used: int) -> np.ndarray:
    """The used slots, chains one after another."""
    kept = np.swapaxes(slots[:used], 0, 1)
    return kept.reshape(-1, *kept.shape[2:])
