"""One path of L-BFGS towards a mode, and the best of the normal laws that BlackJAX reads off it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key

from biglearn_plugins.baselines.standardised import Standardised
from biglearn_sampler.energy import Evaluations

LONGEST_SEARCH = 20
"""Gradients of one line search at most, as in `optax.lbfgs`."""

FLAT = 1e-8
"""The length of a gradient at which a path has arrived."""

QUICK_TO_COMPILE = {"xla_backend_optimization_level": 1}
"""Iterations are few."""

GAIN = 1e-5
"""Relative gain of an iteration below which a path has arrived, as in BlackJAX."""


@dataclass(frozen=True)
class Route:
    """How a path is followed.

    Arguments:
        iterations: of L-BFGS at most.
        history: pairs of steps and changes of the gradient that a covariance is made of.
        elbo_draws: points at which the energy is asked for the ELBO of each normal law.
        price: of a gradient.
    """

    iterations: int
    history: int
    elbo_draws: int
    price: Evaluations

    @property
    def longest_iteration(self) -> int:
        """Evaluations that no iteration exceeds."""
        return LONGEST_SEARCH * self.price.total + self.elbo_draws

    @property
    def least(self) -> int:
        """Evaluations with which a path has one iteration."""
        return self.price.total + self.longest_iteration


class Law(NamedTuple):
    """`N(centre, diag(alpha) + beta gamma beta^T)`, with the estimate of its ELBO."""

    elbo: Float[Array, ""]
    centre: Float[Array, " dim"]
    alpha: Float[Array, " dim"]
    beta: Float[Array, "dim pairs"]
    gamma: Float[Array, "pairs pairs"]


class Asked(NamedTuple):
    """What a path has cost."""

    gradients: Int[Array, ""]
    energies: Int[Array, ""]

    def total(self, price: Evaluations) -> Int[Array, ""]:
        """As a budget counts it."""
        return self.energies + price.total * self.gradients


class Walk(NamedTuple):
    """A path so far.

    Arguments:
        point, value, gradient: where it is, and the energy there.
        solver: state of L-BFGS.
        steps, changes: the last pairs, each scaled such that `s . y = 1`; zero where there is none yet.
        alpha: diagonal of the first approximation of the covariance.
        best: the best law so far.
        asked: what it has cost.
        iteration: number of iterations.
        arrived: whether nothing more is to be gained.
    """

    point: Float[Array, " dim"]
    value: Float[Array, ""]
    gradient: Float[Array, " dim"]
    solver: Any
    steps: Float[Array, "history dim"]
    changes: Float[Array, "history dim"]
    alpha: Float[Array, " dim"]
    best: Law
    asked: Asked
    iteration: Int[Array, ""]
    arrived: Bool[Array, ""]


# Compiled once for each route and form of target. Paths are followed one after another: side by side each would pay for
# the longest of all line searches, and linear algebra in batches is slow to compile.
@partial(jax.jit, static_argnums=(0, 1), compiler_options=QUICK_TO_COMPILE)
def followed(
    route: Route,
    form: Any,
    arrays: list[Array],
    first: Float[Array, " dim"],
    key: Key[Array, ""],
    allowance: Int[Array, ""],
) -> tuple[Law, Asked]:
    """The best law on a path, and its cost; the ELBO is `-inf` where there is no law at all.

    Arguments:
        route: how to follow the path.
        form, arrays: the standardised target as `jax.tree.flatten` gives it.
        first: where the path begins.
        key: of the draws for ELBOs.
        allowance: evaluations, at least `route.least`.
    """
    space: Standardised = jax.tree.unflatten(form, arrays)

    def energy(point: Float[Array, " dim"]) -> Float[Array, ""]:
        return -space.log_density(point)

    def goes_on(walk: Walk) -> Bool[Array, ""]:
        room = walk.asked.total(route.price) + route.longest_iteration <= allowance
        return ~walk.arrived & room & (walk.iteration < route.iterations)

    def step(walk: Walk) -> Walk:
        moved = _moved(route, energy, walk)
        law = _law(route, energy, moved, jax.random.fold_in(key, walk.iteration))
        best = jax.tree.map(partial(jnp.where, law.elbo > walk.best.elbo), law, walk.best)
        asked = moved.asked._replace(energies=moved.asked.energies + route.elbo_draws)
        return moved._replace(best=best, asked=asked, iteration=walk.iteration + 1)

    walk = jax.lax.while_loop(goes_on, step, _begun(route, energy, first))
    return walk.best, walk.asked


def _begun(route: Route, energy: Any, first: Float[Array, " dim"]) -> Walk:
    value, gradient = jax.value_and_grad(energy)(first)
    none, nowhere = jnp.asarray(0), jnp.zeros((route.history, len(first)), first.dtype)
    pairs = 2 * route.history
    law = Law(
        jnp.asarray(-jnp.inf, first.dtype),
        first,
        jnp.ones_like(first),
        jnp.zeros((len(first), pairs), first.dtype),
        jnp.zeros((pairs, pairs), first.dtype),
    )
    flat = jnp.linalg.norm(gradient) <= FLAT
    solver = _solver(route).init(first)
    return Walk(
        first, value, gradient, solver, nowhere, nowhere, law.alpha, law, Asked(none + 1, none), none, arrived=flat
    )


def _solver(route: Route) -> optax.GradientTransformationExtraArgs:
    search = optax.scale_by_zoom_linesearch(LONGEST_SEARCH, initial_guess_strategy="one")
    return optax.lbfgs(memory_size=route.history, linesearch=search)


def _moved(route: Route, energy: Any, walk: Walk) -> Walk:
    """One iteration of L-BFGS: a direction, and a line search whose gradients are all that it asks."""
    from blackjax.optimizers.lbfgs import lbfgs_recover_alpha  # pyright: ignore[reportMissingImports]

    updates, solver = _solver(route).update(
        walk.gradient, walk.solver, walk.point, value=walk.value, grad=walk.gradient, value_fn=energy
    )
    search: Any = solver[-1]  # pyright: ignore[reportIndexIssue]
    step, change = jnp.asarray(updates), search.grad - walk.gradient
    alpha, usable = lbfgs_recover_alpha(walk.alpha, step, change)
    # BlackJAX adds a constant to what it inverts; pairs of size one do not feel it.
    size = jnp.sqrt(jnp.where(usable[0], step @ change, 1.0))
    steps, changes = (
        jnp.where(usable[0], jnp.roll(pairs, -1, 0).at[-1].set(pair / size), pairs)
        for pairs, pair in ((walk.steps, step), (walk.changes, change))
    )
    gain = jnp.abs(walk.value - search.value)
    size_of_value = jnp.maximum(jnp.maximum(jnp.abs(walk.value), jnp.abs(search.value)), 1.0)
    return walk._replace(
        point=walk.point + step,
        value=search.value,
        gradient=search.grad,
        solver=solver,
        steps=steps,
        changes=changes,
        alpha=alpha,
        asked=walk.asked._replace(gradients=walk.asked.gradients + search.info.num_linesearch_steps),
        # Written such that NaN has arrived as well.
        arrived=~((gain > GAIN * size_of_value) & (jnp.linalg.norm(search.grad) > FLAT)),
    )


def _law(route: Route, energy: Any, walk: Walk, key: Key[Array, ""]) -> Law:
    """The normal law at a point of the path, with an estimate of its ELBO."""
    from blackjax.optimizers import lbfgs  # pyright: ignore[reportMissingImports]

    beta, gamma = lbfgs.lbfgs_inverse_hessian_factors(walk.steps.T, walk.changes.T, walk.alpha)
    uphill = -walk.gradient
    points, log_law = lbfgs.bfgs_sample(key, route.elbo_draws, walk.point, uphill, walk.alpha, beta, gamma)
    elbo = (-jax.vmap(energy)(points) - log_law).mean()
    centre = walk.point + walk.alpha * uphill + beta @ (gamma @ (beta.T @ uphill))
    usable = jnp.isfinite(elbo) & jnp.isfinite(centre).all()
    return Law(jnp.where(usable, elbo, -jnp.inf), centre, walk.alpha, beta, gamma)
