"""Multi-path Pathfinder: paths from the start region, their laws as a mixture, draws by Pareto-smoothed weights."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from scipy.special import logsumexp

from biglearn_plugins.baselines.extra import needs_blackjax
from biglearn_plugins.baselines.gmmvi.components import Components
from biglearn_plugins.baselines.pathfinder.path import Law, Route, followed
from biglearn_plugins.baselines.standardised import Standardised
from biglearn_plugins.metrics.khat import heavy_tail
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import AbstractTarget, Evaluations
from biglearn_sampler.errors import RunFailed
from biglearn_sampler.estimators.guard import ZERO_DENSITY, guarded
from biglearn_sampler.evaluation import AbstractBaseline, BaselineResult, Draws, Measured
from biglearn_sampler.evaluation.resampling import systematic
from biglearn_sampler.importance import pareto_smooth, resolution_of, rounding_of
from biglearn_sampler.learning.start import StartRegion

BATCH = 500
"""Candidates that are asked at once."""

TOGETHER = 20
"""Batches of which the mixture's density is computed at once."""

CANDIDATES = 10
"""As many times as many candidates as draws, without a budget."""

MOST_NUMBERS = 20_000_000
"""Entries of all covariances together, in many dimensions."""

NARROWEST = 1e-12
"""Least eigenvalue of a covariance, relative to its diagonal part."""


@dataclass(frozen=True)
class Pathfinder(AbstractBaseline):
    """Draws out of candidates from normal laws, each the best by its ELBO on the path of L-BFGS from a random point.

    Paths begin in the start region, in whose deviations they move. With a budget, half of it goes to paths at most,
    and all that is left to candidates. Candidates come from the mixture of all laws; draws are chosen among them by
    Pareto-smoothed weights `q(x) / mixture(x)`. The published algorithm divides by the law of the candidate's own path,
    so that a mode counts once for each path that ends there; and BlackJAX 1.7.1 shifts laws to the wrong side of their
    points. The covariances are BlackJAX's, the paths optax's, whose line search says what it asks.

    `evaluations` counts the gradients of line searches, the energies for ELBOs and one energy for each candidate.
    `log_z` is the logarithm of the mean weight. `notes` has `paths`, the `elbo` of the mixture, the effective share
    `ess` of the candidates and how many draws are `distinct`, and `khat` where there is one: above 0.7 the draws and
    `log_z` are not to be trusted.

    Arguments:
        paths: without a budget.
        most: paths with a budget, at most.
        iterations: of a path, at most.
        history: pairs that a covariance is made of.
        elbo_draws: for the ELBO of each law.
        draws: chosen among the candidates.

    Reference: Zhang, Carpenter, Gelman & Vehtari, JMLR 23 (2022); Vehtari et al., JMLR 25 (2024).
    """

    paths: int = 20
    most: int = 200
    iterations: int = 100
    history: int = 6
    elbo_draws: int = 25
    draws: int = 2000

    def route(self, target: AbstractTarget) -> Route:
        """How a path is followed."""
        return Route(self.iterations, self.history, self.elbo_draws, target.price_of_gradient)

    def least_budget(self, target: AbstractTarget) -> int:
        return self.route(target).least + BATCH

    def run(
        self, target: AbstractTarget, start: StartRegion, key: Key[Array, ""], budget: int | None = None
    ) -> BaselineResult:
        self.check_budget(target, budget)
        needs_blackjax("pathfinder")
        key_paths, key_candidates = jax.random.split(key)
        search = Search(self.route(target), target, start)
        began = time.perf_counter()
        mixture = search.mixture(key_paths, *self._limits(target, budget))
        candidates = CANDIDATES * self.draws if budget is None else budget - search.evaluations.total
        warmup = search.evaluations
        pool = search.pool(mixture, key_candidates, -(-candidates // BATCH) if budget is None else candidates // BATCH)
        draws, notes = _resampled(pool, self.draws)
        return BaselineResult(
            draws=draws,
            evaluations=search.evaluations,
            seconds_compile=search.seconds_compile,
            seconds_run=time.perf_counter() - began,
            notes={"paths": float(mixture.count), **notes},
            warmup=warmup,
            log_z=_log_z(pool),
        )

    def _limits(self, target: AbstractTarget, budget: int | None) -> tuple[int, int | None]:
        """Paths at most, and evaluations for all of them."""
        if budget is None:
            return self.paths, None
        most = min(self.most, max(MOST_NUMBERS // target.dim**2, 1))
        return most, max((budget - BATCH) // 2, self.route(target).least)


class Pool(NamedTuple):
    """Candidates, which are drawn again where they are wanted, since not all might fit into the memory.

    Arguments:
        mixture: their law.
        seed: of their batches.
        log_target: at each.
        log_sampler: of the mixture, at each.
    """

    mixture: Components
    seed: list[int]
    log_target: Float[np.ndarray, " candidates"]
    log_sampler: Float[np.ndarray, " candidates"]

    @property
    def log_weights(self) -> Float[np.ndarray, " candidates"]:
        """`log q - log mixture`."""
        return self.log_target - self.log_sampler

    @property
    def resolution(self) -> float:
        """Of the log target: weights cannot be told apart beyond."""
        return resolution_of(self.log_target)

    def chosen(self, choice: np.ndarray) -> Float[np.ndarray, "count dim"]:
        """Candidates by their sorted numbers."""
        batches = np.split(choice, np.flatnonzero(np.diff(choice // BATCH)) + 1)
        found = [batch_of(self.mixture, self.seed, int(part[0]) // BATCH)[part % BATCH] for part in batches]
        return np.concatenate(found)


def batch_of(mixture: Components, seed: list[int], number: int) -> Float[np.ndarray, "count dim"]:
    """A batch of candidates, always the same one, as the target sees them."""
    drawn = mixture.sample(np.random.default_rng([*seed, number]), BATCH)
    return drawn.astype(jnp.zeros(()).dtype).astype(float)


class Search:
    """Paths and candidates on one target, and what was asked of it."""

    def __init__(self, route: Route, target: AbstractTarget, start: StartRegion) -> None:
        began = time.perf_counter()
        self.evaluations = Evaluations()
        self._route, self._start = route, start
        # Flat, since `lower` rebuilds every object among its arguments with descriptions in place of arrays.
        self._arrays, form = jax.tree.flatten(Standardised.of(target, start))
        key, zero, points = jax.random.key(0), jnp.asarray(0), jnp.zeros((BATCH, target.dim), start.mean.dtype)
        self._path = followed.lower(route, form, self._arrays, start.mean, key, zero).compile()
        self._values = _log_densities.lower(form, self._arrays, points).compile()
        self.seconds_compile = time.perf_counter() - began

    def mixture(self, key: Key[Array, ""], most: int, budget: int | None) -> Components:
        """The laws of all paths with equal weights, in the target's own units.

        Raises:
            RunFailed: no path has a law.
        """
        laws: list[Law] = []
        number = 0
        while number < most and (budget is None or budget - self.evaluations.total >= self._route.least):
            left = np.iinfo(np.int32).max if budget is None else budget - self.evaluations.total
            law = self._followed(jax.random.fold_in(key, number), left)
            laws += [law] if law.elbo > 0.1 * ZERO_DENSITY else []
            number += 1
        if not laws:
            raise RunFailed(
                f"pathfinder: none of {number} paths found positive density around it; declare a centre and a scale "
                "where the density is positive"
            )
        mean, factor = np.asarray(self._start.mean, float), np.asarray(self._start.factor, float)
        means = np.stack([mean + factor @ law.centre for law in laws])
        factors = np.stack([_triangular(factor @ _root(law)) for law in laws])
        return Components(np.full(len(laws), -math.log(len(laws))), means, factors)

    def pool(self, mixture: Components, key: Key[Array, ""], batches: int) -> Pool:
        """So many batches of candidates with their densities.

        Raises:
            RunFailed: the target has density zero at all of them.
        """
        seed = [int(word) for word in np.asarray(jax.random.key_data(key))]
        log_target, log_sampler = np.empty((batches, BATCH)), np.empty((batches, BATCH))
        for first in range(0, batches, TOGETHER):
            some = slice(first, min(first + TOGETHER, batches))
            points = [batch_of(mixture, seed, number) for number in range(some.start, some.stop)]
            log_target[some] = [self._log_density(part) for part in points]
            densities = mixture.log_densities(np.concatenate(points))
            log_sampler[some] = mixture.log_density(densities).reshape(-1, BATCH)
        if not np.isfinite(log_target).any():
            raise RunFailed(f"pathfinder: none of {log_target.size} candidates has positive density")
        return Pool(mixture, seed, log_target.ravel(), log_sampler.ravel())

    def _followed(self, key: Key[Array, ""], allowance: int) -> Law:
        key_first, key_path = jax.random.split(key)
        first = jax.random.normal(key_first, self._start.mean.shape, self._start.mean.dtype)
        law, asked = jax.device_get(self._path(self._arrays, first, key_path, jnp.asarray(allowance)))
        energies = Evaluations(energy=int(asked.energies))
        self.evaluations = self.evaluations.plus(energies).plus(self._route.price.times(int(asked.gradients)))
        return jax.tree.map(partial(np.asarray, dtype=float), law)

    def _log_density(self, points: Float[np.ndarray, "count dim"]) -> Float[np.ndarray, " count"]:
        self.evaluations = self.evaluations.plus(Evaluations(energy=len(points)))
        values = np.asarray(self._values(self._arrays, jnp.asarray(points, self._start.mean.dtype)), float)
        return np.where(values <= ZERO_DENSITY, -np.inf, values)


@partial(jax.jit, static_argnums=0)
def _log_densities(form: Any, arrays: list[Array], points: Float[Array, "count dim"]) -> Float[Array, " count"]:
    return jax.vmap(guarded(jax.tree.unflatten(form, arrays).target))(points)


def _root(law: Law) -> Float[np.ndarray, "dim dim"]:
    """A matrix `A` with `A A^T` the covariance of a law.

    With `diag(alpha)^(-1/2) beta = Q R`, it is `diag(alpha)^(1/2) (I + Q (M^(1/2) - I) Q^T)`, `M = I + R gamma R^T`.
    """
    scale = np.sqrt(law.alpha)[:, None]
    directions, triangle = np.linalg.qr(law.beta / scale)
    values, vectors = np.linalg.eigh(np.eye(len(triangle)) + triangle @ law.gamma @ triangle.T)
    directions = directions @ vectors
    stretches = np.sqrt(np.maximum(values, NARROWEST)) - 1.0
    return scale * (np.eye(len(scale)) + (directions * stretches) @ directions.T)


def _triangular(root: Float[np.ndarray, "dim dim"]) -> Float[np.ndarray, "dim dim"]:
    """`L`, lower-triangular with a positive diagonal, with `L L^T = A A^T`."""
    upper = np.asarray(np.linalg.qr(root.T)[1])
    return (upper * np.sign(np.diagonal(upper))[:, None]).T


def _resampled(pool: Pool, count: int) -> tuple[Draws, dict[str, float]]:
    """Draws in random order, each as often as it was chosen by its weight, and what is told of them."""
    log_weights = pool.log_weights
    smoothed, khat = pareto_smooth(log_weights, pool.resolution)
    random = np.random.default_rng([*pool.seed, len(log_weights)])
    choice = systematic(np.exp(smoothed), count, random.random())
    chosen, times = np.unique(choice, return_counts=True)
    if len(chosen) < 2:
        raise RunFailed(
            f"pathfinder: one of {len(log_weights):,} candidates has all the weight, so that its paths tell nothing of "
            "the target; give a larger budget, or another method"
        )
    order = random.permutation(len(chosen))
    notes = {
        "ess": float(1.0 / np.sum(np.exp(2.0 * smoothed)) / len(smoothed)),
        "distinct": float(len(chosen)),
        "elbo": float(log_weights.mean()),
        "khat": math.inf if khat is None else khat,
    }
    draws = Draws(pool.chosen(chosen)[order], pool.log_target[chosen][order], weights=times[order] / count)
    return draws, {name: value for name, value in notes.items() if math.isfinite(value)}


def _log_z(pool: Pool) -> Measured:
    """`log` of the mean weight with its standard error, rounding included; and why it cannot be relied on, if so."""
    log_weights = pool.log_weights
    log_total = float(np.asarray(logsumexp(log_weights)))
    left = float(np.sum(np.exp(log_weights - log_total) ** 2))
    error = math.hypot(
        math.sqrt(max(left - 1.0 / len(log_weights), 0.0)),
        max(rounding_of(pool.log_target), rounding_of(pool.log_sampler)),
    )
    return Measured(log_total - math.log(len(log_weights)), error, heavy_tail(log_weights, pool.resolution))


def pathfinder(
    paths: Annotated[int, "without a budget, at least 1"] = 20,
    most: Annotated[int, "paths with a budget, at least 1; fewer in many dimensions"] = 200,
    iterations: Annotated[int, "of a path, at least 1"] = 100,
    history: Annotated[int, "pairs that a covariance is made of, at least 1"] = 6,
    elbo_draws: Annotated[int, "for the ELBO of each normal law, at least 1"] = 25,
    draws: Annotated[int, "chosen among the candidates, at least 2"] = 2000,
) -> Pathfinder:
    """The baseline; the extra `baselines` brings what it needs.

    Raises:
        ValueError: a parameter is out of range.
    """
    least = {"paths": 1, "most": 1, "iterations": 1, "history": 1, "elbo_draws": 1, "draws": 2}
    given = locals()
    for name, smallest in least.items():
        if given[name] < smallest:
            raise ValueError(f"{name} must be at least {smallest}, got {given[name]}")
    return Pathfinder(paths, most, iterations, history, elbo_draws, draws)


ENTRY = Entry(
    name="pathfinder",
    build=pathfinder,
    summary="multi-path Pathfinder through BlackJAX, with Pareto-smoothed resampling",
    reference="Zhang, Carpenter, Gelman & Vehtari: Pathfinder, JMLR 23 (2022); Cabezas, Corenflos, Lao & Louf: "
    "BlackJAX, arXiv:2402.10797 (2024)",
)
