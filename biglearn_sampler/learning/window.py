"""The points of the last steps, and what an estimate says of them."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from biglearn_sampler.mixture import UnconstrainedMixture

NEVER_DRAWN = 1e30
"""Log density of the law behind the empty places of a window: their weight is zero."""


class Window(NamedTuple):
    """The points of the last steps, in a ring.

    Arguments:
        points: `x_i`.
        log_target: `log q(x_i)`.
        scores: `grad log q(x_i)`.
        log_drawn: log density, at the time of drawing, of the equal-weight mixture that drew the point.
        force: what share of its pull a point exerts when components learn alone; see `estimate_alone`.
    """

    points: Float[Array, "steps fresh dim"]
    log_target: Float[Array, "steps fresh"]
    scores: Float[Array, "steps fresh dim"]
    log_drawn: Float[Array, "steps fresh"]
    force: Float[Array, "steps fresh"]

    @classmethod
    def empty(cls, steps: int, fresh: int, dim: int) -> Window:
        """A window without points."""
        return cls(
            jnp.zeros((steps, fresh, dim)),
            jnp.zeros((steps, fresh)),
            jnp.zeros((steps, fresh, dim)),
            jnp.full((steps, fresh), NEVER_DRAWN),
            jnp.ones((steps, fresh)),
        )

    def put(
        self,
        place: Int[Array, ""],
        points: Float[Array, "fresh dim"],
        log_target: Float[Array, " fresh"],
        scores: Float[Array, "fresh dim"],
        force: Float[Array, " fresh"] | float = 1.0,
    ) -> Window:
        """The window with fresh points in one place; `log_drawn` is filled in by the estimate."""
        return self._replace(
            points=self.points.at[place].set(points),
            log_target=self.log_target.at[place].set(log_target),
            scores=self.scores.at[place].set(scores),
            force=self.force.at[place].set(force),
        )


class SharedEstimate(NamedTuple):
    """What all points together say of the joint task.

    Arguments:
        gradient: of `KL[p || q]` in the parameters, component k's multiplied by its weight, as `Matching` gives it.
        effective_size: effective number of points behind each component.
        elbo: `E_p[log q - log p]`, with the bounded cost of points of density zero.
        variance: `Var_p[log q - log p]`, likewise; zero at the optimum.
        ratios: `E_k[log p - log q]` under every component, likewise; of components that learn alone,
            `E_k[log N_k - log q]`.
        free: share of the points of every component that exert their force; 1 where all do.
    """

    gradient: UnconstrainedMixture
    effective_size: Float[Array, " components"]
    elbo: Float[Array, ""]
    variance: Float[Array, ""]
    ratios: Float[Array, " components"]
    free: Float[Array, " components"]


def by_component(leaf: Float[Array, "steps fresh *rest"], components: int) -> Float[Array, "components points *rest"]:
    """The points of every component, of all steps; in every step those of one component stand together."""
    rest = leaf.shape[2:]
    return leaf.reshape(len(leaf), components, -1, *rest).swapaxes(0, 1).reshape(components, -1, *rest)
