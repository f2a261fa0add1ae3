"""One step and the loop over chunks: the same key gives the same bits, nothing meets the host, every count is true."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.core import Tracer
from jaxtyping import Array, Float

from biglearn_plugins.schedulers.weighted import uniform, weighted
from biglearn_plugins.transformations.noise import FixedNoise
from biglearn_plugins.transformations.orthogonal import Identity, Orthogonal
from biglearn_sampler.energy import AbstractTarget, Evaluations, function_target
from biglearn_sampler.estimators import AbstractEstimator, choose_estimators
from biglearn_sampler.learning import Matching, Progress, StartRegion, Training, TrainKeys, build_optimizer, fit
from biglearn_sampler.mixture import Channel, GaussianMixture, unconstrain
from biglearn_sampler.tasks import AbstractLearningScheduler, Task, TaskDraw

JOINT = Task("joint", "joint", Identity())
CONDITIONAL = Task("conditional", "conditional", Orthogonal())
MARGINAL = Task("marginal", "marginal", Orthogonal())
NOISED = Task("noised", "joint", FixedNoise(0.5))
ENERGY_TASKS = (JOINT, CONDITIONAL)

COMPONENTS, POINTS, NODES = 3, 2, 8


def plain(point: Float[Array, " dim"]) -> Float[Array, ""]:
    return -0.5 * ((point - 1.0) ** 2).sum()


def target_of(log_density: Callable[..., Any], data: tuple[Any, ...] = ()) -> AbstractTarget:
    return function_target(log_density, dim=2, scale=2.0, data=data)


def training_of(
    target: AbstractTarget,
    tasks: tuple[Task, ...] = ENERGY_TASKS,
    steps: int = 20,
    optimizer: optax.GradientTransformation | None = None,
) -> Training:
    estimators = choose_estimators(tasks, target, "energy", NODES, 4.0)
    natural = build_optimizer("natural", 0.1, steps, decay="cosine", final=0.02, options={})
    return Training(
        matchings=tuple(
            Matching(task, estimator, target.centre, target.scale, POINTS)
            for task, estimator in zip(tasks, estimators, strict=True)
        ),
        scheduler=uniform(tasks),
        optimizer=optimizer or natural,
        steps=steps,
        weights_from=steps // 2,
    )


def fitted(training: Training, chunk: int = 10, seed: int = 0) -> list[Progress]:
    """What the listener was told, chunk by chunk, from a start that never changes."""
    dim = training.matchings[0].centre.shape[0]
    start = StartRegion(jnp.zeros(dim), 2.0 * jnp.eye(dim), jnp.full(dim, 0.6)).mixture(jax.random.key(9), COMPONENTS)
    told: list[Progress] = []
    fit(training, training.begin(unconstrain(start)), TrainKeys.of(jax.random.key(seed)), chunk, told.append)
    return told


def same_sampler(first: list[Progress], second: list[Progress]) -> bool:
    """Bit for bit."""
    pairs = zip(jax.tree.leaves(first[-1].mixture), jax.tree.leaves(second[-1].mixture), strict=True)
    return all(bool((one == other).all()) for one, other in pairs)


@lru_cache
def in_chunks(chunk: int) -> list[Progress]:
    return fitted(training_of(target_of(plain)), chunk)


@pytest.mark.slow
def test_the_key_tells_the_result() -> None:
    training = training_of(target_of(plain))
    assert same_sampler(fitted(training, chunk=7), in_chunks(7))
    assert not same_sampler(fitted(training, chunk=7, seed=1), in_chunks(7))


def test_chunking_changes_nothing_and_the_padded_last_chunk_is_idle() -> None:
    sevens, whole = in_chunks(7), in_chunks(100)
    assert [progress.step for progress in sevens] == [7, 14, 20] and [progress.step for progress in whole] == [20]
    assert same_sampler(whole, sevens)
    assert sevens[-1].evaluations == whole[-1].evaluations
    assert sevens[-1].task_steps == whole[-1].task_steps and sum(whole[-1].task_steps.values()) == 20


def test_losses_are_means_over_the_steps_of_the_chunk_and_none_without_a_step() -> None:
    twice = (JOINT, replace(JOINT, name="never"))
    training = replace(training_of(target_of(plain), twice, steps=4), scheduler=weighted(twice, (1.0, 0.0)))
    told = fitted(training, chunk=3)
    assert [progress.losses["never"] for progress in told] == [None, None]
    assert all(np.isfinite(progress.losses["joint"] or np.nan) for progress in told)
    assert told[-1].task_steps == {"joint": 4, "never": 0}


def test_noise_of_an_optimiser_moves_no_weights_that_are_held() -> None:
    noisy = optax.noisy_sgd(0.05, eta=1.0, key=jax.random.key(0))
    training = training_of(target_of(plain), (JOINT,), steps=4, optimizer=noisy)  # weights are learnt from step 2 on
    held, learnt = fitted(training, chunk=2)
    assert isinstance(held.mixture, GaussianMixture) and isinstance(learnt.mixture, GaussianMixture)
    np.testing.assert_allclose(held.mixture.weights, 1.0 / COMPONENTS, rtol=1e-6)
    assert abs(np.asarray(learnt.mixture.weights) - 1.0 / COMPONENTS).max() > 1e-3


def test_a_target_is_traced_once_for_each_task_however_many_chunks() -> None:
    traces = []

    def counted(point: Float[Array, " dim"]) -> Float[Array, ""]:
        traces.append(point.shape)
        return plain(point)

    fitted(training_of(target_of(counted), (JOINT,)), chunk=3)
    assert traces == [(2,)]


def test_nothing_in_the_loop_meets_the_host() -> None:
    training = training_of(target_of(plain), (*ENERGY_TASKS, MARGINAL, NOISED))
    assert "callback" not in compiled_text(training)


def compiled_text(training: Training) -> str:
    state = training.begin(unconstrain(GaussianMixture.of([[0.0, 0.0]] * COMPONENTS, 1.0)))
    return str(
        jax.make_jaxpr(lambda state, keys: training.chunk(state, keys, 5))(state, TrainKeys.of(jax.random.key(0)))
    )


def test_the_test_for_callbacks_would_see_one() -> None:
    def talking(point: Float[Array, " dim"]) -> Float[Array, ""]:
        jax.debug.callback(lambda: None)
        return plain(point)

    assert "callback" in compiled_text(training_of(target_of(talking)))


@pytest.mark.slow
def test_evaluations_are_those_that_the_energy_counts_itself() -> None:
    """Joint, conditional, marginal by quadrature, and noised by a grid: every point that the energy is asked for."""
    points = []

    def counting(point: Float[Array, " dim"]) -> Float[Array, ""]:
        jax.debug.callback(lambda _: points.append(1), point[0])
        return plain(point)

    told = fitted(training_of(target_of(counting), (*ENERGY_TASKS, MARGINAL, NOISED), steps=12), chunk=5)[-1]
    jax.effects_barrier()
    assert min(told.task_steps.values()) > 0
    per_step = COMPONENTS * POINTS
    by_energy = told.task_steps["joint"] + told.task_steps["conditional"] + NODES * told.task_steps["marginal"]
    assert told.evaluations == Evaluations(energy=NODES**2, gradient=per_step * by_energy)
    assert len(points) == told.evaluations.energy + told.evaluations.gradient


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Unguarded(AbstractEstimator):
    """What a faulty plugin may give: a gradient that is not a number, far to the right."""

    source = "test"

    def log_density(self, channel: Channel, views: Float[Array, "count rows"]) -> Float[Array, " count"]:
        return jnp.where(views[:, 0] > 0.5, jnp.nan, 1.0) * views.sum(-1) * 1e3

    def price(self, count: int) -> Evaluations:
        return Evaluations()


@pytest.mark.parametrize("name", ["sgd", "natural"])
def test_an_update_that_is_not_finite_is_left_out_and_counted(name: str) -> None:
    optimizer = build_optimizer(name, 0.01, 20, decay="constant", final=1.0, options={})
    training = training_of(target_of(plain), (JOINT,), steps=20, optimizer=optimizer)
    broken = replace(training, matchings=(replace(training.matchings[0], estimator=Unguarded()),))
    told = fitted(broken)[-1]
    assert told.rejected > 0 and told.step == 20
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(told.mixture))
    assert fitted(training)[-1].rejected == 0


@pytest.mark.parametrize(
    ("leaf", "size"),
    [("means", 400.0), ("log_diagonals", -25.0), pytest.param("log_diagonals", 8.0, marks=pytest.mark.slow)],
)
def test_an_update_that_explodes_is_left_out_and_counted(leaf: str, size: float) -> None:
    """Beyond a hundred times the scale of 2 and ten times the width of 0.6, or into nothing."""

    def optimizer_of(size: float) -> optax.GradientTransformation:
        def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
            still = jax.tree.map(jnp.zeros_like, updates)
            return still._replace(**{leaf: getattr(still, leaf).at[0].set(size)}), state

        return optax.GradientTransformation(lambda params: optax.EmptyState(), update)

    def after_one(size: float) -> Progress:
        return fitted(training_of(target_of(plain), (JOINT,), steps=1, optimizer=optimizer_of(size)))[-1]

    broken, sound = after_one(size), after_one(0.5 * size)
    still = after_one(0.0)
    assert broken.rejected == 1 and broken.step == 1 and sound.rejected == 0
    assert same_sampler([broken], [still]) and not same_sampler([sound], [still])


def test_points_of_zero_density_are_counted_over_the_whole_training() -> None:
    nowhere = target_of(lambda point: jnp.log(-1.0 - (point**2).sum()))
    told = fitted(training_of(nowhere, (JOINT,), steps=20))[-1]
    assert told.zero_density == 20 * COMPONENTS * POINTS and told.rejected == 0
    assert told.losses == {"joint": None}


class Listening(AbstractLearningScheduler):
    """Remembers what it was told last."""

    @property
    def tasks(self) -> tuple[Task, ...]:
        return (JOINT,)

    def begin(self) -> Any:
        return jnp.zeros(60), jnp.zeros(60, bool)

    def draw_with(self, memory: Any, key: Any, step: Any, steps: Any) -> TaskDraw:
        return TaskDraw(jnp.zeros((), jnp.int32), key, jnp.zeros(()))

    def learn(self, memory: Any, tasks: Any, losses: Any, learnt: Any) -> Any:
        return losses, learnt


def test_a_scheduler_learns_nothing_from_points_of_zero_density_alone() -> None:
    """A loss of zero would look like a fall of ten thousand nats, where `log Z` is minus that."""

    def seldom(point: Float[Array, " dim"]) -> Float[Array, ""]:
        return jnp.where(point[0] > 0.0, plain(point) - 1e4, -jnp.inf)

    told = replace(training_of(target_of(seldom), (JOINT,), steps=60), scheduler=Listening())
    state = told.begin(unconstrain(GaussianMixture.of([[-1.0, 0.0]], 1.0)))
    after, info = jax.jit(told.chunk, static_argnums=2)(state, TrainKeys.of(jax.random.key(0)), 60)
    losses, learnt = map(np.asarray, after.memory)
    np.testing.assert_array_equal(learnt, np.isfinite(info.loss))
    assert learnt.any() and not learnt.all()
    assert (losses[learnt] > 9e3).all() and (losses[~learnt] == 0.0).all()


class Plain(AbstractTarget):
    """A class that is no pytree and holds an array."""

    def __init__(self) -> None:
        self.middle = jnp.ones(2)

    @property
    def dim(self) -> int:
        return 2

    @property
    def scale(self) -> Float[Array, " dim"]:
        return jnp.full(2, 2.0)

    def log_density(self, point: Float[Array, " dim"]) -> Float[Array, ""]:
        return -0.5 * ((point - self.middle) ** 2).sum()


@pytest.mark.slow
def test_a_target_that_is_no_pytree_gives_the_same_result() -> None:
    by_class, by_function = fitted(training_of(Plain())), in_chunks(100)
    np.testing.assert_allclose(by_class[-1].mixture.means, by_function[-1].mixture.means, rtol=1e-4, atol=1e-4)


def test_data_are_passed_to_compiled_code_and_not_baked_into_it() -> None:
    seen = []

    def with_data(point: Float[Array, " dim"], data: Float[Array, "count dim"], power: int) -> Float[Array, ""]:
        seen.append((isinstance(data, Tracer), power))
        return -0.5 * (jnp.abs(point - data) ** power).mean()

    fitted(training_of(target_of(with_data, (jnp.ones((1000, 2)), 2)), (JOINT,)))
    assert seen == [(True, 2)]


def test_tasks_of_one_name_are_told_apart() -> None:
    twice = (JOINT, replace(JOINT, transformation=Orthogonal()))
    assert training_of(target_of(plain), twice).task_names == ("joint_1", "joint_2")
