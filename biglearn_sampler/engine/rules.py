"""The constants of the engine: one set for every target, each with its reason."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from biglearn_sampler.devices import ONE_DEVICE, Devices
from biglearn_sampler.errors import SettingsError
from biglearn_sampler.learning.component_sums import largest_table

JUDGED_POINTS = 4
"""Fresh points of every searcher on which it is judged."""

LEAST_STEPS = 2
"""Steps whose points are shared at least, so that components that draw by turns are all there."""

BYTES = 4
COPIES, PAIRS, MATRICES, KNOWN = 4, 2, 11, 3
"""Arrays that a step holds at once, as XLA plans them on a CPU: of all points times all components; of all pairs of
coordinates at the points of `largest_table`; of a matrix for every component that learns; and for every known mode."""


@dataclass(frozen=True)
class Rules:
    """How the engine explores, settles, refines and polishes. Lengths are in declared scales.

    Nothing here depends on the target; what must depend on the dimension is a method.

    Arguments:
        most_components: a limit of the user; `None` for `refine_components(dim)`.
        searchers: components that explore.
        fresh_points: drawn from every component in a step, in antithetic pairs.
        round_steps: gradient steps between two looks at the components.
        window_points: as many points are shared by all searchers or refined components, past steps included.
        settling_points: likewise while a mixture of few components settles.
        learning_rate: of means and factors; a natural step of 1 would be Newton's.
        weight_rate: of log weights.
        width: standard deviation of a fresh component at most.
        proposals: of every kind in a round.
        base_failures, failures_per_mode: exploration ends when so many searchers in a row found nothing new,
        sweep_points: and so many points all over have shown nothing that the modes do not explain.
        long_exploration: points after which a fit that is not good is left to the refinement.
        refine_fresh_points: drawn from every component in a step of the refinement.
        final_rate: share of the learning rate left at its end.
        held_share: share of the refinement in which weights are held equal.
        moving_share: share of the refinement in which components without weight are moved.
        cycles: of the refinement at most; a further one is made where the sampler is still poor.
        polish_points: on which the last weights are found.
    """

    most_components: int | None = None
    searchers: int = 32
    fresh_points: int = 2
    round_steps: int = 40
    window_points: int = 512
    settling_points: int = 2048
    learning_rate: float = 0.5
    weight_rate: float = 0.2
    width: float = 0.3
    proposals: int = 48
    base_failures: int = 96
    sweep_points: int = 4096
    long_exploration: int = 150_000
    failures_per_mode: int = 2
    refine_fresh_points: int = 1
    final_rate: float = 0.02
    held_share: float = 0.2
    moving_share: float = 0.6
    cycles: int = 2
    polish_points: int = 16_384

    def least_evaluations(self, gradient: int = 1) -> int:
        """What one round of exploration asks, where a gradient costs so many evaluations."""
        return self.searchers * (self.fresh_points * self.round_steps * gradient + JUDGED_POINTS)

    def evaluations_of_round(self, kinds: int, gradient: int = 1) -> int:
        """The same with proposals of so many kinds, and a look at the places where searchers set out."""
        return self.least_evaluations(gradient) + kinds * self.proposals + self.searchers * gradient

    def check_memory(self, dim: int, devices: Devices = ONE_DEVICE) -> None:
        """See that the largest step fits into the memory of a device, or of the machine where devices share it.

        Raises:
            SettingsError: it does not, with the largest number of components that would.
        """
        count, parts = self.refine_components(dim), devices.component_parts
        if count % parts:
            raise SettingsError(
                f"components: {count:,} cannot be divided into the {parts} parts of devices.components; give a multiple"
            )
        needed = self.memory_of_step(dim, parts)
        available, owner = devices.memory(), "a device"
        if available is None:
            # Of devices that share the memory of the machine, each has its share.
            needed *= devices.local_count
            available, owner = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), "this machine"
        if needed > available:
            raise SettingsError(
                f"components: a step with {count:,} components in {dim} dimensions needs about {needed / 2**30:,.0f} "
                f"GiB of memory, {owner} has {available / 2**30:,.0f} GiB; give a smaller number, or divide them among "
                "more devices by devices.components"
            )

    def memory_of_step(self, dim: int, parts: int = 1) -> int:
        """Bytes that the largest step holds on a device, or a little more; without what the energy needs.

        That of all components, which are divided into so many parts but collected at its end, or that of the searchers,
        which know all modes.
        """
        count = self.refine_components(dim)
        points = max(self.settling_points, LEAST_STEPS * self.fresh_points * count)
        divided = COPIES * points * count + MATRICES * count * dim**2
        joint = PAIRS * largest_table(points, dim) + divided // parts + count * dim**2
        search = (MATRICES * self.searchers + KNOWN * self.most_held(dim)) * dim**2
        return BYTES * max(joint, search)

    def refine_components(self, dim: int) -> int:
        """Components of a refinement: as many as a step stays quick with."""
        if self.most_components is not None:
            return self.most_components
        return 512 if dim <= 16 else 256 if dim <= 50 else 128

    def shared_among(self, factors: int) -> Rules:
        """The rules of each factor of a product: all together have as many components as the user allows."""
        most = self.most_components
        return self if most is None else replace(self, most_components=max(1, most // factors))

    def rounds(self, dim: int) -> int:
        """Rounds of exploration at most."""
        return 44 + 3 * dim // 2

    def refine_steps(self, dim: int) -> int:
        """Steps of the first cycle of a refinement: of 470,000 points in few dimensions, 380,000 in up to fifty."""
        return 920 if dim <= 16 else 1480

    def most_modes(self, dim: int) -> int:
        """Modes that exploration keeps at most."""
        if self.most_components is not None:
            return self.most_components
        return 128 if dim <= 16 else 64 if dim <= 50 else 32

    def most_held(self, dim: int) -> int:
        """Modes that searchers can pass by: all that can be found, on top of those of a sampler under judgement."""
        return 2 * (self.most_modes(dim) + self.searchers)

    def failures(self, modes: int) -> int:
        """Searchers in a row without a new mode after which exploration ends (coupon collector)."""
        return self.base_failures + self.failures_per_mode * modes
