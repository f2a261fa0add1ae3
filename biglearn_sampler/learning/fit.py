"""The loop over chunks: where the host meets the training, and the only place that does."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from biglearn_sampler.devices import ONE_DEVICE, Devices
from biglearn_sampler.energy import Evaluations, split_arrays
from biglearn_sampler.importance import Reservoir
from biglearn_sampler.learning.convergence import WINDOW, LossTrend
from biglearn_sampler.learning.refill import ReservoirReport, Supply, first_price
from biglearn_sampler.learning.step import StepInfo, Training, TrainKeys, TrainState
from biglearn_sampler.mixture import GaussianMixture, constrain


@dataclass(frozen=True, eq=False)
class Progress:
    """What is known after a chunk.

    Arguments:
        step: steps done.
        mixture: the sampler, in the coordinates of training.
        losses: mean loss over the chunk by task; `None` for a task that was not drawn, or met no density. The loss of
            a task is its KL divergence, over points of positive density, up to a constant: `log Z`, and for
            conditional tasks one that depends on their conditions.
        task_steps: steps on each task since the beginning.
        evaluations: since the beginning.
        zero_density: points so far where the target's density was zero or not finite.
        rejected: updates so far that were not finite or exploding and were left out.
        seconds_compile: until the compiled chunk was ready.
        seconds_run: of training since then.
        evaluations_by_source: the same evaluations by what they were for: the energy at points of a step, quadratures,
            the reservoir, exact channels.
        evaluations_by_task: those that were made for one task; what filled the reservoir was for all.
        skipped_steps: those of `task_steps` on which nothing was learnt, since the reservoir was too poor.
        reservoir: as it was in this chunk; `None` without one.
    """

    step: int
    mixture: GaussianMixture
    losses: dict[str, float | None]
    task_steps: dict[str, int]
    evaluations: Evaluations
    zero_density: int
    rejected: int
    seconds_compile: float
    seconds_run: float
    evaluations_by_source: dict[str, Evaluations] = field(default_factory=dict)
    evaluations_by_task: dict[str, Evaluations] = field(default_factory=dict)
    skipped_steps: dict[str, int] = field(default_factory=dict)
    reservoir: ReservoirReport | None = None


Listener = Callable[[Progress], None]


@dataclass(frozen=True)
class Tally:
    """Sums over the chunks so far, in whole numbers of any size.

    Arguments:
        task_steps, skipped: steps on each task, and those of them on which nothing was learnt.
        losses: mean loss over the last chunk; `None` for a task that was not drawn, or met no density.
        zero_density, rejected: as in `Progress`.
        rejected_in_a_row: updates until now, without one in between that was accepted.
        recent: losses of each task in the last chunks in which it was drawn, once all learns that will.
    """

    task_steps: tuple[int, ...]
    skipped: tuple[int, ...]
    losses: tuple[float | None, ...]
    zero_density: int = 0
    rejected: int = 0
    rejected_in_a_row: int = 0
    recent: tuple[tuple[float, ...], ...] = ()

    @classmethod
    def empty(cls, tasks: int) -> Tally:
        """Before the first chunk."""
        return cls((0,) * tasks, (0,) * tasks, (None,) * tasks, recent=((),) * tasks)

    def plus(self, info: StepInfo, *, is_late: bool) -> Tally:
        """With the reports of one more chunk.

        Arguments:
            info: of its steps.
            is_late: whether all learns that will, weights included.
        """
        told = jax.tree.map(np.asarray, info)
        mine = [told.done & (told.task == number) for number in range(len(self.task_steps))]
        learnt = [steps & ~told.skipped & np.isfinite(told.loss) for steps in mine]
        accepted = np.flatnonzero(told.done & ~told.rejected)
        losses = [float(told.loss[steps].mean()) if steps.any() else None for steps in learnt]
        in_a_row = int(told.done.sum()) - (int(accepted[-1]) + 1 if len(accepted) else -self.rejected_in_a_row)
        return Tally(
            task_steps=tuple(n + int(steps.sum()) for n, steps in zip(self.task_steps, mine, strict=True)),
            skipped=tuple(n + int((steps & told.skipped).sum()) for n, steps in zip(self.skipped, mine, strict=True)),
            losses=tuple(losses),
            zero_density=self.zero_density + int(told.zero_density.sum()),
            rejected=self.rejected + int(told.rejected.sum()),
            rejected_in_a_row=max(in_a_row, 0),
            recent=tuple(
                (*known, loss)[-2 * WINDOW :] if is_late and loss is not None else known
                for known, loss in zip(self.recent, losses, strict=True)
            ),
        )


@dataclass(frozen=True, eq=False)
class FitState:
    """A training between two chunks: all that the next one depends on.

    Arguments:
        train: what is carried from step to step.
        tally: sums so far.
        supply: the reservoir, if there is one.
        seconds_compile, seconds_run: so far.
    """

    train: TrainState
    tally: Tally
    supply: Supply | None
    seconds_compile: float
    seconds_run: float = 0.0


@dataclass(frozen=True, eq=False)
class SavedFit:
    """A `FitState` as it is kept: arrays, without the trees that optimisers and schedulers make of them.

    Arguments:
        leaves: of the training state, in the order of its tree.
        tally: sums so far.
        reservoir: its points, if there is one.
        batches: that filled it.
        seconds_compile, seconds_run: so far.
    """

    leaves: tuple[np.ndarray, ...]
    tally: Tally
    reservoir: Reservoir | None
    batches: int
    seconds_compile: float
    seconds_run: float

    @classmethod
    def of(cls, state: FitState) -> SavedFit:
        """What is kept of a state."""
        supply = state.supply
        return cls(
            leaves=tuple(np.asarray(_plain(leaf)) for leaf in jax.tree.leaves(state.train)),
            tally=state.tally,
            reservoir=None if supply is None else supply.reservoir,
            batches=0 if supply is None else supply.batches,
            seconds_compile=state.seconds_compile,
            seconds_run=state.seconds_run,
        )


class Fitter:
    """A training in chunks: `state = fitter.begin()`, then `state = fitter.advance(state)` until it has ended.

    Where tasks need a reservoir it is filled before the first chunk, and gets new points before every other one.

    Arguments:
        training: what to do in a step.
        start: the state before the first step.
        keys: the same keys give the same result, bit for bit on one machine.
        chunk: steps between two meetings with the host, at least 1. With a reservoir the result depends on it.
        devices: of the training; its matchings know them too.
    """

    def __init__(
        self, training: Training, start: TrainState, keys: TrainKeys, chunk: int, devices: Devices = ONE_DEVICE
    ) -> None:
        began = time.perf_counter()
        self._training, self._start, self._keys, self._chunk = training, start, keys, chunk
        self._run_chunk = _compiled(training, start, keys, chunk, devices)
        self._supply = Supply.of(training, start.parameters, keys.reservoir, devices)
        self._prices = _Prices.of(training, start.parameters.means.shape[0])
        self._seconds_compile = time.perf_counter() - began

    def begin(self) -> FitState:
        """The state before the first chunk."""
        return FitState(self._start, Tally.empty(len(self._training.matchings)), self._supply, self._seconds_compile)

    def continued(self, saved: SavedFit) -> FitState:
        """The state that was kept.

        Raises:
            ValueError: it belongs to another training, with what differs.
        """
        leaves, tree = jax.tree.flatten(self._start)
        forms = [(leaf.shape, leaf.dtype) for leaf in map(_plain, leaves)]
        if forms != [(leaf.shape, leaf.dtype) for leaf in saved.leaves]:
            raise ValueError("the shapes of its numbers are not those of this training")
        if (saved.reservoir is None) != (self._supply is None) or len(saved.tally.task_steps) != len(
            self._prices.names
        ):
            raise ValueError("its tasks are not those of this training")
        filled = [_like(leaf, kept) for leaf, kept in zip(leaves, saved.leaves, strict=True)]
        supply = self._supply
        if supply is not None and saved.reservoir is not None:
            supply = supply.continued(saved.reservoir, saved.batches)
        seconds_compile = saved.seconds_compile + self._seconds_compile
        return FitState(jax.tree.unflatten(tree, filled), saved.tally, supply, seconds_compile, saved.seconds_run)

    def has_ended(self, state: FitState) -> bool:
        """Whether all steps are done."""
        return int(state.train.step) >= self._training.steps

    def most_of_chunk(self, state: FitState) -> int:
        """Evaluations of the next chunk at most: as if all of its steps were on the dearest task."""
        steps = min(self._chunk, self._training.steps - int(state.train.step))
        refill = 0 if state.supply is None else state.supply.next_price.total
        return refill + steps * max(price.total for price in self._prices.of_step)

    def advance(self, state: FitState) -> FitState:
        """The state after one more chunk; `state` stays as it is, and gives the same again."""
        began = time.perf_counter()
        training, supply = self._training, state.supply
        if supply is not None:
            supply = supply.renewed(state.train.parameters)
            training = supply.into(training)
        train, info = self._run_chunk(training, state.train, self._keys)
        # Weights that are held for good are not waited for.
        waits = training.weights_from if training.weights_from < training.steps else 0
        tally = state.tally.plus(info, is_late=int(state.train.step) >= waits)
        seconds_run = state.seconds_run + time.perf_counter() - began
        return FitState(train, tally, supply, state.seconds_compile, seconds_run)

    def trends(self, state: FitState) -> dict[str, LossTrend | None]:
        """How the loss of every task goes; `None` where that cannot be said yet."""
        return dict(zip(self._prices.names, map(LossTrend.of, state.tally.recent), strict=True))

    def progress(self, state: FitState) -> Progress:
        """What is told of a state."""
        prices, tally, supply = self._prices, state.tally, state.supply
        by_task = [
            setup.plus(price.times(steps))
            for price, setup, steps in zip(prices.of_step, prices.of_setup, tally.task_steps, strict=True)
        ]
        by_source: dict[str, Evaluations] = {}
        supplied = [] if supply is None else [(supply.estimator.source, supply.evaluations)]
        for source, spent in [*zip(prices.sources, by_task, strict=True), *supplied]:
            by_source[source] = by_source.get(source, Evaluations()).plus(spent)
        return Progress(
            step=int(state.train.step),
            mixture=constrain(state.train.parameters),
            losses=dict(zip(prices.names, tally.losses, strict=True)),
            task_steps=dict(zip(prices.names, tally.task_steps, strict=True)),
            evaluations=reduce(Evaluations.plus, by_source.values(), Evaluations()),
            zero_density=tally.zero_density,
            rejected=tally.rejected,
            seconds_compile=state.seconds_compile,
            seconds_run=state.seconds_run,
            evaluations_by_source=by_source,
            evaluations_by_task=dict(zip(prices.names, by_task, strict=True)),
            skipped_steps=dict(zip(prices.names, tally.skipped, strict=True)),
            reservoir=None if supply is None else supply.report,
        )


def least_evaluations(training: Training, components: int, chunk: int) -> int:
    """What the first chunk of a training may ask, with all that comes before it.

    Arguments:
        training: what to do in a step.
        components: of the mixture.
        chunk: steps of it.
    """
    prices = _Prices.of(training, components)
    steps = min(chunk, training.steps) * max(price.total for price in prices.of_step)
    return steps + sum(price.total for price in prices.of_setup) + first_price(training).total


def fit(training: Training, start: TrainState, keys: TrainKeys, chunk: int, listener: Listener) -> None:
    """Train from beginning to end, telling the listener after every chunk.

    Arguments:
        training, start, keys, chunk: as of `Fitter`.
        listener: called with the progress; an exception that it raises ends the training.
    """
    fitter = Fitter(training, start, keys, chunk)
    state = fitter.begin()
    while not fitter.has_ended(state):
        state = fitter.advance(state)
        listener(fitter.progress(state))


def _compiled(
    training: Training, state: TrainState, keys: TrainKeys, chunk: int, devices: Devices
) -> Callable[[Training, TrainState, TrainKeys], tuple[TrainState, StepInfo]]:
    """The chunk, compiled once. Arrays of the training are passed, not baked in as constants.

    It takes the same training with other arrays in it as well, of the same shapes.
    """
    arrays, rebuilt = split_arrays(training)

    def run(arrays: list[Array], state: TrainState, keys: TrainKeys) -> tuple[TrainState, StepInfo]:
        return rebuilt(arrays).chunk(state, keys, chunk)

    everywhere = devices.everywhere
    jitted = jax.jit(run, in_shardings=everywhere, out_shardings=everywhere, compiler_options=devices.compiler_options)
    compiled = devices.shared("chunk", jitted.lower(arrays, state, keys).compile(), lambda: (arrays, state, keys))
    return lambda training, state, keys: compiled(split_arrays(training)[0], state, keys)


def _plain(leaf: Array) -> Array:
    """An array of plain numbers: of keys, their data."""
    return jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf


def _like(leaf: Array, numbers: np.ndarray) -> Array:
    """Plain numbers as what they were kept of."""
    on_device = jnp.asarray(numbers)
    return jax.random.wrap_key_data(on_device) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else on_device


@dataclass(frozen=True)
class _Prices:
    """What the tasks of a training cost.

    Arguments:
        names, sources: of the tasks and of what serves them.
        of_step, of_setup: evaluations for a step, and once before all steps.
    """

    names: tuple[str, ...]
    sources: tuple[str, ...]
    of_step: tuple[Evaluations, ...]
    of_setup: tuple[Evaluations, ...]

    @classmethod
    def of(cls, training: Training, components: int) -> _Prices:
        """Of a training with so many components."""
        return cls(
            names=training.task_names,
            sources=tuple(matching.estimator.source for matching in training.matchings),
            of_step=tuple(matching.price(components) for matching in training.matchings),
            of_setup=tuple(matching.estimator.setup_price() for matching in training.matchings),
        )
