"""A loss over the square of `(mu1, mu2)`, and its optima."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from biglearn_plugins.reproductions.divergence import Estimate, divergence, mean_loss
from biglearn_plugins.reproductions.optima import Optimum, optima_of
from biglearn_plugins.reproductions.problem import Problem, by_monte_carlo, by_quadrature
from biglearn_plugins.reproductions.tailored import SCALE
from biglearn_plugins.reproductions.view import View

SIDE = 49
"""Points along each side of the square; -1 and 1 are among them."""

BATCH = 49


@dataclass(frozen=True)
class Surface:
    """A loss over the square.

    Arguments:
        name: of the task, or of an average of tasks.
        axis: values of `mu1`, and of `mu2`.
        values: the loss; rows are `mu2`, columns `mu1`.
        optima: all minima inside the square.
    """

    name: str
    axis: Float[np.ndarray, " side"]
    values: Float[np.ndarray, "side side"]
    optima: tuple[Optimum, ...]

    @property
    def local_optima(self) -> tuple[Optimum, ...]:
        """Minima that are not the global one."""
        return tuple(each for each in self.optima if not each.is_global)

    @property
    def global_optima(self) -> tuple[Optimum, ...]:
        """The global minimum, once for each order of the components, and what is as good."""
        return tuple(each for each in self.optima if each.is_global)


def surface_of(view: View) -> Surface:
    """The surface of one task by quadrature, in double precision."""
    return average_of(view.name, [view])


def average_of(name: str, views: Sequence[View]) -> Surface:
    """The surface of the mean of the losses of tasks of one shape."""
    with jax.enable_x64(True):
        problems = stacked(views)
        values = np.asarray(_mean_losses(_square(), problems)).reshape(SIDE, SIDE)
        return Surface(name, axis(), values, optima_of(problems, axis(), values))


def noisy_surface_of(view: View, seed: int, points: int) -> Estimate:
    """The loss of one task by Monte Carlo over the same square, with standard errors; the same draws everywhere."""
    with jax.enable_x64(True):
        found = _estimates(_square(), by_monte_carlo(view, jax.random.key(seed), points))
        return Estimate(*(each.reshape(SIDE, SIDE) for each in found))


def stacked(views: Sequence[View]) -> Problem:
    """Tasks of one shape as one problem, whose arrays have an axis more."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *map(by_quadrature, views))


def axis() -> Float[np.ndarray, " side"]:
    """Values of `mu1`, and of `mu2`."""
    return np.linspace(-SCALE, SCALE, SIDE)


def _square() -> Float[Array, "points 2"]:
    second, first = np.meshgrid(axis(), axis(), indexing="ij")
    return jnp.asarray(np.stack([first.ravel(), second.ravel()], -1))


@jax.jit
def _mean_losses(places: Float[Array, "points 2"], problems: Problem) -> Float[Array, " points"]:
    return jax.lax.map(lambda place: mean_loss(place, problems), places, batch_size=BATCH)


@jax.jit
def _estimates(places: Float[Array, "points 2"], problem: Problem) -> Estimate:
    return jax.lax.map(lambda place: divergence(place, problem), places, batch_size=BATCH)
