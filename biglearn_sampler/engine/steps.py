"""Stretches of natural-gradient steps as pure compiled functions: all components together, or each for itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.scipy.special import logsumexp
from jaxtyping import Array, Bool, Float, Int, Key

from biglearn_sampler.engine.archive import NEWS, Archive
from biglearn_sampler.engine.rules import Rules
from biglearn_sampler.engine.shapes import on_device
from biglearn_sampler.estimators.guard import ZERO_DENSITY
from biglearn_sampler.learning.component_sums import log_densities
from biglearn_sampler.learning.natural import clip_by_fisher_norm, natural_gradient, scale_by_sample_size
from biglearn_sampler.learning.points_apart import estimate_apart
from biglearn_sampler.learning.shared_points import estimate, estimate_alone
from biglearn_sampler.learning.window import SharedEstimate, Window, by_component
from biglearn_sampler.mixture import GaussianMixture, UnconstrainedMixture, constrain, unconstrain

ValueAndScore = Callable[[Float[Array, "fresh dim"]], tuple[Float[Array, " fresh"], Float[Array, "fresh dim"]]]
"""`log q` and its gradient at many points."""

LEAST_LOG_WEIGHT = -20.0
"""A weight below it does not matter, and must be able to come back."""

LEAST_GROWTH = -0.8
"""A width shrinks to a fifth in one step at most. Widths follow `L (1 + s)`, not `L exp(s)`: the noise of the steps
then errs towards narrow components, which reverse KL forgives, and not towards wide ones, which it does not."""

NARROW_DIMENSION = 16
"""Up to here searchers learn from one another's points; in more dimensions they do not meet often enough to pay."""

WIDE_DIMENSION = 8.0
"""From here on the trust region of a searcher grows with the square root of the dimension, as distances do."""


SEEN_EACH = 2
"""Points of every searcher that are remembered of a round."""


class Pace(NamedTuple):
    """The speed of a stretch of steps, annealed by `share = f + (1 - f) (1 + cos(pi t / n)) / 2`.

    Arguments:
        first, length: number of the first step, and of all steps over which the rates anneal.
        final: `f`, the share of the rates left at the end; 1 for no annealing.
        radius: of the trust region, in the Fisher metric; it shrinks with the square root of the share.
        weight_rate: of log weights, likewise; 0 holds the weights.
        rate: share of the learning rate with which the stretch begins.
    """

    first: float | Array = 0.0
    length: float | Array = 1.0
    final: float | Array = 1.0
    radius: float | Array = 1.0
    weight_rate: float | Array = 0.0
    rate: float | Array = 1.0


class Trace(NamedTuple):
    """What the steps reported, one row for each.

    Arguments:
        elbo, variance: of `log q - log p` under the sampler.
        ratios: `E_k[log p - log q]` of every component; of searchers, `E_k[log N_k - log q]`.
        zero_density: points without density.
        free: share of the points of every component that are not explained by known modes.
    """

    elbo: Float[Array, " steps"]
    variance: Float[Array, " steps"]
    ratios: Float[Array, "steps components"]
    zero_density: Int[Array, " steps"]
    free: Float[Array, "steps components"]


class Seen(NamedTuple):
    """Points that searchers met on their way: those of every searcher that surprise most.

    Arguments:
        points, log_target: where they are, and `log q` there.
        surprise: above 1 where the known modes do not explain the target; see `Archive.surprise`.
    """

    points: Float[Array, "seen dim"]
    log_target: Float[Array, " seen"]
    surprise: Float[Array, " seen"]


class Held(NamedTuple):
    """The known modes as compiled code takes them: padded to a fixed number, so that a new one compiles nothing.

    Arguments:
        means, inverse: of the modes.
        evidence: of the modes; very low for the padding.
        peak: log density at the highest one.
        slack: share of the depth below it by which they may fail to explain the target.
    """

    means: Float[Array, "most dim"]
    inverse: Float[Array, "most dim dim"]
    evidence: Float[Array, " most"]
    peak: Float[Array, ""]
    slack: Float[Array, ""]

    @classmethod
    def of(cls, archive: Archive, most: int) -> Held:
        """The modes of an archive, and places for more."""
        count, dim = archive.count, archive.dim
        means, inverse = np.zeros((most, dim)), np.tile(np.eye(dim), (most, 1, 1))
        evidence = np.full(most, ZERO_DENSITY)
        if count:
            means[:count], inverse[:count] = archive.means, np.linalg.inv(archive.factors)
            evidence[:count] = archive.evidence
        return cls(*(on_device(array) for array in (means, inverse, evidence, archive.peak, archive.slack)))

    def surprise(self, points: Float[Array, "fresh dim"], log_target: Float[Array, " fresh"]) -> Float[Array, " fresh"]:
        """Above 1 where the known modes do not explain the target; see `Archive.surprise`."""
        log_known = logsumexp(log_densities(points, self.means, self.inverse) + self.evidence, -1)
        return (log_target - log_known) / (NEWS + self.slack * jnp.maximum(self.peak - log_target, 0.0))


def joint_steps(
    value_and_score: ValueAndScore,
    rules: Rules,
    mixture: GaussianMixture,
    key: Key[Array, ""],
    pace: Pace,
    count: int,
    window: int,
    fresh_points: int,
    placed: Callable[[UnconstrainedMixture], UnconstrainedMixture] = lambda parameters: parameters,
) -> tuple[GaussianMixture, Trace]:
    """`count` steps of the joint task on all components, which share the points of `window` steps.

    `placed` says where parameters are kept, if not all together.
    """

    def estimated(mixture: GaussianMixture, held: Window, newest: Int[Array, ""]) -> tuple[SharedEstimate, Window]:
        return estimate(mixture, held, newest)

    def surprise(points: Float[Array, "fresh dim"], values: Float[Array, " fresh"]) -> Float[Array, " fresh"]:
        return jnp.full_like(values, jnp.inf)

    after, trace, _ = _scan(
        value_and_score, rules, mixture, key, pace, count, window, fresh_points, surprise, estimated, placed
    )
    return after, trace


def search_steps(
    value_and_score: ValueAndScore,
    rules: Rules,
    mixture: GaussianMixture,
    held: Held,
    unmoved: Bool[Array, " components"],
    key: Key[Array, ""],
    count: int,
    window: int,
) -> tuple[GaussianMixture, Trace, Seen]:
    """`count` steps in which every component looks for a mode by itself, past those that are held."""
    pace = Pace(radius=max(1.0, (mixture.dim / WIDE_DIMENSION) ** 0.5))

    def estimated(mixture: GaussianMixture, window: Window, newest: Int[Array, ""]) -> tuple[SharedEstimate, Window]:
        alone = estimate_alone if mixture.dim <= NARROW_DIMENSION else estimate_apart
        return alone(mixture, window, newest, unmoved)

    fresh = rules.fresh_points
    after, trace, seen = _scan(
        value_and_score, rules, mixture, key, pace, count, window, fresh, held.surprise, estimated
    )
    return after, trace, _most_surprising(seen, mixture.components)


def _most_surprising(seen: Seen, components: int) -> Seen:
    """Of all steps, the `SEEN_EACH` points of every searcher that surprise most."""
    points, log_target, surprise = (by_component(leaf, components) for leaf in seen)
    highest, where = jax.lax.top_k(surprise, SEEN_EACH)
    return Seen(jnp.take_along_axis(points, where[..., None], 1), jnp.take_along_axis(log_target, where, 1), highest)


def fresh_components(components: int, fresh_points: int) -> int:
    """Components that draw in a step, two points or more each; with one point for each, two halves draw by turns.

    All draw where there are no halves: whoever draws less than others is missed by the law of the points.
    """
    return components // 2 if fresh_points == 1 and components % 2 == 0 else components


def _scan(
    value_and_score: ValueAndScore,
    rules: Rules,
    mixture: GaussianMixture,
    key: Key[Array, ""],
    pace: Pace,
    count: int,
    window: int,
    fresh_points: int,
    surprise: Callable[[Float[Array, "fresh dim"], Float[Array, " fresh"]], Float[Array, " fresh"]],
    estimated: Callable[[GaussianMixture, Window, Int[Array, ""]], tuple[SharedEstimate, Window]],
    placed: Callable[[UnconstrainedMixture], UnconstrainedMixture] = lambda parameters: parameters,
) -> tuple[GaussianMixture, Trace, Seen]:
    def step(
        carry: tuple[UnconstrainedMixture, Window], number: Int[Array, ""]
    ) -> tuple[tuple[UnconstrainedMixture, Window], tuple[Trace, Seen]]:
        parameters, held = carry
        parameters = placed(parameters)
        mixture = constrain(parameters)
        points = _antithetic(mixture, jax.random.fold_in(key, number), drawing, each, number)
        values, scores = value_and_score(points)
        newest = number % window
        surprises = surprise(points, values)
        force = (surprises > 1.0).astype(values.dtype)
        told, held = estimated(mixture, held.put(newest, points, values, scores, force), newest)
        parameters = _updated(parameters, told, pace, number, rules.learning_rate * pace.rate)
        zero_density = (values <= ZERO_DENSITY).sum()
        trace = Trace(told.elbo, told.variance, told.ratios, zero_density, told.free)
        return (parameters, held), (trace, Seen(points, values, surprises))

    drawing, each = fresh_components(mixture.components, fresh_points), max(fresh_points, 2)
    empty = Window.empty(window, drawing * each, mixture.dim)
    (parameters, _), (trace, seen) = jax.lax.scan(step, (unconstrain(mixture), empty), jnp.arange(count))
    return constrain(parameters), trace, seen


def _antithetic(
    mixture: GaussianMixture, key: Key[Array, ""], drawing: int, each: int, number: Int[Array, ""]
) -> Float[Array, "fresh dim"]:
    """`each` points in pairs `mu_k +- L_k e`, so that odd errors cancel, of the components whose turn it is."""
    first = (number % (mixture.components // drawing)) * drawing
    means = jax.lax.dynamic_slice_in_dim(mixture.means, first, drawing)
    factors = jax.lax.dynamic_slice_in_dim(mixture.factors, first, drawing)
    noise = jax.random.normal(key, (drawing, -(-each // 2), mixture.dim))
    noise = jnp.concatenate([noise, -noise], 1)[:, :each]
    return (means[:, None] + jnp.einsum("kij,kmj->kmi", factors, noise)).reshape(-1, mixture.dim)


def _updated(
    parameters: UnconstrainedMixture,
    told: SharedEstimate,
    pace: Pace,
    number: Int[Array, ""],
    learning_rate: float | Array,
) -> UnconstrainedMixture:
    """One natural step with the rates of this moment; weights never fall below the least."""
    cosine = 0.5 * (1.0 + jnp.cos(jnp.pi * (pace.first + number) / pace.length))
    share = pace.final + (1.0 - pace.final) * cosine
    chain = optax.chain(
        natural_gradient(),
        scale_by_sample_size(),
        _descend(learning_rate * share, pace.weight_rate * jnp.sqrt(share)),
        clip_by_fisher_norm(pace.radius * jnp.sqrt(share)),
    )
    updates, _ = chain.update(told.gradient, chain.init(parameters), parameters, effective_size=told.effective_size)
    step: UnconstrainedMixture = updates  # pyright: ignore[reportAssignmentType]
    step = step._replace(log_diagonals=jnp.log1p(jnp.maximum(step.log_diagonals, LEAST_GROWTH)))
    moved: UnconstrainedMixture = optax.apply_updates(parameters, step)  # pyright: ignore[reportAssignmentType]
    return moved._replace(logits=jnp.maximum(jax.nn.log_softmax(moved.logits), LEAST_LOG_WEIGHT))


def _descend(rate: Float[Array, ""], weight_rate: Float[Array, ""]) -> optax.GradientTransformation:
    """Components at one rate, log weights at another."""

    def scaled(updates: optax.Updates, params: optax.Params | None) -> UnconstrainedMixture:
        step: UnconstrainedMixture = updates  # pyright: ignore[reportAssignmentType]
        return jax.tree.map(lambda leaf: -rate * leaf, step)._replace(logits=-weight_rate * step.logits)

    return optax.stateless(scaled)  # pyright: ignore[reportArgumentType]
