"""How benchmarks take times."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax

PATIENCE = 5.0
"""Seconds after which a call is not repeated any more."""


def fastest(work: Callable[[], Any], most: int = 5) -> float:
    """Seconds of the fastest of several calls, after one that compiles; of slow ones, few."""
    jax.block_until_ready(work())
    times: list[float] = []
    while not times or (len(times) < most and sum(times) < PATIENCE):
        began = time.perf_counter()
        jax.block_until_ready(work())
        times.append(time.perf_counter() - began)
    return min(times)
