"""Matching the sampler with the target in one task: the reverse-KL objective and its gradient."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from biglearn_sampler.devices import ONE_DEVICE, Devices
from biglearn_sampler.energy import Evaluations
from biglearn_sampler.estimators import AbstractEstimator
from biglearn_sampler.estimators.guard import ZERO_DENSITY
from biglearn_sampler.learning.proposals import BROAD, noise_levels
from biglearn_sampler.mixture import Channel, GaussianMixture, UnconstrainedMixture, constrain
from biglearn_sampler.tasks import Task

LARGEST_SIGNAL = 1e4
"""Bounds the log ratio that weights learn from: a component in zero density is that bad, not infinitely bad."""


class TaskGradient(NamedTuple):
    """What one step learns from one task.

    Arguments:
        gradient: of the objective, in the parameters.
        loss: the objective itself, over points of positive density; infinite where no point has any.
        zero_density: number of points where the target's density was zero or not finite.
    """

    gradient: UnconstrainedMixture
    loss: Float[Array, ""]
    zero_density: Int[Array, ""]


class _Ratios(NamedTuple):
    """`log p - log q` at stratified points, with the log weights of the strata."""

    log_weights: Float[Array, "*conditions components"]
    values: Float[Array, "*conditions components points"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Matching:
    """One task on one target: minimise `KL[p(y_T | y_S) || q(y_T | y_S)]` (eq. 6 of the paper, reverse KL).

    Arguments:
        task: what is matched.
        estimator: where the target's side comes from.
        centre, scale: the declared region, in the coordinates of training; broad conditions are drawn there.
        points: draws from every component in one step, at least 1.
        devices: on which the views of a step are shared out; the answers do not depend on them.
    """

    task: Task = field(metadata={"static": True})
    estimator: AbstractEstimator
    centre: Float[Array, " dim"]
    scale: Float[Array, " dim"]
    points: int = field(metadata={"static": True})
    devices: Devices = field(default=ONE_DEVICE, metadata={"static": True})

    def gradient(
        self,
        parameters: UnconstrainedMixture,
        channel: Channel,
        key: Key[Array, ""],
        learn_weights: Float[Array, ""],
    ) -> TaskGradient:
        """The stratified path-derivative estimate of the gradient.

        `loss = sum_k w_k mean_m [log p(y_km) - log q(y_km)]`, `y_km = mu_k + L_k e`, with the parameters inside
        `log p` held constant ("sticking the landing"; Roeder, Wu & Duvenaud 2017): its variance vanishes at the
        optimum, and `mean_m [log p - log q]` is the exact signal of the weight of component k.

        Arguments:
            parameters: of the mixture.
            channel: a drawn map of the task.
            key: for the points and the conditions.
            learn_weights: 1 to learn the weights, 0 to hold them.
        """
        frozen = constrain(jax.lax.stop_gradient(parameters))
        admitted = self.estimator.admit(channel)

        def objective(moving: UnconstrainedMixture) -> tuple[Float[Array, ""], TaskGradient]:
            held = jax.lax.stop_gradient(moving.logits)
            logits = held + learn_weights * (moving.logits - held)
            mixture = constrain(moving._replace(logits=logits))
            ratios = self._ratios(mixture, frozen, admitted, key)
            return _surrogate(ratios)

        gradient, told = jax.grad(objective, has_aux=True)(parameters)
        return told._replace(gradient=gradient)

    def price(self, components: int) -> Evaluations:
        """What one step costs."""
        return self.estimator.price(components * self.points)

    def _ratios(
        self, moving: GaussianMixture, frozen: GaussianMixture, channel: Channel, key: Key[Array, ""]
    ) -> _Ratios:
        if self.task.given_rows(moving.dim) > 0:
            return self._conditional(moving.through(channel), frozen, channel, key)
        if not self.task.needs_integral(moving.dim):
            identity = Channel.of(jnp.eye(moving.dim, dtype=moving.means.dtype))
            return self._unconditional(moving, frozen, identity, key)
        return self._unconditional(moving.through(channel), frozen.through(channel), channel, key)

    def _unconditional(
        self, image: GaussianMixture, frozen: GaussianMixture, channel: Channel, key: Key[Array, ""]
    ) -> _Ratios:
        """Joint and marginal tasks. The joint one looks at the mixture itself, since a rotation changes nothing."""
        views = image.stratified(key, self.points)
        target_side = self._target_side(channel, views.reshape(-1, channel.rows))
        return _Ratios(image.log_weights, frozen.log_density(views) - target_side.reshape(views.shape[:2]))

    def _target_side(self, channel: Channel, views: Float[Array, "count rows"]) -> Float[Array, " count"]:
        return self.devices.asked(partial(self.estimator.log_density, channel))(views)

    def _conditional(
        self, image: GaussianMixture, frozen: GaussianMixture, channel: Channel, key: Key[Array, ""]
    ) -> _Ratios:
        """Conditional tasks: `points` values of `y_S`, and under each one draw of `y_T` from every component."""
        frozen_image = frozen.through(channel)
        key_conditions, key_points = jax.random.split(key)

        def of_one_condition(known: Float[Array, " given"], key: Key[Array, ""]) -> _Ratios:
            law, frozen_law = image.given_leading(known), frozen_image.given_leading(known)
            unknown = law.stratified(key, 1)[:, 0]
            views = jnp.concatenate([jnp.tile(known, (law.components, 1)), unknown], -1)
            ratios = frozen_law.log_density(unknown) - self._target_side(channel, views)
            return _Ratios(law.log_weights, ratios[:, None])

        conditions = self._conditions(frozen, channel, key_conditions)
        return jax.vmap(of_one_condition)(conditions, jax.random.split(key_points, self.points))

    def _conditions(
        self, frozen: GaussianMixture, channel: Channel, key: Key[Array, ""]
    ) -> Float[Array, "points given"]:
        """Values of `y_S`: the views of points from where the task says."""
        key_origin, key_noise = jax.random.split(key)
        views = channel.mean(self._origins(frozen, key_origin))
        views = views + channel.noise * jax.random.normal(key_noise, views.shape)
        return views[:, : self.task.given_rows(frozen.dim)]

    def _origins(self, frozen: GaussianMixture, key: Key[Array, ""]) -> Float[Array, "points dim"]:
        """Points of which conditions are the views: of the sampler, of noised samplers, or around the region."""
        if self.task.condition == "sampler":
            return frozen.sample(key, self.points)
        shape = (self.points, frozen.dim)
        if self.task.condition == "broad":
            return self.centre + BROAD * self.scale * jax.random.normal(key, shape)
        key_draw, key_level, key_noise = jax.random.split(key, 3)
        noise = noise_levels(key_level, (self.points, 1)) * self.scale
        return frozen.sample(key_draw, self.points) + noise * jax.random.normal(key_noise, shape)


def _surrogate(ratios: _Ratios) -> tuple[Float[Array, ""], TaskGradient]:
    """A value whose gradient is the estimator: the path of the points, plus the balance of the weights."""
    weights = jnp.exp(ratios.log_weights)
    positive = ratios.values < -0.5 * ZERO_DENSITY
    per_component = jnp.where(positive, ratios.values, 0.0).mean(-1)
    # Counted from the smallest, since log q is known up to a constant, of any size; weights sum to one, so that no
    # constant changes the gradient.
    held = jax.lax.stop_gradient(ratios.values)
    above = held - held.min((-2, -1), keepdims=True)
    signal = jnp.minimum(above, LARGEST_SIGNAL).mean(-1)
    path = (jax.lax.stop_gradient(weights) * per_component).sum(-1).mean()
    balance = (weights * signal).sum(-1).mean()
    nothing = UnconstrainedMixture(*[jnp.zeros(())] * 4)
    return path + balance, TaskGradient(nothing, _loss(jax.lax.stop_gradient(ratios), positive), (~positive).sum())


def _loss(ratios: _Ratios, positive: Bool[Array, "*conditions components points"]) -> Float[Array, ""]:
    """The mean over points of positive density, every stratum by its weight; those without such a point have none.

    Divided by all points it would be a share of itself, and of `log Z`, that depends on how many were left out.
    """
    count = positive.sum(-1)
    means = jnp.where(positive, ratios.values, 0.0).sum(-1) / jnp.maximum(count, 1)
    weights = jnp.where(count > 0, jnp.exp(ratios.log_weights), 0.0)
    total = weights.sum()
    return jnp.where(total > 0.0, (weights * means).sum() / jnp.where(total > 0.0, total, 1.0), jnp.inf)
