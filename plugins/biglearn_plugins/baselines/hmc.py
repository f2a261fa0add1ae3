"""Hamiltonian Monte Carlo of NumPyro with a fixed number of steps, many chains side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from numpyro.infer import HMC

from biglearn_plugins.baselines.markov_chains import Asked, Energy, MarkovChains, Sweep, check_lengths
from biglearn_plugins.baselines.numpyro_chains import (
    AbstractNumpyroKernel,
    adapted,
    check_target_accept,
    mean_acceptance,
    side_by_side,
)
from biglearn_sampler.catalogue import Entry


@dataclass(frozen=True)
class HmcKernel(AbstractNumpyroKernel):
    """Trajectories of a fixed number of leapfrog steps, so that no chain waits for another.

    Step size and diagonal mass matrix of every chain are adapted during warm-up. Counted are the tried first points as
    energies, and one gradient for each first state and for each step of each chain. The notes have `acceptance` and
    `divergences`, both after warm-up.

    Arguments:
        chains: number of chains, at least 1.
        steps: leapfrog steps of a trajectory, at least 1.
        target_accept: acceptance probability that the step size is adapted to, in (0, 1).
    """

    name: ClassVar[str] = "hmc"
    chains: int = 32
    steps: int = 8
    target_accept: float = 0.8

    def chain_count(self, dim: int) -> int:
        return self.chains

    def build(self, energy: Energy, dim: int) -> HMC:
        return HMC(
            potential_fn=energy,
            num_steps=self.steps,
            trajectory_length=None,  # pyright: ignore[reportArgumentType]
            target_accept_prob=self.target_accept,
        )

    def begin(
        self, kernel: HMC, keys: Key[Array, " chains"], firsts: Float[Array, "chains dim"], warmup: int
    ) -> tuple[Any, Callable[[Any], Any]]:
        return side_by_side(kernel, keys, firsts, warmup)

    def cost_of_states(self, dim: int) -> Asked:
        return Asked(gradients=self.chains)

    def largest_sweep(self, dim: int) -> Asked:
        return Asked(gradients=self.chains * self.steps)

    def seen(self, state: Any) -> Sweep:
        marks = {"divergences": jnp.sum(state.diverging), "acceptance": jnp.sum(state.accept_prob)}
        return Sweep(state.z, state.potential_energy, self.largest_sweep(state.z.shape[-1]), marks)

    def settled(self, state: Any, warmup: int) -> Any:
        return adapted(state, warmup)

    def notes(self, marks: Mapping[str, np.ndarray], sweeps: int) -> dict[str, float]:
        return {"divergences": float(marks["divergences"]), **mean_acceptance(marks, self.chains, sweeps)}


def hmc(
    chains: Annotated[int, "number of chains, at least 1"] = 32,
    warmup: Annotated[int, "iterations of adaptation for each chain, at least 0; not kept"] = 500,
    draws: Annotated[int, "iterations kept for each chain, at least 1, where no budget is given"] = 500,
    steps: Annotated[int, "leapfrog steps of a trajectory, at least 1"] = 8,
    target_accept: Annotated[float, "acceptance probability that the step size is adapted to, in (0, 1)"] = 0.8,
) -> MarkovChains:
    """The baseline.

    Raises:
        ValueError: a parameter is out of range.
    """
    check_lengths(chains, warmup, draws)
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    check_target_accept(target_accept)
    return MarkovChains(HmcKernel(chains, steps, target_accept), warmup, draws)


ENTRY = Entry(
    name="hmc",
    build=hmc,
    summary="Hamiltonian Monte Carlo of NumPyro with trajectories of a fixed number of steps",
    reference="Duane, Kennedy, Pendleton & Roweth, Physics Letters B 195 (1987); Phan, Pradhan & Jankowiak, "
    "arXiv:1912.11554 (2019)",
)
