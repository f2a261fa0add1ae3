"""The affine-invariant ensemble of NumPyro: walkers that move along differences of one another, without gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import jax
import numpy as np
from jaxtyping import Array, Float, Key
from numpyro.infer import AIES

from biglearn_plugins.baselines.ensembles import check_walkers, walker_count
from biglearn_plugins.baselines.markov_chains import Asked, Energy, MarkovChains, Sweep
from biglearn_plugins.baselines.numpyro_chains import AbstractNumpyroKernel, together
from biglearn_sampler.catalogue import Entry


@dataclass(frozen=True)
class AffineInvariantKernel(AbstractNumpyroKernel):
    """Differential evolution: a walker of one half moves along the difference of two walkers of the other.

    A share of the iterations takes the whole difference, which leads from mode to mode where walkers are in both.
    Counted are the tried first points and two energies for each walker and iteration: NumPyro computes that of the
    present place again. The note `acceptance` is the mean after warm-up.

    Arguments:
        walkers: at least 4; twice the dimension where that is more.
        jumps: share of the iterations with whole differences, in [0, 1].
    """

    name: ClassVar[str] = "aies"
    walkers: int = 64
    jumps: float = 0.1

    def chain_count(self, dim: int) -> int:
        return walker_count(self.walkers, dim)

    def build(self, energy: Energy, dim: int) -> AIES:
        shares = {AIES.DEMove(): 1.0 - self.jumps, AIES.DEMove(g0=1.0): self.jumps}
        # NumPyro looks at the shares, which compiled code could not.
        with jax.ensure_compile_time_eval():
            return AIES(potential_fn=energy, moves={move: share for move, share in shares.items() if share > 0})

    def begin(
        self, kernel: AIES, keys: Key[Array, " chains"], firsts: Float[Array, "chains dim"], warmup: int
    ) -> tuple[Any, Callable[[Any], Any]]:
        return together(kernel, keys, firsts, warmup)

    def cost_of_states(self, dim: int) -> Asked:
        return Asked()

    def largest_sweep(self, dim: int) -> Asked:
        return Asked(energies=2 * self.chain_count(dim))

    def seen(self, state: Any) -> Sweep:
        # Of the second half of the walkers; the first half is its equal.
        marks = {"acceptance": state.inner_state.accept_prob}
        return Sweep(state.z, None, self.largest_sweep(state.z.shape[-1]), marks)

    def notes(self, marks: Mapping[str, np.ndarray], sweeps: int) -> dict[str, float]:
        return {"acceptance": float(marks["acceptance"]) / max(sweeps, 1)}


def affine_invariant(
    walkers: Annotated[int, "number of walkers, at least 4; twice the dimension where that is more"] = 64,
    warmup: Annotated[int, "iterations that are not kept, at least 0"] = 1000,
    draws: Annotated[int, "iterations kept, at least 1, where no budget is given"] = 2000,
    jumps: Annotated[float, "share of the iterations that move by whole differences of walkers, in [0, 1]"] = 0.1,
) -> MarkovChains:
    """The baseline.

    Raises:
        ValueError: a parameter is out of range.
    """
    check_walkers(walkers, warmup, draws)
    if not 0.0 <= jumps <= 1.0:
        raise ValueError(f"jumps must be from 0 to 1, got {jumps}")
    return MarkovChains(AffineInvariantKernel(walkers, jumps), warmup, draws)


ENTRY = Entry(
    name="aies",
    build=affine_invariant,
    summary="affine-invariant ensemble of NumPyro: walkers that move by differences, without gradients",
    reference="Goodman & Weare, CAMCoS 5 (2010); ter Braak, Statistics and Computing 16 (2006); Foreman-Mackey, Hogg, "
    "Lang & Goodman, PASP 125 (2013)",
)
