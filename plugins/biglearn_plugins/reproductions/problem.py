"""A task of the tailored simulation as arrays: a view of model and target, and where its expectation is taken."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from biglearn_plugins.reproductions.nodes import Nodes, monte_carlo, quadrature
from biglearn_plugins.reproductions.tailored import target
from biglearn_plugins.reproductions.view import View
from biglearn_sampler.mixture import Channel

NODES, CONDITIONS = 40, 24
"""Of the quadratures, a side. Losses of the tailored simulation then err by less than 1e-5, and averages over
conditions by less than 1e-3: measured against twice and four times as many."""


class Problem(NamedTuple):
    """One task, or stacked ones of one shape, which share compiled code.

    Arguments:
        matrix, noise: of the channel that is looked at; of a conditional task the leading row is given.
        nodes: for the draws of each component; of a conditional task one set for each condition.
        conditions: given values with their weights; `None` unless the task is conditional.
    """

    matrix: Float[Array, "*tasks rows dim"]
    noise: Float[Array, "*tasks"]
    nodes: Nodes
    conditions: Nodes | None

    @property
    def channel(self) -> Channel:
        """The channel of one task."""
        return Channel.of(self.matrix, self.noise)


def by_quadrature(view: View) -> Problem:
    """The task with nodes of a quadrature, in the precision that is set."""
    if view.shape != "conditional":
        return Problem(view.channel.matrix, view.channel.noise, quadrature(NODES, view.channel.rows), None)
    conditions, nodes = _conditions(view, quadrature(CONDITIONS, 1)), quadrature(NODES, 1)
    points = jnp.broadcast_to(nodes.points, (len(conditions.points), NODES, 1))
    return Problem(view.channel.matrix, view.channel.noise, Nodes(points, nodes.weights), conditions)


def by_monte_carlo(view: View, key: Key[Array, ""], points: int) -> Problem:
    """The task with random nodes.

    Arguments:
        view: the task.
        key: for the draws.
        points: draws over both components together; of a conditional task conditions, each with a draw of both.
    """
    if view.shape != "conditional":
        return Problem(
            view.channel.matrix, view.channel.noise, monte_carlo(key, (points // 2, view.channel.rows)), None
        )
    key_conditions, key_points = jax.random.split(key)
    conditions = _conditions(view, monte_carlo(key_conditions, (points // 2, 1)))
    return Problem(
        view.channel.matrix, view.channel.noise, monte_carlo(key_points, (len(conditions.points), 1, 1)), conditions
    )


def _conditions(view: View, nodes: Nodes) -> Nodes:
    """Values of `y_2`: the one that the task names, or those of the target, stratified over its components."""
    if view.condition is not None:
        return Nodes(jnp.full((1, 1), view.condition), jnp.ones(1))
    law = target().mixture.through(view.channel)
    points: Float[Array, "components nodes 1"] = law.means[:, None, :1] + law.factors[:, None, :1, 0] * nodes.points
    return Nodes(points.reshape(-1, 1), jnp.tile(nodes.weights, 2) / 2.0)
