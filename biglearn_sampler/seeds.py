"""Seeds: which numbers are some."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from biglearn_sampler.errors import UserError

SEEDS = 2**32
"""How many there are: JAX cuts off the rest of a larger one."""


def checked_seed(seed: Any, error: type[UserError] = UserError) -> int:
    """A seed.

    Raises:
        UserError: it is none; or the kind of error that is given.
    """
    if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= int(seed) < SEEDS:
        raise error(f"seed must be a whole number from 0 to {SEEDS - 1}, got {seed!r}")
    return int(seed)
