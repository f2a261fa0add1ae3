"""Ensemble slice sampling of NumPyro, with loops that count: walkers move along differences, without gradients."""

# NumPyro declares types of its own loops that no loop of another can have.
# pyright: reportIncompatibleMethodOverride=false

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key
from numpyro.infer import ESS

from biglearn_plugins.baselines.ensembles import check_walkers, walker_count
from biglearn_plugins.baselines.markov_chains import Asked, Energy, MarkovChains, Sweep
from biglearn_plugins.baselines.numpyro_chains import AbstractNumpyroKernel, together
from biglearn_sampler.catalogue import Entry

MOST_STEPS = 16
"""Steps out of a slice, left and right together."""

MOST_SHRINKS = 40
"""Points that are tried on a slice. The interval shrinks by a third each time, to the place itself."""


class Interval(NamedTuple):
    """Ends of the intervals of all walkers, in directions, and how many more steps they may take."""

    ends: Float[Array, "2 half"]
    left: Float[Array, "2 half"]
    growing: Array
    rounds: Int[Array, ""]
    steps: Int[Array, ""]


class Shrinking(NamedTuple):
    """Points on the slices, as far as they were found."""

    key: Key[Array, ""]
    ends: Float[Array, "2 half"]
    places: Float[Array, " half"]
    searching: Array
    rounds: Int[Array, ""]
    shrinks: Int[Array, ""]


class CountedState(NamedTuple):
    """NumPyro's state of the ensemble, the energies of this iteration, and whether the length is still tuned."""

    tuned: Any
    asked: Int[Array, ""]
    is_tuning: Bool[Array, ""]


class CountedSlices(ESS):
    """NumPyro's ensemble slice sampling with its two loops written anew.

    NumPyro's own loops do not say how often they ran, run up to 10,000 times, and do not hold the border that keeps a
    limited number of steps reversible. These count every energy, also those of walkers that wait for the slowest; they
    step out `MOST_STEPS` times at most, shared out at random between the sides, and a walker that finds nothing in
    `MOST_SHRINKS` tries stays where it is.

    Reference: Neal, Annals of Statistics 31 (2003), figures 3 and 5.
    """

    def init_inner_state(self, rng_key: Key[Array, ""]) -> CountedState:
        return CountedState(super().init_inner_state(rng_key), jnp.asarray(0), jnp.asarray(True))

    def update_active_chains(
        self, active: Float[Array, "half dim"], inactive: Float[Array, "half dim"], inner_state: CountedState
    ) -> tuple[Float[Array, "half dim"], CountedState]:
        self._rounds = jnp.asarray(1)  # the height of the slice
        moved, tuned = super().update_active_chains(active, inactive, inner_state.tuned)
        # The second half of the walkers completes the iteration that the first has begun.
        before = jnp.where(tuned.i % 1 == 0, inner_state.asked, 0)
        length = jnp.where(inner_state.is_tuning, tuned.mu, inner_state.tuned.mu)
        asked = before + self._rounds * len(active)
        return moved, CountedState(tuned._replace(mu=length), asked, inner_state.is_tuning)

    def _step_out(
        self,
        rng_key: Key[Array, ""],
        log_slice_height: Float[Array, "half 1"],
        active: Float[Array, "half dim"],
        directions: Float[Array, "half dim"],
    ) -> tuple[Int[Array, ""], Float[Array, "half 1"], Float[Array, "half 1"]]:
        key_place, key_sides = jax.random.split(rng_key)
        low = -jax.random.uniform(key_place, (len(active),))
        left = jax.random.randint(key_sides, low.shape, 0, MOST_STEPS + 1).astype(low.dtype)
        outwards = jnp.array([[-1.0], [1.0]])

        def is_inside(ends: Float[Array, "2 half"]) -> Array:
            points = active + ends[..., None] * directions
            return jax.vmap(self.batch_log_density)(points)[..., 0] > log_slice_height[:, 0]

        def step(interval: Interval) -> Interval:
            growing = interval.growing & is_inside(interval.ends)
            ends = interval.ends + jnp.where(growing, outwards, 0.0)
            left = interval.left - growing
            return Interval(
                ends, left, growing & (left > 0), interval.rounds + 1, interval.steps + jnp.count_nonzero(growing)
            )

        sides = jnp.stack([left, MOST_STEPS - left])
        first = Interval(jnp.stack([low, low + 1.0]), sides, sides > 0, jnp.asarray(0), jnp.asarray(0))
        last = jax.lax.while_loop(lambda interval: interval.growing.any(), step, first)
        self._rounds = self._rounds + 2 * last.rounds
        return last.steps, last.ends[0][:, None], last.ends[1][:, None]

    def _shrink(
        self,
        rng_key: Key[Array, ""],
        log_slice_height: Float[Array, "half 1"],
        left: Float[Array, "half 1"],
        right: Float[Array, "half 1"],
        active: Float[Array, "half dim"],
        directions: Float[Array, "half dim"],
    ) -> tuple[Float[Array, "half dim"], Int[Array, ""]]:
        def tried(state: Shrinking) -> Shrinking:
            key, key_place = jax.random.split(state.key)
            low, high = state.ends
            places = low + (high - low) * jax.random.uniform(key_place, low.shape)
            places = jnp.where(state.searching, places, state.places)
            found = self.batch_log_density(active + places[:, None] * directions)[:, 0] >= log_slice_height[:, 0]
            searching = state.searching & ~found
            ends = jnp.stack(
                [jnp.where(searching & (places < 0), places, low), jnp.where(searching & (places >= 0), places, high)]
            )
            shrinks = state.shrinks + jnp.count_nonzero(searching)
            return Shrinking(key, ends, places, searching, state.rounds + 1, shrinks)

        nowhere = jnp.zeros(len(active), active.dtype)
        first = Shrinking(
            rng_key,
            jnp.stack([left[:, 0], right[:, 0]]),
            nowhere,
            jnp.ones(len(active), bool),
            jnp.asarray(0),
            jnp.asarray(0),
        )
        last = jax.lax.while_loop(lambda state: state.searching.any() & (state.rounds < MOST_SHRINKS), tried, first)
        self._rounds = self._rounds + last.rounds
        return active + jnp.where(last.searching, 0.0, last.places)[:, None] * directions, last.shrinks


@dataclass(frozen=True)
class EnsembleSliceKernel(AbstractNumpyroKernel):
    """Slice sampling of every walker of one half, along a difference of two walkers of the other.

    The length of differences is tuned during warm-up and, unlike in NumPyro, not after it. Walkers keep their places in
    the ensemble, otherwise nobody could follow a chain. Counted are the tried first points and every energy of the
    slices, those of walkers that wait included. The note `evaluations_per_iteration` is of all walkers.

    Arguments:
        walkers: at least 4; twice the dimension where that is more.
    """

    name: ClassVar[str] = "ensemble_slice"
    walkers: int = 64

    def chain_count(self, dim: int) -> int:
        return walker_count(self.walkers, dim)

    def build(self, energy: Energy, dim: int) -> CountedSlices:
        return CountedSlices(potential_fn=energy, randomize_split=False)

    def begin(
        self, kernel: CountedSlices, keys: Key[Array, " chains"], firsts: Float[Array, "chains dim"], warmup: int
    ) -> tuple[Any, Callable[[Any], Any]]:
        return together(kernel, keys, firsts, warmup)

    def cost_of_states(self, dim: int) -> Asked:
        return Asked()

    def largest_sweep(self, dim: int) -> Asked:
        return Asked(energies=self.chain_count(dim) * (1 + 2 * MOST_STEPS + MOST_SHRINKS))

    def seen(self, state: Any) -> Sweep:
        return Sweep(state.z, None, Asked(state.inner_state.asked, 0), {"evaluations": state.inner_state.asked})

    def settled(self, state: Any, warmup: int) -> Any:
        return state._replace(inner_state=state.inner_state._replace(is_tuning=jnp.asarray(False)))

    def notes(self, marks: Mapping[str, np.ndarray], sweeps: int) -> dict[str, float]:
        return {"evaluations_per_iteration": float(marks["evaluations"]) / max(sweeps, 1)}


def ensemble_slice(
    walkers: Annotated[int, "number of walkers, at least 4; twice the dimension where that is more"] = 64,
    warmup: Annotated[int, "iterations that are not kept, at least 0"] = 200,
    draws: Annotated[int, "iterations kept, at least 1, where no budget is given"] = 400,
) -> MarkovChains:
    """The baseline.

    Raises:
        ValueError: a parameter is out of range.
    """
    check_walkers(walkers, warmup, draws)
    return MarkovChains(EnsembleSliceKernel(walkers), warmup, draws)


ENTRY = Entry(
    name="ensemble_slice",
    build=ensemble_slice,
    summary="ensemble slice sampling of NumPyro: slices along differences of walkers, without gradients",
    reference="Karamanis & Beutler, Statistics and Computing 31 (2021); Neal, Annals of Statistics 31 (2003)",
)
