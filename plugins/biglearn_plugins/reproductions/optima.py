"""The minima of a loss over the square of `(mu1, mu2)`: lowest points of a grid, followed by Newton's method."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from biglearn_plugins.reproductions.divergence import mean_loss
from biglearn_plugins.reproductions.problem import Problem
from biglearn_plugins.reproductions.tailored import GLOBAL_OPTIMA, SCALE

NEWTON_STEPS, LONGEST_STEP = 20, 0.1
CANDIDATES = 16
"""Starts that are followed, always as many, so that the code is compiled once."""

ASIDE = (1e-3, -1e-3)
"""To both sides of a grid point: on the diagonal, no slope leads away from a saddle."""

FLATTEST, SLOPE, NEAR = 1e-7, 1e-7, 1e-2
"""Least curvature and largest slope of a minimum; points nearer than the last are one."""

AS_GOOD = 1e-4
"""Nats of loss, which is zero at the global optimum, from which a minimum is another one: less is no trap."""


@dataclass(frozen=True)
class Optimum:
    """A minimum.

    Arguments:
        place: `(mu1, mu2)`.
        loss: there.
        curvature: the smaller eigenvalue of the Hessian.
    """

    place: tuple[float, float]
    loss: float
    curvature: float

    @property
    def is_global(self) -> bool:
        """Whether model and target are one here, or so near to it that the loss does not tell them apart."""
        return self.loss < AS_GOOD or any(np.hypot(*np.subtract(self.place, each)) < NEAR for each in GLOBAL_OPTIMA)


def optima_of(
    problems: Problem, axis: Float[np.ndarray, " side"], values: Float[np.ndarray, "side side"]
) -> tuple[Optimum, ...]:
    """All minima inside the square where the loss is curved in every direction.

    Arguments:
        problems: stacked tasks.
        axis: values of `mu1`, and of `mu2`.
        values: the mean loss; rows are `mu2`, columns `mu1`.
    """
    rows, columns = np.nonzero(_lowest_of_neighbours(values))
    if not len(rows):
        return ()
    lowest = np.argsort(values[rows, columns])[: CANDIDATES // 2]
    places = np.stack([axis[columns], axis[rows]], -1)[lowest]
    starts = np.concatenate([places + ASIDE, places - ASIDE])
    padded = jnp.asarray(starts[np.arange(CANDIDATES) % len(starts)])
    return _distinct(*map(np.asarray, _followed(padded, problems)))


def _lowest_of_neighbours(values: Float[np.ndarray, "side side"]) -> Bool[np.ndarray, "side side"]:
    """Where no neighbour is lower, away from the border."""
    windows = np.lib.stride_tricks.sliding_window_view(values, (3, 3))
    return np.pad(values[1:-1, 1:-1] <= windows.min((-2, -1)), 1)


@jax.jit
def _followed(starts: Float[Array, "starts 2"], problems: Problem) -> tuple[Array, Array, Array, Array]:
    """Where Newton's method leads, with loss, slope and curvature there."""

    def loss(place: Float[Array, " pair"]) -> Float[Array, ""]:
        return mean_loss(place, problems)

    def follow(place: Float[Array, " pair"]) -> tuple[Array, Array, Array, Array]:
        def step(_: Int[Array, ""], at: Float[Array, " pair"]) -> Float[Array, " pair"]:
            return at + _downhill(jax.grad(loss)(at), jax.hessian(loss)(at))

        end = jax.lax.fori_loop(0, NEWTON_STEPS, step, place)
        slope = jnp.linalg.norm(jax.grad(loss)(end))
        return end, loss(end), slope, jnp.linalg.eigvalsh(jax.hessian(loss)(end))[0]

    return jax.lax.map(follow, starts)


def _downhill(slope: Float[Array, " pair"], hessian: Float[Array, "2 2"]) -> Float[Array, " pair"]:
    """Newton's step with the sizes of the curvatures, so that it leaves saddles and tops (Dauphin et al. 2014)."""
    curvatures, directions = jnp.linalg.eigh(hessian)
    sizes = jnp.maximum(abs(curvatures), FLATTEST)
    step = -directions @ ((directions.T @ slope) / sizes)
    return step * jnp.minimum(1.0, LONGEST_STEP / jnp.maximum(jnp.linalg.norm(step), LONGEST_STEP))


def _distinct(
    places: Float[np.ndarray, "starts 2"],
    losses: Float[np.ndarray, " starts"],
    slopes: Float[np.ndarray, " starts"],
    curvatures: Float[np.ndarray, " starts"],
) -> tuple[Optimum, ...]:
    found: list[Optimum] = []
    good = (slopes < SLOPE) & (curvatures > FLATTEST) & (abs(places).max(-1) < SCALE)
    for index in np.flatnonzero(good):
        place = (float(places[index, 0]), float(places[index, 1]))
        if all(np.hypot(*np.subtract(place, each.place)) >= NEAR for each in found):
            found.append(Optimum(place, float(losses[index]), float(curvatures[index])))
    return tuple(found)
