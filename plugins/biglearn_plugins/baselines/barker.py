"""The Barker proposal of NumPyro, many chains side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from numpyro.infer import BarkerMH

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
class BarkerKernel(AbstractNumpyroKernel):
    """A Metropolis step whose proposal leans towards the gradient, robust against a wrong step size.

    Step size and diagonal mass matrix of every chain are adapted during warm-up. Counted are the tried first points as
    energies, and one gradient for each first state and for each iteration of each chain. The note `acceptance` is the
    mean after warm-up.

    Arguments:
        chains: number of chains, at least 1.
        target_accept: acceptance probability that the step size is adapted to, in (0, 1).
    """

    name: ClassVar[str] = "barker"
    chains: int = 32
    target_accept: float = 0.4

    def chain_count(self, dim: int) -> int:
        return self.chains

    def build(self, energy: Energy, dim: int) -> BarkerMH:
        return BarkerMH(potential_fn=energy, target_accept_prob=self.target_accept)

    # NumPyro refuses many keys at once; chain by chain under `vmap` it is told of one.
    def begin(
        self, kernel: BarkerMH, keys: Key[Array, " chains"], firsts: Float[Array, "chains dim"], warmup: int
    ) -> tuple[Any, Callable[[Any], Any]]:
        return side_by_side(kernel, keys, firsts, warmup)

    def cost_of_states(self, dim: int) -> Asked:
        return Asked(gradients=self.chains)

    def largest_sweep(self, dim: int) -> Asked:
        return Asked(gradients=self.chains)

    def seen(self, state: Any) -> Sweep:
        marks = {"acceptance": jnp.sum(state.accept_prob)}
        return Sweep(state.z, state.potential_energy, self.largest_sweep(state.z.shape[-1]), marks)

    def settled(self, state: Any, warmup: int) -> Any:
        return adapted(state, warmup)

    def notes(self, marks: Mapping[str, np.ndarray], sweeps: int) -> dict[str, float]:
        return mean_acceptance(marks, self.chains, sweeps)


def barker(
    chains: Annotated[int, "number of chains, at least 1"] = 32,
    warmup: Annotated[int, "iterations of adaptation for each chain, at least 0; not kept"] = 1000,
    draws: Annotated[int, "iterations kept for each chain, at least 1, where no budget is given"] = 2000,
    target_accept: Annotated[float, "acceptance probability that the step size is adapted to, in (0, 1)"] = 0.4,
) -> MarkovChains:
    """The baseline.

    Raises:
        ValueError: a parameter is out of range.
    """
    check_lengths(chains, warmup, draws)
    check_target_accept(target_accept)
    return MarkovChains(BarkerKernel(chains, target_accept), warmup, draws)


ENTRY = Entry(
    name="barker",
    build=barker,
    summary="the Barker proposal of NumPyro: Metropolis steps that lean towards the gradient",
    reference="Livingstone & Zanella, JRSS B 84 (2022)",
)
