"""The modes of a sampler as it has them itself: groups of components that overlap."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

OVERLAP = 0.02
"""Share of the draws of the smaller of two components that the other one claims too, from which they are one mode."""


def mode_groups(
    responsibilities: Float[np.ndarray, "draws components"], shares: Float[np.ndarray, " draws"] | None = None
) -> Int[np.ndarray, " components"]:
    """The number of the group of every component.

    Two components belong together when many draws could have come from either:
    `sum_i r_ik r_il >= OVERLAP min(sum_i r_ik, sum_i r_il)`; and so do those that a third one joins.

    Arguments:
        responsibilities: `r_ik`, the probability that draw i came from component k.
        shares: what every draw counts for, where they are not draws of the sampler; equal if not given.
    """
    shared = responsibilities if shares is None else responsibilities * shares[:, None]
    together = shared.T @ responsibilities
    mass = shared.sum(0)
    linked = together >= OVERLAP * np.minimum(mass[:, None], mass[None]) + 1e-12
    group = np.full(len(mass), -1)
    for first in range(len(mass)):
        if group[first] >= 0:
            continue
        border = [first]
        while border:
            member = border.pop()
            if group[member] < 0:
                group[member] = first
                border += np.flatnonzero(linked[member] & (group < 0)).tolist()
    return np.unique(group, return_inverse=True)[1]
