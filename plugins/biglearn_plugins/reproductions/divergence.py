"""The loss of a task: the reverse KL divergence of the view of the model from the view of the target."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from biglearn_plugins.reproductions.nodes import Nodes
from biglearn_plugins.reproductions.problem import Problem
from biglearn_plugins.reproductions.tailored import model, target
from biglearn_sampler.mixture import GaussianMixture


class Estimate(NamedTuple):
    """A loss with its standard error.

    Arguments:
        loss: the estimate.
        standard_error: of random nodes; of a quadrature it means nothing.
    """

    loss: Float[Array, ""]
    standard_error: Float[Array, ""]


def divergence(parameters: Float[Array, " pair"], problem: Problem) -> Estimate:
    """`KL[p(y_T | y_S) || q(y_T | y_S)]` at `(mu1, mu2)`, averaged over the conditions if there are any."""
    image, truth = model(parameters).through(problem.channel), target().mixture.through(problem.channel)
    if problem.conditions is None:
        return _between(image, truth, problem.nodes)

    def given(condition: Float[Array, " given"], points: Float[Array, "nodes 1"]) -> Estimate:
        nodes = Nodes(points, problem.nodes.weights)
        return _between(image.given_leading(condition), truth.given_leading(condition), nodes)

    weights = problem.conditions.weights
    each = jax.vmap(given)(problem.conditions.points, problem.nodes.points).loss
    loss = weights @ each
    return Estimate(loss, jnp.sqrt(weights**2 @ (each - loss) ** 2))


def mean_loss(parameters: Float[Array, " pair"], problems: Problem) -> Float[Array, ""]:
    """The mean of the losses of stacked tasks: what one step on each in turn descends."""
    return jax.vmap(divergence, in_axes=(None, 0))(parameters, problems).loss.mean()


def _between(law: GaussianMixture, truth: GaussianMixture, nodes: Nodes) -> Estimate:
    """`sum_k w_k E[log p(y_k) - log q(y_k)]`, `y_k = mu_k + L_k e`, as `Matching` has it."""
    points = law.means[:, None] + jnp.einsum("kij,mj->kmi", law.factors, nodes.points)
    ratios = law.log_density(points) - truth.log_density(points)
    # All components have the same nodes, and with them their errors.
    terms = law.weights @ ratios
    loss = terms @ nodes.weights
    return Estimate(loss, jnp.sqrt((terms - loss) ** 2 @ nodes.weights**2))
