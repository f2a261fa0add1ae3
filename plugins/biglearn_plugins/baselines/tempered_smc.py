"""Adaptive tempered sequential Monte Carlo of BlackJAX, from the start region to the target."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jax.tree_util import Partial
from jaxtyping import Array, Bool, Float, Int, Key

from biglearn_plugins.baselines.extra import needs_blackjax
from biglearn_plugins.baselines.oracle import log_density_of
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import AbstractTarget, Evaluations
from biglearn_sampler.errors import RunFailed
from biglearn_sampler.estimators.guard import ZERO_DENSITY, guarded
from biglearn_sampler.evaluation import AbstractBaseline, BaselineResult, Draws, Measured
from biglearn_sampler.learning.start import StartRegion
from biglearn_sampler.mixture import LOG_TWO_PI

PILOT = 128
"""Particles of the run that finds out how many temperatures a budget has to pay for."""

LEAST_PARTICLES = 32

SPARE_TEMPERATURES = 2
"""More particles may need some more temperatures than the pilot."""

WANTED = {"hmc": 0.8, "random_walk": 0.3}
"""Shares of accepted moves to which the step size is led."""

PATIENCE = 2.0
"""How strongly the logarithm of the step size follows the share of accepted moves."""

QUICK_TO_COMPILE = {"xla_backend_optimization_level": 1}
"""Steps are few, and of milliseconds."""

CUT_SHORT = "the path to the target took more temperatures than there was budget for, so the draws are not of it"

MOST_TEMPERATURES = 500
"""Beyond, the path does not come nearer to the target."""


class Cloud(NamedTuple):
    """Particles on their way.

    Arguments:
        particles: their places.
        weights: summing to one.
        temperature: power of the target on the path, from 0 to 1.
        log_z: of the path so far.
        step: size of a move, in deviations of the particles.
        families: number of the particle of the first cloud from which each descends.
        forced: whether a step went farther than the share of effective particles allows.
    """

    particles: Float[Array, "count dim"]
    weights: Float[Array, " count"]
    temperature: Float[Array, ""]
    log_z: Float[Array, ""]
    step: Float[Array, ""]
    families: Int[Array, " count"]
    forced: Bool[Array, ""]


@dataclass(frozen=True)
class TemperedSmc(AbstractBaseline):
    """A cloud of weighted particles that follows `region^(1 - t) q^t` from `t = 0` to 1.

    Every temperature is as far from the one before as leaves the given share of effective particles. Particles are then
    resampled, moved, and weighed anew. Moves are as long as the particles are spread, times a step size that follows
    the share of accepted moves. With a budget, a pilot of 128 particles counts the temperatures; the number of
    particles is then what the rest pays for, and what is left over moves the particles at the target itself. If the
    budget ends earlier, the last step goes to the target at once; then `log_z` is missing.

    `evaluations`: for every temperature and particle one energy for its distance and one for the weight, and for the
    moves one gradient at their beginning and one for each leapfrog step (`hmc`), or one energy at their beginning and
    one for each move (`random_walk`). Particles that descend from one of the first cloud are one family of draws:
    errors are those between families, and too large where moves make kin forget one another. `notes` has
    `temperatures`, `particles` and `step`, and `forced`, 1 where the budget was too small for the path and the draws
    are not to be trusted. `log_z` has no error, since a single cloud tells none.

    Arguments:
        moves: `hmc` or `random_walk`.
        particles: without a budget.
        length: moves after each resampling.
        leapfrogs: steps of a move of `hmc`.
        target_ess: share of effective particles that a temperature leaves, in (0, 1).

    Reference: Del Moral, Doucet & Jasra, Journal of the Royal Statistical Society B 68 (2006); Cabezas, Corenflos, Lao
    & Louf: BlackJAX, arXiv:2402.10797 (2024).
    """

    moves: Literal["hmc", "random_walk"] = "hmc"
    particles: int = 1000
    length: int = 5
    leapfrogs: int = 5
    target_ess: float = 0.5

    def least_budget(self, target: AbstractTarget) -> int:
        # Two steps for each: to the target, and at the target; the pilot has half of it.
        return 2 * (2 * self.price(target, PILOT).total + PILOT)

    def price(self, target: AbstractTarget, particles: int) -> Evaluations:
        """Evaluations of one temperature."""
        energies = Evaluations(energy=2 * particles)
        if self.moves == "random_walk":
            return energies.plus(Evaluations(energy=particles * (1 + self.length)))
        return energies.plus(target.price_of_gradient.times(particles * (1 + self.length * self.leapfrogs)))

    def run(
        self, target: AbstractTarget, start: StartRegion, key: Key[Array, ""], budget: int | None = None
    ) -> BaselineResult:
        self.check_budget(target, budget)
        needs_blackjax("tempered_smc")
        path = Path(self, target, start)
        key_pilot, key = jax.random.split(key)
        began, count = time.perf_counter(), self.particles
        if budget is not None:
            pilot, temperatures = path.followed(key_pilot, PILOT, budget // 2, only_arrives=True)
            each = self.price(target, 1).total * (temperatures + 1 + SPARE_TEMPERATURES) + 1
            # Where half the budget was too little for the pilot, nobody knows how many temperatures it takes.
            affordable = 0 if pilot.forced else (budget - path.evaluations.total) // each
            count = max(affordable, LEAST_PARTICLES)
        left = None if budget is None else budget - path.evaluations.total
        cloud, temperatures = path.followed(key, count, left)
        warmup = path.evaluations
        log_target = path.log_density(cloud)
        return BaselineResult(
            draws=Draws(
                np.asarray(cloud.particles, float),
                log_target,
                weights=_normalised(cloud.weights),
                families=np.asarray(cloud.families),
            ),
            evaluations=path.evaluations,
            seconds_compile=path.seconds_compile,
            seconds_run=time.perf_counter() - began - path.seconds_compile,
            notes={
                "temperatures": float(temperatures),
                "particles": float(count),
                "step": float(cloud.step),
                "forced": float(cloud.forced),
            },
            warmup=warmup,
            log_z=Measured.missing(CUT_SHORT)
            if cloud.forced
            else Measured(float(cloud.log_z), None, "one cloud of particles tells no error"),
        )


class Path:
    """The path from the start region to a target, and what was asked of the target on it."""

    def __init__(self, settings: TemperedSmc, target: AbstractTarget, start: StartRegion) -> None:
        self.evaluations, self.seconds_compile = Evaluations(), 0.0
        self._settings, self._target, self._start = settings, target, start
        inverse = np.linalg.inv(np.asarray(start.factor, float))
        self._arrays, self._form = jax.tree.flatten(
            Ends(log_density_of(target), start.mean, jnp.asarray(inverse, start.mean.dtype))
        )

    def followed(
        self, key: Key[Array, ""], count: int, budget: int | None, only_arrives: bool = False
    ) -> tuple[Cloud, int]:
        """A cloud at the end of the path, and the number of temperatures.

        Arguments:
            key: the same key gives the same cloud.
            count: number of particles.
            budget: evaluations, of which one for each particle is left for the density of the draws.
            only_arrives: whether nothing is spent on moves at the target itself.

        Raises:
            RunFailed: no particle has a finite weight.
        """
        price = self._settings.price(self._target, count)
        affordable = None if budget is None else (budget - count) // price.total
        key, key_first = jax.random.split(key)
        cloud = self._first(key_first, count)
        began = time.perf_counter()
        step = _step.lower(self._settings, self._form, self._arrays, cloud, key, jnp.asarray(False)).compile()
        self.seconds_compile += time.perf_counter() - began
        number = temperatures = 0
        while affordable is None or number < affordable:
            key, key_step = jax.random.split(key)
            arrived = float(cloud.temperature) >= 1.0
            if arrived and only_arrives:
                break
            # One step is kept for moves at the target itself.
            ends = number + 2 >= (MOST_TEMPERATURES if affordable is None else affordable)
            cloud = step(self._arrays, cloud, key_step, jnp.asarray(ends))
            self.evaluations = self.evaluations.plus(price)
            number += 1
            if not float(cloud.log_z) > 0.1 * ZERO_DENSITY:
                raise RunFailed(
                    f"tempered_smc: none of {count} particles has positive density; declare a centre and a scale where "
                    "the density is positive"
                )
            temperatures += not arrived
            if arrived and affordable is None:
                break
        return cloud, temperatures

    def log_density(self, cloud: Cloud) -> Float[np.ndarray, " count"]:
        """`log q` at the particles, `-inf` where the density is zero."""
        self.evaluations = self.evaluations.plus(Evaluations(energy=len(cloud.weights)))
        values = np.asarray(_at_end(self._form, self._arrays, cloud.particles), float)
        return np.where(values <= ZERO_DENSITY, -np.inf, values)

    def _first(self, key: Key[Array, ""], count: int) -> Cloud:
        particles, dim = self._start.points(key, count), self._target.dim
        step = 2.4 / dim**0.5 if self._settings.moves == "random_walk" else 0.5 / dim**0.25
        zero = jnp.zeros((), particles.dtype)
        weights = jnp.full(count, 1.0 / count, particles.dtype)
        return Cloud(particles, weights, zero, zero, zero + step, jnp.arange(count), jnp.asarray(False))


class Ends(NamedTuple):
    """The log density of the target, and the start region as mean and inverse factor of its covariance."""

    log_density: Partial
    mean: Float[Array, " dim"]
    inverse: Float[Array, "dim dim"]

    def first(self, point: Float[Array, " dim"]) -> Float[Array, ""]:
        """`log N(x; region)`."""
        standard = self.inverse @ (point - self.mean)
        log_determinant = jnp.log(jnp.abs(jnp.diagonal(self.inverse))).sum()
        return log_determinant - 0.5 * (standard**2).sum() - 0.5 * point.shape[0] * LOG_TWO_PI

    def gain(self, point: Float[Array, " dim"]) -> Float[Array, ""]:
        """`log q - log N`, what the temperature multiplies."""
        return guarded(self.log_density)(point) - self.first(point)


@partial(jax.jit, static_argnums=0)
def _at_end(form: Any, arrays: list[Array], particles: Float[Array, "count dim"]) -> Float[Array, " count"]:
    return jax.vmap(guarded(jax.tree.unflatten(form, arrays).log_density))(particles)


# Compiled once for each form of target, settings and number of particles.
@partial(jax.jit, static_argnums=(0, 1), compiler_options=QUICK_TO_COMPILE)
def _step(
    settings: TemperedSmc, form: Any, arrays: list[Array], cloud: Cloud, key: Key[Array, ""], ends: Bool[Array, ""]
) -> Cloud:
    """The cloud at its next temperature: resampled, moved at the present one, and weighed.

    Arguments:
        settings: what to run.
        form, arrays: the ends of the path as `jax.tree.flatten` gives them.
        cloud: at its present temperature.
        key: of resampling and moves.
        ends: whether the next temperature is 1 in any case.
    """
    from blackjax.smc import resampling, solver  # pyright: ignore[reportMissingImports]
    from blackjax.smc.tempered import TemperedSMCState, build_kernel  # pyright: ignore[reportMissingImports]

    path: Ends = jax.tree.unflatten(form, arrays)
    mean = cloud.weights @ cloud.particles
    spread = jnp.sqrt(cloud.weights @ (cloud.particles - mean) ** 2)
    move, begin = _moves(settings)
    kernel = build_kernel(path.first, path.gain, move, begin, resampling.systematic)
    room = 1.0 - cloud.temperature
    gains, log_weights = jax.vmap(path.gain)(cloud.particles), jnp.log(cloud.weights)

    def surplus(delta: float | Array) -> Array:
        """Logarithm of the share of effective particles that a step leaves, above the one that is asked for."""
        means = logsumexp(log_weights + delta * gains), logsumexp(log_weights + 2.0 * delta * gains)
        return 2.0 * means[0] - means[1] - jnp.log(settings.target_ess)

    delta = jnp.clip(solver.dichotomy(surplus, 0.0, room), 0.0, room)
    # Within rounding of the end is the end.
    delta = jnp.where(room - delta < 1e-6, room, delta)
    forced = cloud.forced | (ends & (delta < room))
    delta = jnp.where(ends, room, delta)
    state, info = kernel(
        key,
        TemperedSMCState(cloud.particles, cloud.weights, cloud.temperature),
        settings.length,
        cloud.temperature + delta,
        {"step": cloud.step[None], "spread": spread[None]},
    )
    accepted = info.update_info.acceptance_rate.mean()
    step = cloud.step * jnp.exp(PATIENCE * (accepted - WANTED[settings.moves]))
    log_z = cloud.log_z + info.log_likelihood_increment
    families = cloud.families[info.ancestors]
    return Cloud(state.particles, state.weights, state.tempering_param, log_z, step, families, forced)


def _moves(settings: TemperedSmc) -> tuple[Any, Any]:
    """A move of one particle, and how its state begins."""
    from blackjax.mcmc import hmc, random_walk  # pyright: ignore[reportMissingImports]

    if settings.moves == "random_walk":
        walk = random_walk.build_additive_step()

        def walked(key: Any, state: Any, log_density: Any, step: Array, spread: Array) -> Any:
            return walk(key, state, log_density, random_walk.normal(step * spread))

        return walked, random_walk.init
    trajectory: Any = hmc.build_kernel()

    def followed(key: Any, state: Any, log_density: Any, step: Array, spread: Array) -> Any:
        return trajectory(key, state, log_density, step, spread**2, settings.leapfrogs)

    return followed, hmc.init


def _normalised(weights: Float[Array, " count"]) -> Float[np.ndarray, " count"]:
    precise = np.asarray(weights, float)
    return precise / precise.sum()


def tempered_smc(
    moves: Annotated[Literal["hmc", "random_walk"], "how particles move"] = "hmc",
    particles: Annotated[int, "without a budget, at least 2"] = 1000,
    length: Annotated[int, "moves at each temperature, at least 1"] = 5,
    leapfrogs: Annotated[int, "steps of a move of hmc, at least 1"] = 5,
    target_ess: Annotated[float, "share of effective particles that a temperature leaves, in (0, 1)"] = 0.5,
) -> TemperedSmc:
    """The baseline; the extra `baselines` brings what it needs.

    Raises:
        ValueError: a parameter is out of range.
    """
    if particles < 2 or length < 1 or leapfrogs < 1:
        raise ValueError(
            "particles must be at least 2, and length and leapfrogs at least 1, "
            f"got particles={particles}, length={length}, leapfrogs={leapfrogs}"
        )
    if not 0.0 < target_ess < 1.0:
        raise ValueError(f"target_ess must be between 0 and 1, got {target_ess}")
    return TemperedSmc(moves, particles, length, leapfrogs, target_ess)


ENTRY = Entry(
    name="tempered_smc",
    build=tempered_smc,
    summary="adaptive tempered sequential Monte Carlo of BlackJAX, with HMC or random-walk moves",
    reference="Del Moral, Doucet & Jasra, Journal of the Royal Statistical Society B 68 (2006); Cabezas, Corenflos, "
    "Lao & Louf: BlackJAX, arXiv:2402.10797 (2024)",
)
