"""Planted faults: each is caught, first of all by the check that names it, in words that an author understands.

The classes are made here, where types are not checked at run time: otherwise that check would answer first.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Annotated, Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.core import Tracer

from biglearn_sampler.catalogue import Catalogue, Entry, hookimpl
from biglearn_sampler.energy import (
    AbstractTarget,
    Evaluations,
    Facts,
    MixtureTarget,
    ReferenceMoments,
    from_numpy,
    function_target,
)
from biglearn_sampler.errors import UserError
from biglearn_sampler.evaluation import AbstractBaseline, AbstractMetric, BaselineResult, Draws, Measured
from biglearn_sampler.mixture import GaussianMixture
from biglearn_sampler.runs.report import AbstractReport
from biglearn_sampler.tasks import (
    AbstractLearningScheduler,
    AbstractScheduler,
    AbstractTransformation,
    OrthogonalMap,
    Task,
    TaskDraw,
)
from biglearn_sampler.testing import Fault, NotChecked, conformance
from biglearn_sampler.testing.baseline import COVARIANCE, MEAN
from biglearn_sampler.testing.checks import Subject, checks_of, run_check

HOOKS = {
    "target": "biglearn_targets",
    "transformation": "biglearn_transformations",
    "task": "biglearn_tasks",
    "scheduler": "biglearn_schedulers",
    "baseline": "biglearn_baselines",
    "metric": "biglearn_metrics",
    "report": "biglearn_reports",
    "settings": "biglearn_settings",
}


def plugin(kind: str, build: Callable[..., Any], called: str = "planted") -> SimpleNamespace:
    entry = Entry(name=called, build=build, summary="an entry with a planted fault")
    return SimpleNamespace(__name__="author", **{HOOKS[kind]: hookimpl(lambda: [entry])})


def first_fault(kind: str, build: Callable[..., Any], called: str = "planted") -> tuple[str, str]:
    """The name of the first check that fails, and what it says."""
    catalogue = Catalogue(plugins={"author": plugin(kind, lambda: build(), called)})
    subject = Subject(catalogue, catalogue.find(kind, f"author:{called}"), {})
    for name, check in checks_of(kind).items():
        try:
            run_check(check, subject)
        except NotChecked:
            continue
        except Fault as fault:
            return name, str(fault)
    return "none", ""


# --- targets


def normal(point: Any) -> Any:
    return -0.5 * jnp.sum(point**2)


def target(function: Callable[..., Any] = normal, dim: int = 2, **facts: Any) -> AbstractTarget:
    return function_target(function, dim=dim, scale=2.0, facts=Facts(**facts))


def wrong_gradient() -> AbstractTarget:
    function = jax.custom_jvp(normal)
    function.defjvp(lambda primals, tangents: (normal(*primals), -1.05 * primals[0] @ tangents[0]))
    return target(function)


def impure() -> AbstractTarget:
    calls = []
    return target(lambda point: normal(point) + 0.1 * (calls.append(None) or len(calls)))


def drawing_from_global_numbers() -> AbstractTarget:
    return target(lambda point: normal(point) + 1e-3 * np.random.normal())


def counting_on_the_host() -> AbstractTarget:
    """The count goes on inside compiled code, which is traced once."""
    count = itertools.count()
    drift = lambda point: np.float32(0.1 * next(count))  # noqa: E731
    form = jax.ShapeDtypeStruct((), np.float32)
    return target(lambda point: normal(point) + jax.pure_callback(drift, form, point, vmap_method="sequential"))


def numpy_without_gradient() -> AbstractTarget:
    on_host = lambda point: np.float32(-0.5 * (np.asarray(point) ** 2).sum())  # noqa: E731
    form = jax.ShapeDtypeStruct((), np.float32)
    return target(lambda point: jax.pure_callback(on_host, form, point, vmap_method="sequential"))


def another_in_a_batch() -> AbstractTarget:
    """Centred within the batch, as by a layer that normalises."""
    function = jax.custom_batching.custom_vmap(normal)

    @function.def_vmap
    def _of_batch(size: int, batched: Any, points: Any) -> Any:
        return jax.lax.map(normal, points - points.mean(0)), True

    with_gradient = jax.custom_jvp(function)
    with_gradient.defjvp(lambda primals, tangents: (function(*primals), -primals[0] @ tangents[0]))
    return target(with_gradient)


def half_precision() -> AbstractTarget:
    return target(lambda point: normal(point.astype(jnp.float16)).astype(point.dtype))


def rounded() -> AbstractTarget:
    return target(lambda point: normal(jnp.round(point, 1)))


def with_a_step() -> AbstractTarget:
    return target(lambda point: normal(point) - jnp.where(jnp.sum(point**2) > 4.0, 1.0, 0.0))


def norm_at_the_centre() -> AbstractTarget:
    return target(lambda point: -jnp.sqrt(jnp.sum(point**2)))


def one_coordinate_too_many() -> AbstractTarget:
    return target(lambda point: normal(point[:2]), dim=3)


def pair_that_nothing_holds() -> AbstractTarget:
    return target(lambda point: normal(point[:2] - point[2:]), dim=4)


def energy_for_log_density() -> AbstractTarget:
    return target(lambda point: normal(point[:1]) - normal(point[1:]))


def branching() -> AbstractTarget:
    return target(lambda point: normal(point) if point[0] > 0 else 2.0 * normal(point))


def only_double() -> AbstractTarget:
    return target(lambda point: jnp.log(jnp.exp(50.0 * normal(point - 1.0)) + jnp.exp(50.0 * normal(point + 1.0))))


def only_single() -> AbstractTarget:
    halves = lambda point: jax.lax.fori_loop(0, 2, lambda _, x: x + 0.5 * normal(point), jnp.zeros((), jnp.float32))  # noqa: E731
    return target(halves)


class OfVector(AbstractTarget):
    @property
    def dim(self) -> int:
        return 2

    def log_density(self, point: Any) -> Any:
        return -0.5 * point**2


def nan_in_a_corner() -> AbstractTarget:
    return target(lambda point: jnp.log(point[0]) + normal(point))


def wrong_sign() -> AbstractTarget:
    return target(lambda point: jnp.where(point[0] > 0, jnp.inf, normal(point)))


def sqrt_at_zero() -> AbstractTarget:
    return target(lambda point: jnp.where(point[0] > 0, -jnp.sqrt(jnp.maximum(point[0], 0.0)), 0.0) + normal(point))


def wrong_log_z() -> AbstractTarget:
    return target(log_z=0.0)


def radius_without_jacobian(dim: int) -> AbstractTarget:
    """A density of the radius, `exp(-r^2 / 2)`, whose sampler draws `r` from it as if space were a line."""

    def sample(key: Any, count: int) -> Any:
        key_radius, key_direction = jax.random.split(key)
        direction = jax.random.normal(key_direction, (count, dim))
        unit = direction / jnp.linalg.norm(direction, axis=1, keepdims=True)
        return jnp.abs(jax.random.normal(key_radius, (count, 1))) * unit

    return target(dim=dim, log_z=0.5 * dim * math.log(2.0 * math.pi), sample=sample)


def wrong_log_z_in_5_dimensions() -> AbstractTarget:
    """The constant of four coordinates."""
    sample = lambda key, count: jax.random.normal(key, (count, 5))  # noqa: E731
    return target(dim=5, log_z=2.0 * math.log(2.0 * math.pi), sample=sample)


def draws_of_another_mixture(first: float) -> AbstractTarget:
    """Two far modes of equal weight in 4 dimensions, not declared; the draws have another share of the first."""
    mixture = GaussianMixture.of(np.array([[-2.0] * 4, [2.0] * 4]), 0.1)
    other = replace(mixture, log_weights=jnp.log(jnp.array([first, 1.0 - first])))
    return target(mixture.log_density, dim=4, sample=other.sample)


def variance_for_deviation() -> AbstractTarget:
    """A funnel in 5 coordinates, whose sampler takes the variance of the others for their deviation."""

    def funnel(point: Any) -> Any:
        return -0.5 * point[0] ** 2 - 0.5 * (point[1:] ** 2 * jnp.exp(-point[0]) + point[0]).sum()

    def sample(key: Any, count: int) -> Any:
        noise = jax.random.normal(key, (count, 5))
        return noise.at[:, 1:].multiply(jnp.exp(noise[:, :1]))

    return target(funnel, dim=5, sample=sample)


def same_draws_for_every_key() -> AbstractTarget:
    return target(sample=lambda _, count: jax.random.normal(jax.random.key(0), (count, 2)))


def wrong_mode_weights() -> AbstractTarget:
    side = lambda point: jax.nn.one_hot((point[0] > 0.0).astype(int), 2)  # noqa: E731
    modes = jnp.array([[-1.0, 0.0], [1.0, 0.0]])
    return target(modes=modes, mode_weights=jnp.array([0.4, 0.6]), responsibilities=side)


MIXTURE = GaussianMixture.of(np.array([[-1.0, 0.0], [1.0, 0.5]]), 0.3, np.array([0.3, 0.7]))


class DeafToNoise(MixtureTarget):
    def channel_log_density(self, channel: Any, view: Any) -> Any:
        return super().channel_log_density(replace(channel, noise=0.0 * channel.noise), view)


class DeafToOffset(MixtureTarget):
    def channel_log_density(self, channel: Any, view: Any) -> Any:
        return super().channel_log_density(replace(channel, offset=0.0 * channel.offset), view)


def channels(made_by: Callable[..., Any], mixture: GaussianMixture = MIXTURE) -> AbstractTarget:
    return made_by(mixture, jnp.zeros(mixture.dim), jnp.full(mixture.dim, 2.0))


def in_4_dimensions() -> GaussianMixture:
    return GaussianMixture.of(np.eye(4)[:2] * 2.0, 0.3, np.array([0.3, 0.7]))


def no_scale() -> AbstractTarget:
    return replace(function_target(normal, dim=2, scale=1.0), declared_scale=jnp.array([1.0, 0.0]))


class ChangingNames(MixtureTarget):
    def quantities(self, point: Any) -> dict[str, Any]:
        return {"x": point} if isinstance(point, Tracer) else {"y": point}


def background() -> AbstractTarget:
    return target(lambda point: jnp.logaddexp(normal(point), math.log(1e-4)))


def angle_that_nothing_holds() -> AbstractTarget:
    return target(lambda point: -0.5 * point[0] ** 2 + jnp.cos(point[1]))


def tails_of_one_over_the_distance() -> AbstractTarget:
    return target(lambda point: -0.5 * jnp.log1p(point**2).sum())


def two_wells(modes: Any) -> AbstractTarget:
    wells = jnp.array([[2.0, 0.0], [-2.0, 0.0]])
    log_parts = lambda point: -0.5 * jnp.sum((point - wells) ** 2, axis=1)  # noqa: E731
    shares = lambda point: jax.nn.softmax(log_parts(point))  # noqa: E731
    facts = {"modes": jnp.asarray(modes), "mode_weights": jnp.array([0.5, 0.5]), "responsibilities": shares}
    return target(lambda point: jax.nn.logsumexp(log_parts(point)), **facts)


def normal_with_reference(mean: float, sd: float, dim: int = 2) -> AbstractTarget:
    reference = {"x[0]": ReferenceMoments(mean=mean, sd=sd, mean_error=0.01, sd_error=0.01)}
    sample = lambda key, count: jax.random.normal(key, (count, dim))  # noqa: E731
    return target(dim=dim, reference=reference, sample=sample)


def single_precision_on_the_host() -> AbstractTarget:
    """Its gradient is right, and its log density carries the rounding of single precision in numbers of double."""
    density = lambda points: -1.5 * (points.astype(np.float32) ** 2).sum(-1)  # noqa: E731
    return from_numpy(density, gradient=lambda points: -3.0 * points.astype(np.float32), dim=2, scale=4.0)


TARGETS = [
    (no_scale, "region", r"scale must be finite and positive in every coordinate, got \(1, 0\)"),
    (OfVector, "log_density", r"must be a real scalar, got shape \(2,\) of float32. Sum over the coordinates"),
    (nan_in_a_corner, "log_density", r"the log density is NaN at \(.*\); expected a number, or -inf"),
    (wrong_sign, "log_density", r"the log density is \+inf at .* Check the sign"),
    (branching, "log_density", "raised TracerBoolConversionError"),
    (impure, "pure", r"the log density of one point gave two results: .* expected the same twice"),
    (drawing_from_global_numbers, "pure", r"the log density of one point gave two results"),
    (counting_on_the_host, "pure", r"the log density of one point gave two results"),
    (numpy_without_gradient, "gradient", "the gradient of the log density raised .* callback"),
    (another_in_a_batch, "vectorised", "one by one and in a large batch, is .* expected the same"),
    (half_precision, "differentiable", "is wrong: its slope along"),
    (rounded, "continuous", r"the log density jumps at \(.*\), from .* Look for rounding"),
    (with_a_step, "continuous", r"the log density jumps at \(.*\), from .* Look for rounding, comparisons"),
    (norm_at_the_centre, "differentiable", r"the gradient is not finite at \(0, 0\), .* or a norm at zero"),
    (one_coordinate_too_many, "falls_off", r"along coordinate 2: .* Check `dim` \(it is 3: are all coordinates used"),
    (pair_that_nothing_holds, "falls_off", r"does not fall off along the direction \("),
    (background, "falls_off", "hardly falls off along coordinate 0: by .* Look for a background"),
    (angle_that_nothing_holds, "falls_off", "hardly falls off along coordinate 1: by .* an angle"),
    (tails_of_one_over_the_distance, "falls_off", "hardly falls off along coordinate 0: by 4.61 between"),
    (energy_for_log_density, "falls_off", r"along coordinate 1: .* and the sign"),
    (only_double, "precision", r"in double and in single precision, is .* expected the same up to rounding"),
    (only_single, "precision", "the log density in double precision raised TypeError"),
    (wrong_gradient, "differentiable", r"the gradient at .* is wrong: its slope along .* custom_jvp"),
    (sqrt_at_zero, "differentiable", "the gradient is not finite at .* Look for sqrt, log"),
    (lambda: channels(ChangingNames), "quantities", "`quantities` must have the same names and shapes"),
    (wrong_log_z, "log_z", r"facts.log_z is 0, and quadrature .* gives 1.83788"),
    (wrong_log_z_in_5_dimensions, "log_z", r"facts.log_z is 3.67575, and a bridge .* gives 4.5\d+ \+- .* without x"),
    (same_draws_for_every_key, "exact_draws", "the same points for different keys"),
    (lambda: radius_without_jacobian(2), "draws_follow_density", "differ from quadrature by .* missing Jacobian"),
    (lambda: radius_without_jacobian(4), "draws_follow_density", "a Metropolis step, .* moves their means by"),
    (lambda: draws_of_another_mixture(0.4), "draws_follow_density", "a Metropolis step, .* moves their means by"),
    (lambda: draws_of_another_mixture(1e-9), "draws_follow_density", "a Metropolis step, .* moves their means by"),
    (variance_for_deviation, "draws_follow_density", "a Metropolis step, .* a variance for a deviation"),
    (lambda: two_wells([[5.0, 4.0], [-5.0, -4.0]]), "modes", r"\(5, 4\) as mode 0, which is less probable than all"),
    (lambda: normal_with_reference(5.0, 1.0), "reference", r"'x\[0\]' has the mean 5, and the density has .*0"),
    (lambda: normal_with_reference(0.0, 9.0, 4), "reference", r"'x\[0\]' has the deviation 9, and the density has"),
    (wrong_mode_weights, "mode_masses", r"says 0.4 for mode 0, and the mean .* by quadrature is 0.5"),
    (lambda: channels(DeafToNoise), "exact_channels", r"with 1 row of 2 and noise 0.4: between two views"),
    (lambda: channels(DeafToOffset), "exact_channels", r"with 1 row of 2 and noise 0: between two views"),
    (lambda: channels(DeafToNoise, in_4_dimensions()), "exact_channels", "exact draws sent through the channel"),
]


# --- transformations, tasks and schedulers


@dataclass(frozen=True)
class Map(AbstractTransformation):
    """The identity; what is wrong is told by the fields."""

    factor: float = 1.0
    level: float = 0.0
    says_noisy: bool = False

    @property
    def noisy(self) -> bool:
        return self.says_noisy

    def draw(self, key: Any, progress: Any, dim: int) -> OrthogonalMap:
        return OrthogonalMap(self.factor * jnp.eye(dim), jnp.asarray(self.level))


class MapFromNumpy(Map):
    random = np.random.default_rng(0)

    def draw(self, key: Any, progress: Any, dim: int) -> OrthogonalMap:
        return OrthogonalMap(jnp.eye(dim)[self.random.permutation(dim)], jnp.asarray(0.0))


class MapOfPlane(Map):
    def draw(self, key: Any, progress: Any, dim: int) -> OrthogonalMap:
        return OrthogonalMap(jnp.eye(2), jnp.asarray(0.0))


class BareMatrix(Map):
    def draw(self, key: Any, progress: Any, dim: int) -> Any:
        return jnp.eye(dim)


class DoubledInThePlane(Map):
    def draw(self, key: Any, progress: Any, dim: int) -> OrthogonalMap:
        return OrthogonalMap((2.0 if dim == 2 else 1.0) * jnp.eye(dim), jnp.asarray(0.0))


class MapOfSpace(Map):
    """One map for all particles."""

    def draw(self, key: Any, progress: Any, dim: int) -> OrthogonalMap:
        if dim % 3:
            raise ValueError("particles have three coordinates each")
        return super().draw(key, progress, dim)


class MapOfNoDimension(Map):
    def draw(self, key: Any, progress: Any, dim: int) -> OrthogonalMap:
        raise ValueError("only 17 coordinates")


class Unequal(AbstractTransformation):
    def draw(self, key: Any, progress: Any, dim: int) -> OrthogonalMap:
        return OrthogonalMap.identity(dim)


class GreedyTask(Task):
    def rows(self, dim: int) -> int:
        return dim + 1


class SkewTask(Task):
    def draw(self, key: Any, progress: Any, dim: int) -> Any:
        channel = super().draw(key, progress, dim)
        return replace(channel, matrix=channel.matrix.at[0, 0].add(0.1))


class CarelessTask(Task):
    def needs_integral(self, dim: int) -> bool:
        return False


@dataclass(frozen=True)
class Turns(AbstractScheduler):
    """The first of two tasks; what is wrong is told by subclasses."""

    @property
    def tasks(self) -> tuple[Task, ...]:
        return (Task("one", "joint", Map()), Task("two", "marginal", Map()))

    def index(self, key: Any, step: Any) -> Any:
        return step % 2

    def draw(self, key: Any, step: Any, steps: Any) -> TaskDraw:
        progress = jnp.asarray(step, float) / jnp.maximum(jnp.asarray(steps, float), 1.0)
        return TaskDraw(jnp.asarray(self.index(key, step)), jax.random.fold_in(key, step), progress)


class OneTooFar(Turns):
    def index(self, key: Any, step: Any) -> Any:
        return jnp.where(step < 100, 0, 2)


class Remembering(Turns):
    calls: ClassVar[list[Any]] = []

    def index(self, key: Any, step: Any) -> Any:
        self.calls.append(step)
        return len(self.calls) % 2


class Branching(Turns):
    def index(self, key: Any, step: Any) -> Any:
        return 0 if step < 100 else 1


class Learning(AbstractLearningScheduler):
    @property
    def tasks(self) -> tuple[Task, ...]:
        return Turns().tasks

    def begin(self) -> Any:
        return jnp.zeros(())

    def draw_with(self, memory: Any, key: jax.Array, step: jax.Array, steps: jax.Array | int) -> TaskDraw:
        return Turns().draw(key, step, steps)


class Growing(Learning):
    def learn(self, memory: Any, tasks: jax.Array, losses: jax.Array, learnt: jax.Array) -> Any:
        return jnp.where(learnt, losses, 0.0)


class Poisoned(Learning):
    def learn(self, memory: Any, tasks: jax.Array, losses: jax.Array, learnt: jax.Array) -> Any:
        return losses.mean()


class AstrayOnceLearnt(Learning):
    """Its draws are right until something was learnt."""

    def draw_with(self, memory: Any, key: jax.Array, step: jax.Array, steps: jax.Array | int) -> TaskDraw:
        drawn = Turns().draw(key, step, steps)
        return drawn._replace(task=jnp.where(memory != 0.0, 7, drawn.task))

    def learn(self, memory: Any, tasks: jax.Array, losses: jax.Array, learnt: jax.Array) -> Any:
        return memory + 1.0


class NeverDone(Turns):
    def draw(self, key: Any, step: Any, steps: Any) -> TaskDraw:
        return super().draw(key, step, steps)._replace(progress=jnp.asarray(step, float))


class NoTasks(Turns):
    @property
    def tasks(self) -> tuple[Task, ...]:
        return ()


class ListOfTasks(Turns):
    @property
    def tasks(self) -> Any:
        return [Task("one", "joint", Map())]


class FractionOfTask(Turns):
    def index(self, key: Any, step: Any) -> Any:
        return 0.5


DECISIONS = [
    (
        "transformation",
        lambda: Map(factor=1.01),
        "orthogonal",
        r"must be orthogonal, A A\^T = I; got one in dimension 1",
    ),
    ("transformation", lambda: Map(level=0.2), "noise", "`noisy` is False, and a drawn map has noise 0.2"),
    ("transformation", lambda: Map(says_noisy=True), "noise", "`noisy` is True, and none of 384 drawn maps has noise"),
    ("transformation", lambda: Map(level=-1.0, says_noisy=True), "noise", "must be finite and at least 0, got -1.0"),
    ("transformation", MapFromNumpy, "repeatable", "a draw with the same key gave two results"),
    ("transformation", MapOfPlane, "form", r"a map in dimension 1 must have shapes \(\(1, 1\), \(\)\), got"),
    ("transformation", BareMatrix, "form", r"a draw in dimension 1 must give an OrthogonalMap\(matrix, noise\), got"),
    ("transformation", DoubledInThePlane, "orthogonal", r"got one in dimension 2 that is off by 3"),
    ("transformation", Unequal, "built_alike", "are not equal: .* Make the class a frozen dataclass"),
    ("task", lambda: GreedyTask("greedy", "joint", Map()), "rows", "in dimension 1 the task looks at 2 rows"),
    ("task", lambda: SkewTask("skew", "joint", Map()), "channel", "rows of a channel must be orthonormal"),
    ("task", lambda: CarelessTask("careless", "marginal", Map()), "integral", r"needs_integral\(2\) must be True"),
    ("scheduler", NoTasks, "tasks", r"must be a tuple of at least one task, got \(\)"),
    ("scheduler", ListOfTasks, "tasks", r"must be a tuple of at least one task, got \["),
    ("scheduler", FractionOfTask, "draw", "`task` of a draw must be one scalar of integer, got shape"),
    ("scheduler", Remembering, "pure", "a draw of step 3 with the same key, in another order of steps, gave two"),
    ("scheduler", Branching, "compiled", "inside compiled code .* raised TracerBoolConversionError"),
    ("scheduler", OneTooFar, "indices", "must be a position from 0 to 1, got 2 at step 100 of 500"),
    ("scheduler", Growing, "memory", "must give a memory like that of `begin`"),
    ("scheduler", Poisoned, "memory", "must give finite numbers"),
    ("scheduler", AstrayOnceLearnt, "memory", "from 0 to 1, got 7 at step 0 of 500, with what was learnt from some"),
    ("scheduler", NeverDone, "progress", "`progress` must be from 0 to 1, got 2.0 at step 2 of 7"),
]


# --- baselines, metrics, reports and settings


@dataclass(frozen=True)
class Exact(AbstractBaseline):
    """Draws from the Gaussian of the suite; what is wrong is told by the fields."""

    spread: float = 1.0
    price: int = 1
    seed: int | None = 0
    warmup: int = 0
    weights: float | None = None
    log_z: Any = Measured(0.01, 0.01)
    extravagance: float = 1.0
    refuses: Any = AbstractBaseline.check_budget
    asks: int = 1

    def least_budget(self, target: AbstractTarget) -> int:
        return 2_000

    def run(self, target: AbstractTarget, start: Any, key: Any, budget: int | None = None) -> BaselineResult:
        self.refuses(self, target, budget)
        jax.vmap(target.log_density)(jnp.zeros((self.asks, 2))).block_until_ready()
        mixture = GaussianMixture.of(MEAN[None], COVARIANCE)
        drawn = mixture.sample(jax.random.key(np.random.default_rng(self.seed).integers(2**31)), 1000)
        points = mixture.means[0] + self.spread * (drawn - mixture.means[0])
        log_target = np.asarray(mixture.log_density(points), float)
        weights = None if self.weights is None else np.full(1000, self.weights)
        draws = Draws(np.asarray(points, float), log_target, chains=4, weights=weights)
        spent = Evaluations(gradient=int(self.price * self.extravagance * (budget or 1000)))
        result = BaselineResult(draws, spent, 0.0, 0.0, warmup=Evaluations(self.warmup))
        object.__setattr__(result, "log_z", self.log_z)  # also one of a wrong type, which is told here otherwise
        return result


def refuse_without_a_number(baseline: Exact, target: AbstractTarget, budget: int | None) -> None:
    if budget is not None and budget < baseline.least_budget(target):
        raise UserError("a small budget")


class Figures(AbstractMetric):
    """One sound figure; what is wrong is told by subclasses."""

    def figure(self, draws: Draws, key: Any) -> Any:
        return Measured(float(draws.points.mean()))

    def compute(self, draws: Draws, target: AbstractTarget, key: Any) -> dict[str, Measured]:
        return {"figure": self.figure(draws, key)}


class NotANumber(Figures):
    def figure(self, draws: Draws, key: Any) -> Any:
        return Measured(float(np.where(np.isfinite(draws.log_target), draws.log_target, np.nan).mean()))


class NoReason(Figures):
    def figure(self, draws: Draws, key: Any) -> Any:
        return Measured(None)


class NeedsDensity(Figures):
    def figure(self, draws: Draws, key: Any) -> Any:
        return Measured(float(len(draws.log_sampler)))  # pyright: ignore[reportArgumentType]


class FirstDraw(Figures):
    def figure(self, draws: Draws, key: Any) -> Any:
        return Measured(float(draws.points[0, 0]))


class InPlace(Figures):
    def figure(self, draws: Draws, key: Any) -> Any:
        draws.points.sort(axis=0)
        return Measured(float(draws.points.mean()))


class OwnRandomness(Figures):
    random = np.random.default_rng(0)

    def figure(self, draws: Draws, key: Any) -> Any:
        return Measured(float(self.random.normal()))


class Absent(Figures):
    def compute(self, draws: Draws, target: AbstractTarget, key: Any) -> dict[str, Measured]:
        return {"figure": Measured(1.0)} | ({"chains": Measured(1.0)} if draws.chains else {})


class Empty(AbstractReport):
    def write(self, run: Any, folder: Any) -> Any:
        (folder / "empty.txt").touch()
        return [folder / "empty.txt"]


class Elsewhere(AbstractReport):
    def write(self, run: Any, folder: Any) -> Any:
        return [folder.parent / "elsewhere.txt"]


class OnlySays(AbstractReport):
    def write(self, run: Any, folder: Any) -> list[Any]:
        return []

    def draw_target(self, target: Any, name: str, path: Any) -> bool:
        return True


class OnlyThePlane(AbstractReport):
    def write(self, run: Any, folder: Any) -> Any:
        horizontal, vertical = run.sampler.means.T
        return []


OUTCOMES = [
    ("baseline", lambda: Exact(spread=1.3), "moments", r"the mean of x_0\^2 .* must be 1 within 5 Monte Carlo errors"),
    ("baseline", lambda: Exact(price=0), "result", "evaluations must count what was asked of the energy"),
    ("baseline", lambda: Exact(seed=None), "repeatable", "a run with the same key gave two results"),
    ("baseline", lambda: Exact(warmup=1), "result", "warmup must be a part of evaluations"),
    ("baseline", lambda: Exact(weights=0.01), "result", "must be finite, not negative, and sum to 1; .* sum to 10"),
    ("baseline", lambda: Exact(log_z=0.0), "result", "log_z must be a Measured with its standard error"),
    ("baseline", lambda: Exact(log_z=Measured(1.0, 0.01)), "log_z", "must be 0 within 5 of its standard errors, got 1"),
    ("baseline", lambda: Exact(log_z=Measured(None)), "log_z", "a log_z without a value must say the reason"),
    ("baseline", lambda: Exact(extravagance=1.2), "budget", "with a budget of 2,000 .* evaluations counts 2,400"),
    ("baseline", lambda: Exact(extravagance=0.1), "budget", "with a budget of 2,000 .* evaluations counts 200"),
    ("baseline", lambda: Exact(asks=20_000), "counts", "counts 2,000, and the energy was asked 20,0.. times for 1,000"),
    ("baseline", lambda: Exact(refuses=lambda *_: None), "budget", "a budget of 1,999 .* was not refused"),
    ("baseline", lambda: Exact(refuses=refuse_without_a_number), "budget", "must say the least that is needed, 2,000"),
    (
        "metric",
        NotANumber,
        "figures",
        "some of which have density zero, figure 'figure' is nan; expected a finite",
    ),
    ("metric", NoReason, "figures", "on exact draws, figure 'figure' has neither a value nor a reason"),
    ("metric", NeedsDensity, "figures", "`compute` on draws without a density of their own raised TypeError"),
    ("metric", InPlace, "figures", "`compute` on exact draws raised ValueError: .* read-only"),
    ("metric", FirstDraw, "order", "for the same independent draws in another order; expected the same up to rounding"),
    ("metric", OwnRandomness, "repeatable", "figure 'figure' with the same key is"),
    ("metric", Absent, "names", r"on chains the figures are \['chains', 'figure'\], and otherwise \['figure'\]"),
    ("report", Empty, "written", "on a run in 2 dimensions returned empty.txt, which does not exist or is empty"),
    ("report", Elsewhere, "written", "expected a Path inside the folder it was given"),
    (
        "report",
        OnlySays,
        "target_drawn",
        "`draw_target` on a target in 1 dimensions returned True, and there is no file",
    ),
    ("report", OnlyThePlane, "written", "`write` on a run in 5 dimensions raised ValueError"),
    ("settings", lambda: {"componets": 3}, "valid", "did you mean 'components'"),
]


CASES = [*(("target", *case) for case in TARGETS), *DECISIONS, *OUTCOMES]


def parameters() -> Iterator[Any]:
    """Every case; beyond the second that a check has to catch, as slow tests."""
    seen = Counter[str]()
    for case in CASES:
        label = f"{case[0]}/{case[2]}"
        seen[label] += 1
        yield pytest.param(*case, id=label, marks=[pytest.mark.slow] * (seen[label] > 2))


@pytest.mark.parametrize(("kind", "build", "name", "message"), list(parameters()))
def test_a_planted_fault_is_caught_by_the_check_that_names_it(kind, build, name, message):
    found, told = first_fault(kind, build)
    assert found == name, told
    assert re.search(message, told), told


@pytest.mark.parametrize(
    ("kind", "build"),
    [
        ("transformation", Map),
        ("transformation", MapOfSpace),
        ("task", lambda: Task("one", "marginal", Map())),
        ("scheduler", Turns),
    ]
    + [("baseline", Exact), ("metric", Figures), ("target", lambda: channels(MixtureTarget, in_4_dimensions()))]
    + [("target", single_precision_on_the_host), ("target", lambda: two_wells([[2.0, 0.0], [-2.0, 0.0]]))]
    + [("target", lambda: normal_with_reference(0.0, 1.0))],
)
def test_what_the_faults_are_planted_in_is_sound(kind, build):
    assert first_fault(kind, build) == ("none", "")


def test_a_baseline_called_like_our_sampler_is_caught():
    found, told = first_fault("baseline", Exact, "biglearn")
    assert found == "own_name"
    assert "'biglearn' is that of our sampler in every comparison" in told


def test_a_transformation_of_other_dimensions_is_not_checked():
    catalogue = Catalogue(plugins={"author": plugin("transformation", lambda: MapOfNoDimension())})
    subject = Subject(catalogue, catalogue.find("transformation", "author:planted"), {})
    with pytest.raises(NotChecked, match="refuses every dimension from 1 to 6"):
        run_check(checks_of("transformation")["form"], subject)


# --- the two tests that an author gets


def test_the_first_test_tells_every_problem_of_the_plugin():
    broken = SimpleNamespace(__name__="author", biglearn_targets=hookimpl(lambda: [None]))
    test_problems, _ = conformance(broken)
    with pytest.raises(Fault, match=r"plugin 'author' \(in memory\), entry: biglearn_targets gave None, which is"):
        test_problems()


def test_the_second_test_has_a_name_for_every_check_and_skips_what_cannot_be_checked():
    _, test_entries = conformance(plugin("target", lambda: target()))
    (mark,) = test_entries.pytestmark  # pyright: ignore[reportFunctionMemberAccess]
    cases = {case.id: case.values for case in mark.args[1]}
    assert {"target/planted/builds", "target/planted/differentiable"} <= set(cases)
    test_entries(*cases["target/planted/differentiable"])
    with pytest.raises(pytest.skip.Exception, match="log Z is not declared"):
        test_entries(*cases["target/planted/log_z"])


def test_parameters_reach_the_entry():
    def build(dim: Annotated[int, "number of coordinates"] = 1) -> AbstractTarget:
        return target(dim=dim)

    _, test_entries = conformance(plugin("target", build), parameters={"planted": {"dim": 3}})
    subject, _ = test_entries.pytestmark[0].args[1][0].values  # pyright: ignore[reportFunctionMemberAccess]
    assert subject.value.dim == 3


def test_unknown_names_are_told():
    with pytest.raises(UserError, match="there is no plugin 'biglearn_target'; did you mean 'biglearn_targets'"):
        conformance("biglearn_target")
    with pytest.raises(UserError, match="plugin 'author' has no entry 'plantd'; did you mean 'planted'"):
        conformance(plugin("target", lambda: target()), parameters={"plantd": {}})


def test_the_file_of_the_working_directory_is_found_by_its_name(tmp_path, monkeypatch):
    text = """
import biglearn_sampler as bl

@bl.hookimpl
def biglearn_targets():
    return [bl.Entry(name="mine", build=lambda: bl.target(lambda x: -(x**2).sum(), dim=2, scale=1.0), summary="one")]
"""
    (tmp_path / "biglearn_plugin.py").write_text(text)
    with pytest.raises(UserError, match=r"there is no plugin 'biglearn_plugin'.*bl\.Catalogue\(files="):
        conformance("biglearn_plugin", catalogue=Catalogue())
    monkeypatch.chdir(tmp_path)
    test_problems, test_entries = conformance("biglearn_plugin")
    test_problems()
    assert "target/mine/builds" in {case.id for case in test_entries.pytestmark[0].args[1]}  # pyright: ignore[reportFunctionMemberAccess]
