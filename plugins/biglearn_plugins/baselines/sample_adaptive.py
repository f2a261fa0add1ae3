"""Sample adaptive MCMC of NumPyro, many chains side by side; it needs no gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from numpyro.infer import SA

from biglearn_plugins.baselines.markov_chains import Asked, Energy, MarkovChains, Sweep, check_lengths
from biglearn_plugins.baselines.numpyro_chains import AbstractNumpyroKernel, mean_acceptance, side_by_side
from biglearn_sampler.catalogue import Entry


@dataclass(frozen=True)
class SampleAdaptiveKernel(AbstractNumpyroKernel):
    """Chains whose state is a set of points: one is drawn from the Gaussian of the set, and one is left out.

    The Gaussian has no correlations: factors of many small matrices at once are no work for compiled code. The first
    sets lie around the first points, as wide as a fresh component of ours. Counted are the tried first points, the
    points of the first sets, and one energy for each iteration of each chain. The note `acceptance` is the mean after
    warm-up.

    Arguments:
        chains: number of chains, at least 1.
        points: of a set, at least 2; twice the dimension where that is more.
    """

    name: ClassVar[str] = "sa"
    chains: int = 32
    points: int = 50

    def chain_count(self, dim: int) -> int:
        return self.chains

    def build(self, energy: Energy, dim: int) -> SA:
        return SA(potential_fn=energy, adapt_state_size=self._set_size(dim), dense_mass=False)

    def begin(
        self, kernel: SA, keys: Key[Array, " chains"], firsts: Float[Array, "chains dim"], warmup: int
    ) -> tuple[Any, Callable[[Any], Any]]:
        return side_by_side(kernel, keys, firsts, warmup)

    def cost_of_states(self, dim: int) -> Asked:
        return Asked(energies=self.chains * self._set_size(dim))

    def largest_sweep(self, dim: int) -> Asked:
        return Asked(energies=self.chains)

    def seen(self, state: Any) -> Sweep:
        marks = {"acceptance": jnp.sum(state.accept_prob)}
        return Sweep(state.z, state.potential_energy, self.largest_sweep(state.z.shape[-1]), marks)

    def notes(self, marks: Mapping[str, np.ndarray], sweeps: int) -> dict[str, float]:
        return mean_acceptance(marks, self.chains, sweeps)

    def _set_size(self, dim: int) -> int:
        return max(self.points, 2 * dim)


def sample_adaptive(
    chains: Annotated[int, "number of chains, at least 1"] = 32,
    warmup: Annotated[int, "iterations for each chain that are not kept, at least 0"] = 1000,
    draws: Annotated[int, "iterations kept for each chain, at least 1, where no budget is given"] = 2000,
    points: Annotated[int, "points of the set of each chain, at least 2; twice the dimension where that is more"] = 50,
) -> MarkovChains:
    """The baseline.

    Raises:
        ValueError: a parameter is out of range.
    """
    check_lengths(chains, warmup, draws)
    if points < 2:
        raise ValueError(f"points must be at least 2, got {points}")
    return MarkovChains(SampleAdaptiveKernel(chains, points), warmup, draws)


ENTRY = Entry(
    name="sa",
    build=sample_adaptive,
    summary="sample adaptive MCMC of NumPyro: chains of sets of points, without gradients",
    reference="Zhu, NeurIPS 32 (2019): Sample adaptive MCMC",
)
