"""The loop over chunks: where the host meets the training, and the only place that does."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce

import jax
import numpy as np
from jaxtyping import Array

from biglearn_sampler.energy import Evaluations, split_arrays
from biglearn_sampler.learning.refill import ReservoirReport, Supply
from biglearn_sampler.learning.step import StepInfo, Training, TrainKeys, TrainState
from biglearn_sampler.mixture import GaussianMixture, constrain


@dataclass(frozen=True, eq=False)
class Progress:
    """What is known after a chunk.

    Arguments:
        step: steps done.
        mixture: the sampler, in the coordinates of training.
        losses: mean loss over the chunk by task; `None` for a task that was not drawn. The loss of a task is its KL
            divergence up to a constant: `log Z`, and for conditional tasks one that depends on their conditions.
        task_steps: steps on each task since the beginning.
        evaluations: since the beginning.
        zero_density: points so far where the target's density was zero or not finite.
        rejected: updates so far that were not finite and were left out.
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


def fit(training: Training, start: TrainState, keys: TrainKeys, chunk: int, listener: Listener) -> None:
    """Train, telling the listener after every chunk.

    Where tasks need a reservoir it is filled before the first chunk, and gets new points before every other one.

    Arguments:
        training: what to do in a step.
        start: the state before the first step.
        keys: the same keys give the same result, bit for bit on one machine.
        chunk: steps between two meetings with the host, at least 1. With a reservoir the result depends on it.
        listener: called with the progress; an exception that it raises ends the training.
    """
    began = time.perf_counter()
    run_chunk = _compiled(training, start, keys, chunk)
    supply = Supply.of(training, start.parameters, keys.reservoir)
    seconds_compile = time.perf_counter() - began
    tally = _Tally(training, start.parameters.means.shape[0])
    state, seconds_run = start, 0.0
    for _ in range(0, training.steps, chunk):
        began = time.perf_counter()
        if supply is not None:
            supply = supply.renewed(state.parameters)
            training = supply.into(training)
        state, info = run_chunk(training, state, keys)
        tally.add(jax.tree.map(np.asarray, info))
        seconds_run += time.perf_counter() - began
        listener(tally.progress(state, supply, seconds_compile, seconds_run))


def _compiled(
    training: Training, state: TrainState, keys: TrainKeys, chunk: int
) -> Callable[[Training, TrainState, TrainKeys], tuple[TrainState, StepInfo]]:
    """The chunk, compiled once. Arrays of the training are passed, not baked in as constants.

    It takes the same training with other arrays in it as well, of the same shapes.
    """
    arrays, rebuilt = split_arrays(training)

    def run(arrays: list[Array], state: TrainState, keys: TrainKeys) -> tuple[TrainState, StepInfo]:
        return rebuilt(arrays).chunk(state, keys, chunk)

    compiled = jax.jit(run).lower(arrays, state, keys).compile()
    return lambda training, state, keys: compiled(split_arrays(training)[0], state, keys)


class _Tally:
    """Sums over the chunks so far, on the host, in whole numbers of any size."""

    def __init__(self, training: Training, components: int) -> None:
        self._names = training.task_names
        self._sources = [matching.estimator.source for matching in training.matchings]
        self._prices = [matching.price(components) for matching in training.matchings]
        self._setup = [matching.estimator.setup_price() for matching in training.matchings]
        self._task_steps = np.zeros(len(self._names), np.int64)
        self._skipped = np.zeros(len(self._names), np.int64)
        self._losses: dict[str, float | None] = {}
        self._zero_density = 0
        self._rejected = 0

    def add(self, info: StepInfo) -> None:
        """Take in the reports of one chunk."""
        self._losses = {}
        for number, name in enumerate(self._names):
            mine = np.asarray(info.done) & (np.asarray(info.task) == number)
            learnt = mine & ~np.asarray(info.skipped)
            self._task_steps[number] += mine.sum()
            self._skipped[number] += (mine & np.asarray(info.skipped)).sum()
            self._losses[name] = float(np.asarray(info.loss)[learnt].mean()) if learnt.any() else None
        self._zero_density += int(np.asarray(info.zero_density).sum())
        self._rejected += int(np.asarray(info.rejected).sum())

    def progress(
        self, state: TrainState, supply: Supply | None, seconds_compile: float, seconds_run: float
    ) -> Progress:
        """The sums as they are told to the listener."""
        by_task = [
            setup.plus(price.times(int(steps)))
            for price, setup, steps in zip(self._prices, self._setup, self._task_steps, strict=True)
        ]
        by_source: dict[str, Evaluations] = {}
        supplied = [] if supply is None else [(supply.estimator.source, supply.evaluations)]
        for source, spent in [*zip(self._sources, by_task, strict=True), *supplied]:
            by_source[source] = by_source.get(source, Evaluations()).plus(spent)
        return Progress(
            step=int(state.step),
            mixture=constrain(state.parameters),
            losses=self._losses,
            task_steps=dict(zip(self._names, self._task_steps.tolist(), strict=True)),
            evaluations=reduce(Evaluations.plus, by_source.values(), Evaluations()),
            zero_density=self._zero_density,
            rejected=self._rejected,
            seconds_compile=seconds_compile,
            seconds_run=seconds_run,
            evaluations_by_source=by_source,
            evaluations_by_task=dict(zip(self._names, by_task, strict=True)),
            skipped_steps=dict(zip(self._names, self._skipped.tolist(), strict=True)),
            reservoir=None if supply is None else supply.report,
        )
