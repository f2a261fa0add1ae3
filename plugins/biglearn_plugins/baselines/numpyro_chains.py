"""Kernels of NumPyro as kernels of `markov_chains`, each with the exact count that its own counters do not give."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from numpyro.infer.mcmc import MCMCKernel

from biglearn_plugins.baselines.markov_chains import NOWHERE, AbstractKernel, Asked, Energy, Moves, Sweep

STARTS_TRIED = 16
"""Points of the start region that a chain may try until one has positive density."""


class AbstractNumpyroKernel(AbstractKernel):
    """A kernel of NumPyro, on all chains."""

    @abstractmethod
    def build(self, energy: Energy, dim: int) -> MCMCKernel:
        """The kernel of NumPyro."""

    @abstractmethod
    def begin(
        self, kernel: Any, keys: Key[Array, " chains"], firsts: Float[Array, "chains dim"], warmup: int
    ) -> tuple[Any, Callable[[Any], Any]]:
        """The first state of all chains, and what moves them."""

    @abstractmethod
    def seen(self, state: Any) -> Sweep:
        """What one iteration shows and costs."""

    @abstractmethod
    def cost_of_states(self, dim: int) -> Asked:
        """What the first states cost, without the search for points to begin at."""

    def settled(self, state: Any, warmup: int) -> Any:
        """The state after the warm-up."""
        return state

    def start_count(self) -> int:
        return STARTS_TRIED

    def first_cost(self, dim: int) -> Asked:
        return Asked(energies=self.chain_count(dim) * STARTS_TRIED).plus(self.cost_of_states(dim))

    def moves(
        self, energy: Energy, starts: Float[Array, "chains starts dim"], key: Key[Array, ""], warmup: int
    ) -> Moves:
        positive = jax.vmap(jax.vmap(energy))(starts) < NOWHERE
        firsts = jax.vmap(lambda tries, where: tries[jnp.argmax(where)])(starts, positive)
        first, move = self.begin(
            self.build(energy, starts.shape[-1]), jax.random.split(key, len(starts)), firsts, warmup
        )

        def sweep(state: Any) -> tuple[Any, Sweep]:
            state = move(state)
            return state, self.seen(state)

        return Moves(first, sweep, partial(self.settled, warmup=warmup))


def side_by_side(
    kernel: Any, keys: Key[Array, " chains"], firsts: Float[Array, "chains dim"], warmup: int
) -> tuple[Any, Callable[[Any], Any]]:
    """All chains at once, for kernels whose iterations all cost the same."""
    return _states(kernel, keys, firsts, warmup), jax.vmap(lambda state: kernel.sample(state, (), {}))


def one_by_one(
    kernel: Any, keys: Key[Array, " chains"], firsts: Float[Array, "chains dim"], warmup: int
) -> tuple[Any, Callable[[Any], Any]]:
    """One chain after another in every iteration, so that none waits, and pays, for the longest trajectory."""
    return _states(kernel, keys, firsts, warmup), partial(jax.lax.map, lambda state: kernel.sample(state, (), {}))


def together(
    kernel: Any, keys: Key[Array, " chains"], firsts: Float[Array, "chains dim"], warmup: int
) -> tuple[Any, Callable[[Any], Any]]:
    """Walkers that move by each other."""
    return kernel.init(keys, warmup, firsts, (), {}), lambda state: kernel.sample(state, (), {})


def adapted(state: Any, warmup: int) -> Any:
    """The state of an adapting kernel with its mean step size, from which on it adapts no more."""
    adapting = state.adapt_state
    _, mean_log_step, _, updates, _ = adapting.ss_state
    step_size = jnp.where(updates > 0, jnp.exp(mean_log_step), adapting.step_size)
    return state._replace(i=jnp.full_like(state.i, warmup), adapt_state=adapting._replace(step_size=step_size))


def mean_acceptance(marks: Mapping[str, np.ndarray], chains: int, sweeps: int) -> dict[str, float]:
    """The note `acceptance`, the mean acceptance probability of all chains."""
    return {"acceptance": float(marks["acceptance"]) / (chains * max(sweeps, 1))}


def check_target_accept(target_accept: float) -> None:
    """See that step sizes can be adapted.

    Raises:
        ValueError: it is no probability.
    """
    if not 0.0 < target_accept < 1.0:
        raise ValueError(f"target_accept must be between 0 and 1, got {target_accept}")


def _states(kernel: Any, keys: Key[Array, " chains"], firsts: Float[Array, "chains dim"], warmup: int) -> Any:
    return jax.vmap(lambda key, first: kernel.init(key, warmup, first, (), {}))(keys, firsts)
